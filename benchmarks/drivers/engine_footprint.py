"""One run of `benchmarks.footprint` through this engine; prints JSON. Arguments: port, what, count, settings."""

import gc
import json
import sys
import tracemalloc

import trio
import trio.lowlevel
from footprint_probe import Spent, objects, open_files, resident_kib

import engine


def config(port: int, settings: dict[str, object]) -> engine.SessionConfig:
    client = engine.ClientSettings(api_key="none", base_url=f"ws://127.0.0.1:{port}/v1")
    return engine.SessionConfig(client=client, engine=engine.EngineSettings(**settings))


async def idle(session: engine.Session) -> None:
    async for _ in session.receive():
        pass


async def hold(config, opened: list[engine.Session]) -> None:
    async with engine.open_session(config) as session:
        opened.append(session)
        await idle(session)


async def hold_another(nursery: trio.Nursery, config) -> None:
    """Open one more; nothing stays of how that was waited for."""
    opened: list[engine.Session] = []
    nursery.start_soon(hold, config, opened)
    while not opened:
        await trio.lowlevel.checkpoint()
    opened.clear()


async def one(config) -> None:
    async with engine.open_session(config) as session:
        async for _ in session.receive():
            break


async def memory(port: int, counts: list[int], settings) -> list[dict]:
    """Hold ever more idle sessions."""
    cfg = config(port, settings)
    open_files(counts[-1] + 50)
    for _ in range(5):
        await one(cfg)
    steps = [{"sessions": 0, **resident_kib()}]
    async with trio.open_nursery() as nursery:
        held = 0
        for count in counts:
            for _ in range(count - held):
                await hold_another(nursery, cfg)
            held = count
            await trio.sleep(0.5)
            steps.append({"sessions": count, **resident_kib()})
        nursery.cancel_scope.cancel()
    steps.append({"sessions": 0, **resident_kib()})
    return steps


def tasks_of(root) -> list[str]:
    found = [root.name]
    for nursery in root.child_nurseries:
        found.append("(nursery)")
        for child in nursery.child_tasks:
            found.extend(tasks_of(child))
    return found


async def breakdown(port: int, count: int, settings) -> dict:
    """Where an idle session's memory goes."""
    cfg = config(port, settings)
    for _ in range(5):
        await one(cfg)
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            await hold_another(nursery, cfg)
        tracemalloc.start(40)
        counted = objects()
        before = tracemalloc.take_snapshot()
        for _ in range(count):
            await hold_another(nursery, cfg)
        await trio.sleep(0.5)
        gc.collect()
        after = tracemalloc.take_snapshot()
        tracemalloc.stop()
        found = objects()
        found.subtract(counted)
        one_task = next(iter(nursery.child_tasks))
        tasks = tasks_of(one_task)
        nursery.cancel_scope.cancel()
    lines: dict[str, list[float]] = {}
    for snapshot, sign in ((before, -1), (after, 1)):
        for trace in snapshot.traces:
            size_count = lines.setdefault(asked_by(trace.traceback), [0.0, 0.0])
            size_count[0] += sign * trace.size / count
            size_count[1] += sign / count
    rooms: dict[str, list[float]] = {}
    for line, (size, blocks) in lines.items():
        room = rooms.setdefault(line.rpartition(":")[0], [0.0, 0.0])
        room[0] += size
        room[1] += blocks
    return {
        "bytes": sum(size for size, _ in rooms.values()),
        "blocks": sum(blocks for _, blocks in rooms.values()),
        "files": rooms,
        "lines": lines,
        "classes": {name: number / count for name, number in found.most_common() if number >= count * 0.9},
        "tasks": tasks,
    }


def asked_by(traceback: tracemalloc.Traceback) -> str:
    """Name the innermost line of the engine's that led to a block of memory, or else of whoever asked."""
    for frame in reversed(traceback):
        if "/engine/" in frame.filename or "attrs generated methods engine" in frame.filename:
            return f"engine/{frame.filename.rpartition('/engine/')[2]}:{frame.lineno}"
    return f"{traceback[-1].filename}:{traceback[-1].lineno}"


async def churn(port: int, count: int, settings) -> dict:
    """Open and close one session after another."""
    cfg = config(port, settings)
    for _ in range(20):
        await one(cfg)
    steps = [{"done": 0, **resident_kib()}]
    cpu = []
    for part in range(10):
        spent = Spent()
        for _ in range(count // 10):
            await one(cfg)
        cpu.append(spent.us_each(count // 10))
        steps.append({"done": (part + 1) * count // 10, **resident_kib()})
    return {"steps": steps, "each": cpu}


async def main() -> None:
    port, what, count, settings = int(sys.argv[1]), sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
    if what == "memory":
        done = await memory(port, json.loads(count), settings)
    elif what == "breakdown":
        done = await breakdown(port, int(count), settings)
    else:
        done = await churn(port, int(count), settings)
    print(json.dumps(done))


if __name__ == "__main__":
    trio.run(main)
