"""The turn log: what a turn is, where its times come from, and that nothing on the wire can upset it."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from metered import (
    arguments_done,
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
    item_added,
    item_done,
    log_of,
    mcp_call,
    message,
    placed,
    play,
    result,
    server,
    session,
    speech_started,
    speech_stopped,
    text,
    transcribed,
    transcript,
    truncated,
    typed,
    usage,
)

from engine.errors import ConfigError
from engine.metering.records import Latency, TurnRecord
from engine.metering.tokens import Tokens
from engine.metering.turn_log import TurnLog
from engine.wire.client import ConversationItemCreate, ResponseCreate
from engine.wire.codec import decode_client, decode_server
from engine.wire.items import FunctionCallItem
from engine.wire.session import ResponseSettings

SPOKEN = (
    (1.0, speech_started("said", 900)),
    (3.0, speech_stopped("said", 2700)),
    (3.0, committed("said")),
    (3.25, created("r1")),
    (3.5, item_added("r1", message("answer"))),
    (3.5, transcript("r1")),
    (3.75, audio("r1")),
    (4.0, transcript("r1")),
    (4.0, audio("r1")),
    (5.0, done("r1", usage=usage(in_audio=20, out_audio=40))),
)


def only(log: TurnLog) -> TurnRecord:
    (turn,) = log.turns
    return turn


def begins(log: TurnLog) -> list[str]:
    return [turn.began for turn in log.turns]


# --- a spoken turn ------------------------------------------------------------------------------------------------


def test_a_spoken_turn_has_its_times_from_speech_to_the_answers_end():
    log = log_of(*SPOKEN)
    log.heard("answer", 4.5)
    log.heard("answer", 9.0)
    turn = only(log)

    assert (turn.number, turn.began, turn.began_at) == (1, "speech", 1.0)
    assert (turn.speech_start_at, turn.speech_end_at, turn.asked_at) == (1.0, 3.0, 3.0)
    assert (turn.audio_start_ms, turn.audio_end_ms) == (900, 2700)
    assert (turn.first_text_at, turn.first_audio_at, turn.first_audio_heard_at) == (3.5, 3.75, 4.5)
    assert (turn.response_end_at, turn.stop_reason, turn.response_ids) == (5.0, "complete", ("r1",))
    assert turn.item_ids == ("said", "answer")
    assert turn.tokens == Tokens(input_audio=20, output_audio=40)
    assert turn.time_to_first_text_ms == 500
    assert turn.time_to_first_audio_ms == 750
    assert turn.time_to_first_audio_heard_ms == 1500
    assert (turn.interrupted_at, turn.interruption_latency_ms, turn.tools) == (None, None, ())


def test_the_latencies_of_all_turns_are_summed_once_each():
    log = log_of(*SPOKEN, (9.0, speech_started("b")), (10.0, speech_stopped("b")), (10.5, created("r2")))
    play(log, (11.0, audio("r2")), (11.0, text("r2")))
    log.heard("answer", 4.0)
    totals = log.totals

    assert totals.time_to_first_audio == Latency(count=2, total_ms=1750, max_ms=1000)
    assert totals.time_to_first_audio.mean_ms == 875
    assert totals.time_to_first_text.count == 2
    assert totals.time_to_first_audio_heard == Latency(count=1, total_ms=1000, max_ms=1000)
    assert totals.interruption_latency.mean_ms is None


def test_a_turn_that_is_still_spoken_has_no_wait_yet():
    turn = only(log_of((1.0, speech_started())))

    assert (turn.asked_at, turn.stop_reason, turn.response_end_at) == (None, None, None)
    assert turn.time_to_first_audio_ms is None


def test_a_turn_without_an_answer_stays_in_the_log():
    log = log_of((1.0, speech_started("a")), (2.0, speech_stopped("a")), (5.0, speech_started("b")))

    assert [(turn.input_item_ids, turn.responses) for turn in log.turns] == [(("a",), ()), (("b",), ())]


def test_a_running_answer_has_no_end():
    turn = only(log_of(*SPOKEN[:-1]))

    assert (turn.response_end_at, turn.stop_reason) == (None, None)
    assert turn.responses[0].status == "in_progress"


def test_speech_whose_start_was_not_seen_counts_from_its_end():
    turn = only(log_of((2.0, speech_stopped("a")), (3.0, created("r1")), (3.0, audio("r1"))))

    assert (turn.began, turn.speech_start_at, turn.time_to_first_audio_ms) == ("speech", None, 1000)


def test_speech_of_which_only_the_commit_was_seen_counts_from_it():
    turn = only(log_of((2.0, committed("a")), (3.0, created("r1")), (3.0, audio("r1"))))

    assert (turn.began, turn.speech_end_at, turn.time_to_first_audio_ms) == ("speech", None, 1000)


def test_an_answer_while_the_user_is_heard_speaking_and_nothing_else_waits_is_that_turns():
    """The end of speech may be lost; an answer is never."""
    turn = only(log_of((1.0, speech_started("a")), (3.0, created("r1")), (3.0, audio("r1"))))

    assert (turn.response_ids, turn.time_to_first_audio_ms) == (("r1",), None)


def test_a_late_end_of_speech_does_not_make_the_turn_wait_for_another_answer():
    log = log_of((1.0, speech_started("a")), (2.0, created("r1")), (3.0, speech_stopped("a")), (3.0, committed("a")))
    play(log, (4.0, done("r1")), (5.0, ask), (6.0, created("r2")))

    assert [(turn.began, turn.response_ids) for turn in log.turns] == [("speech", ("r1",)), ("request", ("r2",))]


def test_speech_that_is_thrown_away_takes_no_answer():
    log = log_of((1.0, speech_started("a")), (2.0, server("input_audio_buffer.cleared")), (3.0, created("r1")))

    assert [(turn.began, turn.response_ids) for turn in log.turns] == [("speech", ()), ("service", ("r1",))]


# --- turns that begin otherwise -----------------------------------------------------------------------------------


def test_a_typed_turn_counts_from_its_text():
    log = log_of((1.0, typed()), (1.0, placed("typed_1")), (1.5, ask), (2.0, created("r1")), (2.25, text("r1")))
    turn = only(log)

    assert (turn.began, turn.began_at, turn.asked_at) == ("text", 1.0, 1.0)
    assert (turn.input_item_ids, turn.time_to_first_text_ms) == (("typed_1",), 1250)


def test_a_history_that_is_told_is_no_turn_and_a_question_at_its_end_is():
    greeting = log_of((0.0, typed()), (0.0, placed("a")), (0.0, typed("assistant")), (1.0, ask), (2.0, created("r1")))
    question = log_of((0.0, typed()), (0.0, typed("assistant")), (0.0, typed()), (1.0, ask), (2.0, created("r1")))

    assert [(turn.began, turn.began_at, turn.input_item_ids) for turn in greeting.turns] == [("request", 1.0, ())]
    assert begins(question) == ["text"]


def test_a_history_before_the_first_speech_does_not_make_that_a_typed_turn():
    log = log_of((0.0, typed()), (1.0, speech_started("a")), (2.0, speech_stopped("a")), (3.0, created("r1")))

    assert begins(log) == ["speech"]


def test_text_typed_just_after_speech_is_a_turn_of_its_own():
    """The service answers the speech by itself; the engine asks for another response to the text."""
    log = log_of((1.0, speech_started("a")), (2.0, speech_stopped("a")), (2.1, typed()), (2.2, created("r1")))
    play(log, (3.0, done("r1")), (3.0, ask), (3.2, created("r2")))

    assert [(turn.began, turn.response_ids) for turn in log.turns] == [("speech", ("r1",)), ("text", ("r2",))]


def test_text_typed_before_speech_ends_is_answered_with_it():
    log = log_of((1.0, speech_started("a")), (1.5, typed()), (2.0, speech_stopped("a")), (2.2, created("r1")))
    play(log, (3.0, done("r1")), (4.0, created("r2")))

    assert begins(log) == ["speech", "service"]


def test_where_the_service_does_not_answer_speech_the_newest_input_is_answered():
    log = log_of((0.0, session(create_response=False)), (1.0, speech_started("a")), (2.0, speech_stopped("a")))
    play(log, (9.0, typed()), (9.0, ask), (9.5, created("r1")))

    assert [(turn.began, turn.response_ids) for turn in log.turns] == [("speech", ()), ("text", ("r1",))]


def test_push_to_talk_counts_from_the_commit():
    turn = only(log_of((2.0, commit), (2.1, committed("a")), (2.2, ask), (2.5, created("r1")), (3.0, audio("r1"))))

    assert (turn.began, turn.asked_at, turn.time_to_first_audio_ms) == ("push_to_talk", 2.0, 1000)


def test_a_commit_by_hand_ends_what_the_service_hears_as_speech():
    turn = only(log_of((1.0, speech_started("a")), (2.0, commit), (2.1, committed("a")), (2.5, created("r1"))))

    assert (turn.began, turn.asked_at, turn.response_ids) == ("speech", 2.0, ("r1",))


def test_silence_that_the_service_answers_is_an_idle_turn():
    log = log_of((8.0, idle("z")), (8.0, committed("z")), (8.5, created("r1")), (9.0, audio("r1")), (9.5, idle("z")))
    turn = only(log)

    assert (turn.began, turn.audio_start_ms, turn.audio_end_ms) == ("idle", 5000, 11000)
    assert turn.time_to_first_audio_ms == 1000


def test_a_bare_request_begins_a_turn():
    turn = only(log_of((1.0, ask), (1.5, created("r1"))))

    assert (turn.began, turn.began_at) == ("request", 1.0)


def test_a_response_that_nobody_asked_for_begins_a_turn():
    turn = only(log_of((1.5, created("r1"))))

    assert (turn.began, turn.began_at) == ("service", 1.5)


# --- tools --------------------------------------------------------------------------------------------------------

CALLED = (
    *SPOKEN[:4],
    (3.3, item_added("r1", call("c1"))),
    (3.5, arguments_done("r1", "c1", name="weather")),
    (3.6, item_done("r1", call("c1"))),
)


def test_a_call_and_the_answer_after_its_result_are_one_turn():
    log = log_of(*CALLED, (3.75, result("c1")), (4.0, done("r1")), (4.0, ask), (4.25, created("r2")))
    play(log, (4.5, audio("r2")), (6.0, done("r2")))
    turn = only(log)

    (tool,) = turn.tools
    assert (tool.call_id, tool.name, tool.kind) == ("c1", "weather", "function")
    assert (tool.called_at, tool.answered_at, tool.duration_ms, tool.failed) == (3.5, 3.75, 250, False)
    assert [one.stop_reason for one in turn.responses] == ["tool_use", "complete"]
    assert (turn.time_to_first_audio_ms, turn.response_end_at, turn.stop_reason) == (1500, 6.0, "complete")
    assert log.totals.tool_calls == 1


def test_a_result_that_comes_after_the_talk_went_on_begins_a_turn():
    log = log_of(*CALLED, (4.0, done("r1")), (5.0, speech_started("b")), (6.0, speech_stopped("b")))
    play(log, (6.5, created("r2")), (7.0, done("r2")), (9.0, result("c1")), (9.0, ask), (9.5, created("r3")))

    assert [(turn.began, turn.response_ids) for turn in log.turns] == [
        ("speech", ("r1",)),
        ("speech", ("r2",)),
        ("tool", ("r3",)),
    ]
    assert log.turns[0].tools[0].answered_at == 9.0
    assert log.turns[2].began_at == 9.0


def test_a_call_that_only_the_finished_response_shows_is_in_the_log():
    turn = only(log_of((1.0, created("r1")), (2.0, done("r1", output=[call("c1")]))))

    assert [(tool.name, tool.called_at) for tool in turn.tools] == [("weather", 2.0)]
    assert turn.stop_reason == "tool_use"


def test_only_the_first_result_of_a_call_counts_and_that_of_an_unknown_call_not_at_all():
    log = log_of(*CALLED, (4.0, result("c1")), (5.0, result("c1")), (5.0, result("unknown")))

    assert only(log).tools[0].answered_at == 4.0


def test_an_mcp_call_is_timed_by_the_services_events():
    def progress(kind: str, item_id: str):
        return server(f"response.mcp_call.{kind}", item_id=item_id, output_index=0)

    log = log_of((1.0, created("r1")), (1.1, item_added("r1", mcp_call("m1"))), (1.2, item_added("r1", mcp_call("m2"))))
    play(log, (2.0, progress("in_progress", "m1")), (2.0, progress("in_progress", "m2")))
    play(log, (3.0, progress("completed", "m1")), (4.0, progress("failed", "m2")), (4.0, progress("failed", "m9")))
    play(log, (4.0, progress("in_progress", "m9")))

    assert [(tool.kind, tool.name, tool.duration_ms, tool.failed) for tool in only(log).tools] == [
        ("mcp", "search", 1000, False),
        ("mcp", "search", 2000, True),
    ]


def test_items_without_an_id_and_items_of_unknown_responses_are_passed_over():
    log = log_of((1.0, created("r1")), (1.0, item_added("r1", message(None))), (1.0, item_added("r9", message("a"))))
    play(log, (1.0, item_added("r1", call(None))), (1.0, item_added("r1", mcp_call(None))))
    play(log, (1.0, arguments_done("r9", "c1")), (1.0, placed(None)), (1.0, placed("a", "assistant")))

    assert (only(log).item_ids, only(log).tools) == (("item_None",), ())
    assert log.turns[0].input_item_ids == ()


def test_errors_are_counted_by_their_code():
    log = log_of((1.0, server("error", error={"code": "odd"})), (1.0, server("error", error={"type": "server_error"})))
    play(log, (2.0, server("error", error={"code": "odd"})), (3.0, server("error", error={})))

    assert log.totals.errors == {"odd": 2, "server_error": 1, "unknown": 1}


# --- interruptions ------------------------------------------------------------------------------------------------


def test_an_interruption_is_timed_from_the_speech_until_the_application_takes_it():
    log = log_of(*SPOKEN[:-1], (6.0, speech_started("b")), (6.1, cancelled("r1")))
    log.interruption_delivered(6.0, 6.25)
    first, second = log.turns

    assert (first.stop_reason, first.responses[0].reason) == ("interrupted", "turn_detected")
    assert (first.interrupted_at, first.interruption_taken_at, first.interruption_latency_ms) == (6.0, 6.25, 250)
    assert second.interrupted_at is None
    assert log.totals.interruptions == 1
    assert log.totals.interruption_latency == Latency(count=1, total_ms=250, max_ms=250)


def test_speech_that_goes_on_before_the_next_answer_changes_no_latency_of_the_one_that_it_cut_off():
    log = log_of(*SPOKEN[:-1], (6.0, speech_started("b")), (6.1, cancelled("r1")))
    log.interruption_delivered(6.0, 6.25)
    log.observe(speech_stopped("b"), 7.0)
    log.observe(speech_started("c"), 8.0)
    log.interruption_delivered(8.0, 8.5)

    assert log.turns[0].interruption_latency_ms == 250
    assert log.totals.interruption_latency.total_ms == 250


def test_an_interruption_that_is_taken_before_the_response_ends_counts_all_the_same():
    log = log_of(*SPOKEN[:-1], (6.0, speech_started("b")))
    log.interruption_delivered(6.0, 6.25)
    assert log.turns[0].interruption_latency_ms is None, "not known to be one yet"

    play(log, (6.5, cancelled("r1")))

    assert log.turns[0].interruption_latency_ms == 250
    assert log.totals.interruption_latency.count == 1


def test_speech_over_a_finished_answer_is_an_interruption_only_where_something_unheard_was_cut():
    log = log_of(*SPOKEN, (6.0, speech_started("b")))
    log.interruption_delivered(6.0, 6.25)
    assert log.totals.interruptions == 0

    play(log, (6.3, truncated("answer")), (6.4, truncated("answer")), (6.4, truncated("nobody's")))

    assert log.turns[0].interrupted_at == 6.0
    assert (log.totals.interruptions, log.totals.interruption_latency.count) == (1, 1)


def deleted(item_id: str):
    return server("conversation.item.deleted", item_id=item_id)


def test_an_answer_that_is_deleted_as_the_user_spoke_before_any_of_it_was_heard_is_interrupted():
    log = log_of(*SPOKEN, (6.0, speech_started("b")), (6.1, deleted("answer")))

    assert log.turns[0].interrupted_at == 6.0


def test_items_that_an_application_deletes_are_no_interruptions():
    before = log_of(*SPOKEN, (5.5, deleted("answer")), (6.0, speech_started("b")))
    older = log_of(*SPOKEN, (6.0, speech_started("b")), (7.0, speech_stopped("b")), (7.5, created("r2")))
    play(older, (8.0, deleted("answer")), (8.0, deleted("nobody's")))

    assert before.totals.interruptions == older.totals.interruptions == 0


def test_playback_that_the_service_cuts_off_is_an_interruption():
    log = log_of(*SPOKEN, (6.0, speech_started("b")))
    play(log, (6.5, server("output_audio_buffer.cleared", response_id="r1")))
    play(log, (6.5, server("output_audio_buffer.cleared", response_id="r9")))

    assert [turn.interrupted_at for turn in log.turns] == [6.0, None]


def test_an_interruption_by_hand_counts_from_the_cancel():
    log = log_of(*SPOKEN[:-1], (4.5, cancel), (4.75, cancelled("r1", "client_cancelled")))

    assert only(log).interrupted_at == 4.5


def test_a_cancelled_answer_without_a_known_cause_was_cut_when_it_ended():
    log = log_of(*SPOKEN[:-1], (4.75, cancelled("r1", "client_cancelled")))

    assert only(log).interrupted_at == 4.75


def test_interruptions_that_no_speech_began_are_passed_over():
    log = log_of(*SPOKEN)
    log.interruption_delivered(None, 9.0)
    log.interruption_delivered(8.0, 9.0)

    assert only(log).interruption_taken_at is None


def test_speech_starts_whose_interruption_is_never_taken_are_bounded():
    log = log_of(*SPOKEN)
    for number in range(100):
        play(log, (10.0 + number, speech_started(f"b{number}")))
    log.interruption_delivered(10.0, 200.0)
    assert log.turns[0].interruption_taken_at is None, "forgotten"

    log.interruption_delivered(109.0, 200.0)

    assert log.turns[0].interruption_taken_at == 200.0


# --- responses outside the conversation, and odd ones --------------------------------------------------------------


def test_a_response_outside_the_conversation_is_no_turn_but_counts():
    aside = ResponseCreate(response=ResponseSettings(conversation="none"))
    log = log_of((1.0, speech_started("a")), (1.0, aside), (1.2, created("side", aside=True)), (1.5, text("side")))
    play(log, (1.6, item_done("side", call("c1"))), (1.7, result("c1")))
    play(log, (2.0, done("side", aside=True, usage=usage(in_text=7))), (3.0, speech_stopped("a")), (3.0, created("r1")))

    (side,) = log.aside
    assert (side.response_id, side.first_text_at, side.done_at, side.tokens.input_text) == ("side", 1.5, 2.0, 7)
    assert side.tools[0].answered_at == 1.7
    assert [(turn.began, turn.response_ids) for turn in log.turns] == [("speech", ("r1",))]
    assert (log.totals.asides, log.totals.responses, log.totals.tokens.input) == (1, {"completed": 1}, 7)


def test_a_request_outside_the_conversation_does_not_explain_a_response_in_it():
    aside = ResponseCreate(response=ResponseSettings(conversation="none"))

    assert begins(log_of((1.0, aside), (2.0, created("r1")))) == ["service"]


def test_a_repeated_end_counts_once():
    log = log_of(*SPOKEN, (6.0, SPOKEN[-1][1]), (6.0, created("r1")))

    assert (only(log).response_end_at, log.totals.responses, log.totals.tokens.input) == (5.0, {"completed": 1}, 20)


def test_an_end_without_a_beginning_is_a_turn():
    turn = only(log_of((2.0, done("r1", usage=usage(in_text=3)))))

    assert (turn.responses[0].created_at, turn.response_end_at, turn.tokens.input) == (None, 2.0, 3)


def test_responses_without_an_id_are_told_apart_by_their_ends():
    log = log_of((1.0, created(None)), (1.5, created(None)), (2.0, done(None, usage=usage(in_text=3))))
    play(log, (3.0, created(None)), (4.0, done(None, usage=usage(in_text=4))), (5.0, done(None)))

    assert [(turn.tokens.input, turn.response_end_at) for turn in log.turns] == [(3, 2.0), (4, 4.0), (0, 5.0)]
    assert log.totals.tokens.input == 7


@pytest.mark.parametrize(
    ("details", "reason", "stop"),
    [
        ({"type": "failed", "error": {"code": "insufficient_quota"}}, "insufficient_quota", "error"),
        ({"type": "failed", "error": {"type": "server_error"}}, "server_error", "error"),
        ({"type": "failed"}, None, "error"),
        (None, None, "error"),
    ],
)
def test_a_failed_answer_says_why(details: object, reason: str | None, stop: str):
    turn = only(log_of((1.0, created("r1")), (2.0, done("r1", "failed", status_details=details))))

    assert (turn.responses[0].reason, turn.stop_reason) == (reason, stop)


def test_a_status_of_tomorrow_is_counted_by_its_name():
    log = log_of((1.0, created("r1")), (2.0, done("r1", "postponed")))

    assert (log.totals.responses, only(log).stop_reason) == ({"postponed": 1}, "complete")


class Heard:
    """A listener that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, float | None]] = []

    def latency(self, name: str, ms: float) -> None:
        self.told.append((name, ms))

    def interrupted(self) -> None:
        self.told.append(("interrupted", None))


