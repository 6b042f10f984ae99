"""Where workers run: in this event loop, in processes of this machine, or on a Ray cluster."""

from collections.abc import Callable

import attrs

from engine.farm.link import Backend
from engine.farm.plan.model import Plan

LEASE_S = 10.0
"""How long a worker goes on without word from the coordinator. A lost node's slots are free again only after it, and a
coordinator that is busy for longer loses all sessions."""


@attrs.frozen(kw_only=True)
class WorkerSpec:
    """All that a worker needs to know, wherever it runs. It travels as JSON (`engine.farm.codec`) or by pickle.

    Attributes:
        plan: Of the run.
        folder: The run's folder, absolute.
        count: How many workers there are.
        slots: Sessions that one takes at a time; None for any number.
        lease_s: See `Down.lease_s`.
        memory_max_bytes: A worker that has more is killed, and its sessions tried again; None for no bound.
        key: Of the service; never shown.
    """

    plan: Plan
    folder: str
    count: int = 1
    slots: int | None = None
    lease_s: float = LEASE_S
    memory_max_bytes: int | None = None
    key: str = attrs.field(default="", repr=False)


BackendFactory = Callable[[WorkerSpec], Backend]
"""Makes the backend of a run once all is known that its workers need."""

__all__ = ["LEASE_S", "Backend", "BackendFactory", "WorkerSpec"]
