"""A farm without machines: sessions are moments on a line, and every start and end is written down."""

import heapq
from collections.abc import Callable, Mapping

import attrs

from engine.farm.job import Result
from engine.farm.plan.model import Caps, Load, Retries
from engine.farm.policy import Policy, Rules

EVER = 10**6


def result(scenario="s", *, job=0, attempt=1, life_s=1.0, status="passed", **fields):
    return Result(
        attempt_id=f"run-{job}-{attempt}",
        job=job,
        scenario=scenario,
        attempt=attempt,
        status=status,
        duration_ms=life_s * 1000,
        **fields,
    )


def broken(kind, **fields):
    return result(status="error", error_kind=kind, **fields)


def policy(open_jobs=None, *, load=None, caps=None, retries=None, weights=None, now=0.0, **more):
    """A policy whose caps don't matter, but for those that are given."""
    jobs = {"s": EVER} if open_jobs is None else open_jobs
    rules = Rules(
        load=load or Load(),
        caps=caps or Caps(sessions=EVER, starts_per_s=EVER),
        retries=retries or Retries(),
        weights=dict.fromkeys(jobs, 1.0) if weights is None else weights,
        **{name: more.pop(name) for name in ("expected_tokens", "expected_usd", "expected_life_s") if name in more},
    )
    return Policy(rules, jobs, now=now, **more)


@attrs.define
class Job:
    number: int
    scenario: str
    tries: int = 0


@attrs.frozen
class Session:
    scenario: str
    job: int
    attempt: int
    began: float
    ended: float
    result: Result

    @property
    def life_s(self):
        return self.ended - self.began


@attrs.define
class Model:
    """Runs a policy to its end: asks it when it wants to be asked, and at each end of a session.

    Attributes:
        policy: Under test.
        session: Gives, for a job and its attempt, what will come of it and (as `duration_ms`) when.
        room: Of all workers.
        responses: In so many equal parts a session takes its tokens, and tells them; with 0 it tells them at its end.
    """

    policy: Policy
    session: Callable[[Job], Result]
    room: int = EVER
    responses: int = 0
    now: float = 0.0
    asked: int = 0
    sessions: list[Session] = attrs.field(factory=list)
    final: dict[int, Result] = attrs.field(factory=dict)
    over: str = ""
    _jobs: int = 0
    _running: list[tuple[float, int, Job, Session]] = attrs.field(factory=list)
    _telling: list[tuple[float, int, Session]] = attrs.field(factory=list)

    def run(self, until=float("inf")):
        while not self.policy.over and self.now <= until:
            self._admit()
            moments = [
                at for at in (self.policy.look_again_at(self.now), self._next_end, self._next_told) if at is not None
            ]
            if not moments:
                break
            self.now = min(moments)
            self._tell_due()
            self._end_due()
        self.over = self.policy.over
        while self._running and until == float("inf"):
            self.now = self._next_end
            self._end_due()
        return self

    @property
    def active(self):
        return len(self._running)

    @property
    def _next_end(self):
        return self._running[0][0] if self._running else None

    @property
    def _next_told(self):
        return self._telling[0][0] if self._telling else None

    def _admit(self):
        self.asked += 1
        for scenario, again in self.policy.admit(self.now, self.room - len(self._running)):
            job = again or Job(self._jobs, scenario)
            self._jobs += again is None
            assert job.scenario == scenario
            job.tries += 1
            outcome = self.session(job)
            ended = self.now + outcome.duration_ms / 1000
            session = Session(scenario, job.number, job.tries, self.now, ended, outcome)
            self.sessions.append(session)
            heapq.heappush(self._running, (ended, len(self.sessions), job, session))
            for part in range(1, self.responses + 1):
                at = self.now + session.life_s * part / (self.responses + 1)
                heapq.heappush(self._telling, (at, len(self.sessions), session))

    def _tell_due(self):
        while self._telling and self._telling[0][0] <= self.now:
            at, _, session = heapq.heappop(self._telling)
            part = session.result.tokens / self.responses
            self.policy.took(session.scenario, part, at, began=session.began)

    def _end_due(self):
        while self._running and self._running[0][0] <= self.now:
            _, _, job, session = heapq.heappop(self._running)
            told = session.result.tokens if self.responses else 0
            if self.policy.ended(session.result, job, self.now, began=session.began, told=told) is None:
                assert job.number not in self.final, "a job has two final results"
                self.final[job.number] = session.result


# --- what really was, counted anew ------------------------------------------------------------------------------------


def most_at_a_time(sessions):
    changes = sorted([(each.began, 1) for each in sessions] + [(each.ended, -1) for each in sessions])
    most = count = 0
    for _, change in changes:
        count += change
        most = max(most, count)
    return most


def most_starts_in(window_s, sessions):
    """The most starts in any half-open window."""
    starts = sorted(each.began for each in sessions)
    most = first = 0
    for last, at in enumerate(starts):
        # A hair's breadth is what adding the window to a moment loses.
        while starts[first] + window_s <= at + 1e-9:
            first += 1
        most = max(most, last - first + 1)
    return most


def most_tokens_in_a_minute(sessions, responses, until=float("inf")):
    """The most tokens in any minute, where a session takes them in so many equal parts, or (0) at its end."""
    taken = []
    for each in sessions:
        parts = range(1, responses + 1) if responses else (1,)
        of = responses + 1 if responses else 1
        taken += [(each.began + each.life_s * part / of, each.result.tokens / len(parts)) for part in parts]
    taken = sorted(each for each in taken if each[0] <= until)
    most = total = first = 0
    for at, tokens in taken:
        total += tokens
        while taken[first][0] <= at - 60.0:
            total -= taken[first][1]
            first += 1
        most = max(most, total)
    return most


def by_scenario(started) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for scenario, *_ in started:
        counts[scenario] = counts.get(scenario, 0) + 1
    return counts
