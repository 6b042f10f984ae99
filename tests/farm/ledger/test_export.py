"""A run's tables as files: what pandas, Polars and DuckDB read is what the ledger holds."""

import csv
import json
import resource
import sys
from stat import S_IMODE

import pytest
from entries import attempt_id, broken, finals, full_result, grant, leases, result

from engine.errors import ConfigError, FarmError
from engine.farm.ledger import export
from engine.farm.ledger.tables import TABLES

HOSTILE = '=HYPERLINK("http://x")\n<script>alert(1)</script>, "é"\u2028\0'


@pytest.fixture
def run(ledger, folder):
    """A run that goes on: three final results, one attempt that broke, one under way."""
    ledger.lease([*leases(0, 1), (grant(2, scenario="order", index=0, voice="ash"), "w2")])
    told = [full_result(1, notes=(HOSTILE,)), full_result(2, scenario="order", worker="w2", cost_usd=None)]
    ledger.record([broken(0, error=HOSTILE), *told], finals(*told))
    ledger.lease([*leases(0, attempt=2), *leases(3)])
    ledger.record([full_result(0, 2, connect_ms=None)], {attempt_id(0, 2)})
    return folder


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_jsonl(path):
    return [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]


def read_parquet(path):
    from pyarrow import parquet

    return parquet.read_table(path).to_pylist()


def test_every_format_holds_the_same(run, tmp_path):
    for name in TABLES:
        (text,) = export(run, tmp_path / "out", format="csv", tables=[name])
        (lines,) = export(run, tmp_path / "out", format="jsonl", tables=[name])
        (columns,) = export(run, tmp_path / "out", format="parquet", tables=[name])

        stored = read_parquet(columns)
        assert list(stored[0]) == list(TABLES[name].columns)
        assert read_csv(text) == [{key: as_csv(value) for key, value in row.items()} for row in stored]
        assert read_jsonl(lines) == [dict(as_jsonl(*each) for each in row.items()) for row in stored]


def as_csv(value):
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def as_jsonl(name, value):
    return (name.removesuffix("_json"), json.loads(value)) if name.endswith("_json") else (name, value)


