"""Whatever a tool returns, as the model reads it."""

import datetime as dt
import enum
import json
import math
from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from engine.contract import tool_output
from engine.tools import results
from engine.tools.results import Unusable, content_of

BOUND = 64 * 2**10


class Model(BaseModel):
    a: int


@dataclass
class Data:
    a: int


@attrs.frozen
class Attrs:
    a: int
    inner: list["Attrs"] = attrs.field(factory=list)


Pair = namedtuple("Pair", "a b")  # noqa: PYI024 - as people have them


class Color(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ("text", [{"text": "text"}]),
        ("", [{"text": ""}]),
        (None, [{"text": "done"}]),
        (7, [{"json": 7}]),
        (False, [{"json": False}]),
        ({"a": [1, 2.5, None]}, [{"json": {"a": [1, 2.5, None]}}]),
        ({1: "a"}, [{"json": {"1": "a"}}]),
        ((1, 2), [{"json": [1, 2]}]),
        ({3}, [{"json": [3]}]),
        (2**80, [{"json": 2**80}]),
        (math.nan, [{"json": None}]),
        ({"a": math.inf}, [{"json": {"a": None}}]),
        (Model(a=1), [{"json": {"a": 1}}]),
        ([Data(1)], [{"json": [{"a": 1}]}]),
        ({"x": Attrs(1, [Attrs(2)])}, [{"json": {"x": {"a": 1, "inner": [{"a": 2, "inner": []}]}}}]),
        (Pair(1, 2), [{"json": [1, 2]}]),
        (Color.RED, [{"json": "red"}]),
        (dt.date(2026, 2, 3), [{"json": "2026-02-03"}]),
        (Path("/a"), [{"json": "/a"}]),
        (b"abc", [{"json": "abc"}]),
        ("Grüße \U0001f600", [{"text": "Grüße \U0001f600"}]),
        ("a\udcff", [{"text": "a?"}]),
    ],
)
def test_what_a_tool_returns_is_text_or_json(value, content):
    assert content_of(value, BOUND) == content


def test_a_result_of_the_contracts_shape_is_taken_over():
    mine = {"toolUseId": "x", "status": "success", "content": [{"text": "a"}, {"json": {"b": 1}}]}

    assert content_of(mine, BOUND) == [{"text": "a"}, {"json": {"b": 1}}]
    for other in (
        {"status": "success"},
        {"status": "success", "content": [{"image": 1}]},
        {"status": "ok", "content": []},
    ):
        assert content_of(other, BOUND) == [{"json": other}]


class Looped(list):
    pass


LOOP = Looped()
LOOP.append(LOOP)


@pytest.mark.parametrize(
    "value",
    [object(), {"a": object()}, b"\xff", LOOP, (each for each in "ab"), iter([1]), {"a": "\ud800"}, open, Model],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_json_is_said_to_be_none(value):
    found = content_of(value, BOUND)

    assert isinstance(found, Unusable)
    assert type(value).__name__ in found.why


@pytest.mark.parametrize("size", [99, 100, 101])
def test_the_bound_is_in_bytes_and_met_exactly(size):
    fits = size <= 100
    for value, content in [("x" * size, [{"text": "x" * size}]), (["x" * (size - 4)], [{"json": ["x" * (size - 4)]}])]:
        found = content_of(value, 100)
        assert found == content if fits else isinstance(found, Unusable)


def test_ten_megabytes_are_an_error_that_says_size_and_bound():
    for value in ("x" * 10_000_000, {"rows": ["x" * 1000] * 10_000}):
        found = content_of(value, BOUND)
        assert isinstance(found, Unusable)
        assert "65,536" in found.why
        assert "10,0" in found.why
    assert isinstance(content_of("é" * 40_000, BOUND), Unusable), "80,000 bytes"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_whatever_is_given_can_be_sent(value):
    found = content_of(value, BOUND)

    text = found.why if isinstance(found, Unusable) else tool_output(found, "c1")
    text.encode()


@given(st.text(alphabet=st.characters(exclude_categories=[])), st.text(alphabet=st.characters(exclude_categories=[])))
def test_every_failure_can_be_sent_and_is_bounded(name, said):
    failures = [
        results.raised("tool", ValueError(said)),
        results.unknown(name, ["a"]),
        results.misfit("tool", [said] * 8),
        results.declined("tool", said),
        results.pending("tool", said),
    ]

    for content in failures:
        text = tool_output(content, "c1")
        assert len(text.encode()) < 20_000
        assert json.loads(text) == content


def test_a_failure_shows_the_class_and_the_text_and_no_more():
    group = ExceptionGroup("many", [ExceptionGroup("inner", [KeyError("first")]), ValueError("second")])

    assert results.raised("tool", group) == [{"text": "Error: tool failed with KeyError: 'first'"}]
    assert results.raised("tool", ValueError()) == [{"text": "Error: tool failed with ValueError."}]
    assert len(results.raised("tool", ValueError("x" * 10**6))[0]["text"]) < 600


def test_an_invented_name_is_answered_with_the_names_that_exist():
    assert results.unknown("fly", ["walk", "ride"]) == [
        {"text": "Error: there is no tool called 'fly'. The tools are: walk, ride."}
    ]
    assert results.unknown("fly", []) == [{"text": "Error: there is no tool called 'fly'. The tools are: none."}]


def test_content_can_be_given_as_one_text():
    assert results.as_text([{"text": "a"}, {"json": {"b": "ü"}}]) == 'a\n{"b": "ü"}'
