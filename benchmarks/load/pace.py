"""Speech in real time for any number of sessions: 100 ms each, staggered, from one timer."""

import asyncio
import time
from typing import Final, Protocol

from benchmarks.load.frames import DELTA_MS
from benchmarks.load.tally import Tally

SLOTS: Final = 50
TICK_S: Final = DELTA_MS / 1000 / SLOTS


class Talk(Protocol):
    """A session that speaks."""

    def speak(self) -> bool:
        """Send the next delta; False after the last one."""


class Pace:
    """Turns of 100 ms in which each talk has its own moment."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._slots: list[list[Talk]] = [[] for _ in range(SLOTS)]
        self._next = 0

    def add(self, talk: Talk) -> None:
        """Let it speak from its next moment on."""
        self._slots[self._next].append(talk)
        self._next = (self._next + 7) % SLOTS  # Neighbours are far apart, so that a few are spread too.

    async def run(self) -> None:
        """Speak for ever."""
        due, tick = time.monotonic(), 0
        while True:
            due += TICK_S
            pause_s = due - time.monotonic()
            if pause_s > 0:
                await asyncio.sleep(pause_s)
            elif tick % SLOTS == 0:
                await asyncio.sleep(0)  # However late, the sockets have their turn.
            tick += 1
            talks = self._slots[tick % SLOTS]
            if talks:
                self._tally.late_ms.append(1000 * (time.monotonic() - due))
                self._slots[tick % SLOTS] = [talk for talk in talks if talk.speak()]
