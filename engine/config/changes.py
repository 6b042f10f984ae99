"""Changes of a running session: the same names and checks as `SessionConfig`, and what the service is known to refuse.

The service discards an update whole when one part of it is wrong, so what can be known before is told before.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypedDict

import attrs

from engine.config.readers import check_can_reason
from engine.config.session import check_changeable
from engine.config.settings import SETTINGS, to_session
from engine.config.values import Prompt, RetentionRatio, Tracing
from engine.errors import ConfigError, LocalMisuse
from engine.wire.session import NoiseReduction, Session, TextOrObject, TokenCount, Transcription, TurnDetection

_Object = Mapping[str, Any]


class Changes(TypedDict, total=False):
    """What can change, as the fields of `SessionConfig`. None turns off what has None here."""

    instructions: str
    output_modalities: Sequence[str] | str
    transcription: Transcription | _Object | None
    noise_reduction: NoiseReduction | _Object | str | None
    turn_detection: TurnDetection | _Object | None
    voice: TextOrObject
    speed: float
    tools: Sequence[Any]
    tool_choice: TextOrObject
    parallel_tool_calls: bool
    reasoning_effort: str
    max_output_tokens: TokenCount
    tracing: str | Tracing | _Object | None
    truncation: str | RetentionRatio | _Object
    prompt: Prompt | _Object | None
    include: Sequence[str] | None


@attrs.frozen(kw_only=True)
class Standing:
    """What decides which changes a session can take now.

    Attributes:
        model: The session's model.
        voice: The voice in use, where it is known.
        has_spoken: The model has answered in audio.
        tracing: How the session is traced, as on the wire; None when it is not.
        response_active: A response is in progress.
    """

    model: str
    voice: TextOrObject | None = None
    has_spoken: bool = False
    tracing: TextOrObject | None = None
    response_active: bool = False


def read_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Check changes by themselves.

    Raises:
        ConfigError: There is none, one of them names no setting or a fixed one, or has a wrong value.
    """
    if not changes:
        raise ConfigError("changes", "(none)", "at least one of " + ", ".join(SETTINGS))
    return {name: _read(name, value) for name, value in changes.items()}


def _read(name: str, value: Any) -> Any:
    check_changeable(name)
    setting = SETTINGS[name]
    if value is None and setting.clears:
        return None
    return setting.read(name, _given(name, value))


def _given(name: str, value: Any) -> Any:
    # A list that is left out and one that is emptied are not the same here.
    if value is None:
        raise ConfigError(name, None, "a value; leave the name out to change nothing")
    return value


def _voice(value: Any, standing: Standing) -> str | None:
    if not standing.has_spoken or value == standing.voice:
        return None
    return "the voice can't change once the model has spoken (cannot_update_voice) | open a new session for another one"


def _tracing(value: Any, standing: Standing) -> str | None:
    # Null is left to the service: its reference says both that null turns traces off and that nothing changes them.
    told = value.to_wire() if hasattr(value, "to_wire") else value
    if standing.tracing is None or value is None or told == standing.tracing:
        return None
    return "tracing can't be changed once it is on | open a new session"


def _speed(_: Any, standing: Standing) -> str | None:
    if not standing.response_active:
        return None
    return "the speed can only change between responses | wait for the response's end"


_RULES: Final[Mapping[str, Callable[[Any, Standing], str | None]]] = {
    "voice": _voice,
    "tracing": _tracing,
    "speed": _speed,
}
"""What the service refuses by what has happened before: says what is wrong and the way out, or None."""


def check_standing(changes: Mapping[str, Any], standing: Standing) -> None:
    """Check changes, as they were read, against what the session has done so far.

    Raises:
        ConfigError: The model can't do it.
        LocalMisuse: It is too late for it, or too early.
    """
    check_can_reason("reasoning_effort", changes.get("reasoning_effort"), standing.model)
    for name in changes.keys() & _RULES.keys():
        wrong = _RULES[name](changes[name], standing)
        if wrong is not None:
            raise LocalMisuse(wrong)


def changes_to_wire(changes: Mapping[str, Any], standing: Standing) -> Session:
    """Give changes as `session.update` carries them: only what is named changes.

    Args:
        changes: Settings by the names of `SessionConfig`; None clears those that the service clears by null.
        standing: What the session has done so far.

    Raises:
        ConfigError: A name or a value is wrong, or not possible with this model.
        LocalMisuse: The service would refuse it now.
    """
    read = read_changes(changes)
    check_standing(read, standing)
    return to_session(read)
