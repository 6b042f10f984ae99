"""What a caller does: speak, type, wait, be silent, push telephone keys."""

from typing import Final

import attrs

from engine.config.checks import flag
from engine.farm.plan import forms
from engine.farm.plan.checks import number, optional, text, written_as
from engine.farm.plan.model.values import Json, of_numbers

SOUND_SUFFIXES: Final = (".wav", ".flac", ".ogg", ".mp3")
"""What `say` takes for a file."""

STEP_MAX_S: Final = 3600.0
"""Longest wait, silence and answer until an interruption."""

_INTERRUPT: Final = optional(number("", 0, STEP_MAX_S * 1000, "ms"))


@attrs.frozen(kw_only=True)
class Say:
    """Speak, in real time, and hear the answer out.

    Attributes:
        say: Path of a sound file (it ends in `.wav`, `.flac`, `.ogg` or `.mp3`), or words for the local voice.
        interrupt_after_ms: Cut in on the running answer when so much of it was heard, instead of hearing it out first.
            The answer is that to the step right before, or to the last one that did not await its own.
        await_answer: False goes on without the answer to this step.
        from_values: Numbers that a job's values tell, by field, as `{"interrupt_after_ms": "{cut_ms}"}`. Other records
            with numbers have it too; a plan in TOML writes the text in the number's place.
    """

    say: str = attrs.field(validator=text("say.", empty=False))
    interrupt_after_ms: float | None = attrs.field(default=None, validator=_INTERRUPT)
    await_answer: bool = attrs.field(default=True, validator=flag("say."))
    from_values: Json = attrs.field(factory=dict, validator=of_numbers)


@attrs.frozen(kw_only=True)
class Type:
    """Type words, and hear the answer out.

    Attributes:
        type: The words.
        interrupt_after_ms: As in `Say`.
        await_answer: False goes on without the answer.
    """

    type: str = attrs.field(validator=text("type.", empty=False))
    interrupt_after_ms: float | None = attrs.field(default=None, validator=_INTERRUPT)
    await_answer: bool = attrs.field(default=True, validator=flag("type."))
    from_values: Json = attrs.field(factory=dict, validator=of_numbers)


@attrs.frozen(kw_only=True)
class Wait:
    """Do nothing, and send nothing, for so long."""

    wait_s: float = attrs.field(validator=number("", 0, STEP_MAX_S, "s"))
    from_values: Json = attrs.field(factory=dict, validator=of_numbers)


@attrs.frozen(kw_only=True)
class Silence:
    """Send silence for so long, as an open microphone does."""

    silence_ms: float = attrs.field(validator=number("", 0, STEP_MAX_S * 1000, "ms"))
    from_values: Json = attrs.field(factory=dict, validator=of_numbers)


@attrs.frozen(kw_only=True)
class Push:
    """Push telephone keys: `0` to `9`, `*`, `#`, `A` to `D`, heard as their pairs of tones (ITU-T Q.23)."""

    push: str = attrs.field(validator=written_as("", forms.telephone_keys, forms.TELEPHONE_KEYS))
    await_answer: bool = attrs.field(default=True, validator=flag("push."))


Step = Say | Type | Wait | Silence | Push
