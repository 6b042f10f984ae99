"""The policy as a coordinator meets it: one thing at a time."""

import pytest

from engine.errors import ConfigError, LocalMisuse
from engine.farm.job import RateLimit
from engine.farm.plan.model import Caps, Load, Retries, Stage
from engine.farm.policy.accounts import PROBING
from engine.farm.policy.admission import ALL_DONE, TIME_OVER
from engine.farm.policy.spending import PROBES
from tests.farm.policy.modelled import EVER, Model, broken, by_scenario, policy, result

ONCE_WITHOUT_PACE = Caps(sessions=EVER, starts_per_s=EVER)


def fill(made, now=0.0, room=EVER):
    """Admit until nothing more starts, as fast as it allows."""
    started = []
    while more := made.admit(now, room - len(started)):
        started += more
        now += 0.001
    return started


# --- what starts, and what holds it back ----------------------------------------------------------------------------


def test_no_more_start_than_there_is_room_for():
    made = policy()
    assert fill(made, room=7) == [("s", None)] * 7
    assert made.statistics(0.0).held_back == "no room on workers"


def test_the_cap_of_sessions_holds_until_one_ends():
    made = policy(caps=Caps(sessions=3, starts_per_s=EVER))
    assert len(fill(made)) == 3
    assert made.statistics(1.0).held_back == "cap of sessions"
    assert made.look_again_at(1.0) is None

    made.ended(result(), 0, 2.0)
    assert made.look_again_at(2.0) == 2.0
    assert made.admit(2.0, EVER) == [("s", None)]


def test_the_cap_of_starts_holds_until_the_next_may_start():
    made = policy(caps=Caps(sessions=100, starts_per_s=4.0))
    assert made.look_again_at(0.0) == 0.0
    assert len(made.admit(0.0, EVER)) == 1
    assert made.statistics(0.0).held_back == "cap of starts a second"
    assert made.look_again_at(0.0) == 0.25
    assert made.admit(0.2, EVER) == []
    assert len(made.admit(0.25, EVER)) == 1


def test_asked_early_it_does_not_ask_to_be_asked_at_the_same_moment_again():
    made = policy(caps=Caps(sessions=EVER, starts_per_s=50_000.0))
    made.admit(0.0, EVER)

    assert made.look_again_at(0.0) == 0.001


def test_a_load_that_has_what_it_asks_for_holds_nothing_back():
    made = policy(load=Load(shape="constant", sessions=2, duration_s=60))
    assert len(fill(made)) == 2
    assert made.statistics(1.0).held_back == ""
    assert made.statistics(1.0).target == 2
    assert made.look_again_at(1.0) == 60.0


def test_a_ramp_says_when_it_will_ask_for_one_more():
    made = policy(load=Load(shape="ramp", stages=(Stage(duration_s=10, to=5),)), now=100.0)
    assert made.admit(100.0, EVER) == []
    assert made.look_again_at(100.0) == 102.0
    assert len(made.admit(102.0, EVER)) == 1


def test_sessions_that_a_falling_ramp_leaves_over_are_not_replaced():
    made = policy(load=Load(shape="ramp", stages=(Stage(duration_s=1, to=5), Stage(duration_s=9, to=0))))
    assert len(fill(made, 1.0)) == 5

    made.ended(result(), 0, 5.0)
    assert made.admit(5.0, EVER) == []


# --- its end ---------------------------------------------------------------------------------------------------------


def test_it_is_over_when_the_last_job_has_ended():
    made = policy({"s": 2})
    fill(made)
    made.ended(result(), 0, 1.0)
    assert made.over == ""
    assert made.look_again_at(1.0) == 1.0
    made.admit(1.0, EVER)
    assert made.look_again_at(1.0) is None

    made.ended(result(), 1, 2.0)
    assert made.over == ALL_DONE
    assert made.look_again_at(2.0) is None


def test_a_run_without_jobs_is_over_at_once():
    assert policy({}).over == ALL_DONE


def test_it_is_over_when_its_time_is():
    made = policy(load=Load(shape="constant", sessions=2, duration_s=60), now=100.0)
    fill(made, 100.0)
    assert made.ended(broken("connection"), 0, 159.0) is not None
    assert made.admit(160.0, EVER) == []
    assert made.over == TIME_OVER
    assert made.waiting_jobs() == [("s", 0)]


