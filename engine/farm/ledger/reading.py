"""What the ledger is asked: where the run stands, and what came of its sessions, one by one."""

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from engine.farm.job import Job, Result
from engine.farm.ledger.records import Attempt, Counts, Note, Sample, Stint
from engine.farm.ledger.rows import result_of, turn_of

# total() can't overflow as sum() can: what a hostile service counts may be as large as it likes.
_COUNTS = """
SELECT
    count(*) AS attempts,
    CAST(total(tokens) AS INTEGER) AS tokens,
    total(cost_usd) AS cost_usd,
    coalesce(sum(cost_usd IS NULL AND tokens > 0), 0) AS unpriced,
    CAST(total(files_bytes) AS INTEGER) AS kept_bytes
FROM result
"""
_WAITING = """
SELECT count(*) FROM job WHERE final_attempt IS NULL
AND NOT EXISTS (SELECT 1 FROM attempt WHERE job = number AND status = 'leased')
"""


def _by(db: sqlite3.Connection, sql: str) -> dict[Any, Any]:
    return dict(map(tuple, db.execute(sql)))


def _one(db: sqlite3.Connection, sql: str) -> Any:
    return db.execute(sql).fetchone()[0]


def read_counts(db: sqlite3.Connection) -> Counts:
    """Tell where the run stands."""
    done = _by(db, "SELECT status, count(*) FROM job WHERE status IS NOT NULL GROUP BY status")
    totals = dict(db.execute(_COUNTS).fetchone())
    return Counts(
        done=done,
        waiting=_one(db, _WAITING),
        under_way=_one(db, "SELECT count(*) FROM attempt WHERE status = 'leased'"),
        retried=totals["attempts"] - sum(done.values()),
        errors=_by(db, "SELECT error_kind, count(*) FROM result WHERE error_kind IS NOT NULL GROUP BY error_kind"),
        elapsed_s=_one(db, "SELECT total(last_at - began_at) FROM stint"),
        **totals,
    )


def read_next_index(db: sqlite3.Connection) -> Mapping[str, int]:
    """Give the index of each scenario's next new job."""
    return _by(db, "SELECT scenario, max(scenario_index) + 1 FROM job GROUP BY scenario")


def read_done(db: sqlite3.Connection) -> Mapping[str, int]:
    """Count final results by scenario."""
    return _by(db, "SELECT scenario, count(*) FROM job WHERE final_attempt IS NOT NULL GROUP BY scenario")


_RESULTS = """
SELECT {first} result.*, attempt.attempt_id, attempt.worker, job.scenario FROM result
JOIN job ON job.number = result.job
JOIN attempt ON attempt.job = result.job AND attempt.attempt = result.attempt
WHERE {where} ORDER BY result.job, result.attempt
"""
_TURNS = """
SELECT turn.* FROM turn JOIN job ON job.number = turn.job
WHERE {where} ORDER BY turn.job, turn.attempt, turn.number
"""

FINAL = "job.final_attempt = {table}.attempt"
OPEN = "job.final_attempt IS NULL"
OF_SCENARIO = "job.scenario = :scenario"
OF_JOB = "job.number = :job"


# A row gives the first of two columns of a name.
_BARE = "'[]' AS spans_json, '[]' AS files_json, '[]' AS notes_json,"


def read_results(db: sqlite3.Connection, *conditions: str, bare: bool = False, **values: Any) -> Iterator[Result]:
    """Give results one by one, by job and attempt, with their turns; if bare, without spans, files and notes."""
    where = " AND ".join(conditions) or "1"
    first = _BARE if bare else ""
    rows = db.execute(_RESULTS.format(where=where.format(table="result"), first=first), values)
    turns = db.execute(_TURNS.format(where=where.format(table="turn")), values)
    turn = turns.fetchone()
    for row in rows:
        key, mine = (row["job"], row["attempt"]), []
        while turn is not None and (turn["job"], turn["attempt"]) == key:
            mine.append(turn_of(turn))
            turn = turns.fetchone()
        yield result_of(row, mine)


def read_attempts(db: sqlite3.Connection, condition: str = "1") -> Iterator[Attempt]:
    """Give attempts, by job and attempt."""
    rows = db.execute(f"""
        SELECT attempt.*, job.final_attempt IS attempt.attempt AS final FROM attempt
        JOIN job ON job.number = attempt.job WHERE {condition} ORDER BY attempt.job, attempt.attempt
    """)  # noqa: S608 - conditions are of our own
    for row in rows:
        yield Attempt(**{**dict(row), "final": bool(row["final"])})


def job_of(row: sqlite3.Row, values: Mapping[str, Any]) -> Job:
    """Read a job's row."""
    return Job(number=row["number"], scenario=row["scenario"], index=row["scenario_index"], values=values)


def read_notes(db: sqlite3.Connection) -> tuple[Note, ...]:
    """Give the notes, by time."""
    return tuple(Note(**dict(row)) for row in db.execute("SELECT at, kind, text FROM note ORDER BY rowid"))


def read_samples(db: sqlite3.Connection) -> Iterator[Sample]:
    """Give the samples, by time."""
    for row in db.execute("SELECT name, value, worker, at FROM sample ORDER BY rowid"):
        yield Sample(**dict(row))


def read_stints(db: sqlite3.Connection) -> tuple[Stint, ...]:
    """Give the run's stretches."""
    return tuple(Stint(**dict(row)) for row in db.execute("SELECT * FROM stint ORDER BY number"))
