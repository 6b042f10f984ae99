"""JSON without a floor: nested as deep as its sender likes, it costs one error, one refusal, and nothing else."""

import json

import pytest
import trio
from rooms import config, live, response_created, said, take

from engine.contract import messages_to_items
from engine.errors import RemoteViolation, UnsupportedContent
from engine.events import BidiErrorEvent, BidiTextInputEvent, ToolResultEvent
from engine.protocol.calls import Calls
from engine.wire.client import SessionUpdate
from engine.wire.codec import decode_server
from engine.wire.depth import DEPTH_MAX, is_deeper
from engine.wire.items import FunctionCallItem
from engine.wire.session import Session

DEPTHS = [DEPTH_MAX, 900, 1_000, 1_020, 5_000, 200_000]
"""The bound; around Python's stack; past what the parser takes; and past any stack."""

PLACES = {
    "event": '{"type":"new.thing","event_id":"e","x":%s}',
    "item": '{"type":"conversation.item.added","event_id":"e","item":{"id":"i","type":"message","role":"user",'
    '"content":[{"type":"input_text","text":"x","new":%s}]}}',
    "mcp tools": '{"type":"conversation.item.added","event_id":"e","item":{"id":"i","type":"mcp_list_tools",'
    '"server_label":"l","tools":[{"name":"n","input_schema":%s}]}}',
    "session": '{"type":"session.updated","event_id":"e","session":{"type":"realtime","tools":[{"x":%s}]}}',
    "error": '{"type":"error","event_id":"e","error":{"message":"m","type":"t","x":%s}}',
    "response": '{"type":"response.done","event_id":"e","response":{"id":"r","status":"completed","output":[%s]}}',
}


def nested(levels, opening="[", closing="]"):
    return opening * levels + closing * levels


@pytest.mark.parametrize("place", PLACES)
async def test_a_message_without_a_floor_costs_one_error_and_the_session_lives(place, autojump_clock):
    async with live(config()) as (session, server):
        await take(session, 1)
        for levels in DEPTHS:
            await server.say(PLACES[place] % nested(levels))
            [told] = await take(session, 1)
            assert isinstance(told, BidiErrorEvent)
            assert told.error.problem in ("too_deep", "invalid_json")
        await server.say(response_created("after"))
        assert (await take(session, 1))[0].response_id == "after"
        assert sum(session.statistics().conversation.violations.values()) == len(DEPTHS)


@pytest.mark.parametrize("place", PLACES)
def test_what_the_service_really_nests_is_far_below_the_bound(place):
    decode_server(PLACES[place] % nested(60))


@pytest.mark.parametrize("levels", [0, 1, 2, 7])
def test_levels_are_counted_with_the_outermost_object(levels):
    value = json.loads('{"x":' * levels + "{}" + "}" * levels)

    assert is_deeper(value, levels) is True
    assert is_deeper(value, levels + 1) is False
    assert is_deeper({"wide": list(range(10_000)), "deep": [value]}, levels + 2) is True
    assert is_deeper({"wide": list(range(10_000)), "deep": [value]}, levels + 3) is False


@pytest.mark.parametrize("levels", DEPTHS)
def test_arguments_without_a_floor_are_no_arguments(levels):
    item = FunctionCallItem(id="i", call_id="c", name="n", arguments='{"x":' + nested(levels) + "}", status="completed")

    assert Calls().item_done(item, "r").arguments is None


async def test_a_call_with_such_arguments_is_answered_and_the_session_lives(autojump_clock):
    arguments = '{"x":' + nested(990) + "}"
    call = {"id": "i", "type": "function_call", "call_id": "c", "name": "n", "arguments": arguments}
    async with live(config()) as (session, server):
        await take(session, 1)
        await server.say(said("response.output_item.done", response_id="r", output_index=0, item=call))
        [told] = await take(session, 1)
        assert told.error.code == "invalid_function_arguments"
        with trio.fail_after(1):
            answer = await server.hear("conversation.item.create")
        assert answer["item"]["call_id"] == "c"


def floorless(levels):
    deep = []
    for _ in range(levels):
        deep = [deep]
    return deep


@pytest.mark.parametrize("levels", [2_000, 100_000])
async def test_content_of_the_applications_own_without_a_floor_is_refused(levels, autojump_clock):
    async with live(config()) as (session, _):
        result = {"toolUseId": "c", "status": "success", "content": [{"json": floorless(levels)}]}
        with pytest.raises(UnsupportedContent):
            await session.send(ToolResultEvent(result))
        with pytest.raises(UnsupportedContent):
            await session.raw.send(SessionUpdate(session=Session(extra={"x": floorless(levels)})))
        await session.send(BidiTextInputEvent("still here"))


def test_a_history_without_a_floor_is_refused_before_anything_is_connected():
    use = {"toolUse": {"toolUseId": "c", "name": "n", "input": {"x": floorless(100_000)}}}

    with pytest.raises(UnsupportedContent):
        messages_to_items([{"role": "assistant", "content": [use]}], str)


def test_the_error_says_the_bound():
    with pytest.raises(RemoteViolation, match=f"too_deep in new.thing: .*{DEPTH_MAX} levels"):
        decode_server(PLACES["event"] % nested(DEPTH_MAX))
