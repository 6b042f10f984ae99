"""CPU time of the engine above its transport, without a socket: `python -m benchmarks.core_path --help`.

A transport in memory hands over prebuilt batches and swallows what is sent, so what is measured is the engine's own
share: decoding, the conversation, the inbox, the way to the application; and from a microphone frame to the text that
the socket would be given. `--against DIR` interleaves the same runs on another source tree and prints ratios.
"""

import argparse
import base64
import cProfile
import gc
import json
import os
import pstats
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import trio

import engine
from engine.transport.base import Endpoint, Transport, TransportStatistics

DELTA_BYTES: Final = 4800
"""100 ms of PCM16 at 24 kHz."""

FRAME_BYTES: Final = 960
"""20 ms of it."""

RUN_LIMIT_S: Final = 120

ROOT: Final = Path(__file__).resolve().parent.parent

_RESPONSE: Final = {"object": "realtime.response", "id": "resp_1", "status": "in_progress", "output": []}


def opening() -> list[str]:
    """Make what the service says before the first delta."""
    session = {"type": "realtime", "id": "sess_1"}
    created = {"type": "session.created", "event_id": "event_0", "session": session}
    begun = {"type": "response.created", "event_id": "event_1", "response": _RESPONSE}
    return [json.dumps(created, separators=(",", ":")), json.dumps(begun, separators=(",", ":"))]


def deltas(count: int) -> list[str]:
    """Make so many audio deltas, as the service writes them."""
    audio = base64.b64encode(os.urandom(DELTA_BYTES)).decode()
    place = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
    kind = "response.output_audio.delta"
    return [
        json.dumps({"type": kind, "event_id": f"event_a{number}", **place, "delta": audio}, separators=(",", ":"))
        for number in range(count)
    ]


def ending() -> str:
    """Make the end of the answer."""
    return json.dumps({"type": "response.done", "event_id": "event_2", "response": _RESPONSE | {"status": "completed"}})


def now_s() -> float:
    """Begin to measure: CPU seconds, with no garbage left that a collection would find at a moment of its own."""
    gc.collect()
    gc.freeze()
    return time.process_time()


class Poured:
    """A connection that is given its batches beforehand or by `pour`, and counts what is sent.

    Each call is a checkpoint, as with a socket that is ready; `idle_after` batches it waits for the next `pour`.
    """

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[Sequence[str]](10**6)
        self.sent = 0

    def pour(self, batch: Sequence[str]) -> None:
        """Add a batch."""
        self._send.send_nowait(batch)

    async def receive(self) -> Sequence[str | bytes]:
        """Give the next batch."""
        try:
            return await self._receive.receive()
        except trio.EndOfChannel as end:
            raise engine.ConnectionLost("closed", code=1000) from end

    async def send(self, text: str) -> None:
        """Swallow a message."""
        text.encode()
        self.sent += 1
        await trio.lowlevel.checkpoint()

    def send_nowait(self, text: str) -> bool:
        """Swallow a message at once."""
        text.encode()
        self.sent += 1
        return True

    async def send_many(self, texts: Sequence[str]) -> None:
        """Swallow some messages."""
        for text in texts:
            text.encode()
        self.sent += len(texts)
        await trio.lowlevel.checkpoint()

    async def ping(self) -> None:
        """Answer at once."""
        await trio.lowlevel.checkpoint()

    async def close(self, deadline_s: float) -> None:  # noqa: ARG002 - memory does not wait
        """End what is received."""
        self._send.close()
        await trio.lowlevel.cancel_shielded_checkpoint()

    def statistics(self) -> TransportStatistics:
        """Give no figures."""
        return TransportStatistics(0, 0)


async def started(frame_ms: int = 40) -> tuple[engine.BidiOpenAIRealtimeModel, Poured]:
    """Start a session over such a connection."""
    transport = Poured()

    async def connect(nursery: trio.Nursery, endpoint: Endpoint) -> Transport:  # noqa: ARG001
        await trio.lowlevel.checkpoint()
        return transport

    model = engine.BidiOpenAIRealtimeModel(
        client_config={"api_key": "none", "base_url": "ws://127.0.0.1:9/v1"},
        provider_config={"engine": {"input_frame_ms": frame_ms}},
        connector=connect,
    )
    transport.pour(opening())
    await model.start()
    return model, transport


async def burst(count: int, batch: int) -> float:
    """Receive deltas that come in batches as fast as they are taken; give CPU seconds."""
    model, transport = await started()
    messages = [*deltas(count), ending()]
    received = 0
    began = now_s()
    for at in range(0, len(messages), batch):
        transport.pour(messages[at : at + batch])
    async for event in model.receive():
        received += isinstance(event, engine.BidiAudioStreamEvent)
        if isinstance(event, engine.BidiResponseCompleteEvent):
            break
    took = time.process_time() - began
    await model.stop()
    if received != count:
        raise SystemExit(f"received {received} of {count} deltas")
    return took


