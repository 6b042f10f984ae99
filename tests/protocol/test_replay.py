"""What a new connection is told of the talk: the words as they were heard, the newest that fit, and what changed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from new_connection import (
    AUDIO,
    LONG,
    RandomTalk,
    call,
    mcp_call,
    message,
    nothing,
    result,
    said,
    shown,
    steps,
    talk_of,
    text,
    with_new_connections,
)
from transcripts import config

from engine.limits import ID_MAX_CHARS
from engine.protocol.conversation import Conversation
from engine.protocol.replay import Replay, ReplayStatistics
from engine.protocol.token_estimate import audio_tokens, item_tokens, text_tokens
from engine.wire.client import ConversationItemDelete
from engine.wire.codec import decode_server
from engine.wire.items import (
    Content,
    FunctionCallItem,
    FunctionCallOutputItem,
    McpApprovalRequestItem,
    McpListToolsItem,
    MessageItem,
)
from engine.wire.response import ErrorDetails
from engine.wire.server import (
    ConversationItemAdded,
    ConversationItemCreated,
    ConversationItemDeleted,
    ConversationItemDone,
    ErrorReported,
    RateLimitsUpdated,
)


def replay(max_tokens=100_000, max_items=1000, **options):
    return Replay(max_tokens, max_items, **options)


def told(history, speech=nothing, **bounds):
    """What a new connection is told: each item's id, and what it says."""
    return {event.item.id: shown(event.item) for event in replay(**bounds).first(history, speech=speech)}


def left_out(history, **bounds):
    made = replay(**bounds)
    made.first(history, speech=nothing)
    return made.statistics.left_out


def short(events):
    """What is sent, in short: `+id after` or `-id`."""
    return [
        f"-{event.item_id}"
        if isinstance(event, ConversationItemDelete)
        else f"+{event.item.id} {event.previous_item_id or 'end'}"
        for event in events
    ]


# --- how items are told -------------------------------------------------------------------------------------------


def test_each_side_says_its_words_again_under_the_same_id():
    history = talk_of(
        message("a", "system", text("Be brief.")),
        message("b", "user", text("Hello"), text("there")),
        message("c", "assistant", text("Hi!", "assistant")),
    )

    assert told(history) == {
        "a": ("system", "Be brief."),
        "b": ("user", "Hello", "there"),
        "c": ("assistant", "Hi!"),
    }


def test_what_was_spoken_is_told_by_its_transcript():
    history = talk_of(message("a", "user", said("Hello")), message("b", "assistant", said("Hi!", "assistant")))

    events = replay().first(history, speech=nothing)

    assert [event.item.content for event in events] == [
        (Content(type="input_text", text="Hello"),),
        (Content(type="output_text", text="Hi!"),),
    ]


def test_an_answer_that_was_cut_is_told_as_it_was_heard():
    history = talk_of(message("a", "assistant", said("One two three four", "assistant")))
    history.received("a", 1000.0)
    history.truncated("a", 500)

    assert told(history) == {"a": ("assistant", "One two")}


def test_an_answer_of_which_nothing_was_heard_is_left_out():
    history = talk_of(message("a", "assistant", said("One two three four", "assistant")))
    history.truncated("a", 0)

    assert told(history) == {}
    assert left_out(history) == {"no_words": 1}


def test_an_answer_that_is_under_way_is_told_as_far_as_it_has_words():
    history = talk_of(message("a", "assistant", status="in_progress"), message("b", "assistant", status="in_progress"))
    history.said("b", "Once upon a time")

    assert told(history) == {"b": ("assistant", "Once upon a time")}


def test_speech_that_nobody_wrote_down_is_told_as_it_was_spoken_where_it_was_kept():
    history = talk_of(message("a", "user", said()), message("b", "user", said()), message("c", "user", said(" ")))
    kept = {"a": AUDIO, "b": "", "c": AUDIO}

    events = replay().first(history, speech=kept.get)

    assert [(event.item.id, event.item.content) for event in events] == [
        ("a", (Content(type="input_audio", audio=AUDIO),)),
        ("c", (Content(type="input_audio", audio=AUDIO),)),
    ]


