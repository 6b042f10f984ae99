"""Logs what happened, event by event: `events.jsonl`, one JSON object a line in the order of time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import attrs
import orjson

from engine.events import BidiOutputEvent, SessionInput

Direction = Literal["client", "server"]
Layer = Literal["wire", "contract"]

_AUDIO_KEYS: Final = ("delta", "audio")
_AUDIO_TYPES: Final = frozenset(
    {"response.output_audio.delta", "input_audio_buffer.append", "bidi_audio_stream", "bidi_audio_input"}
)


@attrs.frozen
class Logged:
    """One event.

    Attributes:
        t: Seconds on the tape.
        layer: `wire` for the service's events, `contract` for the engine's.
        dir: Who sent it: the client or the server.
        event: It as a JSON object, audio cut to how long it is.
    """

    t: float
    layer: Layer
    dir: Direction
    event: dict[str, Any]


class EventLog:
    """Keeps events until they are written."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, Layer, Direction, str | bytes | dict[str, Any]]] = []

    def wire(self, direction: Direction, text: str | bytes, at: float) -> None:
        """Log a wire message. It is read later: whoever tells it has work to do."""
        self._entries.append((at, "wire", direction, text))

    def contract(self, direction: Direction, event: BidiOutputEvent | SessionInput, at: float) -> None:
        """Log an event of the session contract."""
        self._entries.append((at, "contract", direction, _without_audio(event.as_dict())))

    def count(self, layer: Layer, direction: Direction) -> int:
        """Count the events of one kind."""
        return sum(entry[1:3] == (layer, direction) for entry in self._entries)

    def logged(self, zero: float = 0.0) -> Iterator[Logged]:
        """Give all events in the order of time.

        Args:
            zero: What Trio's clock said at second 0.
        """
        for at, layer, direction, event in sorted(self._entries, key=lambda entry: entry[0]):
            read = event if isinstance(event, dict) else _without_audio(orjson.loads(event))
            yield Logged(round(at - zero, 6), layer, direction, read)

    def write(self, path: Path, zero: float) -> None:
        """Write the file."""
        with path.open("wb") as file:
            for entry in self.logged(zero):
                file.write(orjson.dumps(attrs.asdict(entry, recurse=False), default=str) + b"\n")


def _without_audio(event: dict[str, Any]) -> dict[str, Any]:
    if event.get("type") not in _AUDIO_TYPES:
        return event
    return {key: _marker(value) if key in _AUDIO_KEYS else value for key, value in event.items()}


def _marker(audio: str) -> str:
    return f"({len(audio) * 3 // 4 - audio.count('=', -2)} bytes of audio)"
