"""A session for tests of tools: a real nursery, and a record of what was sent."""

from contextlib import asynccontextmanager

import trio
import trio.testing

from engine.errors import LocalMisuse, SessionEnded
from engine.events import ToolUseStreamEvent
from engine.tools import Tools, bounds


class NurseryHost:
    """Answers go to a list; the session is over when a test says so."""

    def __init__(self, nursery):
        self.nursery = nursery
        self.session = "the session"
        self.sent = []
        self.sent_at = {}
        self.told = []
        self.log = []
        self.is_over = False
        self.heard = trio.Event()

    def spawn(self, task, name):
        self.nursery.start_soon(task, name=name)

    async def invoke(self, function, *args, **kwargs):
        return await function(*args, **kwargs)

    def notify(self, function, *args):
        function(*args)

    async def send(self, result):
        await trio.lowlevel.checkpoint()
        if self.is_over:
            raise SessionEnded("client_disconnect")
        if result.tool_use_id in self.sent_at:
            raise LocalMisuse("answered already")
        self.sent.append(result)
        self.sent_at[result.tool_use_id] = trio.current_time()
        self.log.append("result")

    async def tell(self, text):
        await trio.lowlevel.checkpoint()
        if self.is_over:
            raise SessionEnded("client_disconnect")
        self.told.append(text)
        self.log.append("told")

    async def heard_out(self):
        self.log.append("goodbye")
        await self.heard.wait()

    async def end(self):
        self.log.append("end")
        self.is_over = True
        self.nursery.cancel_scope.cancel()
        await trio.lowlevel.checkpoint()


class Room:
    """A runner in its host, and short ways to speak to it."""

    def __init__(self, host, runner):
        self.host, self.runner = host, runner
        self._count = 0

    def call(self, name, arguments=None, *, response_id="r1", call_id=None):
        self._count += 1
        call_id = call_id or f"c{self._count}"
        use = {"toolUseId": call_id, "name": name, "input": arguments or {}}
        self.runner.call(ToolUseStreamEvent({"toolUse": use}, use, response_id=response_id))
        return call_id

    async def calls(self, *names, response_id="r1"):
        """Make the calls of a whole response, and wait until nothing moves."""
        for name in names:
            self.call(name, response_id=response_id)
        self.runner.response_done(response_id)
        await self.quiet()

    async def quiet(self):
        await trio.testing.wait_all_tasks_blocked()

    @property
    def answers(self):
        return {each.tool_use_id: text_of(each) for each in self.host.sent}

    @property
    def order(self):
        return [each.tool_use_id for each in self.host.sent]


def text_of(result):
    (block,) = result.tool_result["content"]
    return block["text"] if "text" in block else block["json"]


async def eventually(condition):
    """Wait for what a thread does."""
    with trio.fail_after(30):
        while not condition():  # noqa: ASYNC110 - threads set no events of Trio's
            await trio.sleep(0.001)


@asynccontextmanager
async def room(*functions, tools=None, limit=bounds.TOOLS_AT_ONCE, waiting_limit=64, on_report=None):
    """A nursery with a runner in it; what still runs at the end is cancelled, as by the end of a session."""
    tools = Tools(functions) if tools is None else tools
    tools.limit, tools.waiting_limit = limit, waiting_limit
    async with trio.open_nursery() as nursery:
        host = NurseryHost(nursery)
        yield Room(host, tools.runner(host, on_report=on_report))
        nursery.cancel_scope.cancel()