def test_speech_of_the_assistants_is_not_asked_for():
    history = talk_of(message("a", "assistant", said(None, "assistant")), message("b", "user", text("Hello")))

    def never(item_id):
        raise AssertionError(item_id)

    assert told(history, never) == {"b": ("user", "Hello")}


def test_a_message_with_an_image_keeps_its_words_and_one_without_words_is_left_out():
    image = Content(type="input_image", image_url="data:image/png;base64,AAAA")
    history = talk_of(message("a", "user", image, text("What is this?")), message("b", "user", image))
    made = replay()
    made.first(history, speech=nothing)

    assert told(history) == {"a": ("user", "What is this?")}
    assert (made.statistics.images, made.statistics.left_out) == (1, {"no_words": 1})


def test_a_call_is_told_with_its_result():
    history = talk_of(call("a", "call_1"), result("b", "call_1", "sunny"))

    events = replay().first(history, speech=nothing)

    assert [event.item for event in events] == [
        FunctionCallItem(id="a", status="completed", call_id="call_1", name="weather", arguments='{"city": "Paris"}'),
        FunctionCallOutputItem(id="b", call_id="call_1", output="sunny"),
    ]


def test_calls_that_were_never_made_whole_and_results_without_a_call_are_left_out():
    history = talk_of(
        call("a", "call_1", "in_progress", ""),
        call("b", "call_2", "incomplete", '{"ci'),
        call("c", None),
        result("d", "call_4"),
        call("e", "call_4"),
        mcp_call("f"),
    )

    assert told(history) == {"e": ("call", "call_4", "weather", '{"city": "Paris"}')}
    assert left_out(history) == {"unfinished": 4, "no_call": 1}


def test_a_call_that_was_answered_was_whole_whatever_its_status_says():
    history = talk_of(call("a", "call_1", "in_progress"), result("b", "call_1"), result("c", "call_1", "again"))

    assert list(told(history)) == ["a", "b", "c"]


def test_a_call_of_an_mcp_tool_is_told_as_one_of_a_function_with_its_result():
    history = talk_of(
        mcp_call("a", output="found"), mcp_call("b", error={"message": "no way in"}), mcp_call(LONG, output="")
    )

    told_items = list(told(history).items())
    calls, results = told_items[::2], told_items[1::2]

    assert [item_id for item_id, _ in calls][:2] == ["a", "b"]
    assert {says[2] for _, says in calls} == {"docs_search"}
    assert [says[1] for _, says in calls] == [says[1] for _, says in results]
    assert [says[2] for _, says in results] == ["found", '{"message": "no way in"}', ""]
    ids = [item_id for item_id, _ in told_items] + [says[1] for _, says in calls]
    assert len(set(ids)) == len(ids) == 9
    assert max(map(len, ids)) <= ID_MAX_CHARS


def test_what_no_client_may_send_is_left_out():
    history = talk_of(
        McpListToolsItem(id="a", server_label="docs", tools=()),
        McpApprovalRequestItem(id="b", server_label="docs", name="do", arguments="{}"),
        message("c", "developer", text("Be brief.")),
    )

    assert told(history) == {}
    assert left_out(history) == {"untellable": 3}


def test_an_id_that_the_service_would_refuse_is_replaced_by_one_that_is_always_the_same():
    history = talk_of(message(LONG, "user", text("Hello")), message("", "user", text("you")))
    made = replay()

    first = [event.item.id for event in made.first(history, speech=nothing)]

    assert len(set(first)) == 2
    assert {len(item_id) for item_id in first} == {31}
    assert made.rest(history, speech=nothing) == []
    assert list(told(history)) == first
    assert made.statistics.renamed == 2


# --- bounds -------------------------------------------------------------------------------------------------------


def test_the_newest_items_are_told():
    history = talk_of(*(message(f"item_{n}", "user", text("Hello")) for n in range(5)))

    assert list(told(history, max_items=2)) == ["item_3", "item_4"]
    assert left_out(history, max_items=2) == {"older": 3}


