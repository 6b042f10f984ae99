"""A run where there is no terminal: a line now and then, and one whenever something changes."""

from collections.abc import Callable, Sequence
from typing import Final

from engine.farm.live import words
from engine.farm.live.history import CHARTED
from engine.farm.live.view import View, view_of
from engine.farm.plan.model import Threshold
from engine.farm.snapshot import RunSnapshot
from engine.printable import one_line

EVERY_S: Final = 10.0
"""Distance of the lines: six a minute can be read, and a log of a night's run stays small."""


class RunLines:
    """Tells of a run line by line, for logs and pipes.

    Args:
        tell: Takes each line.
        thresholds: Of the plan; one that stops holding, or holds again, is told.
        every_s: Distance of lines while nothing changes.
    """

    def __init__(
        self, tell: Callable[[str], None], thresholds: Sequence[Threshold] = (), every_s: float = EVERY_S
    ) -> None:
        self._tell = tell
        self._thresholds = thresholds
        self._every_s = every_s
        self._next_s = 0.0
        self._state = ""
        self._workers: dict[str, str] = {}
        self._crossed: set[str] = set()

    def show(self, snapshot: RunSnapshot) -> None:
        """Tell what there is to tell."""
        changed = self._changes(snapshot)
        if not changed and snapshot.elapsed_s < self._next_s:
            return
        self._next_s = snapshot.elapsed_s + self._every_s
        at = f"{words.duration(snapshot.elapsed_s):>10}"
        # While workers start there is nothing to count.
        told = [] if snapshot.phase == "starting" else [standing(snapshot)]
        for line in (*changed, *told):
            self._tell(one_line(f"{at}  {line}"))

    def _changes(self, snapshot: RunSnapshot) -> list[str]:
        view = view_of(snapshot, self._thresholds)
        return [*self._state_changes(view), *self._worker_changes(snapshot), *self._threshold_changes(view)]

    def _state_changes(self, view: View) -> list[str]:
        changed = view.state != self._state
        self._state = view.state
        return [view.state] if changed else []

    def _worker_changes(self, snapshot: RunSnapshot) -> list[str]:
        before, self._workers = self._workers, {worker.name: worker.state for worker in snapshot.workers}
        if snapshot.phase == "over":
            return []  # They are down because it is over.
        return [f"{name} is {now}" for name, now in self._workers.items() if now != before.get(name, "up")]

    def _threshold_changes(self, view: View) -> list[str]:
        crossed = {row.text: row.value for row in view.thresholds if row.tone == "bad"}
        new, gone = crossed.keys() - self._crossed, self._crossed - crossed.keys()
        self._crossed = set(crossed)
        told = [f"crossed: {text} (it is {crossed[text]})" for text in sorted(new)]
        return told + [f"holds again: {text}" for text in sorted(gone)]


def standing(snapshot: RunSnapshot) -> str:
    """Tell in one line how a run stands."""
    view = view_of(snapshot)
    parts = [f"{view.done} done", *(f"{fact.name} {fact.value}" for fact in view.facts if fact.value != "0")]
    p95 = snapshot.recent.percentile(CHARTED, 95)
    if p95 is not None:
        parts.append(f"first audio now p95 {words.latency(p95)}")
    parts += [f"starts {view.pace}", f"tokens {words.count(snapshot.tokens)}", words.usd(snapshot.cost_usd)]
    if view.held_back:
        parts.append(f"held back by {view.held_back}")
    if snapshot.left_s is not None and snapshot.phase != "over":
        parts.append(f"{words.duration(snapshot.left_s)} left")
    return ", ".join(parts)
