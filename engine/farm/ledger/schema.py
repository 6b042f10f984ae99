"""The ledger's tables, as SQL: what docs/reference/ledger.md explains, and what `SCHEMA_VERSION` counts."""

from typing import Final

SCHEMA_VERSION: Final = 1
"""`PRAGMA user_version` of a ledger that these tables are of."""

APPLICATION_ID: Final = 0x52544C47
"""`PRAGMA application_id` ("RTLG"): what `file` and we know a ledger by."""

TABLES: Final = """
CREATE TABLE run (
    run_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    plan_json TEXT NOT NULL,
    engine_version TEXT NOT NULL,
    created_at REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE stint (
    number INTEGER PRIMARY KEY,
    began_at REAL NOT NULL,
    last_at REAL NOT NULL,
    why TEXT NOT NULL DEFAULT '',
    host TEXT NOT NULL,
    pid INTEGER NOT NULL
);

CREATE TABLE job (
    number INTEGER PRIMARY KEY,
    scenario TEXT NOT NULL,
    scenario_index INTEGER NOT NULL,
    values_json TEXT NOT NULL,
    status TEXT,
    final_attempt INTEGER,
    CHECK ((status IS NULL) = (final_attempt IS NULL))
);

CREATE TABLE attempt (
    job INTEGER NOT NULL REFERENCES job (number),
    attempt INTEGER NOT NULL,
    attempt_id TEXT NOT NULL,
    worker TEXT NOT NULL,
    stint INTEGER NOT NULL REFERENCES stint (number),
    status TEXT NOT NULL,
    leased_at REAL NOT NULL,
    ended_at REAL,
    PRIMARY KEY (job, attempt)
) WITHOUT ROWID;

-- Whatever a fault of ours may ask for: a job never runs twice at a time.
CREATE UNIQUE INDEX attempt_under_way ON attempt (job) WHERE status = 'leased';

CREATE TABLE result (
    job INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    status TEXT NOT NULL,
    error_kind TEXT,
    error TEXT NOT NULL,
    retry_after_s REAL,
    began_at REAL NOT NULL,
    duration_ms REAL NOT NULL,
    connect_ms REAL,
    session_id TEXT NOT NULL,
    links INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cost_usd REAL,
    audio_in_ms REAL NOT NULL,
    audio_out_ms REAL NOT NULL,
    audio_lost_ms REAL NOT NULL,
    deltas INTEGER NOT NULL,
    files_bytes INTEGER NOT NULL,
    files_json TEXT NOT NULL,
    notes_json TEXT NOT NULL,
    verdicts_json TEXT NOT NULL,
    spans_json TEXT NOT NULL,
    UNIQUE (job, attempt),
    FOREIGN KEY (job, attempt) REFERENCES attempt (job, attempt)
);

CREATE TABLE turn (
    job INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    number INTEGER NOT NULL,
    began TEXT NOT NULL,
    said TEXT NOT NULL,
    heard TEXT,
    answer TEXT NOT NULL,
    status TEXT NOT NULL,
    began_at_ms REAL NOT NULL,
    asked_at_ms REAL,
    time_to_first_text_ms REAL,
    time_to_first_audio_ms REAL,
    time_to_first_audio_heard_ms REAL,
    interruption_latency_ms REAL,
    response_ms REAL,
    audio_ms REAL NOT NULL,
    heard_ms REAL NOT NULL,
    interrupted INTEGER NOT NULL,
    word_error_rate REAL,
    tokens INTEGER NOT NULL,
    tools_json TEXT NOT NULL,
    PRIMARY KEY (job, attempt, number),
    FOREIGN KEY (job, attempt) REFERENCES attempt (job, attempt)
);

CREATE TABLE note (at REAL NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL);

CREATE TABLE sample (at REAL NOT NULL, worker TEXT NOT NULL, name TEXT NOT NULL, value REAL NOT NULL);
"""

_OF_TURNS: Final = {
    "time_to_first_audio": "time_to_first_audio_ms",
    "time_to_first_text": "time_to_first_text_ms",
    "time_to_first_audio_heard": "time_to_first_audio_heard_ms",
    "response_time": "response_ms",
    "interruption_latency": "interruption_latency_ms",
    "word_error_rate": "word_error_rate",
}
_OF_SESSIONS: Final = {
    "connect_time": "connect_ms",
    "session_time": "duration_ms",
    "session_cost": "cost_usd",
    "session_tokens": "tokens",
    "error_rate": "status IN ('error', 'lost')",
    "failure_rate": "status <> 'passed'",
}


def _select(source: str, turn: str, metric: str, value: str) -> str:
    columns = f"job, attempt, scenario, {turn} AS turn, '{metric}' AS metric, CAST({value} AS REAL) AS value"
    return f"SELECT {columns} FROM {source} WHERE ({value}) IS NOT NULL"  # noqa: S608 - from the tables above


def _metric_view() -> str:
    """Give `engine.farm.metrics.METRICS` as SQL, without the sums: these add up what stands there already."""
    selects = [
        *(_select("final_turn", "number", metric, column) for metric, column in _OF_TURNS.items()),
        _select(
            "final_turn, json_each(tools_json) AS tool",
            "number",
            "tool_time",
            "json_extract(tool.value, '$.duration_ms')",
        ),
        *(_select("session", "NULL", metric, column) for metric, column in _OF_SESSIONS.items()),
        _select(
            "session, json_each(verdicts_json) AS verdict",
            "NULL",
            "check_rate",
            "json_extract(verdict.value, '$.held')",
        ),
    ]
    return "CREATE VIEW metric AS " + " UNION ALL ".join(selects)


_SESSION_VIEW: Final = """
CREATE VIEW session AS
SELECT
    result.*,
    job.scenario, job.scenario_index, job.values_json, attempt.attempt_id, attempt.worker,
    (SELECT count(*) FROM result AS other WHERE other.job = result.job) AS attempts,
    (SELECT count(*) FROM turn WHERE turn.job = result.job AND turn.attempt = result.attempt) AS turns,
    (SELECT count(*) FROM json_each(result.verdicts_json)) AS expected,
    (SELECT coalesce(sum(json_extract(value, '$.held')), 0) FROM json_each(result.verdicts_json)) AS held
FROM result
JOIN job ON job.number = result.job AND job.final_attempt = result.attempt
JOIN attempt ON attempt.job = result.job AND attempt.attempt = result.attempt;
"""
_TURN_VIEW: Final = """
CREATE VIEW final_turn AS
SELECT turn.*, job.scenario FROM turn
JOIN job ON job.number = turn.job AND job.final_attempt = turn.attempt;
"""

VIEWS: Final = f"{_SESSION_VIEW} {_TURN_VIEW} {_metric_view()};"
