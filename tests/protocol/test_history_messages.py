"""The talk as messages: what `SessionConfig(history=...)` takes back, in order, and of a cut answer what was heard."""

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transcripts import config

from engine.contract import messages_to_items
from engine.protocol.conversation import Conversation
from engine.protocol.effects import Transmit
from engine.protocol.history import History
from engine.wire.client import ConversationItemCreate
from engine.wire.codec import decode_client, decode_server
from engine.wire.items import (
    Content,
    FunctionCallItem,
    FunctionCallOutputItem,
    Item,
    McpApprovalRequestItem,
    McpApprovalResponseItem,
    McpCallItem,
    McpListToolsItem,
    MessageItem,
    UnknownItem,
)

Json = dict[str, Any]


def history(*items: Item) -> History:
    """A conversation of these items, each with an id of its own where it has none."""
    made = History(100)
    for number, item in enumerate(items):
        made.put(item if item.id else attrs.evolve(item, id=f"item_{number}"), None)
    return made


def said(role: str, *texts: str, kind: str = "input_text", item_id: str | None = None) -> MessageItem:
    where = "transcript" if kind.endswith("audio") else "text"
    return MessageItem(id=item_id, role=role, content=tuple(Content(type=kind, **{where: text}) for text in texts))


def call(call_id: str | None, arguments: str = '{"city": "Paris"}', name: str = "weather") -> FunctionCallItem:
    return FunctionCallItem(call_id=call_id, name=name, arguments=arguments)


def output(call_id: str, text: str = '[{"text": "sunny"}]') -> FunctionCallOutputItem:
    return FunctionCallOutputItem(call_id=call_id, output=text)


def use(call_id: str, name: str = "weather", **given: object) -> Json:
    return {"toolUse": {"toolUseId": call_id, "name": name, "input": given}}


def result(call_id: str, *blocks: object, status: str = "success") -> Json:
    return {"toolResult": {"toolUseId": call_id, "status": status, "content": list(blocks)}}


def test_words_of_all_roles_are_told_in_order():
    talk = history(
        said("system", "Be brief."),
        said("user", "Hello", kind="input_audio"),
        said("assistant", "Hi", kind="output_audio"),
        said("user", "One", "two"),
    )

    assert talk.messages() == [
        {"role": "system", "content": [{"text": "Be brief."}]},
        {"role": "user", "content": [{"text": "Hello"}]},
        {"role": "assistant", "content": [{"text": "Hi"}]},
        {"role": "user", "content": [{"text": "One"}, {"text": "two"}]},
    ]


def test_calls_of_one_response_and_their_results_are_a_message_each():
    talk = history(said("assistant", "Let me see"), call("c1"), call("c2", "{}", "news"), output("c1"), output("c2"))

    assert talk.messages() == [
        {"role": "assistant", "content": [{"text": "Let me see"}]},
        {"role": "assistant", "content": [use("c1", city="Paris"), use("c2", "news")]},
        {"role": "user", "content": [result("c1", {"text": "sunny"}), result("c2", {"text": "sunny"})]},
    ]


def test_a_result_that_no_session_of_ours_wrote_is_told_as_text():
    talk = history(call("c1"), call("c2"), call("c3"), output("c1", "sunny"), output("c2", "[1, 2]"))
    talk.put(FunctionCallOutputItem(id="empty", call_id="c3", output=""), None)

    assert talk.messages()[1]["content"] == [
        result("c1", {"text": "sunny"}),
        result("c2", {"text": "[1, 2]"}),
        {"toolResult": {"toolUseId": "c3", "status": "success"}},
    ]


def test_a_call_that_is_not_whole_is_left_out_with_its_result():
    """Interrupted in the middle of its arguments; or with what is no JSON, which could not be sent again."""
    talk = history(call("c1", '{"ci'), output("c1"), call("c2", '{"x": NaN}'), output("c2"), call(None), call("c3"))

    assert talk.messages() == [{"role": "assistant", "content": [use("c3", city="Paris")]}]


