"""A picture of the run: what policy, tally, keeping and crew know of it, put together for people to look at."""

from engine.farm.coordinator.crew import Crew
from engine.farm.coordinator.plan_rules import lasts_s
from engine.farm.coordinator.standing import Standing
from engine.farm.ledger import Sample
from engine.farm.plan.model import Plan
from engine.farm.snapshot import RunSnapshot


def picture(
    plan: Plan,
    run_id: str,
    stand: Standing,
    crew: Crew,
    *,
    jobs: int | None,
    open_jobs: int | None,
    active: int,
    now: float,
) -> RunSnapshot:
    """Put it together.

    Args:
        plan: Of the run.
        run_id: Its id.
        stand: Policy, tally and keeping.
        crew: The workers.
        jobs: How many there are; None where the load repeats them.
        open_jobs: How many have no final result.
        active: Sessions that run.
        now: Clock time.
    """
    tally, keeping, policy = stand.tally, stand.keeping, stand.policy.statistics(now)
    elapsed_s = now - stand.began_at + stand.elapsed_s
    whole_s = lasts_s(plan.load)
    return RunSnapshot(
        run_id=run_id,
        name=plan.name,
        held_back=policy.held_back,
        elapsed_s=elapsed_s,
        left_s=tally.left_s(open_jobs or 0, now) if whole_s is None else max(0.0, whole_s - elapsed_s),
        jobs=jobs,
        done=dict(tally.done),
        active=active,
        waiting=len(stand.policy.waiting_jobs()),
        retried=tally.retried,
        dropped=policy.dropped,
        starts_per_s=tally.starts_per_s(now),
        pace_per_s=policy.pace_per_s,
        figures=tally.whole(),
        recent=tally.recent(now),
        errors=dict(tally.errors),
        tokens=tally.tokens,
        cost_usd=tally.cost_usd,
        unpriced=tally.unpriced,
        kept_bytes=keeping.kept_bytes,
        workers=crew.rows,
    )


def samples(crew: Crew) -> list[Sample]:
    """Give what is written down of the workers now and then."""
    return [
        Sample(name=name, value=float(getattr(row, name)), worker=row.name)
        for row in crew.rows
        for name in ("memory_bytes", "lag_ms", "active", "cpu_share")
    ]


__all__ = ["picture", "samples"]