def test_a_listener_is_told_of_latencies_and_interruptions_as_they_become_known():
    listener = Heard()
    log = TurnLog()
    log.listener = listener
    play(log, *SPOKEN[:-1], (6.0, speech_started("b")))
    log.interruption_delivered(6.0, 6.25)
    log.heard("answer", 6.5)
    play(log, (6.75, cancelled("r1")))

    assert log.listener is listener
    assert listener.told == [
        ("time_to_first_text", 500),
        ("time_to_first_audio", 750),
        ("time_to_first_audio_heard", 3500),
        ("interruption_latency", 250),
        ("interrupted", None),
    ]


# --- bounds -------------------------------------------------------------------------------------------------------


def test_older_turns_are_forgotten_and_the_totals_stay_right():
    log = TurnLog(max_turns=2)
    for number in range(5):
        at = 10.0 * number
        play(log, (at, speech_started(f"i{number}")), (at + 1, speech_stopped(f"i{number}")))
        play(log, (at + 2, created(f"r{number}")), (at + 2, item_done(f"r{number}", call(f"c{number}"))))
        play(log, (at + 3, audio(f"r{number}")), (at + 4, done(f"r{number}", usage=usage(in_text=1))))
    totals = log.totals

    assert [turn.number for turn in log.turns] == [4, 5]
    assert (totals.turns, totals.forgotten, totals.tool_calls, totals.tokens.input) == (5, 3, 5, 5)
    assert totals.responses == {"completed": 5}
    assert totals.time_to_first_audio == Latency(count=5, total_ms=10_000, max_ms=2000)


