"""Calls: each told once, when it is known to be whole, by whatever event says so first."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.protocol.calls import REMEMBERED, Call, Calls
from engine.wire.items import FunctionCallItem
from engine.wire.server import ResponseFunctionCallArgumentsDone


def item(call_id: str | None = "call_1", arguments: str = "{}", status: str | None = "completed") -> FunctionCallItem:
    return FunctionCallItem(id="item_1", call_id=call_id, name="add", arguments=arguments, status=status)


def arguments_done(
    call_id: str = "call_1", arguments: str = "{}", name: str | None = "add", response_id: str = "resp_1"
) -> ResponseFunctionCallArgumentsDone:
    return ResponseFunctionCallArgumentsDone(
        response_id=response_id, item_id="item_1", output_index=0, call_id=call_id, arguments=arguments, name=name
    )


@pytest.fixture
def calls() -> Calls:
    return Calls()


def test_a_call_is_told_when_its_item_is_done(calls):
    assert calls.item_done(item(arguments='{"a": 1}'), "resp_1") == Call("call_1", "add", {"a": 1}, "item_1")


def test_a_call_is_told_once(calls):
    calls.begun(item(status="in_progress"))
    calls.arguments_done(arguments_done())

    assert calls.item_done(item(), "resp_1") is not None
    assert calls.item_done(item(), "resp_1") is None
    calls.arguments_done(arguments_done())
    assert calls.response_done("resp_1", [item()], completed=True) == []


def test_an_interrupted_call_is_never_told(calls):
    """The service says `arguments.done` of it all the same, with arguments that end anywhere."""
    calls.begun(item(status="in_progress", arguments=""))
    calls.arguments_done(arguments_done(arguments='{"a": '))

    assert calls.item_done(item(arguments='{"a": ', status="incomplete"), "resp_1") is None
    cut = [item(arguments='{"a": ', status="incomplete")]
    assert calls.response_done("resp_1", cut, completed=False) == []
    assert not calls.in_response("resp_1")


def test_an_incomplete_item_of_a_completed_response_is_not_told(calls):
    calls.arguments_done(arguments_done())

    assert calls.response_done("resp_1", [item(status="incomplete")], completed=True) == []


def test_a_call_without_item_events_is_told_with_its_response(calls):
    assert calls.response_done("resp_1", [item()], completed=True) == [Call("call_1", "add", {}, "item_1")]


def test_a_call_that_only_its_arguments_told_of_is_told_with_its_response(calls):
    calls.arguments_done(arguments_done(arguments='{"a": 2}'))

    assert calls.response_done("resp_1", [], completed=True) == [Call("call_1", "add", {"a": 2}, "item_1")]
    assert calls.response_done("resp_1", [], completed=True) == []


def test_the_name_may_come_from_where_the_call_began(calls):
    calls.begun(item(status="in_progress"))
    calls.arguments_done(arguments_done(name=None))

    assert [call.name for call in calls.response_done("resp_1", [], completed=True)] == ["add"]


def test_a_call_whose_name_nobody_said_is_not_told(calls):
    calls.arguments_done(arguments_done(name=None))

    assert calls.response_done("resp_1", [], completed=True) == []


def test_a_cut_response_takes_its_own_calls_only(calls):
    calls.arguments_done(arguments_done("call_1", response_id="resp_1"))
    calls.arguments_done(arguments_done("call_2", response_id="resp_2"))

    assert calls.response_done("resp_1", [], completed=False) == []
    assert [call.call_id for call in calls.response_done("resp_2", [], completed=True)] == ["call_2"]


def test_an_item_without_a_call_id_is_no_call(calls):
    calls.begun(item(call_id=None))

    assert calls.item_done(item(call_id=None), "resp_1") is None


def test_a_response_that_made_a_call_is_known_for_it(calls):
    assert not calls.in_response("resp_1")
    calls.item_done(item(), "resp_1")

    assert calls.in_response("resp_1")
    assert not calls.in_response("resp_2")
    assert not calls.in_response(None)


@pytest.mark.parametrize("arguments", ["", "  \n"])
def test_no_arguments_are_an_empty_object(calls, arguments):
    told = calls.item_done(item(arguments=arguments), "resp_1")

    assert told is not None
    assert told.arguments == {}


@pytest.mark.parametrize(
    "arguments",
    ['{"a": ', "[1]", "null", '"text"', "7", "nonsense", "[" * 200_000, "1" * 10_000],
    ids=["cut", "list", "null", "text", "number", "nonsense", "too deep", "too long a number"],
)
def test_arguments_that_are_no_json_object_are_none(calls, arguments):
    told = calls.item_done(item(arguments=arguments), "resp_1")

    assert told is not None
    assert told.arguments is None


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none() | st.booleans()))
def test_any_json_object_comes_through(arguments):
    told = Calls().item_done(item(arguments=json.dumps(arguments)), "resp_1")

    assert told is not None
    assert told.arguments == arguments


CALL_IDS = st.sampled_from(["call_1", "call_2"])
STEPS = st.one_of(
    st.tuples(st.just("begun"), CALL_IDS),
    st.tuples(st.just("arguments_done"), CALL_IDS),
    st.tuples(st.just("item_done"), CALL_IDS),
    st.tuples(st.just("item_cut"), CALL_IDS),
    st.tuples(st.just("response_done"), CALL_IDS),
    st.tuples(st.just("response_cut"), CALL_IDS),
)


@given(st.lists(STEPS, max_size=12))
def test_in_any_order_each_call_is_told_at_most_once(steps):
    calls, told = Calls(), []
    for kind, call_id in steps:
        match kind:
            case "begun":
                calls.begun(item(call_id))
            case "arguments_done":
                calls.arguments_done(arguments_done(call_id))
            case "item_done" | "item_cut":
                status = "completed" if kind == "item_done" else "incomplete"
                told.append(calls.item_done(item(call_id, status=status), "resp_1"))
            case _:
                told += calls.response_done("resp_1", [item(call_id)], completed=kind == "response_done")

    names = [call.call_id for call in told if call is not None]
    assert len(names) == len(set(names))


def test_calls_that_had_begun_on_a_lost_connection_and_were_not_told_are_given(calls):
    for call_id in ("told", "untold", "cut"):
        calls.begun(item(call_id, status="in_progress"))
    calls.item_done(item("told"), "resp_1")
    calls.arguments_done(arguments_done("untold"))
    assert calls.link_down() == {"untold", "cut"}

    assert calls.link_down() == frozenset()
    assert calls.response_done("resp_1", [], completed=True) == [], "their arguments are forgotten"


def test_only_so_many_are_kept_in_mind(calls):
    for number in range(REMEMBERED + 1):
        calls.begun(item(f"call_{number}"))

    assert "call_0" not in calls.link_down()
