"""A service that names ever new things fills no memory: whatever the conversation remembers of them is bounded."""

import json

import pytest
from fuzz_census import large_collections
from fuzz_conversation import Judge
from fuzz_samples import sample, samples

from engine.wire.items import ITEM_CLASSES
from engine.wire.server import SERVER_CLASSES

MANY = 1_200
BOUND = 1_100
OF_THE_HISTORY = {"History._order", "History._items", "History._sizes", "CallIds._to_wire", "CallIds._to_application"}
OF_THE_HISTORY |= {"Underway._items"}
"""Bounded by `HISTORY_MAX_ITEMS`, which is more than the tests say."""

OPENING = '{"type":"session.created","session":{"type":"realtime"}}'


def renamed(value, number, key=""):
    """Give a message about things that were never named before."""
    if isinstance(value, dict):
        return {name: renamed(part, number, name) for name, part in value.items()}
    if isinstance(value, list):
        return [renamed(part, number, key) for part in value]
    is_name = isinstance(value, str) and (key.endswith("id") or key in {"name", "server_label"})
    return f"{key}_{number}" if is_name else value


def told(*messages, many=MANY):
    """Tell a conversation these, many times, of ever new things; give what of it is large."""
    judge = Judge()
    judge.play(OPENING)
    for number in range(many):
        for message in messages:
            judge.receive(json.dumps(renamed(message, number)))
    large = large_collections(judge.conversation, BOUND)
    return {name: size for name, size in large.items() if name not in OF_THE_HISTORY}


def messages():
    """Give one of each type, and of each that holds an item one for each item."""
    for cls in SERVER_CLASSES.values():
        whole = samples()[cls.__name__]
        if "item" not in whole:
            yield named(cls.tag, whole)
            continue
        for item in ITEM_CLASSES.values():
            yield named(f"{cls.tag} {item.tag}", {**whole, "item": sample(item)})


def named(name, message):
    return pytest.param(message, id=name)


def response(kind, **fields):
    return {"type": f"response.{kind}", "response": {"id": "resp", "output": [], **fields}}


def call(arguments):
    item = {"type": "function_call", "id": "item", "call_id": "call", "name": "tool", "arguments": arguments}
    return {"type": "response.output_item.done", "response_id": "resp", "output_index": 0, "item": item}


@pytest.mark.long
@pytest.mark.parametrize("message", list(messages()))
def test_no_kind_of_message_fills_the_memory(message):
    assert told(message) == {}


def test_responses_without_number_fill_no_memory():
    assert told(response("created", status="in_progress"), response("done", status="completed")) == {}


@pytest.mark.parametrize("arguments", ["{}", "["], ids=["that nobody answers", "with arguments that are none"])
def test_calls_without_number_fill_no_memory(arguments):
    assert told(response("created", status="in_progress"), call(arguments), response("done", status="completed")) == {}


def test_the_census_finds_what_grows_wherever_it_hangs():
    class Holder:
        __slots__ = ("deep",)

        def __init__(self):
            self.deep = {"a": [(list(range(50)),)]}

    assert large_collections(Holder(), 49) == {"Holder.deep": 50}
    assert large_collections(Holder(), 50) == {}
