"""A worker of a farm, as `engine.farm.backends.process_worker`, that writes at its end how it fared.

Into the folder that FARM_WORKER_TELLS names, as PID.json.
"""

import json
import os
from pathlib import Path
from typing import Final

import trio

from benchmarks.farm_vitals import Inside
from engine.blocks import block_nursery
from engine.farm.backends import process_worker

TELLS: Final = "FARM_WORKER_TELLS"


async def main() -> None:
    """Work."""
    inside = Inside()
    async with block_nursery() as nursery:
        nursery.start_soon(inside.run)
        await process_worker.main()
        nursery.cancel_scope.cancel()
    tell(inside)


def tell(inside: Inside) -> None:
    """Write down how it fared."""
    Path(os.environ[TELLS], f"{os.getpid()}.json").write_text(json.dumps(inside.told()))


if __name__ == "__main__":
    trio.run(main)
