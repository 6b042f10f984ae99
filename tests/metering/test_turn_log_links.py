"""The turn log when a connection goes: what ran on it is lost, and what it answered is still the same turn."""

import pytest
from metered import (
    ask,
    audio,
    call,
    cancel,
    cancelled,
    commit,
    committed,
    created,
    done,
    idle,
    item_done,
    log_of,
    placed,
    play,
    response,
    result,
    server,
    session,
    speech_started,
    speech_stopped,
    typed,
    usage,
)

from engine.config.asked import METADATA_ID_KEY
from engine.metering.records import Latency
from engine.metering.turn_log import TurnLog
from engine.wire.client import ResponseCancel, ResponseCreate
from engine.wire.session import ResponseSettings

HEARD = ((1.0, speech_started("a")), (2.0, speech_stopped("a")), (2.0, committed("a")))
ANSWERING = (*HEARD, (2.5, created("r1")))


def after_loss(*steps, at=6.0):
    """Give the log of a talk whose connection went then."""
    log = log_of(*steps)
    log.link_ended(at)
    return log


def told(log):
    return [(turn.began, turn.asked_at, [one.status for one in turn.responses]) for turn in log.turns]


def asked_by_itself(name="e1"):
    return ResponseCreate(response=ResponseSettings(metadata={METADATA_ID_KEY: name}))


def created_by_itself(response_id, name="e1"):
    return server("response.created", response=response(response_id, metadata={METADATA_ID_KEY: name}))


# --- what was cut off -------------------------------------------------------------------------------------------------


def test_an_answer_that_is_asked_for_again_is_of_the_same_turn():
    log = after_loss(*ANSWERING)
    play(log, (8.0, ask), (8.5, created("r2")), (9.0, audio("r2")), (9.5, done("r2", usage=usage(in_audio=7))))
    (turn,) = log.turns

    assert told(log) == [("speech", 2.0, ["lost", "completed"])]
    assert (turn.responses[0].done_at, turn.response_end_at, turn.stop_reason) == (6.0, 9.5, "complete")
    assert turn.time_to_first_audio_ms == 7000, "from the end of the user's speech"
    assert turn.tokens.input == log.totals.tokens.input == 7
    assert (log.totals.responses, log.totals.interruptions) == ({"lost": 1, "completed": 1}, 0)
    assert log.totals.time_to_first_audio == Latency(count=1, total_ms=7000, max_ms=7000)


def test_an_answer_that_is_cut_off_twice_is_one_turn_still():
    log = after_loss(*ANSWERING)
    play(log, (8.0, ask), (8.5, created("r2")))
    log.link_ended(9.0)
    play(log, (10.0, ask), (10.5, created("r3")), (11.0, done("r3")))

    assert told(log) == [("speech", 2.0, ["lost", "lost", "completed"])]


def test_an_answer_whose_request_is_lost_too_is_one_turn_still():
    log = after_loss(*ANSWERING)
    play(log, (8.0, ask))
    log.link_ended(9.0)
    play(log, (10.0, ask), (10.5, created("r3")), (11.0, done("r3")))

    assert told(log) == [("speech", 2.0, ["lost", "completed"])]


def test_what_the_old_connection_still_says_of_it_changes_nothing():
    log = after_loss(*ANSWERING)
    play(log, (6.5, audio("r1")), (6.5, done("r1")))

    assert told(log) == [("speech", 2.0, ["lost"])]
    assert log.turns[0].first_audio_at is None


def test_the_answer_to_a_tools_result_that_is_cut_off_is_of_the_same_turn():
    log = after_loss(
        *ANSWERING,
        (3.0, item_done("r1", call("c1"))),
        (3.5, done("r1")),
        (4.0, result("c1")),
        (4.0, ask),
        (5.0, created("r2")),
    )
    play(log, (8.0, ask), (8.5, created("r3")), (9.0, done("r3")))

    assert told(log) == [("speech", 2.0, ["completed", "lost", "completed"])]


@pytest.mark.parametrize("result_at", [4.0, 7.0])
def test_the_result_of_a_call_of_a_response_that_is_cut_off_is_answered_in_its_turn(result_at):
    log = log_of(*ANSWERING, (3.0, item_done("r1", call("c1"))))
    for at, step in sorted(((6.0, None), (result_at, result("c1")))):
        log.link_ended(at) if step is None else play(log, (at, step))
    play(log, (8.0, ask), (8.5, created("r2")), (9.0, done("r2")))

    assert told(log) == [("speech", 2.0, ["lost", "completed"])]
    assert log.turns[0].tools[0].answered_at == result_at


