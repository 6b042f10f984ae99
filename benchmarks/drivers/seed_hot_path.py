"""The same run through strands-agents' model, by a Python that has it: prints CPU microseconds an event, as JSON."""

import asyncio
import base64
import json
import os
import sys
import time

from strands.experimental.bidi.models import openai_realtime
from strands.experimental.bidi.types.events import (
    BidiAudioInputEvent,
    BidiAudioStreamEvent,
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
)


async def main(port: int, deltas: int, frames: int) -> None:
    """Receive the deltas, then send the frames, each as fast as it goes."""
    openai_realtime.OPENAI_REALTIME_URL = f"ws://127.0.0.1:{port}/v1/realtime"
    model = openai_realtime.BidiOpenAIRealtimeModel(client_config={"api_key": "none"})
    await model.start()
    began = time.process_time()
    await model.send(BidiTextInputEvent(text=str(deltas)))
    received = 0
    async for event in model.receive():
        received += isinstance(event, BidiAudioStreamEvent)
        if isinstance(event, BidiResponseCompleteEvent):
            break
    delta_us = (time.process_time() - began) / deltas * 1e6
    audio = base64.b64encode(bytes(960)).decode()
    frame = BidiAudioInputEvent(audio=audio, format="pcm", sample_rate=24000, channels=1)
    began = time.process_time()
    for _ in range(frames):
        await model.send(frame)
    frame_us = (time.process_time() - began) / frames * 1e6
    print(json.dumps({"delta_us": delta_us, "frame_us": frame_us, "received": received}), flush=True)
    os._exit(0)  # Its stop() may wait for long, and is not what is measured.


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:4])))