def test_a_response_whose_turn_is_forgotten_while_it_runs_still_counts():
    log = TurnLog(max_turns=1)
    play(log, (1.0, created("r1")), (2.0, speech_started("a")), (3.0, done("r1", usage=usage(in_text=5))))

    assert (begins(log), log.totals.tokens.input, log.totals.responses) == (["speech"], 5, {"completed": 1})


def test_events_of_forgotten_turns_are_passed_over():
    log = TurnLog(max_turns=1)
    play(log, (1.0, created("r0")), (1.0, created("r1")), (1.0, item_added("r1", message("answer"))))
    play(log, (2.0, speech_started("a")), (2.1, audio("r1")), (2.1, truncated("answer")), (2.2, speech_started("b")))
    log.heard("answer", 3.0)
    log.interruption_delivered(2.0, 3.0)

    assert begins(log) == ["speech"]
    assert log.totals.time_to_first_audio_heard.count == 0


def test_responses_that_are_forgotten_before_their_end_are_bounded_too():
    log = TurnLog(max_turns=1)
    for number in range(4):
        play(log, (number, created(f"r{number}")))
    play(log, (5.0, done("r2")), (5.0, done("r0")))

    assert [turn.response_ids for turn in log.turns] == [("r0",)], "that of r0 was forgotten so long ago that it is new"
    assert log.totals.responses == {"completed": 2}


