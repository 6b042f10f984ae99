"""The events of the translation endpoint: a vocabulary of its own, whose session events have names in common with ours.

`decode_translation_server` and `decode_translation_client` of `engine.wire.codec` read them.
"""

from typing import ClassVar

import attrs

from engine.wire.client import ClientEventBase
from engine.wire.record import Record
from engine.wire.server import ErrorReported, ServerEventBase, UnknownServerEvent
from engine.wire.session import NoiseReduction, Transcription


@attrs.frozen(kw_only=True)
class TranslationAudioInput(Record):
    """The speech to translate.

    Attributes:
        transcription: Asks for its words too; only `model` counts.
    """

    transcription: Transcription | None = None
    noise_reduction: NoiseReduction | None = None


@attrs.frozen(kw_only=True)
class TranslationAudioOutput(Record):
    """The translated speech; `language` as in `es` or `fr`."""

    language: str | None = None


@attrs.frozen(kw_only=True)
class TranslationAudio(Record):
    """Audio settings, both ways."""

    input: TranslationAudioInput | None = None
    output: TranslationAudioOutput | None = None


@attrs.frozen(kw_only=True)
class TranslationSession(Record):
    """A translation session's settings; a client may change what is in `audio`, nothing else."""

    type: str | None = None
    object: str | None = None
    id: str | None = None
    model: str | None = None
    expires_at: int | None = None
    audio: TranslationAudio | None = None


# What a client sends


@attrs.frozen(kw_only=True)
class TranslationSessionUpdate(ClientEventBase):
    """Change the session; only fields that are present change."""

    tag: ClassVar[str] = "session.update"
    session: TranslationSession


@attrs.frozen(kw_only=True)
class TranslationInputAudioBufferAppend(ClientEventBase):
    """Add speech: base64 text, PCM16 mono 24 kHz, best in pieces of 200 ms. Nothing answers it."""

    tag: ClassVar[str] = "session.input_audio_buffer.append"
    audio: str = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class TranslationSessionClose(ClientEventBase):
    """End the session once all that was appended is translated."""

    tag: ClassVar[str] = "session.close"


# What the service sends


@attrs.frozen(kw_only=True)
class TranslationSessionCreated(ServerEventBase):
    """The first event of a good connection."""

    tag: ClassVar[str] = "session.created"
    session: TranslationSession


@attrs.frozen(kw_only=True)
class TranslationSessionUpdated(ServerEventBase):
    """The answer to `session.update`: the whole effective session."""

    tag: ClassVar[str] = "session.updated"
    session: TranslationSession


@attrs.frozen(kw_only=True)
class TranslationSessionClosed(ServerEventBase):
    """The last event: all is translated, the connection closes."""

    tag: ClassVar[str] = "session.closed"


@attrs.frozen(kw_only=True)
class TranscriptDelta(ServerEventBase):
    """What both transcripts' pieces have: text to append as it is, without a space between.

    Attributes:
        elapsed_ms: Where in the translated speech it belongs, in steps of 200 ms; several pieces may share it.
    """

    delta: str
    elapsed_ms: int | None = None


@attrs.frozen(kw_only=True)
class TranslationInputTranscriptDelta(TranscriptDelta):
    """A piece of what was said; only where the session asks for it."""

    tag: ClassVar[str] = "session.input_transcript.delta"


@attrs.frozen(kw_only=True)
class TranslationOutputTranscriptDelta(TranscriptDelta):
    """A piece of the translation's words."""

    tag: ClassVar[str] = "session.output_transcript.delta"


@attrs.frozen(kw_only=True)
class TranslationOutputAudioDelta(ServerEventBase):
    """A piece of translated speech, of any length.

    Attributes:
        delta: Base64 text.
        sample_rate: In Hz; 24000 where it is not said.
        channels: One where it is not said.
        format: `pcm16`.
        elapsed_ms: Where in the translated speech it belongs, in steps of 200 ms.
    """

    tag: ClassVar[str] = "session.output_audio.delta"
    delta: str = attrs.field(repr=False)
    sample_rate: int | None = None
    channels: int | None = None
    format: str | None = None
    elapsed_ms: int | None = None


TranslationClientEvent = TranslationSessionUpdate | TranslationInputAudioBufferAppend | TranslationSessionClose

TranslationServerEvent = (
    TranslationSessionCreated
    | TranslationSessionUpdated
    | TranslationSessionClosed
    | TranslationInputTranscriptDelta
    | TranslationOutputTranscriptDelta
    | TranslationOutputAudioDelta
    | ErrorReported
    | UnknownServerEvent
)

TRANSLATION_CLIENT_CLASSES: dict[str, type[ClientEventBase]] = {
    cls.tag: cls for cls in (TranslationSessionUpdate, TranslationInputAudioBufferAppend, TranslationSessionClose)
}

TRANSLATION_SERVER_CLASSES: dict[str, type[ServerEventBase]] = {
    cls.tag: cls
    for cls in (
        TranslationSessionCreated,
        TranslationSessionUpdated,
        TranslationSessionClosed,
        TranslationInputTranscriptDelta,
        TranslationOutputTranscriptDelta,
        TranslationOutputAudioDelta,
        ErrorReported,
    )
}
