"""Tools, histories and results in all shapes that the contract knows, and what is said of other shapes."""

import json
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.contract import messages_to_items, to_wire_tool, tool_output
from engine.errors import ConfigError, RemoteViolation, UnsupportedContent
from engine.wire.items import FunctionCallItem, FunctionCallOutputItem, MessageItem
from engine.wire.session import Tool

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
ADD = Tool(type="function", name="add", description="Adds.", parameters=SCHEMA)


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "add", "description": "Adds.", "inputSchema": {"json": SCHEMA}},
        {"name": "add", "description": "Adds.", "inputSchema": {"json": json.dumps(SCHEMA)}},
        {"name": "add", "description": "Adds.", "inputSchema": SCHEMA},
        {"name": "add", "description": "Adds.", "inputSchema": json.dumps(SCHEMA)},
        {"type": "function", "name": "add", "description": "Adds.", "parameters": SCHEMA},
        MappingProxyType({"name": "add", "description": "Adds.", "inputSchema": SCHEMA}),
        ADD,
    ],
    ids=["json object", "json text", "bare object", "bare text", "flat", "any mapping", "wire"],
)
def test_a_function_in_any_shape_is_flat_on_the_wire(spec):
    assert to_wire_tool(spec) == ADD


def test_a_function_without_a_description_has_an_empty_one():
    assert to_wire_tool({"name": "add", "inputSchema": {}}).description == ""


@pytest.mark.parametrize("name", ["a", "Get_weather-2", "a" * 64])
def test_a_name_that_the_service_takes_is_taken(name):
    assert to_wire_tool({"name": name, "inputSchema": {}}).name == name


def test_an_mcp_server_goes_through_as_it_is():
    spec = {"type": "mcp", "server_label": "docs", "server_url": "https://x", "novelty": 1}
    tool = to_wire_tool(spec)

    assert (tool.type, tool.server_label, tool.server_url) == ("mcp", "docs", "https://x")
    assert tool.extra == {"novelty": 1}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ("add", "tools[3]"),
        (None, "tools[3]"),
        ({"name": "add"}, "tools[3]"),
        ({"type": "retrieval", "name": "add"}, "tools[3]"),
        ({"inputSchema": {}}, "tools[3].name"),
        ({"name": "", "inputSchema": {}}, "tools[3].name"),
        ({"name": 7, "inputSchema": {}}, "tools[3].name"),
        ({"name": "add", "inputSchema": {"json": "{"}}, "tools[3].inputSchema"),
        ({"name": "add", "inputSchema": {"json": "[]"}}, "tools[3].inputSchema"),
        ({"name": "add", "inputSchema": {"json": 7}}, "tools[3].inputSchema"),
        ({"name": "add", "inputSchema": None}, "tools[3].inputSchema"),
        ({"type": "function", "name": 7}, "tools[3].name"),
        ({"type": "function", "name": "a b!"}, "tools[3].name"),
        ({"type": "function"}, "tools[3].name"),
        ({"name": "a b!", "inputSchema": {}}, "tools[3].name"),
        ({"name": "ä", "inputSchema": {}}, "tools[3].name"),
        ({"name": "add\n", "inputSchema": {}}, "tools[3].name"),
        ({"name": "a" * 65, "inputSchema": {}}, "tools[3].name"),
        (Tool(type="function", name="a.b"), "tools[3].name"),
    ],
)
def test_a_tool_of_another_shape_is_refused_by_the_field_that_is_wrong(spec, field):
    with pytest.raises(ConfigError) as raised:
        to_wire_tool(spec, "tools[3]")

    assert raised.value.field == field
    assert field in str(raised.value)
    assert raised.value.allowed


def test_a_flat_tools_secrets_do_not_show_in_errors():
    with pytest.raises(ConfigError) as raised:
        to_wire_tool({"type": "mcp", "server_label": "docs", "authorization": ["canary"]})

    assert raised.value.field == "tools.authorization"
    assert isinstance(raised.value.__cause__, RemoteViolation)
    assert "canary" not in str(raised.value) + str(raised.value.__cause__)


# --- results ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        [{"text": "seven"}],
        [{"json": {"a": [1, None, True]}}],
        [{"text": "one"}, {"json": 2}],
        [],
        ({"text": "in a tuple"},),
    ],
)
def test_the_output_is_the_json_text_of_the_whole_list(content):
    assert json.loads(tool_output(content, "call_1")) == list(content)


def test_a_result_without_content_is_empty_text():
    assert tool_output(None, "call_1") == ""


def test_one_block_is_a_list_of_one():
    assert tool_output({"text": "alone"}, "call_1") == '[{"text": "alone"}]'


@given(st.text())
def test_words_of_all_languages_are_kept_as_they_are(words):
    output = tool_output([{"text": words}], "call_1")

    assert json.loads(output) == [{"text": words}]
    assert "\\u" not in output.replace("\\\\", "") or any(ord(character) < 32 for character in words)


def test_umlauts_are_not_escaped():
    assert tool_output([{"text": "Grüße, 世界"}], "call_1") == '[{"text": "Grüße, 世界"}]'


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ([{"image": {}}], "['image']"),
        ([{"text": "fine"}, {"document": {}, "name": "x"}], "['document', 'name']"),
        ([{}], "[]"),
        (["text"], "str"),
        ("text", "str"),
        ([None], "NoneType"),
        (7, "int"),
    ],
)
def test_other_content_is_unsupported_and_the_error_names_it_and_what_is(content, named):
    with pytest.raises(UnsupportedContent) as raised:
        tool_output(content, "call_1")

    text = str(raised.value)
    assert text.startswith(f"Content type not supported by OpenAI Realtime API: {named}")
    assert "'call_1'" in text
    assert "text and json" in text
    assert isinstance(raised.value, ValueError)