def test_forgetting_a_response_without_an_id_leaves_the_others_without_one():
    log = TurnLog(max_turns=2)
    for number in range(3):
        play(log, (number, created(None)), (number, done(None, usage=usage(in_text=1))))
    play(log, (5.0, created(None)), (6.0, audio("unknown")), (7.0, done(None)))

    assert [(turn.number, turn.first_audio_at, turn.response_end_at) for turn in log.turns] == [
        (3, None, 2.0),
        (4, 6.0, 7.0),
    ]


def test_asides_are_bounded_too():
    log = TurnLog(max_turns=2)
    for number in range(5):
        play(log, (1.0, created(f"r{number}", aside=True)))

    assert [one.response_id for one in log.aside] == ["r3", "r4"]
    assert log.totals.asides == 5


def test_the_parts_of_a_response_are_bounded():
    log = log_of((1.0, created("r1")))
    for number in range(300):
        play(log, (2.0, item_done("r1", call(f"c{number}"))))

    assert (len(only(log).item_ids), len(only(log).tools)) == (256, 256)


def test_a_turn_of_more_responses_than_the_bound_goes_on_as_another():
    log = TurnLog()
    for number in range(300):
        play(log, (number, created(f"r{number}")), (number, item_done(f"r{number}", call(f"c{number}"))))
        play(log, (number, result(f"c{number}")))

    assert [len(turn.responses) for turn in log.turns] == [256, 44]
    assert begins(log) == ["service", "tool"]


