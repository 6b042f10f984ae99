"""Settings of sessions that only listen: transcription and translation."""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from engine.config.audio import AudioSettings
from engine.config.checks import instance_of, text
from engine.config.client import ClientSettings
from engine.config.engine import EngineSettings
from engine.config.session import (
    DEFAULT_TRANSCRIPTION,
    DEFAULT_TURN_DETECTION,
    _include,
    _noise_reduction,
    _transcription,
    _turn_detection,
)
from engine.config.settings import with_nulls
from engine.errors import ConfigError
from engine.wire.session import Audio, AudioInput, NoiseReduction, Session, Transcription, TurnDetection
from engine.wire.translation import (
    TranslationAudio,
    TranslationAudioInput,
    TranslationAudioOutput,
    TranslationSession,
)

DEFAULT_TRANSLATION_MODEL: Final = "gpt-realtime-translate"

LIVE_TRANSCRIBERS: Final = ("gpt-realtime-whisper", "gpt-live-transcribe")
"""Models that write while audio arrives; turns are ended by hand (OpenAI, realtime transcription guide)."""

TRANSLATION_FRAME_MS: Final = 200
"""Length of a message that the translation endpoint likes best (API reference)."""


@attrs.frozen(kw_only=True)
class TranscriptionConfig:
    """A session that writes down what is said, and answers nothing.

    Attributes:
        transcription: The model, and what it is told: language, prompt, key words.
        turn_detection: How turns are found; None to end them by hand, which `LIVE_TRANSCRIBERS` need.
        noise_reduction: `near_field` for headsets, `far_field` for rooms; None for not at all.
        include: `item.input_audio_transcription.logprobs`, to be told how sure each word is.
        audio: What the application sends.
        client: Whom the session talks to.
        engine: How the engine runs it.
    """

    transcription: Transcription = attrs.field(default=DEFAULT_TRANSCRIPTION, converter=_transcription)
    turn_detection: TurnDetection | None = attrs.field(default=DEFAULT_TURN_DETECTION, converter=_turn_detection)
    noise_reduction: NoiseReduction | None = attrs.field(default=None, converter=_noise_reduction)
    include: tuple[str, ...] | None = attrs.field(default=None, converter=_include)
    audio: AudioSettings = attrs.field(
        factory=AudioSettings, validator=instance_of("", AudioSettings, "an engine.AudioSettings")
    )
    client: ClientSettings = attrs.field(
        factory=ClientSettings, validator=instance_of("", ClientSettings, "an engine.ClientSettings")
    )
    engine: EngineSettings = attrs.field(
        factory=EngineSettings, validator=instance_of("", EngineSettings, "an engine.EngineSettings")
    )

    def __attrs_post_init__(self) -> None:
        if self.transcription is None:
            raise ConfigError("transcription", None, "a Transcription: it is all that such a session does")
        if self.transcription.model in LIVE_TRANSCRIBERS and self.turn_detection is not None:
            way_out = f"None with {self.transcription.model}; end turns with commit()"
            raise ConfigError("turn_detection", self.turn_detection.type, way_out)

    @property
    def model(self) -> str:
        """The model that writes."""
        return self.transcription.model or ""

    def to_wire(self) -> Session:
        """Give the settings as `session.update` carries them."""
        heard: dict[str, Any] = {
            "format": self.audio.to_wire(),
            "transcription": self.transcription,
            "turn_detection": self.turn_detection,
        }
        if self.noise_reduction is not None:
            heard["noise_reduction"] = self.noise_reduction
        return Session(type="transcription", audio=Audio(input=with_nulls(AudioInput, heard)), include=self.include)


