"""The four verbs of the facade: start, send, receive, stop, and start again."""

import trio
import trio.testing

from engine import BidiModelTimeoutError, BidiOpenAIRealtimeModel, BidiTextInputEvent
from engine.simulator import Say, Script, serve
from engine.testing import in_memory

SCRIPT = Script.of(Say("Good morning."))


async def read(model: BidiOpenAIRealtimeModel) -> None:
    async for event in model.receive():
        # Events are frozen objects that can be read as dictionaries too.
        match event["type"]:
            case "bidi_connection_start":
                print("model:", event["model"])
            case "bidi_transcript_stream" if event["is_final"]:
                print(f"{event['role']}: {event['text']}")
            case "bidi_usage":
                print("tokens:", event.get("totalTokens"))
                return


async def main() -> None:
    async with serve(responder_factory=SCRIPT.responder, host=None) as simulator:
        model = BidiOpenAIRealtimeModel(
            model_id="gpt-realtime",
            provider_config={"audio": {"voice": "marin"}, "inference": {"max_output_tokens": 500}},
            client_config={"api_key": "any-text", "timeout_s": 600},
            connector=in_memory(simulator),
        )
        await model.start(system_prompt="You greet people.")
        await model.send(BidiTextInputEvent("Hello"))
        await read(model)

        try:
            async for _ in model.receive():  # nothing more is said, until the time is over
                pass
        except BidiModelTimeoutError as error:
            print(f"timeout: {error}")
            await model.stop()
            await model.start(system_prompt="You greet people.", **error.restart_config)
            await model.send(BidiTextInputEvent("Hello again"))
            await read(model)
        finally:
            await model.stop()


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
