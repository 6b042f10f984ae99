"""A session: what an application holds in its hands while a person and a model talk."""

from typing import Any, Unpack

from engine.config import SessionConfig
from engine.config.changes import Changes
from engine.content import check_text
from engine.endpoints import endpoint_of
from engine.errors import BidiModelTimeoutError, UnsupportedContent
from engine.event_stream import EventStream
from engine.events import (
    BidiAudioInputEvent,
    BidiAudioStreamEvent,
    BidiImageInputEvent,
    BidiInterruptionEvent,
    BidiTextInputEvent,
    SessionInput,
    ToolResultEvent,
)
from engine.inbox import Inbox
from engine.metering.cost import Cost, session_cost
from engine.metering.prices import Prices
from engine.metering.records import TurnRecord
from engine.protocol.conversation import Conversation
from engine.protocol.history import History
from engine.session.answers import Answers
from engine.session.base import Dialect, Hooks, new_id
from engine.session.carrier import Carrier
from engine.session.input import SpokenInput
from engine.session.items import Items
from engine.session.mcp import McpServers
from engine.session.playback import SessionPlayback
from engine.session.responses import Responses
from engine.session.settings import update
from engine.session.speaker import Speaker
from engine.session.speaking import SpeakingSession
from engine.session.statistics import SessionStatistics
from engine.session.tools import SessionTools, Toolbox
from engine.telemetry import SessionMeter
from engine.transport.base import Connector
from engine.wire.server import RateLimit
from engine.wire.session import Session as WireSession


