"""Without a terminal a run is told in lines: now and then, and when something changes."""

from made_up_runs import HOSTILE, figures, snapshot, worker

from engine.farm.live.lines import RunLines, standing
from engine.farm.plan.thresholds import read_threshold


def told(*snapshots, thresholds=(), every_s=10.0):
    lines = []
    shown = RunLines(lines.append, thresholds, every_s)
    for one in snapshots:
        shown.show(one)
    return lines


def test_a_line_tells_how_it_stands():
    line = standing(snapshot())

    for words in ("312 of 500 done", "active 48", "failed 9", "held back by cap of sessions", "1 min 20 s left"):
        assert words in line
    assert "\n" not in line


def test_nothing_is_said_twice_within_ten_seconds():
    lines = told(*(snapshot(elapsed_s=second / 2, workers=()) for second in range(60)))

    assert len(lines) == 1 + 3  # the phase, and a line at 0, 10 and 20 s
    assert [line.split()[0] for line in lines] == ["0.0", "0.0", "10.0", "20.0"]


def test_a_change_of_phase_is_told_at_once():
    lines = told(
        *(
            snapshot(elapsed_s=at, workers=(), **more)
            for at, more in ((1, {}), (2, {"phase": "finishing", "why": "Ctrl-C"}))
        )
    )

    assert lines[2].endswith("nothing more starts: Ctrl-C")
    assert len(lines) == 4


def test_a_worker_that_goes_and_comes_back_is_told():
    up, silent = (worker(),), (worker(state="silent"),)
    lines = told(snapshot(workers=up), snapshot(workers=silent), snapshot(workers=silent), snapshot(workers=up))

    assert [line.split("  ")[-1] for line in lines if "worker-1 is" in line] == ["worker-1 is silent", "worker-1 is up"]


def test_a_threshold_is_told_when_it_is_crossed_and_when_it_holds_again():
    thresholds = (read_threshold("p95(time_to_first_audio) < 900ms"),)
    fast, slow = figures(), figures(slow=3)
    lines = told(*(snapshot(figures=made) for made in (fast, slow, slow, fast)), thresholds=thresholds)
    changes = [line for line in lines if "p95(time" in line]

    assert "crossed: p95(time_to_first_audio) < 900ms (it is 2," in changes[0]
    assert changes[1].endswith("holds again: p95(time_to_first_audio) < 900ms")
    assert len(changes) == 2


def test_a_name_can_not_pass_for_a_line_of_its_own():
    lines = told(snapshot(workers=(worker("x\n 5.0 s  done", state="down"),), held_back=HOSTILE))

    assert all("\n" not in line and "\x1b" not in line for line in lines)


def test_while_workers_start_no_counts_are_told():
    assert told(snapshot(phase="starting", elapsed_s=0.0, workers=())) == ["     0.0 s  workers are starting"]


def test_the_latency_is_the_one_of_late():
    assert "first audio now p95 2" in standing(snapshot(figures=figures(), recent=figures(slow=3)))
