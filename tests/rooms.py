"""What the tests of the concurrent rooms share: settings, a server's end written by hand, and counts of what lives."""

import gc
import json
from contextlib import asynccontextmanager
from pathlib import Path

import pybase64
import trio
import trio.testing

from engine.config import ClientSettings, EngineSettings, SessionConfig
from engine.events import BidiAudioStreamEvent, BidiTranscriptStreamEvent
from engine.session import open_session
from engine.testing import MemoryConnector

KEY = "sk-canary-5d1f0c77"
"""A key that must never show."""


def config(*, engine=None, client=None, **settings):
    """Settings of a session with a server on this machine."""
    where = {"api_key": KEY, "base_url": "ws://127.0.0.1:1/v1", **(client or {})}
    return SessionConfig(client=ClientSettings(**where), engine=EngineSettings(**(engine or {})), **settings)


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