def test_what_breaks_after_the_time_is_over_is_final_unless_it_was_stopped():
    made = policy(load=Load(shape="constant", sessions=2, duration_s=60))
    fill(made)

    assert made.ended(broken("connection"), 0, 61.0) is None
    assert made.ended(result(status="stopped"), 1, 61.0) == 0.0


def test_a_stop_lets_nothing_start_and_keeps_what_is_open():
    made = policy({"s": 10})
    fill(made, room=4)
    made.stop("Ctrl-C")
    made.stop("again")

    assert made.over == "Ctrl-C"
    assert made.admit(1.0, EVER) == []
    assert made.ended(result(status="stopped"), 3, 1.0) == 0.0
    assert made.ended(broken("connection"), 4, 1.0) is not None
    assert made.ended(result(), 5, 1.0) is None
    assert made.waiting_jobs() == [("s", 3), ("s", 4)]


def test_an_end_without_a_begin_is_misuse():
    with pytest.raises(LocalMisuse, match="no session of scenario 'other' is active"):
        policy().ended(result("other"), 0, 1.0)


def test_a_weight_that_gives_no_share_is_told():
    with pytest.raises(ConfigError):
        policy({"a": 1}, weights={"a": 0.0})


# --- further tries ---------------------------------------------------------------------------------------------------


def test_a_broken_session_is_tried_again_after_its_wait():
    made = policy({"s": 1}, retries=Retries(attempts=3, wait_s=10.0))
    fill(made)
    wait_s = made.ended(broken("connection"), "the job", 5.0)
    assert 5.0 <= wait_s <= 10.0
    assert made.statistics(5.0).waiting == 1

    assert made.admit(5.0, EVER) == []
    assert made.look_again_at(5.0) == 5.0 + wait_s
    assert made.admit(5.0 + wait_s, EVER) == [("s", "the job")]


def test_after_its_last_try_a_result_is_final():
    made = policy({"s": 1}, retries=Retries(attempts=3))
    fill(made)
    assert made.ended(broken("connection", attempt=3), 0, 5.0) is None
    assert made.over == ALL_DONE


def test_stopped_tries_are_counted_by_who_knows_of_them():
    made = policy({"s": 1}, retries=Retries(attempts=3))
    fill(made)
    assert made.ended(broken("connection", attempt=7), 0, 5.0, tries=2) is not None


def test_a_start_that_never_happened_is_no_try():
    made = policy({"s": 2})
    fill(made)
    made.returned("s", "first", 1.0)

    stands = made.statistics(1.0)
    assert (stands.active, stands.starts, stands.waiting) == (1, 1, 1)
    assert made.admit(1.0, EVER) == [("s", "first")]


def test_jobs_of_an_earlier_stretch_go_first():
    made = policy({"s": 5})
    made.wait_to_retry("s", "lost", 0.0)
    made.wait_to_retry("s", "broken", 0.0, wait_s=30.0)

    assert fill(made, room=2) == [("s", "lost"), ("s", None)]
    assert fill(made, 30.0, room=2) == [("s", "broken"), ("s", None)]


# --- what the service says -------------------------------------------------------------------------------------------


def steady(caps=None, **more):
    """A policy that has had 10 starts a second for half a minute."""
    made = policy(caps=caps or Caps(sessions=EVER, starts_per_s=10.0), **more)
    now = 0.0
    while now < 30.0:
        made.admit(now, EVER)
        now = made.look_again_at(now)
    return made


@pytest.mark.parametrize(("kind", "share"), [("rate_limited", 0.5), ("quota", 0.25)])
def test_a_refusal_lowers_the_pace_and_time_raises_it(kind, share):
    made = steady()
    made.ended(broken(kind), 0, 30.0)

    assert made.pace_per_s(30.0) == pytest.approx(10 * share, rel=0.07)
    assert 10 * share < made.statistics(40.0).pace_per_s < 10.0
    assert made.statistics(120.0).pace_per_s == 10.0
    made.admit(30.0, EVER)
    assert made.statistics(30.0).held_back == "rate limited"


@pytest.mark.parametrize("kind", ["connection", "service", "deadline", "tool", "crash", "caller"])
def test_other_errors_leave_the_pace_alone(kind):
    made = steady()
    made.ended(broken(kind), 0, 30.0)

    assert made.statistics(30.0).pace_per_s == 10.0