def test_a_result_of_an_older_turn_does_not_take_the_answer_away_from_the_newer_one():
    log = log_of(*ANSWERING, (3.0, item_done("r1", call("c1"))), (3.5, done("r1")))
    play(log, (4.0, typed()), (4.0, ask), (4.5, created("r2")), (5.0, result("c1")))
    log.link_ended(6.0)
    play(log, (8.0, ask), (8.5, created("r3")))

    assert told(log) == [("speech", 2.0, ["completed"]), ("text", 4.0, ["lost", "in_progress"])]


def test_a_turn_that_was_forgotten_meanwhile_goes_on_as_another():
    log = play(TurnLog(max_turns=1), *ANSWERING)
    log.link_ended(6.0)
    play(log, (7.0, idle("z")), (7.5, done("r9", aside=True)), (8.0, created("r2")))
    assert told(log) == [("idle", 7.0, ["in_progress"])], "silence is newer"

    log = play(TurnLog(max_turns=1), *ANSWERING)
    log.link_ended(6.0)
    play(log, (7.0, speech_started("b")), (8.0, created("r2")))
    assert told(log) == [("speech", 2.0, ["in_progress"])]


def test_an_answer_whose_turn_is_forgotten_before_it_is_cut_off_is_no_more_than_counted():
    log = play(TurnLog(max_turns=1), *ANSWERING, (3.0, speech_started("b")))
    log.link_ended(6.0)

    assert told(log) == [("speech", None, [])]


# --- what had not begun -----------------------------------------------------------------------------------------------


def test_a_spoken_turn_whose_answer_had_not_begun_waits_on_the_next_connection():
    log = after_loss(*HEARD)
    play(log, (8.0, ask), (8.5, created("r1")), (9.0, audio("r1")))

    assert told(log) == [("speech", 2.0, ["in_progress"])]
    assert log.turns[0].time_to_first_audio_ms == 7000


def test_a_typed_turn_whose_answer_had_not_begun_waits_with_its_item_told_once():
    log = after_loss((1.0, typed()), (1.0, placed("t1")), (1.0, ask))
    play(log, (8.0, placed("t1")), (8.0, ask), (8.5, created("r1")))

    assert told(log) == [("text", 1.0, ["in_progress"])]
    assert log.turns[0].input_item_ids == ("t1",)


def test_a_bare_request_counts_from_the_first_one_and_is_no_other_than_that():
    again = after_loss((1.0, ask))
    play(again, (8.0, ask), (8.5, created("r1")), (9.0, done("r1")), (20.0, ask), (21.0, created("r2")))
    assert told(again) == [("request", 1.0, ["completed"]), ("request", 20.0, ["in_progress"])]

    twice = after_loss((1.0, ask))
    twice.link_ended(7.0)
    play(twice, (8.0, ask), (8.5, created("r1")))
    assert told(twice) == [("request", 1.0, ["in_progress"])]


@pytest.mark.parametrize(("name", "at"), [("e1", 1.0), ("e2", 8.0)])
def test_a_request_by_itself_is_known_by_its_name(name, at):
    log = after_loss((1.0, asked_by_itself("e1")))
    play(log, (8.0, asked_by_itself(name)), (8.5, created_by_itself("r1", name)))

    assert told(log) == [("request", at, ["in_progress"])]


def test_an_answer_that_nobody_asked_the_next_connection_for_is_the_services_own():
    for before in ((1.0, ask), (1.0, speech_started("a"))):
        log = after_loss(before)
        play(log, (8.5, created("r1")))

        assert told(log)[-1] == ("service", 8.5, ["in_progress"])
        assert len(log.turns[-1].responses) == 1


# --- what is not asked for again --------------------------------------------------------------------------------------


def test_an_answer_that_the_user_cut_in_on_is_interrupted_and_not_waited_for():
    log = after_loss((0.5, cancel), *ANSWERING, (4.0, speech_started("b")))
    log.interruption_delivered(4.0, 4.25)
    play(log, (8.0, ask), (8.5, created("r2")))

    assert told(log) == [("speech", 2.0, ["lost"]), ("speech", None, []), ("request", 8.0, ["in_progress"])]
    assert (log.turns[0].interrupted_at, log.turns[0].interruption_latency_ms) == (4.0, 250)
    assert log.totals.interruptions == 1


def test_one_that_the_user_may_not_cut_in_on_is_asked_for_again():
    log = after_loss((0.0, session(interrupt_response=False)), *ANSWERING, (4.0, speech_started("b")))
    play(log, (8.0, ask), (8.5, created("r2")))

    assert told(log) == [("speech", 2.0, ["lost", "in_progress"]), ("speech", None, [])]
    assert log.totals.interruptions == 0


@pytest.mark.parametrize("by", [cancel, ResponseCancel(response_id="r1")])
def test_one_that_was_cancelled_is_not_waited_for(by):
    log = after_loss(*ANSWERING, (4.0, by))
    play(log, (8.0, ask), (8.5, created("r2")))

    assert told(log) == [("speech", 2.0, ["lost"]), ("request", 8.0, ["in_progress"])]
    assert log.turns[0].interrupted_at == 4.0


