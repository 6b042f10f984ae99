"""A connection that is lost is made anew: at whichever message it breaks, the talk ends as if it had not."""

import math
from collections import Counter
from contextlib import asynccontextmanager

import pytest
import trio
from rooms import config, tasks
from survivors import (
    PAUSE_MS,
    Brain,
    Break,
    Caller,
    Network,
    crashes,
    heard,
    item_ids,
    received,
    speech,
    spoken,
    told,
)

from engine.config import Reconnect
from engine.errors import (
    BidiModelTimeoutError,
    CertificateRefused,
    ConnectionLost,
    DeadlinePassed,
    EngineError,
    HandshakeRejected,
    ServerReported,
    SessionEnded,
)
from engine.events import (
    BidiAudioStreamEvent,
    BidiConnectionCloseEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    ToolUseStreamEvent,
)
from engine.session import open_session
from engine.simulator import SimulatorSettings, serve

SURVIVES = {"on_timeout": "renew", "reconnect": Reconnect()}


@asynccontextmanager
async def surviving(*breaks, service=None, responder=Brain, **engine):
    """Open a session over a network that breaks, and listen; at the end nothing is left."""
    settings = SimulatorSettings(ledger_max_sessions=40, **(service or {}))
    async with serve(settings, responder, host=None) as simulator:
        living = tasks()
        network = Network(simulator, *breaks)
        session_settings = config(engine={**SURVIVES, **engine}, client={"base_url": "ws://localhost/v1"})
        async with open_session(session_settings, connector=network.connect) as session:
            caller = Caller(session)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(caller.listen)
                yield simulator, network, caller
                nursery.cancel_scope.cancel()
        await trio.sleep(11)  # The simulator waits 10 s for a handshake.
        assert (tasks(), simulator.active_sessions) == (living, 0)
        assert all(line.closed for line in network.lines)
        assert crashes(simulator) == []


# --- at any message ---------------------------------------------------------------------------------------------------


async def talk(caller):
    """Speak, type, let tools be called, interrupt, ask for something aside."""
    aside = []
    await caller.speak(1)
    await caller.answered("turn 1")
    await caller.type("typed 1")
    await caller.answered("typed 1")
    await caller.type("tool 1")
    await caller.until(lambda: any("saw tool 1" in words for words in caller.complete()))
    await caller.type("long 1")
    known = {event.response_id for event in caller.of(BidiAudioStreamEvent)}
    await caller.until(lambda: {event.response_id for event in caller.of(BidiAudioStreamEvent)} - known)
    await caller.speak(2)
    await caller.answered("turn 2")
    aside.append(await ask_aside(caller))
    await caller.type("typed 2")
    await caller.answered("typed 2")
    await settled(caller)
    return aside


async def ask_aside(caller):
    try:
        with trio.fail_after(60):
            stream = await caller.session.responses.create(conversation="none", instructions="say it")
            return (await stream.done()).status
    except EngineError as error:
        return type(error).__name__


async def settled(caller):
    with trio.fail_after(120):
        while True:
            await trio.sleep(1)
            gate = caller.session.statistics().conversation.gate
            if (gate.state, gate.owed, gate.in_line, gate.open_calls) == ("free", False, 0, 0):
                return


def check_talk(caller, simulator):
    once = {"answer to turn 1": 1, "answer to typed 1": 1, "answer to turn 2": 1, "answer to typed 2": 1}
    answers = caller.complete()
    assert {words: answers[words] for words in once} == once, caller.tale()
    assert sum(count for words, count in answers.items() if "saw tool 1" in words) == 1, caller.tale()
    # A call that was cut off before it was whole is not told; those that were are answered once.
    calls = [event.current_tool_use["input"]["at"] for event in caller.of(ToolUseStreamEvent)]
    assert Counter(calls) - Counter({"tool 1 left": 1, "tool 1 right": 1}) == Counter(), caller.tale()
    assert calls, caller.tale()
    caller.check_well_formed()
    # The newest connection knows all that was said, each thing once.
    last = simulator.sessions[-1].number
    kept = [held.transcript for held in caller.session.history]
    for words in ("typed 1", "tool 1", "long 1", "typed 2"):
        assert kept.count(words) == 1, (words, kept)
    outputs = [told(event) for at, event in received(simulator, "conversation.item.create")
               if at == last and event["item"]["type"] == "function_call_output"]
    assert sorted(outputs) == sorted(f'[{{"text": "saw {at}"}}]' for at in calls)
    assert [held.item.id for held in caller.session.history] == item_ids(simulator.sessions[-1])
    assert caller.error is None


async def broken_talk(*breaks):
    async with surviving(*breaks) as (simulator, network, caller):
        aside = await talk(caller)
        check_talk(caller, simulator)
        return aside, list(network.messages), len(caller.restarts)


async def test_a_talk_over_one_connection(autojump_clock):
    aside, messages, restarts = await broken_talk()
    assert (aside, restarts) == (["completed"], 0)
    assert len(messages) > 100
