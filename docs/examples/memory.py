"""What happens when nobody reads: three policies of a bounded inbox."""

import trio
import trio.testing

from engine import (
    BidiAudioStreamEvent,
    BidiErrorEvent,
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    ClientSettings,
    EngineSettings,
    LimitExceeded,
    SessionConfig,
    open_session,
)
from engine.simulator import Say, Script, serve
from engine.testing import in_memory

SCRIPT = Script.of(Say("This answer is long. " * 50))  # a minute of speech, 4 MB as base64 text
BOUND = 2**20


async def talk(policy: str) -> None:
    config = SessionConfig(
        client=ClientSettings(api_key="any-text"),
        engine=EngineSettings(inbox_max_bytes=BOUND, inbox_overflow=policy, reader_deadline_s=None),
    )
    async with (
        serve(responder_factory=SCRIPT.responder, host=None) as simulator,
        open_session(config, connector=in_memory(simulator)) as session,
    ):
        await session.send(BidiTextInputEvent("Tell me something long."))
        await trio.sleep(60)  # busy with something else
        print(f"{policy}: {session.statistics().inbox.bytes / BOUND:.2f} of the bound waits")

        audio = b""
        try:
            async for event in session.receive():
                match event:
                    case BidiAudioStreamEvent():
                        audio += event.pcm
                    case BidiErrorEvent():
                        print("  told:", event.code)
                    case BidiResponseCompleteEvent():
                        break
        except LimitExceeded as error:
            print(f"  the session ended: {error.limit} is {error.bound:,}")
        inbox = session.statistics().inbox
        print(f"  {len(audio) / 48_000:.0f} s of audio received, {inbox.dropped_audio} events dropped")


async def main() -> None:
    await talk("drop_oldest_audio")
    await talk("wait")
    await talk("fail")


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