def test_a_result_whose_call_was_forgotten_is_left_out():
    assert history(output("c1"), said("user", "Hello")).messages() == [{"role": "user", "content": [{"text": "Hello"}]}]


def test_a_call_of_an_mcp_tool_is_told_like_one_of_a_function():
    def mcp(item_id: str, **fields: Any) -> McpCallItem:
        given = {"server_label": "docs", "name": "search", "arguments": "{}", **fields}
        return McpCallItem(id=item_id, **given)

    talk = history(
        mcp("m1", output="found"),
        mcp("m2", error={"type": "http_error", "code": 500}),
        mcp("m3"),
        mcp("m4", arguments="{", output="found"),
    )

    assert talk.messages() == [
        {"role": "assistant", "content": [use("m1", "search")]},
        {"role": "user", "content": [result("m1", {"text": "found"})]},
        {"role": "assistant", "content": [use("m2", "search")]},
        {"role": "user", "content": [result("m2", {"text": '{"type": "http_error", "code": 500}'}, status="error")]},
    ]


def test_what_no_message_can_tell_is_left_out():
    talk = history(
        said("user", "", kind="input_audio"),
        MessageItem(role="user", content=(Content(type="input_image", image_url="data:image/png;base64,AAAA"),)),
        MessageItem(role="assistant", content=()),
        McpListToolsItem(server_label="docs", tools=()),
        McpApprovalRequestItem(server_label="docs", name="search", arguments="{}"),
        McpApprovalResponseItem(approval_request_id="r", approve=True),
        UnknownItem(type="of tomorrow"),
    )

    assert talk.messages() == []


def test_speech_is_told_once_it_is_transcribed():
    talk = history(said("user", "", kind="input_audio", item_id="a"))
    talk.said("a", "Good morning")

    assert talk.messages() == [{"role": "user", "content": [{"text": "Good morning"}]}]


# --- what was heard -----------------------------------------------------------------------------------------------


def cut(text: str, heard_ms: int, audio_ms: float | None = None) -> History:
    """An answer that was cut off after so many ms of so many."""
    talk = history(said("assistant", text, kind="output_audio", item_id="a"))
    if audio_ms is not None:
        talk.received("a", audio_ms)
    talk.truncated("a", heard_ms)
    return talk


def heard(*cut_at: Any) -> str:
    talk = cut(*cut_at)
    (each,) = talk
    assert talk.messages() == (
        [{"role": "assistant", "content": [{"text": each.heard_transcript}]}] if each.heard_transcript else []
    )
    return each.heard_transcript


@pytest.mark.parametrize(
    ("text", "heard_ms", "audio_ms", "words"),
    [
        pytest.param("one two three four", 500, 1000.0, "one two", id="half of it, back to a whole word"),
        pytest.param("one two three four", 300, 1000.0, "one", id="a word that was begun is not told"),
        pytest.param("one two", 430, 1000.0, "one", id="just at the end of a word"),
        pytest.param("one two", 1000, 1000.0, "one two", id="all of it"),
        pytest.param("one two", 5000, 1000.0, "one two", id="more than there is"),
        pytest.param("one two", 0, 1000.0, "", id="nothing"),
        pytest.param("one two", 0, None, "", id="nothing, of who knows how much"),
        pytest.param("one two", 500, None, "one two", id="of who knows how much: all, for want of a figure"),
        pytest.param("one two", 500, 0.0, "", id="of no audio"),
        pytest.param("onetwothree", 500, 1000.0, "onetw", id="in a language without spaces"),
        pytest.param("incomprehensible word", 300, 1000.0, "", id="not even a word"),
        pytest.param("", 500, 1000.0, "", id="no words"),
    ],
)
def test_of_a_cut_answer_the_words_that_were_heard_are_told(text: str, heard_ms: int, audio_ms: float, words: str):
    assert heard(text, heard_ms, audio_ms) == words


