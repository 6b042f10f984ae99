"""A translation session: speech in, the same in another language out. Made by `open_translation`."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.audio.playback import Playback
from engine.config.listening import TranslationConfig, changed_translation
from engine.endpoints import endpoint_of
from engine.errors import LocalMisuse
from engine.events import BidiAudioInputEvent
from engine.inbox import Inbox
from engine.protocol.effects import Effect
from engine.protocol.translator import Translator
from engine.session.base import Dialect, Hooks, new_id
from engine.session.speaker import Speaker
from engine.session.speaking import SpeakingSession
from engine.transport.base import Connector
from engine.wire.codec import decode_translation_client, decode_translation_server
from engine.wire.translation import TranslationInputAudioBufferAppend, TranslationSessionClose

_DIALECT = Dialect(
    decode=decode_translation_server,
    decode_sent=decode_translation_client,
    append_type=TranslationInputAudioBufferAppend.tag,
)


class TranslationSession(SpeakingSession):
    """Says in another language what it hears, without turns.

    `receive()` gives each piece of speech as a `TranslatedAudioEvent` and each piece of text as a
    `TranslationTextEvent`, beside the events that begin and end a connection, and errors. Call `finish` at the end of
    the speech: what is under way still comes, then the end.

    It goes on over another connection as `config.engine` says (`on_timeout`, `reconnect`). A renewal waits until
    neither side speaks, and costs no word. After a loss no word comes twice, but what the service had heard and not
    said yet, as it lags behind, is not translated.

    Args:
        config: What the session is.
        connector: How to connect; the network when None.
        inbox: Class of the inbox, where another than Trio's own tasks read it.
    """

    def __init__(
        self, config: TranslationConfig, connector: Connector | None = None, *, inbox: type[Inbox] = Inbox
    ) -> None:
        self.config = config
        connection_id = new_id()
        self._translator = Translator(config, connection_id)
        self._speaker = Speaker(config.audio, Playback(config.audio.wire_shape.rate_hz))
        super().__init__(
            self._translator,
            connection_id=connection_id,
            model=config.model,
            audio=config.audio,
            client=config.client,
            engine=config.engine,
            endpoint=lambda: endpoint_of(config.client, config.model, path="/realtime/translations"),
            connector=connector,
            dialect=_DIALECT,
            hooks=Hooks(carriers=(self._speaker,)),
            inbox=inbox,
        )
        self._begin_to_speak()
        self._translator.held_back = lambda: not self.inbox.has_room()

    async def finish(self) -> None:
        """Say that the speech is over. What is still to be translated comes, then the close event `complete`.

        Raises:
            NotStarted: The session is not open yet.
            SessionEnded: The session is over.
        """
        await self._supervisor.submit(self._translator.finish, TranslationSessionClose())

    async def update(self, **changes: Any) -> None:
        """Change `language`, `transcription` or `noise_reduction` while it runs; None turns the last two off.

        A refusal comes as an error event; `config` says what was asked for.

        Raises:
            ConfigError: A setting is not known, not possible, or fixed while the session runs.
            NotStarted: The session is not open yet.
            SessionEnded: The session is over.
        """
        await self._supervisor.submit(lambda _: self._change(changes))

    def _change(self, changes: Mapping[str, Any]) -> Sequence[Effect]:
        # In one step, so that of two changes at once neither undoes the other.
        config, session = changed_translation(self.config, changes)
        effects = self._translator.configure(session)
        self.config = config
        return effects

    async def send_audio(self, audio: bytes | BidiAudioInputEvent) -> None:
        """Send the speech to be translated; see `BaseSession.send_audio`.

        Raises:
            LocalMisuse: `finish` was called.
        """
        self._supervisor.check_live()
        if self._translator.finishing:
            raise LocalMisuse("audio was sent after finish() | the service takes none; open another session for it")
        await super().send_audio(audio)
