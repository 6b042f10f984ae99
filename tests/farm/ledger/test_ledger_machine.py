"""Whatever comes in whatever order, with a new begin at any moment: the ledger says what a plain model of it says."""

import shutil
import tempfile
from collections import Counter
from pathlib import Path

import attrs
import pytest
from entries import PLAN, RUN, Clock, attempt_id, grant, result
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.errors import LocalMisuse
from engine.farm.ledger import Ledger

JOBS = st.integers(0, 1)
ATTEMPTS = st.integers(1, 2)
STATUSES = st.sampled_from(["passed", "failed", "error", "lost", "stopped"])
TOLD = st.lists(st.tuples(JOBS, ATTEMPTS, STATUSES, st.booleans()), min_size=1, max_size=4)
TOKENS = 7


@attrs.define
class Job:
    """What the model knows of a job: how its attempts stand, what they took, and which is final."""

    attempts: dict = attrs.field(factory=dict)
    tokens: dict = attrs.field(factory=dict)
    final: int | None = None

    @property
    def under_way(self):
        return "leased" in self.attempts.values()

    @property
    def tries(self):
        return [number for number, status in self.attempts.items() if status != "returned"]


class Model:
    """The ledger in a few lines. Each change is made, or refused as a whole."""

    def __init__(self):
        self.jobs = {}

    def lease(self, number):
        job = self.jobs.get(number, Job())
        if job.under_way or job.final:
            return None
        self.jobs[number] = job
        attempt = max(job.tries, default=0) + 1
        job.attempts[attempt] = "leased"
        return attempt

    def record(self, told):
        ended = set()
        for number, attempt, status, final in told:
            job = self.jobs.get(number, Job())
            if job.attempts.get(attempt) == "leased":
                job.attempts[attempt], job.tokens[attempt] = status, took(status)
                job.final = attempt if final else job.final
                ended.add(attempt_id(number, attempt))
            elif job.attempts.get(attempt) == "lost":
                job.tokens[attempt] = job.tokens[attempt] or took(status)
        return ended

    def returned(self, number, attempt):
        job = self.jobs.get(number, Job())
        if job.attempts.get(attempt) == "leased":
            job.attempts[attempt] = "returned"

    def settle(self, number, attempt):
        job = self.jobs.get(number, Job())
        ended = job.attempts.get(attempt) in ("passed", "failed", "error", "lost")
        if not ended or job.final or job.under_way:
            return False
        job.final = attempt
        return True

    def begin(self):
        lost = set()
        for number, job in self.jobs.items():
            for attempt, status in job.attempts.items():
                if status == "leased":
                    job.attempts[attempt], job.tokens[attempt] = "lost", 0
                    lost.add(attempt_id(number, attempt))
        return lost


def took(status):
    return 0 if status == "lost" else TOKENS


def results_of(told):
    results = [result(number, attempt, status, tokens=took(status)) for number, attempt, status, _ in told]
    return results, {attempt_id(number, attempt) for number, attempt, _, final in told if final}


