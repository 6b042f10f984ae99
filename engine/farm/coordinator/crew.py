"""The workers as the coordinator sees them: each incarnation with what it has, and a row for people to look at."""

from collections.abc import Iterable
from hashlib import blake2b
from math import inf
from statistics import fmean
from typing import Final

import attrs

from engine.farm.job import Grant, Job, Status
from engine.farm.link import Link, Up
from engine.farm.snapshot import WorkerState

EXCHANGES_PER_S: Final = 200.0
"""Over all workers: a third of a core under Ray (measured), less with pipes."""

EXCHANGE_EVERY_MIN_S: Final = 0.02
"""Results and grants are gathered for so long, however few workers there are."""

QUIET_S: Final = 2.0
"""A worker that said nothing for so long is not waited for: others may have more sessions than it."""

SETTLE_S: Final = 5.0
"""For so long after the first worker is there, those that are still starting are counted as having no sessions."""

AHEAD_SHARE: Final = 0.05
AHEAD_MIN: Final = 2
AHEAD_S: Final = 0.5
"""By how much a worker may have more sessions than the others in the mean: starts don't wait for their next word.
The largest of these holds: a share of the mean, a number, and its part of what starts in half a second, or in three
exchanges (or of the slots that are free, where that is less)."""

MANY: Final = 10**9
"""Stands for any number of sessions."""


@attrs.define(eq=False)
class Trial:
    """A job and the tries that it had; the policy hands it back where it is to be tried again.

    Attributes:
        job: The job.
        attempts: Number of its last try.
        tries: Of these, those that count against `Retries.attempts`.
        last: The last try's result: its attempt, and its status; None before it ended.
    """

    job: Job
    attempts: int = 0
    tries: int = 0
    last: tuple[str, Status] | None = None


@attrs.define(eq=False)
class Attempt:
    """A try under way: leave to try it is given, and no result is known.

    Attributes:
        grant: The leave.
        trial: Of which job.
        began: Clock time at which it was granted.
        tokens: That it has told so far.
    """

    grant: Grant
    trial: Trial
    began: float = 0.0
    tokens: int = 0


@attrs.define(eq=False)
class Incarnation:
    """One life of a worker, and what it has.

    Attributes:
        link: To it.
        attempts: Under way there.
        untold: Of these, those that it was not told of yet.
        grants: To be told to it: their leases are written.
        acknowledge: To be told to it: their results are written.
        lease_until: It may go on until then, whatever happens to us.
        heard_at: When it last said something.
        cpu_s: CPU time that it had used then.
        roll: Ask it for the names of what it has.
        silent: It can't be reached, and may live until its lease is over.
        words: How often it said something.
    """

    link: Link
    attempts: dict[str, Attempt] = attrs.field(factory=dict)
    untold: set[str] = attrs.field(factory=set)
    grants: list[Grant] = attrs.field(factory=list)
    acknowledge: list[str] = attrs.field(factory=list)
    lease_until: float = -inf
    heard_at: float = -inf
    cpu_s: float = 0.0
    roll: bool = True
    silent: bool = False
    words: int = 0

    def may_tell(self, grants: Iterable[Grant]) -> None:
        """Take grants whose leases are written."""
        self.grants += grants

    def room(self) -> float:
        """Say how many more it takes."""
        return inf if self.link.slots is None else self.link.slots - len(self.attempts)


