"""The session in words: opening, what is sent, what comes back, errors, ends, and what is counted."""

import json

import attrs
import pytest
from transcripts import Talk, config

from engine.config import EngineSettings
from engine.errors import (
    BidiModelTimeoutError,
    ConnectionLost,
    DeadlinePassed,
    LocalMisuse,
    RemoteViolation,
    ServerReported,
    SessionEnded,
    UnsupportedContent,
)
from engine.events import BidiConnectionStartEvent, BidiErrorEvent, BidiImageInputEvent, BidiTextInputEvent
from engine.protocol.conversation import Conversation, ConversationStatistics
from engine.protocol.effects import End, Transmit
from engine.protocol.speech_store import KeptSpeechStatistics
from engine.protocol.states import Phase
from engine.wire.codec import decode_server
from engine.wire.session import TurnDetection

# --- opening ------------------------------------------------------------------------------------------------------


def test_the_first_event_of_a_session_is_its_start():
    talk = Talk(opening=True).plays("""
        >> session_created
        << Opened
        << ConnectionStart connection_1 gpt-realtime
        >> session_updated
    """)

    assert talk.conversation.phase is Phase.LIVE


def test_a_sideband_session_opens_with_whatever_comes_first():
    Talk(opening=True).plays("""
        >> session_updated
        << Opened
        << ConnectionStart connection_1 gpt-realtime
    """)


def test_an_event_that_opens_the_session_is_heeded_as_well():
    Talk(opening=True).plays("""
        >> created resp_1
        << Opened
        << ConnectionStart connection_1 gpt-realtime
        << ResponseStart resp_1
    """)


def test_an_event_of_tomorrow_opens_a_session_too():
    talk = Talk(opening=True).plays("""
        >> novelty
        << Opened
        << ConnectionStart connection_1 gpt-realtime
    """)

    assert talk.conversation.statistics().unknown_events == {"response.hologram.delta": 1}


def test_the_start_says_when_it_was_read():
    talk = Talk(opening=True)
    start = talk.says("session_created")[1]

    assert isinstance(start, BidiConnectionStartEvent)
    assert start.received_at == talk.now


@pytest.mark.parametrize("code", ["invalid_api_key", "beta_api_shape_disabled", "missing_model", "invalid_model"])
def test_a_refused_session_never_starts(code):
    """The service takes the upgrade and says then why there will be no session."""
    talk = Talk(opening=True).plays(f"""
        >> error {code}
        << Error {code}
        << End error ServerReported
        >> link_ended code=3000 reason=invalid_request_error.{code}
    """)

    assert talk.conversation.phase is Phase.ENDED


def test_an_error_that_is_not_fatal_leaves_the_session_to_open():
    Talk(opening=True).plays("""
        >> error server_error
        >> error response_cancel_not_active
        >> session_created
        << Opened
        << ConnectionStart connection_1 gpt-realtime
        << Error server_error
    """)


def test_an_error_before_the_end_of_a_session_that_never_opened_is_told():
    Talk(opening=True).plays("""
        >> error server_error
        >> error invalid_api_key
        << Error server_error
        << Error invalid_api_key
        << End error ServerReported
    """)


def test_the_services_word_that_nothing_is_active_frees_the_way():
    """A `response.done` that could not be read must not hold the talk for ever."""
    Talk().plays("""
        >> created resp_1
        << ResponseStart resp_1
        >> app text hello
        << send conversation.item.create user input_text hello
        >> error response_cancel_not_active
        << send response.create
    """)


def test_a_connection_that_ends_before_it_opened_is_lost():
    Talk(opening=True).plays("""
        >> link_ended code=1006
        << End error ConnectionLost
    """)


# --- what is sent first -------------------------------------------------------------------------------------------

