"""A server that is not the limit, and says so when it is: `python -m benchmarks.load_server [--certificate PEM]`.

picows on uvloop, in a process of its own. It prints one line of JSON with its ports: `ws`, `wss` (with a certificate)
and `control`, where a line `reset` or `report` is answered with JSON. It ends with its standard input.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import os
import resource
import ssl
import sys
from itertools import count
from typing import Any, Final

import uvloop
from picows import WSUpgradeRequest, ws_create_server

from benchmarks.load.pace import Pace
from benchmarks.load.session import Session
from benchmarks.load.tally import Tally

BACKLOG: Final = 4096


class LoadServer:
    """All that one process serves."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.pace = Pace(self.tally)
        self._numbers = count(1)

    def listener(self, _: WSUpgradeRequest) -> Session:
        """Make a connection's session, whatever its path."""
        return Session(next(self._numbers), self.tally, self.pace)

    async def listen(self, tls: ssl.SSLContext | None = None) -> int:
        """Listen on a free port of the loopback."""
        server = await ws_create_server(
            self.listener, "127.0.0.1", 0, ssl=tls, backlog=BACKLOG, websocket_handshake_timeout=60
        )
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the harness."""
        with contextlib.suppress(ConnectionError):
            async for line in reader:
                if line.strip() == b"reset":
                    gc.collect()
                    self.tally.reset()
                writer.write(json.dumps(self.tally.report()).encode() + b"\n")
                await writer.drain()
        writer.close()


async def serve(certificate: str | None) -> None:
    """Serve until standard input ends."""
    server = LoadServer()
    control = await asyncio.start_server(server.control, "127.0.0.1", 0)
    ports: dict[str, Any] = {"control": control.sockets[0].getsockname()[1], "ws": await server.listen()}
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        ports["wss"] = await server.listen(tls)
    print(json.dumps(ports), flush=True)
    pace = asyncio.get_running_loop().create_task(server.pace.run())
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    pace.cancel()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--certificate", help="file with a certificate and its key, to serve wss too")
    parser.add_argument("--core", type=int, help="the core to be pinned to")
    asked = parser.parse_args()
    if asked.core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {asked.core})
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(serve(asked.certificate))


if __name__ == "__main__":
    main()
