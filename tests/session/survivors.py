"""For sessions that outlive their connections: a network that breaks, and speech that is known again."""

import json
import random
from array import array
from collections import Counter, deque
from contextlib import asynccontextmanager
from functools import lru_cache

import pybase64
import trio
from rooms import config, tasks

from engine.config import Reconnect
from engine.errors import ConnectionLost, SessionEnded
from engine.events import (
    BidiAudioStreamEvent,
    BidiConnectionRestartEvent,
    BidiConnectionWarningEvent,
    BidiErrorEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    ToolResultEvent,
    ToolUseStreamEvent,
)
from engine.session import open_session
from engine.simulator import Call, Say, ScriptedResponder, SimulatorSettings, serve
from engine.simulator.script import last_words
from engine.testing import in_memory
from engine.wire.items import MessageItem

MS_BYTES = 48
FRAME_MS = 40
FRAME_BYTES = MS_BYTES * FRAME_MS

EXPIRY = "Your session hit the maximum duration of 60 minutes."

# --- speech that is known again ---------------------------------------------------------------------------------------

LOUD, QUIET = 12_000, 16
"""Amplitudes: the simulator's ear takes the one for speech and the other, some -70 dBFS, for silence."""

SPEECH_MS, LONG_SPEECH_MS, PAUSE_MS = 600, 6000, 1000


@lru_cache(maxsize=4096)
def noise(seed, ms, amplitude):
    """Make audio that no other seed makes: each piece of it is found in one place only."""
    dice = random.Random(f"{seed} {amplitude}")
    samples = array("h", dice.randbytes(ms * MS_BYTES))
    return array("h", (sample * amplitude >> 15 for sample in samples)).tobytes()


def speech(number):
    """Give what is loud in a spoken turn; those from 30 on are long."""
    return noise(f"turn {number}", SPEECH_MS if number < 30 else LONG_SPEECH_MS, LOUD)


def spoken(number, pause_ms=PAUSE_MS):
    """Give a spoken turn, with the pause that ends it."""
    return speech(number) + noise(f"pause {number}", pause_ms, QUIET)


def recognised(pcm, numbers=(*range(1, 10), 30)):
    """Say which spoken turns are in a piece of audio: `turn 3` when all of it is, `part of turn 3` when less."""
    pcm = bytes(pcm)
    whole = sorted((pcm.index(speech(number)), f"turn {number}") for number in numbers if speech(number) in pcm)
    if whole:
        return " and ".join(words for _, words in whole)
    parts = [number for number in numbers if any(piece in pcm for piece in frames(speech(number), 60))]
    return " and ".join(f"part of turn {number}" for number in parts) or "nothing"


def frames(pcm, ms=FRAME_MS):
    """Cut audio as a microphone gives it."""
    return [pcm[at : at + MS_BYTES * ms] for at in range(0, len(pcm), MS_BYTES * ms)]


# --- a service that knows what it was told ----------------------------------------------------------------------------


LONG = "a long answer, " * 12


class Brain(ScriptedResponder):
    """Answers what was said last, on whichever connection: turns, `tool 1` by two calls, `long 1` at length."""

    async def transcribe(self, pcm):
        return recognised(pcm)

    async def answer(self, prompt):
        words = self._last(prompt)
        if words.startswith("tool"):
            return [Call("look", {"at": f"{words} left"}), Call("look", {"at": f"{words} right"})]
        if words.startswith("long"):
            return [Say(f"{words}: {LONG}")]
        return [Say(f"answer to {words}")]

    @staticmethod
    def _last(prompt):
        for item in reversed(prompt.items):
            audio = prompt.audio.get(item.id)
            if isinstance(item, MessageItem) and item.role == "user" and audio:
                return recognised(bytes(audio))
            words = last_words([item])
            if words:
                return words
        return "nothing"


# --- a network that breaks --------------------------------------------------------------------------------------------


