"""Talk with a simulator that follows a script from a TOML file."""

from pathlib import Path

import trio
import trio.testing

from engine import (
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
from engine.simulator import load_script, serve
from engine.testing import in_memory

SCRIPT = load_script(Path(__file__).with_name("script.toml"))


async def ask(session: Session, question: str) -> None:
    print(f"user: {question}")
    await session.send(BidiTextInputEvent(question))
    async for event in session.receive():
        match event:
            case BidiTranscriptStreamEvent(is_final=True):
                print(f"{event.role}: {event.text}")
            case ToolUseStreamEvent(current_tool_use=call):
                content = [{"json": {"celsius": 7}}]
                await session.send(
                    ToolResultEvent({"toolUseId": call["toolUseId"], "status": "success", "content": content})
                )
            case BidiResponseCompleteEvent(stop_reason=reason, details=details):
                print(f"({reason}, {details})" if details else f"({reason})")
                if reason != "tool_use":
                    return


async def main() -> None:
    config = SessionConfig(client=ClientSettings(api_key="any-text"), output_modalities=["text"])
    async with (
        serve(responder_factory=SCRIPT.responder, host=None) as simulator,
        open_session(config, connector=in_memory(simulator)) as session,
    ):
        for question in ("Hello", "How is the weather?", "Go on", "And then?", "Still there?"):
            await ask(session, question)


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