def test_the_tables_stand_in_the_run_s_folder_unless_told_otherwise(run):
    files = export(run)

    assert [str(path.relative_to(run)) for path in files] == [
        "export/sessions.csv",
        "export/turns.csv",
        "export/metrics.csv",
        "export/attempts.csv",
    ]
    assert {S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_hostile_words_stay_in_their_cell(run):
    (path,) = export(run, tables=["attempts"])

    told = read_csv(path)
    assert [row["error"] for row in told] == [HOSTILE, "", "", "", ""]
    assert [row["status"] for row in told] == ["error", "passed", "passed", "passed", "leased"]


@pytest.mark.parametrize("words", ["a\rb", "a\r\nb", "a\nb", "\r", '"\r"', "a\0b"])
def test_every_reader_of_csv_finds_the_end_of_a_line_where_it_is(ledger, folder, words):
    import duckdb
    import pandas as pd
    import polars as pl

    ledger.lease(leases(0, 1))
    ledger.record([full_result(number, notes=(), session_id=words) for number in (0, 1)], {*map(attempt_id, (0, 1))})

    (path,) = export(folder, tables=["sessions"])

    assert list(pd.read_csv(path).session_id) == [words] * 2
    assert pl.read_csv(path)["session_id"].to_list() == [words] * 2
    assert duckdb.sql(f"SELECT session_id FROM '{path}'").fetchall() == [(words,)] * 2


@pytest.mark.parametrize("rows", [0, 1])
def test_the_types_of_parquet_do_not_depend_on_what_is_known(ledger, folder, rows):
    from pyarrow import parquet

    ledger.lease(leases(*range(rows)))
    ledger.record([result(number) for number in range(rows)], {*map(attempt_id, range(rows))})

    for path in export(folder, format="parquet"):
        schema = parquet.read_schema(path)
        kinds = {"integer": "int64", "real": "double", "text": "string", "truth": "bool", "json": "string"}
        assert [(each.name, str(each.type)) for each in schema] == [
            (name, kinds[kind]) for name, kind in TABLES[path.stem].columns.items()
        ]


def test_an_earlier_export_is_replaced(run, tmp_path):
    (tmp_path / "sessions.jsonl").write_text("old")
    (tmp_path / "sessions.jsonl.new").write_text("of an export that was killed")

    (path,) = export(run, tmp_path, format="jsonl", tables=["sessions"])

    assert len(read_jsonl(path)) == 3
    assert sorted(each.name for each in tmp_path.iterdir() if each.is_file()) == ["sessions.jsonl"]


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_a_run_without_results_has_empty_tables(ledger, folder, format):
    files = export(folder, format=format)

    read = {"csv": read_csv, "jsonl": read_jsonl, "parquet": read_parquet}[format]
    assert [read(path) for path in files] == [[], [], [], []]


def test_pandas_polars_and_duckdb_read_the_tables_in_one_line(run, tmp_path):
    import duckdb
    import pandas as pd
    import polars as pl

    for format in ("csv", "jsonl", "parquet"):
        export(run, tmp_path, format=format, tables=["sessions", "turns"])
    base = str(tmp_path / "sessions")

    for frame in (
        pd.read_csv(base + ".csv"),
        pd.read_json(base + ".jsonl", lines=True),
        pd.read_parquet(base + ".parquet"),
    ):
        assert frame.duration_ms.mean() == 4000.0
        assert list(frame.status) == ["passed"] * 3
    for frame in (
        pl.read_csv(base + ".csv"),
        pl.read_ndjson(base + ".jsonl"),
        pl.read_parquet(base + ".parquet"),
    ):
        assert frame["cost_usd"].to_list() == [0.0125, 0.0125, None]
    for suffix in ("csv", "jsonl", "parquet"):
        query = f"SELECT bool_or(interrupted), count(*) FROM '{tmp_path / 'turns'}.{suffix}'"
        assert duckdb.sql(query).fetchall() == [(True, 6)]


def test_what_the_page_shows_of_a_job_s_values_and_times(run, tmp_path):
    import sqlite3
    from contextlib import closing

    import duckdb
    import pandas as pd
    import polars as pl

    (path,) = export(run, tmp_path, format="parquet", tables=["sessions"])

    voices = pl.read_parquet(path).select(pl.col("values_json").str.json_path_match("$.voice"))
    assert voices["values_json"].to_list() == [None, None, "ash"]
    query = f"SELECT values_json ->> 'voice' FROM '{path}' ORDER BY job"
    assert duckdb.sql(query).fetchall() == [(None,), (None,), ("ash",)]
    with closing(sqlite3.connect(run / "ledger.sqlite")) as db:
        told = db.execute("SELECT json_extract(values_json, '$.voice') FROM session ORDER BY job").fetchall()
        assert told == [(None,), (None,), ("ash",)]
    times = pd.to_datetime(pd.read_parquet(path).began_at, unit="s")
    assert str(times[0]) == "1970-01-01 00:16:40.250000"


def test_pandas_and_polars_read_the_ledger_itself(run):
    import sqlite3
    from contextlib import closing

    import pandas as pd
    import polars as pl

    query = "SELECT metric, avg(value) AS mean FROM metric GROUP BY metric ORDER BY metric"
    with closing(sqlite3.connect(f"file:{run}/ledger.sqlite?mode=ro", uri=True)) as db:
        assert "check_rate" in list(pd.read_sql(query, db)["metric"])
        assert pl.read_database(query, db)["mean"][0] == 0.5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"format": "xlsx"}, "format='xlsx' is not possible; allowed: csv, jsonl, parquet"),
        (
            {"tables": ["sessions", "calls"]},
            "tables='calls' is not possible; allowed: sessions, turns, metrics, attempts",
        ),
    ],
)
def test_what_can_not_be_exported(run, options, words):
    with pytest.raises(ConfigError, match=words):
        export(run, **options)
    assert not (run / "export").exists()


def test_parquet_without_its_library_names_the_extra(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ConfigError, match=r"pip install 'realtime-engine\[parquet\]'"):
        export(run, format="parquet")


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_a_disk_that_takes_no_more_leaves_no_half_file(run, tmp_path, format):
    (earlier,) = export(run, tmp_path, format=format, tables=["sessions"])
    before = earlier.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(FarmError, match=r"sessions\.\w+ can't be written: .* \| make room"):
            export(run, tmp_path, format=format, tables=["sessions"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert earlier.read_bytes() == before
    assert not earlier.with_name(earlier.name + ".new").exists()


def test_a_folder_that_can_not_be_written(run, tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(FarmError, match="/file can't be written: File exists"):
        export(run, tmp_path / "file")