class Break:
    """How a connection ends, and where.

    Args:
        how: `reset`, `eof`, a close code, or `expired`.
        at: The message after which it ends, both ways counted together over all connections from 0; None for by hand.
        lost: The message itself is lost where the client sent it.
    """

    def __init__(self, how="reset", at=None, *, lost=False):
        self.how, self.at, self.lost = how, at, lost

    @property
    def error(self):
        if self.how == "reset":
            return ConnectionLost("the connection was reset")
        if self.how == "eof":
            return ConnectionLost("the connection ended without a close frame", code=1006)
        if self.how == "expired":
            return ConnectionLost("closed", code=1001, reason=EXPIRY)
        return ConnectionLost("closed", code=self.how, reason="as asked")


class Line:
    """One connection of a network."""

    def __init__(self, network, inner, nursery):
        self._network, self._inner, self._nursery = network, inner, nursery
        self._scope = trio.CancelScope()
        self._error = None
        self._last_words = []
        self.closed = False
        self.said_goodbye = False
        self.sent = self.received = 0
        self.silent = False
        """Nothing goes through any more, and nobody is told."""
        self._held = None

    def end(self, how):
        """End it, for both sides."""
        if self._error is None:
            self._error = how.error
            if how.how == "expired":
                error = {"type": "invalid_request_error", "code": "session_expired", "message": EXPIRY}
                self._last_words = [json.dumps({"type": "error", "event_id": "e", "error": error})]
            self._scope.cancel()
            self._nursery.start_soon(self._inner.close, 0)

    def hold(self):
        """Hold back what the service says."""
        self._held = trio.Event()

    def release(self):
        self._held.set()

    async def send(self, text):
        if self.silent:
            await trio.sleep_forever()
        if self._error is not None:
            await trio.lowlevel.checkpoint()
            raise ConnectionLost("the connection is gone")
        how = self._network.passes(text, "client")
        self.sent += 1
        if how is None or not how.lost:
            await self._inner.send(text)
        if how is not None:
            self.end(how)

    async def receive(self):
        if self._error is None:
            self._scope = trio.CancelScope()
            with self._scope:
                batch = await self._inner.receive()
                if self._held is not None:
                    await self._held.wait()
                if self.silent:
                    await trio.sleep_forever()
                for place, text in enumerate(batch):
                    self.received += 1
                    if (how := self._network.passes(text, "server")) is not None:
                        self.end(how)
                        return batch[: place + 1]
                return batch
        await trio.lowlevel.checkpoint()
        if self._last_words:
            words, self._last_words = self._last_words, []
            return words
        raise self._error

    async def ping(self):
        if self.silent:
            await trio.sleep_forever()
        await self._inner.ping()

    async def close(self, deadline_s):
        self.said_goodbye = self._error is None
        self.closed = True
        await self._inner.close(deadline_s)

    def statistics(self):
        return self._inner.statistics()


class Network:
    """Leads to a simulator over lines that can break; `connect` is the connector.

    Args:
        simulator: Where to.
        breaks: Where connections end.
    """

    def __init__(self, simulator, *breaks):
        self._connect = in_memory(simulator)
        self._breaks = {each.at: each for each in breaks if each.at is not None}
        self.lines = []
        self.messages = []
        """Whose message each was, and of which type."""
        self.next = deque()
        """What happens to the next attempts to connect: an error to raise, seconds to wait, or None."""
        self.attempts = []
        """When each was made."""
        self.holds = False
        """New connections say nothing."""
        self.watch = lambda side, event_type: None
        """Told of each message on its way."""

    def break_at(self, number, how):
        """End the connection that the message of this number goes over."""
        self._breaks[number] = how

    def passes(self, text, side):
        """Note a message; give the break that it meets."""
        number = len(self.messages)
        self.messages.append((side, json.loads(text)["type"]))
        self.watch(*self.messages[-1])
        return self._breaks.pop(number, None)

    async def connect(self, nursery, endpoint):
        self.attempts.append(trio.current_time())
        fate = self.next.popleft() if self.next else None
        if isinstance(fate, BaseException):
            await trio.lowlevel.checkpoint()
            raise fate
        if fate is not None:
            await trio.sleep(fate)
        line = Line(self, await self._connect(nursery, endpoint), nursery)
        if self.holds:
            line.hold()
        self.lines.append(line)
        return line

    @property
    def line(self):
        """The newest."""
        return self.lines[-1]

    @property
    def open_lines(self):
        return [line for line in self.lines if not line.closed]