async def trickle(count: int) -> float:
    """Receive deltas that come one by one, the reader waiting each time; give CPU seconds."""
    model, transport = await started()
    messages = deltas(count)
    events = aiter(model.receive())
    while not isinstance(await anext(events), engine.BidiResponseStartEvent):
        pass
    began = now_s()
    for message in messages:
        transport.pour((message,))
        await anext(events)
    took = time.process_time() - began
    await model.stop()
    return took


async def frames(count: int, frame_ms: int) -> float:
    """Send microphone frames of 20 ms, letting the sender run behind each; give CPU seconds."""
    model, transport = await started(frame_ms)
    frame = engine.BidiAudioInputEvent.from_pcm(os.urandom(FRAME_BYTES))
    before = transport.sent
    began = now_s()
    for _ in range(count):
        await model.send(frame)
        # As a microphone does: whatever the frame has set off is done before the next one comes.
        await trio.lowlevel.cancel_shielded_checkpoint()
        await trio.lowlevel.cancel_shielded_checkpoint()
    while model.statistics().audio_lane.waiting:
        await trio.lowlevel.cancel_shielded_checkpoint()
    took = time.process_time() - began
    sent = transport.sent - before
    await model.stop()
    if sent < count * 20 // frame_ms:
        raise SystemExit(f"sent {sent} messages for {count} frames")
    return took


async def nothing(count: int) -> float:
    """The harness's own share of `frames`: the checkpoints."""
    began = now_s()
    for _ in range(count):
        await trio.lowlevel.cancel_shielded_checkpoint()
        await trio.lowlevel.cancel_shielded_checkpoint()
    return time.process_time() - began


SCENARIOS: Final = {
    "burst": (lambda count: burst(count, 10), "100 ms delta in, 10 a batch"),
    "single": (lambda count: burst(count, 1), "100 ms delta in, 1 a batch"),
    "trickle": (trickle, "100 ms delta in, one by one to a waiting reader"),
    "frames-40": (lambda count: frames(count, 40), "20 ms frame out, joined to 40 ms"),
    "frames-100": (lambda count: frames(count, 100), "20 ms frame out, joined to 100 ms"),
    "nothing": (nothing, "the checkpoints of a frame alone"),
}


def worker(scenario: str, count: int, *, profiled: bool) -> float:
    """Run one scenario here; give CPU microseconds an event."""
    run = SCENARIOS[scenario][0]
    if profiled:
        with cProfile.Profile() as profile:
            took = trio.run(run, count)
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)
    else:
        took = trio.run(run, count)
    return took / count * 1e6


def measure(tree: Path, scenario: str, count: int) -> float:
    """Run one scenario in a process of its own, on the engine of a source tree."""
    command = [sys.executable, str(Path(__file__).resolve()), "--worker", "--only", scenario, "--count", str(count)]
    environment = os.environ | {"PYTHONPATH": str(tree)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=RUN_LIMIT_S)
    figures = json.loads(done.stdout)
    if not figures["engine"].startswith(str(tree)):
        raise SystemExit(f"measured {figures['engine']} instead of {tree}")
    return float(figures["us"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, help="another source tree, measured in turn with this one")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--only", action="append", choices=SCENARIOS)
    parser.add_argument("--profile", action="store_true", help="run once under cProfile, in this process")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    chosen = asked.only or list(SCENARIOS)
    if asked.worker:
        print(json.dumps({"us": worker(chosen[0], asked.count, profiled=False), "engine": engine.__file__}))
        return
    if asked.profile:
        for scenario in chosen:
            print(f"{scenario}: {worker(scenario, asked.count, profiled=True):.1f} us under the profiler")
        return
    trees = [ROOT, *([asked.against.resolve()] if asked.against else [])]
    runs: dict[tuple[str, Path], list[float]] = {(name, tree): [] for name in chosen for tree in trees}
    for _ in range(asked.runs):
        for (name, tree), figures in runs.items():
            figures.append(measure(tree, name, asked.count))
    print(f"CPU us an event, median of {asked.runs} runs (least to most)")
    for name in chosen:
        print(f"{name:12}{SCENARIOS[name][1]:50}", end="")
        for tree in trees:
            values = runs[name, tree]
            print(f"{statistics.median(values):7.2f} ({min(values):.2f} to {max(values):.2f})", end="")
        if asked.against:
            ratios = [ours / theirs for ours, theirs in zip(*(runs[name, tree] for tree in trees), strict=True)]
            print(f"  ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})", end="")
        print()


if __name__ == "__main__":
    main()
