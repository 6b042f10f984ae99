"""Requests and answers: each is matched with its own, whatever the service leaves out, and none stays open."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import DeadlinePassed, ServerReported, SessionEnded
from engine.protocol.pairs import BY_CODE, BY_PARAM, changed_fields, guess
from engine.protocol.requests import Answered, Requests
from engine.wire import client, server
from engine.wire.items import Content, MessageItem
from engine.wire.response import ErrorDetails, Response
from engine.wire.session import Audio, AudioInput, AudioOutput, ResponseSettings, Session, Transcription

DEADLINE_S, RESPONSE_DEADLINE_S = 10.0, 15.0


@pytest.fixture
def requests():
    return Requests(DEADLINE_S, RESPONSE_DEADLINE_S)


_count = itertools.count(1)


def named(cls, **fields):
    return cls(event_id=f"client_{next(_count)}", **fields)


def update(**settings):
    return named(client.SessionUpdate, session=Session(type="realtime", **settings))


def create(item_id="item_1"):
    item = MessageItem(id=item_id, role="user", content=(Content(type="input_text", text="hi"),))
    return named(client.ConversationItemCreate, item=item)


def delete(item_id="item_1"):
    return named(client.ConversationItemDelete, item_id=item_id)


def retrieve(item_id="item_1"):
    return named(client.ConversationItemRetrieve, item_id=item_id)


def truncate(item_id="item_1", content_index=0):
    return named(client.ConversationItemTruncate, item_id=item_id, content_index=content_index, audio_end_ms=500)


def cancel(response_id=None):
    return named(client.ResponseCancel, response_id=response_id)


def response_create(conversation=None):
    event = named(client.ResponseCreate)
    metadata = {"client_event_id": event.event_id}
    settings = ResponseSettings(metadata=metadata, conversation=conversation)
    return client.ResponseCreate(event_id=event.event_id, response=settings)


def item_event(cls, item_id="item_1"):
    return cls(item=MessageItem(id=item_id, role="user", content=()))


def updated(**settings):
    return server.SessionUpdated(session=Session(type="realtime", **settings))


def created(event_id, response_id="resp_1"):
    return server.ResponseCreated(response=Response(id=response_id, metadata={"client_event_id": event_id}))


def done(response_id="resp_1"):
    return server.ResponseDone(response=Response(id=response_id, status="cancelled"))


def error(code=None, *, event_id=None, param=None, message="told", type="invalid_request_error"):
    return ErrorDetails(code=code, event_id=event_id, param=param, message=message, type=type)


def sent(requests, event, now=0.0):
    """Ask for something and send it; give its ticket."""
    ticket = requests.ask(event)
    assert requests.due(now) == [event]
    return ticket


# --- answers --------------------------------------------------------------------------------------------------------

ANSWERED = [
    (create, lambda: item_event(server.ConversationItemAdded), "item"),
    (create, lambda: item_event(server.ConversationItemCreated), "item"),
    (create, lambda: item_event(server.ConversationItemDone), "item"),
    (retrieve, lambda: item_event(server.ConversationItemRetrieved), "item"),
    (delete, lambda: server.ConversationItemDeleted(item_id="item_1"), None),
    (truncate, lambda: server.ConversationItemTruncated(item_id="item_1", content_index=0, audio_end_ms=400), 400),
    (cancel, done, True),
]


@pytest.mark.parametrize(("ask", "answer", "value"), ANSWERED)
def test_a_request_has_the_answer_that_names_what_it_is_about(requests, ask, answer, value):
    ticket, event = sent(requests, ask()), answer()
    expected = event.item if value == "item" else value

    assert requests.answered(event) == [Answered(ticket, expected)]
    assert requests.answered(event) == [], "it is answered once"
    assert len(requests) == 0


@pytest.mark.parametrize(("ask", "answer", "value"), ANSWERED[:-1])
def test_what_is_told_of_another_item_answers_nothing(requests, ask, answer, value):
    del value
    sent(requests, ask("item_2"))

    assert requests.answered(answer()) == []
    assert len(requests) == 1


def test_a_truncation_of_another_piece_of_the_item_answers_nothing(requests):
    sent(requests, truncate(content_index=1))

    event = server.ConversationItemTruncated(item_id="item_1", content_index=0, audio_end_ms=400)
    assert requests.answered(event) == []


def test_updates_are_answered_in_order(requests):
    first, second = sent(requests, update(instructions="a")), sent(requests, update(tools=()))

    assert requests.answered(updated(instructions="a")) == [Answered(first, Session(type="realtime", instructions="a"))]
    assert [each.ticket for each in requests.answered(updated())] == [second]


def test_an_update_that_nobody_waits_for_takes_its_own_answer_away(requests):
    requests.note(update(instructions="the session's first"), 0.0)
    ticket = sent(requests, update(instructions="b"))

    assert requests.answered(updated()) == []
    assert [each.ticket for each in requests.answered(updated())] == [ticket]


def test_what_has_no_answer_of_its_own_is_not_noted(requests):
    requests.note(client.InputAudioBufferClear(), 0.0)
    requests.note(create(item_id=None), 0.0)
    assert requests.about(error(param="item.content")) is None

    requests.note(create(), 0.0)
    assert requests.about(error(param="item.content")) is not None, "by its id, its answer is known"


def test_a_response_is_known_by_its_metadata(requests):
    mine, other = response_create("none"), response_create("none")
    first, second = requests.ask(mine), requests.ask(other)
    assert requests.due(0.0) == [mine, other], "several out of band at once"

    assert requests.answered(server.ResponseCreated(response=Response(id="r0"))) == []
    assert requests.answered(created("somebody's")) == []
    assert [each.ticket for each in requests.answered(created(other.event_id))] == [second]
    assert [each.ticket for each in requests.answered(created(mine.event_id))] == [first]


def test_the_end_of_a_response_answers_all_who_wanted_it(requests):
    tickets = [sent(requests, cancel("resp_1")), sent(requests, cancel()), sent(requests, cancel("resp_2"))]

    assert [each.ticket for each in requests.answered(done("resp_1"))] == tickets[:2]
    assert len(requests) == 1


def test_other_events_answer_nothing(requests):
    sent(requests, update(instructions="a"))

    assert requests.answered(server.InputAudioBufferCleared()) == []


# --- one at a time --------------------------------------------------------------------------------------------------


def test_a_second_update_of_a_setting_waits_for_the_first(requests):
    first, second, third = update(instructions="a"), update(instructions="b", tools=()), update(tool_choice="none")
    for event in (first, second, third):
        requests.ask(event)

    assert requests.due(0.0) == [first, third]
    assert requests.due(0.0) == []
    requests.answered(updated())
    assert requests.due(1.0) == [second]


def test_those_that_wait_go_in_order(requests):
    events = [update(instructions=word) for word in "abc"]
    for event in events:
        requests.ask(event)
    going = []
    for _ in events:
        going += requests.due(0.0)
        requests.answered(updated())

    assert going == events


def test_an_update_of_the_sessions_own_holds_nothing_up(requests):
    requests.note(update(instructions="the session's first"), 0.0)

    sent(requests, update(instructions="b"))


def test_a_wait_that_is_given_up_lets_the_next_one_go(requests):
    first, second, third = update(instructions="a"), update(instructions="b"), update(instructions="c")
    sent(requests, first)
    waiting = requests.ask(second)
    requests.ask(third)

    assert requests.withdraw(waiting), "it was not sent"
    assert requests.due(0.0) == []
    requests.answered(updated())
    assert requests.due(0.0) == [third]


def test_which_settings_an_update_changes_is_told_by_their_place():
    session = Session(
        type="realtime",
        instructions="x",
        audio=Audio(
            input=AudioInput(transcription=Transcription(model="m"), extra={"turn_detection": None}),
            output=AudioOutput(speed=1.0),
        ),
        extra={"tracing": None},
    )

    assert changed_fields(session) == {
        "instructions",
        "tracing",
        "input.transcription",
        "input.turn_detection",
        "output.speed",
    }
    assert changed_fields(Session(type="realtime", audio=Audio(output=AudioOutput(speed=1.0)))) == {"output.speed"}


def test_a_response_of_the_conversation_goes_when_the_gate_says_so(requests):
    event = response_create()
    requests.ask(event)

    assert requests.due(0.0) == []
    assert requests.deadline is None
    assert requests.sent(event.event_id, 5.0) is event
    assert requests.deadline == 5.0 + RESPONSE_DEADLINE_S
    assert requests.sent("no request", 5.0) is None
    assert requests.sent(None, 5.0) is None


def test_a_request_that_lost_a_race_has_no_deadline_until_it_goes_again(requests):
    event = response_create()
    ticket = requests.ask(event)
    requests.sent(event.event_id, 0.0)
    requests.held_again(event.event_id)
    requests.held_again("no request")

    assert requests.expired(100.0) == []
    requests.sent(event.event_id, 100.0)
    assert [each.ticket for each in requests.answered(created(event.event_id))] == [ticket]


# --- refusals -------------------------------------------------------------------------------------------------------


def test_an_error_that_names_its_event_is_that_ones(requests):
    first, second = delete("item_1"), delete("item_2")
    sent(requests, first)
    ticket = sent(requests, second)

    (answer,) = requests.refused(error("item_delete_invalid_item_id", event_id=second.event_id))

    assert answer.ticket == ticket
    assert isinstance(answer.error, ServerReported)
    assert answer.error.code == "item_delete_invalid_item_id"
    assert len(requests) == 1


def test_an_error_that_names_an_event_of_somebody_else_is_nobodys(requests):
    sent(requests, delete())

    assert requests.refused(error("item_delete_invalid_item_id", event_id="by hand")) == []
    assert len(requests) == 1


NAMELESS = [
    (delete, error("item_delete_invalid_item_id")),
    (retrieve, error("item_retrieve_invalid_item_id")),
    (truncate, error("item_truncate_invalid_item_id")),
    (truncate, error(message="Only model output audio messages can be truncated")),
    (truncate, error("invalid_value", message="Audio content of 2300ms is already shorter than 4000ms")),
    (truncate, error("invalid_value", param="audio_end_ms")),
    (lambda: update(instructions="a"), error("cannot_update_voice")),
    (lambda: update(instructions="a"), error("unknown_parameter", param="session.temperature")),
    (lambda: update(instructions="a"), error("invalid_value", param="session.tools[0].name")),
    (lambda: update(instructions="a"), error(message="Reasoning is not supported by this model.")),
    (lambda: update(instructions="a"), error(message="not possible here")),
    (create, error("string_above_max_length", param="item.id")),
    (create, error("invalid_value", param="previous_item_id")),
    (lambda: response_create("none"), error("invalid_value", param="response.tools")),
    (cancel, error("invalid_value", param="response_id")),
]


@pytest.mark.parametrize(("ask", "details"), NAMELESS)
def test_an_error_without_a_name_is_that_of_the_oldest_request_it_can_be_about(requests, ask, details):
    first, second = ask(), ask()
    others = [event for event in (delete(), retrieve(), create("x")) if type(event) is not type(first)]
    for event in others:
        requests.ask(event)
    tickets = [requests.ask(first), requests.ask(second)]
    requests.due(0.0)
    assert [each.ticket for each in requests.refused(details)] == tickets[:1]
    requests.due(0.0)
    assert [each.ticket for each in requests.refused(details)] == tickets[1:]
    assert requests.refused(details) == []
    assert len(requests) == len(others)


def test_of_several_the_one_that_the_message_quotes_is_meant(requests):
    sent(requests, delete("yo"))
    ticket = sent(requests, delete("ye"))

    words = "Error deleting item: the item with id 'ye' does not exist."
    assert [each.ticket for each in requests.refused(error("item_delete_invalid_item_id", message=words))] == [ticket]


@pytest.mark.parametrize(
    "details",
    [
        error("input_audio_buffer_commit_empty"),
        error("invalid_json"),
        error("insufficient_quota"),
        error("session_expired"),
        error("conversation_already_has_active_response"),
        error(None, type="server_error"),
        error("server_error", type="server_error"),
        error("invalid_value", param="audio"),
    ],
)
def test_an_error_about_something_else_is_nobodys(requests, details):
    sent(requests, update(instructions="a"))

    assert requests.about(details) is None
    assert requests.refused(details) == []


def test_a_request_that_was_not_sent_is_not_refused(requests):
    sent(requests, update(instructions="a"))
    requests.ask(update(instructions="b"))
    requests.refused(error(param="session.x"))

    assert requests.refused(error(param="session.x")) == []


def test_nothing_to_cancel_is_an_answer(requests):
    ticket = sent(requests, cancel())

    assert requests.refused(error("response_cancel_not_active")) == [Answered(ticket, value=False)]


def test_every_guess_is_of_a_request_with_an_answer():
    assert {*BY_CODE.values(), *BY_PARAM.values()} <= {
        client.SessionUpdate,
        client.ConversationItemCreate,
        client.ConversationItemDelete,
        client.ConversationItemRetrieve,
        client.ConversationItemTruncate,
        client.ResponseCreate,
        client.ResponseCancel,
    }
    assert guess(ErrorDetails()) is None


# --- who leaves -----------------------------------------------------------------------------------------------------


def test_a_request_whose_caller_left_still_takes_its_answer(requests):
    first = sent(requests, update(instructions="a"))
    second = sent(requests, update(tools=()))

    assert not requests.withdraw(first), "it was sent"
    assert [each.ticket for each in requests.answered(updated())] == [first]
    assert [each.ticket for each in requests.answered(updated())] == [second]


def test_a_refusal_that_nobody_waits_for_is_no_answer(requests):
    event = delete()
    ticket = sent(requests, event)
    requests.withdraw(ticket)

    assert requests.is_abandoned(event.event_id)
    assert requests.refused(error("item_delete_invalid_item_id")) == []
    assert not requests.is_abandoned(event.event_id)


def test_a_refusal_of_what_was_only_noted_is_no_answer(requests):
    requests.note(delete(), 0.0)

    assert requests.refused(error("item_delete_invalid_item_id")) == []
    assert requests.about(error("item_delete_invalid_item_id")) is None, "it took its error away"


def test_who_is_not_there_can_not_leave(requests):
    assert not requests.withdraw(7)
    assert requests.find(7) is None


# --- ends -----------------------------------------------------------------------------------------------------------


def test_an_answer_that_is_late_is_not_waited_for(requests):
    ticket = sent(requests, update(instructions="a"), now=5.0)

    assert requests.deadline == 15.0
    assert requests.expired(14.999) == []
    (answer,) = requests.expired(15.0)
    assert answer.ticket == ticket
    assert isinstance(answer.error, DeadlinePassed)
    assert (answer.error.deadline, answer.error.limit_s) == ("session.update", DEADLINE_S)
    assert requests.deadline is None


def test_what_was_only_noted_is_forgotten_in_time(requests):
    requests.note(update(instructions="never answered"), 0.0)
    assert requests.deadline is None, "nobody has to be woken for it"
    event = update(instructions="b")
    ticket = requests.ask(event)

    assert requests.due(DEADLINE_S) == [event]
    assert [each.ticket for each in requests.answered(updated())] == [ticket]


def test_at_the_end_of_the_session_each_gets_an_error_of_its_own(requests):
    tickets = [sent(requests, delete(str(i))) for i in range(3)]
    requests.note(delete("x"), 0.0)

    answers = requests.close(lambda: SessionEnded("error"))

    assert [each.ticket for each in answers] == tickets
    assert len({id(each.error) for each in answers}) == 3
    assert requests.close(lambda: SessionEnded("error")) == []


ASKS = st.sampled_from(
    [
        lambda: update(instructions="a"),
        lambda: update(tools=()),
        create,
        delete,
        retrieve,
        truncate,
        cancel,
        lambda: response_create("none"),
    ]
)
TOLD = st.sampled_from([answer for _, answer, _ in ANSWERED] + [updated])
ERRORS = st.sampled_from([details for _, details in NAMELESS] + [error(), error("other")])


@given(st.lists(st.one_of(ASKS, TOLD, ERRORS, st.floats(0, 30), st.integers(0, 20)), max_size=40))
def test_whatever_happens_each_request_ends_once(steps):
    requests, now, asked, ended = Requests(DEADLINE_S, RESPONSE_DEADLINE_S), 0.0, set(), []
    for step in steps:
        if isinstance(step, ErrorDetails):
            ended += requests.refused(step)
        elif isinstance(step, float):
            now += step
            ended += requests.expired(now)
        elif isinstance(step, int):
            asked -= {step} if requests.withdraw(step) or requests.find(step) else set()
        else:
            event = step()
            if isinstance(event, client.ClientEventBase):
                asked.add(requests.ask(event))
            else:
                ended += requests.answered(event)
        requests.due(now)
        assert requests.deadline is None or requests.deadline > now or isinstance(step, float) is False
    ended += requests.close(lambda: SessionEnded("complete"))

    tickets = [each.ticket for each in ended]
    assert len(tickets) == len(set(tickets))
    assert asked <= set(tickets)


# --- from one connection to the next ----------------------------------------------------------------------------------


def asked(requests, *events, now=0.0):
    """Ask for these, as far as nothing holds them up; give their tickets."""
    tickets = [requests.ask(event) for event in events]
    requests.due(now)
    return tickets


def test_what_another_connection_can_do_waits_for_it_without_a_deadline(requests):
    events = [update(instructions="a"), retrieve(), response_create("none")]
    asked(requests, *events)
    assert requests.link_down() == ([], [])
    assert (requests.deadline, requests.due(1.0), requests.expired(1000.0)) == (None, [], [])
    requests.link_up(2.0)

    assert requests.due(2.0) == events
    assert requests.deadline == 2.0 + DEADLINE_S


def test_what_another_connection_need_not_do_is_granted(requests):
    events = [cancel("resp_1"), truncate(), delete("item_2")]
    first, second, third = asked(requests, *events)
    requests.note(cancel(), 0.0)
    moot, answers = requests.link_down()

    assert moot[:3] == events
    assert len(moot) == 4
    assert answers == [Answered(first, value=False), Answered(second, 500), Answered(third, None)]
    assert requests.link_down() == ([], []), "once"


def test_what_is_asked_for_while_there_is_none_is_granted_where_the_item_is_known(requests):
    requests.link_down()
    known, unknown, stop = asked(requests, delete("known"), delete("unknown"), cancel())
    moot, answers = requests.moot(lambda item_id: item_id in {"known", None})
    requests.link_up(1.0)

    assert [type(event) for event in moot] == [client.ConversationItemDelete, client.ResponseCancel]
    assert answers == [Answered(known, None), Answered(stop, value=False)]
    assert [event.item_id for event in requests.due(1.0)] == ["unknown"]
    assert requests.find(unknown) is not None


def test_what_was_sent_by_hand_is_not_sent_again_but_for_settings(requests):
    change = update(instructions="a")
    for event in (change, retrieve(), create()):
        requests.note(event, 0.0)
    requests.link_down()
    requests.link_up(1.0)

    assert requests.due(1.0) == [change]


def test_what_goes_out_by_hand_while_there_is_none_goes_out_later(requests):
    requests.link_down()
    event = retrieve()
    requests.note(event, 0.0)
    assert requests.due(0.0) == []
    requests.link_up(1.0)

    assert requests.due(1.0) == [event]


def test_an_item_is_told_again_by_who_follows_items_and_its_answer_is_waited_for(requests):
    event = create("mine")
    (ticket,) = asked(requests, event)
    requests.link_down()
    requests.link_up(5.0)

    assert requests.due(5.0) == []
    assert requests.deadline == 5.0 + DEADLINE_S
    added = server.ConversationItemAdded(item=event.item)
    assert [answer.ticket for answer in requests.answered(added)] == [ticket]


@pytest.mark.parametrize(
    ("make", "stays"),
    [(retrieve, False), (lambda: response_create("none"), False), (lambda: update(instructions="a"), True)],
)
def test_what_nobody_waits_for_any_more_is_asked_for_again_only_where_it_changes_something(requests, make, stays):
    event = make()
    (ticket,) = asked(requests, event)
    requests.withdraw(ticket)
    requests.link_down()
    requests.link_up(1.0)

    assert requests.due(1.0) == [event] * stays


def test_the_answers_to_what_a_connection_is_told_first_are_nobody_elses(requests):
    taken = []
    requests.on_update = taken.append
    requests.link_down()
    (ticket,) = asked(requests, update(instructions="mine"))
    told = update(instructions="told")
    requests.link_up(1.0, [told])
    requests.due(1.0)
    answer = server.SessionUpdated(session=Session(type="realtime"))

    assert requests.answered(answer) == []
    assert [each.ticket for each in requests.answered(answer)] == [ticket]
    assert [event.session.instructions for event in taken] == ["told", "mine"]
