"""Watch the wire events of a session, and send one by hand."""

import trio
import trio.testing

from engine import BidiTextInputEvent, BidiUsageEvent, ClientSettings, SessionConfig, open_session
from engine.raw import Tap
from engine.simulator import Say, Script, serve
from engine.testing import in_memory
from engine.wire.client import ResponseCreate, SessionUpdate
from engine.wire.server import RateLimitsUpdated, ResponseDone
from engine.wire.session import ResponseSettings

SCRIPT = Script.of(Say("Hello."), Say("Greeting"))


async def watch(tap: Tap) -> None:
    async for raw in tap:
        match raw.event:
            case ResponseDone(response=response):
                print(f"{raw.direction}: {raw.event.tag} {response.status}, metadata {response.metadata}")
            case RateLimitsUpdated(rate_limits=limits):
                print(f"{raw.direction}: {raw.event.tag}, {limits[0].name} {limits[0].limit}")
            case SessionUpdate():
                pass  # The settings may be on the socket before the watch begins.
            case _ if raw.direction == "client":
                print(f"{raw.direction}: {raw.event.tag}")


async def main() -> None:
    config = SessionConfig(client=ClientSettings(api_key="any-text"), output_modalities=["text"])
    async with (
        serve(responder_factory=SCRIPT.responder, host=None) as simulator,
        trio.open_nursery() as nursery,
        open_session(config, connector=in_memory(simulator)) as session,
    ):
        with session.raw.listen() as tap:
            nursery.start_soon(watch, tap)
            await session.send(BidiTextInputEvent("Hi"))
            async for event in session.receive():
                if isinstance(event, BidiUsageEvent):
                    break

            # A response outside the conversation: it leaves no trace in it.
            aside = ResponseSettings(
                conversation="none",
                instructions="Name the topic of the conversation in one word.",
                metadata={"purpose": "topic"},
            )
            await session.raw.send(ResponseCreate(response=aside))
            async for event in session.receive():
                if isinstance(event, BidiUsageEvent):
                    break
            await session.stop()


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
