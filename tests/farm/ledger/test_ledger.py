"""What is leased and recorded is there for who reads or goes on; nothing ends twice, nothing runs twice at a time."""

import math
import threading

import pytest
from entries import PLAN, RUN, attempt_id, broken, finals, full_result, grant, leases, result

from engine.errors import LocalMisuse
from engine.farm.job import Job, Span, ToolUse, TurnResult
from engine.farm.ledger import Ledger, Sample


def statuses(ledger):
    return {each.attempt_id: each.status for each in ledger.attempts()}


def test_a_new_run_has_nothing(folder, clock):
    with Ledger.create(folder, PLAN, unix_time=clock) as ledger:
        resumed = ledger.begin_session()

        assert (resumed.stint, resumed.lost, resumed.waiting) == (1, (), ())
        assert (resumed.next_index, resumed.done, resumed.counts.done) == ({}, {}, {})
        assert ledger.plan == PLAN
        assert ledger.created_at == clock.now
        assert len(ledger.run_id) == 8


def test_a_lease_tells_who_has_what_since_when(ledger, clock):
    clock.now = 1005.0
    ledger.lease([(grant(3, voice="alloy"), "w2")])

    (attempt,) = ledger.attempts()
    assert (attempt.attempt_id, attempt.job, attempt.attempt) == (attempt_id(3), 3, 1)
    assert (attempt.worker, attempt.stint, attempt.status) == ("w2", 1, "leased")
    assert (attempt.leased_at, attempt.ended_at, attempt.final) == (1005.0, None, False)


def test_a_result_is_read_as_it_was_written(ledger):
    ledger.lease(leases(0))
    ledger.record([full_result()], finals(result(0)))

    assert list(ledger.results()) == [full_result()]


def test_a_result_that_is_told_twice_counts_once(ledger):
    ledger.lease(leases(0, 1))

    assert ledger.record([result(0), result(0)], finals(result(0))) == {attempt_id(0)}
    assert ledger.record([result(0), result(1)], finals(result(1))) == {attempt_id(1)}
    assert ledger.counts().done == {"passed": 2}


@pytest.mark.parametrize("stranger", [f"{RUN}-7-1", "00000000-0-1", f"{RUN}-0", f"{RUN}-x-1", f"{RUN}-0-2", ""])
def test_a_result_of_an_attempt_that_was_not_leased_changes_nothing(ledger, stranger):
    ledger.lease(leases(0))
    told = result(0).__class__(attempt_id=stranger, job=0, scenario="greet")

    assert ledger.record([told], {stranger}) == frozenset()
    assert statuses(ledger) == {attempt_id(0): "leased"}


def test_a_result_that_names_another_job_than_its_attempt_changes_nothing(ledger):
    ledger.lease(leases(0, 1))
    told = result(0).__class__(attempt_id=attempt_id(1), job=0, scenario="greet")

    assert ledger.record([told], {attempt_id(1)}) == frozenset()


def test_a_job_that_is_under_way_can_not_be_leased(ledger):
    ledger.lease(leases(0))

    with pytest.raises(LocalMisuse, match=f"{attempt_id(0, 2)} .*under way"):
        ledger.lease([*leases(5), *leases(0, attempt=2)])
    assert statuses(ledger) == {attempt_id(0): "leased"}, "nothing of a refused batch stays"
    assert ledger.counts().waiting == 0


def test_a_job_with_a_final_result_can_not_be_leased(ledger):
    ledger.lease(leases(0))
    ledger.record([result(0)], finals(result(0)))

    with pytest.raises(LocalMisuse, match="final result"):
        ledger.lease(leases(0, attempt=2))
    with pytest.raises(LocalMisuse, match="final result"):
        ledger.lease(leases(0))


def test_a_retry_is_an_attempt_of_its_own(ledger):
    ledger.lease(leases(0))
    ledger.record([broken(0)], set())
    ledger.lease(leases(0, attempt=2, worker="w2"))
    ledger.record([result(0, 2, worker="w2")], {attempt_id(0, 2)})

    assert [each.final for each in ledger.attempts()] == [False, True]
    assert [each.status for each in ledger.of_job(0)] == ["error", "passed"]
    assert list(ledger.results()) == [result(0, 2, worker="w2")]
    assert list(ledger.results(final_only=False)) == [broken(0), result(0, 2, worker="w2")]
    counts = ledger.counts()
    assert (counts.done, counts.attempts, counts.retried, counts.errors) == ({"passed": 1}, 2, 1, {"connection": 1})


