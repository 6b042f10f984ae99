"""Speak to the model, and keep its answer as a sound file."""

from importlib.resources import files

import trio

from engine import (
    BidiAudioStreamEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiTranscriptStreamEvent,
    ClientSettings,
    SessionConfig,
    open_session,
)
from engine.audio.files import read_pcm16, write_wav
from engine.audio.pcm import silence
from engine.simulator import Say, Script, serve

SCRIPT = Script.of(Say("That is worth ten points."), transcripts=["Ten of clubs."])
RECORDING = str(files("engine.demo") / "speech" / "cards-001.wav")


async def main() -> None:
    speech = read_pcm16(RECORDING)  # PCM16, mono, 24 kHz, whatever the file holds
    async with serve(responder_factory=SCRIPT.responder) as simulator:
        client = ClientSettings(base_url=simulator.base_url, api_key="any-text")
        async with open_session(SessionConfig(client=client)) as session:
            await session.send_audio(speech + silence(800))

            answer = b""
            async for event in session.receive():
                match event:
                    case BidiInterruptionEvent():
                        print("somebody speaks")
                    case BidiTranscriptStreamEvent(is_final=True):
                        print(f"{event.role}: {event.text}")
                    case BidiAudioStreamEvent():
                        answer += event.pcm
                    case BidiResponseCompleteEvent():
                        break

    write_wav("answer.wav", answer)
    print(f"answer.wav: {len(answer) / 48_000:.2f} s")


trio.run(main)