class LedgerAgainstModel(RuleBasedStateMachine):
    """Does everything to both."""

    @initialize()
    def create(self):
        self.folder = Path(tempfile.mkdtemp(prefix="ledger-"))
        self.ledger = Ledger.create(self.folder, PLAN, run_id=RUN, unix_time=Clock())
        self.ledger.begin_session()
        self.model = Model()

    def teardown(self):
        if hasattr(self, "ledger"):
            self.ledger.close()
            shutil.rmtree(self.folder)

    @rule(number=JOBS)
    def lease(self, number):
        attempt = self.model.lease(number)
        if attempt is None:
            with pytest.raises(LocalMisuse, match="under way, or has its final result"):
                self.ledger.lease([(grant(number, 9), "w1")])
        else:
            self.ledger.lease([(grant(number, attempt), "w1")])

    @rule(told=TOLD)
    def record(self, told):
        finals = {(number, attempt) for number, attempt, _, final in told if final}
        told = [(number, attempt, status, (number, attempt) in finals) for number, attempt, status, _ in told]
        results, final = results_of(told)
        first = {}
        for number, attempt, status, is_final in told:
            first.setdefault((number, attempt), (status, is_final))
        refused = any(
            each == ("stopped", True) and number in self.model.jobs
            and self.model.jobs[number].attempts.get(attempt) == "leased"
            for (number, attempt), each in first.items()
        )  # fmt: skip
        if refused:
            with pytest.raises(LocalMisuse, match="was stopped with the run"):
                self.ledger.record(results, final)
        else:
            assert self.ledger.record(results, final) == self.model.record(told)

    @rule(number=JOBS, attempt=ATTEMPTS)
    def returned(self, number, attempt):
        self.model.returned(number, attempt)
        self.ledger.returned([attempt_id(number, attempt)])

    @rule(number=JOBS, attempt=ATTEMPTS)
    def settle(self, number, attempt):
        if self.model.settle(number, attempt):
            self.ledger.settle([attempt_id(number, attempt)])
        else:
            with pytest.raises(LocalMisuse, match="can't be made final"):
                self.ledger.settle([attempt_id(number, attempt)])

    @precondition(lambda self: any(job.under_way for job in self.model.jobs.values()))
    @rule(status=st.sampled_from(["lost", "error", "stopped"]), late=STATUSES, data=st.data())
    def end_and_try_again_together(self, status, late, data):
        """Do what the coordinator does in one transaction: a try ends, is told again, and the job is leased anew."""
        number = data.draw(st.sampled_from([key for key, job in self.model.jobs.items() if job.under_way]))
        attempt = max(self.model.jobs[number].tries)
        told = [(number, attempt, status, False), (number, attempt, late, False)]
        results, _ = results_of(told)
        self.model.record(told)
        again = self.model.lease(number)
        with self.ledger.together():
            self.ledger.record(results, set())
            self.ledger.lease([(grant(number, again), "w2")])

    @rule(number=JOBS)
    def fail_together(self, number):
        """Of what fails, nothing is there."""
        fresh = 100 + number

        def fail():
            with self.ledger.together():
                self.ledger.lease([(grant(fresh), "w1")])
                self.ledger.record([result(fresh)], {attempt_id(fresh)})
                self.ledger.lease([(grant(fresh, 2), "w1")])

        with pytest.raises(LocalMisuse):
            fail()

    @rule(finished=st.booleans())
    def begin_anew(self, finished):
        self.ledger.finish("done") if finished else self.ledger.close()
        self.ledger = Ledger.open(self.folder, unix_time=Clock())
        resumed = self.ledger.begin_session()
        assert {each.attempt_id for each in resumed.lost} == self.model.begin()
        told = {each.job.number: (each.attempts, each.tries) for each in resumed.waiting}
        assert told == {number: tried(job) for number, job in self.model.jobs.items() if not job.final}
        assert resumed.counts == self.ledger.counts()

    @invariant()
    def both_say_the_same(self):
        jobs = self.model.jobs
        there = {each.attempt_id: (each.status, each.final) for each in self.ledger.attempts()}
        assert there == {
            attempt_id(number, attempt): (status, job.final == attempt)
            for number, job in jobs.items()
            for attempt, status in job.attempts.items()
        }
        finals = {number: job.attempts[job.final] for number, job in jobs.items() if job.final}
        assert [(each.job, each.status) for each in self.ledger.results()] == sorted(finals.items())
        counts = self.ledger.counts()
        ended = [tokens for job in jobs.values() for tokens in job.tokens.values()]
        assert counts.done == Counter(finals.values())
        assert counts.under_way == sum(job.under_way for job in jobs.values())
        assert counts.waiting == sum(not job.final and not job.under_way for job in jobs.values())
        assert (counts.attempts, counts.retried) == (len(ended), len(ended) - len(finals))
        assert counts.tokens == sum(ended)


def tried(job):
    counted = [number for number in job.tries if job.attempts[number] != "stopped"]
    return max(job.tries, default=0), len(counted)


TestLedgerAgainstModel = LedgerAgainstModel.TestCase
TestLedgerAgainstModel.settings = settings(max_examples=settings().max_examples * 4 // 10, stateful_step_count=20)
