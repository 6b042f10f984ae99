"""Calls that outlive their answer, their turn or their session: one output a call, and nothing stale in what is new."""

from contextlib import asynccontextmanager

import pytest
import trio
from talks import LONG, TURN, Talk, listening, over, talking

from engine import (
    BidiAudioStreamEvent,
    BidiConnectionStartEvent,
    BidiInterruptionEvent,
    BidiOpenAIRealtimeModel,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    BidiTextInputEvent,
    BidiUsageEvent,
    LocalMisuse,
    ToolResultEvent,
    ToolUseStreamEvent,
)
from engine.simulator import Call, Say, Script, SimulatorSettings, serve
from engine.testing import in_memory
from engine.tools import Tools

SPEC = {"name": "think", "description": "Think.", "inputSchema": {"json": {"type": "object", "properties": {}}}}


def result(call_id, text="42"):
    return ToolResultEvent({"toolUseId": call_id, "status": "success", "content": [{"text": text}]})


@asynccontextmanager
async def restartable(*answers):
    """A model whose sessions each begin the script anew, and the simulator."""
    script = Script.of(*answers)
    async with serve(SimulatorSettings(), script.responder, host=None) as simulator:
        model = BidiOpenAIRealtimeModel(client_config={"api_key": "sk-test"}, connector=in_memory(simulator))
        try:
            yield simulator, model
        finally:
            await model.stop()


async def until(model, cls):
    """Receive until an event of a class comes; give all."""
    events = []
    with trio.fail_after(60):
        async for event in model.receive():
            events.append(event)
            if isinstance(event, cls):
                return events
    raise AssertionError(f"no {cls.__name__} came")


# --- strands PR #3874 -------------------------------------------------------------------------------------------


async def test_nothing_of_a_session_that_is_over_comes_in_the_next_or_in_its_figures(autojump_clock):
    """strands PR #3874: what was still queued of the old connection was counted in the new one's totals."""
    async with restartable(Say(LONG), Say("short")) as (simulator, model):
        await model.start()
        await model.send(BidiTextInputEvent("go on"))
        await until(model, BidiAudioStreamEvent)
        await trio.sleep(30)  # All the rest waits, unread.
        before = model.statistics()
        assert before.inbox.events > 10
        await model.stop()

        await model.start()
        await model.send(BidiTextInputEvent("go on"))
        events = await until(model, BidiUsageEvent)
        statistics = model.statistics()

    assert isinstance(events[0], BidiConnectionStartEvent)
    assert events[0].connection_id == statistics.connection_id != before.connection_id
    new = {event.event["response"]["id"] for event in simulator.sessions[1].sent if event.type == "response.created"}
    spoken = [event for event in events if isinstance(event, BidiAudioStreamEvent)]
    assert {event.response_id for event in spoken} == new
    assert statistics.events_received["session.created"] == 1
    assert statistics.events_received["response.output_audio.delta"] == len(spoken)
    assert statistics.totals.tokens.total == events[-1].total_tokens
    assert statistics.inbox.purged_audio == statistics.inbox.dropped_audio == 0


def twice(event):
    """The service, or a proxy, says it again."""
    return [event, event] if event["type"] in ("response.done", "response.output_item.done") else event


async def test_what_is_told_twice_counts_once_and_runs_once(autojump_clock):
    """strands PR #3874, livekit PR #6785: a repeated event was a second answer, a second bill, a second call."""
    tools, ran = Tools(), []

    @tools.add
    async def think():
        ran.append(trio.current_time())

    async with talking(Call("think"), Say("42"), line=over(heard=twice), tools=tools) as talk:
        await talk.say()
        await talk.settled()

        assert len(ran) == len(talk.outputs) == len(talk.of(ToolUseStreamEvent)) == 1
        assert talk.endings == ["tool_use", "complete"]
        bills = [event["response"]["usage"]["total_tokens"] for event in talk.said("response.done")]
        assert [event.total_tokens for event in talk.of(BidiUsageEvent)] == bills
        assert talk.requests == 2
        assert talk.session.statistics().totals.tokens.total == sum(bills)


# --- strands #4244 ----------------------------------------------------------------------------------------------


async def test_a_result_that_comes_after_a_restart_finds_its_call_in_the_history(autojump_clock):
    """strands #4244: after a restart the service knew no call of that id, and refused the result.

    The application starts again with its messages, the open call among them.
    """
    async with restartable(Call("think", call_id="call_of_old"), Say("42")) as (simulator, model):
        await model.start(tools=[SPEC])
        await model.send(BidiTextInputEvent("think"))
        call = (await until(model, ToolUseStreamEvent))[-1].current_tool_use
        await model.stop()

        messages = [
            {"role": "user", "content": [{"text": "think"}]},
            {"role": "assistant", "content": [{"toolUse": call}]},
        ]
        await model.start(tools=[SPEC], messages=messages)
        await model.send(result(call["toolUseId"]))
        events = await until(model, BidiResponseStartEvent)
        (output,) = (
            message.event["item"]
            for message in simulator.sessions[1].received
            if message.type == "conversation.item.create" and message.event["item"]["type"] == "function_call_output"
        )

    assert output["call_id"] == "call_of_old"
    assert simulator.sessions[1].sent.counts["error"] == 0
    assert [event.type for event in events] == ["bidi_connection_start", "bidi_response_start"]