def test_a_log_of_no_turns_is_refused():
    with pytest.raises(ConfigError, match="max_turns"):
        TurnLog(0)


# --- whatever comes -----------------------------------------------------------------------------------------------

ids = st.sampled_from(["a", "b", "c"])
asides = st.booleans()
statuses = st.sampled_from(["completed", "cancelled", "failed", "incomplete", "new"])
steps = st.one_of(
    st.builds(speech_started, ids),
    st.builds(speech_stopped, ids),
    st.builds(committed, ids),
    st.builds(idle, ids),
    st.builds(placed, ids),
    st.builds(truncated, ids),
    st.builds(lambda one: server("conversation.item.deleted", item_id=one), ids),
    st.builds(transcribed, ids),
    st.builds(lambda one, aside: created(one, aside=aside), ids | st.none(), asides),
    st.builds(lambda one, status, aside: done(one, status, aside=aside), ids | st.none(), statuses, asides),
    st.builds(audio, ids, ids),
    st.builds(text, ids, ids),
    st.builds(lambda one, item: item_added(one, message(item)), ids, ids),
    st.builds(lambda one, item: item_done(one, call(item)), ids, ids),
    st.builds(lambda one, item: item_added(one, mcp_call(item)), ids, ids),
    st.builds(arguments_done, ids, ids),
    st.builds(lambda kind, one: server(f"response.mcp_call.{kind}", item_id=one, output_index=0),
              st.sampled_from(["in_progress", "completed", "failed"]), ids),
    st.builds(lambda one: server("output_audio_buffer.cleared", response_id=one), ids),
    st.builds(result, ids),
    st.sampled_from([ask, cancel, commit, typed(), typed("assistant"), session(create_response=False)]),
    st.just(server("input_audio_buffer.cleared")),
    st.just(server("rate_limits.updated", rate_limits=[])),
    st.just(ConversationItemCreate(item=FunctionCallItem(call_id="a", name="n", arguments="{}"))),
)  # fmt: skip
others: st.SearchStrategy[Callable[[TurnLog, float], None]] = st.one_of(
    st.builds(lambda one: lambda log, now: log.heard(one, now), ids),
    st.builds(lambda back: lambda log, now: log.interruption_delivered(now - back, now), st.integers(0, 5)),
    st.just(lambda log, now: log.link_ended(now)),
)


