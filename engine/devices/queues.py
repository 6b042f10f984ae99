"""What lies between the sound card's thread and Trio: two bounded queues, of which neither side ever waits.

PortAudio calls from a thread of its own that must not be held up, so either end only copies bytes under a lock.
"""

from collections import deque
from threading import Lock
from typing import Final

CAPTURE_MAX_MS: Final = 1_000
"""Audio of the microphone that waits for the program. What is older is worth nothing in a conversation."""

PLAYOUT_TARGET_MS: Final = 40
"""Audio that is kept ready for the loudspeaker: two frames, so that one may come late."""

PLAYOUT_MAX_MS: Final = 200
"""Audio that may wait for the loudspeaker; a device that takes it slower than real time does not delay it further."""


def is_silent(pcm: bytes) -> bool:
    """Tell whether PCM16 is digital silence, as a session hands it out where there is no speech."""
    return not pcm.strip(b"\0")


class CaptureQueue:
    """Blocks of the microphone. The oldest goes when there is no room.

    Args:
        max_bytes: Room; one block always fits.

    Attributes:
        dropped_bytes: What went.
        overflows: How often the device itself had lost audio.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._blocks: deque[bytes] = deque()
        self._bytes = 0
        self._lock = Lock()
        self.dropped_bytes = 0
        self.overflows = 0

    def put(self, block: bytes, *, overflow: bool = False) -> None:
        """Add a block; called from the sound card's thread."""
        with self._lock:
            self._blocks.append(block)
            self._bytes += len(block)
            self.overflows += overflow
            while self._bytes > self._max_bytes and len(self._blocks) > 1:
                self.dropped_bytes += len(self._pop())

    def take(self) -> bytes:
        """Take the oldest block; `b""` when there is none."""
        with self._lock:
            return self._pop() if self._blocks else b""

    def _pop(self) -> bytes:
        block = self._blocks.popleft()
        self._bytes -= len(block)
        return block


class PlayoutQueue:
    """Audio for the loudspeaker, taken in pieces of any size.

    It begins to sound when `target_bytes` are there, and again after it has run empty. Where more than that waits,
    silence is left out: so the clock of a device that is slower than the computer's makes no growing delay.

    Args:
        target_bytes: What is kept ready.
        max_bytes: Room; what does not fit is dropped.

    Attributes:
        blocks: How often the device asked.
        played_bytes: What the device took of it.
        dropped_bytes: What did not fit.
        trimmed_bytes: Silence that was left out.
        underruns: How often it ran empty within speech.
        underflows: How often the device itself ran empty.
    """

    def __init__(self, target_bytes: int, max_bytes: int) -> None:
        self._target_bytes = target_bytes
        self._max_bytes = max_bytes
        self._waiting = bytearray()
        self._sounding = False
        self._speech = False
        self._lock = Lock()
        self.blocks = 0
        self.played_bytes = 0
        self.dropped_bytes = 0
        self.trimmed_bytes = 0
        self.underruns = 0
        self.underflows = 0

    @property
    def waiting_bytes(self) -> int:
        """What waits."""
        return len(self._waiting)

    def put(self, frame: bytes) -> bool:
        """Add a frame.

        Returns:
            False when it was dropped or left out.
        """
        silent = is_silent(frame)
        with self._lock:
            self._speech = not silent
            if silent and len(self._waiting) > self._target_bytes:
                self.trimmed_bytes += len(frame)
                return False
            if len(self._waiting) + len(frame) > self._max_bytes:
                self.dropped_bytes += len(frame)
                return False
            self._waiting += frame
            return True

    def fill(self, target: memoryview, *, underflow: bool = False) -> None:
        """Write the next audio, and silence after it; called from the sound card's thread."""
        with self._lock:
            self.blocks += 1
            self.underflows += underflow
            size_bytes = self._ready(len(target))
            target[:size_bytes] = self._waiting[:size_bytes]
            del self._waiting[:size_bytes]
            self.played_bytes += size_bytes
        target[size_bytes:] = bytes(len(target) - size_bytes)

    def _ready(self, wanted_bytes: int) -> int:
        waiting_bytes = len(self._waiting)
        self._sounding = self._sounding or waiting_bytes >= self._target_bytes
        if not self._sounding or waiting_bytes >= wanted_bytes:
            return wanted_bytes if self._sounding else 0
        self._sounding = False
        self.underruns += self._speech
        return waiting_bytes
