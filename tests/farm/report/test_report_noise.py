"""The permutation test against exact tests, against noise, and against changes that are there."""

import math
import random
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.farm.report import noise
from engine.farm.report.noise import beyond_noise, enough, sampled


def fisher_p(passed_a, of_a, passed_b, of_b):
    """Two-sided, as R's fisher.test: all tables that are as unlikely as this one."""
    passed, every = passed_a + passed_b, of_a + of_b

    def chance(k):
        return math.comb(of_a, k) * math.comb(of_b, passed - k) / math.comb(every, passed)

    tables = range(max(0, passed - of_b), min(of_a, passed) + 1)
    return sum(chance(k) for k in tables if chance(k) <= chance(passed_a) * (1 + 1e-9))


def mcnemar_p(only_a, only_b):
    """Exact: a fair coin for each pair that differs."""
    pairs, least = only_a + only_b, min(only_a, only_b)
    return min(1.0, 2 * sum(math.comb(pairs, k) for k in range(least + 1)) / 2**pairs)


def shares(passed, of, begin=0):
    return {begin + job: [1.0 if job < passed else 0.0] for job in range(of)}


def tolerance(p):
    """Four standard errors of a p-value that was found by so many exchanges."""
    return 4 * math.sqrt(p * (1 - p) / noise.FIRST_SHUFFLES) + 2 / noise.FIRST_SHUFFLES


def test_the_exact_tests_here_know_their_textbook_values():
    assert fisher_p(3, 4, 1, 4) == pytest.approx(0.4857, abs=1e-4)  # Fisher's tea
    assert fisher_p(1, 12, 9, 12) == pytest.approx(0.00276, abs=1e-5)
    assert mcnemar_p(5, 15) == pytest.approx(0.0414, abs=1e-4)


@pytest.mark.parametrize("table", [(10, 12, 7, 12), (20, 40, 31, 40), (1, 30, 3, 30), (90, 100, 90, 100)])
def test_shares_of_two_crowds_are_judged_as_by_fisher(table):
    passed_a, of_a, passed_b, of_b = table
    found = noise.test(shares(passed_a, of_a), shares(passed_b, of_b, begin=1000), "mean", paired=False)
    exact = fisher_p(*table)
    assert found.p == pytest.approx(exact, abs=tolerance(exact))


@pytest.mark.parametrize("pairs", [(5, 15), (0, 6), (3, 4), (12, 30)])
def test_shares_of_the_same_jobs_are_judged_as_by_mcnemar(pairs):
    only_a, only_b = pairs
    a = {job: [1.0 if job < only_a else 0.0] for job in range(only_a + only_b + 40)}
    b = {job: [1.0 if only_a <= job < only_a + only_b else 0.0] for job in a}
    exact = mcnemar_p(*pairs)
    assert noise.test(a, b, "mean", paired=True).p == pytest.approx(exact, abs=tolerance(exact))


def test_a_mean_is_judged_as_by_all_exchanges_of_few_sessions():
    a, b = [3.0, 5.0, 4.0, 6.0, 2.0], [7.0, 6.0, 9.0, 5.5, 8.0]
    pool, measured = a + b, abs(sum(b) / 5 - sum(a) / 5)
    splits = [sum(chosen) / 5 for chosen in combinations(pool, 5)]
    exact = sum(abs((sum(pool) / 5 - mean) - mean) >= measured - 1e-9 for mean in splits) / len(splits)
    found = noise.test({n: [v] for n, v in enumerate(a)}, {n + 9: [v] for n, v in enumerate(b)}, "mean", paired=False)
    assert found.p == pytest.approx(exact, abs=tolerance(exact))


def latencies(seed, *, sessions=60, factor=1.0, own=0.0):
    """Two turns a session; `own` is by how much sessions differ among themselves."""
    chance = random.Random(seed)
    made = {}
    for job in range(sessions):
        slow = chance.gauss(0, own)
        made[job] = [factor * chance.lognormvariate(6.2 + slow, 0.2) for _ in range(3)]
    return made


