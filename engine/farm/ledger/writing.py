"""What the coordinator writes, as steps of one transaction: leases, results, ends."""

import sqlite3
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from math import isfinite

import attrs

from engine.errors import LocalMisuse
from engine.farm.codec import to_json
from engine.farm.job import Grant, Result
from engine.farm.ledger.records import Sample
from engine.farm.ledger.rows import INSERT_RESULT, INSERT_TURN, made_to_fit, rows_of


@attrs.frozen
class Key:
    """An attempt, as the tables know it."""

    job: int
    attempt: int


def key_of(attempt_id: str, run_id: str) -> Key | None:
    """Read `RUN-NUMBER-ATTEMPT`; None where it is not of this run."""
    run, *numbers = attempt_id.rsplit("-", 2)
    if run != run_id or len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
        return None
    return Key(*map(int, numbers))


def require_key(attempt_id: str, run_id: str) -> Key:
    """Read `RUN-NUMBER-ATTEMPT`.

    Raises:
        LocalMisuse: It is not of this run.
    """
    key = key_of(attempt_id, run_id)
    if key is None:
        raise LocalMisuse(f"{attempt_id!r} is no attempt of run {run_id} | its attempts are {run_id}-NUMBER-ATTEMPT")
    return key


_NEW_JOB = """
INSERT INTO job (number, scenario, scenario_index, values_json) VALUES (?, ?, ?, ?) ON CONFLICT (number) DO NOTHING
"""
_NEW_LEASE = """
INSERT INTO attempt (job, attempt, attempt_id, worker, stint, status, leased_at)
SELECT ?1, ?2, ?3, ?4, ?5, 'leased', ?6 FROM job WHERE number = ?1 AND final_attempt IS NULL
ON CONFLICT (job, attempt) DO UPDATE
SET worker = excluded.worker, stint = excluded.stint, status = 'leased', leased_at = excluded.leased_at, ended_at = NULL
WHERE status = 'returned'
"""


def write_leases(db: sqlite3.Connection, grants: Sequence[tuple[Grant, str]], *, stint: int, now: float) -> None:
    """Write grants and who gets them.

    Raises:
        LocalMisuse: A job is under way already, or has a final result.
    """
    jobs = [(grant.job.number, made_to_fit(grant.job.scenario), grant.job.index, _values(grant)) for grant, _ in grants]
    leases = [
        (grant.job.number, grant.attempt, grant.attempt_id, made_to_fit(worker), stint, now) for grant, worker in grants
    ]
    db.executemany(_NEW_JOB, jobs)
    try:
        written = db.executemany(_NEW_LEASE, leases).rowcount if leases else 0
    except sqlite3.IntegrityError as error:
        raise _leased_twice(grants) from error
    if written != len(leases):
        raise _leased_twice(grants)


def _values(grant: Grant) -> str:
    values = grant.job.values
    if not values:
        return "{}"
    try:
        return to_json(values).decode()
    except (TypeError, ValueError):
        return to_json(made_to_fit(values)).decode()


def _leased_twice(grants: Sequence[tuple[Grant, str]]) -> LocalMisuse:
    names = ", ".join(grant.attempt_id for grant, _ in grants[:3])
    more = f" and {len(grants) - 3} more" if len(grants) > 3 else ""
    return LocalMisuse(
        f"of {names}{more} one is of a job that is under way, or has its final result | wait for its result first"
    )


_END = "UPDATE attempt SET status = ?, ended_at = ? WHERE job = ? AND attempt = ? AND status = 'leased'"
_LEASED_AT = "SELECT leased_at FROM attempt WHERE job = ? AND attempt = ?"
_FINAL = """
UPDATE job SET status = ?, final_attempt = ? WHERE number = ? AND final_attempt IS NULL
"""
_LATE = """
UPDATE result SET
    tokens = ?, input_tokens = ?, output_tokens = ?, cost_usd = ?, session_id = ?
WHERE job = ? AND attempt = ? AND status = 'lost' AND session_id = '' AND tokens = 0
"""


