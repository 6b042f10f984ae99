"""The tables that people read, one flat row after another: sessions, turns, metrics, attempts."""

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import attrs

from engine.farm.metrics import METRICS

Table = Literal["sessions", "turns", "metrics", "attempts"]
Kind = Literal["integer", "real", "text", "truth", "json"]
"""What a column holds; `json` is text in the ledger, in CSV and in Parquet, and a value in JSONL."""


@attrs.frozen
class TableOf:
    """A table: its columns, what they hold, and where its rows come from."""

    columns: Mapping[str, Kind]
    source: str
    order: str

    def rows(self, db: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
        """Give the rows; `json` as text, and `truth` as 0 and 1."""
        cursor = db.cursor()
        cursor.row_factory = None
        query = f"SELECT {', '.join(self.columns)} FROM {self.source} ORDER BY {self.order}"  # noqa: S608 - our names
        yield from cursor.execute(query)

    def at(self, kind: Kind) -> tuple[int, ...]:
        """Give the places of the columns of a kind."""
        return tuple(place for place, each in enumerate(self.columns.values()) if each == kind)


_SESSIONS: Final[dict[str, Kind]] = {
    "job": "integer",
    "scenario": "text",
    "scenario_index": "integer",
    "attempt_id": "text",
    "attempt": "integer",
    "attempts": "integer",
    "worker": "text",
    "status": "text",
    "error_kind": "text",
    "error": "text",
    "began_at": "real",
    "duration_ms": "real",
    "connect_ms": "real",
    "turns": "integer",
    "expected": "integer",
    "held": "integer",
    "tokens": "integer",
    "input_tokens": "integer",
    "output_tokens": "integer",
    "cost_usd": "real",
    "audio_in_ms": "real",
    "audio_out_ms": "real",
    "audio_lost_ms": "real",
    "deltas": "integer",
    "links": "integer",
    "session_id": "text",
    "files_bytes": "integer",
    "values_json": "json",
    "verdicts_json": "json",
    "files_json": "json",
    "notes_json": "json",
}
_TURNS: Final[dict[str, Kind]] = {
    "job": "integer",
    "scenario": "text",
    "number": "integer",
    "status": "text",
    "began": "text",
    "said": "text",
    "heard": "text",
    "answer": "text",
    "began_at_ms": "real",
    "asked_at_ms": "real",
    "time_to_first_text_ms": "real",
    "time_to_first_audio_ms": "real",
    "time_to_first_audio_heard_ms": "real",
    "interruption_latency_ms": "real",
    "response_ms": "real",
    "audio_ms": "real",
    "heard_ms": "real",
    "interrupted": "truth",
    "word_error_rate": "real",
    "tokens": "integer",
    "tools_json": "json",
}
_METRICS: Final[dict[str, Kind]] = {
    "job": "integer",
    "scenario": "text",
    "turn": "integer",
    "metric": "text",
    "unit": "text",
    "value": "real",
}
_ATTEMPTS: Final[dict[str, Kind]] = {
    "job": "integer",
    "scenario": "text",
    "attempt": "integer",
    "attempt_id": "text",
    "worker": "text",
    "stint": "integer",
    "status": "text",
    "final": "truth",
    "leased_at": "real",
    "ended_at": "real",
    "error_kind": "text",
    "error": "text",
    "began_at": "real",
    "duration_ms": "real",
    "session_id": "text",
    "tokens": "integer",
    "cost_usd": "real",
}
_UNITS: Final = " ".join(f"WHEN '{name}' THEN '{metric.unit}'" for name, metric in METRICS.items())
_WITH_UNITS: Final = f"(SELECT *, CASE metric {_UNITS} END AS unit FROM metric)"  # noqa: S608 - our names
_ALL_ATTEMPTS: Final = """(
    SELECT attempt.*, job.scenario, job.final_attempt IS attempt.attempt AS final,
        error_kind, error, began_at, duration_ms, session_id, tokens, cost_usd
    FROM attempt JOIN job ON job.number = attempt.job
    LEFT JOIN result ON result.job = attempt.job AND result.attempt = attempt.attempt
)"""

TABLES: Final[Mapping[Table, TableOf]] = {
    "sessions": TableOf(_SESSIONS, "session", "job"),
    "turns": TableOf(_TURNS, "final_turn", "job, number"),
    "metrics": TableOf(_METRICS, _WITH_UNITS, "job, turn, metric"),
    "attempts": TableOf(_ATTEMPTS, _ALL_ATTEMPTS, "job, attempt"),
}
"""By name. Sessions, turns and metrics are those of final results; attempts are all."""


def session_rows(db: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    """Give final results as flat rows, by job."""
    table = TABLES["sessions"]
    for row in table.rows(db):
        yield dict(zip(table.columns, row, strict=True))