def test_a_returned_attempt_is_no_try_and_its_number_is_leased_again(ledger, reopened):
    ledger.lease(leases(0))
    ledger.returned([attempt_id(0)])
    assert ledger.counts().waiting == 1
    ledger.lease(leases(0, worker="w2"))

    (attempt,) = ledger.attempts()
    assert (attempt.worker, attempt.status, attempt.ended_at) == ("w2", "leased", None)


def test_a_result_can_not_be_returned(ledger):
    ledger.lease(leases(0))
    ledger.record([result(0)], set())
    ledger.returned([attempt_id(0)])

    assert statuses(ledger) == {attempt_id(0): "passed"}


def test_a_result_of_a_returned_attempt_changes_nothing(ledger):
    ledger.lease(leases(0))
    ledger.returned([attempt_id(0)])

    assert ledger.record([result(0)], finals(result(0))) == frozenset()


def test_a_stopped_result_can_not_be_final(ledger):
    ledger.lease(leases(0, 1))

    with pytest.raises(LocalMisuse, match="--resume"):
        ledger.record([result(1), result(0, status="stopped")], {attempt_id(0), attempt_id(1)})
    assert set(statuses(ledger).values()) == {"leased"}


def test_a_grant_must_be_named_by_its_run_job_and_attempt(ledger):
    other = grant(0).__class__(attempt_id=attempt_id(1), job=Job(number=0, scenario="greet", index=0))

    with pytest.raises(LocalMisuse, match="names another job"):
        ledger.lease([(other, "w1")])
    with pytest.raises(LocalMisuse, match="no attempt of run"):
        ledger.lease([(grant(0).__class__(attempt_id="a-0-1", job=other.job), "w1")])


def test_values_that_are_no_text_are_made_to_fit(ledger, reopened):
    ledger.lease([(grant(0, said="half \ud800 of a pair", many=10**30), "w\udcff1")])

    _, resumed = reopened(ledger)
    assert resumed.waiting[0].job.values == {"said": "half ? of a pair", "many": 2**63 - 1}
    assert resumed.lost[0].worker == "w?1"


# --- what an attempt took that was given up ------------------------------------------------------------------------


def give_up(ledger):
    ledger.lease(leases(0))
    ledger.record([result(0, status="lost", error_kind="worker", error="cut off")], set())


def test_a_session_that_is_told_after_it_was_given_up_stays_lost_and_what_it_took_counts(ledger):
    give_up(ledger)
    told = full_result()

    assert ledger.record([told, told], finals(told)) == frozenset()
    (kept,) = ledger.of_job(0)
    assert (kept.status, kept.tokens, kept.cost_usd, kept.session_id) == ("lost", 100, 0.0125, "sess_1")
    assert [(each.kind, each.text.split()[0]) for each in ledger.notes()] == [("late", attempt_id(0))]
    assert ledger.counts().tokens == 100


def test_what_is_told_late_in_the_same_call_counts_too(ledger):
    ledger.lease(leases(0))

    ended = ledger.record([result(0, status="lost"), full_result(0)], set())

    assert ended == {attempt_id(0)}
    assert (ledger.counts().tokens, ledger.counts().attempts) == (100, 1)
    assert [note.kind for note in ledger.notes()] == ["late"]


def test_a_session_that_nobody_saw_begin_began_when_it_was_leased(ledger, clock):
    clock.now = 1234.5
    ledger.lease(leases(0))
    clock.now = 1300.0

    ledger.record([result(0, status="lost", began_at=0.0)], {attempt_id(0)})

    assert [each.began_at for each in ledger.results()] == [1234.5]


