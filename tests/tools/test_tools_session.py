"""Tools in a whole conversation: what the service gets to see, and that the talk goes on whatever the tools do."""

import threading

import pytest
import trio
from rooms import cancel_everywhere, config, simulated, until
from tool_sessions import Talk, running, talk

from engine.audio.pcm import silence, tone
from engine.events import (
    BidiAudioInputEvent,
    BidiConnectionCloseEvent,
    BidiErrorEvent,
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    ToolResultEvent,
)
from engine.session import open_session
from engine.simulator import INSTANT, Call, Say, Script, SimulatorSettings, Turn, serve
from engine.testing import in_memory
from engine.tools import Deferred, Tools


def said_by_model(it):
    return [
        e.text for e in it.events if isinstance(e, BidiTranscriptStreamEvent) and e.is_final and e.role == "assistant"
    ]


@pytest.fixture
def tools():
    tools = Tools()

    @tools.add
    async def wait(seconds: float):
        """Wait.

        Args:
            seconds: How long.
        """
        await trio.sleep(seconds)
        return {"waited": seconds}

    @tools.add
    async def breaks():
        raise LookupError("nothing there")

    @tools.add(deadline_s=3)
    async def hangs():
        await trio.sleep_forever()

    @tools.add
    async def big():
        return "x" * 10_000_000

    @tools.add
    async def odd():
        return object()

    return tools


async def test_sixteen_calls_of_one_response_end_in_one_request(tools, autojump_clock):
    calls = [Call("wait", {"seconds": (number * 7) % 16 / 10}) for number in range(16)]

    async with talk(tools, calls, Say("all done")) as it:
        await it.say()
        await it.settled()

        assert it.requests == 2, "one for the text, one for all sixteen results"
        assert [call_id for call_id, _ in it.outputs] == it.called
        assert len(it.called) == 16
        types = it.ledger.received.types
        assert types[-17:] == ["conversation.item.create"] * 16 + ["response.create"]
        assert it.errors() == []
        assert said_by_model(it) == ["all done"]


async def test_more_calls_than_may_run_at_once_end_in_one_request_too(tools, autojump_clock):
    calls = [Call("wait", {"seconds": 1})] * 50

    async with talk(tools, calls, Say("all done")) as it:
        await it.say()
        await it.settled()

        assert it.requests == 2
        assert [call_id for call_id, _ in it.outputs] == it.called


async def test_results_wait_while_the_model_talks_before_its_call(tools, autojump_clock):
    async with talk(tools, [Say("let me see"), Call("breaks"), Call("breaks")], Say("no")) as it:
        await it.say()
        await it.settled()

        assert it.requests == 2
        assert said_by_model(it) == ["let me see", "no"]


BAD = {
    "a tool that raises": (Call("breaks"), "breaks failed with LookupError: nothing there"),
    "a tool that hangs": (Call("hangs"), "hangs gave no result within 3 s"),
    "a tool that returns ten megabytes": (Call("big"), "its result has 10,000,000 bytes, over the bound of 65,536"),
    "a tool that returns no JSON": (Call("odd"), "can't be written as JSON"),
    "a name that the model invented": (Call("fly"), "there is no tool called 'fly'"),
    "arguments that are no JSON": (Call("wait", '{"seconds": '), "The arguments of wait are not a JSON object"),
    "arguments that are no object": (Call("wait", "[1]"), "The arguments of wait are not a JSON object"),
    "arguments that break the schema": (Call("wait", {"seconds": "many"}), "the arguments of wait do not fit: seconds"),
    "arguments that nobody asked for": (
        Call("wait", {"seconds": 0, "when": 1}),
        "when: Extra inputs are not permitted",
    ),
}


@pytest.mark.parametrize(("call", "says"), BAD.values(), ids=BAD.keys())
async def test_the_session_lives_through(call, says, tools, autojump_clock):
    answers = (call, Say("sorry"), [Call("wait", {"seconds": 0}), call], Say("again"))

    async with talk(tools, *answers) as it:
        await it.say()
        await it.settled(5)
        assert says in it.outputs[0][1]
        assert said_by_model(it) == ["sorry"]
        await it.say("once more")
        await it.settled(5)

        assert sorted(call_id for call_id, _ in it.outputs) == sorted(it.called)
        assert len(it.outputs) == 3
        assert said_by_model(it) == ["sorry", "again"]
        assert it.requests == 4
        assert it.errors() == []


