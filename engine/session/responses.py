"""`session.responses`: responses that the application asks for by themselves, in the conversation and out of band."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, cast

import trio

from engine.audio.playback import Playback
from engine.config import AudioSettings, Prompt
from engine.config.asked import METADATA_ID_KEY, asked_to_wire
from engine.errors import EngineError, LimitExceeded, LocalMisuse
from engine.event_stream import EventStream
from engine.events import BidiAudioStreamEvent, BidiOutputEvent, BidiResponseCompleteEvent
from engine.inbox import Inbox
from engine.limits import RESPONSE_INBOX_MAX_BYTES
from engine.protocol.asking import FOLLOWED_MAX
from engine.protocol.effects import Apart, AudioDone, ResponseEnded
from engine.session.answers import Answers
from engine.session.speaker import Speaker
from engine.session.supervisor import Supervisor
from engine.wire.client import ClientEvent, ResponseCancel, ResponseCreate
from engine.wire.codec import encode
from engine.wire.items import Item
from engine.wire.response import Response
from engine.wire.session import TextOrObject, TokenCount

Cancel = Callable[[str], Any]


class ResponseStream(AsyncIterator[BidiOutputEvent]):
    """A response that was asked for by itself, from its beginning.

    One out of band is iterated over: its events, up to `BidiResponseCompleteEvent` and its usage, come here and nowhere
    else. Those of one in the conversation come from `Session.receive`, in order with everything else. Either may be
    left at any time; `done` waits for the end.

    Args:
        response: As it began.
        audio: Formats.
        cancel: Stops a response by its id.
    """

    __slots__ = (
        "_cancel",
        "_ended",
        "_error",
        "_events",
        "_inbox",
        "_response",
        "_speaker",
        "id",
        "metadata",
        "out_of_band",
    )

    def __init__(self, response: Response, audio: AudioSettings, cancel: Cancel, *, out_of_band: bool) -> None:
        self.id = response.id or ""
        """The response's id, as `response_id` of its events."""
        self.metadata = {k: v for k, v in (response.metadata or {}).items() if k != METADATA_ID_KEY}
        """As it was asked for."""
        self.out_of_band = out_of_band
        """It adds nothing to the conversation, and its events come here."""
        self._cancel = cancel
        self._inbox = Inbox(RESPONSE_INBOX_MAX_BYTES, "drop_oldest_audio")
        self._events = EventStream(lambda: self._inbox)
        # In the shape that the application wants; nobody follows what is heard of it.
        self._speaker = Speaker(audio, Playback(audio.wire_shape.rate_hz))
        self._speaker.put = self._inbox.put
        self._response: Response | None = None
        self._error: EngineError | None = None
        self._ended = trio.Event()

    def __aiter__(self) -> "ResponseStream":
        if not self.out_of_band:
            raise LocalMisuse("the events of a response in the conversation come from receive() | await done() here")
        return self

    async def __anext__(self) -> BidiOutputEvent:
        return await self._events.__anext__()

    async def done(self) -> Response:
        """Wait for the end.

        Returns:
            The whole response as the service tells it: status, output items, usage.

        Raises:
            SessionEnded: The session ended before it.
            RemoteViolation: What the service said of its end could not be read.
        """
        await self._ended.wait()
        if self._error is not None:
            raise self._error
        return cast("Response", self._response)

    async def cancel(self) -> bool:
        """Stop it; returns when it has ended. False when it had ended before.

        Raises:
            ServerReported: The service refused.
            DeadlinePassed: No answer came within `engine.request_deadline_s`.
            SessionEnded: The session is over.
        """
        if self._ended.is_set():
            await trio.lowlevel.checkpoint()
            return False
        return cast("bool", await self._cancel(self.id))

    # --- what the session calls -------------------------------------------------------------------------------

    def take(self, told: BidiOutputEvent | AudioDone) -> None:
        """Put in what the response tells."""
        try:
            match told:
                case AudioDone():
                    self._speaker.done(told)
                case BidiAudioStreamEvent():
                    self._speaker.play(told)
                case _:
                    if isinstance(told, BidiResponseCompleteEvent):
                        self._speaker.response_done(self.id)  # What is left of items of which no end was told.
                    self._inbox.put(told)
        except LimitExceeded as error:
            # Who reads this response too slowly loses it alone; the session goes on.
            self._inbox.close(error)

    def end(self, response: Response) -> None:
        """It is over."""
        self._response = response
        self._inbox.close()
        self._ended.set()

    def lose(self, error: EngineError) -> None:
        """Its end will not be told: the session is over, or the end could not be read."""
        self._error = error
        self._inbox.close(error)
        self._ended.set()


