"""A run's ledger, read for its report: rows, causes, groups, series, and what does not fit."""

import base64
import gzip

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample import BEGAN_AT, plan, results, write_run

from engine.errors import LedgerUnusable
from engine.farm.figures import Figures
from engine.farm.job import KeptFile, Result, Verdict
from engine.farm.ledger import Ledger, Note
from engine.farm.plan.model import Target
from engine.farm.report import series as series_room
from engine.farm.report.causes import MOST_EXPECTATIONS, Causes, why
from engine.farm.report.reading import _Reader, read_run
from engine.farm.report.series import Running, Series
from engine.farm.report.sessions import Sessions
from engine.farm.report.view import MOST_ROWS, target_text, view


def no_links(result):
    return {}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "run", sessions=200, sounds=0)


@pytest.fixture(scope="module")
def written():
    """All results of the run by job, the last of each being final."""
    told = {}
    for result in results(plan(sessions=200)):
        told.setdefault(result.job, []).append(result)
    return told


@pytest.fixture(scope="module")
def reading(run):
    return read_run(run, no_links)


def unpacked(block):
    return orjson.loads(gzip.decompress(base64.b64decode(block)))


def test_there_is_a_row_for_each_job_as_its_last_try_ended(reading, written):
    columns = reading.sessions.columns
    assert columns["job"] == sorted(written)
    assert columns["status"] == [written[job][-1].status for job in columns["job"]]
    assert columns["tries"] == [len(written[job]) for job in columns["job"]]
    assert columns["about"][0] == "file: order-4711.wav, words: Where is my order 4711?, voice: alloy"


def test_details_hold_every_try_as_the_ledger_has_it(reading, written):
    sessions = [session for block in reading.sessions.blocks for session in unpacked(block)]
    assert [session["job"] for session in sessions] == sorted(written)
    for session in sessions:
        tries = [one["result"] for one in session["tries"]]
        assert [one["attempt_id"] for one in tries] == [one.attempt_id for one in written[session["job"]]]
    blocks = reading.sessions.block
    assert all(any(s["job"] == row for s in unpacked(reading.sessions.blocks[blocks[row]])) for row in (0, 77, 199))


def test_figures_of_groups_add_up_and_are_the_ledgers(run, reading, written):
    every = Figures()
    for tries in written.values():
        every.add_result(tries[-1])
    told = reading.figures_of()
    assert told.count("time_to_first_audio") == every.count("time_to_first_audio")
    assert told.percentile("time_to_first_audio", 95) == every.percentile("time_to_first_audio", 95)
    parts = [reading.figures_of(scenario=name).count("sessions") for name in ("order status", "refund")]
    assert sum(parts) == every.count("sessions")
    assert reading.figures_of(tag="tools").count("sessions") == parts[0]
    assert reading.figures_of(tag="evening").count("sessions") == sum(parts)
    assert reading.figures_of("refund", "tools").count("sessions") == 0


def test_series_name_the_session_of_each_value(reading, written):
    one = reading.series["time_to_first_audio"]
    job = reading.sessions.columns["job"][one.row[10]]
    turns = [turn.time_to_first_audio_ms for turn in written[job][-1].turns]
    assert any(value == pytest.approx(one.value[10], rel=1e-4) for value in turns if value is not None)
    assert all(0 <= at <= reading.elapsed.total_s for at in one.at_s)


def test_a_run_that_was_killed_shows_what_it_has_and_says_so(tmp_path):
    def stopped(result):
        return attrs.evolve(result, status="stopped") if result.job >= 20 else result

    folder = write_run(tmp_path / "run", sessions=24, sounds=0, change=stopped, finish=False)
    reading = read_run(folder, no_links)
    shown = view(reading)
    assert not shown["over"]
    assert reading.sessions.columns["final"] == [1] * 20 + [0] * 4
    assert reading.figures_of().count("sessions") == 20
    assert shown["tiles"][0] == {
        "label": "Sessions",
        "value": "20",
        "more": "of 24, 4 open",
        "mood": "",
        "narrow": None,
    }


def test_a_folder_without_a_run_is_refused_in_one_line(tmp_path):
    with pytest.raises(LedgerUnusable) as refused:
        read_run(tmp_path / "none", no_links)
    assert "\n" not in str(refused.value)


# --- parts -----------------------------------------------------------------------------------------------------------


def a_result(**changes):
    return Result(**{"attempt_id": "r-0-1", "job": 0, "scenario": "s", **changes})


def test_why_is_the_error_or_the_first_expectation_that_failed():
    failed = tuple(Verdict(expected=text, held=False, found=f"not {text}") for text in "ab")
    assert why(a_result()) == ""
    assert why(a_result(status="error", error_kind="quota", error="out of money")) == "out of money"
    assert why(a_result(status="lost", error_kind="worker")) == "worker"
    assert why(a_result(status="stopped")) == "stopped"
    assert why(a_result(status="failed", verdicts=failed)) == "a: not a (and 1 more)"
    assert why(a_result(status="failed", verdicts=(Verdict(expected="a", held=False),))) == "a"


