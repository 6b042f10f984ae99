"""Two runs side by side: what changed is told, what is noise is not."""

import attrs
import pytest
from sample import plan, write_run

from engine.errors import FarmError, LedgerUnusable
from engine.farm.job import Result, Verdict
from engine.farm.plan.jobs import Jobs
from engine.farm.report import compare, comparison_lines, write_comparison, write_report
from engine.farm.report.comparing import _about, _judged
from engine.farm.report.comparison import Change
from engine.farm.report.comparison_page import MOST_NUMBERS, change_row, flip_lines


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run, another of the same kind, and one that is slower and breaks more often."""
    folder = tmp_path_factory.mktemp("runs")
    return {
        "was": write_run(folder / "was", sessions=240, sounds=0),
        "alike": write_run(folder / "alike", sessions=240, sounds=0, seed=2, run_id="2b4c0d11"),
        "slower": write_run(folder / "slower", sessions=240, sounds=0, seed=3, slower=1.3, run_id="3c5d1e22"),
    }


@pytest.fixture(scope="module")
def slower(runs):
    """The slower run against the first."""
    return compare(runs["was"], runs["slower"])


def verdicts(comparison):
    return {(change.metric, change.statistic): change.verdict for change in comparison.changes if not change.scenario}


def test_two_runs_of_one_kind_differ_by_noise_alone(runs):
    comparison = compare(runs["was"], runs["alike"])
    assert set(verdicts(comparison).values()) <= {"no change", "too few"}
    assert not comparison.worse
    assert "= no figure changed beyond noise" in comparison_lines(comparison)


def test_a_slower_run_is_told_with_what_became_worse(runs, slower):
    comparison = slower
    assert comparison.worse
    assert comparison.changes[0].verdict == "worse"
    found = verdicts(comparison)
    assert found["time_to_first_audio", "p50"] == found["failure_rate", "mean"] == "worse"
    assert found["interruption_latency", "p50"] == "no change"
    back = compare(runs["slower"], runs["was"])
    assert verdicts(back)["time_to_first_audio", "p50"] == "better"
    assert not back.worse
    assert any(line.startswith("✗ worse: time to first audio, p50: ") for line in comparison_lines(comparison))


def test_figures_are_those_of_each_run(slower):
    comparison = slower
    change = next(one for one in comparison.changes if (one.metric, one.statistic) == ("time_to_first_audio", "p95"))
    for value, side in ((change.a, comparison.a), (change.b, comparison.b)):
        assert value == pytest.approx(side.figures.percentile("time_to_first_audio", 95), rel=0.011)
    assert change.low <= change.b - change.a <= change.high


def test_jobs_that_ended_otherwise_are_named(slower):
    assert slower.paired
    assert slower.flips
    assert all((flip.a == "passed") != (flip.b == "passed") for flip in slower.flips)
    assert slower.flips[0].b != "passed"
    assert all(flip.why and flip.about.startswith("file: ") for flip in slower.flips)


def test_calls_that_ended_otherwise_are_told_by_number_and_a_few_of_many(runs, slower, tmp_path):
    fails = [flip.job for flip in slower.flips if flip.b != "passed"]
    passes = [flip.job for flip in slower.flips if flip.b == "passed"]
    assert len(fails) > MOST_NUMBERS
    numbers = ", ".join(map(str, fails[:MOST_NUMBERS]))
    told = flip_lines(slower)
    assert told[0] == f"passed in A and not in B: {len(fails)} calls ({numbers} and {len(fails) - MOST_NUMBERS} more)"
    assert f"  {told[0]}" in comparison_lines(slower)
    page = write_comparison(slower, tmp_path / "page.html").read_text("utf-8")
    assert f"<p>P{told[0][1:]}.</p>" in page
    few = attrs.evolve(slower, flips=tuple(flip for flip in slower.flips if flip.job == passes[0]))
    assert flip_lines(few) == [f"passed in B and not in A: 1 call ({passes[0]})"]
    assert flip_lines(attrs.evolve(slower, flips=())) == []


def test_runs_of_other_plans_are_compared_as_crowds(runs, tmp_path):
    made = plan(sessions=240)
    longer = attrs.evolve(made, scenarios=tuple(attrs.evolve(one, deadline_s=60.0) for one in made.scenarios))
    other = write_run(tmp_path / "other", the_plan=longer, sounds=0, seed=4)
    comparison = compare(runs["was"], other)
    assert not comparison.paired
    assert comparison.flips == ()
    page = write_comparison(comparison, tmp_path / "page.html").read_text("utf-8")
    assert "The runs have other scenarios" in page
    assert "! the runs have other scenarios: what changed may be the plan" in comparison_lines(comparison)


def test_other_expectations_of_the_same_callers_leave_their_calls_the_same(runs, tmp_path):
    made = plan(sessions=240)
    looser = attrs.evolve(made, scenarios=tuple(attrs.evolve(one, expect=()) for one in made.scenarios))
    comparison = compare(runs["was"], write_run(tmp_path / "looser", the_plan=looser, sounds=0, seed=4))
    assert comparison.paired
    assert comparison.flips


def test_jobs_that_a_shorter_load_has_not_are_still_named(runs):
    made = plan(sessions=12)
    assert _about(Jobs(made), 0).startswith("file: ")
    assert _about(Jobs(made), 10**6) == ""


def test_few_sessions_say_nothing(tmp_path):
    folders = [write_run(tmp_path / name, sessions=12, sounds=0, seed=seed) for seed, name in enumerate("ab")]
    found = verdicts(compare(*folders))
    assert found["time_to_first_audio", "p95"] == "too few"
    assert found["time_to_first_audio", "p50"] == "no change"


def test_a_run_in_which_nothing_ended_can_be_compared(runs, tmp_path):
    def stopped(result):
        return Result(attempt_id=result.attempt_id, job=result.job, scenario=result.scenario, status="stopped")

    empty = write_run(tmp_path / "empty", sessions=12, sounds=0, change=stopped)
    comparison = compare(runs["was"], empty)
    assert set(verdicts(comparison).values()) == {"too few"}
    assert comparison_lines(comparison)[1].endswith("no session has ended")
    assert write_comparison(comparison, tmp_path / "page.html").is_file()


def test_the_page_links_to_the_calls_in_both_reports(runs, slower):
    for name in ("was", "slower"):
        write_report(runs[name])
    page = write_comparison(slower, runs["was"].parent / "compare.html").read_text("utf-8")
    job = slower.flips[0].job
    assert f'href="./was/report.html#call={job}"' in page
    assert f'href="./slower/report.html#call={job}"' in page


def test_what_is_no_run_is_refused(runs, slower, tmp_path):
    with pytest.raises(LedgerUnusable):
        compare(runs["was"], tmp_path)
    with pytest.raises(FarmError, match=r"can't be written: .* \| "):
        write_comparison(slower, tmp_path / "none" / "page.html")


def test_lines_hold_nothing_that_steers_a_terminal(tmp_path):
    def steering(held):
        verdict = Verdict(expected="\x1b[2J\n\u202ex", held=held, found="\x1b[2J")
        return lambda result: attrs.evolve(result, verdicts=(verdict,))

    folders = [write_run(tmp_path / str(held), sessions=24, sounds=0, change=steering(held)) for held in (True, False)]
    lines = comparison_lines(compare(*folders))
    assert any("worse: held: " in line for line in lines)
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("unit", "a", "b", "verdict"),
    [
        ("ms", 6.0, 25.9, "no change"),  # four times as long, and nobody hears it
        ("ms", 6.0, 26.0, "worse"),
        ("ms", 5000.0, 5049.0, "no change"),
        ("ms", 5000.0, 5060.0, "worse"),
        ("share", 0.01, 0.02, "worse"),
        ("share", 0.5, 0.503, "no change"),
    ],
)
def test_a_change_too_small_to_matter_is_none_however_sure_it_is(unit, a, b, verdict):
    metric = "connect_time" if unit == "ms" else "failure_rate"
    change = Change(metric=metric, statistic="mean", scenario=None, unit=unit, a=a, b=b, p=0.0002)
    assert _judged(change, beyond=True).verdict == verdict


def test_a_change_is_told_with_its_sign_and_unit():
    change = Change(
        metric="session_cost", statistic="mean", scenario="refund", unit="usd", a=0.05, b=0.04, p=0.0002, low=-0.02,
        high=-0.001, verdict="better",
    )  # fmt: skip
    row = change_row(change)
    assert row["name"] == "session cost, mean (refund)"
    assert (row["change"], row["interval"]) == ("-$0.0100, -20.0%", "-$0.0200 to -$0.0010")
    assert (row["p"], row["mark"], row["verdict"]) == ("< 0.001", "✓", "better")