def write_results(
    db: sqlite3.Connection, results: Iterable[Result], final: AbstractSet[str], *, run_id: str, now: float
) -> list[Result]:
    """Write results of attempts that are under way; give those.

    Raises:
        LocalMisuse: A `stopped` result was to be final: its job is to be run again.
    """
    new = []
    for result in results:
        ended = _ended(db, result, run_id=run_id, now=now)
        if ended is None:
            continue
        if ended.status == "stopped" and ended.attempt_id in final:
            raise LocalMisuse(
                f"{ended.attempt_id} was stopped with the run, so it can't be final | leave it to --resume"
            )
        # One by one: what comes later may be told late of one that comes earlier.
        _insert(db, ended, final=ended.attempt_id in final)
        new.append(ended)
    return new


def _insert(db: sqlite3.Connection, result: Result, *, final: bool) -> None:
    row, turns = rows_of(result)
    db.execute(INSERT_RESULT, row)
    if turns:
        db.executemany(INSERT_TURN, turns)
    if final:
        db.execute(_FINAL, (result.status, result.attempt, result.job))


def _ended(db: sqlite3.Connection, result: Result, *, run_id: str, now: float) -> Result | None:
    """End an attempt; give its result, or None where it is not under way."""
    if key_of(result.attempt_id, run_id) != Key(result.job, result.attempt):
        return None
    key = (result.job, result.attempt)
    if not db.execute(_END, (result.status, now, *key)).rowcount:
        _keep_what_it_took(db, made_to_fit(result), now)
        return None
    if result.began_at:
        return result
    # Nobody saw it begin, as with a worker that died: it was leased then.
    return attrs.evolve(result, began_at=db.execute(_LEASED_AT, key).fetchone()[0])


def _keep_what_it_took(db: sqlite3.Connection, result: Result, now: float) -> None:
    """Add to an attempt that was ended as lost what its worker tells later: its session was had, and is billed."""
    took = (result.tokens, result.input_tokens, result.output_tokens, result.cost_usd, result.session_id)
    if not (result.tokens or result.session_id) or result.status == "lost":
        return
    if db.execute(_LATE, (*took, result.job, result.attempt)).rowcount:
        text = f"{result.attempt_id} was given up as lost, and told later as {result.status}: what it took counts"
        write_note(db, "late", text, now)


_SETTLE = """
UPDATE job SET final_attempt = ?2, status = (SELECT status FROM attempt WHERE job = ?1 AND attempt = ?2)
WHERE number = ?1 AND final_attempt IS NULL
AND (SELECT status FROM attempt WHERE job = ?1 AND attempt = ?2) NOT IN ('leased', 'returned', 'stopped')
AND NOT EXISTS (SELECT 1 FROM attempt WHERE job = ?1 AND status = 'leased')
"""


def write_finals(db: sqlite3.Connection, keys: Iterable[Key]) -> None:
    """Make results final that are there.

    Raises:
        LocalMisuse: A job has its final result, or is under way; or the attempt has no result, or was stopped.
    """
    for key in keys:
        if not db.execute(_SETTLE, (key.job, key.attempt)).rowcount:
            raise LocalMisuse(
                f"attempt {key.attempt} of job {key.job} can't be made final | its job must have ended tries alone, "
                "none of them final, and this one not stopped"
            )


def write_returns(db: sqlite3.Connection, keys: Iterable[Key], now: float) -> None:
    """Take back leases that no worker began; what is not under way stays as it is."""
    db.executemany(_END, (("returned", now, key.job, key.attempt) for key in keys))


def write_note(db: sqlite3.Connection, kind: str, text: str, now: float) -> None:
    """Write a note."""
    db.execute("INSERT INTO note (at, kind, text) VALUES (?, ?, ?)", (now, made_to_fit(kind), made_to_fit(text)))


def write_samples(db: sqlite3.Connection, samples: Iterable[Sample], now: float) -> None:
    """Write figures of a moment; what is no number is no figure."""
    rows = (
        (now, made_to_fit(sample.worker), sample.name, sample.value) for sample in samples if isfinite(sample.value)
    )
    db.executemany("INSERT INTO sample (at, worker, name, value) VALUES (?, ?, ?, ?)", rows)
