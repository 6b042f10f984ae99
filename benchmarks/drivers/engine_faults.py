"""Our side of `benchmarks.faults`: `engine_faults.py FAULT URL SECONDS`. Prints JSON."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import attrs
import trio

import engine


def rss_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


async def started(url: str) -> engine.BidiOpenAIRealtimeModel:
    model = engine.BidiOpenAIRealtimeModel(client_config={"api_key": "sk-test", "base_url": url})
    await model.start()
    await model.send(engine.BidiTextInputEvent("Go on at length."))
    return model


async def stop(url: str, _: float) -> dict[str, Any]:
    model = await started(url)
    audio = 0
    async for event in model.receive():
        audio += isinstance(event, engine.BidiAudioStreamEvent)
        if audio == 100:
            break
    before = trio.current_time()
    await model.stop()
    return {"stop_s": trio.current_time() - before}


async def stall(url: str, stall_s: float) -> dict[str, Any]:
    model = await started(url)
    before_mib = rss_mib()
    await trio.sleep(stall_s)
    grown_mib = rss_mib() - before_mib
    inbox = model.statistics().inbox
    delivered, ended = 0, "alive"
    try:
        async for event in model.receive():
            delivered += isinstance(event, engine.BidiAudioStreamEvent)
            if isinstance(event, engine.BidiResponseCompleteEvent):
                if event.response_id == "resp_2":
                    break
                await model.send(engine.BidiTextInputEvent("Are you still there?"))
    except engine.EngineError as error:
        ended = f"{type(error).__name__}: {error}"
    await model.stop()
    return {
        "grown_mib": grown_mib,
        "delivered": delivered,
        "connection": ended,
        "inbox": attrs.asdict(inbox),
        "inbox_max_bytes": engine.EngineSettings().inbox_max_bytes,
    }


async def expiry(url: str, _: float) -> dict[str, Any]:
    model = await started(url)
    raised = None
    try:
        async for _event in model.receive():
            pass
    except engine.EngineError as error:
        raised = type(error).__name__
    await model.stop()
    return {"raised": raised}


async def barge_in(url: str, bound_s: float) -> dict[str, Any]:
    model = await started(url)
    audio, stale, told_at = 0, 0, None
    with trio.move_on_after(bound_s):
        async for event in model.receive():
            if isinstance(event, engine.BidiAudioStreamEvent):
                audio += 1
                stale += told_at is not None
                await trio.sleep(0.1)
            elif isinstance(event, engine.BidiInterruptionEvent):
                told_at = time.monotonic()
            elif isinstance(event, engine.BidiResponseCompleteEvent):
                break
    await model.stop()
    return {"told_at": told_at, "audio": audio, "stale": stale}


if __name__ == "__main__":
    fault = {"stop": stop, "stall": stall, "expiry": expiry, "barge_in": barge_in}[sys.argv[1]]
    print(json.dumps(trio.run(fault, sys.argv[2], float(sys.argv[3]))), flush=True)
