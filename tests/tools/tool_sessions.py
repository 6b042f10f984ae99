"""A real session with the simulator, and tools that run in it."""

from contextlib import asynccontextmanager

import trio
from rooms import config, simulated

from engine.events import (
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    ToolUseStreamEvent,
)
from engine.session import open_session


class SessionHost:
    """Joins a session and its tools by what any application can use."""

    def __init__(self, session, nursery):
        self.session = session
        self.nursery = nursery

    def spawn(self, task, name):
        self.nursery.start_soon(task, name=name)

    async def send(self, result):
        await self.session.send(result)

    async def tell(self, text):
        await self.session.send(BidiTextInputEvent(text))

    async def heard_out(self):
        while not is_free(self.session):  # noqa: ASYNC110 - a snapshot sets no events
            await trio.sleep(0.01)

    async def end(self):
        await self.session.stop()


def is_free(session):
    gate = session.statistics().conversation.gate
    return gate.state == "free" and not gate.owed and not gate.open_calls


@asynccontextmanager
async def running(session, tools):
    """Run tools in a session; gives the runner and the events that came."""
    events = []
    async with trio.open_nursery() as nursery:
        runner = tools.runner(SessionHost(session, nursery))

        async def read():
            async for event in session.receive():
                events.append(event)
                match event:
                    case ToolUseStreamEvent():
                        runner.call(event)
                    case BidiResponseCompleteEvent(response_id=response_id):
                        runner.response_done(response_id)
                    case BidiInterruptionEvent():
                        runner.interrupted(None)

        nursery.start_soon(read)
        yield runner, events
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def talk(tools, *answers, **settings):
    """Open a session with a simulator that follows a script; gives all that there is to look at."""
    async with (
        simulated(*answers) as (simulator, client, connector),
        open_session(config(client=client, tools=tools.specs, **settings), connector=connector) as session,
        running(session, tools) as (tool_runner, events),
    ):
        yield Talk(simulator, session, tool_runner, events)


class Talk:
    """A conversation: the simulator's ledger, the session, the runner and the events."""

    def __init__(self, simulator, session, runner, events):
        self.simulator, self.session, self.runner, self.events = simulator, session, runner, events

    async def say(self, text="go"):
        await self.session.send(BidiTextInputEvent(text))

    async def settled(self, wait_s=0.5):
        """Wait until the conversation is free and no tool runs."""
        await trio.sleep(wait_s)
        while not is_free(self.session) or self.runner.statistics().running:  # noqa: ASYNC110 - a snapshot sets no events
            await trio.sleep(wait_s)

    @property
    def ledger(self):
        return self.simulator.sessions[0]

    @property
    def requests(self):
        return self.ledger.received.counts["response.create"]

    @property
    def outputs(self):
        """The answers to calls on the wire, in their order."""
        items = [each.event["item"] for each in self.ledger.received if each.type == "conversation.item.create"]
        return [(item["call_id"], item["output"]) for item in items if item["type"] == "function_call_output"]

    @property
    def called(self):
        """The calls that the model made, in their order."""
        done = [each.event["item"] for each in self.ledger.sent if each.type == "response.output_item.done"]
        return [item["call_id"] for item in done if item["type"] == "function_call" and item["status"] == "completed"]

    def errors(self):
        return [each.event["error"] for each in self.ledger.sent if each.type == "error"]