@pytest.mark.parametrize("none", [math.nan, math.inf, -math.inf])
def test_figures_that_are_no_numbers_are_not_known_or_nothing(ledger, none):
    ledger.lease(leases(0))
    use = ToolUse(name="clock", at_ms=none, duration_ms=none)
    told = result(
        0,
        duration_ms=none,
        cost_usd=none,
        turns=(TurnResult(number=1, tools=(use,)),),
        spans=(Span(lane="mark", at_ms=none, until_ms=none),),
    )

    ledger.record([told], {attempt_id(0)})
    ledger.sample([Sample(name="lag_ms", value=none), Sample(name="lag_ms", value=1.0)])

    (read,) = ledger.results()
    assert (read.duration_ms, read.cost_usd, read.spans[0].at_ms) == (0.0, None, 0.0)
    assert read.turns[0].tools == (ToolUse(name="clock"),)
    assert [each.value for each in ledger.samples()] == [1.0]


def test_why_a_stretch_ended_may_be_any_text(ledger, folder):
    ledger.finish("closed: \ud800")

    assert Ledger.open(folder, write=False).stints()[0].why == "closed: ?"


def test_a_session_that_never_began_adds_nothing_to_one_that_was_given_up(ledger):
    give_up(ledger)
    ledger.record([broken(0)], set())

    assert ledger.notes() == ()


# --- resumed -------------------------------------------------------------------------------------------------------


def test_what_the_last_minute_took_is_told(ledger, reopened, clock):
    ledger.lease(leases(0, 1, 2))
    for number, pause_s in ((0, 50.0), (1, 20.0), (2, 5.0)):
        ledger.record([result(number, tokens=100 + number)], {attempt_id(number)})
        clock.now += pause_s

    _, resumed = reopened(ledger)
    assert resumed.lately == ((25.0, 101), (5.0, 102))


def test_what_was_under_way_when_the_run_was_killed_is_lost_and_told(ledger, reopened, clock):
    ledger.lease([*leases(0, 1), *leases(2, worker="w2", scenario="order", index=0)])
    ledger.record([result(0)], finals(result(0)))
    clock.now = 2000.0

    ledger, resumed = reopened(ledger)

    assert [(each.attempt_id, each.status, each.worker) for each in resumed.lost] == [
        (attempt_id(1), "lost", "w1"),
        (attempt_id(2), "lost", "w2"),
    ]
    assert [(each.job.number, each.attempts, each.tries) for each in resumed.waiting] == [(1, 1, 1), (2, 1, 1)]
    assert [each.last for each in resumed.waiting] == list(resumed.lost)
    assert (resumed.next_index, resumed.done) == ({"greet": 2, "order": 1}, {"greet": 1})
    assert resumed.counts == ledger.counts()
    assert (resumed.counts.under_way, resumed.counts.waiting) == (0, 2)
    assert [each.text for each in ledger.notes()] == [
        "2 attempts were under way when the run was killed: ended as lost"
    ]
    assert (resumed.lost[0].began_at, resumed.lost[0].error_kind) == (1000.0, "worker")


def test_a_killed_resumption_tells_the_same_jobs_again(ledger, reopened):
    ledger.lease(leases(0))
    ledger, first = reopened(ledger)
    ledger, second = reopened(ledger)

    assert (second.stint, second.lost) == (3, ())
    assert second.waiting == first.waiting


def test_a_waiting_job_has_its_values_its_last_try_and_how_many_counted(ledger, reopened):
    ledger.lease([(grant(0, voice="ash", level=3), "w1")])
    ledger.record([broken(0)], set())
    ledger.lease([(grant(0, 2, voice="ash", level=3), "w1")])
    ledger.record([result(0, 2, "stopped")], set())

    _, resumed = reopened(ledger)

    (waiting,) = resumed.waiting
    assert waiting.job == Job(number=0, scenario="greet", index=0, values={"voice": "ash", "level": 3})
    assert (waiting.attempts, waiting.tries, waiting.last) == (2, 1, result(0, 2, "stopped"))


def test_a_job_whose_only_attempt_was_returned_waits_untried(ledger, reopened):
    ledger.lease(leases(0))
    ledger.returned([attempt_id(0)])

    ledger, resumed = reopened(ledger)

    (waiting,) = resumed.waiting
    assert (waiting.attempts, waiting.tries, waiting.last) == (0, 0, None)
    ledger.lease(leases(0))


def test_a_waiting_job_that_is_not_tried_again_is_settled(ledger, reopened):
    ledger.lease(leases(0))
    ledger, resumed = reopened(ledger)
    ledger.settle([each.last.attempt_id for each in resumed.waiting])

    assert ledger.counts().done == {"lost": 1}
    _, again = reopened(ledger)
    assert again.waiting == ()


