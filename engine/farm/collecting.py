"""Keeps Python's garbage collector from halting all sessions of a process at once."""

import gc
from typing import Final

import trio

FREEZE_EVERY_S: Final = 5.0
THRESHOLDS: Final = (50_000, 20, 100)


async def tuned_collection() -> None:
    """Tune it, for the process that this runs in."""
    gc.set_threshold(*THRESHOLDS)
    await trio.sleep_forever()
