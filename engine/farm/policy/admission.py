"""The policy: what may start now, what an end means, and when to ask again."""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from engine.errors import LocalMisuse
from engine.farm.job import ErrorKind, RateLimit, Result
from engine.farm.policy.accounts import BUDGET, PROBING, Accounts
from engine.farm.policy.backlog import Backlog
from engine.farm.policy.pace import Pace
from engine.farm.policy.retries import retry_wait_s, rule_for, wish_s
from engine.farm.policy.rules import PolicyStatistics, Rules
from engine.farm.policy.shapes import shape_of

LOW_SHARE: Final = 0.1
"""With less than this share of the account's tokens left, the pace goes down, and starts wait until it is back."""

LOW_FACTOR: Final = 0.7
"""What the pace is multiplied by then: less than after a refusal, which has cost a session already."""

LOW_HOLD_MAX_S: Final = 60.0
"""Longest such wait, in s: limits of tokens are counted by the minute."""

ASK_GAP_S: Final = 0.001
"""While nothing is told, asking again sooner than after so long is of no use, in s; a starts' cap above 1,000 a second
is kept in small batches."""

ALL_DONE: Final = "all jobs are done"
TIME_OVER: Final = "the time of its load is over"


@attrs.frozen
class _Hold:
    """What holds starts back, and until when; None where only something that is told can change it."""

    why: str = ""
    until: float | None = None
    is_idle: bool = False


_NOTHING: Final = _Hold()
_NO_JOB: Final = _Hold(is_idle=True)
_ROOM: Final = _Hold("no room on workers")
_SESSIONS: Final = _Hold("cap of sessions")


