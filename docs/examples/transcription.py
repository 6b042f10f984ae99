"""Write down what is said, turn by turn; nobody answers."""

import trio
import trio.testing

from engine import (
    ClientSettings,
    SpeechCommittedEvent,
    TranscriptEvent,
    Transcription,
    TranscriptionConfig,
    open_transcription,
)
from engine.audio.pcm import silence, tone
from engine.simulator import Script, serve
from engine.testing import in_memory

SCRIPT = Script.of(transcripts=["I would like a table.", "For two, at eight."])
TURN = tone(200, 900) + silence(900)


CONFIG = TranscriptionConfig(
    client=ClientSettings(api_key="any-text"),
    transcription=Transcription(model="gpt-4o-transcribe", language="en"),
)


async def main() -> None:
    async with (
        serve(responder_factory=SCRIPT.responder, host=None) as simulator,
        open_transcription(CONFIG, connector=in_memory(simulator)) as session,
    ):
        for _ in range(2):
            await session.send_audio(TURN)
            await trio.sleep(3)

        turns: list[str | None] = []
        words: dict[str | None, str] = {}
        async for event in session.receive():
            match event:
                case SpeechCommittedEvent():
                    turns.append(event.item_id)
                case TranscriptEvent(is_final=True):
                    words[event.item_id] = event.transcript
            if len(words) == 2:
                break

        for turn in turns:
            print(words[turn])


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