class Session(SpeakingSession):
    """One conversation, over one connection after another. Made by `open_session`.

    Args:
        config: What the session is.
        connector: How to connect; the network when None.
        inbox: Class of the inbox, where another than Trio's own tasks read it.
    """

    def __init__(
        self, config: SessionConfig, connector: Connector | None = None, *, inbox: type[Inbox] = Inbox
    ) -> None:
        self.config = config
        connection_id = new_id()
        self._conversation = Conversation(config, connection_id)
        self._speaker = Speaker(config.audio, self._conversation.playback)
        self._meter = SessionMeter(config.model, connection_id)
        self._conversation.playback.first_heard = self._meter.log.heard
        self._carrier = Carrier(self._speaker)
        super().__init__(
            self._conversation,
            connection_id=connection_id,
            model=config.model,
            audio=config.audio,
            client=config.client,
            engine=config.engine,
            endpoint=lambda: endpoint_of(config.client, config.model),
            connector=connector,
            dialect=Dialect(),
            hooks=Hooks(
                carriers=(self._carrier, self._speaker),
                taken={BidiAudioStreamEvent: self._speaker.taken, BidiInterruptionEvent: self._interruption_taken},
                lost=self._speaker.lost,
                meter=self._meter,
            ),
            inbox=inbox,
        )
        self._begin_to_speak()
        self.input = SpokenInput(self._conversation, self._out, self._supervisor)
        """Turns by hand."""
        self.playback = SessionPlayback(self._conversation.playback)
        """What the user has heard."""
        self._requests = Answers(self._conversation, self._supervisor)
        self._tools = SessionTools(self, self._conversation, self._supervisor, self._requests)
        self.items = Items(self._requests)
        """The conversation's items, at the service."""
        self.responses = Responses(self._requests, self._supervisor, config.audio, config.model)
        """Responses that are asked for by themselves."""
        self.mcp = McpServers(self._conversation.mcp, self._requests, self._supervisor)
        """Tools that the service calls by itself."""
        carrier = self._carrier
        carrier.inbox, carrier.answers, carrier.tools = self.inbox, self._requests, self._tools
        carrier.responses, carrier.mcp = self.responses, self.mcp
        self._supervisor.when_over(self._tell_how_to_go_on)

    @property
    def settings(self) -> WireSession | None:
        """The settings in effect, as the service told them last."""
        return self._conversation.effective.session

    async def update(self, **changes: Unpack[Changes]) -> WireSession:
        """Change settings of the running session, by the names of `SessionConfig`; what is not named stays.

        None turns off what it can turn off: `transcription`, `noise_reduction`, `turn_detection`, `tracing`, `prompt`,
        `include`. A second change of the same setting waits until the first has its answer. The service takes a change
        whole or not at all. Cancelled, it was sent or was not; `settings` tells.

        Returns:
            The settings in effect, whole, as the service tells them.

        Raises:
            ConfigError: A name or a value is wrong, or not possible with the session's model.
            LocalMisuse: The service would refuse it now: another voice after the model has spoken, another tracing, the
                speed while a response is active.
            ServerReported: The service refused.
            DeadlinePassed: No answer came within `engine.request_deadline_s`.
            SessionEnded: The session is over.
        """
        return await update(self._conversation, self._requests, changes, self._tools.changed)

    @property
    def history(self) -> History:
        """The server's items, mirrored."""
        return self._conversation.history

    # --- talking ----------------------------------------------------------------------------------------------

    async def send(self, content: SessionInput) -> None:
        """Send text, audio, a tool result, or (by opt-in) an image. Cancelled, it has sent all or nothing.

        Raises:
            UnsupportedContent: It can't be sent; the text says what can.
            NotStarted: The session is not open yet.
            SessionEnded: The session is over.
            LimitExceeded: Too much audio waits for the socket, with `input_overflow="fail"`.
        """
        self._supervisor.check_live()
        if isinstance(content, BidiAudioInputEvent):
            await self.send_audio(content)
        elif isinstance(content, (BidiTextInputEvent, BidiImageInputEvent, ToolResultEvent)):
            check_text(content)
            await self._supervisor.submit(lambda now: self._conversation.submit(content, now))
        else:
            # Callers without a type checker come here.
            ways = "BidiTextInputEvent, BidiAudioInputEvent, BidiImageInputEvent or ToolResultEvent"  # type: ignore[unreachable]
            raise UnsupportedContent(f"content_type={type(content).__name__} | content not supported; send {ways}")

    def run(self, tools: Toolbox) -> EventStream:
        """Receive events while tools run: each call is taken the moment it arrives, and answered by its tool.

        Calls are among the events too, for whoever wants to see them. Tools run in the session's nursery, so that
        leaving the loop does not stop them; to go on with the events, run the same tools again. The service is told at
        once of those that it does not know from `config.tools` or from an `update`. A call of a tool that it knows from
        there, and that is not among these, is left to the application. So is a call of a response out of band, which is
        told in its own stream.

        Args:
            tools: As `engine.tools.Tools`; one set for the whole session, which may grow.

        Raises:
            LocalMisuse: Another set of tools runs in this session.
            SessionEnded: The session is over.
            NotStarted: It is not open yet.
        """
        self._tools.attach(tools)
        return self.receive()

    async def interrupt(self) -> None:
        """Make the model fall silent, as when the user presses a key to speak.

        The active response is cancelled, audio that waits is dropped, the service is told what was heard, and
        `receive()` gives a `BidiInterruptionEvent`, as if the service had heard the user speak.

        Raises:
            SessionEnded: The session is over.
        """
        await self._supervisor.submit(self._conversation.interrupt)

    def _interruption_taken(self, event: BidiInterruptionEvent, now: float) -> None:
        self._meter.log.interruption_delivered(event.received_at, now)

    def _tell_how_to_go_on(self) -> None:
        error = self._supervisor.error
        if isinstance(error, BidiModelTimeoutError):
            error.restart_config["history"] = self._so_far()

    def _so_far(self) -> list[Any]:
        """Give what the next session is to begin with; where this one never began, what it was to begin with."""
        return list(self.config.history) if self.settings is None else self.history.messages()

    # --- figures ----------------------------------------------------------------------------------------------

    @property
    def turns(self) -> tuple[TurnRecord, ...]:
        """The newest turns with their times, oldest first: as in `statistics`, but without the cost of a snapshot."""
        return self._meter.log.turns

    @property
    def rate_limits(self) -> tuple[RateLimit, ...]:
        """What is left of the account's limits, as the service told last; empty before it has."""
        return self._meter.log.rate_limits

    def statistics(self) -> SessionStatistics:
        """Give a snapshot."""
        traffic = self._supervisor.traffic
        return SessionStatistics(
            connection_id=self.connection_id,
            state=self._supervisor.state,
            age_s=self._supervisor.age_s,
            messages_received=traffic.messages,
            events_received=traffic.events.snapshot(),
            audio_fed_ms=self._out.pump.fed_ms,
            microphone=self._out.pump.statistics(),
            audio_received_ms=traffic.audio_chars * 3 / 4 / self.config.audio.bytes_per_ms,
            inbox=self.inbox.statistics(),
            control_lane=self._out.control.statistics(),
            audio_lane=self._out.audio.statistics(),
            conversation=self._conversation.statistics(),
            transport=self._supervisor.transport_statistics(),
            links=self._supervisor.links_statistics(),
            turns=self._meter.log.turns,
            asides=self._meter.log.aside,
            totals=self._meter.log.totals,
            cost=self.cost(),
            tools=self._tools.statistics(),
        )

    def cost(self, prices: Prices | None = None) -> Cost | None:
        """Tell what the session cost so far.

        Args:
            prices: Your own table; ours when None.

        Returns:
            The cost, or None where the table does not know the session's model.
        """
        totals, heard = self._meter.log.totals, self.config.transcription
        return session_cost(
            totals.tokens,
            totals.transcribed,
            prices or Prices.builtin(),
            model=self.config.model,
            transcription_model=heard.model if heard is not None else None,
        )
