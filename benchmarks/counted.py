"""The process whose instructions `benchmarks.instructions` counts: `python -m benchmarks.counted PATH EVENTS`.

The engine runs over a transport in memory, and each event waits for the one before, as in a talk.
"""

import gc
import sys

import trio
import trio.testing

import engine
from benchmarks import core_path


async def delta_in(events: int) -> None:
    """Receive deltas one by one, each as a typed event whose audio is read."""
    model, transport = await core_path.started()
    [message] = core_path.deltas(1)
    received = model.receive()
    while not isinstance(await anext(received), engine.BidiResponseStartEvent):
        pass
    for _ in range(events):
        transport.pour((message,))
        event = await anext(received)
        assert isinstance(event, engine.BidiAudioStreamEvent)
        assert len(event.pcm) == core_path.DELTA_BYTES
    await model.stop()


async def frame_out(events: int) -> None:
    """Send microphone frames, joined to messages of 40 ms."""
    await core_path.frames(events, 40)


if __name__ == "__main__":
    gc.disable()  # When it runs depends on all that was allocated before.
    # Trio shuffles tasks that can run at the same time: always the same way here.
    trio._core._run._r.seed(0)  # type: ignore[attr-defined]
    # Under valgrind a second of work takes a minute: what waits for a time must not see it.
    clock = trio.testing.MockClock(autojump_threshold=0)
    trio.run({"delta_in": delta_in, "frame_out": frame_out}[sys.argv[1]], int(sys.argv[2]), clock=clock)