@pytest.mark.parametrize("statistic", ["p50", "p95", "mean"])
@pytest.mark.parametrize("paired", [False, True])
def test_runs_that_are_alike_are_seldom_told_apart(statistic, paired):
    """Turns of a session have much in common here: a test that took them for independent would be wrong often."""
    wrong = sum(
        noise.test(latencies(2 * n, own=0.3), latencies(2 * n + 1, own=0.3), statistic, paired=paired).p <= 0.05
        for n in range(40)
    )
    assert wrong <= 7  # 2 are expected; more than 7 come once in a thousand times


@pytest.mark.parametrize("statistic", ["p50", "p95", "mean"])
def test_a_run_that_is_a_fifth_slower_is_told(statistic):
    found = noise.test(latencies(1), latencies(2, factor=1.2), statistic, paired=False)
    assert found.p <= 0.01
    assert 0 < found.low < found.high


def test_pairs_show_what_crowds_hide():
    a = latencies(5, own=0.8)
    b = {job: [value * 1.05 for value in values] for job, values in a.items()}
    assert noise.test(a, b, "mean", paired=True).p <= 0.01
    assert noise.test(a, b, "mean", paired=False).p > 0.2


def test_the_same_runs_give_the_same_answer():
    a, b = latencies(1), latencies(2, factor=1.1)
    assert noise.test(a, b, "p95", paired=True) == noise.test(a, b, "p95", paired=True)


def test_jobs_that_only_one_run_has_are_compared_too():
    a, b = latencies(1, sessions=40), latencies(2, sessions=60, factor=1.3)
    assert noise.test(a, b, "p50", paired=True).p <= 0.01


def test_of_many_sessions_some_are_looked_at_the_same_in_both_runs(monkeypatch):
    monkeypatch.setattr(noise, "MOST_SESSIONS", 50)
    kept = noise._thinned(latencies(1, sessions=120))
    assert list(kept) == list(noise._thinned(latencies(2, sessions=120)))
    assert 25 <= len(kept) <= 60
    assert noise.test(latencies(1, sessions=120), latencies(1, sessions=120), "p50", paired=True).p == 1.0


@pytest.mark.parametrize("rows", [2, 3, 10])
def test_a_change_of_one_row_of_the_data_is_found_among_many_sessions(rows):
    """Jobs come in the rhythm of their data: each n-th of them may be of one row alone."""
    a = {job: [100.0] for job in range(noise.MOST_SESSIONS * rows)}
    b = {job: [300.0 if job % rows == rows - 1 else 100.0] for job in a}
    found = noise.test(a, b, "mean", paired=True)
    assert found.p <= 0.01
    assert found.low <= 200 / rows <= found.high


def test_holms_bounds():
    assert beyond_noise([0.01, 0.04, 0.03, 0.005]) == [True, False, False, True]  # Holm 1979's own example
    assert beyond_noise([0.04]) == [True]
    assert beyond_noise([0.04, 0.9]) == [False, False]
    assert beyond_noise([]) == []


@given(st.lists(st.floats(0, 1), max_size=30))
def test_holm_finds_no_more_than_plain_bounds_and_no_less_than_bonferroni(p_values):
    found = beyond_noise(p_values)
    for p, beyond in zip(p_values, found, strict=True):
        assert not beyond or p <= noise.FAMILY_ERROR
        assert beyond or p > noise.FAMILY_ERROR / len(p_values)


def test_a_p95_takes_a_hundred_values_and_all_take_five_sessions():
    assert enough({job: [1.0] * 20 for job in range(5)}, "p95")
    assert not enough({job: [1.0] * 19 for job in range(5)}, "p95")
    assert not enough({job: [1.0] * 100 for job in range(4)}, "p50")
    assert enough({job: [1.0] * 2 for job in range(5)}, "p50")
    assert not enough({job: [] for job in range(50)}, "mean")


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300), st.integers(2, 50))
def test_a_thinned_curve_keeps_its_ends_and_its_order(values, most):
    ordered = sorted(values)
    kept = list(sampled(ordered, most))
    assert len(kept) == min(most, len(values))
    assert (kept[0], kept[-1]) == (ordered[0], ordered[-1])
    assert kept == sorted(kept)
