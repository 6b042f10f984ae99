"""A real session with the simulator, and tools that run in it."""

from contextlib import asynccontextmanager

import trio
from rooms import config, simulated

from engine.events import BidiTextInputEvent
from engine.session import open_session


class Watched:
    """A set of tools as a session takes it, that keeps the runner to look at."""

    def __init__(self, tools):
        self.tools = tools
        self.made = None

    @property
    def specs(self):
        return self.tools.specs

    def __contains__(self, name):
        return name in self.tools

    def runner(self, host):
        self.made = self.tools.runner(host)
        return self.made


@asynccontextmanager
async def running(session, tools):
    """Run tools in a session; gives the runner and the events that came."""
    events, watched = [], Watched(tools)
    async with trio.open_nursery() as nursery:
        stream = session.run(watched)

        async def read():
            async for event in stream:
                events.append(event)  # noqa: PERF401 - they are looked at while they come

        nursery.start_soon(read)
        yield watched.made, events
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def talk(tools, *answers, **settings):
    """Open a session with a simulator that follows a script; gives all that there is to look at."""
    async with (
        simulated(*answers) as (simulator, client, connector),
        open_session(config(client=client, tools=tools.specs, **settings), connector=connector) as session,
        running(session, tools) as (runner, events),
    ):
        yield Talk(simulator, session, runner, events)


class Talk:
    """A conversation: the simulator's ledger, the session, the runner and the events."""

    def __init__(self, simulator, session, runner, events):
        self.simulator, self.session, self.runner, self.events = simulator, session, runner, events

    async def say(self, text="go"):
        await self.session.send(BidiTextInputEvent(text))

    async def settled(self, wait_s=0.5):
        """Wait until the conversation is free and no tool runs."""
        await trio.sleep(wait_s)
        while not self.is_free or self.runner.statistics().running:  # noqa: ASYNC110 - a snapshot sets no events
            await trio.sleep(wait_s)

    @property
    def is_free(self):
        gate = self.session.statistics().conversation.gate
        return gate.state == "free" and not gate.owed and not gate.open_calls

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
