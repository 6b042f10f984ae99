"""The seed's side of `benchmarks.faults`, run by its own Python: `seed_faults.py FAULT URL SECONDS`. Prints JSON."""

import asyncio
import json
import sys
import time
from pathlib import Path

from strands.experimental.bidi import BidiTextInputEvent
from strands.experimental.bidi.models import openai_realtime


def rss_mib():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


async def started(url):
    openai_realtime.OPENAI_REALTIME_URL = url + "/realtime"
    model = openai_realtime.BidiOpenAIRealtimeModel(client_config={"api_key": "sk-test"})
    await model.start()
    await model.send(BidiTextInputEvent("Go on at length."))
    return model


async def stop(url, bound_s):
    model = await started(url)
    audio = 0
    async for event in model.receive():
        audio += event["type"] == "bidi_audio_stream"
        if audio == 100:
            break
    before = time.monotonic()
    try:
        await asyncio.wait_for(model.stop(), bound_s)
    except TimeoutError:
        return {"stop_s": None}
    return {"stop_s": time.monotonic() - before}


async def stall(url, stall_s):
    model = await started(url)
    before_mib = rss_mib()
    await asyncio.sleep(stall_s)
    grown_mib = rss_mib() - before_mib
    delivered, ended = 0, "alive"
    try:
        async for event in model.receive():
            delivered += event["type"] == "bidi_audio_stream"
            if event["type"] == "bidi_response_complete":
                break
    except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
        ended = f"{type(error).__name__}: {error}"
    return {"grown_mib": grown_mib, "delivered": delivered, "connection": ended}


async def expiry(url, _):
    model = await started(url)
    try:
        async for _ in model.receive():
            pass
    except Exception as error:  # noqa: BLE001 - whatever it raises is the finding
        return {"raised": type(error).__name__}
    return {"raised": None}


async def barge_in(url, bound_s):
    model = await started(url)
    audio, stale, told_at = 0, 0, None
    try:
        async with asyncio.timeout(bound_s):
            async for event in model.receive():
                if event["type"] == "bidi_audio_stream":
                    audio += 1
                    stale += told_at is not None
                    await asyncio.sleep(0.1)
                elif event["type"] == "bidi_interruption":
                    told_at = time.monotonic()
                elif event["type"] == "bidi_response_complete":
                    break
    except TimeoutError:
        pass
    return {"told_at": told_at, "audio": audio, "stale": stale}


if __name__ == "__main__":
    fault = {"stop": stop, "stall": stall, "expiry": expiry, "barge_in": barge_in}[sys.argv[1]]
    print(json.dumps(asyncio.run(fault(sys.argv[2], float(sys.argv[3])))), flush=True)
