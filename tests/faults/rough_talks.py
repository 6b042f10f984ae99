"""Talks over a network that misbehaves: what is said, what must have arrived, and that nothing is left."""

import json
from contextlib import asynccontextmanager

import pybase64
import trio
from fault_proxy import fault_proxy, until
from rooms import TURN, config, open_sockets, simulated, tasks

import engine
from engine.simulator import INSTANT, Call, Say, SimulatorSettings

FRAME_BYTES = 48 * 40
CLOCK = {"name": "clock", "description": "The time.", "inputSchema": {"json": {"type": "object"}}}
ANSWERS = (Say("Good day to you."), Call("clock"), Say("It is noon."), Say("I heard you."))
LONG = Say("A word and a word. " * 80)
"""Some 400 pieces of speech."""

QUICK = SimulatorSettings(pace=INSTANT, ledger_max_sessions=64)

PATIENCE_S = 20.0
"""For what must come at last; a machine that is busy may take long."""


@asynccontextmanager
async def proxied(*answers, settings=QUICK, seed=0):
    """Give a simulator and a fault proxy that leads to it; at the end no task and no socket is left."""
    sockets, living = open_sockets(), tasks()
    async with (
        simulated(*answers, tcp=True, settings=settings) as (simulator, _, _),
        fault_proxy(simulator.port, seed=seed) as proxy,
    ):
        with trio.fail_after(3 * PATIENCE_S):
            yield simulator, proxy
            await nothing_left(simulator, proxy)
    assert (open_sockets(), tasks()) == (sockets, living)


async def nothing_left(simulator, proxy):
    """Wait until proxy and server see that the client is gone: it has closed all its sockets."""
    await until(lambda: not simulator.active_sessions and not proxy.live)


def through(proxy, *, engine=None, **settings):
    """Make the settings of a session that goes through a proxy, and ends with its connection."""
    return config(client={"base_url": proxy.url}, engine=engine, **settings)


async def answer(events):
    """Hear one answer out: its words, and how many bytes of speech it had."""
    words, size = "", 0
    async for event in events:
        if isinstance(event, engine.BidiAudioStreamEvent):
            size += len(pybase64.b64decode(event.audio))
        elif isinstance(event, engine.BidiTranscriptStreamEvent) and event.role == "assistant" and event.is_final:
            words = event.current_transcript
        elif isinstance(event, engine.BidiResponseCompleteEvent):
            assert event.stop_reason in {"complete", "tool_use"}, event
            return words, size
    raise AssertionError("the events ended before the answer did")


async def call(events):
    """Wait for a call, and give its id."""
    async for event in events:
        if isinstance(event, engine.ToolUseStreamEvent):
            return event.current_tool_use["toolUseId"]
    raise AssertionError("the events ended before a call came")


async def hold(session):
    """Hold the talk that `ANSWERS` answer: written words, a tool call, speech."""
    events = session.receive()
    await session.send(engine.BidiTextInputEvent("good day"))
    assert (await answer(events))[0] == "Good day to you."
    await session.send(engine.BidiTextInputEvent("what time is it?"))
    call_id = await call(events)
    await session.send(engine.ToolResultEvent({"toolUseId": call_id, "content": [{"text": "noon"}]}))
    await answer(events)
    assert (await answer(events))[0] == "It is noon."
    for at in range(0, len(TURN), FRAME_BYTES):
        await session.send_audio(TURN[at : at + FRAME_BYTES])
    words, size = await answer(events)
    assert words == "I heard you."
    assert size > 0


def check_all_arrived(ledger):
    """The server got each sample and each event of `hold` once and in order."""
    received = [json.loads(message.text) for message in ledger.received]
    sound = [event["audio"] for event in received if event["type"] == "input_audio_buffer.append"]
    assert b"".join(map(pybase64.b64decode, sound)) == TURN
    aside = {"input_audio_buffer.append", "conversation.item.truncate", "conversation.item.delete"}  # speech cuts in
    rest = [event["type"] for event in received if event["type"] not in aside]
    turn = ["conversation.item.create", "response.create"]
    assert rest == ["session.update", *turn * 3], rest
    assert ledger.crash is None


async def lost(session):
    """Receive to the end, which must be a lost connection, and give the error."""
    try:
        async for _ in session.receive():
            pass
    except engine.ConnectionLost as error:
        return error
    raise AssertionError("the events ended as if all were well")


async def first_sound(events):
    """Read until the answer sounds."""
    async for event in events:
        if isinstance(event, engine.BidiAudioStreamEvent):
            return
    raise AssertionError("the events ended before the answer began")