# --- somebody who talks -----------------------------------------------------------------------------------------------


class Caller:
    """Talks, listens, answers calls, and remembers all events."""

    def __init__(self, session):
        self.session = session
        self.events, self.error = [], None
        self.words = {}
        self.sent_audio = bytearray()
        self.answers_calls = True
        self._came = trio.Event()

    async def listen(self):
        try:
            async for event in self.session.receive():
                self.events.append(event)
                if isinstance(event, BidiTranscriptStreamEvent) and event.role == "assistant" and event.is_final:
                    self.words[event.response_id] = event.current_transcript
                if isinstance(event, ToolUseStreamEvent) and self.answers_calls:
                    await self.answer(event)
                self._came.set()
                self._came = trio.Event()
        except SessionEnded:
            pass
        except Exception as error:  # noqa: BLE001 - whatever it ended with is looked at
            self.error = error
        self._came.set()

    async def answer(self, call):
        use = call.current_tool_use
        result = {
            "toolUseId": use["toolUseId"],
            "status": "success",
            "content": [{"text": f"saw {use['input']['at']}"}],
        }
        await self.session.send(ToolResultEvent(result))

    async def type(self, words):
        await self.session.send(BidiTextInputEvent(words))

    async def play(self, pcm, ms=FRAME_MS):
        """Send audio at the pace at which it is spoken."""
        for frame in frames(pcm, ms):
            await self.session.send_audio(frame)
            self.sent_audio += frame
            await trio.sleep(ms / 1000)

    async def speak(self, number, pause_ms=PAUSE_MS):
        await self.play(spoken(number, pause_ms))

    async def until(self, holds, within_s=180):
        with trio.move_on_after(within_s):
            while not holds():
                if self.error is not None:
                    raise self.error
                await self._came.wait()
            return
        raise AssertionError(f"did not come to pass in {within_s} s; {self.tale()}")

    def of(self, *classes):
        return [event for event in self.events if isinstance(event, classes)]

    async def wait_for(self, cls, count=1):
        await self.until(lambda: len(self.of(cls)) >= count)
        return self.of(cls)[count - 1]

    def complete(self):
        """Count the answers that came whole, by their words."""
        done = [event.response_id for event in self.of(BidiResponseCompleteEvent) if event.stop_reason == "complete"]
        return Counter(self.words[response_id] for response_id in done if response_id in self.words)

    async def answered(self, words):
        await self.until(lambda: self.complete()[f"answer to {words}"] > 0)

    def tale(self):
        """Tell what came, for a test that fails."""
        silent = (BidiAudioStreamEvent,)
        shown = []
        for event in self.events:
            if isinstance(event, silent) or (isinstance(event, BidiTranscriptStreamEvent) and not event.is_final):
                continue
            at = f"{event.received_at:.2f}" if event.received_at is not None else "-"
            shown.append(f"{at} {type(event).__name__} {vars_of(event)}")
        return "\n" + "\n".join(shown)

    @property
    def restarts(self):
        return self.of(BidiConnectionRestartEvent)

    @property
    def warnings(self):
        return self.of(BidiConnectionWarningEvent)

    def check_well_formed(self):
        """Each response that began has one end, and only one that was cut off has an interruption `error`."""
        begun = Counter(event.response_id for event in self.of(BidiResponseStartEvent))
        ended = Counter(event.response_id for event in self.of(BidiResponseCompleteEvent))
        assert max(begun.values(), default=0) <= 1, self.tale()
        assert max(ended.values(), default=0) <= 1, self.tale()
        assert set(begun) == set(ended), self.tale()
        cut = [event for event in self.of(BidiInterruptionEvent) if event.reason == "error"]
        stopped = [event for event in self.of(BidiResponseCompleteEvent) if event.stop_reason == "interrupted"]
        assert len(cut) <= len(stopped), self.tale()
        assert len(cut) <= len(self.of(BidiConnectionWarningEvent)), self.tale()