async def test_arguments_that_are_no_json_are_told_to_the_application_too(tools, autojump_clock):
    async with talk(tools, Call("wait", "nonsense"), Say("sorry")) as it:
        await it.say()
        await it.settled()

        (told,) = [event for event in it.events if isinstance(event, BidiErrorEvent)]
        assert told.code == "invalid_function_arguments"


async def test_the_session_lives_through_a_plain_function_that_hangs():
    go = threading.Event()
    tools = Tools()
    tools.add(deadline_s=0.1)(lambda_named("blocks", lambda: go.wait(30)))
    try:
        async with talk(tools, Call("blocks"), Say("sorry")) as it:
            await it.say()
            with trio.fail_after(20):
                while said_by_model(it) != ["sorry"]:  # noqa: ASYNC110 - a thread is waited for
                    await trio.sleep(0.01)
            assert "was stopped" in it.outputs[0][1]
            assert it.runner.statistics().hung_threads == 1
    finally:
        go.set()


def lambda_named(name, function):
    function.__name__ = name
    return function


async def test_text_that_is_typed_while_tools_run_is_answered_with_them(tools, autojump_clock):
    async with talk(tools, Call("wait", {"seconds": 5}), Say("both")) as it:
        await it.say()
        await trio.sleep(1)
        await it.say("and hurry")
        await it.settled()

        assert it.requests == 2
        assert said_by_model(it) == ["both"]


async def test_a_deferred_tool_lets_the_talk_go_on_and_speaks_up_later(autojump_clock):
    tools = Tools()

    @tools.add
    async def report():
        async def write():
            await trio.sleep(60)
            return "42 pages"

        return Deferred(write)

    async with talk(tools, Call("report"), Say("I am on it"), Say("sure"), Say("here it is")) as it:
        await it.say()
        await it.settled()
        assert said_by_model(it) == ["I am on it"]
        await it.say("meanwhile?")
        await it.settled()
        assert said_by_model(it)[1:] == ["sure"]
        await trio.sleep(60)
        assert said_by_model(it)[2:] == ["here it is"]

        last = [each.event for each in it.ledger.received if each.type == "conversation.item.create"][-1]["item"]
        assert last["content"][0]["text"] == f"Result of report (call {it.called[0]}): 42 pages"
        assert it.requests == 4
        assert it.errors() == []


async def test_a_tool_that_ends_the_session_lets_the_model_speak_first(autojump_clock):
    tools = Tools()

    @tools.add(ends_session=True)
    async def hang_up():
        return "The call will end now: say goodbye."

    async with talk(tools, Call("hang_up"), Say("goodbye")) as it:
        await it.say()
        await trio.sleep(5)

        assert said_by_model(it) == ["goodbye"]
        assert isinstance(it.events[-1], BidiConnectionCloseEvent)
        assert it.session.statistics().state == "closed"


async def test_speech_cancels_a_tool_that_asks_for_it_and_the_call_has_its_answer(autojump_clock):
    tools = Tools()
    stopped = []

    @tools.add(cancel_on_interruption=True)
    async def search():
        try:
            await trio.sleep_forever()
        finally:
            stopped.append(trio.current_time())

    @tools.add
    async def store():
        await trio.sleep(4)
        return "stored"

    async with talk(tools, [Call("search"), Call("store")], Say("what?"), Say("ok"), Say("fine")) as it:
        await it.say()
        await trio.sleep(1)
        assert stopped == []
        pcm = tone(220, 400) + silence(800)
        for at in range(0, len(pcm), 1920):
            await it.session.send(BidiAudioInputEvent.from_pcm(pcm[at : at + 1920]))
            await trio.sleep(0.04)
        assert len(stopped) == 1
        await it.settled(5)

        assert [call_id for call_id, _ in it.outputs] == it.called
        assert "was interrupted by the user" in it.outputs[0][1]
        assert "stored" in it.outputs[1][1]
        assert it.errors() == []


