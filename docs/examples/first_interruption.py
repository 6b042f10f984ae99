"""Cut in while the model speaks."""

from importlib.resources import files

import trio

from engine import (
    BidiAudioStreamEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    ClientSettings,
    SessionConfig,
    open_session,
)
from engine.audio.files import read_pcm16
from engine.audio.pcm import silence
from engine.simulator import Say, Script, serve

SCRIPT = Script.of(
    Say("Once upon a time there was a town by the sea, and in it lived a clockmaker. " * 5),
    Say("Of course. What would you like instead?"),
    transcripts=["Ten of clubs."],
)
RECORDING = str(files("engine.demo") / "speech" / "cards-001.wav")


async def main() -> None:
    speech = read_pcm16(RECORDING)
    async with serve(responder_factory=SCRIPT.responder) as simulator:
        client = ClientSettings(base_url=simulator.base_url, api_key="any-text")
        async with open_session(SessionConfig(client=client)) as session:
            await session.send(BidiTextInputEvent("Tell me a story."))

            chunks = 0
            async for event in session.receive():
                match event:
                    case BidiAudioStreamEvent():
                        chunks += 1  # here your program would play event.pcm
                        if chunks == 3:
                            await session.send_audio(speech + silence(800))
                    case BidiInterruptionEvent():
                        print("interruption:", event.reason)  # here it would stop playing
                    case BidiResponseCompleteEvent():
                        print("response:", event.stop_reason)
                        if event.stop_reason == "complete":
                            break


trio.run(main)
