"""The jobs that may start, by scenario, and whose turn it is: each scenario gets its share of starts by weight.

Stride scheduling (Waldspurger and Weihl 1995): each scenario stands at a mark, the lowest is next, and a start moves
its mark up by one over its weight. A scenario that had nothing to start comes back at the common mark, so that it takes
no revenge for its pause. Within a scenario further tries come before new jobs.
"""

import heapq
import math
from collections import deque
from collections.abc import Mapping
from typing import Any

import attrs

from engine.errors import ConfigError


@attrs.define
class _Queue:
    name: str
    order: int
    stride: float
    new: int | None
    ready: deque[Any] = attrs.field(factory=deque)
    waiting: int = 0
    mark: float = 0.0
    is_listed: bool = False

    @property
    def is_empty(self) -> bool:
        return not self.ready and self.new == 0


def _stride(scenario: str, weight: float) -> float:
    if not (weight > 0 and math.isfinite(weight)):
        raise ConfigError(f"scenario {scenario}.weight", weight, "a number above 0")
    return 1.0 / weight


class Backlog:
    """What may start, what waits for a further try, and whose turn it is.

    Args:
        weights: Share of starts, by scenario; 1 where it is missing.
        open_jobs: Jobs that were never started, by scenario; None for any number.

    Raises:
        ConfigError: A weight is not above 0.
    """

    def __init__(self, weights: Mapping[str, float], open_jobs: Mapping[str, int | None]) -> None:
        names = dict.fromkeys((*open_jobs, *weights))
        self._queues = {
            name: _Queue(name, order, _stride(name, weights.get(name, 1.0)), open_jobs.get(name, 0))
            for order, name in enumerate(names)
        }
        self._turns: list[tuple[float, int, _Queue]] = []
        self._waiting: list[tuple[float, int, str, Any]] = []
        self._waited = 0
        self._mark = 0.0
        for queue in self._queues.values():
            self._list(queue)

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Give all scenarios."""
        return tuple(self._queues)

    @property
    def with_jobs(self) -> list[str]:
        """Give the scenarios that have a job left, now or after a wait."""
        return [queue.name for queue in self._queues.values() if queue.waiting or not queue.is_empty]

    @property
    def is_empty(self) -> bool:
        """Tell whether no job is left, now or after a wait."""
        return not self._turns and not self._waiting

    @property
    def waiting(self) -> int:
        """Count the jobs that wait for a further try, over or not."""
        return len(self._waiting) + sum(len(queue.ready) for queue in self._queues.values())

    def waiting_jobs(self) -> list[tuple[str, Any]]:
        """Give the jobs that wait for a further try."""
        ready = [(queue.name, job) for queue in self._queues.values() for job in queue.ready]
        return ready + [(scenario, job) for _, _, scenario, job in sorted(self._waiting, key=lambda entry: entry[:2])]

    @property
    def wakes_at(self) -> float | None:
        """Give when the first of those that wait may start; None where none waits."""
        return self._waiting[0][0] if self._waiting else None

    def wait(self, scenario: str, job: Any, ready_at: float) -> None:
        """Let a job wait for its next try."""
        self._waited += 1
        self._queues[scenario].waiting += 1
        heapq.heappush(self._waiting, (ready_at, self._waited, scenario, job))

    def wake(self, now: float) -> None:
        """Let those start whose wait is over."""
        while self._waiting and self._waiting[0][0] <= now:
            _, _, scenario, job = heapq.heappop(self._waiting)
            queue = self._queues[scenario]
            queue.waiting -= 1
            queue.ready.append(job)
            self._list(queue)

    def put_back(self, scenario: str, job: Any) -> None:
        """Put a job first that was taken and not begun."""
        self._queues[scenario].ready.appendleft(job)
        self._list(self._queues[scenario])

    def next(self) -> str | None:
        """Say whose turn it is; None where nothing could start."""
        return self._turns[0][2].name if self._turns else None

    def take(self) -> tuple[str, Any]:
        """Take the job of whose turn it is: its scenario, and the job of a further try or None for a new one."""
        mark, _, queue = heapq.heappop(self._turns)
        queue.is_listed = False
        self._mark = mark
        queue.mark = mark + queue.stride
        job = None
        if queue.ready:
            job = queue.ready.popleft()
        elif queue.new is not None:
            queue.new -= 1
        self._list(queue)
        return queue.name, job

    def set_aside(self) -> str:
        """Pass over whose turn it is, until `bring_back`."""
        _, _, queue = heapq.heappop(self._turns)
        queue.is_listed = False
        return queue.name

    def bring_back(self, scenario: str) -> None:
        """Let a scenario that was passed over have its turns again."""
        self._list(self._queues[scenario])

    def _list(self, queue: _Queue) -> None:
        if queue.is_listed or queue.is_empty:
            return
        queue.is_listed = True
        queue.mark = max(queue.mark, self._mark)
        heapq.heappush(self._turns, (queue.mark, queue.order, queue))