HISTORY = (
    {"role": "user", "content": [{"text": "What is 1 + 1?"}]},
    {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t" * 40, "name": "add", "input": {"a": 1}}}]},
    {"role": "user", "content": [{"toolResult": {"toolUseId": "t" * 40, "content": [{"json": 2}]}}]},
    {"role": "user", "content": [{"toolResult": {"toolUseId": "orphan", "content": [{"text": "3"}]}}]},
    {"role": "assistant", "content": [{"text": "Two."}]},
)


def test_the_session_is_configured_first_and_its_history_replayed_in_order():
    talk = Talk(opening=True, history=HISTORY)
    configure, *items = talk.says("app begins")
    words, call, output, answer = [effect.event.item for effect in items]

    assert configure.event.session == config(history=HISTORY).to_wire()
    assert (words.role, words.content[0].type, words.content[0].text) == ("user", "input_text", "What is 1 + 1?")
    assert (call.name, call.arguments) == ("add", '{"a": 1}')
    assert call.call_id == output.call_id
    assert len(call.call_id) <= 32
    assert output.output == '[{"json": 2}]'
    assert (answer.role, answer.content[0].type, answer.content[0].text) == ("assistant", "output_text", "Two.")


def test_replayed_history_asks_for_no_response():
    talk = Talk(opening=True, history=HISTORY)
    talk.says("app begins")

    talk.plays("""
        >> session_created
        << Opened
        << ConnectionStart connection_1 gpt-realtime
    """)
    assert talk.conversation.statistics().gate.owed is False


def test_a_call_of_the_history_keeps_its_id_when_the_model_names_it_again():
    talk = Talk(opening=True, history=HISTORY)
    wire_id = talk.says("app begins")[2].event.item.call_id
    talk.says("session_created")

    told = talk.says(f"call resp_1 {wire_id}")[0]

    assert told["current_tool_use"]["toolUseId"] == "t" * 40


def test_history_that_the_service_cannot_take_is_refused_before_anything_is_sent():
    block = {"toolResult": {"toolUseId": "t1", "content": [{"image": {}}]}}
    talk = Talk(opening=True, history=[{"role": "user", "content": [block]}])

    with pytest.raises(UnsupportedContent, match="Content type not supported by OpenAI Realtime API"):
        talk.says("app begins")


def test_every_message_has_an_event_id_of_its_own():
    talk = Talk(opening=True, history=HISTORY)
    sent = [*talk.says("app begins"), *talk.says("app text hello"), *talk.says("app result call_1 a")]
    ids = [effect.event.event_id for effect in sent if isinstance(effect, Transmit)]

    assert len(ids) == len(sent) == len(set(ids))
    assert all(one and len(one) <= 512 for one in ids)


# --- what the application sends -----------------------------------------------------------------------------------


def test_words_of_the_assistant_are_put_into_its_mouth_and_not_asked_about():
    """The seed ignores the role."""
    Talk().plays("""
        >> app text "I am Ada." role=assistant
        << send conversation.item.create assistant output_text I am Ada.
    """)


def test_another_role_is_unsupported_and_the_error_says_which_are():
    with pytest.raises(UnsupportedContent, match=r"role='system' \| content not supported; use 'user' or 'assistant'"):
        Talk().conversation.submit(BidiTextInputEvent("hi", "system"), 0.0)


def test_an_image_is_unsupported_unless_it_is_opted_in():
    with pytest.raises(UnsupportedContent, match=r"content not supported; set .*'image_input': True"):
        Talk().says("app image")


@pytest.mark.parametrize("mime", ["image/png", "image/jpeg"])
def test_an_image_that_was_opted_in_is_sent_and_not_asked_about(mime):
    Talk(image_input=True).plays(f"""
        >> app image mime={mime}
        << send conversation.item.create user input_image data:{mime};base64,iVBO
    """)


def test_an_image_of_another_type_is_unsupported_and_the_error_says_which_are():
    with pytest.raises(UnsupportedContent, match=r"image/gif.*content not supported; use one of image/png, image/jpeg"):
        Talk(image_input=True).conversation.submit(BidiImageInputEvent("R0lG", "image/gif"), 0.0)


# --- the user speaks ----------------------------------------------------------------------------------------------


def test_stale_audio_is_purged_before_the_interruption_is_told():
    talk = Talk().plays("""
        >> speech_started item_1
        << PurgeAudio
        << Interruption user_speech
        >> speech_stopped item_1
    """)
    told = talk.says("speech_started item_2")[1]

    assert (told.item_id, told.event_id, told.received_at) == ("item_2", "event_1", talk.now)


def test_where_the_user_may_not_interrupt_nothing_is_purged_or_silenced():
    detection = TurnDetection(type="server_vad", interrupt_response=False)
    Talk(turn_detection=detection).plays("""
        >> session_updated interrupt=no
        >> created resp_1
        << ResponseStart resp_1
        >> speech_started item_1
        << Interruption user_speech
        >> audio resp_1
        << AudioStream resp_1 AAAA
    """)


@pytest.mark.parametrize("settings", ["interrupt=yes", "+push_to_talk", "+bare", ""])
def test_what_the_service_says_of_interruption_counts_from_then_on(settings):
    Talk().plays(f"""
        >> session_updated interrupt=no
        >> session_updated {settings}
        >> speech_started item_1
        << PurgeAudio
        << Interruption user_speech
    """)


def test_whether_the_user_speaks_is_known():
    talk = Talk()
    heard = []
    for line in ("speech_started item_1", "speech_stopped item_1", "speech_started item_2", "cleared"):
        talk.says(line)
        heard.append(talk.conversation.statistics().user_speaks)

    assert heard == [True, False, True, False]


# --- errors -------------------------------------------------------------------------------------------------------


def test_an_error_of_the_service_is_told_with_all_it_says():
    """The seed only logs it."""
    talk = Talk()
    (told,) = talk.says('error unknown_parameter message="Unknown parameter: x" param=session.x answers=client_7')

    assert isinstance(told, BidiErrorEvent)
    assert told.as_dict() == {
        "type": "bidi_error",
        "message": "Unknown parameter: x",
        "code": "unknown_parameter",
        "details": {"type": "invalid_request_error", "param": "session.x", "client_event_id": "client_7"},
    }
    assert isinstance(told.error, ServerReported)
    assert (told.error.param, told.error.client_event_id, told.error.fatal) == ("session.x", "client_7", False)
    assert (told.event_id, told.received_at) == ("event_1", talk.now)


def test_a_benign_error_is_not_told():
    """pipecat 3755: a benign code was fatal."""
    Talk().plays(">> error response_cancel_not_active")


@pytest.mark.parametrize(
    "code", ["input_audio_buffer_commit_empty", "item_truncate_invalid_item_id", "cannot_update_voice", "server_error"]
)
def test_errors_that_are_not_fatal_leave_the_session_live(code):
    talk = Talk().plays(f"""
        >> error {code}
        << Error {code}
        >> error {code}
        << Error {code}
        >> app text hello
        << send conversation.item.create user input_text hello
        << send response.create
    """)

    assert talk.conversation.phase is Phase.LIVE


def test_a_conflict_that_is_not_ours_is_told():
    Talk().plays("""
        >> error conversation_already_has_active_response
        << Error conversation_already_has_active_response
    """)


@pytest.mark.parametrize(
    "code", ["insufficient_quota", "account_deactivated", "billing_hard_limit_reached", "invalid_api_key"]
)
def test_a_fatal_error_is_told_and_ends_the_session_with_it(code):
    talk = Talk()
    told, end = talk.says(f"error {code}")

    assert isinstance(end, End)
    assert isinstance(end.error, ServerReported)
    assert (end.reason, end.error.code, end.error.fatal) == ("error", code, True)
    assert told.error is end.error


def test_a_response_that_fails_fatally_ends_the_session_after_it_was_told():
    Talk().plays("""
        >> created resp_1
        << ResponseStart resp_1
        >> done resp_1 status=failed code=insufficient_quota usage=0+0
        << Complete resp_1 error because insufficient_quota
        << Usage 0+0=0
        << End error ServerReported
    """)


def test_a_response_that_fails_otherwise_does_not():
    Talk().plays("""
        >> created resp_1
        << ResponseStart resp_1
        >> done resp_1 status=failed code=rate_limit_exceeded
        << Complete resp_1 error because rate_limit_exceeded
        >> app text again
        << send conversation.item.create user input_text again
        << send response.create
    """)


def test_a_message_that_could_not_be_read_is_told_and_counted():
    talk = Talk()
    (told,) = talk.says("unreadable")

    assert isinstance(told, BidiErrorEvent)
    assert isinstance(told.error, RemoteViolation)
    assert (told.code, told.details) == ("RemoteViolation", {"problem": "invalid_json"})
    assert talk.conversation.statistics().violations == {"invalid_json": 1}


def test_the_deadline_of_a_request_is_the_settings():
    talk = Talk()
    assert talk.conversation.deadline is None
    talk.says("app text hello")
    assert talk.conversation.deadline == talk.now + 15.0

    (told,) = talk.says("wait 15")

    assert isinstance(told.error, DeadlinePassed)
    assert (told.error.deadline, told.error.limit_s) == ("response_request", 15.0)
    assert talk.conversation.deadline is None


# --- ends ---------------------------------------------------------------------------------------------------------

EXPIRY = "Your session hit the maximum duration of 60 minutes."


def test_an_expired_session_ends_with_the_contracts_timeout():
    """As an error, then a clean 1001 (livekit 1073: openai and agents end as if all were well)."""
    talk = Talk()
    (end,) = talk.says(f'error session_expired message="{EXPIRY}"')

    assert isinstance(end, End)
    assert end.reason == "timeout"
    assert isinstance(end.error, BidiModelTimeoutError)
    assert str(end.error) == EXPIRY
    assert end.error.restart_config == {}
    assert isinstance(end.error.__cause__, ServerReported)
    talk.plays(f'>> link_ended code=1001 reason="{EXPIRY}"')


def test_the_expiry_is_known_by_the_close_reason_alone():
    (end,) = Talk().says(f'link_ended code=1001 reason="{EXPIRY}"')

    assert isinstance(end.error, BidiModelTimeoutError)
    assert isinstance(end.error.__cause__, ConnectionLost)
    assert (end.reason, end.error.__cause__.code) == ("timeout", 1001)


def test_a_clean_close_of_the_server_is_complete():
    Talk().plays("""
        >> link_ended code=1000
        << End complete
    """)


@pytest.mark.parametrize("code", [1001, 1006, 1009, 1011, 1012, 1013, 3000, 4000])
def test_any_other_close_is_a_typed_error_with_code_and_reason(code):
    (end,) = Talk().says(f"link_ended code={code} reason=because")

    assert end.reason == "error"
    assert isinstance(end.error, ConnectionLost)
    assert (end.error.code, end.error.reason) == (code, "because")


def test_a_connection_that_breaks_without_a_close_frame_is_lost():
    Talk().plays("""
        >> link_ended
        << End error ConnectionLost
    """)


def test_nothing_comes_out_after_the_end():
    talk = Talk().plays("""
        >> app text hello
        << send conversation.item.create user input_text hello
        << send response.create
        >> link_ended code=1006
        << End error ConnectionLost
        >> link_ended code=1000
        >> created resp_1
        >> novelty
        >> error invalid_api_key
        >> unreadable
        >> wait 99
    """)
    statistics = talk.conversation.statistics()

    assert talk.conversation.deadline is None
    assert statistics.phase == "ended"
    assert statistics.out_of_order == {"response.created": 1, "unknown": 1, "error": 1}
    assert statistics.violations == {"invalid_json": 1}


@pytest.mark.parametrize("line", ["app text hello", "app result call_1 a", "app image", "app asks_by_hand"])
def test_to_a_session_that_is_over_nothing_can_be_sent(line):
    talk = Talk()
    (end,) = talk.says("link_ended code=1006")

    with pytest.raises(SessionEnded, match="the session is over") as raised:
        talk.says(line)
    assert isinstance(raised.value, LocalMisuse)
    assert raised.value.__cause__ is end.error


# --- what is kept and counted -------------------------------------------------------------------------------------


def test_the_history_mirrors_the_servers_items():
    talk = Talk().plays("""
        >> item_added item_1 one
        >> item_added item_3 three after=item_1
        >> item_created item_2 two after=item_1
        >> item_done item_1 one
        >> item_truncated item_3 700
        >> item_deleted item_2
    """)
    history = talk.conversation.history

    assert [(each.item.id, each.transcript, each.heard_ms) for each in history] == [
        ("item_1", "one", None),
        ("item_3", "three", 700),
    ]
    assert talk.conversation.statistics().history_items == 2


def test_events_and_fields_of_tomorrow_are_counted_and_change_nothing():
    """litellm 30581: an unknown event stalled the loop."""
    talk = Talk().plays("""
        >> novelty
        >> novelty
        >> rate_limits
    """)
    statistics = talk.conversation.statistics()

    assert statistics.unknown_events == {"response.hologram.delta": 2}
    assert statistics.unknown_fields == {"rate_limits.updated:rate_limits.surprise": 1}


def test_events_that_need_nothing_done_bring_nothing():
    Talk().plays("""
        >> rate_limits
    """)


def test_statistics_are_a_snapshot():
    talk = Talk()
    before = talk.conversation.statistics()
    for line in ("created resp_1", "created resp_1", "novelty", "unreadable", "item_added item_1 one"):
        talk.says(line)

    assert before == ConversationStatistics(
        phase="live",
        user_speaks=False,
        gate=before.gate,
        history_items=0,
        unknown_events={},
        unknown_fields={},
        misfit_fields={},
        out_of_order={},
        violations={},
        silenced_audio=0,
        truncated=0,
        truncations_refused=0,
        history_forgotten=0,
        playback_forgotten=0,
        kept_speech=KeptSpeechStatistics(held_ms=0.0, items=0, dropped_ms=0.0),
    )
    assert talk.conversation.statistics() != before
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        before.phase = "ended"  # type: ignore[misc]


def test_conversations_share_nothing():
    one, other = Conversation(config(), "one"), Conversation(config(), "other")
    one.submit(BidiTextInputEvent("hello"), 0.0)

    assert one.statistics().gate.state == "requested"
    assert other.statistics().gate.state == "free"


def test_a_session_that_opens_with_what_can_not_be_read_is_open_and_told():
    talk = Talk(opening=True)
    effects = talk.conversation.violated(
        RemoteViolation("invalid_field", "expected an object", event_type="session.created"), "invalid_field", 1.0
    )

    assert [type(effect).__name__ for effect in effects] == ["Opened", "BidiConnectionStartEvent", "BidiErrorEvent"]


def test_what_can_not_be_read_before_the_session_opens_is_told_after_its_start():
    talk = Talk(opening=True)
    assert not talk.conversation.violated(RemoteViolation("invalid_json", "no JSON"), "invalid_json", 1.0)

    effects = talk.says("session_created")
    assert [type(effect).__name__ for effect in effects] == ["Opened", "BidiConnectionStartEvent", "BidiErrorEvent"]


def test_an_end_of_a_response_that_can_not_be_read_lets_the_talk_go_on():
    talk = Talk()
    for line in ("created resp_1", "app text hello"):
        talk.says(line)
    unread = RemoteViolation("invalid_field", "expected an object", event_type="response.done")
    effects = talk.conversation.violated(unread, "invalid_field", 5.0)

    assert [type(effect).__name__ for effect in effects] == ["BidiErrorEvent", "Transmit", "Rearm"]


def test_why_a_connection_was_closed_before_it_opened_is_what_the_service_said():
    talk = Talk(opening=True)
    talk.says("error server_overloaded")
    (end,) = talk.says("link_ended code=1011")

    assert isinstance(end, End)
    assert isinstance(end.error, ServerReported)
    assert end.error.code == "server_overloaded"
    assert isinstance(end.error.__cause__, ConnectionLost)


def test_a_clean_close_before_the_session_opened_is_a_lost_connection():
    Talk(opening=True).plays("""
        >> link_ended code=1000
        << End error ConnectionLost
    """)


def test_a_request_that_calls_without_a_result_hold_goes_out_after_a_while_and_is_told():
    """An application that drops a tool must not fall silent for ever."""
    Talk().plays("""
        >> created resp_1
        << ResponseStart resp_1
        >> call resp_1 call_1
        << ToolUse call_1 tool {}
        >> done resp_1 call=call_1
        << Complete resp_1 tool_use
        >> app text hello
        << send conversation.item.create user input_text hello
        >> wait 59.9
        >> wait 0.2
        << Error DeadlinePassed
        << send response.create
    """)


def test_a_result_that_comes_while_the_user_speaks_waits_for_the_turn():
    """The model would talk into the user, and the request would race the service's own."""
    Talk().plays("""
        >> created resp_1
        << ResponseStart resp_1
        >> call resp_1 call_1
        << ToolUse call_1 tool {}
        >> done resp_1 call=call_1
        << Complete resp_1 tool_use
        >> speech_started item_2
        << PurgeAudio
        << Interruption user_speech
        >> app result call_1 a
        << send conversation.item.create output of call_1: [{"text": "a"}]
        >> speech_stopped item_2
        >> wait 15.1
        << send response.create
    """)


def test_a_field_of_another_type_is_counted_and_costs_nothing():
    talk = Talk()
    done = {
        "type": "response.done",
        "response": {"id": "resp_1", "status": "completed", "usage": {"total_tokens": 1.5}},
    }
    talk.says("created resp_1")
    effects = talk.conversation.receive(decode_server(json.dumps(done)), 1.0)

    assert "BidiResponseCompleteEvent" in [type(effect).__name__ for effect in effects]
    assert talk.conversation.statistics().misfit_fields == {"response.done:response.usage.total_tokens": 1}


def test_what_is_sent_of_the_users_audio_is_kept_until_it_is_cleared_or_known_to_have_arrived():
    talk = Talk(turn_detection=None, engine=EngineSettings())
    conversation = talk.conversation
    assert conversation.is_open
    conversation.speech_sent("append", '{"audio": "AAAA"}', 100.0, talk.now)
    assert conversation.kept_speech.is_open
    conversation.speech_sent("clear", "{}", 0.0, talk.now)
    conversation.speech_arrived(talk.now)

    assert not conversation.kept_speech.is_open
    assert conversation.kept_speech.open_texts(all=True) == []


@pytest.mark.parametrize(
    ("engine", "held_ms"),
    [
        (EngineSettings(), 100.0),
        (EngineSettings(on_timeout="raise"), 100.0),
        (EngineSettings(reconnect=None), 100.0),
        (EngineSettings(on_timeout="raise", reconnect=None), 0.0),
    ],
)
def test_speech_is_kept_only_where_there_may_be_another_connection_to_send_it_to(engine, held_ms):
    talk = Talk(engine=engine)
    talk.conversation.speech_sent("append", '{"audio": "AAAA"}', 100.0, talk.now)

    assert talk.conversation.statistics().kept_speech.held_ms == held_ms
