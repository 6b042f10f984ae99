"""Speech in deltas of one length, and the words that run beside it."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import Any, Final

from engine.simulator.formats import PCM_BYTES_PER_MS
from engine.simulator.services import pieces

SPOKEN_MS_PER_CHAR: Final = 65
"""How fast the transcript of a spoken answer is taken to run, about 180 words a minute."""


class Words:
    """The words of a spoken answer, each at the time when the audio is taken to reach it."""

    def __init__(self, text: str) -> None:
        self._pieces = pieces(text)
        self._next = 0
        self._at_ms = 0.0

    @property
    def over(self) -> bool:
        """Tell whether all were taken."""
        return self._next == len(self._pieces)

    def until(self, ms: float) -> list[str]:
        """Take the words that begin before `ms`."""
        first = self._next
        while self._next < len(self._pieces) and self._at_ms <= ms:
            self._at_ms += len(self._pieces[self._next]) * SPOKEN_MS_PER_CHAR
            self._next += 1
        return self._pieces[first : self._next]


async def deltas_of(voice: AsyncIterator[bytes], delta_ms: int) -> AsyncGenerator[bytes, None]:
    """Cut speech, PCM16 mono 24 kHz, into deltas of the same length, whatever pieces it comes in."""
    size = max(1, delta_ms) * PCM_BYTES_PER_MS
    waiting = bytearray()
    async with _closing(voice):
        async for pcm in voice:
            waiting += pcm
            while len(waiting) >= size:
                yield bytes(waiting[:size])
                del waiting[:size]
    if waiting:
        yield bytes(waiting)


async def once(pcm: bytes) -> AsyncGenerator[bytes, None]:
    """Give speech that is there already."""
    yield pcm


def _closing(voice: AsyncIterator[bytes]) -> AbstractAsyncContextManager[Any]:
    """Close a generator when the response ends in its middle; other iterators have nothing to close."""
    return aclosing(voice) if isinstance(voice, AsyncGenerator) else nullcontext()
