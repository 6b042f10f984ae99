"""The simulator as a run's target: server processes on loopback, which end with the run, however it ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from engine.farm.plan.model import Plan


@asynccontextmanager
async def target_of(plan: Plan, workers: int) -> AsyncIterator[tuple[str, ...]]:
    """Start what a plan's sessions talk to, for the time of the block.

    Args:
        plan: Whose target.
        workers: How many the run has: one server for each, unless the plan says otherwise.

    Yields:
        Base URLs to be used in turn; none where the target is not ours to start.

    Raises:
        FarmError: A server did not start, or died while sessions talked to it.
    """
    raise NotImplementedError
    yield ()