@attrs.frozen(kw_only=True)
class TranslationConfig:
    """A session that says in another language what it hears.

    Attributes:
        language: The language wanted, as in `es` or `fr`.
        model: Model identifier.
        transcription: A model that writes down what was said as well; None for not at all.
        noise_reduction: `near_field` for headsets, `far_field` for rooms; None for not at all.
        audio: What the application sends and gets.
        client: Whom the session talks to.
        engine: How the engine runs it. The service's time stands still while it gets no audio, so silence is filled in
            by default.
    """

    language: str = attrs.field(validator=text("", empty=False))
    model: str = attrs.field(default=DEFAULT_TRANSLATION_MODEL, validator=text("", empty=False))
    transcription: Transcription | None = attrs.field(default=None, converter=_transcription)
    noise_reduction: NoiseReduction | None = attrs.field(default=None, converter=_noise_reduction)
    audio: AudioSettings = attrs.field(
        factory=AudioSettings, validator=instance_of("", AudioSettings, "an engine.AudioSettings")
    )
    client: ClientSettings = attrs.field(
        factory=ClientSettings, validator=instance_of("", ClientSettings, "an engine.ClientSettings")
    )
    engine: EngineSettings = attrs.field(
        factory=lambda: EngineSettings(fill_silence=True, input_frame_ms=TRANSLATION_FRAME_MS),
        validator=instance_of("", EngineSettings, "an engine.EngineSettings"),
    )

    def __attrs_post_init__(self) -> None:
        if self.audio.wire_shape.encoding != "pcm":
            raise ConfigError("audio.wire_format", self.audio.wire_shape.encoding, "'pcm' for translations")

    def to_wire(self) -> TranslationSession:
        """Give the settings as `session.update` carries them."""
        heard = {"transcription": self.transcription, "noise_reduction": self.noise_reduction}
        told = {name: value for name, value in heard.items() if value is not None}
        return _translation({**told, "language": self.language})


_CHANGEABLE: Final = {
    TranscriptionConfig: ("transcription", "turn_detection", "noise_reduction", "include"),
    TranslationConfig: ("language", "transcription", "noise_reduction"),
}


def _check_names(cls: type, changes: Mapping[str, Any]) -> None:
    allowed = ", ".join(_CHANGEABLE[cls])
    if not changes:
        raise ConfigError("changes", "(none)", f"at least one of {allowed}")
    for name in changes:
        if name not in _CHANGEABLE[cls]:
            raise ConfigError(name, "(not changeable while the session runs)", f"the settings {allowed}")


def changed_transcription(
    config: TranscriptionConfig, changes: Mapping[str, Any]
) -> tuple[TranscriptionConfig, Session]:
    """Change settings of a transcription that runs. None turns off what it can turn off.

    Returns:
        All settings, and what to say of the changes.

    Raises:
        ConfigError: There is none, or a setting is not known, not possible, or fixed while the session runs.
    """
    _check_names(TranscriptionConfig, changes)
    config = attrs.evolve(config, **changes)
    values = {name: getattr(config, name) for name in changes}
    said = {name: values.pop(name) for name in ("include",) if name in values}
    if values:
        said["audio"] = Audio(input=with_nulls(AudioInput, values))
    return config, with_nulls(Session, {"type": "transcription", **said})


def changed_translation(
    config: TranslationConfig, changes: Mapping[str, Any]
) -> tuple[TranslationConfig, TranslationSession]:
    """Change settings of a translation that runs. None turns off what it can turn off.

    Returns:
        All settings, and what to say of the changes.

    Raises:
        ConfigError: There is none, or a setting is not known, not possible, or fixed while the session runs.
    """
    _check_names(TranslationConfig, changes)
    config = attrs.evolve(config, **changes)
    return config, _translation({name: getattr(config, name) for name in changes})


def _translation(values: Mapping[str, Any]) -> TranslationSession:
    heard = {name: value for name, value in values.items() if name != "language"}
    return TranslationSession(
        audio=TranslationAudio(
            input=with_nulls(TranslationAudioInput, heard) if heard else None,
            output=TranslationAudioOutput(language=values["language"]) if "language" in values else None,
        )
    )
