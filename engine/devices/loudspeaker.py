"""A loudspeaker: a sound device that plays what `session.audio_out` hands out."""

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import attrs
import trio

from engine.audio.shape import CHANNELS_MAX, AudioShape
from engine.devices.listing import Device, choose, devices
from engine.devices.queues import PLAYOUT_MAX_MS, PLAYOUT_TARGET_MS, PlayoutQueue, is_silent
from engine.devices.stream import STALLED_S, Stream, opened
from engine.errors import DeviceLost
from engine.threads import in_thread

BLOCK_MS: Final = 10
"""What the device takes at once: small, as it adds to the delay."""

LATENCY_MS: Final = 40
"""What a device is asked to keep. Python's threads take turns of 5 ms, so much less would not hold."""


@attrs.frozen
class LoudspeakerStatistics:
    """A snapshot of a loudspeaker.

    Attributes:
        played_ms: Audio that the device took, silence of the session's too.
        waiting_ms: Audio that waits for it.
        dropped_ms: Audio that there was no room for, as the device is too slow.
        trimmed_ms: Silence that was left out to catch up with the computer's clock.
        underruns: How often speech came too late, so that there was a gap in it.
        underflows: How often the device told of a gap.
    """

    played_ms: float
    waiting_ms: float
    dropped_ms: float
    trimmed_ms: float
    underruns: int
    underflows: int


class Loudspeaker:
    """Plays frames. Made by `open_loudspeaker`.

    Whatever is given to it is heard, `delay_ms` later: an interruption does not take it back. So a session that counts
    what it has handed out counts what the user hears, and the sound ends `delay_ms` after the interruption.

    Args:
        device: Which.
        shape: Shape of what it is given.
    """

    def __init__(self, device: Device, shape: AudioShape) -> None:
        self.device = device
        """The device."""
        self.shape = shape
        """What it takes: PCM16 at the device's rate. Give rate and channels to `session.audio_out`."""
        per_ms = shape.bytes_per_ms
        self._queue = PlayoutQueue(round(per_ms * PLAYOUT_TARGET_MS), round(per_ms * PLAYOUT_MAX_MS))
        self._stream = Stream(device.name, self._play, lambda: None)
        self._blocks = -1
        self._stalled_since = trio.current_time()

    @property
    def latency_ms(self) -> float:
        """How much later than it takes it the device sounds, as it tells."""
        return self._stream.latency_ms

    @property
    def delay_ms(self) -> float:
        """How long from now what is given now begins to be heard, as far as the device tells."""
        return self._queue.waiting_bytes / self.shape.bytes_per_ms + self._stream.latency_ms

    async def play(self, frames: AsyncIterable[bytes]) -> None:
        """Play until the frames end: `await loudspeaker.play(session.audio_out(20, rate=..., channels=...))`.

        Raises:
            DeviceLost: The device is gone.
        """
        async for frame in frames:
            self.write_nowait(frame)

    def write_nowait(self, frame: bytes) -> bool:
        """Give it a frame, at the pace of speech.

        Returns:
            True when there is sound in it, and it will be heard.

        Raises:
            DeviceLost: The device is gone, or took nothing for `STALLED_S`.
        """
        if self._stream.over:
            raise DeviceLost(self.device.name, "has stopped")
        self._check_stalled()
        return self._queue.put(frame) and not is_silent(frame)

    def fill(self, block: memoryview, *, underflow: bool = False) -> None:
        """Write the next audio into a block. The device's thread calls it; so may a test that has no device.

        Args:
            block: Memory for PCM16 of the loudspeaker's shape, as bytes.
            underflow: The device had a gap before it.
        """
        self._queue.fill(block, underflow=underflow)

    def statistics(self) -> LoudspeakerStatistics:
        """Give a snapshot."""
        queue, per_ms = self._queue, self.shape.bytes_per_ms
        return LoudspeakerStatistics(
            played_ms=queue.played_bytes / per_ms,
            waiting_ms=queue.waiting_bytes / per_ms,
            dropped_ms=queue.dropped_bytes / per_ms,
            trimmed_ms=queue.trimmed_bytes / per_ms,
            underruns=queue.underruns,
            underflows=queue.underflows,
        )

    def _check_stalled(self) -> None:
        now, blocks = trio.current_time(), self._queue.blocks
        if blocks != self._blocks:
            self._blocks, self._stalled_since = blocks, now
        elif now - self._stalled_since > STALLED_S:
            raise DeviceLost(self.device.name, f"took no audio for {STALLED_S:g} s")

    def _play(self, memory: Any, flags: Any) -> None:
        self.fill(memoryview(memory), underflow=bool(flags.output_underflow))


@asynccontextmanager
async def open_loudspeaker(
    device: int | str | None = None,
    *,
    rate: int | None = None,
    channels: int | None = None,
    latency_ms: float = LATENCY_MS,
) -> AsyncIterator[Loudspeaker]:
    """Open a loudspeaker for the length of a block.

    Args:
        device: Its number or name, or a part of its name; the system's own choice when None.
        rate: Samples a second, 8000 to 48000; the device's own when None.
        channels: 1, or 2 with their samples in turn; 2 where the device has them when None.
        latency_ms: How much audio the device is asked to keep.

    Raises:
        ConfigError: There is no such loudspeaker, it can't be opened so, or a library is missing.
        DeadlinePassed: The sound system took longer than `stream.OPEN_DEADLINE_S` to open it.
    """
    chosen = choose(await in_thread(devices, leave=True), device, "output")
    shape = AudioShape("pcm", rate or chosen.usable_rate_hz, channels or min(CHANNELS_MAX, chosen.output_channels))
    loudspeaker = Loudspeaker(chosen, shape)
    settings = {
        "device": chosen.number,
        "samplerate": shape.rate_hz,
        "channels": shape.channels,
        "blocksize": shape.rate_hz * BLOCK_MS // 1000,
        "latency": latency_ms / 1000,
    }
    async with opened(loudspeaker._stream, "output", settings):
        yield loudspeaker
