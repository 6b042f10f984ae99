"""What the tests of the concurrent rooms share: settings, a server's end written by hand, and counts of what lives."""

import gc
import json
import math
from contextlib import asynccontextmanager
from pathlib import Path

import pybase64
import trio
import trio.testing

from engine.audio.pcm import silence, tone
from engine.config import ClientSettings, EngineSettings, SessionConfig
from engine.events import (
    BidiAudioInputEvent,
    BidiAudioStreamEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    ToolResultEvent,
    ToolUseStreamEvent,
)
from engine.session import open_session
from engine.simulator import Call, Say, Script, SimulatorSettings, serve
from engine.simulator.settings import INSTANT
from engine.testing import MemoryConnector, in_memory

KEY = "sk-canary-5d1f0c77"
"""A key that must never show."""

MS = b"\0\0" * 24
"""A millisecond of PCM16 at 24 kHz."""


ONE_LINK = {"on_timeout": "raise", "reconnect": None}
"""Settings of a session that ends with its connection."""


def config(*, engine=None, client=None, **settings):
    """Settings of a session with a server on this machine, which ends with its connection unless `engine` says more."""
    where = {"api_key": KEY, "base_url": "ws://127.0.0.1:1/v1", **(client or {})}
    bounds = {**ONE_LINK, **(engine or {})}
    return SessionConfig(client=ClientSettings(**where), engine=EngineSettings(**bounds), **settings)


def audio_event(size=1000, response_id="r1", mark="A"):
    return BidiAudioStreamEvent(audio=mark * size, format="pcm", sample_rate=24000, channels=1, response_id=response_id)


def text_event(text="word"):
    return BidiTranscriptStreamEvent(
        delta={"text": text}, text=text, role="assistant", is_final=False, current_transcript=None
    )


# --- what a server says ---------------------------------------------------------------------------------------------

_count = iter(range(10**9))


def said(event_type, **fields):
    """Make a server event's JSON text."""
    return json.dumps({"type": event_type, "event_id": f"event_{next(_count)}", **fields})


def session_created():
    return said("session.created", session={"type": "realtime", "id": "sess_1"})


def error(code, message="told", **fields):
    return said("error", error={"type": "invalid_request_error", "code": code, "message": message, **fields})


def response_created(response_id="r1"):
    return said("response.created", response={"id": response_id, "status": "in_progress"})


def response_done(response_id="r1", status="completed", output=()):
    return said("response.done", response={"id": response_id, "status": status, "output": list(output)})


def audio_delta(pcm=b"\0" * 480, response_id="r1"):
    return said(
        "response.output_audio.delta",
        response_id=response_id,
        item_id="i1",
        output_index=0,
        content_index=0,
        delta=pybase64.b64encode(pcm).decode(),
    )


def text_delta(text, response_id="r1"):
    where = {"response_id": response_id, "item_id": "i1", "output_index": 0, "content_index": 0}
    return said("response.output_text.delta", delta=text, **where)


def speech_started():
    return said("input_audio_buffer.speech_started", item_id="u1", audio_start_ms=0)


def call_done(call_id="call_1", name="tool", arguments="{}", response_id="r1"):
    item = {"type": "function_call", "id": "i_" + call_id, "call_id": call_id, "name": name, "arguments": arguments}
    return said("response.output_item.done", response_id=response_id, output_index=0, item=item)


class Peer:
    """A server's end of a memory transport, written by hand."""

    def __init__(self, transport):
        self.transport = transport
        self.got = []

    async def say(self, *messages):
        for message in messages:
            await self.transport.send(message)

    async def hear(self, event_type=None):
        """Give the next client event, or the next of a type."""
        while True:
            if not self.got:
                self.got.extend(map(json.loads, await self.transport.receive()))
            event = self.got.pop(0)
            if event_type is None or event["type"] == event_type:
                return event


@asynccontextmanager
async def live(settings=None, connector=None, **options):
    """Open a session with a server written by hand; give both."""
    connector = connector or MemoryConnector()
    async with trio.open_nursery() as nursery:
        peers = []

        async def serve():
            peer = Peer(await connector.accept())
            await peer.say(session_created())
            peers.append(peer)

        nursery.start_soon(serve)
        async with open_session(settings or config(**options), connector=connector) as session:
            await trio.testing.wait_all_tasks_blocked()
            yield session, peers[0]
        peers[0].transport.hang_up(1000, None)


async def take(session, count):
    """Receive some events."""
    events = session.receive()
    return [await events.__anext__() for _ in range(count)]


async def rest(session):
    """Receive to the end."""
    return [event async for event in session.receive()]


async def until(events, cls):
    """Receive up to and including the first event of a class."""
    async for event in events:
        if isinstance(event, cls):
            return event
    raise AssertionError(f"no {cls.__name__} came")


def names(events):
    return [event.type for event in events]


# --- whole conversations ---------------------------------------------------------------------------------------------