def endless() -> list[object]:
    inner: list[object] = []
    inner.append(inner)
    return inner


def deep() -> object:
    value: object = 1
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [object(), b"bytes", {1, 2}, endless(), deep(), float("nan"), float("inf")],
    ids=lambda value: type(value).__name__,
)
def test_what_json_cannot_say_is_unsupported(value):
    with pytest.raises(UnsupportedContent, match=r"the result of 'call_1' can't be written as JSON"):
        tool_output([{"json": value}], "call_1")


# --- histories ----------------------------------------------------------------------------------------------------


def items(*messages):
    return messages_to_items(messages, lambda call_id: f"wire_{call_id}")


def text(role, *texts):
    return {"role": role, "content": [{"text": one} for one in texts]}


def use(call_id, arguments=None):
    return {"toolUse": {"toolUseId": call_id, "name": "add", "input": arguments or {}}}


def result(call_id, *content):
    return {"toolResult": {"toolUseId": call_id, "status": "success", "content": list(content)}}


@pytest.mark.parametrize(
    ("role", "kind"), [("user", "input_text"), ("assistant", "output_text"), ("system", "input_text")]
)
def test_words_are_written_in_or_out_by_who_said_them(role, kind):
    (item,) = items(text(role, "one", "two"))

    assert isinstance(item, MessageItem)
    assert item.role == role
    assert [(content.type, content.text) for content in item.content] == [(kind, "one"), (kind, "two")]


def test_a_call_and_its_result_share_the_wires_id():
    call, output = items(
        {"role": "assistant", "content": [use("t1", {"word": "Grüße"})]},
        {"role": "user", "content": [result("t1", {"json": 2})]},
    )

    assert call == FunctionCallItem(call_id="wire_t1", name="add", arguments='{"word": "Grüße"}')
    assert output == FunctionCallOutputItem(call_id="wire_t1", output='[{"json": 2}]')


def test_a_result_without_its_call_is_left_out():
    assert items({"role": "user", "content": [result("orphan", {"text": "x"})]}) == []


def test_a_result_may_stand_before_its_call():
    kinds = [
        type(item)
        for item in items(
            {"role": "user", "content": [result("t1", {"text": "x"})]}, {"role": "assistant", "content": [use("t1")]}
        )
    ]

    assert kinds == [FunctionCallOutputItem, FunctionCallItem]


def test_an_orphan_of_the_wrong_content_is_refused_all_the_same():
    with pytest.raises(UnsupportedContent, match="Content type not supported by OpenAI Realtime API"):
        items({"role": "user", "content": [result("orphan", {"image": {}})]})


def test_messages_keep_their_order_and_words_follow_the_calls_of_their_message():
    """The words of a message are one item, after its calls: as the contract's seed has it."""
    told = items(
        text("user", "first"),
        {"role": "assistant", "content": [{"text": "second"}, use("t1"), use("t2")]},
        {"role": "user", "content": [result("t2", {"text": "b"}), result("t1", {"text": "a"}), {"text": "third"}]},
    )

    shown = [getattr(item, "call_id", None) or item.content[0].text for item in told]
    assert shown == ["first", "wire_t1", "wire_t2", "second", "wire_t2", "wire_t1", "third"]


def test_a_message_without_words_is_left_out():
    assert items({"role": "user", "content": []}, {"role": "user"}) == []


@pytest.mark.parametrize(
    ("block", "named"),
    [({"image": {}}, "['image']"), ({"document": {}, "name": "x"}, "['document', 'name']"), ({}, "[]")],
)
def test_a_block_of_another_kind_is_refused_by_its_place_in_the_contracts_words(block, named):
    with pytest.raises(UnsupportedContent) as raised:
        items(text("user", "fine"), {"role": "user", "content": [{"text": "look"}, block]})

    said = str(raised.value)
    assert said.startswith(f"messages[1] | Content type not supported by OpenAI Realtime API: {named}")
    assert "text, toolUse and toolResult" in said


def test_a_result_that_cannot_be_sent_names_its_message_and_its_call():
    with pytest.raises(UnsupportedContent, match=r"^messages\[0\] \| Content type not supported .*\['image'\].*'t1'"):
        items({"role": "user", "content": [result("t1", {"image": {}})]})


@pytest.mark.parametrize(
    "message",
    [
        "hello",
        None,
        {"content": [{"text": "nobody's"}]},
        {"role": "user", "content": 7},
        {"role": "user", "content": [None]},
        {"role": "assistant", "content": [{"toolUse": {}}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "add"}}]},
        {"role": "assistant", "content": [{"toolUse": None}]},
        {"role": "assistant", "content": [use("t1", {"x": object()})]},
        {"role": "user", "content": [{"toolResult": {}}]},
        text("robot", "x"),
        {"role": ["user"], "content": [{"text": "x"}]},
        {"role": "user", "content": [{"text": 5}]},
        {"role": "user", "content": "hello"},
        {"role": "user", "content": {"text": "hello"}},
        {"role": "user", "content": ["text"]},
        {"role": "assistant", "content": [use(None)]},
        {"role": "assistant", "content": [use(["t1"])]},
        {"role": "assistant", "content": [use("t1", {"x": float("nan")})]},
        {"role": "assistant", "content": [use("t1", deep())]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": 7, "input": {}}}]},
        {"role": "user", "content": [result(None)]},
    ],
    ids=range(22),
)
def test_a_message_of_another_shape_is_unsupported_by_its_place(message):
    with pytest.raises(UnsupportedContent, match=r"messages\[1\] \| content not supported .*; a message is \{'role'"):
        items(text("user", "fine"), message)
