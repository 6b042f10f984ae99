"""How many files this process may have open, and how many sessions need: told before a run, not by its 1,000th call."""

from typing import Final

from engine.errors import ConfigError
from engine.farm.plan.model import Plan

OF_PROCESS: Final = 64
"""A worker's own: Python's, the ledger's, pipes, and names that are looked up."""

OF_SESSION: Final = 1
"""Its connection."""

OF_KEPT: Final = 2
"""Beside it: sound and events, while they are being written."""


def raise_limit() -> int | None:
    """Let this process have as many files open as it may, and say how many that is; None where nobody tells."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return None
    if soft < hard:
        # Some systems tell a bound that they don't keep to: what there was stays.
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            return soft
    return hard


def needed(plan: Plan, sessions: int) -> int:
    """Say how many files a process needs that has so many of a plan's sessions."""
    keeps = plan.keep.max_bytes > 0 and (plan.keep.audio > 0 or plan.keep.events > 0)
    return OF_PROCESS + sessions * (OF_SESSION + OF_KEPT * keeps)


def check(plan: Plan, *, sessions: int, workers: int) -> None:
    """Raise the bound on open files as far as it goes, and refuse what is above it all the same.

    Args:
        plan: Of the run.
        sessions: At a time, over all workers.
        workers: Of this machine.

    Raises:
        ConfigError: A worker may not have so many files open.
    """
    most = raise_limit()
    each = -(-sessions // workers)
    wanted = needed(plan, each)
    if most is None or wanted <= most:
        return
    message = (
        f"caps.sessions={sessions:,} needs {wanted:,} open files in each of {workers:,} workers, and this system "
        f"allows {most:,} | more workers, fewer sessions, or a higher hard limit (ulimit -Hn)"
    )
    raise ConfigError("caps.sessions", sessions, f"what {most:,} open files carry", message=message)