@given(st.lists(steps | others, max_size=60), st.integers(1, 4))
def test_any_events_in_any_order_raise_nothing_and_the_sums_are_those_of_all_that_went_by(script, max_turns):
    log, whole = TurnLog(max_turns), TurnLog()
    for now, step in enumerate(script):
        for one in (log, whole):
            if callable(step):
                step(one, float(now))
            else:
                play(one, (float(now), step))

    assert len(log.turns) == min(max_turns, log.totals.turns) == log.totals.turns - log.totals.forgotten
    assert len(log.aside) <= max_turns
    numbers = [turn.number for turn in log.turns]
    assert numbers == sorted(set(numbers))
    for turn in whole.turns:
        assert set(turn.response_ids).isdisjoint({one.response_id for one in whole.aside} - {"unknown"})
        waits = (turn.time_to_first_text_ms, turn.time_to_first_audio_ms, turn.interruption_latency_ms)
        assert all(wait is None or wait >= 0 for wait in waits)
    assert sum(turn.interrupted_at is not None for turn in whole.turns) == whole.totals.interruptions
    assert log.totals.tokens == whole.totals.tokens


# --- the real service ---------------------------------------------------------------------------------------------


@pytest.fixture
def recorded(recording: Path) -> tuple[TurnLog, Counter[str]]:
    """The log of a recording, whose lines are a second apart, and how often each type came."""
    log, types = TurnLog(), Counter[str]()
    for now, line in enumerate(recording.read_text().splitlines()):
        parts = json.loads(line)
        types[parts["event"]["type"]] += 1
        if parts["dir"] == "client":
            log.sent(decode_client(json.dumps(parts["event"])), float(now))
        else:
            log.observe(decode_server(json.dumps(parts["event"])), float(now))
    return log, types


