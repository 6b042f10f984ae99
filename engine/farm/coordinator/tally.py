"""What a run came to so far: counts, spending, and figures of all and of late."""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

import attrs

from engine.farm.figures import Figures
from engine.farm.job import Result
from engine.farm.ledger import Counts
from engine.farm.metrics import METRICS
from engine.farm.worker.worker import LIVE_METRICS

RECENT_S: Final = 30.0
"""What counts as of late."""

SLICE_S: Final = 5.0
"""In such steps the past is forgotten."""

LATER_METRICS: Final = tuple(name for name in METRICS if name not in LIVE_METRICS)
"""Known when a session is over."""


@attrs.define(eq=False)
class _Slice:
    began_at: float
    figures: Figures = attrs.field(factory=Figures)
    starts: int = 0


class Tally:
    """Adds up, for people to look at; what decides is in the policy and in the ledger.

    Args:
        counts: Where the run stood when this stretch began.
        now: Any one clock's.
        knows_earlier: There are no figures of earlier stretches, which `take_earlier` would bring.
    """

    def __init__(self, counts: Counts, now: float, *, knows_earlier: bool = True) -> None:
        self.done: dict[str, int] = {str(name): count for name, count in counts.done.items()}
        self.errors: dict[str, int] = {str(name): count for name, count in counts.errors.items()}
        self.tokens, self.cost_usd, self.unpriced = counts.tokens, counts.cost_usd, counts.unpriced
        self.retried = counts.retried
        self.figures = Figures()
        self.knows_earlier = knows_earlier
        self.done_here = 0
        """Jobs done in this stretch."""
        self._began_at = now
        self._slices: deque[_Slice] = deque([_Slice(now)])

    def take_earlier(self, figures: Figures) -> None:
        """Take in the figures of earlier stretches."""
        self.figures.merge(figures)
        self.knows_earlier = True

    def whole(self) -> Figures:
        """Give the figures of all stretches; none while those of earlier ones are not known: a part would mislead."""
        figures = Figures()
        if self.knows_earlier:
            figures.merge(self.figures)
        return figures

    def started(self, sessions: int, now: float) -> None:
        """Count starts."""
        self._slice(now).starts += sessions

    def heard(self, data: Mapping[str, Any], now: float) -> None:
        """Add figures of turns that ended just now, as a worker told them."""
        if data:
            figures = Figures.from_json(data)
            self.figures.merge(figures)
            self._slice(now).figures.merge(figures)

    def ended(self, result: Result, now: float, *, final: bool) -> None:
        """Count a try that is written down."""
        self.spent(result)
        if result.error_kind is not None:
            self.errors[result.error_kind] = self.errors.get(result.error_kind, 0) + 1
        if not final:
            self.retried += result.status != "stopped"
            return
        self.settled(result.status)
        self.done_here += 1
        recent = self._slice(now).figures
        for name in LATER_METRICS:
            for value in METRICS[name].read(result):
                self.figures.add(name, value)
                recent.add(name, value)

    def spent(self, result: Result) -> None:
        """Count what a try took."""
        self.tokens += result.tokens
        self.cost_usd += result.cost_usd or 0.0
        self.unpriced += result.cost_usd is None and result.tokens > 0

    def settled(self, status: str) -> None:
        """Count a job that is done."""
        self.done[status] = self.done.get(status, 0) + 1

    def recent(self, now: float) -> Figures:
        """Give the figures of late."""
        self._slice(now)
        merged = Figures()
        for each in self._slices:
            merged.merge(each.figures)
        return merged

    def starts_per_s(self, now: float) -> float:
        """Give the starts of late, by the second."""
        self._slice(now)
        lasted_s = now - self._slices[0].began_at
        return sum(each.starts for each in self._slices) / max(lasted_s, 1.0)

    def left_s(self, open_jobs: int, now: float) -> float | None:
        """Guess how long so many jobs will take, by what this stretch did; None before it did any."""
        if not open_jobs:
            return 0.0
        return (now - self._began_at) * open_jobs / self.done_here if self.done_here else None

    def _slice(self, now: float) -> _Slice:
        if now - self._slices[-1].began_at >= SLICE_S:
            self._slices.append(_Slice(now))
        while now - self._slices[0].began_at > RECENT_S and len(self._slices) > 1:
            self._slices.popleft()
        return self._slices[-1]
