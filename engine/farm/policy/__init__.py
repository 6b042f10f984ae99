"""Which session may start when: the farm's rules as plain arithmetic, without clocks, tasks or I/O.

`Policy` is told what happens and when, and says what may start. Times are seconds of any one monotonic clock.
"""

from collections.abc import Mapping
from typing import Any

import attrs

from engine.farm.job import ErrorKind, RateLimit, Result, Status
from engine.farm.plan.model import Caps, Load, Retries


@attrs.frozen(kw_only=True)
class Rules:
    """What a policy goes by.

    Attributes:
        load: Its shape.
        caps: What must never be exceeded.
        retries: How often a job is tried.
        weights: Share of starts, by scenario.
        expected_tokens: Of one session, before the first has ended; by scenario.
        expected_usd: The same in money.
    """

    load: Load
    caps: Caps
    retries: Retries
    weights: Mapping[str, float]
    expected_tokens: Mapping[str, float] = attrs.field(factory=dict)
    expected_usd: Mapping[str, float] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class PolicyStatistics:
    """A snapshot: sessions that count as active, the pace, what holds starts back, what was spent."""

    active: int = 0
    pace_per_s: float = 0.0
    target: float | None = None
    held_back: str = ""
    tokens: int = 0
    cost_usd: float = 0.0
    over: str = ""


class Policy:
    """Admission, pace, budget, retries and fairness.

    Args:
        rules: What it goes by.
        open_jobs: Jobs that were never started, by scenario; None for as many as the load asks for.
        now: The run's begin.
        tokens: Spent before (a resumed run).
        cost_usd: Spent before.
    """

    def __init__(
        self,
        rules: Rules,
        open_jobs: Mapping[str, int | None],
        *,
        now: float,
        tokens: int = 0,
        cost_usd: float = 0.0,
    ) -> None:
        raise NotImplementedError

    def admit(self, now: float, room: int) -> list[tuple[str, Any]]:
        """Say what starts now, at most `room` sessions: for each its scenario, and the job of a retry or None for the
        scenario's next new job. Each counts as active from here on, until `ended`.
        """
        raise NotImplementedError

    def look_again_at(self, now: float) -> float | None:
        """Say when `admit` may give more although nothing else happened; None where only an end can change it."""
        raise NotImplementedError

    def ended(self, result: Result, job: Any, now: float) -> float | None:
        """Take note of a try's end. The policy queues the job again by itself where it is to be tried again.

        Returns:
            After how many seconds it is tried again at the earliest; None where the result is the job's last.
        """
        raise NotImplementedError

    def returned(self, scenario: str, job: Any, now: float) -> None:
        """Take back a start that never happened (its worker had not begun it): it is not active, and not a try."""
        raise NotImplementedError

    def rate_limit(self, told: RateLimit, now: float) -> None:
        """Take note of what the service told of the account's limit."""
        raise NotImplementedError

    def stop(self, why: str) -> None:
        """Let nothing more start."""
        raise NotImplementedError

    @property
    def over(self) -> str:
        """Tell why nothing will ever start again: all jobs done, time over, budget spent, stopped; empty before."""
        raise NotImplementedError

    def statistics(self, now: float) -> PolicyStatistics:
        """Give a snapshot."""
        raise NotImplementedError


__all__ = ["Caps", "ErrorKind", "Load", "Policy", "PolicyStatistics", "Retries", "Rules", "Status"]
