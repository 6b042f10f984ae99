"""Where the audio that one connection hears is in all that the session sent: each connection counts from nothing."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from engine.protocol.speech_store import Frame

_NEAR_MS: Final = 0.01
"""Sums of floats drift; pieces that are nearer than this follow on one another."""

_END_MS: Final = 0.5
"""So much before its end, something is certainly in the piece that it ends with: the service tells whole ms."""


class Positions:
    """Places in the audio, from one connection to the next."""

    __slots__ = ("_sent_ms", "_shifts")

    def __init__(self) -> None:
        self._sent_ms = 0.0
        # From each place of this connection on, how much further it is in the session's audio.
        self._shifts: list[tuple[float, float]] = [(0.0, 0.0)]

    def sent(self, length_ms: float) -> None:
        """Note audio that the connection was sent."""
        self._sent_ms += length_ms

    def start(self, place_ms: int | None) -> int | None:
        """Give where in the session's audio something begins that the service told the place of, in ms."""
        return None if place_ms is None else round(self._of(place_ms))

    def end(self, place_ms: int | None) -> int | None:
        """Give where something ends: a place between two pieces is that of the first one's end."""
        return None if place_ms is None else round(self._of(place_ms - _END_MS) + _END_MS)

    def _of(self, place_ms: float) -> float:
        at = bisect_right(self._shifts, (place_ms + _NEAR_MS, math.inf)) - 1
        return place_ms + self._shifts[max(at, 0)][1]

    def move(self, again: Sequence[Frame]) -> None:
        """Go on over another connection, which hears these messages again, then what the one before was not sent."""
        shifts: list[tuple[float, float]] = []
        at_ms = 0.0
        for _, start_ms, end_ms, _ in again:
            _add(shifts, at_ms, self._of(start_ms))
            at_ms += end_ms - start_ms
        _add(shifts, at_ms, self._of(self._sent_ms))
        for place_ms, shift_ms in self._shifts:
            if place_ms > self._sent_ms:  # It was not even sent all that was to be sent again.
                _add(shifts, at_ms + place_ms - self._sent_ms, place_ms + shift_ms)
        self._shifts = shifts
        self._sent_ms = 0.0


def _add(shifts: list[tuple[float, float]], at_ms: float, is_ms: float) -> None:
    if not shifts or abs(is_ms - at_ms - shifts[-1][1]) > _NEAR_MS:
        shifts.append((at_ms, is_ms - at_ms))
