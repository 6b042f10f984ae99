"""A microphone: what a sound device hears, as blocks for `session.send_audio`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import attrs
import trio

from engine.audio.shape import AudioShape
from engine.devices.listing import Device, choose, devices
from engine.devices.queues import CAPTURE_MAX_MS, CaptureQueue
from engine.devices.stream import STALLED_S, Stream, opened
from engine.errors import DeviceLost, LocalMisuse
from engine.threads import in_thread

BLOCK_MS: Final = 20
"""Length of a block: 50 wake-ups a second."""

LATENCY_MS: Final = 40
"""What a device is asked to keep: two blocks. Python's threads take turns of 5 ms, so less would not hold."""


@attrs.frozen
class MicrophoneStatistics:
    """A snapshot of a microphone.

    Attributes:
        heard_ms: Audio handed out, muted or not.
        dropped_ms: Audio that the program came too late for.
        overflows: How often the device told that audio was lost before it came here.
    """

    heard_ms: float
    dropped_ms: float
    overflows: int


class Microphone:
    """An endless iterator of blocks of 20 ms. Made by `open_microphone`.

    What is heard before the first block is asked for is not kept, so that a session that takes a while to open begins
    with what is said then. From there on a second may wait; what is older is dropped and counted.

    Args:
        device: Which.
        shape: Shape of the blocks.
    """

    def __init__(self, device: Device, shape: AudioShape) -> None:
        self.device = device
        """The device."""
        self.shape = shape
        """Shape of the blocks: PCM16 at the device's rate. Give the rate to `AudioSettings(input_rate=...)`."""
        self.muted = False
        """While it is True, blocks are silence: the service still sees time pass, and finds the end of a turn."""
        self._queue = CaptureQueue(round(shape.bytes_per_ms * CAPTURE_MAX_MS))
        self._stream = Stream(device.name, self._hear, self._wake)
        self._asked = False
        self._waits = False
        self._came = trio.Event()
        self._heard_bytes = 0

    @property
    def latency_ms(self) -> float:
        """How much later than it sounded a block comes, as the device tells."""
        return self._stream.latency_ms

    def __aiter__(self) -> "Microphone":
        return self

    async def __anext__(self) -> bytes:
        """Wait for the next block. Cancelled, it loses nothing.

        Raises:
            DeviceLost: The device is gone, or gave nothing for `STALLED_S`; what it gave before was handed out.
            LocalMisuse: Another task waits for a block.
        """
        if self._waits:
            raise LocalMisuse("another task waits for this microphone's next block | hand blocks on from one task")
        self._asked = self._waits = True
        try:
            await trio.lowlevel.checkpoint()
            while not (block := self._queue.take()):
                await self._next()
        finally:
            self._waits = False
        self._heard_bytes += len(block)
        return bytes(len(block)) if self.muted else block

    def put(self, block: bytes, *, overflow: bool = False) -> None:
        """Hear a block. The device's thread calls it; so may a test that has no device.

        Args:
            block: PCM16 of the microphone's shape.
            overflow: The device has lost audio before it.
        """
        if self._asked:
            self._queue.put(block, overflow=overflow)
            self._stream.wake(self._wake)

    def statistics(self) -> MicrophoneStatistics:
        """Give a snapshot."""
        per_ms = self.shape.bytes_per_ms
        return MicrophoneStatistics(
            heard_ms=self._heard_bytes / per_ms,
            dropped_ms=self._queue.dropped_bytes / per_ms,
            overflows=self._queue.overflows,
        )

    async def _next(self) -> None:
        if self._stream.over:
            raise DeviceLost(self.device.name, "has stopped")
        # `_wake` runs in this thread: none can come between the look at the queue and this.
        self._came = trio.Event()
        with trio.move_on_after(STALLED_S) as waited:
            await self._came.wait()
        if waited.cancelled_caught:
            raise DeviceLost(self.device.name, f"gave no audio for {STALLED_S:g} s")

    def _hear(self, memory: Any, flags: Any) -> None:
        self.put(bytes(memory), overflow=bool(flags.input_overflow))

    def _wake(self) -> None:
        self._came.set()


@asynccontextmanager
async def open_microphone(
    device: int | str | None = None, *, rate: int | None = None, channels: int = 1, latency_ms: float = LATENCY_MS
) -> AsyncIterator[Microphone]:
    """Open a microphone for the length of a block.

    Args:
        device: Its number or name, or a part of its name; the system's own choice when None.
        rate: Samples a second, 8000 to 48000; the device's own when None.
        channels: 1, or 2 with their samples in turn.
        latency_ms: How much audio the device is asked to keep.

    Raises:
        ConfigError: There is no such microphone, it can't be opened so, or a library is missing.
        DeadlinePassed: The sound system took longer than `stream.OPEN_DEADLINE_S` to open it.
    """
    chosen = choose(await in_thread(devices, leave=True), device, "input")
    shape = AudioShape("pcm", rate or chosen.usable_rate_hz, channels)
    microphone = Microphone(chosen, shape)
    settings = {
        "device": chosen.number,
        "samplerate": shape.rate_hz,
        "channels": channels,
        "blocksize": shape.rate_hz * BLOCK_MS // 1000,
        "latency": latency_ms / 1000,
    }
    async with opened(microphone._stream, "input", settings):
        yield microphone
