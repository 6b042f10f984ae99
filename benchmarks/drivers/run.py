"""One run of one scenario with one peer, in a process of its own: `PYTHON run.py PEER SCENARIO JSON`.

Prints one line of JSON: the scenario's figures, or `{"error": ...}`, or `{"cannot": ...}`, or `{"hang": ...}`. The JSON
given holds `url`, `bound_s` (then the process ends by itself), `core` (to be pinned to), `loop` (another event loop
than the driver's own), `options` for the client, and what the scenario reads.
"""

import functools
import importlib.util
import json
import os
import resource
import sys
import threading
from collections.abc import Awaitable
from typing import Any

import anyio
from client import CannotError

SHOWN_CHARACTERS = 400


def tell(figures: dict[str, Any]) -> None:
    """Print the outcome and end at once: a peer's leftovers may never end by themselves."""
    print("\n" + json.dumps(figures), flush=True)
    os._exit(0)


def first(error: BaseException) -> BaseException:
    """Give the error that matters, of a group the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def prepare(load: dict[str, Any]) -> None:
    """Pin the process, let it open as many sockets as it may, and start the clock that ends it."""
    if load.get("core") is not None:
        os.sched_setaffinity(0, {load["core"]})
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    bound_s = load["bound_s"]
    watch = threading.Timer(bound_s, tell, [{"hang": f"not done after {bound_s:g} s"}])
    watch.daemon = True
    watch.start()


def module_of(peer: str) -> Any:
    """Import a driver: ours, one in `peers`, or a file."""
    if peer.endswith(".py"):
        spec = importlib.util.spec_from_file_location("driver", peer)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    return importlib.import_module("engine_client" if peer == "engine" else f"peers.{peer}")


def run(peer: str, scenario: str, load: dict[str, Any]) -> None:
    """Run it on the event loop that the driver names, and tell from inside it: some peers' loops never end."""
    driver = module_of(peer)
    play = importlib.import_module(f"scenarios.{scenario}").play
    make = functools.partial(driver.Client, load["url"], **load.get("options", {}))
    loop = load.get("loop") or driver.BACKEND
    options = {"use_uvloop": True} if loop == "uvloop" else {}

    async def told() -> None:
        tell(await played(play(make, load)) | {"loop": loop})

    anyio.run(told, backend="asyncio" if loop == "uvloop" else loop, backend_options=options)


async def played(play: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    """Give the figures, or what went wrong."""
    try:
        return await play
    except BaseException as error:  # noqa: BLE001 - whatever a peer raises is a finding
        cause = first(error)
        if isinstance(cause, CannotError):
            return {"cannot": str(cause)}
        return {"error": f"{type(cause).__name__}: {cause}"[:SHOWN_CHARACTERS]}


def main() -> None:
    """Run, and tell whatever becomes of it."""
    peer, scenario, load = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    prepare(load)
    try:
        run(peer, scenario, load)
    except BaseException as error:  # noqa: BLE001 - one that can't even be imported is a finding too
        tell({"error": f"{type(error).__name__}: {error}"[:SHOWN_CHARACTERS]})


if __name__ == "__main__":
    main()