def test_tokens_are_counted_with_what_marks_an_item():
    history = talk_of(*(message(f"item_{n}", "user", text("x" * 40)) for n in range(5)))
    made = replay(max_tokens=37)
    made.first(history, speech=nothing)

    assert made.statistics == ReplayStatistics(replayed=2, left_out={"older": 3}, tokens=36)
    assert (made.replayed, made.left_out) == (2, 3)


def test_an_item_that_is_over_the_bound_alone_is_passed_by():
    history = talk_of(
        message("a", "user", text("Hello")), message("b", "user", text("x" * 4000)), message("c", "user", text("you"))
    )

    assert list(told(history, max_tokens=100)) == ["a", "c"]
    assert left_out(history, max_tokens=100) == {"too_large": 1}


def test_a_call_and_its_result_go_together():
    history = talk_of(
        call("a", "call_1"), message("b", "user", text("Hello")), result("c", "call_1"), message("d", "user", text("x"))
    )

    assert list(told(history, max_items=3)) == ["a", "c", "d"]
    assert list(told(history, max_items=2)) == ["d"]
    assert left_out(history, max_items=2) == {"older": 3}
    assert left_out(history, max_items=1) == {"too_large": 2, "older": 1}


def test_an_open_call_is_told_whatever_the_bounds_and_has_its_room_first():
    history = talk_of(
        call("a", "call_1"), message("b", "user", text("Hello")), call("c", "call_2"), message("d", "user", text("x"))
    )

    assert list(told(history, max_items=1)) == ["a", "c"]
    assert list(told(history, max_items=3)) == ["a", "c", "d"]
    assert list(told(history, max_tokens=1)) == ["a", "c"]


