"""Say in another language what is said, and hear it in real time."""

import trio
import trio.testing

from engine import ClientSettings, Transcription, TranslationConfig, TranslationTextEvent, open_translation
from engine.audio.pcm import bytes_to_ms, silence, tone
from engine.simulator import Script, Translation, serve
from engine.testing import in_memory

SCRIPT = Script(translations=[Translation("Where is the station?", "¿Dónde está la estación?")])
SPEECH = tone(200, 900) + silence(900)


CONFIG = TranslationConfig(
    language="es",
    client=ClientSettings(api_key="any-text"),
    transcription=Transcription(model="gpt-realtime-whisper"),
)


async def main() -> None:
    said = {"source": "", "translation": ""}
    heard = bytearray()

    async with (
        serve(responder_factory=SCRIPT.responder, host=None) as simulator,
        open_translation(CONFIG, connector=in_memory(simulator)) as session,
        trio.open_nursery() as nursery,
    ):

        async def play() -> None:
            async for frame in session.audio_out(frame_ms=20):
                heard.extend(frame if any(frame) else b"")

        nursery.start_soon(play)
        await session.send_audio(SPEECH)
        await session.finish()
        async for event in session.receive():
            if isinstance(event, TranslationTextEvent):
                said[event.of] += event.text

    print(said["source"], "->", said["translation"])
    print(f"{bytes_to_ms(len(heard)):.0f} ms of it were heard")


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
