"""The lessons as a table: what went wrong elsewhere, what the engine does, and the tests that show it.

`python tests/lessons/lessons.py` prints the table of `docs/design/lessons.md`.
"""

import attrs


@attrs.frozen
class Lesson:
    """What users of other clients reported.

    Attributes:
        where: The projects and their issues.
        wrong: What went wrong there.
        ours: What the engine does.
        tests: By file, the tests that show it.
    """

    where: str
    wrong: str
    ours: str
    tests: dict[str, tuple[str, ...]]


LESSONS = (
    Lesson(
        "openai-agents #1466, #2971, PR #3405",
        "Responses are asked for while one is active; outputs of parallel calls collide; the refusal does not say what "
        "it answers",
        "One gate asks for responses. A request that lost a race is made again, by its kind and not by `event_id`",
        {
            "responses": (
                "test_words_typed_into_an_answer_do_not_ask_for_another_one_at_once",
                "test_parallel_outputs_ask_for_one_answer",
                "test_tools_that_end_at_different_times_ask_for_one_answer",
                "test_a_request_that_lost_a_race_is_made_again_and_not_told",
            )
        },
    ),
    Lesson(
        "openai-agents-js PR #1127, livekit #2064",
        "A request right after a cancel comes before the cancel is done",
        "The gate waits for `response.done`",
        {
            "responses": (
                "test_words_right_after_an_interruption_wait_for_the_end_of_what_was_interrupted",
                "test_a_response_asked_for_beside_a_cancel_waits_for_it",
            )
        },
    ),
    Lesson(
        "livekit PR #6818, #2552, #6224",
        "A refused request left a waiter for ever; a time-out of a reply ended the talk",
        "Each request ends: answered, refused, or past its deadline, with a typed error. The talk goes on",
        {
            "responses": (
                "test_a_refused_response_is_told_at_once_to_who_asked_and_the_talk_goes_on",
                "test_an_answer_that_never_comes_is_told_and_the_talk_goes_on",
                "test_a_reply_that_was_asked_for_by_itself_and_never_begins_raises_and_can_be_asked_for_again",
                "test_speech_into_a_wait_for_a_reply_ends_neither",
            )
        },
    ),
    Lesson(
        "openai-agents #2009, #2370",
        "No truncation when the user speaks; a truncation where nothing was cut makes the model repeat itself",
        "Truncated exactly when something unheard was cut, once an item, at what was heard",
        {
            "truncation": (
                "test_an_answer_that_was_cut_is_truncated_once_at_what_was_heard",
                "test_an_answer_that_was_heard_to_its_end_is_left_whole",
                "test_speech_into_silence_truncates_nothing",
            )
        },
    ),
    Lesson(
        "pipecat #925, #1963, #2106, #3677; livekit #6157",
        "A truncation past the audio, or at 0 ms, is refused, and that was fatal",
        "Never past what came; deleted where nothing was heard; a refusal costs nothing",
        {
            "truncation": (
                "test_a_player_that_runs_ahead_of_the_audio_truncates_at_what_came",
                "test_an_answer_of_which_nothing_was_heard_is_deleted_and_not_truncated_at_0",
                "test_an_item_that_was_deleted_in_mid_answer_stays_deleted_in_the_history",
                "test_an_interruption_before_the_first_sound_is_no_error",
                "test_a_truncation_that_the_service_refuses_costs_nothing",
                "test_a_wrong_truncation_by_hand_is_told_to_who_asked",
            )
        },
    ),
    Lesson(
        "openai-agents-js #523, #1173",
        "The truncation wiped the transcript; no interruption once all audio was sent",
        "The history keeps the words that were heard. What counts is what still plays, not what is still made",
        {
            "truncation": (
                "test_the_words_that_were_heard_outlive_the_truncation",
                "test_the_user_can_cut_in_as_long_as_the_answer_plays_though_all_of_it_was_sent",
            )
        },
    ),
    Lesson(
        "pipecat #3755",
        "A harmless error was fatal",
        "Codes are told apart: a late cancel is not told, most errors are told, a few end the session by their name",
        {
            "events": (
                "test_a_cancel_that_comes_too_late_is_no_error",
                "test_an_interruption_that_crosses_the_end_of_the_answer_is_no_error",
                "test_an_error_of_an_unimportant_kind_is_told_with_its_code_and_the_talk_goes_on",
                "test_a_failed_answer_is_one_answer_lost_and_not_the_talk",
                "test_an_error_that_no_retry_can_help_ends_the_session_by_its_name",
            )
        },
    ),
    Lesson(
        "livekit #1073, #2341; pipecat #3170; reachy_mini #134",
        "The cap of an hour ends calls, and comes as a clean close (1001)",
        "By default the talk moves on before. Else it is told by its reason, `BidiModelTimeoutError`, and the model "
        "can be started again with the history",
        {
            "survival": ("test_by_default_a_talk_outlives_the_cap_and_nobody_is_cut_off",),
            "cap_and_drops": (
                "test_the_cap_is_a_timeout_although_the_close_is_a_clean_1001",
                "test_over_sockets_the_cap_is_a_timeout_too",
                "test_the_same_code_for_another_reason_is_a_lost_connection",
                "test_a_talk_goes_on_after_the_cap_with_what_was_said_before",
            ),
        },
    ),
    Lesson(
        "livekit #3101, #3145, PR #5276",
        "Connect time-outs were not tried again; a drop in mid-answer left readers waiting for ever",
        "A connect that fails is typed, in time, and leaves a model that can be started. A drop ends every wait, or is "
        "mended and the answer given again",
        {
            "survival": ("test_a_drop_in_mid_answer_is_mended_and_the_answer_is_given_again",),
            "cap_and_drops": (
                "test_a_connection_that_can_not_be_made_is_told_in_time_and_may_be_tried_again",
                "test_a_drop_in_mid_answer_ends_everything_that_waits",
            ),
        },
    ),
    Lesson(
        "livekit PR #7092",
        "Messages that were queued when the line broke went out after the replay",
        "What waits belongs to one connection, and ends with it. Items of the talk go to the next, once and in place",
        {
            "cap_and_drops": ("test_what_waited_in_a_dead_session_is_not_sent_in_the_next",),
            "survival": ("test_what_waited_for_a_dead_connection_goes_out_once_and_after_the_replay",),
        },
    ),
    Lesson(
        "pydantic-ai PR #7379",
        "It was said that the state was restored, and it was not",
        "The history mirrors what the service has. What was refused or dropped is told and counted",
        {
            "survival": ("test_what_an_outage_cost_is_told",),
            "cap_and_drops": (
                "test_what_the_service_never_got_is_in_no_history",
                "test_a_piece_of_the_history_that_the_service_refuses_is_told",
                "test_audio_that_had_to_be_dropped_is_counted_and_told",
            ),
        },
    ),
    Lesson(
        "strands PR #3874, #4244; livekit PR #6785; pipecat #5779",
        "Stale events in totals; a result after a restart has a dead call id; interrupted calls are never answered, or "
        "run again",
        "Nothing of a session reaches the next. Each call runs once and has one output. A late result finds its call "
        "where the history has it, or its refusal is told",
        {
            "survival": (
                "test_a_result_after_a_reconnection_finds_its_call",
                "test_a_result_whose_call_is_gone_is_told_and_the_talk_goes_on",
            ),
            "tools": (
                "test_nothing_of_a_session_that_is_over_comes_in_the_next_or_in_its_figures",
                "test_what_is_told_twice_counts_once_and_runs_once",
                "test_a_result_that_comes_after_a_restart_finds_its_call_in_the_history",
                "test_a_result_of_a_call_that_nobody_knows_any_more_is_told_and_the_talk_goes_on",
                "test_tools_of_a_session_that_is_over_do_not_answer_in_the_next",
                "test_a_call_that_the_user_talks_over_is_answered_exactly_once_and_not_run_again",
                "test_a_call_that_was_cut_off_before_it_was_whole_is_neither_told_nor_answered",
                "test_a_second_output_of_a_call_is_refused_before_it_is_sent",
            ),
        },
    ),
    Lesson(
        "livekit PR #5121",
        "Cached tokens were counted twice",
        "They are a part of the input's",
        {"events": ("test_cached_tokens_are_among_the_inputs_and_not_beside_them",)},
    ),
    Lesson(
        "litellm #30581",
        "Each unknown event cost a failed validation, and the loop stood still",
        "A look at the type decides. They are counted, and whoever wants can read them whole",
        {
            "events": (
                "test_an_answer_comes_through_a_flood_of_events_of_unknown_types",
                "test_events_of_unknown_types_can_be_read_whole",
                "test_an_unknown_event_costs_no_more_to_read_than_the_smallest_known_one",
            )
        },
    ),
    Lesson(
        "docket PR #456, litellm PR #14370",
        "`asyncio.wait_for` swallowed a cancel",
        "Trio's scopes. Cancelled at every step in tests, and at the very moment of the answer",
        {
            "cancellation": (
                "test_cancelled_at_any_step_a_talk_ends_at_once_and_leaves_nothing",
                "test_a_cancel_that_comes_with_the_answer_is_not_swallowed",
            )
        },
    ),
    Lesson(
        "strands PR #2260",
        "A queue of one event made the speech choppy",
        "Bounds in bytes and seconds. A slow reader holds nothing up",
        {
            "bounds": (
                "test_a_reader_that_is_busy_for_a_while_holds_nothing_up_and_loses_nothing",
                "test_what_may_wait_is_counted_in_bytes_and_not_in_pieces",
                "test_the_microphone_never_waits_for_a_line_that_stands_still_for_less_than_its_bound",
            )
        },
    ),
    Lesson(
        "openai-agents PR #1925",
        "Small frames jitter on the telephone",
        "Microphone audio is joined to frames of one length; the paced output gives a frame when it is due",
        {
            "bounds": (
                "test_small_pieces_that_come_unevenly_leave_as_frames_of_one_length",
                "test_a_telephone_gets_a_frame_each_20_ms_whatever_comes_when",
            )
        },
    ),
    Lesson(
        "livekit #6319, openai-agents-js PR #955",
        "Tasks and futures leak",
        "One nursery a session. Tasks, sockets and waiters are counted after sessions of every fate",
        {
            "leaks": (
                "test_after_a_session_of_any_fate_no_task_socket_or_session_is_left",
                "test_a_session_that_has_asked_much_holds_no_more_waiters_than_before",
            )
        },
    ),
)


def table():
    """Give the table of the docs' page."""
    rows = ["| where | what went wrong | what the engine does | shown by |", "|---|---|---|---|"]
    for lesson in LESSONS:
        tests = ", ".join(f"`test_lessons_{name}` ({len(tests)})" for name, tests in lesson.tests.items())
        rows.append(f"| {lesson.where} | {lesson.wrong} | {lesson.ours} | {tests} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