def test_speech_weighs_by_its_length():
    second = "A" * (48_000 * 4 // 3)

    assert audio_tokens(second, 48) == 10
    assert audio_tokens("A" * (8_000 * 4 // 3), 8) == 10
    history = talk_of(message("a", "user", said()))
    assert list(told(history, lambda _: second, max_tokens=18)) == ["a"]
    assert list(told(history, lambda _: second, max_tokens=17)) == []
    assert list(told(history, lambda _: second, max_tokens=18, speech_bytes_per_ms=8)) == []


@pytest.mark.parametrize(
    ("words", "tokens"), [("", 0), ("a", 1), ("four", 1), ("Hello there", 3), ("¿Cómo?", 3), ("你好", 2), ("\ud83d", 1)]
)
def test_the_tokens_of_a_text(words, tokens):
    assert text_tokens(words) == tokens


def test_the_tokens_of_an_item():
    assert item_tokens(message("a", "user", text("Hello")), 48) == 10
    assert item_tokens(call("a", "call_1", arguments="{}"), 48) == 11
    assert item_tokens(result("a", "call_1", "sunny"), 48) == 10
    assert item_tokens(McpListToolsItem(server_label="docs", tools=()), 48) == 8


# --- what has changed ---------------------------------------------------------------------------------------------


def test_where_nothing_has_changed_there_is_nothing_to_tell():
    history = talk_of(message("a", "user", text("Hello")), call("b", "call_1"))
    made = replay()
    made.first(history, speech=nothing)

    assert made.rest(history, speech=nothing) == []


def test_what_was_said_since_is_told_at_the_end_and_what_was_put_between_in_its_place():
    history = talk_of(message("a", "user", text("Hello")), message("b", "user", text("you")))
    made = replay()
    assert short(made.first(history, speech=nothing)) == ["+a end", "+b end"]
    history.put(message("c", "user", text("new")), None)
    history.put(message("d", "user", text("between")), "a")
    history.put(message("e", "system", text("first")), "root")

    assert short(made.rest(history, speech=nothing)) == ["+e root", "+d a", "+c end"]
    assert made.rest(history, speech=nothing) == []


def test_what_was_deleted_is_deleted_results_before_their_calls():
    history = talk_of(call("a", "call_1"), result("b", "call_1"), message("c", "user", text("Hello")))
    made = replay()
    made.first(history, speech=nothing)
    history.deleted("a")

    assert short(made.rest(history, speech=nothing)) == ["-b", "-a"]


def test_other_words_take_the_place_of_those_that_were_told():
    history = talk_of(
        message("a", "assistant", said("One two three four", "assistant")), message("b", "user", text("x"))
    )
    made = replay()
    made.first(history, speech=nothing)
    history.received("a", 1000.0)
    history.truncated("a", 500)

    changes = made.rest(history, speech=nothing)

    assert short(changes) == ["-a", "+a root"]
    assert shown(changes[1].item) == ("assistant", "One two")


def test_what_is_past_the_bound_now_is_deleted():
    history = talk_of(message("a", "user", text("Hello")), message("b", "user", text("you")))
    made = replay(max_items=2)
    made.first(history, speech=nothing)
    history.put(message("c", "user", text("new")), None)

    assert short(made.rest(history, speech=nothing)) == ["-a", "+c end"]
    assert made.statistics.left_out == {"older": 1}


def test_speech_is_told_once_though_it_is_kept_no_longer_and_gives_way_to_its_words():
    history = talk_of(message("a", "user", said()))
    made = replay()
    made.first(history, speech={"a": AUDIO}.get)
    assert made.rest(history, speech=nothing) == []
    history.said("a", "Hello")

    changes = made.rest(history, speech=nothing)

    assert short(changes) == ["-a", "+a end"]
    assert shown(changes[1].item) == ("user", "Hello")


def test_an_item_that_was_put_elsewhere_under_the_same_id_is_moved():
    history = talk_of(*(message(item_id, "user", text(item_id)) for item_id in "abc"))
    made = replay()
    made.first(history, speech=nothing)
    history.deleted("c")
    history.put(message("c", "user", text("c")), "root")

    assert short(made.rest(history, speech=nothing)) == ["-c", "+c root"]
    history.deleted("c")
    history.put(message("c", "user", text("c")), None)
    assert short(made.rest(history, speech=nothing)) == ["-b", "-a", "+a root", "+b a"]


def test_what_is_told_first_is_told_to_a_connection_that_knows_nothing():
    history = talk_of(message("a", "user", text("Hello")), message("b", "user", said()))
    made = replay()
    made.first(history, speech={"b": AUDIO}.get)
    made.refused("a")

    assert short(made.first(history, speech=nothing)) == ["+a end", "+b end"]
    assert made.unheard == 4
    assert made.is_replayed("a")


def test_events_have_ids_of_their_own_or_those_that_are_given():
    history = talk_of(message("a", "user", text("Hello")), message("b", "user", text("you")))
    ids = iter(["x", "y"])

    assert [event.event_id for event in replay().first(history, speech=nothing)] == ["replay_1", "replay_2"]
    given_ids = replay(next_event_id=lambda: next(ids)).first(history, speech=nothing)
    assert [event.event_id for event in given_ids] == ["x", "y"]


# --- what the service says of it ------------------------------------------------------------------------------------


def added(item_id, cls=ConversationItemAdded):
    return cls(item=message(item_id, "user", text("Hello")))


def test_each_answer_is_known_once():
    made = replay()
    made.first(talk_of(message("a", "user", text("Hello"))), speech=nothing)
    assert made.unheard == 2
    heard = [added("a"), added("a", ConversationItemDone), added("a"), added("a", ConversationItemDone), added("b")]

    assert [made.hear(event) for event in heard] == [True, True, False, False, False]
    assert made.unheard == 0


def test_the_older_name_of_an_answer_is_known():
    made = replay()
    made.first(talk_of(message("a", "user", text("Hello"))), speech=nothing)

    assert made.hear(added("a", ConversationItemCreated))


def test_a_deletion_that_was_told_is_no_news_and_another_one_is():
    history = talk_of(message("a", "user", text("Hello")))
    made = replay()
    made.first(history, speech=nothing)
    history.deleted("a")
    made.rest(history, speech=nothing)

    assert [made.hear(ConversationItemDeleted(item_id=item_id)) for item_id in ("b", "a", "a")] == [False, True, False]


def test_events_about_other_things_are_news():
    assert not replay().hear(RateLimitsUpdated(rate_limits=()))


def error(event_id):
    return ErrorReported(error=ErrorDetails(message="no", event_id=event_id))


def test_an_item_that_was_refused_is_not_told_again_and_its_error_is_news():
    history = talk_of(call("a", "call_1"), result("b", "call_1"), message("c", "user", text("Hello")))
    made = replay()
    made.first(history, speech=nothing)

    assert not made.hear(error("replay_2"))
    assert [made.is_replayed(item_id) for item_id in ("a", "b", "c", "d")] == [True, False, True, False]
    assert made.unheard == 4
    assert short(made.rest(history, speech=nothing)) == ["-a"]
    assert made.statistics.left_out == {"refused": 2}


def test_an_item_that_somebody_else_knows_to_be_refused_is_not_told_again():
    history = talk_of(message("a", "user", text("Hello")), message("b", "user", text("you")))
    made = replay()
    made.first(history, speech=nothing)
    made.refused("a")
    history.put(message("c", "user", text("first")), "root")

    assert short(made.rest(history, speech=nothing)) == ["+c root"]
    assert made.unheard == 4


def test_a_deletion_that_was_refused_has_no_answer_to_come():
    history = talk_of(message("a", "user", text("Hello")))
    made = replay()
    made.first(history, speech=nothing)
    history.deleted("a")
    (deletion,) = made.rest(history, speech=nothing)

    assert not made.hear(error(deletion.event_id))
    assert not made.hear(error(None))
    assert made.unheard == 2


def test_events_without_an_id_can_be_told_too():
    made = replay(next_event_id=lambda: None)
    made.first(talk_of(message("a", "user", text("Hello"))), speech=nothing)

    assert not made.hear(error(None))
    assert made.is_replayed("a")


# --- a simulated service takes it ---------------------------------------------------------------------------------

bounds = st.tuples(st.integers(0, 200), st.integers(0, 12)) | st.just((100_000, 1000))


def some_speech(item_id):
    return AUDIO if len(item_id) % 2 else None


def grown(made_steps, talk=None):
    talk = talk or RandomTalk()
    for step in made_steps:
        talk.do(*step)
    return talk


@given(steps)
def test_a_service_takes_any_talk_and_has_the_same_words(made_steps):
    history = grown(made_steps).history

    def check(connection):
        made = replay()
        connection.take(made.first(history, speech=nothing))

        assert connection.errors == []
        assert made.statistics.replayed + sum(made.statistics.left_out.values()) == len(history)
        for held in history:
            mirrored = connection.mirror.get(held.id)
            if mirrored is not None and isinstance(held.item, MessageItem):
                assert mirrored.heard_words == [heard for heard in held.heard_words if heard.strip()]

    with_new_connections(check)


def test_a_service_takes_what_was_recorded_of_the_real_one(recording):
    conversation = Conversation(config(), "connection_1")
    for line in map(json.loads, recording.read_text().splitlines()):
        if line["dir"] == "server":
            conversation.receive(decode_server(json.dumps(line["event"])), 0.0)
    spoken = [held.id for held in conversation.history if not held.heard_words and isinstance(held.item, MessageItem)]

    def check(connection):
        made = replay()
        connection.take(made.first(conversation.history, speech=dict.fromkeys(spoken, AUDIO).get))

        assert connection.errors == []
        assert [item_id for item_id, _ in connection.items] == [held.id for held in conversation.history]
        assert connection.mirror.messages() == conversation.history.messages() != []

    with_new_connections(check)


@given(st.lists(steps, min_size=1, max_size=4), bounds)
def test_what_is_told_in_parts_is_what_would_be_told_at_once(parts, limits):
    def check(grows, fresh):
        talk = grown(parts[0])
        made = Replay(*limits)
        answers = grows.take(made.first(talk.history, speech=some_speech))
        for part in parts[1:]:
            grown(part, talk)
            answers += grows.take(made.rest(talk.history, speech=some_speech))
        at_once = Replay(*limits)
        fresh.take(at_once.first(talk.history, speech=some_speech))

        assert grows.errors == fresh.errors == []
        assert grows.items == fresh.items
        assert made.statistics == at_once.statistics
        assert all(made.hear(answer) for answer in answers)
        assert made.unheard == 0

    with_new_connections(check, 2)


@given(steps, bounds)
def test_bounds_hold_and_only_the_oldest_are_missing(made_steps, limits):
    history = grown(made_steps).history
    max_tokens, max_items = limits
    made = Replay(max_tokens, max_items)
    items = [event.item for event in made.first(history, speech=some_speech)]
    results = {item.call_id for item in items if isinstance(item, FunctionCallOutputItem)}
    calls = [item.call_id for item in items if isinstance(item, FunctionCallItem)]
    open_calls = [item for item in items if isinstance(item, FunctionCallItem) and item.call_id not in results]

    assert results <= set(calls)
    bound = max(max_tokens, sum(item_tokens(item, 48) for item in open_calls))
    assert made.statistics.tokens == sum(item_tokens(item, 48) for item in items) <= bound
    assert len(items) <= max(max_items, len(open_calls))
    answered = {held.item.call_id for held in history if isinstance(held.item, FunctionCallOutputItem)}
    waiting = {
        held.item.call_id
        for held in history
        if isinstance(held.item, FunctionCallItem) and held.item.status == "completed"
    }
    assert waiting - answered <= set(calls)


# --- other words, later -----------------------------------------------------------------------------------------------


def told_of(history):
    """A replay that has told a new connection of a talk."""
    made = replay()
    made.first(history, speech=nothing)
    return made


def an_answer_between(*others):
    first, last = others
    return talk_of(message(first, "user", text("hi")), message("a", "assistant", said("one two", "assistant")), last)


def test_an_item_with_fewer_words_comes_to_stand_where_it_stood():
    history = an_answer_between("u", message("v", "user", text("ho")))
    made = told_of(history)
    history.received("a", 1000.0)
    history.truncated("a", 500)
    gone, back = made.again(history.get("a"), speech=nothing)

    assert (gone.item_id, back.item.id, back.previous_item_id) == ("a", "a", "u")
    assert shown(back.item) == ("assistant", "one")
    gone, back = made.again(history.get("a"), speech=nothing)
    assert back.previous_item_id == "u", "and again"


def test_the_first_item_stays_the_first():
    history = talk_of(message("a", "assistant", text("one", "assistant")))
    made = told_of(history)

    assert made.again(history.get("a"), speech=nothing)[1].previous_item_id == "root"


@pytest.mark.parametrize("how", ["refused", "deleted"])
def test_it_is_put_behind_what_is_there(how):
    history = an_answer_between("u", message("v", "user", text("ho")))
    made = told_of(history)
    if how == "refused":
        made.refused("u")
    else:
        assert not made.hear(ConversationItemDeleted(item_id="u")), "that is news"

    assert made.again(history.get("a"), speech=nothing)[1].previous_item_id == "root"


def test_an_item_without_any_words_left_is_removed():
    history = an_answer_between("u", message("v", "user", text("ho")))
    made = told_of(history)
    history.truncated("a", 0)
    events = made.again(history.get("a"), speech=nothing)

    assert [type(event) for event in events] == [ConversationItemDelete]
    assert not made.is_replayed("a")
    assert made.again(history.get("a"), speech=nothing) == []


def test_an_item_that_does_not_count_any_more_is_removed_once():
    history = talk_of(message(LONG, "user", text("hi")))
    made = told_of(history)
    (gone,) = made.forget(LONG)

    assert len(gone.item_id) <= ID_MAX_CHARS
    assert made.hear(ConversationItemDeleted(item_id=gone.item_id)), "which is no news"
    assert made.forget(LONG) == []
    assert made.forget("nobody knows it") == []
