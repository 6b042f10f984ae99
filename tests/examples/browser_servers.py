"""Runs a server of the browser example as its user does: as a process of its own, until Ctrl-C."""

import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import trio

FOLDER = Path(__file__).parents[2] / "docs" / "examples" / "browser"
SERVERS = ("quart_server", "fastapi_server")
START_BOUND_S = 20
STOP_BOUND_S = 10


@asynccontextmanager
async def serving(name, *options, base_url=None):
    """Run a server for the time of the block, and see that it ends in order.

    Args:
        name: Which.
        options: Of its command line.
        base_url: Of the service that it is to talk to; a simulator of its own when None.

    Yields:
        The page's address.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENAI_")}
    if base_url is not None:
        options = ("--service", *options)
        environment |= {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": "any"}
    command = [sys.executable, "-W", "error", str(FOLDER / f"{name}.py"), "--port", "0", *options]
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    try:
        with trio.move_on_after(START_BOUND_S):
            line = await process.stdout.receive_some()
        assert line, await process.stderr.receive_some()
        yield line.decode().strip()
        process.send_signal(signal.SIGINT)
        with trio.move_on_after(STOP_BOUND_S):
            errors = b"".join([part async for part in process.stderr])
            await process.wait()
        assert (process.returncode, errors) == (0, b"")
    finally:
        if process.returncode is None:
            process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stdout.aclose()
            await process.stderr.aclose()
