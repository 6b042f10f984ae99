"""One run of the hot path through this engine: prints CPU microseconds an event, as JSON.

Arguments: port, audio deltas to receive, microphone frames to send.
"""

import json
import sys
import time

import trio

import engine


async def main(port: int, deltas: int, frames: int) -> None:
    """Receive the deltas, then send the frames, each as fast as it goes."""
    client = {"api_key": "none", "base_url": f"ws://127.0.0.1:{port}/v1"}
    model = engine.BidiOpenAIRealtimeModel(client_config=client)
    await model.start()
    began = time.process_time()
    await model.send(engine.BidiTextInputEvent(str(deltas)))
    received = 0
    async for event in model.receive():
        received += isinstance(event, engine.BidiAudioStreamEvent)
        if isinstance(event, engine.BidiResponseCompleteEvent):
            break
    delta_us = (time.process_time() - began) / deltas * 1e6
    frame = engine.BidiAudioInputEvent.from_pcm(bytes(960))
    began = time.process_time()
    for _ in range(frames):
        await model.send(frame)
    while model.statistics().audio_lane.waiting:  # noqa: ASYNC110 - the lane is not an application's to wait for
        await trio.sleep(0.001)
    frame_us = (time.process_time() - began) / frames * 1e6
    await model.stop()
    print(json.dumps({"delta_us": delta_us, "frame_us": frame_us, "received": received}))


if __name__ == "__main__":
    trio.run(main, *map(int, sys.argv[1:4]))
