"""How a stretch of a run begins: what the last one left under way is lost, and told with all that is open."""

import os
import platform
import sqlite3
from collections.abc import Iterator
from typing import Final

from engine.farm.codec import from_json
from engine.farm.job import Result
from engine.farm.ledger.reading import (
    OPEN,
    job_of,
    read_attempts,
    read_counts,
    read_done,
    read_next_index,
    read_results,
)
from engine.farm.ledger.records import Resumed, Waiting
from engine.farm.ledger.writing import write_note, write_results

_KILLED: Final = "the run was killed while this was under way"

_WAITING: Final = """
SELECT number, scenario, scenario_index, values_json,
    coalesce(max(attempt) FILTER (WHERE attempt.status <> 'returned'), 0) AS attempts,
    count(attempt) FILTER (WHERE attempt.status NOT IN ('returned', 'stopped')) AS tries
FROM job LEFT JOIN attempt ON attempt.job = job.number
WHERE final_attempt IS NULL GROUP BY number ORDER BY number
"""

_LATELY: Final = """
SELECT ended_at, tokens FROM attempt JOIN result USING (job, attempt)
WHERE ended_at > ? AND tokens > 0 ORDER BY ended_at
"""


def begin_stint(db: sqlite3.Connection, *, run_id: str, now: float) -> Resumed:
    """Begin a stretch, within a transaction."""
    lost = end_as_lost(db, run_id=run_id, now=now)
    told = (now, now, platform.node(), os.getpid())
    stint = db.execute("INSERT INTO stint (began_at, last_at, host, pid) VALUES (?, ?, ?, ?)", told).lastrowid
    return Resumed(
        stint=stint or 1,
        lost=tuple(lost),
        waiting=tuple(_waiting(db)),
        next_index=read_next_index(db),
        done=read_done(db),
        counts=read_counts(db),
        lately=tuple((max(now - row["ended_at"], 0.0), row["tokens"]) for row in db.execute(_LATELY, (now - 60.0,))),
    )


def end_as_lost(db: sqlite3.Connection, *, run_id: str, now: float) -> list[Result]:
    """End what is under way as lost; give the results."""
    scenarios = dict(map(tuple, db.execute("SELECT number, scenario FROM job WHERE final_attempt IS NULL")))
    lost = [
        Result(
            attempt_id=attempt.attempt_id,
            job=attempt.job,
            scenario=scenarios[attempt.job],
            attempt=attempt.attempt,
            worker=attempt.worker,
            status="lost",
            error_kind="worker",
            error=_KILLED,
            began_at=attempt.leased_at,
        )
        for attempt in read_attempts(db, "attempt.status = 'leased'")
    ]
    if lost:
        write_results(db, lost, frozenset(), run_id=run_id, now=now)
        write_note(db, "lost", f"{len(lost)} attempts were under way when the run was killed: ended as lost", now)
    return lost


def _waiting(db: sqlite3.Connection) -> Iterator[Waiting]:
    last: dict[int, Result] = {result.job: result for result in read_results(db, OPEN)}
    for row in db.execute(_WAITING):
        yield Waiting(
            job=job_of(row, from_json(row["values_json"], dict)),
            attempts=row["attempts"],
            tries=row["tries"],
            last=last.get(row["number"]),
        )
