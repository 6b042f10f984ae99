"""A player that is only assumed: it plays what it is given at once and in order, so that its position can be told.

Positions and lengths are samples, so that nothing drifts. What is played without a pause is one run; when a run has
ended, everything given to it was heard.
"""

from collections.abc import Iterable
from typing import Final

import attrs

_STRETCHES_MAX: Final = 64
"""Stretches of one track that are told apart: more only where pieces of many tracks alternate for minutes."""

_TOLERANCE: Final = 1e-3
"""Samples. At the moment at which a run ends by the clock, rounding must not leave its last sample unheard."""

_NO_RUN: Final = -1


@attrs.define(eq=False)
class _Stretch:
    """A part of a track that sounds without a break.

    Attributes:
        offset: Where it begins in the run.
        samples: Its length.
        skipped: Samples of the track before it that are never played.
    """

    offset: int
    samples: int
    skipped: int


@attrs.define(eq=False)
class Track:
    """What the player was given of one item.

    Attributes:
        given: Position of the track's end so far.
    """

    given: int = 0
    _passed: int = 0
    _run: int = _NO_RUN
    _stretches: list[_Stretch] = attrs.field(factory=list)

    def settle(self, position: int) -> None:
        """End it here: what was given and not heard never will be."""
        self.given = self._passed = position
        self._run = _NO_RUN
        self._stretches.clear()

    def heard(self, run: int, at: int) -> int:
        """Tell the position in the track when the player is at `at` of `run`."""
        if self._run != run:
            return self.given
        begun = (stretch for stretch in self._stretches if at > stretch.offset)
        return self._passed + sum(part.skipped + min(at - part.offset, part.samples) for part in begun)

    def add(self, run: int, at: int, offset: int, samples: int, skipped: int) -> None:
        """Go on with what sounds from `offset` on; the player is at `at` of `run`."""
        if self._run != run:
            self.settle(self.given)
            self._run = run
        self.given += skipped + samples
        last = self._stretches[-1] if self._stretches else None
        if last is not None and not skipped and last.offset + last.samples == offset:
            # The hot path: a track that plays alone is one stretch, which only grows.
            last.samples += samples
        else:
            self._forget_heard(at)
            self._append(_Stretch(offset, samples, skipped))

    def _append(self, stretch: _Stretch) -> None:
        self._stretches.append(stretch)
        if len(self._stretches) > _STRETCHES_MAX:
            # As if the first of the two waited for the second: heard later than it is, never earlier.
            last, before = self._stretches.pop(), self._stretches.pop()
            offset, samples = last.offset - before.samples, last.samples + before.samples
            self._stretches.append(_Stretch(offset, samples, last.skipped + before.skipped))

    def _forget_heard(self, at: int) -> None:
        """Keep only a number of what was heard when the player is at `at` of the track's run."""
        while self._stretches and at >= self._stretches[0].offset + self._stretches[0].samples:
            heard = self._stretches.pop(0)
            self._passed += heard.skipped + heard.samples

    def take_rest(self, run: int, at: int) -> list[_Stretch]:
        """Settle where it is; give what was not heard, to be played in another run."""
        if self._run != run:
            return []
        self._forget_heard(at)
        rest, position = self._stretches, self.heard(run, at)
        self._stretches = []
        if rest and at > rest[0].offset:
            heard = at - rest[0].offset
            rest[0] = _Stretch(at, rest[0].samples - heard, 0)
        self.settle(position)
        return rest


class AssumedPlayer:
    """Plays tracks one after the other, as they are given.

    Args:
        rate_hz: Samples of a second.
    """

    __slots__ = ("_began", "_rate_hz", "_run", "_samples")

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._run = 0
        self._began = 0.0
        self._samples = 0

    @property
    def ends_at(self) -> float:
        """When all that was given will have been heard."""
        return self._began + self._samples / self._rate_hz

    def give(self, track: Track, samples: int, skipped: int, now: float) -> float:
        """Queue the next samples of a track, after `skipped` samples of it that were lost.

        Returns:
            When they begin to sound.
        """
        at = self._at(now)
        if at >= self._samples:
            self._begin_run(now)
            at = 0
        offset = self._samples
        self._samples += samples
        track.add(self._run, at, offset, samples, skipped)
        return self._began + offset / self._rate_hz

    def heard(self, track: Track, now: float) -> int:
        """Tell the position in a track."""
        return track.heard(self._run, self._at(now))

    def cut(self, stopped: Iterable[Track], kept: Iterable[Track], now: float) -> None:
        """Fall silent, but for the tracks in `kept`, which move up. No other track may have anything to play."""
        at = self._at(now)
        for track in stopped:
            track.settle(track.heard(self._run, at))
        rest = [(part, track) for track in kept for part in track.take_rest(self._run, at)]
        self._begin_run(now)
        for part, track in sorted(rest, key=lambda pair: pair[0].offset):
            self.give(track, part.samples, part.skipped, now)

    def _begin_run(self, now: float) -> None:
        self._run += 1
        self._began = now
        self._samples = 0

    def _at(self, now: float) -> int:
        return int((now - self._began) * self._rate_hz + _TOLERANCE)