@pytest.mark.parametrize("state", ["leased", "returned", "stopped", "final", "retried"])
def test_what_can_not_be_settled(ledger, state):
    ledger.lease(leases(0))
    if state == "returned":
        ledger.returned([attempt_id(0)])
    if state == "stopped":
        ledger.record([result(0, status="stopped")], set())
    if state == "final":
        ledger.record([result(0)], finals(result(0)))
    if state == "retried":
        ledger.record([broken(0)], set())
        ledger.lease(leases(0, attempt=2))

    with pytest.raises(LocalMisuse, match="can't be made final"):
        ledger.settle([attempt_id(0)])


def test_a_run_is_as_long_as_its_stretches_together(ledger, reopened, clock):
    clock.now += 30
    ledger.note("told", "something")
    clock.now += 1000  # dead
    ledger, resumed = reopened(ledger)
    assert resumed.counts.elapsed_s == 30
    clock.now += 12
    ledger.finish("all jobs are done")

    stints = Ledger.open(ledger.folder, write=False).stints()
    assert [(each.number, each.last_at - each.began_at, each.why) for each in stints] == [
        (1, 30, ""),
        (2, 12, "all jobs are done"),
    ]


# --- together ------------------------------------------------------------------------------------------------------


def test_what_is_written_together_is_there_as_a_whole(ledger, folder):
    ledger.lease(leases(0))
    with ledger.together():
        ledger.record([result(0)], finals(result(0)))
        ledger.lease(leases(1))
        ledger.note("told", "both")
        assert ledger.counts().done == {}, "a reader sees nothing of it yet"

    assert (ledger.counts().done, ledger.counts().under_way, len(ledger.notes())) == ({"passed": 1}, 1, 1)


def test_what_fails_together_leaves_nothing(ledger):
    ledger.lease(leases(0))

    def write_together():
        with ledger.together():
            ledger.record([broken(0)], set())
            ledger.lease(leases(1, attempt=2))
            ledger.lease(leases(1))

    with pytest.raises(LocalMisuse, match="under way"):
        write_together()
    assert statuses(ledger) == {attempt_id(0): "leased"}
    ledger.record([result(0)], finals(result(0)))
    assert ledger.counts().done == {"passed": 1}


def test_a_part_that_was_refused_leaves_the_others(ledger):
    with ledger.together():
        ledger.lease(leases(0))
        with pytest.raises(LocalMisuse, match="under way"):
            ledger.lease([*leases(1), *leases(0, attempt=2)])
        ledger.lease(leases(2))

    assert set(statuses(ledger)) == {attempt_id(0), attempt_id(2)}


def test_what_is_written_together_can_not_be_divided(ledger):
    with pytest.raises(LocalMisuse, match="inner block"), ledger.together(), ledger.together():
        raise AssertionError

    ledger.note("still", "there")


# --- order of calls ------------------------------------------------------------------------------------------------


def test_nothing_is_written_before_the_stretch_begins_or_after_the_end(folder):
    ledger = Ledger.create(folder, PLAN, run_id=RUN)
    with pytest.raises(LocalMisuse, match="begin_session first"):
        ledger.lease(leases(0))
    ledger.begin_session()
    with pytest.raises(LocalMisuse, match="once"):
        ledger.begin_session()
    ledger.finish("done")
    ledger.close()
    with pytest.raises(LocalMisuse, match="closed"):
        ledger.note("late", "word")
    with pytest.raises(LocalMisuse, match="opened to read"):
        Ledger.open(folder, write=False).begin_session()