def test_nothing_starts_before_the_service_wants_it():
    made = steady()
    made.ended(broken("rate_limited", retry_after_s=20.0), 0, 30.0)

    assert made.admit(31.0, EVER) == []
    assert made.look_again_at(31.0) == 50.0
    assert made.statistics(31.0).held_back == "rate limited"


def test_an_account_that_runs_short_lowers_the_pace_and_holds_until_some_is_back():
    made = steady()
    made.rate_limit(RateLimit(limit=1000.0, remaining=0.0, reset_s=60.0), 30.0)

    assert made.statistics(30.0).pace_per_s == pytest.approx(7.0, rel=0.07)
    assert made.admit(31.0, EVER) == []
    assert made.look_again_at(31.0) == pytest.approx(36.0)

    made.rate_limit(RateLimit(limit=1000.0, remaining=900.0, reset_s=6.0), 32.0)
    assert len(made.admit(32.0, EVER)) >= 1


@pytest.mark.parametrize(
    "told",
    [
        RateLimit(limit=1000.0, remaining=100.0, reset_s=54.0),
        RateLimit(limit=1000.0, remaining=2000.0, reset_s=0.0),
        RateLimit(limit=0.0, remaining=0.0, reset_s=9e9),
    ],
)
def test_an_account_with_enough_left_holds_nothing(told):
    made = steady()
    made.rate_limit(told, 30.0)

    assert made.statistics(30.0).pace_per_s == 10.0
    assert len(made.admit(30.2, EVER)) >= 1


def test_a_limit_that_comes_back_in_days_does_not_hold_for_days():
    made = steady()
    made.rate_limit(RateLimit(limit=1000.0, remaining=0.0, reset_s=86400.0), 30.0)
    made.admit(30.0, EVER)

    assert made.look_again_at(30.0) == 90.0


@pytest.mark.parametrize(("kind", "count"), [("quota", 5), ("refused", 10)])
def test_a_row_of_hopeless_ends_stops_the_run(kind, count):
    made = policy(caps=Caps(sessions=count, starts_per_s=EVER))
    fill(made)
    for job in range(count - 1):
        made.ended(broken(kind, job=job), job, 1.0)
    assert made.over == ""

    made.ended(broken(kind, job=count), count, 1.0)
    assert made.over == f"{count} sessions in a row ended with the error {kind!r}: no further one will do better"


def test_one_that_does_better_breaks_the_row():
    made = policy()
    fill(made, room=30)
    for _ in range(3):
        for _ in range(4):
            made.ended(broken("quota"), 0, 1.0)
        made.ended(result(), 0, 1.0)
        made.ended(result(status="lost"), 0, 1.0)

    assert made.over == ""


def test_lost_and_stopped_sessions_say_nothing_of_the_service():
    made = policy()
    fill(made, room=30)
    for _ in range(5):
        made.ended(broken("quota"), 0, 1.0)
        made.ended(result(status="lost", error_kind="worker"), 0, 1.0)
        made.ended(result(status="stopped"), 0, 1.0)

    assert made.over.startswith("5 sessions in a row")


# --- budgets and tokens ----------------------------------------------------------------------------------------------


def test_a_budget_reserves_for_active_sessions():
    made = policy(caps=Caps(sessions=EVER, starts_per_s=EVER, budget_tokens=1000), expected_tokens={"s": 300.0})
    assert len(fill(made)) == 3
    stands = made.statistics(1.0)
    assert (stands.held_back, stands.reserved_tokens, stands.over) == ("budget", 900.0, "")

    made.ended(result(tokens=300), 0, 1.0)
    assert fill(made, 1.0) == []
    made.ended(result(tokens=0, status="stopped"), 0, 1.0)
    assert len(fill(made, 1.0)) == 1


def test_a_budget_that_is_spent_ends_the_run_and_keeps_what_waits():
    made = policy(
        caps=Caps(sessions=EVER, starts_per_s=EVER, budget_usd=5.0),
        expected_usd={"s": 2.0},
        retries=Retries(wait_s=0.0),
    )
    fill(made)
    for job in range(2):
        made.ended(broken("connection", job=job, cost_usd=2.0, tokens=10), job, 1.0)
    made.admit(1.0, EVER)

    assert made.over == "budget of 5.00 USD is spent"
    assert made.waiting_jobs() == [("s", 0), ("s", 1)]
    assert made.statistics(1.0).cost_usd == 4.0