def test_a_cancel_of_another_one_changes_nothing():
    log = after_loss(*ANSWERING, (4.0, ResponseCancel(response_id="side")))
    play(log, (8.0, ask), (8.5, created("r2")))

    assert told(log) == [("speech", 2.0, ["lost", "in_progress"])]
    assert log.totals.interruptions == 0


def test_one_that_had_ended_is_not_waited_for():
    for end in (done("r1"), cancelled("r1")):
        log = after_loss(*ANSWERING, (4.0, end))
        play(log, (8.0, ask), (8.5, created("r2")))

        assert [turn[0] for turn in told(log)] == ["speech", "request"]


def test_one_that_was_asked_for_by_itself_ends():
    log = after_loss((1.0, asked_by_itself()), (1.5, created_by_itself("r1")))
    play(log, (8.0, ask), (8.5, created("r2")))

    assert told(log) == [("request", 1.0, ["lost"]), ("request", 8.0, ["in_progress"])]


def test_the_end_of_another_one_changes_nothing():
    log = after_loss(*ANSWERING, (3.0, created("side", aside=True)), (4.0, done("side", aside=True)))
    play(log, (8.0, ask), (8.5, created("r2")))

    assert told(log) == [("speech", 2.0, ["lost", "in_progress"])]


def test_one_outside_the_conversation_ends():
    log = after_loss(*HEARD, (2.5, created("side", aside=True)))
    play(log, (8.0, ask), (8.5, created("r2")))

    assert [one.status for one in log.aside] == ["lost"]
    assert told(log) == [("speech", 2.0, ["in_progress"])]


# --- one answer to several --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [4.0, 7.0])
def test_text_before_it_is_asked_for_again_is_answered_too_and_counts(at):
    log = log_of(*ANSWERING)
    for when, step in sorted(((6.0, None), (at, typed()))):
        log.link_ended(when) if step is None else play(log, (when, step))
    play(log, (8.0, ask), (8.5, created("r2")))

    assert told(log) == [("speech", 2.0, ["lost"]), ("text", at, ["in_progress"])]


def test_text_after_speech_that_had_no_answer_yet_is_answered_with_it_and_counts():
    log = after_loss(*HEARD, (3.0, typed()))
    play(log, (8.0, ask), (8.5, created("r1")), (9.0, done("r1")), (10.0, ask), (11.0, created("r2")))

    assert [turn[:2] for turn in told(log)] == [("speech", 2.0), ("text", 3.0), ("request", 10.0)]


def test_text_after_it_was_asked_for_again_waits_for_an_answer_of_its_own():
    log = after_loss(*ANSWERING)
    play(log, (8.0, ask), (8.2, typed()), (8.5, created("r2")), (9.0, done("r2")), (9.0, ask), (9.5, created("r3")))

    assert told(log) == [("speech", 2.0, ["lost", "completed"]), ("text", 8.2, ["in_progress"])]


def test_text_before_the_speech_that_waits_is_answered_with_it():
    log = after_loss((0.5, typed()), (0.6, speech_stopped("a")), (0.6, committed("a")))
    play(log, (8.0, ask), (8.5, created("r1")), (9.0, done("r1")), (10.0, ask), (11.0, created("r2")))

    assert [turn[0] for turn in told(log)] == ["speech", "request"]


def test_the_newest_of_what_waits_is_what_the_answer_counts_for():
    log = log_of((0.0, session(interrupt_response=False)), *ANSWERING)
    play(log, (3.0, speech_started("b")), (4.0, speech_stopped("b")), (4.0, committed("b")))
    log.link_ended(6.0)
    play(log, (8.0, ask), (8.5, created("r2")))

    assert told(log) == [("speech", 2.0, ["lost"]), ("speech", 4.0, ["in_progress"])]


def test_what_is_said_on_the_next_connection_is_answered_before_what_is_owed():
    log = after_loss(*ANSWERING)
    play(log, (8.0, speech_started("b", 5000)), (9.0, speech_stopped("b")), (9.0, committed("b")), (9.5, created("r2")))

    assert told(log) == [("speech", 2.0, ["lost"]), ("speech", 9.0, ["in_progress"])]


# --- speech that is sent again ----------------------------------------------------------------------------------------


def test_speech_that_is_heard_anew_is_one_turn_from_its_first_beginning():
    log = after_loss((1.0, speech_started("a", 900)), at=3.0)
    play(log, (5.0, speech_started("b", 40)), (5.5, speech_stopped("b", 2000)), (5.5, committed("b")))
    play(log, (6.0, created("r1")), (6.0, audio("r1")))
    (turn,) = log.turns

    assert (turn.began_at, turn.speech_start_at, turn.speech_end_at, turn.asked_at) == (1.0, 1.0, 5.5, 5.5)
    assert (turn.audio_start_ms, turn.audio_end_ms) == (40, 2000), "on the connection that heard its end"
    assert (turn.input_item_ids, turn.response_ids) == (("a", "b"), ("r1",))
    assert turn.time_to_first_audio_ms == 500


