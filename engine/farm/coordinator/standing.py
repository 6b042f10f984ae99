"""Where a run stands when a stretch of it begins: from what the ledger found to a policy that goes on from there."""

import attrs

from engine.farm.coordinator.crew import Trial
from engine.farm.coordinator.journal import Journal
from engine.farm.coordinator.keeping import Keeping
from engine.farm.coordinator.plan_rules import rules_of
from engine.farm.coordinator.tally import Tally
from engine.farm.job import Grant, Job, Result
from engine.farm.ledger import Resumed
from engine.farm.plan.jobs import Jobs
from engine.farm.plan.model import Plan
from engine.farm.policy import Policy, retry_wait_s


@attrs.define(eq=False)
class Standing:
    """A stretch's begin.

    Attributes:
        policy: What may start.
        tally: What it came to so far.
        keeping: Room for files.
        next_index: Of each scenario's next new job.
        orphans: Attempts that may still be under way: of the stretch that was cut off, or lost in it.
        elapsed_s: All stretches before.
        began_at: Clock time.
    """

    policy: Policy
    tally: Tally
    keeping: Keeping
    next_index: dict[str, int]
    orphans: int
    elapsed_s: float
    began_at: float


def take_up(plan: Plan, jobs: Jobs, journal: Journal, *, resumed: Resumed, now: float, lease_s: float) -> Standing:
    """Go on from where the ledger stands: jobs that were begun are queued, or have had their last try.

    Args:
        plan: Of the run.
        jobs: Its jobs.
        journal: Takes what is to be written of it.
        resumed: What the ledger found.
        now: Clock time.
        lease_s: So long lost tries may still be under way, on machines that nobody sees: their jobs wait for it.
    """
    counts = resumed.counts
    next_index = dict(resumed.next_index)
    open_jobs = {name: None if size is None else size - next_index.get(name, 0) for name, size in jobs.open.items()}
    policy = Policy(
        rules_of(plan), open_jobs, now=now - counts.elapsed_s, tokens=counts.tokens, cost_usd=counts.cost_usd
    )
    at_a_time = min(plan.caps.sessions, jobs.total or plan.caps.sessions)
    standing = Standing(
        policy=policy,
        tally=Tally(counts, now, knows_earlier=not resumed.done),
        keeping=Keeping(plan.keep, kept_bytes=counts.kept_bytes, at_a_time=at_a_time),
        next_index=next_index,
        orphans=len(_lost(resumed)),
        elapsed_s=counts.elapsed_s,
        began_at=now,
    )
    if resumed.lost:
        journal.note("lost", f"{len(resumed.lost)} sessions were under way when the run was cut off")
        journal.drop_files(map(_leave_of, resumed.lost))
    for ago_s, tokens in resumed.lately:
        policy.took_before(tokens, now - ago_s)
    for result in resumed.lost:
        policy.presume(result.scenario, now)
    _queue_begun(plan, resumed, standing, journal, now=now, lease_s=lease_s)
    return standing


def _lost(resumed: Resumed) -> set[str]:
    """Name lost tries of jobs that are open: two stretches may have been cut off within one lease."""
    waiting = (each.last for each in resumed.waiting)
    lost = (last for last in waiting if last is not None and last.status == "lost")
    return {result.attempt_id for result in (*resumed.lost, *lost)}


def _queue_begun(
    plan: Plan, resumed: Resumed, standing: Standing, journal: Journal, *, now: float, lease_s: float
) -> None:
    for each in resumed.waiting:
        wait_s = 0.0 if each.last is None else retry_wait_s(each.last, plan.retries, tries=each.tries)
        last = None if each.last is None else (each.last.attempt_id, each.last.status)
        trial = Trial(each.job, each.attempts, each.tries, last)
        if wait_s is None:
            settle(trial, standing.tally, journal)
        else:
            held_s = lease_s if trial.last is not None and trial.last[1] == "lost" else 0.0
            standing.policy.wait_to_retry(each.job.scenario, trial, now, wait_s=max(wait_s, held_s))


def settle(trial: Trial, tally: Tally, journal: Journal) -> None:
    """Make a job's last result final: it won't be tried again."""
    if trial.last is not None:
        attempt_id, status = trial.last
        journal.settle([attempt_id])
        tally.settled(status)


def _leave_of(result: Result) -> Grant:
    return Grant(attempt_id=result.attempt_id, job=Job(number=result.job, scenario=result.scenario, index=0))
