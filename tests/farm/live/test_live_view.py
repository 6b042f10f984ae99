"""What is shown of a run: each figure in words, whatever the run looks like."""

import attrs
import pytest
from made_up_runs import HOSTILE, figures, snapshot, worker

from engine.farm.figures import Figures
from engine.farm.live import words
from engine.farm.live.view import WORKERS_SHOWN, view_of
from engine.farm.plan.thresholds import read_threshold
from engine.farm.snapshot import RunSnapshot


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0.0 s"),
        (4.21, "4.2 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (134.2, "2 min 14 s"),
        (119.6, "2 min 00 s"),
        (3599.7, "1 h 00 min"),
        (11_100, "3 h 05 min"),
        (187_200, "2 d 04 h"),
    ],
)
def test_lengths_of_time(seconds, said):
    assert words.duration(seconds) == said


@pytest.mark.parametrize(("per_s", "said"), [(0, "0.0/s"), (8.24, "8.2/s"), (99.96, "100/s"), (1234.5, "1,234/s")])
def test_rates(per_s, said):
    assert words.rate(per_s) == said


def test_a_run_in_words():
    view = view_of(snapshot())

    assert view.done == "312 of 500"
    assert view.progress == 0.624
    assert view.time == "2 min 14 s, 1 min 20 s left"
    assert view.pace == "8.2/s of 10.0/s"
    assert {fact.name: fact.value for fact in view.facts} == {
        "active": "48",
        "passed": "300",
        "failed": "9",
        "errors": "2",
        "lost": "1",
        "waiting for a retry": "2",
        "tried again": "7",
    }
    assert [(fact.name, fact.value) for fact in view.errors] == [
        ("rate limited", "5"),
        ("connection", "3"),
        ("worker", "1"),
    ]


def test_a_run_that_has_only_begun():
    view = view_of(RunSnapshot(run_id="00000000", name="new"))

    assert (view.progress, view.done, view.time, view.state) == (None, "0", "0.0 s", "workers are starting")
    assert (view.latencies, view.errors, view.workers) == ((), (), ())


def test_why_it_stops_is_said_with_the_phase():
    view = view_of(snapshot(phase="finishing", why="budget of 5.00 USD is spent"))

    assert view.state == "nothing more starts: budget of 5.00 USD is spent"


def test_nothing_is_left_when_it_is_over():
    assert "left" not in view_of(snapshot(phase="over")).time


def test_more_jobs_done_than_there_are_do_not_overfill_the_bar():
    assert view_of(snapshot(jobs=100)).progress == 1.0


def test_latencies_lately_and_of_the_whole_run():
    first = view_of(snapshot()).latencies[0]
    whole, recent = figures(), figures(60, slow=1.2, seed=2)

    assert first.name == "time to first audio"
    assert first.p95 == words.latency(whole.percentile("time_to_first_audio", 95))
    assert first.now_p95 == words.latency(recent.percentile("time_to_first_audio", 95))
    assert first.count == "400"


def test_a_latency_that_nobody_had_lately_has_a_dash():
    assert view_of(snapshot(recent=Figures())).latencies[0].now_p50 == words.NOTHING


@pytest.mark.parametrize(
    ("text", "tone"),
    [
        ("p95(time_to_first_audio) < 100ms", "bad"),
        ("p95(time_to_first_audio) < 10s", "good"),
        ("p95(tool_time) < 10s", ""),
        ("p95(time_to_first_audio{scenario: greet}) < 1ms", ""),
    ],
)
def test_thresholds_as_they_stand(text, tone):
    row = view_of(snapshot(), [read_threshold(text)]).thresholds[0]

    assert (row.text, row.tone) == (text, tone)


@pytest.mark.parametrize("text", ["sessions > 1000", "total(session_tokens) >= 1", "max(response_time) > 1000s"])
def test_what_may_still_be_reached_is_crossed_at_the_end_alone(text):
    threshold = [read_threshold(text)]
    made = figures(90)

    assert view_of(snapshot(figures=made), threshold).thresholds[0].tone == ""
    assert view_of(snapshot(figures=made, phase="over"), threshold).thresholds[0].tone == "bad"


def test_workers_in_trouble_come_first_and_are_never_left_out():
    many = tuple(worker(number) for number in range(WORKERS_SHOWN + 20))
    view = view_of(snapshot(workers=(*many, worker(999, state="down"))))

    assert (view.workers[0].name, view.workers[0].tone) == ("worker-999", "bad")
    assert len(view.workers) == WORKERS_SHOWN
    assert view.workers_left_out == 21


def test_workers_that_went_with_the_run_are_no_trouble():
    workers = (worker(1, state="down"), worker(2, state="down", lag_ms=500))
    rows = view_of(snapshot(workers=workers, phase="over")).workers

    assert [(row.state, row.tone) for row in rows] == [("ended", ""), ("ended", "")]


def test_a_loop_that_comes_late_is_marked():
    assert [row.tone for row in view_of(snapshot(workers=(worker(lag_ms=50), worker(lag_ms=500)))).workers] == [
        "",
        "warn",
    ]


def test_every_status_and_phase_has_words():
    for phase in ("starting", "running", "finishing", "stopping", "over"):
        assert view_of(attrs.evolve(snapshot(), phase=phase)).state


def test_others_words_are_passed_on_as_they_are_and_made_safe_where_they_are_shown():
    assert view_of(snapshot(name=HOSTILE)).name == HOSTILE
