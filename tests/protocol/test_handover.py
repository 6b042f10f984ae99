"""A new connection that is prepared while the old one talks: when it is ready, and why it never will be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from new_connection import RandomTalk, mcp_call, message, nothing, steps, talk_of, text, with_new_connections

from engine.errors import (
    BidiModelTimeoutError,
    ConnectionLost,
    LimitExceeded,
    LocalMisuse,
    RemoteViolation,
    ServerReported,
)
from engine.protocol.handover import KEPT_MAX, OTHER_ERRORS_MAX, Handover
from engine.protocol.replay import Replay
from engine.wire import server as wire
from engine.wire.client import ConversationItemCreate, SessionUpdate
from engine.wire.items import McpListToolsItem
from engine.wire.response import ErrorDetails
from engine.wire.session import Session
from engine.wire.translation import (
    TranslationAudio,
    TranslationAudioOutput,
    TranslationSession,
    TranslationSessionCreated,
    TranslationSessionUpdate,
    TranslationSessionUpdated,
)

NOW = 1.0


def update(event_id=None, **settings):
    return SessionUpdate(session=Session(type="realtime", **settings), event_id=event_id)


def item(item_id, event_id=None):
    return ConversationItemCreate(item=message(item_id, "user", text("Hello")), event_id=event_id)


def created(model="gpt-realtime"):
    return wire.SessionCreated(session=Session(type="realtime", model=model))


def updated(instructions=None):
    return wire.SessionUpdated(session=Session(type="realtime", instructions=instructions))


def added(item_id, cls=wire.ConversationItemAdded):
    return cls(item=message(item_id, "user", text("Hello")))


def error(**details):
    details = {"message": "no", "type": "invalid_request_error", **details}
    return wire.ErrorReported(error=ErrorDetails(**details))


def after(handover, *events):
    for event in events:
        handover.receive(event, NOW)
    return handover


def prepared(settings=("client_1",), items=("a", "b")):
    """A handover whose settings are changed by events of these ids, and that adds items of these ids."""
    updates = [update(event_id) for event_id in settings]
    return Handover(updates, [item(item_id, f"client_{item_id}") for item_id in items])


# --- when it is ready ---------------------------------------------------------------------------------------------


def test_all_is_sent_at_once_settings_first():
    settings, items = [update("client_1"), update("client_2")], [item("a"), item("b")]

    assert Handover(settings, items).begin() == [*settings, *items]


def test_it_is_ready_when_all_that_was_sent_has_its_answer():
    handover = prepared(settings=("client_1", "client_2"))
    ready = []
    for event in (created(), updated(), updated(), added("a"), added("b")):
        handover.receive(event, NOW)
        ready.append(handover.ready)

    assert ready == [False, False, False, False, True]
    assert handover.failed is None


def test_each_change_of_settings_has_an_answer_of_its_own():
    handover = after(prepared(settings=("client_1", "client_2"), items=()), created(), updated())
    assert not handover.ready

    assert after(handover, updated()).ready


def test_with_nothing_to_send_it_is_ready_when_the_session_is_there():
    handover = Handover([], [])
    assert not handover.ready

    assert after(handover, created()).ready
    assert handover.created


@pytest.mark.parametrize("cls", [wire.ConversationItemAdded, wire.ConversationItemCreated, wire.ConversationItemDone])
def test_an_item_is_there_when_the_service_says_so_in_whichever_way(cls):
    assert after(prepared(items=("a",)), created(), updated(), added("a", cls)).ready


def test_items_of_others_are_not_taken_for_ours():
    handover = after(prepared(items=("a",)), created(), updated(), added("z"))

    assert not handover.ready
    assert handover.ignored.snapshot() == {"conversation.item.added": 1}


def test_the_settings_are_those_that_were_told_last():
    handover = after(prepared(), created("gpt-realtime"))
    assert handover.session.model == "gpt-realtime"

    assert after(handover, updated("Be brief.")).session.instructions == "Be brief."


def test_other_events_are_counted():
    handover = after(prepared(), wire.RateLimitsUpdated(rate_limits=()), wire.UnknownServerEvent(type="something.new"))

    assert handover.ignored.snapshot() == {"rate_limits.updated": 1, "something.new": 1}


def test_an_item_without_an_id_could_never_be_found():
    with pytest.raises(LocalMisuse, match="no id"):
        Handover([], [item(None)])


def listing(n=1):
    tools = McpListToolsItem(id=f"mcpl_{n}", server_label="docs", tools=())
    return [
        wire.ConversationItemAdded(item=tools),
        wire.McpListToolsInProgress(item_id=f"mcpl_{n}"),
        wire.ConversationItemDone(item=tools),
        wire.McpListToolsCompleted(item_id=f"mcpl_{n}"),
        wire.McpListToolsFailed(item_id=f"mcpl_{n}"),
    ]


def test_what_an_mcp_server_offers_is_kept_for_the_conversation_in_order():
    handover = after(prepared(items=()), created(), updated(), *listing())

    assert handover.kept == listing()
    assert handover.ready


def test_a_server_that_lists_without_end_fills_no_memory():
    handover = after(prepared(), *(event for n in range(KEPT_MAX // 5 + 1) for event in listing(n)))

    assert len(handover.kept) == KEPT_MAX
    assert sum(handover.ignored.snapshot().values()) == 5 - KEPT_MAX % 5


# --- what is refused ----------------------------------------------------------------------------------------------


def test_an_item_that_is_refused_is_told_later_and_the_rest_goes_on():
    handover = after(prepared(), created(), updated(), error(event_id="client_a", code="invalid_value"), added("b"))

    assert handover.ready
    assert handover.refused_items == ["a"]
    assert [(refused.code, refused.client_event_id) for refused in handover.refused] == [("invalid_value", "client_a")]


def test_a_change_of_settings_that_is_refused_is_the_end():
    handover = after(prepared(), created(), error(event_id="client_1", code="unknown_parameter"))

    assert isinstance(handover.failed, ServerReported)
    assert handover.failed.code == "unknown_parameter"
    assert not after(handover, updated(), added("a"), added("b")).ready


@pytest.mark.parametrize(
    ("details", "refused"),
    [
        ({"param": "item.content[0].text"}, ["a"]),
        ({"param": "item.id", "message": "an item with id 'b' already exists"}, ["b"]),
        ({"param": "audio", "code": "invalid_value"}, ["a"]),
        ({}, ["a"]),
        ({"param": "item.id", "type": "server_error"}, ["a"]),
    ],
)
def test_an_error_without_a_name_is_about_the_item_that_it_quotes_or_the_oldest(details, refused):
    handover = after(prepared(), created(), updated(), error(**details))

    assert handover.refused_items == refused


@pytest.mark.parametrize("details", [{"param": "session.voice"}, {}, {"code": "cannot_update_voice"}])
def test_an_error_without_a_name_is_about_the_settings_while_they_wait(details):
    assert after(prepared(), created(), error(**details)).failed is not None


def test_an_error_of_the_services_own_is_about_nothing_that_was_sent():
    handover = after(prepared(), created(), error(type="server_error", code="oops"), error(event_id="of_another"))

    assert (handover.failed, handover.refused) == (None, [])
    assert [other.code for other in handover.others] == ["oops", None]


def test_errors_without_end_fill_no_memory():
    handover = after(prepared(), *(error(event_id="of_another") for _ in range(OTHER_ERRORS_MAX + 2)))

    assert len(handover.others) == OTHER_ERRORS_MAX
    assert handover.ignored.snapshot() == {"error": 2}


# --- why it never will be ready -----------------------------------------------------------------------------------


def test_an_error_that_is_fatal_is_the_end_whatever_it_names():
    handover = after(prepared(), created(), error(event_id="client_a", code="insufficient_quota"))

    assert (handover.failed.code, handover.failed.fatal) == ("insufficient_quota", True)
    assert handover.refused == []


def test_a_session_that_expires_is_the_end():
    failed = after(prepared(), created(), error(code="session_expired", message="60 minutes")).failed

    assert isinstance(failed, BidiModelTimeoutError)
    assert isinstance(failed.__cause__, ServerReported)


def test_what_failed_first_is_the_reason():
    handover = after(prepared(), error(code="invalid_api_key"), error(code="insufficient_quota"))

    assert handover.link_lost(ConnectionLost("closed", code=3000)).code == "invalid_api_key"


def test_a_connection_that_is_lost_is_the_end():
    handover = after(prepared(), created(), updated(), added("a"), added("b"))
    lost = ConnectionLost("closed", code=1006)

    assert handover.link_lost(lost) is lost
    assert handover.failed is lost
    assert not handover.ready


def test_an_expiry_that_only_the_close_tells_is_one():
    lost = ConnectionLost("closed", code=1001, reason="Your session hit the maximum duration of 60 minutes.")

    failed = after(prepared(), created()).link_lost(lost)

    assert isinstance(failed, BidiModelTimeoutError)
    assert failed.__cause__ is lost


def test_what_the_service_said_before_it_closed_a_connection_that_it_never_opened_is_the_reason():
    lost = ConnectionLost("closed", code=4000, reason="invalid_request_error.new_rule")
    refusal = error(code="new_rule", type="request_forbidden")

    failed = after(prepared(), refusal).link_lost(lost)

    assert (failed.code, failed.__cause__) == ("new_rule", lost)
    assert after(prepared(), created(), refusal).link_lost(lost) is lost


# --- what can't be read -------------------------------------------------------------------------------------------


def test_an_answer_that_cannot_be_read_is_an_answer():
    handover = prepared(items=("a", "b", "c"))
    for kind in ("session.created", "session.updated", "conversation.item.added", "conversation.item.created"):
        handover.violated(RemoteViolation("invalid_field", "no", event_type=kind), "invalid_field", NOW)
    assert not handover.ready

    assert after(handover, added("c")).ready
    assert handover.violations.snapshot() == {"invalid_field": 4}


def test_what_is_no_answer_and_cannot_be_read_is_counted():
    handover = prepared()
    handover.violated(RemoteViolation("invalid_json", "no"), "invalid_json", NOW)
    handover.violated(LimitExceeded("message_max_bytes", 1, 2, "no way"), "over_bound", NOW)
    for _ in range(3):
        unreadable = RemoteViolation("invalid_field", "no", event_type="conversation.item.added")
        handover.violated(unreadable, "invalid_field", NOW)

    assert handover.violations.snapshot() == {"invalid_json": 1, "over_bound": 1, "invalid_field": 3}
    assert not handover.ready


# --- a simulated service ------------------------------------------------------------------------------------------


@given(steps)
def test_a_service_that_is_told_of_any_talk_makes_it_ready(made_steps):
    talk = RandomTalk()
    for step in made_steps:
        talk.do(*step)

    def check(connection):
        items = Replay(100_000, 1000).first(talk.history, speech=nothing)
        handover = Handover([update("client_1", instructions="Be brief.")], items)
        connection.take(handover.begin())
        ready = []
        for event in connection.events:
            handover.receive(event, NOW)
            ready.append(handover.ready)

        assert ready[-1]
        assert (handover.refused, handover.others) == ([], [])
        assert handover.session.instructions == "Be brief."

    with_new_connections(check)


@given(st.permutations(["a", "b", "c"]), st.sets(st.sampled_from(["a", "b", "c"])))
def test_whatever_is_refused_the_rest_is_there(order, wrong):
    def check(connection):
        items = [item(item_id, f"client_{item_id}") for item_id in order]
        connection.take([item(item_id) for item_id in wrong])
        handover = Handover([], items)
        answers = connection.take(handover.begin())
        after(handover, connection.events[0], *answers)

        assert handover.ready
        assert set(handover.refused_items) == wrong

    with_new_connections(check)


def test_the_items_of_a_replay_have_ids():
    history = talk_of(message("", "user", text("Hello")), mcp_call("x", output="found"))

    items = Replay(1000, 10).first(history, speech=nothing)

    assert len(Handover([], items).begin()) == 3


# --- a translation ------------------------------------------------------------------------------------------------


def language(event_id, name):
    audio = TranslationAudio(output=TranslationAudioOutput(language=name))
    return TranslationSessionUpdate(session=TranslationSession(audio=audio), event_id=event_id)


TRANSLATION = TranslationSession(type="translation")


def test_a_translation_is_ready_when_its_settings_are_taken():
    handover = Handover([language("client_1", "es"), language("client_2", "fr")])
    assert [event.event_id for event in handover.begin()] == ["client_1", "client_2"]
    after(handover, TranslationSessionCreated(session=TRANSLATION), TranslationSessionUpdated(session=TRANSLATION))
    assert (handover.created, handover.ready) == (True, False)
    after(handover, TranslationSessionUpdated(session=TRANSLATION))
    assert (handover.ready, handover.session) == (True, None)


@pytest.mark.parametrize("details", [{"event_id": "client_1"}, {"param": "session.audio.output.language"}, {}])
def test_a_translation_whose_settings_are_refused_will_never_be_ready(details):
    handover = Handover([language("client_1", "xx")])
    after(handover, TranslationSessionCreated(session=TRANSLATION), error(**details))
    assert isinstance(handover.failed, ServerReported)
    assert not handover.ready
