"""The figures of a run's earlier stretches: read while this one goes on, since they are for people alone."""

from collections.abc import Callable

import trio

from engine.blocks import block_nursery
from engine.errors import LedgerUnusable
from engine.farm.coordinator.tally import Tally
from engine.farm.figures import Figures
from engine.farm.ledger import FiguresReader
from engine.threads import in_thread


async def read_earlier(
    reader: FiguresReader, tally: Tally, note: Callable[[str], object], *, in_a_thread: bool
) -> None:
    """Read them and add them up: some 8 s of CPU for 100,000 results. Cancelled, the thread ends at once.

    Where they can't be read, that is noted, and sessions go on: a ledger that can't be written any more stops them.
    """
    try:
        figures = await _in_thread(reader) if in_a_thread else reader.read()
    except LedgerUnusable as error:
        note(f"those of earlier stretches can't be read: {error}")
        return
    if figures is not None:
        tally.take_earlier(figures)


async def _in_thread(reader: FiguresReader) -> Figures | None:
    async with block_nursery() as nursery:
        nursery.start_soon(_give_up, reader)
        figures = await in_thread(reader.read)
        nursery.cancel_scope.cancel()
    return figures


async def _give_up(reader: FiguresReader) -> None:
    try:
        await trio.sleep_forever()
    finally:
        reader.give_up()