def test_each_response_of_a_recording_is_in_one_turn_with_all_its_times(recorded):
    log, types = recorded
    responses = [response for turn in log.turns for response in turn.responses]

    assert log.aside == ()
    assert len(responses) == types["response.created"] == log.totals.responses["completed"]
    assert len({one.response_id for one in responses}) == len(responses)
    assert all(one.created_at < one.done_at and one.tokens.total > 0 for one in responses)
    assert all(one.first_text_at is not None or one.tools for one in responses)
    assert types["response.output_audio.delta"] == 0 or any(one.first_audio_at is not None for one in responses)


def test_the_turns_of_a_recording_begin_as_its_user_began_them(recorded):
    log, types = recorded
    spoken = types["input_audio_buffer.speech_started"]

    assert begins(log) == ["speech"] * spoken if spoken else ["text"]
    assert all(turn.time_to_first_text_ms > 0 and turn.stop_reason == "complete" for turn in log.turns)
    assert all((turn.speech_end_at is None) == (turn.began == "text") for turn in log.turns)
    assert log.totals.interruptions == 0


def test_the_calls_of_a_recording_are_timed_and_answered(recorded):
    log, types = recorded
    tools = [tool for turn in log.turns for tool in turn.tools]

    assert len(tools) == types["response.function_call_arguments.done"] == log.totals.tool_calls
    assert all(tool.name and tool.duration_ms > 0 for tool in tools)
    assert all(len(turn.responses) == 1 + bool(turn.tools) for turn in log.turns)
