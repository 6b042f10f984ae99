"""What the ledger tells, as frozen records: where a run stands, what waits, who tried what and when."""

from collections.abc import Mapping
from typing import Literal

import attrs

from engine.farm.job import ErrorKind, Job, Result, Status

AttemptStatus = Literal["leased", "returned"] | Status
"""Of an attempt: under way; given back by a worker that had not begun it (its number comes again); or as its result."""


@attrs.frozen(kw_only=True)
class Attempt:
    """One try of a job, ended or under way.

    Attributes:
        attempt_id: As in `Grant`.
        job: Its number.
        attempt: 1 for the first.
        worker: Who has it, or had it.
        stint: Number of the run's stretch in which it was leased, from 1.
        status: How it stands.
        leased_at: Unix time, in s.
        ended_at: Unix time at which its result was written (or it was returned), in s; None while it is under way.
        final: Its result is its job's.
    """

    attempt_id: str
    job: int
    attempt: int
    worker: str
    stint: int
    status: AttemptStatus
    leased_at: float
    ended_at: float | None
    final: bool


@attrs.frozen(kw_only=True)
class Stint:
    """One stretch of a run: from its start, or from a `--resume`, until it was finished, stopped or killed.

    Attributes:
        number: 1 for the first.
        began_at: Unix time, in s.
        last_at: Unix time of the last thing written, in s.
        why: Why it ended; empty where it was killed, or still goes on.
        host: Machine.
        pid: Process.
    """

    number: int
    began_at: float
    last_at: float
    why: str
    host: str
    pid: int


@attrs.frozen(kw_only=True)
class Note:
    """Something that people should know of the run: what kind, in words, and when (unix time, in s)."""

    at: float
    kind: str
    text: str


@attrs.frozen(kw_only=True)
class Sample:
    """A figure of the run at a moment, as of a worker's memory.

    Attributes:
        name: Of the figure, with its unit: `memory_bytes`, `active`, `lag_ms`.
        value: Of the figure.
        worker: Whose; empty for the whole run's.
        at: Unix time, in s; filled in by the ledger.
    """

    name: str
    value: float
    worker: str = ""
    at: float = 0.0


@attrs.frozen(kw_only=True)
class Counts:
    """Where a run stands, over all of its stints.

    Attributes:
        done: Jobs with a final result, by status.
        waiting: Jobs that were begun, have no final result and are not under way.
        under_way: Attempts that have no result.
        attempts: Tries that ended, with `stopped` and `lost` ones.
        retried: Tries that ended and were not the last of their job.
        errors: Tries that broke, by kind.
        tokens: Of all tries.
        cost_usd: Of all tries, where known.
        unpriced: Tries whose cost is not known, though they took tokens.
        kept_bytes: Size of the sessions' files.
        elapsed_s: All stints together.
    """

    done: Mapping[Status, int]
    waiting: int = 0
    under_way: int = 0
    attempts: int = 0
    retried: int = 0
    errors: Mapping[ErrorKind, int] = attrs.field(factory=dict)
    tokens: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
    kept_bytes: int = 0
    elapsed_s: float = 0.0


@attrs.frozen(kw_only=True)
class Waiting:
    """A job that was begun and has no final result.

    Attributes:
        job: The job.
        attempts: Number of its last attempt; the next one is one higher. 0 where none began.
        tries: Attempts that count against `Retries.attempts`: those that were not `stopped` with the run.
        last: The last attempt's result; None where none began.
    """

    job: Job
    attempts: int
    tries: int
    last: Result | None


@attrs.frozen(kw_only=True)
class Resumed:
    """What `Ledger.begin_session` found.

    Attributes:
        stint: Number of the stretch that begins; 1 for a new run.
        lost: Attempts that were under way when the last stretch ended without a word: now ended as `lost`. Their jobs
            are in `waiting`.
        waiting: Jobs that were begun and have no final result, by number. The policy says which of them are tried
            again; those that are not are made final with `Ledger.settle`.
        next_index: Index of each scenario's next new job; scenarios that never began are not in it.
        done: Final results by scenario.
        counts: Where the run stands.
        lately: Of results of the last minute, in their order: how many seconds ago each was written, and its tokens.
    """

    stint: int = 1
    lost: tuple[Result, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    next_index: Mapping[str, int] = attrs.field(factory=dict)
    done: Mapping[str, int] = attrs.field(factory=dict)
    counts: Counts = attrs.field(factory=lambda: Counts(done={}))
    lately: tuple[tuple[float, int], ...] = ()
