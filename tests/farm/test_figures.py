"""Sketches: within a percent of the values, the same however the values were split, and whole through JSON."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import LocalMisuse
from engine.farm.figures import RELATIVE_ERROR, Figures
from engine.farm.job import Result, ToolUse, TurnResult, Verdict
from engine.farm.metrics import METRICS

NUMBERS = st.one_of(
    st.just(0.0),
    st.integers(-3, 1000).map(float),
    st.floats(1e-6, 1e9),
    st.floats(-1e9, -1e-6),
)
VALUES = st.lists(NUMBERS, min_size=1, max_size=200)


def figures_of(values, metric="m"):
    made = Figures()
    for value in values:
        made.add(metric, value)
    return made


def told(figures, metric="m"):
    """Everything that can be asked of a metric, but the sum, whose last digits depend on the order."""
    percentiles = [figures.percentile(metric, percent) for percent in range(101)]
    ends = figures.least(metric), figures.most(metric), figures.count(metric)
    return percentiles, ends, figures.counts(metric)


def nearest_rank(values, percent):
    """By the definition, without floating-point fractions of the count."""
    ordered = sorted(values)
    return ordered[max(0, -(-percent * len(ordered) // 100) - 1)]


@given(values=VALUES, percent=st.integers(0, 100))
def test_a_percentile_is_within_one_percent_of_the_value_that_stands_there(values, percent):
    exact = nearest_rank(values, percent)
    assert figures_of(values).percentile("m", percent) == pytest.approx(exact, rel=RELATIVE_ERROR * 1.0001, abs=1e-9)


@given(values=VALUES)
def test_the_ends_the_number_and_the_sum_are_exact(values):
    figures = figures_of(values)
    assert (figures.least("m"), figures.most("m")) == (min(values), max(values))
    assert (figures.percentile("m", 0), figures.percentile("m", 100)) == (min(values), max(values))
    assert figures.count("m") == len(values)
    assert figures.total("m") == pytest.approx(math.fsum(values), rel=1e-9, abs=1e-6)
    assert figures.mean("m") == pytest.approx(math.fsum(values) / len(values), rel=1e-9, abs=1e-6)


@given(parts=st.lists(st.lists(NUMBERS, max_size=60), min_size=1, max_size=6))
def test_merging_is_the_same_as_adding_all(parts):
    every = [value for part in parts for value in part]
    merged = Figures()
    merged.merge(figures_of(part) for part in parts)
    assert told(merged) == told(figures_of(every))
    assert merged.total("m") == pytest.approx(math.fsum(every), rel=1e-9, abs=1e-6)


@given(parts=st.lists(VALUES, min_size=2, max_size=4))
def test_what_was_merged_is_its_own(parts):
    sources = [figures_of(part) for part in parts]
    before = [told(source) for source in sources]
    merged = Figures()
    merged.merge(sources)
    merged.add("m", 12345.0)
    assert [told(source) for source in sources] == before


@given(values=VALUES, more=VALUES)
def test_json_carries_all_of_it(values, more):
    figures = figures_of(values)
    read = Figures.from_json(json.loads(json.dumps(figures.to_json())))
    assert told(read) == told(figures)
    assert read.total("m") == figures.total("m")
    read.merge(figures_of(more))
    assert told(read) == told(figures_of(values + more))


@given(values=VALUES)
def test_bins_count_every_value_once_in_rising_order(values):
    bins = figures_of(values).counts("m")
    assert sum(count for _, count in bins) == len(values)
    assert [value for value, _ in bins] == sorted(value for value, _ in bins)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused_and_changes_nothing(value):
    figures = figures_of([1.0])
    with pytest.raises(LocalMisuse, match=r"m: -?(nan|inf) can't be counted"):
        figures.add("m", value)
    assert figures.count("m") == 1


@pytest.mark.parametrize("value", [5e-324, 1e-12, -1e-12, 1e300, -1e300])
def test_extreme_values_keep_a_sketch_small(value):
    figures = figures_of([1.0, 2.0, 3.0])
    figures.add("m", value)
    assert figures.count("m") == 4
    assert value in (figures.least("m"), figures.most("m")) or abs(value) < 1e-9
    (distribution,) = figures._of.values()
    assert len(distribution.above.bins) + len(distribution.below.bins) < 6000


@pytest.mark.parametrize("percent", [-0.1, 100.1, math.nan])
def test_percents_end_at_a_hundred(percent):
    with pytest.raises(LocalMisuse, match="not between 0 and 100"):
        figures_of([1.0]).percentile("m", percent)


def test_p7_of_a_hundred_is_the_seventh():
    assert figures_of(range(1, 101)).percentile("m", 7) == pytest.approx(7, rel=0.01)
    assert 0.07 * 100 > 7  # what it is about


def test_a_metric_without_values_tells_nothing():
    figures = Figures()
    assert figures.percentile("m", 50) is figures.mean("m") is figures.least("m") is figures.most("m") is None
    assert (figures.count("m"), figures.total("m"), figures.counts("m"), figures.metrics) == (0, 0.0, [], ())


def a_result(**changes):
    turns = (
        TurnResult(number=1, time_to_first_audio_ms=400.0, tools=(ToolUse(name="t", duration_ms=30.0),)),
        TurnResult(number=2, time_to_first_audio_ms=None),
        TurnResult(number=3, time_to_first_audio_ms=600.0, word_error_rate=0.25),
    )
    verdicts = (Verdict(expected="a", held=True), Verdict(expected="b", held=False))
    plain = {"attempt_id": "r-0-1", "job": 0, "scenario": "s", "status": "failed", "duration_ms": 9000.0}
    return Result(**{**plain, "turns": turns, "verdicts": verdicts, "tokens": 70, "cost_usd": 0.5, **changes})


def test_a_result_adds_what_its_turns_and_its_session_tell():
    figures = Figures()
    figures.add_result(a_result())
    figures.add_result(a_result(status="error", cost_usd=None, connect_ms=80.0, turns=(), verdicts=()))
    assert figures.count("time_to_first_audio") == 2
    assert figures.mean("time_to_first_audio") == 500.0
    assert figures.total("turns") == 3
    assert figures.mean("error_rate") == 0.5
    assert figures.mean("failure_rate") == 1.0
    assert figures.mean("check_rate") == 0.5
    assert figures.count("session_cost") == 1
    assert (figures.total("cost"), figures.total("sessions"), figures.total("tokens")) == (0.5, 2, 140)
    assert set(figures.metrics) <= set(METRICS)


def test_a_stopped_session_is_not_counted():
    figures = Figures()
    figures.add_result(a_result(status="stopped"))
    assert figures.metrics == ()
