"""What a client did otherwise than the one that was recorded, and which ids it has chosen: pure, no clock."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, Literal

import attrs

from engine.simulator.replay.plan import AUDIO, AudioMeter, Cue, Json, Plan, is_append

AUDIO_SLACK_MS: Final = 100.0
"""Appended audio may be this much shorter: a last frame that was never full, a resampler's tail."""

DIFFERENCES_MAX: Final = 1000
"""Differences that are kept of one connection."""

_NOT_SHOWN: Final = "(not shown)"
_SHOWN_CHARS: Final = 80
_NOT_COMPARED: Final = frozenset({"event_id", "audio", "audio_bytes", "image_bytes"})


@attrs.frozen
class Difference:
    """One thing that a client did otherwise.

    Attributes:
        kind: `missing` for what did not come, `extra` for what came beside, `changed` for a field with another value,
            `unreadable` for what is no event.
        type: Of the client event; `audio` for appended audio, in milliseconds.
        number: Which of this type, from 1.
        field: Path of the field that is changed.
        recorded: Its value in the recording.
        actual: What the client sent.
    """

    kind: Literal["missing", "extra", "changed", "unreadable"]
    type: str
    number: int = 1
    field: str | None = None
    recorded: Any = None
    actual: Any = None

    def __str__(self) -> str:
        name = f"{self.type or 'message'} {self.number}"
        if self.kind != "changed":
            return f"{name} is {self.kind}"
        return f"{name}: {self.field} was {_shown(self.recorded)}, is {_shown(self.actual)}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


class Comparison:
    """Compares what comes with what is in the recording.

    Args:
        plan: The recording.
    """

    def __init__(self, plan: Plan) -> None:
        self.found: list[Difference] = []
        self.ids: dict[str, str] = {}
        """Ids of the recording, and the client's own in their place."""
        self._plan = plan
        self._counts: Counter[str] = Counter()
        self._skipped: Counter[str] = Counter()
        self._audio = AudioMeter()
        self._given_ms = 0.0

    def take(self, event: Json | None) -> None:
        """Take a client message; None for one that is no event."""
        kind = (event or {}).get("type")
        if event is None or not isinstance(kind, str):
            self._add(Difference("unreadable", ""))
        elif is_append(kind):
            self._audio.append(event)
        else:
            self._counts[kind] += 1
            self._compare(kind, event)

    def server_said(self, event: Json) -> None:
        """Take note of the session's settings."""
        self._audio.configure(event)

    def met(self, cue: Cue) -> bool:
        """Tell whether the client has done this."""
        if cue.type == AUDIO:
            heard_ms = self._heard_ms
            return heard_ms + AUDIO_SLACK_MS >= cue.number and heard_ms > 0
        return self._counts[cue.type] >= cue.number

    def skip(self, cue: Cue) -> None:
        """Go on without it."""
        if cue.type == AUDIO:
            self._given_ms += cue.number - self._heard_ms
            return
        self._counts[cue.type] += 1
        self._skipped[cue.type] += 1
        self._add(Difference("missing", cue.type, self._counts[cue.type]))

    def missing(self) -> Iterator[Difference]:
        """Tell what has not come, once the connection is over."""
        for kind, events in self._plan.expected.items():
            for number in range(self._counts[kind] + 1, len(events) + 1):
                yield Difference("missing", kind, number)
        recorded_ms, actual_ms = self._plan.audio_ms, self._audio.ms
        if abs(recorded_ms - actual_ms) > AUDIO_SLACK_MS:
            yield Difference("changed", AUDIO, 1, "ms", round(recorded_ms), round(actual_ms))

    @property
    def _heard_ms(self) -> float:
        return self._audio.ms + self._given_ms

    def _compare(self, kind: str, event: Json) -> None:
        number, expected = self._counts[kind], self._plan.expected.get(kind, ())
        if kind == "session.update":
            self._audio.configure(event)
        if number > len(expected):
            self._add(Difference("extra", kind, number))
            return
        recorded = expected[number - 1]
        self._learn(kind, number, recorded, event)
        for path, was, now in self._changed(recorded, event, ""):
            self._add(Difference("changed", kind, number, path, was, now))

    def _add(self, difference: Difference) -> None:
        if len(self.found) < DIFFERENCES_MAX:
            self.found.append(difference)

    # --- ids -----------------------------------------------------------------------------------------------------

    def _learn(self, kind: str, number: int, recorded: Json, event: Json) -> None:
        """Keep the names that the client gives in place of those in the recording."""
        self._name(recorded.get("event_id"), event.get("event_id"))
        if kind == "input_audio_buffer.commit" and number <= len(self._plan.committed_ms):
            # By hand it ends where the client says: its audio may be shorter than it was.
            self._given_ms += max(0.0, self._plan.committed_ms[number - 1] - self._heard_ms)
        elif kind == "conversation.item.create":
            was, now = _part(recorded, "item"), _part(event, "item")
            self._name(was.get("id", self._plan.created[number - 1]), now.get("id"))
            if was.get("type") == now.get("type") == "function_call":
                self._name(was.get("call_id"), now.get("call_id"))
        elif kind == "response.create":
            was, now = (_part(_part(one, "response"), "metadata") for one in (recorded, event))
            for key, value in was.items():
                self._name(value, now.get(key))

    def _name(self, recorded: Any, actual: Any) -> None:
        if isinstance(recorded, str) and isinstance(actual, str) and recorded != actual:
            self.ids[recorded] = actual

    def renamed(self, value: Any) -> Any:
        """Give a part of a server event with the client's own ids."""
        if not self.ids:
            return value
        if isinstance(value, str):
            return self.ids.get(value, value)
        if isinstance(value, dict):
            return {key: self.renamed(part) for key, part in value.items()}
        return [self.renamed(part) for part in value] if isinstance(value, list) else value

    # --- fields --------------------------------------------------------------------------------------------------

    def _changed(self, was: Any, now: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
        if isinstance(was, dict) and isinstance(now, dict):
            for key in [*was, *(key for key in now if key not in was)]:
                if key not in _NOT_COMPARED or isinstance(was.get(key, now.get(key)), dict):
                    yield from self._field(was, now, key, f"{path}.{key}" if path else key)
        elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
            for index, (part, other) in enumerate(zip(was, now, strict=True)):
                yield from self._changed(part, other, f"{path}[{index}]")
        elif was not in (now, _NOT_SHOWN) and self.renamed(was) != now:
            yield path, was, now

    def _field(self, was: Json, now: Json, key: str, path: str) -> Iterator[tuple[str, Any, Any]]:
        chosen = path == "item.id" and key not in was  # the service had named it
        if not chosen:
            yield from self._changed(was.get(key), now.get(key), path)


def _part(value: Json, key: str) -> Json:
    part = value.get(key)
    return part if isinstance(part, dict) else {}
