"""Keep a talk in a file, and go on with it in another session."""

import json

import trio
import trio.testing

from engine import BidiResponseCompleteEvent, BidiTextInputEvent, ClientSettings, SessionConfig, open_session
from engine.simulator import Say, Script, serve
from engine.testing import in_memory

FILE = trio.Path("talk.json")
SCRIPT = Script.of(Say("Yes, Alice."))


async def ask(session, text: str) -> None:
    await session.send(BidiTextInputEvent(text))
    async for event in session.receive():
        if isinstance(event, BidiResponseCompleteEvent):
            return


async def main() -> None:
    client = ClientSettings(api_key="any-text")
    async with serve(responder_factory=SCRIPT.responder, host=None) as simulator:
        connector = in_memory(simulator)
        async with open_session(SessionConfig(client=client), connector=connector) as session:
            await ask(session, "My name is Alice. Will you remember it?")
            await FILE.write_text(json.dumps(session.history.messages()))

        messages = json.loads(await FILE.read_text())
        config = SessionConfig(client=client, history=messages)
        async with open_session(config, connector=connector) as session:
            await ask(session, "Do you still know who I am?")
            for message in session.history.messages():
                print(f"{message['role']}: {message['content'][0]['text']}")


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
