"""Run a small plan, export its tables, and read them with pandas, Polars and DuckDB."""

import sqlite3
from contextlib import closing

import duckdb
import pandas as pd
import polars as pl
import trio

from engine.farm.ledger import Ledger, export
from engine.farm.plan.model import Caps, Contains, Plan, Scenario, Type
from engine.farm.run import run_plan

PLAN = Plan(
    name="weather",
    scenarios=(
        Scenario(
            name="ask",
            turns=(Type(type="Rain in {city}?"),),
            matrix={"city": ("Bern", "Oslo", "Lima")},
            expect=(Contains(contains="{city}"), Contains(contains="Lima")),
        ),
    ),
    caps=Caps(sessions=3, starts_per_s=50.0),
)


def read_the_tables() -> None:
    sessions = pd.read_parquet("tables/sessions.parquet")
    print("pandas:", sessions.status.value_counts().to_dict())

    turns = pl.read_csv("tables/turns.csv")
    print("Polars:", turns.filter(pl.col("answer").str.contains("Oslo")).select("job", "answer").rows())

    cities = duckdb.sql("""
        SELECT values_json ->> 'city' AS city, held, expected FROM 'tables/sessions.parquet' ORDER BY job
    """)
    print("DuckDB:", cities.fetchall())


def read_the_ledger() -> None:
    with closing(sqlite3.connect("file:run/ledger.sqlite?mode=ro", uri=True)) as db:
        rates = pd.read_sql("SELECT metric, avg(value) AS share FROM metric WHERE metric = 'check_rate'", db)
    print("of all expectations held:", round(rates.share[0], 2))

    ledger = Ledger.open("run", write=False)
    for result in ledger.results():
        for verdict in result.verdicts:
            if not verdict.held:
                print(f"call {result.job}: expected {verdict.expected}, found: {verdict.found}")


summary = trio.run(lambda: run_plan(PLAN, out="run"))
print(summary.why)

for format in ("csv", "jsonl", "parquet"):
    export("run", "tables", format=format)
read_the_tables()
read_the_ledger()