class Responses:
    """Asks for responses, each with settings of its own. What `send` asks for needs none of this.

    Args:
        answers: Waits for the service.
        supervisor: Runs the session.
        audio: Formats.
        model: The session's.
    """

    __slots__ = ("_answers", "_audio", "_beginning", "_model", "_streams", "_supervisor")

    def __init__(self, answers: Answers, supervisor: Supervisor, audio: AudioSettings, model: str) -> None:
        self._answers = answers
        self._supervisor = supervisor
        self._audio = audio
        self._model = model
        self._streams: dict[str, ResponseStream] = {}
        self._beginning = 0
        supervisor.when_over(self._over)

    async def create(
        self,
        *,
        conversation: str = "auto",
        input: Sequence[Item | Mapping[str, Any]] | None = None,
        instructions: str | None = None,
        output_modalities: Sequence[str] | str | None = None,
        voice: TextOrObject | None = None,
        tools: Sequence[Any] | None = None,
        tool_choice: TextOrObject | None = None,
        parallel_tool_calls: bool | None = None,
        reasoning_effort: str | None = None,
        max_output_tokens: TokenCount | None = None,
        prompt: Prompt | Mapping[str, Any] | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> ResponseStream:
        """Ask for a response; returns when it has begun. What is None is as the session has it.

        One in the conversation waits until no other is active and the user has stopped speaking, behind those that were
        asked for before it. If the user begins to speak just then, it begins, and ends as cancelled. One out of band
        goes out at once; several may run beside each other and the conversation.
        Cancelled, it is not asked for; or, if it was already, one out of band is stopped as soon as it begins.

        Args:
            conversation: `auto`, or `none` for a response out of band: it adds nothing to the conversation, and the
                user's speech does not stop it.
            input: Items that the model sees instead of the conversation; `{"type": "item_reference", "id": ...}` points
                at one of it; `[]` for none.
            instructions: For this response only, as all that follows.
            output_modalities: `audio` or `text`.
            voice: A voice's name, or `{"id": ...}`.
            tools: What it may call.
            tool_choice: As in `SessionConfig`.
            parallel_tool_calls: As in `SessionConfig`.
            reasoning_effort: As in `SessionConfig`.
            max_output_tokens: Its bound.
            prompt: A prompt template that the service keeps.
            metadata: At most 15 pairs of text, keys up to 64 and values up to 512 characters; the service keeps them
                with the response. The engine adds `client_event_id`.

        Raises:
            ConfigError: A value can't be used.
            UnsupportedContent: An item can't be written as JSON.
            ServerReported: The service refused.
            LimitExceeded: `asking.FOLLOWED_MAX` (256) responses run or wait already.
            DeadlinePassed: It did not begin within `engine.response_request_deadline_s` of being sent.
            SessionEnded: The session is over.
        """
        asked = {
            "input": input,
            "instructions": instructions,
            "output_modalities": output_modalities,
            "voice": voice,
            "tools": tools,
            "tool_choice": tool_choice,
            "parallel_tool_calls": parallel_tool_calls,
            "reasoning_effort": reasoning_effort,
            "max_output_tokens": max_output_tokens,
            "prompt": prompt,
            "metadata": metadata,
        }
        event = ResponseCreate(response=asked_to_wire(asked, conversation, self._model))
        encode(event)  # What can't be written must not count as sent.
        return await self._begin(event, out_of_band=conversation == "none")

    async def _begin(self, event: ClientEvent, *, out_of_band: bool) -> ResponseStream:
        if (asked := len(self._streams) + self._beginning + 1) > FOLLOWED_MAX:
            raise LimitExceeded("FOLLOWED_MAX", FOLLOWED_MAX, asked, "wait for the end of other responses")
        made: list[ResponseStream] = []

        def follow(response: Response) -> ResponseStream:
            stream = ResponseStream(response, self._audio, self.cancel, out_of_band=out_of_band)
            made.append(stream)
            self._streams[stream.id] = stream
            return stream

        self._beginning += 1
        try:
            return cast("ResponseStream", await self._answers.ask(lambda: event, follow))
        except BaseException:  # Cancelled, or the program is.
            for stream in made:
                self._abandon(stream)
            raise
        finally:
            self._beginning -= 1

    def _abandon(self, stream: ResponseStream) -> None:
        """It had begun, and nobody got it: one out of band would run for nobody."""
        self._streams.pop(stream.id, None)
        if stream.out_of_band:
            self._answers.tell(ResponseCancel(response_id=stream.id))

    async def cancel(self, response_id: str | None = None) -> bool:
        """Stop a response; returns when it has ended.

        Args:
            response_id: Which; the active one of the conversation when None.

        Returns:
            False when there was nothing to stop.

        Raises:
            ServerReported: The service refused.
            DeadlinePassed: No answer came within `engine.request_deadline_s`.
            SessionEnded: The session is over.
        """
        return cast("bool", await self._answers.ask(lambda: ResponseCancel(response_id=response_id)))

    # --- what the session calls -------------------------------------------------------------------------------

    def told(self, effect: Apart) -> None:
        """Hand on what a response out of band tells. Nobody asks for one that was abandoned."""
        stream = self._streams.get(effect.response_id)
        if stream is not None:
            stream.take(effect.told)

    def ended(self, effect: ResponseEnded) -> None:
        """A response is over."""
        stream = self._streams.pop(effect.response.id or "", None)
        if stream is None:
            return
        if effect.error is None:
            stream.end(effect.response)
        else:
            stream.lose(effect.error)

    def _over(self) -> None:
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.lose(self._supervisor.over())
