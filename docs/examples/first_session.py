"""A whole conversation: speech, a tool, an interruption, statistics, the end."""

from importlib.resources import files

import trio
import trio.testing

from engine import (
    BidiAudioStreamEvent,
    BidiConnectionCloseEvent,
    BidiErrorEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    ClientSettings,
    Session,
    SessionConfig,
    ToolResultEvent,
    ToolUseStreamEvent,
    open_session,
)
from engine.audio.files import read_pcm16
from engine.audio.pcm import silence
from engine.simulator import Call, Say, Script, Turn, serve
from engine.testing import in_memory

RECORDINGS = files("engine.demo") / "speech"
POINTS = {"four": 4, "seven": 7, "eight": 8, "ten": 10}
SCRIPT = Script(
    transcripts=["Eight of spades, four of clubs, seven of hearts.", "Ten of clubs."],
    turns=[
        Turn([Call("score_hand", '{"cards": ["eight", "four", "seven"]}')], when="eight of spades"),
        Turn([Say("Your hand is worth nineteen points.")], when="points"),
        Turn(
            [Say("Cards came to Europe in the fourteenth century, and nobody knows from where. " * 5)], when="history"
        ),
        Turn([Say("That is ten points more.")], when="ten of clubs"),
    ],
)
SCORE_HAND = {
    "name": "score_hand",
    "description": "Add up what cards are worth.",
    "inputSchema": {"json": {"type": "object", "properties": {"cards": {"type": "array"}}}},
}


class Conversation:
    """What the caller's side of the talk needs to know, and what it does."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.turn_over = trio.Event()
        self.model_speaks = trio.Event()

    async def listen(self) -> None:
        async for event in self.session.receive():
            match event:
                case BidiTranscriptStreamEvent(is_final=True):
                    print(f"{event.role}: {event.text[:60]}")
                case BidiAudioStreamEvent():
                    self.model_speaks.set()
                case BidiInterruptionEvent():
                    print("(the caller speaks)")
                case ToolUseStreamEvent(current_tool_use=call):
                    await self.session.send(self.run_tool(call["toolUseId"], call["input"]))
                case BidiResponseCompleteEvent(stop_reason="complete"):
                    self.turn_over.set()
                case BidiErrorEvent():
                    print(f"error {event.code}: {event.message}")
                case BidiConnectionCloseEvent():
                    print(f"closed: {event.reason}")

    def run_tool(self, call_id: str, arguments: dict[str, list[str]]) -> ToolResultEvent:
        points = sum(POINTS[card] for card in arguments["cards"])
        print(f"(tool: {points} points)")
        return ToolResultEvent(
            {"toolUseId": call_id, "status": "success", "content": [{"json": {"points": points}}]},
        )

    async def say(self, recording: str) -> None:
        speech = read_pcm16(str(RECORDINGS / recording))
        await self.session.send_audio(speech + silence(800))

    async def turn_ends(self) -> None:
        await self.turn_over.wait()
        self.turn_over, self.model_speaks = trio.Event(), trio.Event()

    async def hold(self) -> None:
        await self.say("cards-005.wav")
        await self.turn_ends()

        await self.session.send(BidiTextInputEvent("What is the history of cards?"))
        await self.model_speaks.wait()
        await self.say("cards-001.wav")  # cuts in
        await self.turn_ends()


async def main() -> None:
    config = SessionConfig(client=ClientSettings(api_key="any-text"), tools=[SCORE_HAND])
    async with (
        serve(responder_factory=SCRIPT.responder, host=None) as simulator,
        open_session(config, connector=in_memory(simulator)) as session,
        trio.open_nursery() as nursery,
    ):
        conversation = Conversation(session)
        nursery.start_soon(conversation.listen)
        await conversation.hold()

        now = session.statistics()
        print(f"{now.age_s:.1f} s, {now.audio_fed_ms / 1000:.1f} s of audio sent")
        print(f"{now.conversation.history_items} items, {now.conversation.gate.requested} responses asked for")
        await session.stop()


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