async def test_a_session_that_ends_takes_its_tools_with_it(autojump_clock):
    stopped = []
    tools = Tools()

    @tools.add
    async def works():
        try:
            await trio.sleep_forever()
        finally:
            stopped.append(trio.current_time())

    async with talk(tools, [Call("works"), Call("works")]) as it:
        await it.say()
        await trio.sleep(0.5)
        assert it.runner.statistics().running == 2
        ended = trio.current_time()
        await it.session.stop()

        assert it.runner.statistics().running == 0
        assert stopped == [ended] * 2
        assert it.outputs == []


async def test_tools_that_the_session_was_not_configured_with_are_told_to_the_service(tools, autojump_clock):
    async with (
        simulated(Call("wait", {"seconds": 0}), Say("fine")) as (simulator, client, connector),
        open_session(config(client=client), connector=connector) as session,
        running(session, tools) as (runner, events),
    ):
        it = Talk(simulator, session, runner, events)
        await trio.sleep(1)
        updates = [each.event["session"] for each in it.ledger.received if each.type == "session.update"]
        assert [tool["name"] for tool in updates[-1]["tools"]] == tools.names
        await it.say()
        await it.settled()

        assert said_by_model(it) == ["fine"]


async def test_a_result_by_hand_wins_and_the_tools_own_is_dropped(tools, autojump_clock):
    async with talk(tools, Call("wait", {"seconds": 4}, call_id="call_1"), Say("fine")) as it:
        await it.say()
        await trio.sleep(1)
        mine = {"toolUseId": "call_1", "status": "success", "content": [{"text": "by hand"}]}
        await it.session.send(ToolResultEvent(mine))
        await it.settled(5)

        assert it.outputs == [("call_1", '[{"text": "by hand"}]')]
        assert it.runner.statistics().dropped == 1
        assert it.requests == 2


async def test_calls_are_taken_though_nobody_reads_the_events(tools, autojump_clock):
    answers = (Call("wait", {"seconds": 1}), Say("fine"))
    async with (
        simulated(*answers) as (simulator, client, connector),
        open_session(config(client=client, tools=tools.specs), connector=connector) as session,
    ):
        stream = session.run(tools)
        await session.send(BidiTextInputEvent("go"))
        await trio.sleep(5)
        assert simulator.sessions[0].received.counts["response.create"] == 2
        await session.stop()
        told = [event.type async for event in stream]
        assert told.count("tool_use_stream") == 1


@pytest.mark.parametrize("spec", ["seed", "flat"])
async def test_the_seeds_tool_dictionaries_run_as_they_are(spec, autojump_clock):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    seed = {"name": "double", "description": "Double a number.", "inputSchema": {"json": schema}}
    flat = {"type": "function", "name": "double", "description": "Double a number.", "parameters": schema}

    async def double(a):
        return a * 2

    tools = Tools([{**(seed if spec == "seed" else flat), "handler": double}])
    async with talk(tools, [Call("double", {"a": 4}), Call("double", {"a": "4"})], Say("eight")) as it:
        await it.say()
        await it.settled()

        assert it.outputs[0][1] == '[{"json": 8}]'
        assert "a: '4' is not of type 'integer'" in it.outputs[1][1]


@pytest.mark.parametrize("who", ["engine", "application"])
async def test_cancelled_at_any_step_nothing_is_left(who, tools, autojump_clock):
    calls = Turn([Call("wait", {"seconds": 0.1}), Call("breaks")], when="go", repeat=None)
    turns = [calls, Turn([Say("fine")], repeat=None)]
    async with serve(
        SimulatorSettings(pace=INSTANT, ledger_max_sessions=3), Script(turns).responder, host=None
    ) as simulator:

        async def run():
            wanted = config(tools=tools.specs)
            async with open_session(wanted, connector=in_memory(simulator)) as session:
                events = session.run(tools)
                await session.send(BidiTextInputEvent("go"))
                while (await until(events, BidiResponseCompleteEvent)).stop_reason != "complete":
                    pass
                await session.stop()

        stride, least = (3, 100) if who == "engine" else (1, 10)
        assert await cancel_everywhere(simulator, who, run, stride=stride) > least
