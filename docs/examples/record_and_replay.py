"""Record a conversation, then have it again: from the recording, without the service."""

import trio
import trio.testing

from engine import (
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    ClientSettings,
    Session,
    SessionConfig,
    open_session,
)
from engine.recording import read_recording
from engine.simulator import Say, Script, serve
from engine.testing import in_memory, replay

CONFIG = SessionConfig(client=ClientSettings(api_key="a-key-that-stays-out-of-it"))
SCRIPT = Script.of(Say("It is noon."))


async def ask(session: Session, question: str) -> str:
    answer = ""
    await session.send(BidiTextInputEvent(question))
    async for event in session.receive():
        if isinstance(event, BidiTranscriptStreamEvent) and event.is_final:
            answer = event.text
        if isinstance(event, BidiResponseCompleteEvent):
            break
    return answer


async def record() -> None:
    async with (
        serve(responder_factory=SCRIPT.responder, host=None) as simulator,
        open_session(CONFIG, connector=in_memory(simulator), record="call.jsonl") as session,
    ):
        print("recorded:", await ask(session, "What time is it?"))


async def play(question: str) -> None:
    async with replay("call.jsonl") as served, open_session(CONFIG, connector=served.connector) as session:
        print("replayed:", await ask(session, question))
    for difference in served.differences:
        print(f"otherwise: {difference}")


async def main() -> None:
    await record()
    recording = read_recording("call.jsonl")
    types = [entry.type for entry in recording.entries if entry.direction == "client"]
    print("sent:", ", ".join(types))
    await play("What time is it?")
    await play("What day is it?")


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
