"""A threshold is one line of text; what it says is what is judged."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError
from engine.farm.figures import Figures
from engine.farm.metrics import METRICS
from engine.farm.plan.thresholds import judge, read_threshold

READ = [
    ("p95(time_to_first_audio) < 800ms", "p95", "time_to_first_audio", True, False, 800, None, None),
    (" p99.9( session_time ) <= 1.5s ", "p99.9", "session_time", True, True, 1500, None, None),
    (
        "avg(response_time{scenario: order pizza}) > 2min",
        "avg",
        "response_time",
        False,
        False,
        120_000,
        "order pizza",
        None,
    ),
    ("error_rate < 1%", "rate", "error_rate", True, False, 0.01, None, None),
    ("error_rate{tag: smoke} <= 0.01", "rate", "error_rate", True, True, 0.01, None, "smoke"),
    ("rate(check_rate{tag: a, scenario: b}) >= 95 %", "rate", "check_rate", False, True, 0.95, "b", "a"),
    ("errors <= 0", "total", "errors", True, True, 0, None, None),
    ("cost < $2.50", "total", "cost", True, False, 2.5, None, None),
    ("avg(session_cost) < 0.05 USD", "avg", "session_cost", True, False, 0.05, None, None),
    ("count(interruption_latency) >= 10", "count", "interruption_latency", False, True, 10, None, None),
    ("p50(word_error_rate) < 20%", "p50", "word_error_rate", True, False, 0.2, None, None),
    ("max(word_error_rate) < 150%", "max", "word_error_rate", True, False, 1.5, None, None),
]


@pytest.mark.parametrize(("text", "statistic", "metric", "below", "inclusive", "bound", "scenario", "tag"), READ)
def test_it_reads_what_is_written(text, statistic, metric, below, inclusive, bound, scenario, tag):
    got = read_threshold(text)
    assert (got.statistic, got.metric, got.below, got.inclusive) == (statistic, metric, below, inclusive)
    assert got.bound == pytest.approx(bound)
    assert (got.scenario, got.tag, got.text) == (scenario, tag, text.strip())


WRONG = [
    ("p95(time_to_frist_audio) < 800ms", "no metric 'time_to_frist_audio' (did you mean 'time_to_first_audio'?)"),
    ("p95(time_to_first_audio) < 800", "a time with its unit, as 800ms"),
    ("p95(time_to_first_audio) < 80%", "a time with its unit"),
    ("p95(time_to_first_audio) < $8", "a time with its unit"),
    ("p95(time_to_first_audio) = 800ms", "can't be read; allowed: a text as p95(time_to_first_audio) < 800ms"),
    ("p95(time_to_first_audio < 800ms", "can't be read"),
    ("time_to_first_audio) < 800ms", "can't be read"),
    ("time_to_first_audio < 800ms", "needs a figure, as p95(time_to_first_audio)"),
    ("p101(time_to_first_audio) < 800ms", "no figure 'p101'"),
    ("p(time_to_first_audio) < 800ms", "p50, p95, p99.9 (any percentile), avg"),
    ("p95(error_rate) < 1%", "error_rate alone, or rate(error_rate)"),
    ("avg(errors) < 1", "errors alone, or total(errors)"),
    ("error_rate < 150%", "more than all"),
    ("p50(word_error_rate) < 20", "more than all"),
    ("error_rate < 1ms", "a share, as 1% or 0.01"),
    ("errors < 1%", "a number"),
    ("cost < 5 EUR", "US dollars"),
    ("error_rate{name: x} < 1%", "{scenario: NAME}"),
    ("error_rate{scenario: } < 1%", "{scenario: NAME}"),
    ("error_rate{tag: a, tag: b} < 1%", "{scenario: NAME}"),
    ("", "can't be read"),
    (7, "can't be read"),
]


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_what_is_wrong_is_told_with_what_is_allowed(text, words):
    with pytest.raises(ConfigError) as caught:
        read_threshold(text)
    assert words in str(caught.value)
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text())
def test_any_text_is_read_or_refused(text):
    try:
        read_threshold(text)
    except ConfigError:
        return
    assert any(metric in text for metric in METRICS)


def figures_of(**values):
    figures = Figures()
    for metric, each in values.items():
        for value in each:
            figures.add(metric, value)
    return lambda *_: figures


JUDGED = [
    ("p50(time_to_first_audio) < 300ms", [100, 200, 900], 200, True),
    ("p99(time_to_first_audio) < 300ms", [100, 200, 900], 900, False),
    ("avg(time_to_first_audio) < 400ms", [100, 200, 900], 400, False),
    ("avg(time_to_first_audio) <= 400ms", [100, 200, 900], 400, True),
    ("min(time_to_first_audio) >= 100ms", [100, 200, 900], 100, True),
    ("max(time_to_first_audio) > 900ms", [100, 200, 900], 900, False),
    ("count(time_to_first_audio) > 2", [100, 200, 900], 3, True),
    ("total(time_to_first_audio) < 2s", [100, 200, 900], 1200, True),
    ("error_rate < 50%", [0, 1, 0, 0], 0.25, True),
    ("error_rate < 25%", [0, 1, 0, 0], 0.25, False),
    ("errors <= 1", [0, 1, 0, 0], 1, True),
]


@pytest.mark.parametrize(("text", "values", "value", "held"), JUDGED)
def test_it_judges_by_the_figures(text, values, value, held):
    threshold = read_threshold(text)
    judged = judge(threshold, figures_of(**{threshold.metric: values}))
    assert judged.value == pytest.approx(value, rel=0.011)
    assert judged.held is held
    assert judged.threshold is threshold


def test_it_asks_for_the_figures_of_its_scenario_and_tag():
    asked = []

    def figures(scenario, tag):
        asked.append((scenario, tag))
        return Figures()

    judge(read_threshold("errors{scenario: a, tag: b} < 1"), figures)
    judge(read_threshold("errors < 1"), figures)
    assert asked == [("a", "b"), (None, None)]


@pytest.mark.parametrize(
    "text", ["p95(tool_time) < 1s", "avg(tool_time) < 1s", "error_rate < 1%", "max(tool_time) < 1s"]
)
def test_what_was_never_measured_does_not_hold(text):
    judged = judge(read_threshold(text), figures_of())
    assert judged.value is None
    assert not judged.held


def test_nothing_is_a_number_where_values_are_counted_or_added_up():
    assert judge(read_threshold("count(tool_time) < 1"), figures_of()).held
    assert judge(read_threshold("errors <= 0"), figures_of()).held


@given(st.lists(st.floats(1, 1e6), min_size=1), st.floats(1, 1e6), st.booleans(), st.booleans())
def test_a_bound_and_its_contrary_never_hold_together(values, bound, below, inclusive):
    sign = ("<" if below else ">") + ("=" if inclusive else "")
    contrary = (">" if below else "<") + ("" if inclusive else "=")
    figures = figures_of(session_time=values)
    one, other = (judge(read_threshold(f"max(session_time) {each} {bound!r}ms"), figures) for each in (sign, contrary))
    assert one.held is not other.held
    assert math.isclose(one.value, max(values))
