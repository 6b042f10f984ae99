"""Coordinator: the only one who grants, and who writes the ledger; holds the caps over all workers."""

from collections.abc import Sequence

import trio

from engine.farm.backends import LEASE_S
from engine.farm.ledger import Ledger
from engine.farm.link import Link
from engine.farm.plan.model import Plan
from engine.farm.snapshot import RunSnapshot


class Coordinator:
    """Grants jobs to workers under the policy's caps, and writes down what comes of them.

    Args:
        plan: Of the run.
        ledger: Open for writing; `begin_session` is called here.
        base_urls: Where sessions connect, in turn; empty where the plan says it.
        lease_s: See `Down.lease_s`.
        grace_s: How long sessions may go on after `finish`.
        limiter: Of the thread in which the ledger is called; None calls it in this thread, for virtual time.
    """

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        *,
        base_urls: Sequence[str] = (),
        lease_s: float = LEASE_S,
        grace_s: float = 30.0,
        limiter: trio.CapacityLimiter | None = None,
    ) -> None:
        raise NotImplementedError

    async def begin(self) -> None:
        """Read where the run stands, and end what an earlier coordinator left under way. Before all else.

        Raises:
            LedgerUnusable: As the ledger says.
        """
        raise NotImplementedError

    async def drive(self, link: Link) -> None:
        """Work with one incarnation of a worker until the run is over, or the link is lost: what a backend calls.

        Raises:
            LedgerUnusable: The ledger can't be written any more. Sessions were told to end.
        """
        raise NotImplementedError

    def finish(self, why: str) -> None:
        """Let nothing more start; sessions may end within the grace. May be called any number of times."""
        raise NotImplementedError

    def stop(self, why: str) -> None:
        """Cancel all sessions now; they are `stopped`, and open for a resumed run. May be called any number of times."""
        raise NotImplementedError

    @property
    def over(self) -> bool:
        """Tell whether nothing runs and nothing will ever start again."""
        raise NotImplementedError

    def snapshot(self) -> RunSnapshot:
        """Give a picture of the run."""
        raise NotImplementedError
