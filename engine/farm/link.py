"""The wire between the coordinator and a worker: what goes down, what comes up, and how a link is lost."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, Protocol

import attrs

from engine.farm.job import Grant, RateLimit, Result

Stopping = Literal["finish", "now"]


@attrs.frozen(kw_only=True)
class Down:
    """What the coordinator tells a worker.

    Attributes:
        grants: Sessions to start, paced so that all workers together keep the caps.
        acknowledged: Attempts whose results are in the ledger: the worker forgets them.
        lease_s: From the receipt on, the worker may go on so long without hearing more; then it cancels all its
            sessions and begins a new epoch.
        starts_per_s: Starts come no faster than this. It is the pace of all workers together: grants keep to it
            already, and a worker only spreads those that came at once.
        stop: `finish`: nothing new starts, sessions may end. `now`: sessions are cancelled, and told as `stopped`.
        linger_s: How long the worker may hold its answer back when it has nothing to tell.
        roll: Ask for the names of the attempts that it has, and for all results that are not acknowledged: the first
            word of a link does.
    """

    grants: tuple[Grant, ...] = ()
    acknowledged: tuple[str, ...] = ()
    lease_s: float = 10.0
    starts_per_s: float = 10.0
    stop: Stopping | None = None
    linger_s: float = 1.0
    roll: bool = False


@attrs.frozen(kw_only=True)
class Up:
    """What a worker tells the coordinator. Results that are not acknowledged are told again when a roll is called.

    Attributes:
        results: Of sessions that ended.
        returned: Attempts that were granted and will not begin, because the worker stops; told once.
        active: How many attempts run, or wait for their turn to start.
        waiting: Of these, those that have not begun.
        roll: Their names, where they were asked for.
        rate_limits: The newest that a session heard since the last exchange.
        tokens: What sessions under way have taken so far, by attempt: of those that took more since the last exchange.
        figures: Turns that ended since the last exchange, as sketches by metric (`engine.farm.figures`).
        files: Contents of kept files, by path below the run's folder, where the worker does not share it.
        memory_bytes: Resident memory of the worker's process.
        cpu_s: CPU time that it has used.
        lag_ms: By how much its event loop came late, at worst, since the last exchange.
        talking: Sessions in which somebody speaks just now.
    """

    results: tuple[Result, ...] = ()
    returned: tuple[str, ...] = ()
    active: int = 0
    waiting: int = 0
    roll: tuple[str, ...] | None = None
    rate_limits: RateLimit | None = None
    tokens: Mapping[str, int] = attrs.field(factory=dict)
    figures: Mapping[str, Any] = attrs.field(factory=dict)
    files: Mapping[str, bytes] = attrs.field(factory=dict)
    memory_bytes: int = 0
    cpu_s: float = 0.0
    lag_ms: float = 0.0
    talking: int = 0


class LinkLost(Exception):
    """A worker can no longer be reached.

    Attributes:
        confirmed: It is known to be dead, and its sessions with it. Otherwise they may live until its lease is over.
    """

    def __init__(self, why: str, *, confirmed: bool) -> None:
        super().__init__(why)
        self.confirmed = confirmed


class Link(Protocol):
    """One incarnation of a worker, as the coordinator sees it. A worker that was started again is a new link."""

    @property
    def name(self) -> str:
        """Name the worker, the same after a new start."""
        ...

    @property
    def slots(self) -> int | None:
        """Tell how many sessions it takes at a time; None for any number."""
        ...

    @property
    def shares_folder(self) -> bool:
        """Tell whether it writes files into the run's folder itself; otherwise they come with the results."""
        ...

    async def exchange(self, down: Down) -> Up:
        """Tell and be told, within the lease.

        Raises:
            LinkLost: It is gone, or silent.
        """
        ...

    async def stop(self, grace_s: float) -> None:
        """End the worker, at the latest after the grace."""
        ...


OnLink = Callable[[Link], Awaitable[None]]
"""The coordinator's `drive`: returns when the link is over."""


class Backend(Protocol):
    """Places workers and looks after them."""

    async def run(self, on_link: OnLink) -> None:
        """Start the workers, call `on_link` for each incarnation (each in a task), start dead ones again.

        Returns when `on_link` has returned for all because the run is over.

        Raises:
            FarmError: Workers can't be had.
        """
        ...