class Broken:
    """A connector with a bug, and its transport."""

    def __init__(self, where, bug):
        self.where, self.bug, self.closed = where, bug, False

    async def __call__(self, nursery, endpoint):
        self.messages = [session_created()]
        await self.fail("connect")
        return self

    async def fail(self, where):
        await trio.lowlevel.checkpoint()
        if where == self.where:
            raise self.bug

    async def receive(self):
        if self.messages:
            await trio.lowlevel.checkpoint()
            return [self.messages.pop()]
        await self.fail("receive")
        await trio.sleep_forever()
        return []

    async def ping(self):
        await self.fail("ping")

    async def send(self, text):
        await self.fail("send")

    async def close(self, deadline_s):
        self.closed = True
        await self.fail("close")

    def statistics(self):
        return None


@asynccontextmanager
async def simulated(*answers, tcp=False, settings=None, keys=None):
    """Serve; give the simulator, and settings and a connector that lead to it."""
    script = Script.of(*answers)
    settings = settings or SimulatorSettings(pace=INSTANT, keys=keys, ledger_max_sessions=3)
    async with serve(settings, script.responder, host="127.0.0.1" if tcp else None) as simulator:
        client = {"base_url": simulator.base_url} if tcp else {}
        yield simulator, client, None if tcp else in_memory(simulator)


# --- what lives -----------------------------------------------------------------------------------------------------


def open_sockets():
    """Count this process's open sockets."""
    count = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            count += entry.readlink().name.startswith("socket:")
        except FileNotFoundError:  # the listing's own
            continue
    return count


def tasks():
    """Count the run's tasks."""
    return trio.lowlevel.current_statistics().tasks_living


def collect():
    """Let what was forgotten warn."""
    gc.collect()


# --- cancelled everywhere ---------------------------------------------------------------------------------------------

TURN = tone(220, 200) + silence(600)


async def converse(session):
    """Text with a tool call, then speech, then speech into the answer."""
    events = session.receive()
    await session.send(BidiTextInputEvent("what time is it?"))
    call = await until(events, ToolUseStreamEvent)
    result = {"toolUseId": call.current_tool_use["toolUseId"], "status": "success", "content": [{"text": "noon"}]}
    await session.send(ToolResultEvent(result))
    while (await until(events, BidiResponseCompleteEvent)).stop_reason != "complete":
        pass
    for at in range(0, len(TURN), len(MS) * 40):
        await session.send(BidiAudioInputEvent.from_pcm(TURN[at : at + len(MS) * 40]))
    await until(events, BidiInterruptionEvent)
    await until(events, BidiAudioStreamEvent)
    for at in range(0, len(TURN), len(MS) * 100):
        await session.send(BidiAudioInputEvent.from_pcm(TURN[at : at + len(MS) * 100]))
    await until(events, BidiInterruptionEvent)
    with session.raw.listen():
        await session.stop()
    assert [event async for event in events][-1].reason == "client_disconnect"


ANSWERS = (Call("clock"), Say("noon"), Say("a b"), Say("c d"))


class CancelAt(trio.abc.Instrument):
    """Cancels a scope at the n-th step of some tasks."""

    def __init__(self, number, who, scope):
        self.number, self.who, self.scope = number, who, scope
        self.count = 0
        self.at = math.inf

    def before_task_step(self, task):
        if self.who(task):
            if self.count == self.number:
                self.at = trio.current_time()
                self.scope.cancel()
            self.count += 1


def is_engine(task):
    return task.name.startswith(("engine", "trio-websocket"))


async def cancelled_at(number, who, run):
    """Run something and cancel it at the n-th step; tell whether that was reached, and how long the end took."""
    me = trio.lowlevel.current_task()
    with trio.CancelScope() as scope:
        instrument = CancelAt(number, is_engine if who == "engine" else lambda task: task is me, scope)
        trio.lowlevel.add_instrument(instrument)
        try:
            await run()
        finally:
            trio.lowlevel.remove_instrument(instrument)
    return instrument.at < math.inf, trio.current_time() - instrument.at


async def cancel_everywhere(simulator, who, run, *, stride=1):
    """Cancel at every step in turn; after each nothing is left."""
    await run()
    await trio.sleep(5)
    collect()  # What earlier tests forgot must not go while this one counts.
    before, sockets = tasks(), open_sockets()
    number, reached = 0, True
    while reached:
        reached, took = await cancelled_at(number, who, run)
        assert not reached or (number, took) < (number, 0.5), "the server answers, so nothing is waited for"
        await trio.sleep(12)  # the simulator waits 10 s for a handshake that does not come
        assert (number, tasks()) == (number, before)
        left = open_sockets()
        assert (number, left) <= (number, sockets), f"{left - sockets} more sockets than before"
        assert simulator.active_sessions == 0
        assert all(ledger.crash is None for ledger in simulator.sessions)
        number += stride
    collect()
    return number
