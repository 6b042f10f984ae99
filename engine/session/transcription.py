"""A transcription session: speech in, its words out. Made by `open_transcription`."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.config.listening import TranscriptionConfig, changed_transcription
from engine.endpoints import endpoint_of
from engine.errors import LocalMisuse
from engine.inbox import Inbox
from engine.protocol.effects import Effect
from engine.protocol.transcriber import Transcriber
from engine.session.base import BaseSession, Dialect, Hooks, new_id
from engine.transport.base import Connector
from engine.wire.client import InputAudioBufferClear, InputAudioBufferCommit


class TranscriptionSession(BaseSession):
    """Writes down what is said, turn by turn; nobody answers.

    `receive()` gives for each turn a `SpeechStartedEvent`, a `SpeechStoppedEvent`, a `SpeechCommittedEvent`, and each
    time that there are words a `TranscriptEvent`; beside the events that begin and end a connection, and errors.

    It goes on over another connection as `config.engine` says (`on_timeout`, `reconnect`). Turns without all of their
    words are said again there, and are other turns then, with other ids: of those that had no final `TranscriptEvent`
    before a `BidiConnectionRestartEvent`, nothing more comes.

    Args:
        config: What the session is.
        connector: How to connect; the network when None.
        inbox: Class of the inbox, where another than Trio's own tasks read it.
    """

    def __init__(
        self, config: TranscriptionConfig, connector: Connector | None = None, *, inbox: type[Inbox] = Inbox
    ) -> None:
        self.config = config
        connection_id = new_id()
        self._transcriber = Transcriber(config, connection_id)
        super().__init__(
            self._transcriber,
            connection_id=connection_id,
            model=config.model,
            audio=config.audio,
            client=config.client,
            engine=config.engine,
            endpoint=lambda: endpoint_of(config.client, intent="transcription"),
            connector=connector,
            dialect=Dialect(),
            hooks=Hooks(),
            inbox=inbox,
        )

    async def commit(self) -> None:
        """End the turn by hand: what was sent since the last one is written down.

        Raises:
            LocalMisuse: Turns are detected by the service, or there is less audio than the service takes.
            SessionEnded: The session is over.
        """
        self._supervisor.check_live()
        if self.config.turn_detection is not None:
            raise LocalMisuse("the service ends turns by itself | commit needs turn_detection=None")
        self._out.check_committable()
        await self._supervisor.submit(self._transcriber.commit, InputAudioBufferCommit())

    async def clear(self) -> None:
        """Take back what was sent since the last turn.

        Raises:
            SessionEnded: The session is over.
        """
        await self._supervisor.submit(self._transcriber.clear, InputAudioBufferClear())

    async def update(self, **changes: Any) -> None:
        """Change settings while it runs, by the names of `TranscriptionConfig`; None turns off what it can turn off.

        A refusal comes as an error event; `config` says what was asked for.

        Raises:
            ConfigError: A setting is not known, not possible, or fixed while the session runs.
            NotStarted: The session is not open yet.
            SessionEnded: The session is over.
        """
        await self._supervisor.submit(lambda _: self._change(changes))

    def _change(self, changes: Mapping[str, Any]) -> Sequence[Effect]:
        # In one step, so that of two changes at once neither undoes the other.
        config, session = changed_transcription(self.config, changes)
        effects = self._transcriber.configure(session)
        self.config = config
        return effects