def test_expectations_past_the_bound_are_counted():
    causes = Causes()
    for job in range(MOST_EXPECTATIONS + 3):
        verdict = Verdict(expected=f"words of row {job}", held=False)
        causes.add(a_result(job=job, status="failed", verdicts=(verdict,)), final=True)
    assert len(causes.expectations) == MOST_EXPECTATIONS
    assert causes.not_told_apart == 3


def test_errors_count_tries_and_sessions_apart():
    causes = Causes()
    for attempt in (1, 2):
        broken = a_result(attempt=attempt, status="error", error_kind="deadline", error=f"late {attempt}")
        causes.add(broken, final=attempt == 2)
    (cause,) = causes.errors
    assert (cause.kind, cause.tries, cause.final, cause.example) == ("deadline", 2, 1, "late 1")


def test_without_room_only_sessions_that_passed_lose_their_details():
    sessions = Sessions(no_links, lambda job: {"word": job}, most_details_bytes=0)
    for job, status in enumerate(("passed", "failed", "error", "passed")):
        sessions.add([a_result(job=job, status=status)], final=True, at_s=0.0)
    sessions.close()
    assert sessions.block == [-1, 0, 0, -1]
    assert sessions.without_details == 2
    assert sessions.columns["about"] == ["word: 0", "word: 1", "word: 2", "word: 3"]


def test_files_are_told_by_their_links():
    audio = KeptFile(path="a.flac", size_bytes=3, kind="audio")
    sessions = Sessions(lambda result: {"audio": "./a.flac"}, lambda job: {})
    sessions.add([a_result(files=(audio,))], final=True, at_s=0.0)
    sessions.close()
    assert unpacked(sessions.blocks[0])[0]["tries"][0]["files"] == {"audio": "./a.flac"}
    assert sessions.columns["sound"] == [1]


def test_of_too_many_values_some_are_charted(monkeypatch):
    monkeypatch.setattr(series_room, "MOST_POINTS", 10)
    one = Series("session_time", 35)
    for job in range(35):
        one.add(job, a_result(job=job, duration_ms=float(job), began_at=BEGAN_AT + job), lambda at: at - BEGAN_AT)
    assert 5 <= len(one.row) <= 15
    assert one.to_json()["stride"] == 4
    assert one.at_s == [float(job) for job in one.row]


def test_sessions_at_a_time_are_counted():
    running = Running(40.0)
    running.add(0.0, 20.0, broken=False)
    running.add(10.0, 30.0, broken=True)
    running.add(10.0, 40.0, broken=False)
    told = running.to_json()
    assert list(zip(told["at_s"], told["active"], strict=True))[-4:] == [(10.0, 3), (20.0, 2), (30.0, 1), (40.0, 0)]
    assert (running.most, sum(told["broken"])) == (3, 1)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=600), st.integers(1, 4))
def test_a_cap_that_was_kept_is_seen_to_be_kept(lengths, cap):
    """Each session takes the place of one that ended at that very moment."""
    running, free_at = Running(1000.0), [0.0] * cap
    for length in lengths:
        began = min(free_at)
        free_at[free_at.index(began)] = began + length
        running.add(began, began + length, broken=False)
    told = running.to_json()
    assert max(told["active"], default=0) <= cap
    assert min(told["active"], default=0) >= 0
    assert max(told["active"], default=0) == running.most
    assert told["active"][-1:] in ([0], [])
    assert len(told["active"]) <= 2 * series_room.MOST_MOMENTS + 2


def test_a_run_without_sessions_ran_none():
    assert Running(0.0).to_json()["active"] == []
    assert Running(0.0).most == 0


def test_what_the_plan_no_longer_has_is_about_nothing(run):
    reader = _Reader(Ledger.open(run, write=False), no_links)
    assert reader._values_of(10**6) == {}


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (Target(voice="local"), "The simulator, voice local"),
        (Target(kind="service"), "OpenAI's service"),
        (Target(kind="url", url="ws://127.0.0.1:1/v1"), "ws://127.0.0.1:1/v1"),
    ],
)
def test_a_target_is_named(target, told):
    assert target_text(target) == told


def test_the_cost_tile_says_what_is_not_known(run, reading):
    def more(target, **counts):
        counts = attrs.evolve(reading.counts, **counts)
        changed = attrs.evolve(reading, plan=attrs.evolve(reading.plan, target=target), counts=counts)
        return view(changed)["tiles"][-1]["more"]

    service = Target(kind="service")
    assert more(Target()).endswith("tokens, simulated")
    assert more(service, unpriced=3).endswith("tokens, 3 tries of unknown price")
    assert more(service, unpriced=0).endswith(" a session")


def test_more_notes_than_fit_are_counted(reading):
    notes = [Note(at=BEGAN_AT + n, kind="pace", text=f"note {n}") for n in range(MOST_ROWS + 7)]
    course = view(attrs.evolve(reading, notes=notes))["course"]
    assert ("", "7 more notes stand in the ledger") in course
