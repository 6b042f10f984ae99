"""Whole runs of a policy, of many kinds: caps are never exceeded, and each job ends once."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.farm.plan.model import Caps, Load, Retries, Stage
from engine.farm.policy.spending import PROBES
from tests.farm.policy.modelled import (
    EVER,
    Model,
    by_scenario,
    most_at_a_time,
    most_starts_in,
    most_tokens_in_a_minute,
    policy,
    result,
)

ENDS = (
    ("passed", None),
    ("failed", None),
    ("lost", "worker"),
    ("error", "connection"),
    ("error", "rate_limited"),
    ("error", "tool"),
    ("error", "deadline"),
)


def luck(seed, *, broken=0.3, tokens=1000, life_s=20.0):
    """Sessions that end as a seed has it."""
    drawn = random.Random(seed)

    def session(job):
        status, kind = drawn.choice(ENDS) if drawn.random() < broken else ENDS[0]
        return result(
            job.scenario,
            job=job.number,
            attempt=job.tries,
            status=status,
            error_kind=kind,
            life_s=drawn.uniform(0.1, 2 * life_s),
            tokens=0 if status == "lost" else drawn.randrange(2 * tokens),
            cost_usd=0.01,
        )

    return session


caps = st.builds(
    Caps,
    sessions=st.integers(1, 60),
    starts_per_s=st.floats(0.3, 40.0),
    tokens_per_min=st.one_of(st.none(), st.floats(3000.0, 1e5)),
    budget_tokens=st.one_of(st.none(), st.integers(1, 200_000)),
    budget_usd=st.one_of(st.none(), st.floats(0.01, 10.0)),
)
stages = st.lists(st.builds(Stage, duration_s=st.floats(1.0, 60.0), to=st.floats(1.0, 80.0)), min_size=1, max_size=4)
timed_loads = st.one_of(
    st.builds(Load, shape=st.just("constant"), sessions=st.integers(1, 80), duration_s=st.floats(1.0, 120.0)),
    st.builds(Load, shape=st.just("ramp"), stages=stages.map(tuple)),
    st.builds(Load, shape=st.just("arrival"), rate_per_s=st.floats(0.1, 30.0), duration_s=st.floats(1.0, 60.0)),
    st.builds(Load, shape=st.just("arrival"), stages=stages.map(tuple)),
)
seeds = st.integers(0, 2**32)


def check_caps(model, caps):
    if not model.sessions:
        return
    most = -(-caps.starts_per_s // 1)
    assert most_at_a_time(model.sessions) <= caps.sessions
    assert most_starts_in(1.0, model.sessions) <= most
    assert most_starts_in(most / caps.starts_per_s, model.sessions) <= most


@settings(max_examples=60)
@given(
    caps,
    seeds,
    st.dictionaries(st.sampled_from("abcd"), st.tuples(st.integers(0, 30), st.floats(0.2, 5.0)), min_size=1),
    st.integers(1, 60),
)
def test_every_job_ends_once_and_no_cap_is_exceeded(caps, seed, scenarios, room):
    made = policy(
        {name: jobs for name, (jobs, _) in scenarios.items()},
        caps=caps,
        weights={name: weight for name, (_, weight) in scenarios.items()},
        retries=Retries(attempts=3, wait_s=2.0),
        expected_tokens=dict.fromkeys(scenarios, 1000.0),
        expected_usd=dict.fromkeys(scenarios, 0.01),
    )
    model = Model(made, luck(seed), room=room).run()

    check_caps(model, caps)
    assert most_at_a_time(model.sessions) <= room
    assert model.active == 0
    stands = made.statistics(model.now)
    assert stands.starts == len(model.sessions)
    assert stands.tokens == sum(session.result.tokens for session in model.sessions if session.result.status != "lost")
    started = len({session.job for session in model.sessions})
    assert len(model.final) + len(made.waiting_jobs()) == started
    if made.over == "all jobs are done":
        assert len(model.final) == sum(jobs for jobs, _ in scenarios.values())
    else:
        assert made.over.startswith("budget of")


@settings(max_examples=60)
@given(timed_loads, caps, seeds)
def test_a_load_with_a_time_keeps_its_caps_and_ends(load, caps, seed):
    made = policy({"a": None, "b": None}, load=load, caps=caps, expected_tokens={"a": 1000.0, "b": 1000.0})
    model = Model(made, luck(seed)).run()

    check_caps(model, caps)
    assert made.over
    assert model.asked < 20 * (len(model.sessions) + 100) + 4000
    length_s = load.duration_s or sum(stage.duration_s for stage in load.stages)
    assert all(session.began <= length_s for session in model.sessions)
    if load.shape == "constant":
        assert most_at_a_time([*model.sessions]) <= load.sessions if model.sessions else True


@given(seeds, st.integers(1, 200_000), st.floats(100.0, 3000.0))
def test_a_budget_is_overdrawn_by_chance_only_and_by_little(seed, limit, estimate):
    made = policy(caps=Caps(sessions=50, starts_per_s=20.0, budget_tokens=limit), expected_tokens={"s": estimate})
    model = Model(made, luck(seed, broken=0.0)).run()

    # Sessions take up to twice their mean; the estimate may be a tenth of it, which only those active may get wrong.
    spent = sum(session.result.tokens for session in model.sessions)
    assert spent <= limit + 2000 * 50
    assert made.over == f"budget of {limit:g} tokens is spent"


def test_over_many_runs_few_overdraw_their_budget():
    over = []
    for seed in range(50):
        made = policy(caps=Caps(sessions=50, starts_per_s=20.0, budget_tokens=100_000), expected_tokens={"s": 1000.0})
        model = Model(made, luck(seed, broken=0.0)).run()
        over.append(sum(session.result.tokens for session in model.sessions) / 100_000)

    assert sum(share > 1.0 for share in over) <= 6
    assert max(over) < 1.05
    assert sum(over) / len(over) > 0.95


@pytest.mark.parametrize(
    ("life_s", "responses", "share"),
    [(2.0, 0, 0.93), (20.0, 0, 0.85), (20.0, 4, 0.93), (60.0, 4, 0.93), (150.0, 8, 0.85)],
)
def test_no_minute_takes_more_tokens_than_its_cap_and_nearly_all_of_it_is_had(life_s, responses, share):
    length_s = 300.0 + 3 * life_s
    model = minutes_of(lambda job: result(job=job.number, life_s=life_s, tokens=1000), life_s, responses, length_s)

    assert most_tokens_in_a_minute(model.sessions, responses) <= 120_000
    begin = 60.0 + 2 * life_s  # After the first sessions have told how they go.
    had = sum(session.result.tokens for session in model.sessions if begin <= session.ended < length_s)
    assert had >= share * 2000 * (length_s - begin)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("grows", [False, True])
def test_no_minute_takes_more_than_its_cap_where_sessions_scatter(seed, grows):
    """Sessions live for, and take, from nothing to twice the mean, the long ones more (or not)."""
    model = minutes_of(scattered(seed, grows=grows), 20.0, 4, 240.0)

    assert most_tokens_in_a_minute(model.sessions, 4) <= 120_000
    had = sum(session.result.tokens for session in model.sessions if 90.0 <= session.ended < 240.0)
    assert had >= 0.8 * 2000 * 150


def test_the_minutes_cap_holds_where_a_session_takes_twice_what_the_plan_expects():
    model = minutes_of(lambda job: result(job=job.number, life_s=20.0, tokens=2000), 20.0, 4, 150.0)

    assert most_tokens_in_a_minute(model.sessions, 4) <= 120_000


def test_the_minutes_cap_is_all_but_kept_where_a_session_takes_four_times_what_the_plan_expects():
    model = minutes_of(lambda job: result(job=job.number, life_s=20.0, tokens=4000), 20.0, 4, 150.0)

    assert most_tokens_in_a_minute(model.sessions, 4) <= 1.2 * 120_000


def test_after_an_outage_what_sessions_take_is_not_forgotten():
    model = None

    def session(job):
        if 100.0 <= model.now < 130.0:
            return result(job=job.number, status="error", error_kind="deadline", life_s=10.0)
        return result(job=job.number, life_s=20.0, tokens=1000)

    model = Model(minutes_policy(20.0, 300.0), session)
    model.run()

    told = [each for each in model.sessions if each.result.tokens]
    assert len(told) < len(model.sessions)
    assert most_tokens_in_a_minute(told, 0) <= 120_000


def minutes_policy(life_s, length_s):
    return policy(
        caps=Caps(sessions=EVER, starts_per_s=100.0, tokens_per_min=120_000.0),
        load=Load(shape="constant", sessions=EVER - 1, duration_s=length_s),
        retries=Retries(attempts=1),
        expected_tokens={"s": 1000.0},
        expected_life_s={"s": life_s},
    )


def minutes_of(session, life_s, responses, length_s):
    return Model(minutes_policy(life_s, length_s), session, responses=responses).run()


def scattered(seed, *, grows):
    drawn = random.Random(seed)

    def session(job):
        life_s = drawn.uniform(0.1, 40.0)
        return result(job=job.number, life_s=life_s, tokens=int(life_s * 50) if grows else drawn.randrange(2000))

    return session


@settings(max_examples=20)
@given(seeds, st.floats(1.0, 9.0))
def test_with_equal_lives_starts_are_shared_by_weight(seed, weight):
    made = policy(
        {"a": None, "b": None},
        load=Load(shape="constant", sessions=20, duration_s=20.0),
        weights={"a": weight, "b": 1.0},
        caps=Caps(sessions=20, starts_per_s=50.0),
    )
    model = Model(made, luck(seed, broken=0.0, life_s=1.0)).run()
    counts = by_scenario((session.scenario,) for session in model.sessions)

    total = sum(counts.values())
    assert counts["a"] == pytest.approx(total * weight / (weight + 1), abs=3)


def test_where_nothing_is_known_at_most_the_probes_start():
    made = policy(caps=Caps(sessions=100, starts_per_s=100.0, budget_tokens=50_000))
    model = Model(made, lambda job: result(job=job.number, life_s=30.0, tokens=1000)).run()

    assert sum(session.began < 30.0 for session in model.sessions) == PROBES
    assert sum(session.result.tokens for session in model.sessions) == 50_000
    assert made.over == "budget of 50000 tokens is spent"


@pytest.mark.parametrize("stalls", [False, True])
def test_a_service_that_can_take_less_is_found_out(stalls):
    """The service takes 5 starts a second of 50 that the caps allow; a start too many gives a 429."""
    taken: list[float] = []
    model = None

    def session(job):
        now = model.now
        fits = sum(at > now - 1.0 for at in taken[-10:]) < 5
        if fits:
            taken.append(now)
            return result(job=job.number, attempt=job.tries, life_s=10.0)
        wish = {"retry_after_s": 3.0} if stalls else {}
        return result(job=job.number, attempt=job.tries, status="error", error_kind="rate_limited", life_s=0.05, **wish)

    made = policy(
        {"s": None},
        load=Load(shape="constant", sessions=1000, duration_s=900.0),
        caps=Caps(sessions=1000, starts_per_s=50.0),
        retries=Retries(attempts=100),
    )
    model = Model(made, session)
    model.run()

    refused = len(model.sessions) - len(taken)
    assert len(taken) > (0.55 if stalls else 0.65) * 5 * 900
    assert refused < 0.05 * len(model.sessions)
