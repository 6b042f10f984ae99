"""A run of a plan, from the first worker's start to the last line of the ledger."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import attrs

from engine.farm.backends import LEASE_S, BackendFactory
from engine.farm.plan.model import Plan
from engine.farm.plan.thresholds import Judged
from engine.farm.snapshot import RunSnapshot

GRACE_S = 30.0
"""How long sessions may go on when a run is told to finish."""


@attrs.frozen(kw_only=True)
class RunSummary:
    """What came of a run, or of the stretch of it that ended just now.

    Attributes:
        run_id: Eight hexadecimal digits.
        folder: Of the run.
        why: Why it ended: "all jobs done", "its time is over", "the budget is spent", "Ctrl-C".
        stopped: Somebody stopped it before its end.
        open_jobs: Jobs that `resume` would go on with; None where nobody can count them.
        done: Jobs with a final result, by status.
        thresholds: Judged over all final results.
        snapshot: The last picture.
    """

    run_id: str
    folder: Path
    why: str
    stopped: bool = False
    open_jobs: int | None = 0
    done: Mapping[str, int] = attrs.field(factory=dict)
    thresholds: tuple[Judged, ...] = ()
    snapshot: RunSnapshot


class Run:
    """One run of a plan. Nothing starts before `run`.

    Args:
        plan: What to run. None goes on with the plan that the folder's ledger holds.
        out: The run's folder; made where it is missing.
        workers: How many; `auto` for one a core that this process may use.
        backend: `local` for one worker in this event loop, `processes` for processes on this machine, or a factory.
            None: local for one worker, else processes.
        sessions: At a time, in place of the plan's.
        resume: Go on with the run that the folder holds.
        grace_s: How long sessions may go on after `finish`.
        lease_s: How long a worker goes on without word from the coordinator.
        memory_max_bytes: Of a worker; None for its share of this machine's.
    """

    def __init__(
        self,
        plan: Plan | None,
        *,
        out: Path | str,
        workers: int | Literal["auto"] = 1,
        backend: Literal["local", "processes"] | BackendFactory | None = None,
        sessions: int | None = None,
        resume: bool = False,
        grace_s: float = GRACE_S,
        lease_s: float = LEASE_S,
        memory_max_bytes: int | None = None,
    ) -> None:
        raise NotImplementedError

    async def run(self) -> RunSummary:
        """Run it, once.

        Raises:
            ConfigError: A setting is not possible.
            LedgerUnusable: The folder's ledger can't be used, or no longer; what it holds is whole.
            BackendUnavailable: Workers can't be had.
            FarmError: The simulator that it started died.
        """
        raise NotImplementedError

    def finish(self, why: str = "told to finish") -> None:
        """Let nothing more start; sessions may end within the grace. Any number of times, also before `run`."""
        raise NotImplementedError

    def stop(self, why: str = "told to stop") -> None:
        """Cancel all sessions now. Any number of times, also before `run`."""
        raise NotImplementedError

    def snapshot(self) -> RunSnapshot:
        """Give a picture of it; of phase `starting` before it began."""
        raise NotImplementedError


async def run_plan(
    plan: Plan | None,
    *,
    on_snapshot: Callable[[RunSnapshot], object] | None = None,
    every_s: float = 0.5,
    **how: object,
) -> RunSummary:
    """Run a plan: `Run(plan, **how).run()`, and give pictures of it meanwhile.

    Args:
        plan: As in `Run`.
        on_snapshot: Called every so often, and once at the end.
        every_s: How often.
        how: As in `Run`.
    """
    raise NotImplementedError
