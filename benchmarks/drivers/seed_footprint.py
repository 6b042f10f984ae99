"""The same runs through strands-agents' model, by a Python that has it; prints JSON. Arguments: port, what, count."""

import asyncio
import json
import os
import sys

from footprint_probe import Spent, open_files, resident_kib
from strands.experimental.bidi.models import openai_realtime


async def opened() -> openai_realtime.BidiOpenAIRealtimeModel:
    model = openai_realtime.BidiOpenAIRealtimeModel(client_config={"api_key": "none"})
    await model.start()
    return model


async def idle(model: openai_realtime.BidiOpenAIRealtimeModel) -> None:
    async for _ in model.receive():
        pass


async def one() -> None:
    model = await opened()
    async for _ in model.receive():
        break
    await model.stop()


async def memory(counts: list[int]) -> list[dict]:
    """Hold ever more idle sessions."""
    open_files(counts[-1] + 50)
    for _ in range(5):
        await one()
    steps = [{"sessions": 0, **resident_kib()}]
    readers, models = [], []
    for count in counts:
        for _ in range(count - len(models)):
            models.append(await opened())
            readers.append(asyncio.create_task(idle(models[-1])))
        await asyncio.sleep(0.5)
        steps.append({"sessions": count, **resident_kib()})
    for model, reader in zip(models, readers, strict=True):
        await model.stop()
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    readers.clear()
    models.clear()
    steps.append({"sessions": 0, **resident_kib()})
    return steps


async def churn(count: int) -> dict:
    """Open and close one session after another."""
    for _ in range(20):
        await one()
    steps = [{"done": 0, **resident_kib()}]
    cpu = []
    for part in range(10):
        spent = Spent()
        for _ in range(count // 10):
            await one()
        cpu.append(spent.us_each(count // 10))
        steps.append({"done": (part + 1) * count // 10, **resident_kib()})
    return {"steps": steps, "each": cpu}


def main() -> None:
    port, what, count = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    openai_realtime.OPENAI_REALTIME_URL = f"ws://127.0.0.1:{port}/v1/realtime"
    done = asyncio.run(memory(json.loads(count)) if what == "memory" else churn(int(count)))
    print(json.dumps(done), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
