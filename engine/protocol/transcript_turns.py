"""The turns of a transcription: who speaks, whose words are still to come, and what has come of them."""

from typing import Final, TypeVar

from engine.events import TextSoFar
from engine.protocol.growing import grow

OPEN_TURNS_MAX: Final = 64
"""Turns whose words are still coming. The service writes several at once down, in any order, but never so many: past it
the words so far of the oldest are forgotten, and counted."""

_Place = tuple[str, int]
_V = TypeVar("_V")


class TranscriptTurns:
    """The turns of one connection after the other. A turn that another connection hears again is another turn there."""

    __slots__ = ("_before", "_committed", "_early", "_last", "_so_far", "_speaking", "_unwritten", "forgotten")

    def __init__(self) -> None:
        self._so_far: dict[_Place, list[str]] = {}
        self._speaking: str | None = None
        self._committed = 0
        self._unwritten: dict[str, int] = {}
        self._early: dict[str, None] = {}
        self._last: tuple[int, str | None] = (0, None)
        self._before: str | None = None
        self.forgotten = 0
        """Turns forgotten at `OPEN_TURNS_MAX`."""

    @property
    def is_speaking(self) -> bool:
        """Tell whether a turn has begun that is not over."""
        return self._speaking is not None

    @property
    def unwritten(self) -> int:
        """Tell how many turns are over whose words have not all come."""
        return len(self._unwritten)

    def began(self, item_id: str) -> None:
        """Hear that somebody speaks."""
        self._speaking = item_id

    def cleared(self) -> None:
        """Hear that the service forgot who spoke."""
        self._speaking = None

    def committed(self, item_id: str, previous_id: str | None) -> str | None:
        """Hear that a turn is over; give the one before it, which may be one of the connection before."""
        if item_id == self._speaking:
            self._speaking = None
        self._committed += 1
        if self.is_written(item_id):
            self._last = (self._committed, item_id)
        else:
            _put(self._unwritten, item_id, self._committed)
        return self._before if previous_id is None else previous_id

    def is_written(self, item_id: str) -> bool:
        """Tell of a turn that is just over whether its words have come before."""
        return item_id in self._early

    def grow(self, place: _Place, text: str) -> TextSoFar:
        """Add a piece; give the words so far."""
        if place not in self._so_far and len(self._so_far) >= OPEN_TURNS_MAX:
            del self._so_far[next(iter(self._so_far))]
            self.forgotten += 1
        return TextSoFar(grow(self._so_far, place, text))

    def so_far(self, place: _Place) -> TextSoFar | None:
        """Give the words so far; None where no piece came."""
        pieces = self._so_far.get(place)
        return None if pieces is None else TextSoFar(pieces)

    def written(self, place: _Place) -> None:
        """Hear that a turn has all of its words, or will have none."""
        item_id = place[0]
        self._so_far.pop(place, None)
        number = self._unwritten.pop(item_id, None)
        if number is None:
            _put(self._early, item_id, None)
        elif number > self._last[0]:
            self._last = (number, item_id)

    def link_down(self) -> None:
        """The connection is gone: no more words come of what it heard."""
        self._so_far.clear()
        self._unwritten.clear()
        self._early.clear()
        self._speaking = None
        self._before = self._last[1]


def _put(table: dict[str, _V], key: str, value: _V) -> None:
    if len(table) >= OPEN_TURNS_MAX:
        del table[next(iter(table))]
    table[key] = value