class Crew:
    """All incarnations that live, or may live.

    Args:
        expected: How many workers are being started; the first of them doesn't take everything.
    """

    def __init__(self, expected: int = 1) -> None:
        self._expected = expected
        self._first_at: float | None = None
        self.here: list[Incarnation] = []
        self._rows: dict[str, WorkerState] = {}

    @property
    def rows(self) -> tuple[WorkerState, ...]:
        """Give a row for each worker, by name."""
        active = dict.fromkeys(self._rows, 0)
        for each in self.here:
            active[each.link.name] += len(each.attempts)
        return tuple(attrs.evolve(row, active=active[name]) for name, row in sorted(self._rows.items(), key=_by_number))

    @property
    def exchange_every_s(self) -> float:
        """Say how often a worker is talked with, at most."""
        return max(EXCHANGE_EVERY_MIN_S, len(self.here) / EXCHANGES_PER_S)

    def pause_s(self, incarnation: Incarnation) -> float:
        """Say how long to wait from one word to a worker until the next.

        After the first it is a part of that, drawn from its name: workers that came together don't speak in step.
        """
        if incarnation.words > 1:
            return self.exchange_every_s
        drawn = int.from_bytes(blake2b(incarnation.link.name.encode(), digest_size=8).digest(), "big") / 2**64
        return drawn * max(self.exchange_every_s, self._expected / EXCHANGES_PER_S)

    def came(self, link: Link) -> Incarnation:
        """Take in a new incarnation."""
        row = self._rows.get(link.name)
        starts = 1 if row is None else row.starts + 1
        self._rows[link.name] = attrs.evolve(row or WorkerState(name=link.name), state="up", starts=starts)
        incarnation = Incarnation(link)
        self.here.append(incarnation)
        return incarnation

    def went(self, incarnation: Incarnation) -> None:
        """Forget an incarnation that is dead, or has ended."""
        self.here.remove(incarnation)
        if all(each.link.name != incarnation.link.name for each in self.here):
            self._change(incarnation, state="down")

    def heard(self, incarnation: Incarnation, up: Up, now: float) -> None:
        """Note how a worker fares."""
        lasted_s = now - incarnation.heard_at
        share = (up.cpu_s - incarnation.cpu_s) / lasted_s if 0 < lasted_s < inf else 0.0
        row = self._rows[incarnation.link.name]
        # Half of the last look, so that a row does not flicker: exchanges come many times a second.
        self._change(
            incarnation,
            state="up",
            memory_bytes=up.memory_bytes,
            cpu_share=(row.cpu_share + max(0.0, share)) / 2,
            lag_ms=max(up.lag_ms, row.lag_ms * 0.9),
        )
        incarnation.heard_at, incarnation.cpu_s = now, up.cpu_s
        incarnation.words += 1

    def silent(self, incarnation: Incarnation) -> None:
        """Note that a worker can't be reached, and may live."""
        incarnation.silent = True
        self._change(incarnation, state="silent")

    def ended(self, incarnation: Incarnation, *, lost: bool) -> None:
        """Count a session that ended, or went with its worker."""
        row = self._rows[incarnation.link.name]
        self._change(incarnation, ended=row.ended + (not lost), lost=row.lost + lost)

    def fair_room(self, incarnation: Incarnation, pace_per_s: float, free: int, now: float) -> int:
        """Say how many more sessions one may have without being far ahead of the others.

        Args:
            incarnation: Which.
            pace_per_s: Of starts, over all.
            free: Sessions that the cap leaves room for, over all.
            now: Clock time.
        """
        loads = self._loads_of_others(incarnation, now)
        if self._first_at is None:
            self._first_at = now
        heard = sum(each.heard_at > -inf for each in self.here)
        if heard < self._expected and now - self._first_at < SETTLE_S:
            loads.append(0)
        if not loads:
            return int(min(incarnation.room(), MANY))
        # Of 200 workers one has always just ended some: the mean tells more than the fewest.
        mean = fmean(loads)
        # It must last until the worker's next word, whenever in between the others have theirs.
        step_s = max(AHEAD_S, 3 * self.exchange_every_s)
        step = min(step_s * pace_per_s, free) / max(len(self.here), self._expected)
        ahead = max(AHEAD_MIN, mean * AHEAD_SHARE, step)
        return int(max(0, min(incarnation.room(), mean + ahead - len(incarnation.attempts))))

    def is_behind(self, incarnation: Incarnation, now: float) -> bool:
        """Tell whether one has fewer sessions than the others in the mean, by more than chance, and would take some."""
        loads = self._loads_of_others(incarnation, now)
        return bool(loads) and incarnation.room() > 0 and len(incarnation.attempts) < fmean(loads) - AHEAD_MIN

    def _loads_of_others(self, incarnation: Incarnation, now: float) -> list[int]:
        return [len(each.attempts) for each in self.here if each is not incarnation and self._takes_more(each, now)]

    def _takes_more(self, incarnation: Incarnation, now: float) -> bool:
        quiet_s = max(QUIET_S, 3 * self.exchange_every_s)
        return not incarnation.silent and incarnation.room() > 0 and now - incarnation.heard_at < quiet_s

    def _change(self, incarnation: Incarnation, **changes: object) -> None:
        name = incarnation.link.name
        self._rows[name] = attrs.evolve(self._rows[name], **changes)  # type: ignore[arg-type]


def _by_number(named: tuple[str, object]) -> tuple[str, int]:
    words, _, number = named[0].rpartition("-")
    return (words, int(number)) if number.isdecimal() else (named[0], 0)