def test_a_budget_of_tokens_that_is_spent_is_named():
    made = policy(
        caps=Caps(sessions=EVER, starts_per_s=EVER, budget_tokens=1000), tokens=900, expected_tokens={"s": 300.0}
    )

    assert made.admit(0.0, EVER) == []
    assert made.over == "budget of 1000 tokens is spent"


def test_who_can_still_be_paid_for_goes_on():
    made = policy(
        {"dear": 5, "cheap": 5},
        caps=Caps(sessions=EVER, starts_per_s=EVER, budget_tokens=1000),
        expected_tokens={"dear": 2000.0, "cheap": 100.0},
    )
    assert by_scenario(fill(made)) == {"cheap": 5}
    for job in range(5):
        made.ended(result("cheap", tokens=100), job, 1.0)
        made.admit(1.0, EVER)

    assert made.over == "budget of 1000 tokens is spent"


def test_a_session_that_nobody_can_price_costs_what_the_others_do():
    made = policy(caps=Caps(sessions=EVER, starts_per_s=EVER, budget_usd=5.0), expected_usd={"s": 2.0})
    fill(made)
    made.ended(result(tokens=10, cost_usd=None), 0, 1.0)
    made.ended(result(status="lost"), 1, 1.0)

    stands = made.statistics(1.0)
    assert (stands.cost_usd, stands.presumed_usd) == (0.0, 4.0)


def test_a_session_that_broke_before_it_took_anything_costs_nothing():
    made = policy(caps=Caps(sessions=EVER, starts_per_s=EVER, budget_usd=5.0), expected_usd={"s": 2.0})
    fill(made)
    made.ended(broken("connection"), 0, 1.0)

    stands = made.statistics(1.0)
    assert (stands.cost_usd, stands.presumed_usd, stands.reserved_usd) == (0.0, 0.0, 2.0)


@pytest.mark.parametrize("cap", [{"budget_tokens": 10**6}, {"budget_usd": 1e6}, {"tokens_per_min": 1e6}])
def test_where_nothing_is_known_the_first_sessions_must_tell(cap):
    made = policy(caps=Caps(sessions=EVER, starts_per_s=EVER, **cap))
    assert len(fill(made)) == PROBES
    assert made.statistics(1.0).held_back == PROBING
    assert made.over == ""

    made.ended(result(tokens=1000, cost_usd=1.0), 0, 1.0)
    assert made.admit(1.0, 0) == []
    assert len(fill(made, 1.0, room=100)) == 100


def test_what_an_earlier_stretch_took_counts_for_its_minute():
    made = policy(caps=Caps(sessions=EVER, starts_per_s=EVER, tokens_per_min=1000.0), expected_tokens={"s": 250.0})
    made.took_before(900, -50.0)

    assert fill(made) == []
    assert len(fill(made, 12.0)) >= 1


def test_the_cap_of_tokens_a_minute_holds_until_what_was_told_lets_go():
    made = policy(
        caps=Caps(sessions=EVER, starts_per_s=EVER, tokens_per_min=1000.0),
        expected_tokens={"s": 250.0},
        expected_life_s={"s": 10.0},
    )
    started = len(fill(made))
    assert 1 <= started <= 2  # Fewer than four: an estimate may be too low.
    assert made.statistics(0.0).held_back == "tokens a minute"
    assert made.look_again_at(0.0) == 1.0

    for number in range(started):
        made.took("s", 150, 5.0, began=0.0)
        made.ended(result(tokens=500, life_s=10.0), number, 10.0, began=0.0, told=150)
    assert made.statistics(10.0).tokens_in_minute == 500.0 * started
    made.stop("seen enough")
    assert made.statistics(65.9).tokens_in_minute == 500.0 * started
    assert made.statistics(66.0).tokens_in_minute == 350.0 * started
    assert made.statistics(71.0).tokens_in_minute == 0.0


