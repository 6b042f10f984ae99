"""strands-agents 1.40.0 as its users meet it: `BidiAgent` around the model runs the tools, keeps the messages."""

from strands import ToolContext, tool
from strands.experimental.bidi import BidiAgent, BidiAudioInputEvent, BidiTextInputEvent

from peers.plain import INSTRUCTIONS, Answers, encode
from peers.seed import made, told

BACKEND = "asyncio"


@tool(context=True)
async def look_up(tool_context: ToolContext, key: str = "") -> str:  # noqa: ARG001 - told to the model
    """Look up what is known under a key.

    Args:
        key: What to look for.
    """
    return await tool_context.invocation_state["answers"].wait(tool_context.tool_use["toolUseId"])


class Client:
    """One agent."""

    def __init__(self, url, **options):
        self._answers = Answers()
        self._agent = BidiAgent(model=made(url, **options), tools=[look_up], system_prompt=INSTRUCTIONS)

    async def open(self):
        await self._agent.start(invocation_state={"answers": self._answers})

    async def ask(self, text):
        await self._agent.send(BidiTextInputEvent(text=text))

    async def speak(self, pcm):
        frame = BidiAudioInputEvent(audio=encode(pcm), format="pcm", sample_rate=24000, channels=1)
        await self._agent.send(frame)

    async def give(self, call_id, output):
        self._answers.give(call_id, output)

    async def events(self):
        async for event in self._agent.receive():
            yield told(event)

    async def close(self):
        await self._agent.stop()
