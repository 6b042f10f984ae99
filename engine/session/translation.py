"""A translation session: speech in, the same in another language out. Made by `open_translation`."""

from collections.abc import Callable

from engine import limits
from engine.actors.audio_out import AudioOut
from engine.audio.pcm import G711_RATE_HZ
from engine.audio.playback import Playback
from engine.audio.shape import AudioShape, Encoding
from engine.config.listening import TranslationConfig, changed_translation
from engine.endpoints import endpoint_of
from engine.events.listening import TranslatedAudioEvent
from engine.protocol.effects import AudioDone
from engine.protocol.translator import Translator
from engine.session.base import BaseSession, Dialect, Hooks, new_id
from engine.session.speaker import Speaker
from engine.transport.base import Connector
from engine.wire.codec import decode_translation_client, decode_translation_server
from engine.wire.translation import TranslationInputAudioBufferAppend, TranslationSessionClose

_DIALECT = Dialect(
    decode=decode_translation_server,
    decode_sent=decode_translation_client,
    append_type=TranslationInputAudioBufferAppend.tag,
)


class TranslationSession(BaseSession):
    """Says in another language what it hears, without turns.

    `receive()` gives `TranslatedAudioEvent`s and `TranslationTextEvent`s, beside the events that begin and end a
    connection, and errors. Call `finish` at the end of the speech: what is under way still comes, then the end.

    Args:
        config: What the session is.
        connector: How to connect; the network when None.
    """

    def __init__(self, config: TranslationConfig, connector: Connector | None = None) -> None:
        self.config = config
        connection_id = new_id()
        self._translator = Translator(config, connection_id)
        self._speaker = Speaker(config.audio, Playback(config.audio.wire_shape.rate_hz))
        carry: dict[type, Callable[..., None]] = {
            TranslatedAudioEvent: self._speaker.play,
            AudioDone: self._speaker.done,
        }
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
            hooks=Hooks(carry=carry),
        )
        self._speaker.put = self._supervisor.deliver
        self._supervisor.when_over(lambda: self._speaker.end(at_once=False))

    def audio_out(
        self,
        frame_ms: int = 20,
        *,
        rate: int | None = None,
        channels: int = 1,
        format: Encoding = "pcm",
        prebuffer_ms: int = limits.AUDIO_OUT_PREBUFFER_MS,
    ) -> AudioOut:
        """Hear the translation in real time; see `Session.audio_out`."""
        own_hz = limits.WIRE_RATE_HZ if format == "pcm" else G711_RATE_HZ
        return self._speaker.open(AudioShape(format, rate or own_hz, channels), frame_ms, prebuffer_ms)

    async def finish(self) -> None:
        """Say that the speech is over. What is still to be translated comes, then the close event `complete`.

        Raises:
            SessionEnded: The session is over.
        """
        await self._supervisor.submit(self._translator.finish, TranslationSessionClose())

    async def update(self, **changes: object) -> None:
        """Change `language`, `transcription` or `noise_reduction` while it runs. A refusal comes as an error event.

        Raises:
            ConfigError: A setting is not known, not possible, or fixed while the session runs.
            SessionEnded: The session is over.
        """
        config, session = changed_translation(self.config, changes)
        await self._supervisor.submit(lambda _: self._translator.configure(session))
        self.config = config