def test_arrivals_that_the_caps_have_no_room_for_are_dropped_and_told():
    made = policy(
        load=Load(shape="arrival", rate_per_s=10.0, duration_s=60.0), caps=Caps(sessions=20, starts_per_s=EVER)
    )
    model = Model(made, lambda job: result(job=job.number, life_s=4.0)).run()

    stands = made.statistics(model.now)
    assert stands.starts + stands.dropped == 600
    assert stands.starts == pytest.approx(5.0 * 60, rel=0.05)
    assert made.over == TIME_OVER


def test_arrivals_come_at_their_rate_while_there_is_room():
    made = policy(load=Load(shape="arrival", rate_per_s=10.0, duration_s=60.0))
    model = Model(made, lambda job: result(job=job.number, life_s=7.0)).run()

    assert len(model.sessions) == 600
    assert made.statistics(60.0).dropped == 0
    assert made.statistics(30.0).target == 10.0


def test_what_comes_after_a_stop_is_not_dropped():
    made = policy(load=Load(shape="arrival", rate_per_s=10.0, duration_s=60.0))
    made.stop("Ctrl-C")
    made.admit(30.0, EVER)

    assert made.statistics(30.0).dropped == 0


def test_arrivals_without_a_job_are_not_dropped():
    made = policy({"s": 3}, load=Load(shape="arrival", rate_per_s=10.0))
    model = Model(made, lambda job: result(job=job.number, life_s=100.0)).run()

    assert made.over == ALL_DONE
    assert len(model.final) == 3
    assert made.statistics(model.now).dropped == 0


def test_further_tries_are_arrivals_too():
    made = policy({"s": 20}, load=Load(shape="arrival", rate_per_s=10.0), retries=Retries(attempts=2, wait_s=0.0))
    model = Model(made, lambda job: broken("connection", job=job.number, attempt=job.tries, life_s=0.1)).run()

    starts = sorted(session.began for session in model.sessions)
    assert len(starts) == 40
    assert starts == pytest.approx([0.05 + 0.1 * number for number in range(40)], abs=0.101)


def test_what_a_lost_session_took_takes_the_place_of_what_was_presumed_when_it_is_told_late():
    made = policy(caps=Caps(sessions=10, starts_per_s=EVER, budget_tokens=10_000), expected_tokens={"s": 1000.0})
    fill(made, room=3)
    for job in range(3):
        made.ended(result(job=job, status="lost"), job, 1.0)
    assert (made.statistics(1.0).tokens, made.statistics(1.0).presumed_tokens) == (0, 3000.0)

    made.told_late(result(job=0, tokens=400))
    made.told_late(result(job=1, status="lost"))  # It was cut off itself, and knows nothing either.
    assert (made.statistics(1.0).tokens, made.statistics(1.0).presumed_tokens) == (400, 2000.0)


def test_a_session_that_was_cut_off_counts_with_what_it_told():
    made = policy(caps=Caps(sessions=10, starts_per_s=EVER, budget_tokens=10_000), expected_tokens={"s": 1000.0})
    fill(made, room=2)
    made.ended(result(job=0, status="lost", tokens=300), 0, 1.0)
    made.ended(result(job=1, status="stopped", tokens=200), 1, 1.0)

    assert (made.statistics(1.0).tokens, made.statistics(1.0).presumed_tokens) == (500, 0.0)


def test_sessions_that_an_earlier_stretch_lost_are_presumed_to_have_cost_something():
    made = policy(caps=Caps(sessions=10, starts_per_s=EVER, budget_tokens=3_500), expected_tokens={"s": 1000.0})
    made.presume("s", 0.0)
    made.presume("s", 0.0)

    assert len(made.admit(0.0, 10)) == 1


def test_what_sessions_told_that_were_lost_with_their_worker_makes_no_other_look_larger():
    foreseen = []
    for lost_of_ten in (0, 7):
        made = policy(caps=Caps(sessions=EVER, starts_per_s=EVER, tokens_per_min=1e9), expected_tokens={"s": 100.0})
        for number in range(200):
            began = number * 100.0
            assert made.admit(began, 1)
            made.took("s", 100.0, began + 5.0, began=began)
            is_lost = number % 10 < lost_of_ten
            end = result(status="lost", error_kind="worker") if is_lost else result(tokens=100)
            made.ended(end, None, began + 10.0, began=began, told=100.0, tries=1)
        made.admit(20_100.0, 1)
        foreseen.append(made.statistics(20_100.0).tokens_in_minute)

    assert foreseen[1] == pytest.approx(foreseen[0], rel=0.2)
