"""MCP: what is on offer, calls and approvals told once each, and one response that follows when all has ended."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import McpApprovalRequestEvent, McpCallEvent, McpToolsEvent
from engine.protocol.mcp import REMEMBERED, Mcp, McpTools
from engine.wire.items import McpApprovalRequestItem, McpCallItem, McpListToolsItem

TOOLS = ({"name": "search", "input_schema": {}},)


@pytest.fixture
def mcp():
    return Mcp()


def call(item_id="mcp_1", **fields):
    return McpCallItem(**{"id": item_id, "server_label": "docs", "name": "search", "arguments": "{}", **fields})


def approval(item_id="mcpr_1", **fields):
    named = {"server_label": "docs", "name": "search", "arguments": "{}"}
    return McpApprovalRequestItem(**{"id": item_id, **named, **fields})


def shown(events):
    return [(type(event).__name__, event.get("status")) for event in events]


# --- what is on offer -----------------------------------------------------------------------------------------------


def test_a_list_is_on_offer_once_it_is_complete(mcp):
    assert mcp.listing("mcpl_1", "in_progress") == []
    (begun,) = mcp.listed(McpListToolsItem(id="mcpl_1", server_label="docs", tools=()))
    assert mcp.listed(McpListToolsItem(id="mcpl_1", server_label="docs", tools=TOOLS)) == []
    assert mcp.servers == {"docs": McpTools(status="in_progress", tools=TOOLS)}
    (ready,) = mcp.listing("mcpl_1", "ready")

    assert (begun.status, ready.status, ready.tools) == ("in_progress", "ready", TOOLS)
    assert mcp.servers == {"docs": McpTools(status="ready", tools=TOOLS)}
    assert mcp.listing("mcpl_1", "ready") == [], "it is told once"


def test_a_list_may_be_complete_before_its_item_comes(mcp):
    assert mcp.listing("mcpl_1", "ready") == []
    (ready,) = mcp.listed(McpListToolsItem(id="mcpl_1", server_label="docs", tools=TOOLS))

    assert ready.status == "ready"


def test_a_list_that_failed_is_told_even_without_its_server(mcp):
    (nameless,) = mcp.listing("mcpl_1", "failed")
    mcp.listed(McpListToolsItem(id="mcpl_2", server_label="docs", tools=()))
    (named,) = mcp.listing("mcpl_2", "failed")

    assert nameless == McpToolsEvent(server_label="", status="failed")
    assert named == McpToolsEvent(server_label="docs", status="failed")
    assert mcp.servers["docs"].status == "failed"


def test_servers_are_told_apart_and_listed_anew(mcp):
    for label in ("a", "b"):
        mcp.listed(McpListToolsItem(id=label, server_label=label, tools=TOOLS))
    mcp.listing("a", "ready")
    (again,) = mcp.listed(McpListToolsItem(id="a2", server_label="a", tools=()))

    assert again.status == "in_progress"
    assert {label: tools.status for label, tools in mcp.servers.items()} == {"a": "in_progress", "b": "in_progress"}


# --- calls ----------------------------------------------------------------------------------------------------------


def test_a_call_is_told_as_it_begins_and_as_it_ends(mcp):
    begun = mcp.call(call(arguments=""), "resp_1", done=False)
    assert mcp.call(call(arguments=""), None, done=False) == [], "its item comes twice"
    mcp.arguments("mcp_1", '{"q": 1}')
    mcp.ended("mcp_1")
    ended = mcp.call(call(output="found", arguments='{"q": 1}'), "resp_1", done=True)

    assert begun == [
        McpCallEvent(call_id="mcp_1", server_label="docs", name="search", arguments="", status="in_progress")
    ]
    assert shown(ended) == [("McpCallEvent", "completed")]
    assert (ended[0].output, ended[0].response_id) == ("found", "resp_1")
    assert mcp.call(call(output="found"), "resp_1", done=True) == [], "it is told once"
    mcp.arguments("mcp_1", "late")
    mcp.ended("mcp_1")


def test_a_call_that_failed_says_why(mcp):
    mcp.call(call(), "resp_1", done=False)
    (event,) = mcp.call(call(error={"type": "http_error", "code": 500, "message": "no"}), "resp_1", done=True)

    assert event.status == "failed"
    assert event.as_dict() == {
        "type": "mcp_call",
        "call_id": "mcp_1",
        "server_label": "docs",
        "name": "search",
        "arguments": "{}",
        "status": "failed",
        "output": None,
        "error": {"type": "http_error", "code": 500, "message": "no"},
    }


def test_a_call_that_is_seen_only_at_its_end_has_both(mcp):
    assert shown(mcp.call(call(output="x"), "resp_1", done=True)) == [
        ("McpCallEvent", "in_progress"),
        ("McpCallEvent", "completed"),
    ]


def test_events_show_no_arguments_and_no_results(mcp):
    events = mcp.call(call(arguments="secret", output="secret"), "resp_1", done=True)
    events += mcp.approval_wanted(approval(arguments="secret"), "resp_1")

    assert "secret" not in repr(events)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        events[0].status = "ready"


# --- what follows ---------------------------------------------------------------------------------------------------


def test_a_response_follows_once_its_calls_and_the_response_have_ended(mcp):
    for number in (1, 2):
        mcp.call(call(f"mcp_{number}"), "resp_1", done=False)
    mcp.call(call("mcp_1", output="x"), "resp_1", done=True)
    mcp.response_done("resp_1", wants_answer=True)
    assert not mcp.follow_up(), "a call still runs"
    mcp.ended("mcp_2")

    assert mcp.follow_up()
    assert not mcp.follow_up(), "one response is asked for"


def test_calls_that_end_before_their_response_wait_for_it(mcp):
    mcp.call(call(output="x"), "resp_1", done=True)
    assert not mcp.follow_up()
    mcp.response_done("resp_1", wants_answer=True)

    assert mcp.follow_up()


def test_nothing_follows_a_response_without_calls_or_one_that_was_cut_off(mcp):
    mcp.response_done("resp_0", wants_answer=True)
    mcp.call(call(), "resp_1", done=False)
    mcp.response_done("resp_1", wants_answer=False)
    ended = mcp.call(call(output="x"), "resp_1", done=True)

    assert shown(ended) == [("McpCallEvent", "completed")], "the result is told all the same"


def test_a_late_result_after_a_cut_response_asks_for_nothing(mcp):
    mcp.call(call(), "resp_1", done=False)
    mcp.response_done("resp_1", wants_answer=False)
    mcp.ended("mcp_1")

    assert not mcp.follow_up()


# --- approvals ------------------------------------------------------------------------------------------------------


def test_an_approval_is_asked_for_once(mcp):
    mcp.response_began("resp_1")
    (event,) = mcp.approval_wanted(approval(), None)
    assert mcp.approval_wanted(approval(), None) == []

    assert event == McpApprovalRequestEvent(request_id="mcpr_1", server_label="docs", name="search", arguments="{}")
    assert event.response_id == "resp_1"
    assert mcp.approvals == {"mcpr_1"}


def test_a_call_of_its_own_after_the_yes_is_waited_for(mcp):
    mcp.approval_wanted(approval(), "resp_1")
    mcp.response_done("resp_1", wants_answer=True)
    assert not mcp.follow_up(), "nobody has answered"
    mcp.answered("mcpr_1", approve=True)
    assert mcp.approvals == frozenset()
    assert not mcp.follow_up(), "the call is still to come"
    mcp.response_began("resp_2")
    mcp.call(call(approval_request_id="mcpr_1"), "resp_1", done=False)
    assert not mcp.follow_up(), "it runs"
    mcp.call(call(approval_request_id="mcpr_1", output="x"), "resp_1", done=True)

    assert mcp.follow_up()


def test_a_call_that_waits_for_the_yes_ends_its_request_with_it(mcp):
    mcp.call(call(arguments="{}"), "resp_1", done=False)
    mcp.approval_wanted(approval(), "resp_1")
    mcp.response_done("resp_1", wants_answer=True)
    mcp.answered("mcpr_1", approve=True)
    assert not mcp.follow_up(), "the call runs now"
    mcp.call(call(output="x"), "resp_1", done=True)

    assert mcp.follow_up()


@pytest.mark.parametrize("running", [False, True])
def test_after_a_no_nothing_is_waited_for(mcp, running):
    if running:
        mcp.call(call(), "resp_1", done=False)
    mcp.approval_wanted(approval(), "resp_1")
    mcp.response_done("resp_1", wants_answer=True)
    mcp.answered("mcpr_1", approve=False)

    assert mcp.follow_up()
    assert not mcp.follow_up()


def test_the_answer_to_no_request_means_nothing(mcp):
    mcp.answered("mcpr_9", approve=True)

    assert not mcp.follow_up()


def test_an_approved_call_with_other_words_than_its_request_is_found_by_its_id(mcp):
    mcp.approval_wanted(approval(arguments='{"q":1}'), "resp_1")
    mcp.approval_wanted(approval("mcpr_2", arguments='{"q":2}'), "resp_1")
    mcp.answered("mcpr_1", approve=True)
    mcp.answered("mcpr_2", approve=True)
    mcp.response_done("resp_1", wants_answer=True)
    mcp.call(call(arguments='{"q": 1}', approval_request_id="mcpr_1", output="x"), "resp_1", done=True)
    assert not mcp.follow_up(), "the other one is still to come"
    mcp.call(call("mcp_2", arguments='{"q":2}', output="x"), "resp_1", done=True)

    assert mcp.follow_up()


# --- bounds and any order ---------------------------------------------------------------------------------------------


def test_only_so_much_is_remembered(mcp):
    for number in range(REMEMBERED + 10):
        mcp.approval_wanted(approval(f"mcpr_{number}"), f"resp_{number}")

    assert len(mcp.approvals) == REMEMBERED
    assert "mcpr_0" not in mcp.approvals


IDS = st.sampled_from(["a", "b"])
RESPONSES = st.sampled_from(["resp_1", "resp_2"])
STEPS = st.one_of(
    st.tuples(st.just("call"), IDS, RESPONSES | st.none(), st.booleans()),
    st.tuples(st.just("ended"), IDS),
    st.tuples(st.just("wanted"), IDS, RESPONSES | st.none()),
    st.tuples(st.just("answered"), IDS, st.booleans()),
    st.tuples(st.just("done"), RESPONSES, st.booleans()),
    st.tuples(st.just("began"), RESPONSES),
)


@given(st.lists(STEPS, max_size=30))
def test_in_any_order_each_call_is_told_once_and_a_response_is_followed_at_most_once(steps):
    mcp, told, followed = Mcp(), [], 0
    for kind, *given_ in steps:
        match kind:
            case "call":
                item_id, response_id, done = given_
                told += mcp.call(call(item_id, output="x" if done else None), response_id, done=done)
            case "ended":
                mcp.ended(*given_)
            case "wanted":
                told += mcp.approval_wanted(approval("r" + given_[0]), given_[1])
            case "answered":
                mcp.answered("r" + given_[0], approve=given_[1])
            case "done":
                mcp.response_done(given_[0], wants_answer=given_[1])
            case _:
                mcp.response_began(*given_)
        followed += mcp.follow_up()
        assert not mcp.follow_up()

    kinds = [(event.item_id, event.get("status")) for event in told]
    assert len(kinds) == len(set(kinds))
    assert followed <= sum(kind == "done" for kind, *_ in steps)


# --- from one connection to the next ----------------------------------------------------------------------------------


def test_calls_at_work_have_failed_with_their_connection_and_are_told_once(mcp):
    mcp.response_began("resp_1")
    mcp.call(call(), "resp_1", done=False)
    mcp.approval_wanted(approval(), "resp_1")
    mcp.approval_wanted(approval("mcpr_2", name="other"), "resp_1")
    mcp.answered("mcpr_2", approve=True)
    assert mcp.is_busy
    told, wants_answer = mcp.link_down()

    assert shown(told) == [("McpCallEvent", "failed")]
    assert not wants_answer, "the response that goes on asks by itself"
    assert (mcp.is_busy, mcp.approvals) == (False, frozenset())
    assert mcp.call(call(output="late"), "resp_1", done=True) == []
    assert mcp.link_down() == ([], False)


def test_results_that_were_waited_for_are_answered_on_the_next_connection(mcp):
    mcp.call(call(), "resp_1", done=False)
    mcp.response_done("resp_1", wants_answer=True)
    assert not mcp.follow_up()

    assert mcp.link_down()[1]
    assert not mcp.follow_up()


def test_what_is_on_offer_stands_until_it_is_listed_anew(mcp):
    mcp.listed(McpListToolsItem(id="list_1", server_label="docs", tools=TOOLS))
    mcp.listing("list_1", "ready")
    mcp.link_down()
    assert mcp.servers["docs"] == McpTools(status="ready", tools=TOOLS)
    mcp.listed(McpListToolsItem(id="list_2", server_label="docs", tools=()))

    assert mcp.servers["docs"].status == "in_progress"


def test_past_the_bound_a_response_waits_for_no_more_calls(mcp):
    for number in range(REMEMBERED + 1):
        mcp.approval_wanted(approval(f"mcpr_{number}"), "resp_1")
    mcp.response_done("resp_1", wants_answer=True)
    for number in range(REMEMBERED):
        mcp.answered(f"mcpr_{number}", approve=False)

    assert mcp.follow_up() or len(mcp.approvals) == 1
