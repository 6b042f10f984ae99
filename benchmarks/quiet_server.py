"""A server whose sessions are quiet: it opens and configures each, answers pings and closes, and says nothing more.

Run as a process of its own: `python -m benchmarks.quiet_server`; it prints its port, and ends with its standard input.
"""

import asyncio
import contextlib
import json
import sys
from typing import Final

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import Event, State
from websockets.server import ServerProtocol

BACKLOG: Final = 4096


def _told(kind: str) -> bytes:
    session = {"type": "realtime", "id": "sess_1", "object": "realtime.session", "model": "gpt-realtime"}
    return json.dumps({"type": kind, "event_id": "event_0", "session": session}).encode()


CREATED: Final = _told("session.created")
UPDATED: Final = _told("session.updated")


class Quiet(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._socket = transport
        self._protocol = ServerProtocol()

    def data_received(self, data: bytes) -> None:
        """Take what the client sends."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            self._take(event)
        self._write()

    def eof_received(self) -> None:
        """The client has hung up."""
        self._protocol.receive_eof()
        self._write()

    def _take(self, event: Event) -> None:
        if isinstance(event, Request):
            self._protocol.send_response(self._protocol.accept(event))
            self._protocol.send_text(CREATED)
        elif isinstance(event, Frame) and event.opcode is Opcode.TEXT and b'"session.update"' in event.data:
            if self._protocol.state is not State.OPEN:  # The client has closed in the same breath.
                return
            self._protocol.send_text(UPDATED)

    def _write(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._socket.write(data)  # type: ignore[attr-defined]
            else:
                self._socket.close()


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Quiet, "127.0.0.1", 0, backlog=BACKLOG)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve())
