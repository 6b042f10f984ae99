"""What a replay sends and what it waits for, made of a recording: pure, no clock."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import attrs

from engine.audio.pcm import BYTES_PER_MS

Json = dict[str, Any]
Pace = Literal["recorded", "at_once"]
"""In the recording's own times, or as fast as the client takes it."""

AUDIO: Final = "audio"
"""Stands for appended audio among the types of client events; it is counted in milliseconds."""

_HEARD: Final = "input_audio_buffer."
"""Server events that tell what was heard: these alone wait for audio. What the service says goes on without it."""

_DEFAULT_FORMAT: Final = "audio/pcm"


@attrs.frozen
class Recorded:
    """One message of a recording.

    Attributes:
        direction: Who sent it.
        at_s: When; any number where the recording has no times, the same for all.
        message: As it goes over the wire; bytes for a binary frame.
        event: It, where it is a JSON object; a server's is sent as this.
    """

    direction: Literal["client", "server"]
    at_s: float
    message: str | bytes | None = attrs.field(default=None, repr=False)
    event: Json | None = attrs.field(default=None, repr=False)

    @property
    def type(self) -> str:
        """The event's type; empty where it has none."""
        kind = (self.event or {}).get("type")
        return kind if isinstance(kind, str) else ""


@attrs.frozen
class Cue:
    """What the client has to do before a server message goes out.

    Attributes:
        type: Of the client event, or `AUDIO`.
        number: How many of this type there must have been; milliseconds of audio.
    """

    type: str
    number: float


@attrs.frozen
class Step:
    """One server message.

    Attributes:
        message: It.
        cues: What it waits for.
        gap_s: From the last of these, or the last server message where there is none, to this one.
    """

    message: Recorded
    cues: tuple[Cue, ...]
    gap_s: float


@attrs.frozen
class Ending:
    """How the server's end of the connection was over.

    Attributes:
        at_s: When.
        code: Close code; None when the connection just broke.
        reason: The words beside it.
    """

    at_s: float
    code: int | None
    reason: str = attrs.field(default="", repr=False)


@attrs.frozen
class Plan:
    """What is played to one client.

    Attributes:
        steps: Server messages in their order.
        expected: Client events by type, in their order, without appended audio.
        created: The ids that the service gave to the items of `conversation.item.create`, in their order; None where
            the client had chosen one.
        committed_ms: Audio that was appended before each `input_audio_buffer.commit`.
        audio_ms: Appended audio in all.
        ending: How the server ended it; None when the client did.
        ending_cues: What that waits for.
        ending_gap_s: From the last of these, or the last server message, to that.
    """

    steps: Sequence[Step]
    expected: dict[str, list[Json]]
    created: Sequence[str | None]
    committed_ms: Sequence[float]
    audio_ms: float
    ending: Ending | None = None
    ending_cues: tuple[Cue, ...] = ()
    ending_gap_s: float = 0.0

    @classmethod
    def of(cls, messages: Iterable[Recorded], ending: Ending | None = None, opened_s: float | None = None) -> "Plan":
        """Make a plan of one connection.

        Args:
            messages: What went over it, in order.
            ending: How the server ended it; None when the client did.
            opened_s: When it began; None where that is not known, and the first message comes at once.
        """
        planner = _Planner(opened_s)
        for message in messages:
            planner.take(message)
        cues, gap_s = ((), 0.0) if ending is None else planner.wait_before(ending.at_s)
        return cls(
            steps=planner.steps,
            expected=dict(planner.expected),
            created=planner.created,
            committed_ms=planner.committed_ms,
            audio_ms=planner.audio.ms,
            ending=ending,
            ending_cues=cues,
            ending_gap_s=gap_s,
        )


class AudioMeter:
    """Counts appended audio in milliseconds, by the format that the session has."""

    def __init__(self) -> None:
        self.ms = 0.0
        self._bytes_per_ms = BYTES_PER_MS[_DEFAULT_FORMAT]

    def append(self, event: Json) -> None:
        """Count an `input_audio_buffer.append`."""
        audio = event.get("audio")
        if isinstance(audio, str):
            self.ms += (len(audio) * 3 // 4 - audio.count("=", max(0, len(audio) - 2))) / self._bytes_per_ms

    def configure(self, event: Json) -> None:
        """Take the format out of a `session.update`, `session.created` or `session.updated`."""
        value: Any = event
        for key in ("session", "audio", "input", "format", "type"):
            value = value.get(key) if isinstance(value, dict) else None
        self._bytes_per_ms = (
            BYTES_PER_MS.get(value, self._bytes_per_ms) if isinstance(value, str) else self._bytes_per_ms
        )


def is_append(event_type: str) -> bool:
    """Tell whether a client event of this type appends audio."""
    return event_type.endswith("input_audio_buffer.append")


class _Planner:
    def __init__(self, opened_s: float | None = None) -> None:
        self.steps: list[Step] = []
        self.expected: dict[str, list[Json]] = defaultdict(list)
        self.created: list[str | None] = []
        self.committed_ms: list[float] = []
        self.audio = AudioMeter()
        self._counts: Counter[str] = Counter()
        self._cues: list[Cue] = []
        self._heard_ms = 0.0
        self._anchor_s = opened_s
        self._audio_s = 0.0
        self._unnamed: list[tuple[int, Json]] = []

    def take(self, message: Recorded) -> None:
        """Add a message."""
        if message.direction == "server":
            self._server(message)
        elif is_append(message.type):
            self.audio.append(message.event or {})
            self._audio_s = message.at_s
        else:
            self._client(message)

    def _client(self, message: Recorded) -> None:
        kind, event = message.type, message.event or {}
        self._counts[kind] += 1
        self.expected[kind].append(event)
        self._cues.append(Cue(kind, self._counts[kind]))
        self._anchor_s = message.at_s
        if kind == "session.update":
            self.audio.configure(event)
        elif kind == "input_audio_buffer.commit":
            self.committed_ms.append(self.audio.ms)
        elif kind == "conversation.item.create":
            self._creates(event.get("item"))

    def _server(self, message: Recorded) -> None:
        kind = message.type
        if kind.startswith(_HEARD) and self.audio.ms > self._heard_ms:
            self._heard_ms = self.audio.ms
            self._cues.append(Cue(AUDIO, self.audio.ms))
            self._anchor_s = max(self._audio_s, self._anchor_s or self._audio_s)
        self.steps.append(Step(message, *self.wait_before(message.at_s)))
        self._cues, self._anchor_s = [], message.at_s
        if kind in ("session.created", "session.updated"):
            self.audio.configure(message.event or {})
        elif kind in ("conversation.item.added", "conversation.item.created"):
            self._echoed((message.event or {}).get("item"))

    def wait_before(self, at_s: float) -> tuple[tuple[Cue, ...], float]:
        """Tell what the server waits for before it does what it did then, and how long after that it does it."""
        anchor_s = at_s if self._anchor_s is None else self._anchor_s
        return tuple(self._cues), max(0.0, at_s - anchor_s)

    # --- items that the service named ----------------------------------------------------------------------------

    def _creates(self, item: Any) -> None:
        item = item if isinstance(item, dict) else {}
        if "id" not in item:
            self._unnamed.append((len(self.created), item))
        self.created.append(None)

    def _echoed(self, item: Any) -> None:
        item = item if isinstance(item, dict) else {}
        for entry in self._unnamed:
            index, asked = entry
            if all(asked.get(key) == item.get(key) for key in ("type", "role", "call_id")):
                self.created[index] = item.get("id")
                self._unnamed.remove(entry)
                return