def test_speech_that_had_ended_and_was_no_item_counts_from_its_first_end():
    log = after_loss((1.0, speech_started("a")), (2.0, speech_stopped("a")), at=2.5)
    play(log, (5.0, speech_started("b")), (5.5, speech_stopped("b")), (5.5, committed("b")), (6.0, created("r1")))
    (turn,) = log.turns

    assert (turn.asked_at, turn.speech_end_at, turn.response_ids) == (2.0, 5.5, ("r1",))


@pytest.mark.parametrize("first", [speech_stopped("b"), committed("b")])
def test_speech_of_whose_new_beginning_nothing_is_told_is_the_same_turn(first):
    log = after_loss((2.0, speech_stopped("a")), at=2.5)
    play(log, (5.0, first), (6.0, created("r1")))

    assert told(log) == [("speech", 2.0, ["in_progress"])]


def test_speech_that_is_torn_twice_is_one_turn():
    log = after_loss((1.0, speech_started("a")), at=2.0)
    log.link_ended(3.0)
    play(log, (5.0, speech_started("b")))
    log.link_ended(6.0)
    play(log, (7.0, speech_started("c")), (8.0, speech_stopped("c")), (8.0, committed("c")), (8.5, created("r1")))

    assert told(log) == [("speech", 8.0, ["in_progress"])]
    assert log.turns[0].input_item_ids == ("a", "b", "c")


@pytest.mark.parametrize(
    "since",
    [
        server("input_audio_buffer.cleared"),
        idle("z"),
        speech_started("other", 2001),
    ],
)
def test_other_speech_is_a_turn_of_its_own(since):
    log = after_loss((1.0, speech_started("a")), at=2.0)
    play(log, (5.0, since), (9.0, speech_started("b", 40)))

    assert log.turns[0].input_item_ids == ("a",)
    assert log.turns[-1].input_item_ids == ("b",)


@pytest.mark.parametrize("end", [committed("a"), server("input_audio_buffer.cleared")])
def test_speech_that_became_an_item_or_was_thrown_away_is_not_heard_anew(end):
    log = after_loss((1.0, speech_started("a")), (2.0, end), at=2.5)
    play(log, (5.0, speech_started("b", 40)))

    assert [turn.input_item_ids for turn in log.turns] == [("a",), ("b",)]


def test_a_commit_of_other_speech_leaves_that_which_is_being_said():
    log = after_loss((1.0, speech_started("a")), (1.5, speech_started("b")), (1.6, committed("a")), at=2.0)
    play(log, (5.0, speech_started("c")))

    assert [turn.input_item_ids for turn in log.turns] == [("a",), ("b", "c")]


def test_a_turn_that_has_an_answer_is_not_spoken_anew():
    log = after_loss((1.0, speech_started("a")), (1.5, created("r1")), (1.8, done("r1")), at=2.0)
    play(log, (5.0, speech_started("b")))

    assert [turn.input_item_ids for turn in log.turns] == [("a",), ("b",)]


def test_a_turn_that_is_ended_by_hand_on_the_next_connection_counts_from_the_first_wish():
    log = after_loss((1.0, commit), at=2.0)
    play(log, (5.0, committed("b")), (5.0, ask), (6.0, created("r1")), (6.0, audio("r1")))

    assert told(log) == [("push_to_talk", 1.0, ["in_progress"])]


# --- in order ---------------------------------------------------------------------------------------------------------

TALK = (
    (*ANSWERING, (3.0, audio("r1")), (4.0, done("r1"))),
    ((10.0, typed()), (10.0, placed("t")), (10.0, ask), (10.5, created("r2")), (11.0, done("r2"))),
    ((20.0, ask), (20.5, created("r3")), (21.0, item_done("r3", call("c1"))), (21.5, done("r3")), (22.0, result("c1"))),
    ((22.0, ask), (22.5, created("r4")), (23.0, done("r4"))),
    ((30.0, speech_started("b")), (31.0, speech_stopped("b")), (31.0, committed("b")), (31.5, created("r5"))),
)


@pytest.mark.parametrize("after", range(len(TALK) - 1))
def test_a_renewal_while_nothing_is_under_way_changes_nothing(after):
    whole, moved = TurnLog(), TurnLog()
    for number, part in enumerate(TALK):
        play(whole, *part)
        play(moved, *part)
        if number == after:
            moved.link_ended(part[-1][0])

    assert moved.turns == whole.turns
    assert moved.totals == whole.totals