@given(st.text(alphabet="ab c\n", max_size=30), st.integers(0, 2000), st.integers(0, 1000))
def test_more_heard_is_never_fewer_words_and_always_a_beginning(text: str, heard_ms: int, more_ms: int):
    (less,), (more,) = cut(text, heard_ms, 1000.0), cut(text, heard_ms + more_ms, 1000.0)

    assert more.heard_transcript.startswith(less.heard_transcript)
    assert less.transcript.startswith(less.heard_transcript)


def test_how_much_came_of_an_unknown_item_is_passed_over():
    talk = history(said("assistant", "one"))
    talk.received("unknown", 500.0)

    assert [each.audio_ms for each in talk] == [None]


# --- there and back -----------------------------------------------------------------------------------------------

words = st.text(min_size=1, max_size=8)
inputs = st.dictionaries(words, st.none() | st.booleans() | st.integers() | words | st.lists(st.integers()), max_size=3)
blocks = st.lists(
    st.one_of(words.map(lambda text: {"text": text}), inputs.map(lambda value: {"json": value})), max_size=3
)


@st.composite
def talks(draw: st.DrawFn) -> list[Json]:
    """Messages of a talk as an application keeps them: words, calls, and results of calls before them."""
    told: list[Json] = []
    open_calls: list[str] = []
    for number in range(draw(st.integers(0, 8))):
        kind = draw(st.sampled_from(["text", "call", "result"]))
        if kind == "text":
            texts = draw(st.lists(words, min_size=1, max_size=3))
            told.append(
                {
                    "role": draw(st.sampled_from(["user", "assistant", "system"])),
                    "content": [{"text": one} for one in texts],
                }
            )
        elif kind == "call":
            calls = [f"call_{number}_{each}" for each in range(draw(st.integers(1, 3)))]
            open_calls += calls
            told.append(
                {
                    "role": "assistant",
                    "content": [
                        {"toolUse": {"toolUseId": one, "name": "weather", "input": draw(inputs)}} for one in calls
                    ],
                }
            )
        elif open_calls:
            answered = [open_calls.pop() for _ in range(draw(st.integers(1, len(open_calls))))]
            told.append({"role": "user", "content": [result(one, *draw(blocks)) for one in answered]})
    return told


def same(call_id: str) -> str:
    return call_id


@given(talks())
def test_messages_become_items_and_the_same_items_again(messages: list[Json]):
    items = messages_to_items(messages, same)
    again = history(*items).messages()

    assert messages_to_items(again, same) == items
    assert history(*messages_to_items(again, same)).messages() == again, "and nothing changes on the way round"
    json.dumps(again)


@pytest.fixture
def mirrored(recording: Path) -> History:
    conversation = Conversation(config(), "connection_1")
    for now, line in enumerate(recording.read_text().splitlines()):
        parts = json.loads(line)
        if parts["dir"] == "client":
            conversation.sent_by_hand(decode_client(json.dumps(parts["event"])), float(now))
        else:
            conversation.receive(decode_server(json.dumps(parts["event"])), float(now))
    return conversation.history


def test_the_talk_of_a_recording_begins_another_session(mirrored: History):
    messages = mirrored.messages()
    begun = Conversation(config(history=messages), "connection_2").begin()
    items = [
        effect.event.item
        for effect in begun
        if isinstance(effect, Transmit) and isinstance(effect.event, ConversationItemCreate)
    ]

    assert messages[-1]["role"] == "assistant"
    assert [type(item) for item in items] == [
        type(each.item) for each in mirrored if each.transcript or not isinstance(each.item, MessageItem)
    ]
    told = [item.content[0].text for item in items if isinstance(item, MessageItem)]
    assert told == [each.transcript for each in mirrored if each.transcript]
    assert all(json.loads(item.arguments) is not None for item in items if isinstance(item, FunctionCallItem))