def test_any_thread_may_call(ledger):
    def work():
        ledger.lease(leases(0))
        ledger.record([result(0)], finals(result(0)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert ledger.counts().done == {"passed": 1}


def test_nothing_to_write_is_fine(ledger):
    ledger.lease([])
    ledger.sample([])
    assert ledger.record([], set()) == frozenset()


# --- read ----------------------------------------------------------------------------------------------------------


def test_results_come_by_job_whatever_the_order_of_their_ends(ledger):
    ledger.lease(leases(0, 1, 2))
    ledger.lease(leases(3, scenario="order", index=0))
    ledger.record([full_result(2), result(3, scenario="order")], finals(result(2), result(3)))
    ledger.record([full_result(0), result(1)], finals(result(0)))

    assert [each.job for each in ledger.results()] == [0, 2, 3]
    assert [len(each.turns) for each in ledger.results()] == [2, 2, 0]
    assert [each.job for each in ledger.results(scenario="order")] == [3]
    assert [each.job for each in ledger.results(final_only=False)] == [0, 1, 2, 3]


def test_a_reader_sees_one_state_while_the_run_goes_on(ledger, folder):
    ledger.lease(leases(0, 1))
    ledger.record([result(0)], finals(result(0)))

    results = Ledger.open(folder, write=False).results()
    first = next(results)
    ledger.record([result(1)], finals(result(1)))

    assert [first, *results] == [result(0)]
    assert [each.job for each in ledger.results()] == [0, 1]


def test_figures_are_those_of_final_results(ledger):
    ledger.lease([*leases(0, 1), *leases(2, scenario="order", index=0)])
    ledger.record([full_result(0), full_result(2, scenario="order"), broken(1)], finals(result(0), result(2)))

    assert ledger.figures().count("sessions") == 2
    assert ledger.figures("order").count("time_to_first_audio") == 1
    assert ledger.figures(tag="money").count("sessions") == 1
    assert ledger.figures(tag="unknown").count("sessions") == 0
    assert ledger.figures("greet", "money").count("sessions") == 0
    assert ledger.figures().mean("check_rate") == 0.5


def test_figures_know_what_came_since(ledger, folder):
    reader = Ledger.open(folder, write=False)
    for number in range(3):
        ledger.lease(leases(number))
        ledger.record([full_result(number)], finals(result(number)))
        assert reader.figures().count("sessions") == ledger.figures("greet").count("sessions") == number + 1
    ledger.figures().merge(ledger.figures())
    assert ledger.figures().count("sessions") == 3, "what was handed out is not what is kept"


def test_a_reader_of_figures_has_what_was_final_when_it_was_made_and_gives_up_when_told(ledger):
    ledger.lease(leases(0, 1, 2))
    ledger.record(early := [result(0), result(1)], finals(*early))
    reader, other = ledger.figures_reader(), ledger.figures_reader()
    ledger.record([result(2)], finals(result(2)))
    figures = reader.read()
    assert figures.count("sessions") == 2
    other.give_up()
    assert other.read() is None


def test_figures_have_what_was_told_late(ledger):
    give_up(ledger)
    ledger.settle([attempt_id(0)])
    assert ledger.figures().total("tokens") == 0
    ledger.record([full_result(0)], set())

    assert ledger.figures().total("tokens") == 100


def test_counts_add_up_over_all_tries(ledger):
    ledger.lease(leases(0, 1, 2, 3))
    ledger.record([full_result(0), broken(1, tokens=7), full_result(2, status="failed")], finals(result(0), result(2)))

    counts = ledger.counts()
    assert (counts.done, counts.waiting, counts.under_way) == ({"passed": 1, "failed": 1}, 1, 1)
    assert (counts.tokens, counts.cost_usd, counts.unpriced, counts.kept_bytes) == (207, 0.025, 1, 10600)


def test_a_row_of_the_sessions_table_is_flat(ledger):
    ledger.lease([(grant(0, voice="ash"), "w1")])
    ledger.record([full_result(0)], finals(result(0)))

    (row,) = ledger.sessions_table()
    assert (row["job"], row["turns"], row["attempts"], row["expected"], row["held"]) == (0, 2, 1, 2, 1)
    assert (row["values_json"], row["files_bytes"], row["status"]) == ('{"voice":"ash"}', 5300, "passed")


def test_notes_and_samples_have_their_time(ledger, clock):
    ledger.note("policy", "rate limited")
    clock.now += 5
    ledger.sample([Sample(name="memory_bytes", value=1e6, worker="w1"), Sample(name="active", value=3)])

    (note,) = ledger.notes()
    assert (note.at, note.kind, note.text) == (1000.0, "policy", "rate limited")
    assert list(ledger.samples()) == [
        Sample(name="memory_bytes", value=1e6, worker="w1", at=1005.0),
        Sample(name="active", value=3.0, at=1005.0),
    ]
