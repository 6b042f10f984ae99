"""How a run stands: one frozen picture, from which the screen, the page and the exporters draw."""

from collections.abc import Mapping
from typing import Literal

import attrs

from engine.farm.figures import Figures

Phase = Literal["starting", "running", "finishing", "stopping", "over"]
"""Workers come up; sessions start; nothing more starts and sessions end; sessions are cancelled; all is written."""


@attrs.frozen(kw_only=True)
class WorkerState:
    """One worker's row.

    Attributes:
        name: Of the worker.
        state: `up`, `silent` (not heard of, its lease still runs), `down` (being started again).
        active: Sessions that it has.
        ended: Results that it told.
        lost: Sessions that went with its incarnations.
        starts: Incarnations.
        memory_bytes: Resident memory.
        cpu_share: Of one core, lately.
        lag_ms: By how much its event loop came late, at worst, lately.
    """

    name: str
    state: Literal["up", "silent", "down"] = "up"
    active: int = 0
    ended: int = 0
    lost: int = 0
    starts: int = 1
    memory_bytes: int = 0
    cpu_share: float = 0.0
    lag_ms: float = 0.0


@attrs.frozen(kw_only=True)
class RunSnapshot:
    """A run at one moment.

    Attributes:
        run_id: Eight hexadecimal digits.
        name: Of the plan.
        phase: Where it stands.
        why: Why it stops, where it does before its end: "Ctrl-C", "budget of 5.00 USD is spent", …
        held_back: What holds starts back just now: "cap of sessions", "tokens a minute", "rate limited", … or empty.
        elapsed_s: Since the run began (or was resumed).
        left_s: Guess of what remains; None while nobody can say.
        jobs: How many there are; None where the load repeats them until a time is over.
        done: Jobs with a final result, by status: passed, failed, error, lost.
        active: Sessions that run.
        waiting: Jobs that wait for a further try.
        retried: Tries that were not the last.
        dropped: Starts that a load of shape `arrival` asked for and the caps left no room for.
        starts_per_s: Lately.
        pace_per_s: What the policy allows just now.
        figures: All turns and sessions so far.
        recent: Those of about the last half a minute.
        errors: Of all tries, by kind.
        tokens: Of all tries.
        cost_usd: Of all tries.
        unpriced: Sessions whose cost is not known.
        kept_bytes: Size of the sessions' files.
        workers: A row each.
    """

    run_id: str
    name: str
    phase: Phase = "starting"
    why: str = ""
    held_back: str = ""
    elapsed_s: float = 0.0
    left_s: float | None = None
    jobs: int | None = None
    done: Mapping[str, int] = attrs.field(factory=dict)
    active: int = 0
    waiting: int = 0
    retried: int = 0
    dropped: int = 0
    starts_per_s: float = 0.0
    pace_per_s: float = 0.0
    figures: Figures = attrs.field(factory=Figures)
    recent: Figures = attrs.field(factory=Figures)
    errors: Mapping[str, int] = attrs.field(factory=dict)
    tokens: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
    kept_bytes: int = 0
    workers: tuple[WorkerState, ...] = ()