async def test_a_result_of_a_call_that_nobody_knows_any_more_is_told_and_the_talk_goes_on(autojump_clock):
    """strands #4244: without the call in its history the service refuses the result; that is told, and not fatal."""
    async with restartable(Call("think", call_id="call_of_old")) as (_, model):
        await model.start(tools=[SPEC])
        await model.send(BidiTextInputEvent("think"))
        await until(model, ToolUseStreamEvent)
        await model.stop()

        await model.start(tools=[SPEC])
        talk = Talk(None, model.session)
        async with listening(talk):
            await model.send(result("call_of_old"))
            await talk.settled()
            await talk.say("go on")
            await talk.settled()

        assert ["call_of_old" in event.message for event in talk.events if event.type == "bidi_error"] == [True]
        assert talk.endings
        assert model.statistics().state == "live"


async def test_tools_of_a_session_that_is_over_do_not_answer_in_the_next(autojump_clock):
    """strands #4244: a tool that ran on after the restart answered into the new session."""
    tools, ends = Tools(), []

    @tools.add
    async def think():
        try:
            await trio.sleep(20)
        finally:
            ends.append(trio.current_time())

    async with restartable(Call("think"), Say("42")) as (simulator, model):
        for _ in range(2):
            await model.start(tools=tools.specs)
            talk = Talk(simulator, model.session)
            async with listening(talk, model.session.run(tools)):
                await talk.say("think")
                await talk.wait_for(ToolUseStreamEvent)
                if not ends:
                    stopped = trio.current_time()
                    await model.stop()
                    assert ends == [stopped], "it ends with its session"
                else:
                    await trio.sleep(60)
        first, second = simulator.sessions

        def answered(ledger):
            items = [each.event["item"] for each in ledger.received if each.type == "conversation.item.create"]
            return [item["call_id"] for item in items if item["type"] == "function_call_output"]

        (call,) = talk.of(ToolUseStreamEvent)
        assert answered(first) == []
        assert answered(second) == [call.current_tool_use["toolUseId"]]
        assert len(ends) == 2


# --- livekit PR #6785; pipecat #5779 ----------------------------------------------------------------------------


@pytest.mark.parametrize("cancels", [True, False], ids=["cancelled", "runs_on"])
async def test_a_call_that_the_user_talks_over_is_answered_exactly_once_and_not_run_again(cancels, autojump_clock):
    """livekit PR #6785, pipecat #5779: an interrupted call was never answered, or was made again."""
    tools, ran = Tools(), []

    @tools.add(cancel_on_interruption=cancels)
    async def think():
        ran.append(trio.current_time())
        await trio.sleep(5)
        return "42"

    answers = ([Say("let me think"), Call("think")], Say("never mind"), Say("so it is"))
    async with talking(*answers, tools=tools) as talk:
        await talk.say()
        await talk.wait_for(ToolUseStreamEvent)
        await trio.sleep(1)
        await talk.speak()
        await talk.settled(10)

        ((call_id, output),) = talk.outputs
        assert call_id == talk.of(ToolUseStreamEvent)[0].current_tool_use["toolUseId"]
        assert ("42" in output) is not cancels
        assert len(ran) == 1
        assert talk.of(BidiInterruptionEvent)
        assert talk.refusals == []
        assert talk.session.statistics().conversation.gate.open_calls == 0


async def test_a_call_that_was_cut_off_before_it_was_whole_is_neither_told_nor_answered(autojump_clock):
    """livekit PR #6785: arguments that end anywhere were run as a call."""
    tools, ran = Tools(), []

    @tools.add
    async def think(about: str):
        ran.append(about)

    async with talking(Call("think", {"about": LONG * 10}), Say("yes?"), tools=tools) as talk:
        await talk.say()
        await talk.wait_for(BidiResponseStartEvent)
        with talk.session.raw.listen() as wire:
            async for event in wire:
                if event.event.tag == "response.function_call_arguments.delta":
                    break
        await talk.session.send_audio(TURN)
        await talk.settled()

        assert ran == talk.of(ToolUseStreamEvent) == talk.outputs == []
        assert talk.endings[0] == "interrupted"
        assert talk.endings[-1] == "complete"
        assert talk.refusals == []


async def test_a_second_output_of_a_call_is_refused_before_it_is_sent(autojump_clock):
    """pipecat #5779: two outputs of one call reached the model."""
    async with talking(Call("think"), Say("42")) as talk:
        await talk.say()
        call_id = (await talk.wait_for(ToolUseStreamEvent)).current_tool_use["toolUseId"]
        await talk.session.send(result(call_id))
        with pytest.raises(LocalMisuse, match="exactly one"):
            await talk.session.send(result(call_id, "43"))
        await talk.wait_for(BidiResponseCompleteEvent, 2)

        assert [output for _, output in talk.outputs] == ['[{"text": "42"}]']
