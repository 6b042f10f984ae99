"""The table of a session's settings: how each is read, and where on the wire it stands."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeVar

import attrs

from engine.config import readers
from engine.config.audio import AudioSettings
from engine.wire.record import Record
from engine.wire.session import Audio, AudioInput, AudioOutput, Reasoning, Session

R = TypeVar("R", bound=Record)
Place = Literal["session", "input", "output"]
"""Beside the session's type, in its `audio.input`, or in its `audio.output`."""


@attrs.frozen
class Setting:
    """One setting.

    Attributes:
        read: Checks a value; takes the name by which an error tells it.
        place: Where it stands.
        key: Its name there, where that is another.
        clears: None is said to the service, as null: it turns the thing off. Else None is no value.
    """

    read: Callable[[str, Any], Any]
    place: Place = "session"
    key: str | None = None
    clears: bool = False


SETTINGS: Final[Mapping[str, Setting]] = {
    "instructions": Setting(readers.text),
    "output_modalities": Setting(readers.output_modalities),
    "transcription": Setting(readers.transcription, "input", clears=True),
    "noise_reduction": Setting(readers.noise_reduction, "input", clears=True),
    "turn_detection": Setting(readers.turn_detection, "input", clears=True),
    "voice": Setting(readers.voice, "output"),
    "speed": Setting(readers.speed, "output"),
    "tools": Setting(readers.tools),
    "tool_choice": Setting(readers.tool_choice),
    "parallel_tool_calls": Setting(readers.switch),
    "reasoning_effort": Setting(readers.reasoning_effort, key="reasoning"),
    "max_output_tokens": Setting(readers.max_output_tokens),
    "tracing": Setting(readers.tracing, clears=True),
    "truncation": Setting(readers.truncation),
    "prompt": Setting(readers.prompt, clears=True),
    "include": Setting(readers.include, clears=True),
}
"""Settings by name: fields of `SessionConfig`, and arguments of `Session.update`. An explicit None of one that clears
is null on the wire (openai-python's types, and captures of clients that send it)."""


def wire_value(name: str, value: Any) -> Any:
    """Give a value that was read as the wire's records hold it."""
    if name == "reasoning_effort" and value is not None:
        return Reasoning(effort=value)
    return value.to_wire() if hasattr(value, "to_wire") else value


def to_session(values: Mapping[str, Any], audio: AudioSettings | None = None) -> Session:
    """Say settings to the service.

    Args:
        values: What was read, by name. None is null on the wire.
        audio: Formats to say beside them; None leaves them as they are.
    """
    formats = {} if audio is None else {"format": audio.to_wire()}
    placed: dict[Place, dict[str, Any]] = {"session": {}, "input": dict(formats), "output": dict(formats)}
    for name, value in values.items():
        setting = SETTINGS[name]
        placed[setting.place][setting.key or name] = wire_value(name, value)
    heard, spoken = placed["input"], placed["output"]
    sides: dict[str, Any] = {"input": with_nulls(AudioInput, heard)} if heard else {}
    sides |= {"output": with_nulls(AudioOutput, spoken)} if spoken else {}
    return with_nulls(
        Session, {"type": "realtime", **({"audio": Audio(**sides)} if sides else {}), **placed["session"]}
    )


def with_nulls(cls: type[R], values: Mapping[str, Any]) -> R:
    """Make a record that says its None values as null."""
    nulls = {key: None for key, value in values.items() if value is None}
    return cls(**values, extra=nulls) if nulls else cls(**values)