class Policy:
    """Admission, pace, budget, retries and fairness.

    Args:
        rules: What it goes by.
        open_jobs: Jobs that were never started, by scenario; None for as many as the load asks for.
        now: The run's begin; of a resumed run whose load has a time, so much earlier as it ran before.
        tokens: Spent before (a resumed run).
        cost_usd: Spent before.

    Raises:
        ConfigError: A weight or the cap of starts is not above 0.
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
        self._rules = rules
        self._begin = now
        self._backlog = Backlog(rules.weights, open_jobs)
        self._accounts = Accounts(rules, self._backlog.scenarios, tokens=tokens, cost_usd=cost_usd)
        self._shape = shape_of(rules.load, rules.caps)
        self._pace = Pace(rules.caps.starts_per_s, now=now)
        self._active = 0
        self._starts = 0
        self._streak: tuple[ErrorKind | None, int] = (None, 0)
        self._stopped = ""
        self._hold = _NOTHING
        self._asked_at: float | None = None

    # --- what starts -------------------------------------------------------------------------------------------------

    def admit(self, now: float, room: int) -> list[tuple[str, Any]]:
        """Say what starts now; each counts as active from here on, until `ended` or `returned`.

        Args:
            now: When.
            room: How many may start at most.

        Returns:
            For each its scenario, and the job of a further try, or None for the scenario's next new job.
        """
        self._backlog.wake(now)
        self._end_in_time(now)
        started: list[tuple[str, Any]] = []
        aside: dict[str, str] = {}
        while (hold := self._held(now, room - len(started), aside)) is None:
            started.append(self._start(now))
        for scenario in aside:
            self._backlog.bring_back(scenario)
        self._shape.settle(now - self._begin, idle=hold.is_idle)
        self._hold, self._asked_at = hold, now
        return started

    def look_again_at(self, now: float) -> float | None:
        """Say when `admit` may give more although nothing else happened; None where only an end can change it.

        It is `now` where something was told since `admit` was asked last.
        """
        if self.over:
            return None
        if self._asked_at is None:
            return now
        ends_at = None if self._shape.ends_at is None else self._begin + self._shape.ends_at
        moments = [at for at in (self._hold.until, self._backlog.wakes_at, ends_at) if at is not None]
        return max(now, min(moments), self._asked_at + ASK_GAP_S) if moments else None

    def _held(self, now: float, room: int, aside: dict[str, str]) -> _Hold | None:
        # Scenarios that can't be paid for are set aside, so that others go on; the minute's cap lets nobody overtake,
        # because those who need little would starve those who need much.
        hold = self._held_for_all(now, room)
        while hold is None and (scenario := self._backlog.next()) is not None:
            refusal = self._accounts.refusal(scenario)
            if not refusal:
                fits = self._accounts.fits_minute(scenario, now)
                return None if fits else _Hold("tokens a minute", self._accounts.minute.eases_at(now))
            aside[self._backlog.set_aside()] = refusal
        return hold or self._held_by_accounts(aside)

    def _held_for_all(self, now: float, room: int) -> _Hold | None:
        if self._stopped:
            return _NOTHING if self._stopped == TIME_OVER else _NO_JOB
        t = now - self._begin
        if self._shape.quota(t, self._active) <= 0:
            more_at = self._shape.more_at(t, self._active)
            return _NOTHING if more_at is None else _Hold(until=self._begin + more_at)
        if self._active >= self._rules.caps.sessions:
            return _SESSIONS
        if room <= 0:
            return _ROOM
        opens_at = self._pace.opens_at(now)
        if opens_at > now:
            return _Hold("rate limited" if self._pace.is_lowered(now) else "cap of starts a second", opens_at)
        return None

    def _held_by_accounts(self, aside: dict[str, str]) -> _Hold:
        if not aside:
            return _NO_JOB
        if PROBING in aside.values():
            return _Hold(PROBING)
        active = [name for name, count in self._accounts.active.items() if count]
        self._stopped = self._accounts.broke({*aside, *self._backlog.with_jobs, *active})
        return _Hold(BUDGET)

    def _start(self, now: float) -> tuple[str, Any]:
        scenario, job = self._backlog.take()
        self._accounts.start(scenario, now)
        self._pace.start(now)
        self._shape.start()
        self._active += 1
        self._starts += 1
        return scenario, job

    # --- what is told ------------------------------------------------------------------------------------------------

    def took(self, scenario: str, tokens: float, now: float, *, began: float) -> None:
        """Take note of what an active session took just now: it counts in the minute in which it was used.

        Args:
            scenario: Its scenario.
            tokens: More than it had told before.
            now: When.
            began: When `admit` let it go.
        """
        self._accounts.took(scenario, tokens, began, now)

    def ended(
        self,
        result: Result,
        job: Any,
        now: float,
        *,
        tries: int | None = None,
        began: float | None = None,
        told: float = 0,
    ) -> float | None:
        """Take note of a try's end. The policy queues the job again by itself where it is to be tried again.

        Args:
            result: What came of it.
            job: Given back by `admit` when its turn has come again.
            now: When.
            tries: As in `retry_wait_s`.
            began: When `admit` let it go; None where only its length is known.
            told: Tokens of it that `took` was told of.

        Returns:
            After how many seconds it is tried again at the earliest; None where the result is the job's last.

        Raises:
            LocalMisuse: No session of its scenario is active.
        """
        self._end_in_time(now)
        self._leave(result.scenario)
        began = now - result.duration_ms / 1000 if began is None else began
        self._accounts.end(result, began, now, told=told)
        self._heed(result, now)
        wait_s = retry_wait_s(result, self._rules.retries, tries=tries)
        if wait_s is None or (self._stopped == TIME_OVER and result.status != "stopped"):
            return None
        self._backlog.wait(result.scenario, job, now + wait_s)
        return wait_s

    def told_late(self, result: Result) -> None:
        """Take note of what a session took that was ended as lost before, and then told its result all the same."""
        self._accounts.told_late(result)
        self._asked_at = None

    def presume(self, scenario: str, now: float) -> None:
        """Take note of a session that went away with an earlier stretch of the run: it took something, up to now."""
        self._accounts.presume(scenario, now)

    def took_before(self, tokens: float, at: float) -> None:
        """Take note of what an earlier stretch took within the last minute; in the order of time, before all else."""
        self._accounts.minute.add(tokens, at)

    def returned(self, scenario: str, job: Any, now: float, *, began: float | None = None) -> None:
        """Take back a start that never happened (its worker had not begun it): it is not active, and not a try.

        Args:
            scenario: Of which.
            job: Given back by `admit` when its turn has come again.
            now: When.
            began: When `admit` let it go; None where it just did.

        Raises:
            LocalMisuse: No session of its scenario is active.
        """
        self._end_in_time(now)
        self._leave(scenario)
        self._accounts.take_back(scenario, now if began is None else began, now)
        self._shape.take_back()
        self._starts -= 1
        self._backlog.put_back(scenario, job)

    def wait_to_retry(self, scenario: str, job: Any, now: float, *, wait_s: float = 0.0) -> None:
        """Queue a job for its next try that an earlier stretch of the run began."""
        self._backlog.wait(scenario, job, now + wait_s)
        self._asked_at = None

    def waiting_jobs(self) -> list[tuple[str, Any]]:
        """Give the jobs that wait for a further try, by scenario: those that stay open when the run is over."""
        return self._backlog.waiting_jobs()

    def rate_limit(self, told: RateLimit, now: float) -> None:
        """Take note of what the service told of the account's limit. What is told last counts."""
        share = told.remaining / told.limit if told.limit > 0 else 1.0
        missing_s = (LOW_SHARE - share) / max(1.0 - share, LOW_SHARE) * told.reset_s
        self._pace.hold_short(now + min(max(missing_s, 0.0), LOW_HOLD_MAX_S))
        if share < LOW_SHARE:
            self._pace.lower(LOW_FACTOR, now)
        self._asked_at = None

    def stop(self, why: str) -> None:
        """Let nothing more start. The first reason counts."""
        self._stopped = self._stopped or why

    def _leave(self, scenario: str) -> None:
        if not self._accounts.active.get(scenario):
            raise LocalMisuse(f"no session of scenario {scenario!r} is active, and one ended; `admit` starts them")
        self._active -= 1
        self._asked_at = None

    def _heed(self, result: Result, now: float) -> None:
        if result.status in ("lost", "stopped"):
            return
        rule = rule_for(result)
        if rule.pace < 1.0:
            self._pace.lower(rule.pace, now)
            self._pace.hold(now + wish_s(result))
        self._count_in_a_row(result.error_kind, rule.ends_run_after)

    def _count_in_a_row(self, kind: ErrorKind | None, ends_run_after: int | None) -> None:
        before, count = self._streak
        self._streak = (kind, count + 1 if kind == before else 1)
        if ends_run_after is not None and self._streak[1] >= ends_run_after:
            self.stop(
                f"{self._streak[1]} sessions in a row ended with the error {kind!r}: no further one will do better"
            )

    def _end_in_time(self, now: float) -> None:
        ends_at = self._shape.ends_at
        if ends_at is not None and now >= self._begin + ends_at:
            self.stop(TIME_OVER)

    # --- how it stands -----------------------------------------------------------------------------------------------

    @property
    def over(self) -> str:
        """Tell why nothing will ever start again: all jobs done, time over, budget spent, stopped; empty before."""
        return self._stopped or (ALL_DONE if not self._active and self._backlog.is_empty else "")

    def pace_per_s(self, now: float) -> float:
        """Give the starts a second that are allowed just now."""
        return self._pace.per_s(now)

    def statistics(self, now: float) -> PolicyStatistics:
        """Give a snapshot."""
        tokens, usd = self._accounts.tokens, self._accounts.usd
        return PolicyStatistics(
            active=self._active,
            waiting=self._backlog.waiting,
            starts=self._starts,
            pace_per_s=self._pace.per_s(now),
            target=self._shape.target(now - self._begin),
            held_back=self._hold.why,
            dropped=self._shape.dropped,
            tokens=int(tokens.spent),
            cost_usd=usd.spent,
            presumed_tokens=tokens.presumed,
            presumed_usd=usd.presumed,
            reserved_tokens=tokens.reserved,
            reserved_usd=usd.reserved,
            tokens_in_minute=self._accounts.minute.used(now),
            over=self.over,
        )
