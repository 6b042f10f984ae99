"""Talks with the simulator for the lessons: somebody listens all the time, and the line in between can be bad."""

import json
from contextlib import aclosing, asynccontextmanager

import trio
from rooms import config

from engine import BidiErrorEvent, BidiResponseCompleteEvent, BidiTextInputEvent, ConnectionLost, open_session
from engine.audio.pcm import silence, tone
from engine.simulator import Script, SimulatorSettings, serve
from engine.testing import in_memory

TURN = tone(220, 400) + silence(800)
"""A spoken turn: the service hears its beginning and its end."""

LONG = "a" * 160
"""Some ten seconds of speech."""


class Talk:
    """A session with somebody who listens, and the service's own account of it."""

    def __init__(self, simulator, session):
        self.simulator, self.session = simulator, session
        self.events, self.times, self.end = [], [], None
        self._came = trio.Event()

    async def listen(self, stream):
        try:
            async for event in stream:
                self.events.append(event)
                self.times.append(trio.current_time())
                self._came.set()
                self._came = trio.Event()
        except Exception as error:  # noqa: BLE001 - whatever it ended with is looked at
            self.end = error

    async def say(self, text="go on"):
        await self.session.send(BidiTextInputEvent(text))

    async def speak(self, pcm=TURN):
        """Say something, at the pace of speech."""
        for at in range(0, len(pcm), 48 * 40):
            await self.session.send_audio(pcm[at : at + 48 * 40])
            await trio.sleep(0.04)

    async def wait_for(self, cls, count=1):
        """Wait until so many events of a class have come; give the last of them."""
        with trio.fail_after(120):
            while len(self.of(cls)) < count:
                await self._came.wait()
        return self.of(cls)[count - 1]

    async def settled(self, wait_s=0.5):
        """Wait until the conversation rests and nothing more comes."""
        with trio.fail_after(300):
            await trio.sleep(wait_s)
            while not self.rests:  # noqa: ASYNC110 - a snapshot sets no event
                await trio.sleep(wait_s)

    @property
    def rests(self):
        gate = self.session.statistics().conversation.gate
        return (gate.state, gate.owed, gate.open_calls, gate.in_line) == ("free", False, 0, 0)

    # --- what the application was told --------------------------------------------------------------------------

    def of(self, *classes):
        return [event for event in self.events if isinstance(event, classes)]

    @property
    def told(self):
        """Codes of the errors that the application was told."""
        return [event.code for event in self.of(BidiErrorEvent)]

    @property
    def endings(self):
        return [event.stop_reason for event in self.of(BidiResponseCompleteEvent)]

    # --- what the service knows ---------------------------------------------------------------------------------

    @property
    def ledger(self):
        return self.simulator.sessions[-1]

    @property
    def requests(self):
        return self.ledger.received.counts["response.create"]

    @property
    def refusals(self):
        """What the service answered with an error."""
        return [message.event["error"] for message in self.ledger.sent if message.type == "error"]

    def got(self, *types):
        """Client events, as they came to the service."""
        return [message.event for message in self.ledger.received if message.type in types]

    def said(self, *types):
        """Server events, as they left the service."""
        return [message.event for message in self.ledger.sent if message.type in types]

    def at(self, lane, event_type):
        """When messages of a type came or left."""
        return [message.at_s for message in lane if message.type == event_type]

    @property
    def outputs(self):
        """Answers to calls, as they came to the service: call id and output."""
        items = [event["item"] for event in self.got("conversation.item.create")]
        return [(item["call_id"], item["output"]) for item in items if item["type"] == "function_call_output"]


@asynccontextmanager
async def listening(talk, stream=None):
    """Take events for the length of a block."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.listen, talk.session.receive() if stream is None else stream)
        yield talk
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def talking(*answers, responder=None, service=None, line=None, tools=None, **settings):
    """Open a session with a simulator that follows a script, and listen.

    `line` makes a connector worse; `tools` run in the session; `service` are the simulator's settings.
    """
    factory = responder or Script.of(*answers).responder
    async with serve(SimulatorSettings(**(service or {})), factory, host=None) as simulator:
        connector = in_memory(simulator)
        async with open_session(config(**settings), connector=line(connector) if line else connector) as session:
            talk = Talk(simulator, session)
            async with listening(talk, session.run(tools) if tools is not None else None):
                yield talk


# --- bad lines --------------------------------------------------------------------------------------------------


class Line:
    """A transport that is slow, forgetful or distorts what goes over it.

    Args:
        inner: The transport proper.
        lag_s: One way, each way.
        heard: Changes a server event; gives None to lose it, or a list for several.
        sent: The same for a client event.
    """

    def __init__(self, inner, lag_s=0.0, heard=None, sent=None):
        self._inner, self._lag_s, self._heard, self._sent = inner, lag_s, heard, sent
        self._there, self._going = trio.open_memory_channel(1000)
        self._back, self._coming = trio.open_memory_channel(1000)
        self.jammed = False

    async def run(self):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._carry)
            try:
                while True:
                    batch = changed(await self._inner.receive(), self._heard)
                    await self._back.send((trio.current_time() + self._lag_s, batch, None))
            except ConnectionLost as lost:
                await self._back.send((trio.current_time() + self._lag_s, (), lost))
            nursery.cancel_scope.cancel()

    async def _carry(self):
        async with aclosing(self._going) as going:
            async for due, text in going:
                await trio.sleep_until(due)
                try:
                    await self._inner.send(text)
                except ConnectionLost:
                    return

    async def send(self, text):
        if self.jammed:
            await trio.sleep_forever()
        for message in changed([text], self._sent):
            await self._there.send((trio.current_time() + self._lag_s, message))

    async def receive(self):
        while True:
            due, batch, lost = await self._coming.receive()
            await trio.sleep_until(due)
            if lost is not None:
                raise lost
            if batch:
                return batch

    async def ping(self):
        await trio.sleep(2 * self._lag_s)

    def cut(self):
        """Break it: what is on its way is lost."""
        self._back.send_nowait((0.0, (), ConnectionLost("the connection was reset")))
        self.jammed = True

    async def close(self, deadline_s):
        await self._inner.close(deadline_s)

    def statistics(self):
        return self._inner.statistics()


def changed(messages, change):
    """Change messages on their way."""
    if change is None:
        return messages
    events = [event for message in messages for event in as_list(change(json.loads(message)))]
    return [json.dumps(event) for event in events]


def as_list(event):
    return [] if event is None else event if isinstance(event, list) else [event]


def over(lines=None, **how):
    """Give what makes a connector bad; each line is put into `lines` as it is made."""

    def worse(connector):
        async def connect(nursery, endpoint):
            line = Line(await connector(nursery, endpoint), **how)
            nursery.start_soon(line.run)
            if lines is not None:
                lines.append(line)
            return line

        return connect

    return worse


def nameless(event):
    """An error of the service that does not say what it answers."""
    return {**event, "error": {**event["error"], "event_id": None}} if event["type"] == "error" else event
