"""Change the settings of a session while it runs."""

import trio
import trio.testing

from engine import BidiResponseCompleteEvent, BidiTextInputEvent, ClientSettings, SessionConfig, open_session
from engine.errors import ConfigError, LocalMisuse
from engine.simulator import Say, Script, serve
from engine.testing import in_memory

SCRIPT = Script.of(Say("Good morning!"))


async def main() -> None:
    config = SessionConfig(client=ClientSettings(api_key="any-text"), voice="marin")
    async with (
        serve(responder_factory=SCRIPT.responder, host=None) as simulator,
        open_session(config, connector=in_memory(simulator)) as session,
    ):
        settings = await session.update(
            instructions="Answer in one sentence.",
            turn_detection={"type": "semantic_vad", "eagerness": "low"},
            noise_reduction="near_field",
            transcription=None,  # off
        )
        print("in effect:", settings.instructions)
        print("so far:", settings.output_modalities, settings.tool_choice)

        await session.send(BidiTextInputEvent("Hello"))
        async for event in session.receive():
            if isinstance(event, BidiResponseCompleteEvent):
                break

        for wrong in ({"voice": "cedar"}, {"speed": 2.0}, {"temperature": 0.5}):
            try:
                await session.update(**wrong)  # type: ignore[arg-type]
            except (ConfigError, LocalMisuse) as error:
                print(f"{type(error).__name__}: {str(error)[:80]}")


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
