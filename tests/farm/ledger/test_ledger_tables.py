"""The tables that people read say what the results say."""

from entries import broken, finals, full_result, grant, leases, result

from engine.farm.ledger.database import FILE, connected_to_read
from engine.farm.ledger.tables import TABLES
from engine.farm.metrics import METRICS


def rows(folder, name):
    table = TABLES[name]
    with connected_to_read(folder / FILE) as db:
        return [dict(zip(table.columns, row, strict=True)) for row in table.rows(db)]


def fill(ledger):
    ledger.lease([*leases(0, 1), (grant(2, scenario="order", index=0, voice="ash"), "w2")])
    ledger.record([broken(0), full_result(1, connect_ms=None, cost_usd=None)], finals(result(1)))
    ledger.lease([*leases(0, attempt=2), *leases(3)])
    told = [full_result(0, 2, status="failed"), full_result(2, scenario="order", worker="w2")]
    ledger.record(told, finals(*told))


def test_the_metrics_table_has_every_value_of_every_metric_but_the_sums(ledger, folder):
    fill(ledger)
    expected = [
        (told.job, name, metric.unit, value)
        for told in ledger.results()
        for name, metric in METRICS.items()
        if metric.kind != "sum"
        for value in metric.read(told)
    ]

    told = [(row["job"], row["metric"], row["unit"], row["value"]) for row in rows(folder, "metrics")]

    assert sorted(told) == sorted(expected)


def test_a_metric_of_a_turn_names_the_turn(ledger, folder):
    fill(ledger)

    found = {(row["metric"], row["turn"]) for row in rows(folder, "metrics") if row["job"] == 1}

    assert ("time_to_first_audio", 1) in found
    assert ("tool_time", 1) in found
    assert ("session_time", None) in found


def test_the_turns_table_has_the_turns_of_final_results(ledger, folder):
    fill(ledger)

    told = rows(folder, "turns")

    assert [(row["job"], row["scenario"], row["number"]) for row in told] == [
        (0, "greet", 1),
        (0, "greet", 2),
        (1, "greet", 1),
        (1, "greet", 2),
        (2, "order", 1),
        (2, "order", 2),
    ]
    assert (told[0]["answer"], told[0]["interrupted"], told[1]["heard"]) == ("It is noon.", 1, None)


def test_the_attempts_table_has_all_attempts_also_those_under_way(ledger, folder):
    fill(ledger)

    told = [(row["attempt_id"][9:], row["status"], row["final"], row["error_kind"]) for row in rows(folder, "attempts")]

    assert told == [
        ("0-1", "error", 0, "connection"),
        ("0-2", "failed", 1, None),
        ("1-1", "passed", 1, None),
        ("2-1", "passed", 1, None),
        ("3-1", "leased", 0, None),
    ]


def test_the_sessions_table_has_a_row_for_each_final_result(ledger, folder):
    fill(ledger)

    told = [
        (row["job"], row["attempt"], row["attempts"], row["worker"], row["values_json"])
        for row in rows(folder, "sessions")
    ]

    assert told == [(0, 2, 2, "w1", "{}"), (1, 1, 1, "w1", "{}"), (2, 1, 1, "w2", '{"voice":"ash"}')]