def vars_of(event):
    names = ("response_id", "stop_reason", "reason", "current_transcript", "code", "message", "item_id", "gap_ms")
    told = {name: getattr(event, name, None) for name in names}
    return {name: value for name, value in told.items() if value is not None}


# --- what the service knows -------------------------------------------------------------------------------------------


def received(simulator, *types):
    """Give client events of all connections, in the order of connections, each with the number of its connection."""
    return [
        (ledger.number, message.event)
        for ledger in simulator.sessions
        for message in ledger.received
        if not types or message.type in types
    ]


def heard_by(ledger):
    """Give all audio that a connection got."""
    appends = [message.event["audio"] for message in ledger.received if message.type == "input_audio_buffer.append"]
    return b"".join(map(pybase64.b64decode, appends))


def heard(simulator):
    """Give all audio that all connections got, one after the other."""
    return b"".join(map(heard_by, simulator.sessions))


def told(event):
    """Give the words of an item that a client creates."""
    item = event["item"]
    if item["type"] == "function_call_output":
        return item["output"]
    return " ".join(part.get("text") or part.get("transcript") or "" for part in item.get("content", ()))


def item_ids(ledger):
    """Give the items of a connection's conversation, in order, as its service told of them."""
    ids = []
    for message in ledger.sent:
        event = message.event
        if event["type"] == "conversation.item.added":
            before = event.get("previous_item_id")
            ids.insert(ids.index(before) + 1 if before in ids else 0, event["item"]["id"])
        elif event["type"] == "conversation.item.deleted":
            ids.remove(event["item_id"])
    return ids


def crashes(simulator):
    return [ledger.crash for ledger in simulator.sessions if ledger.crash is not None]


def told_errors(caller):
    return [event.error for event in caller.of(BidiErrorEvent)]


# --- a session that survives ------------------------------------------------------------------------------------------


SURVIVES = {"on_timeout": "renew", "reconnect": Reconnect()}


KEPT = {"ledger_max_sessions": 40, "ledger_max_events": 10**5, "ledger_max_bytes": 2**28}


@asynccontextmanager
async def talking(connector, *, client=None, record=None, settings=None, **engine):
    """Open a session that survives, and listen."""
    where = {"base_url": "ws://localhost/v1", **(client or {})}
    made = config(engine={**SURVIVES, **engine}, client=where, **(settings or {}))
    async with open_session(made, connector=connector, record=record) as session:
        caller = Caller(session)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(caller.listen)
            yield caller
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def surviving(*breaks, service=None, responder=Brain, through=lambda line: line, **how):
    """Serve, and talk over a network that breaks, `through` another transport; at the end nothing is left."""

    async def connect(nursery, endpoint):
        return through(await network.connect(nursery, endpoint))

    async with serve(SimulatorSettings(**{**KEPT, **(service or {})}), responder, host=None) as simulator:
        living = tasks()
        network = Network(simulator, *breaks)
        async with talking(connect, **how) as caller:
            yield simulator, network, caller
        await trio.sleep(11)  # The simulator waits 10 s for a handshake.
        assert (tasks(), simulator.active_sessions) == (living, 0)
        assert all(line.closed for line in network.lines)
        assert crashes(simulator) == []


async def settled(caller):
    """Wait until nothing is active, asked for or owed."""
    with trio.fail_after(120):
        while True:
            await trio.sleep(1)
            gate = caller.session.statistics().conversation.gate
            if (gate.state, gate.owed, gate.in_line, gate.open_calls) == ("free", False, 0, 0):
                return
