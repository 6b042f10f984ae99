"""What carries a simulated user's WebSocket: each of the engine's transports, in each way in which it can write."""

from collections.abc import Awaitable
from typing import Final

import trio

from engine import limits
from engine.transport.base import Endpoint, Transport
from engine.transport.network import wrap
from engine.transport.sansio_ws import SansioWebSocket
from engine.transport.upgrade import upgrade

from .link import End

CARRIERS: Final = ("prompt", "websockets", "trio-websocket")
"""`prompt` is websockets on a line that writes at once, as on a socket; `websockets` on a stream that is awaited."""


async def carry(carrier: str, nursery: trio.Nursery, end: End, endpoint: Endpoint) -> Transport:
    """Make the WebSocket handshake.

    Args:
        carrier: One of `CARRIERS`.
        nursery: Runs the transport's own tasks.
        end: The way to the server.
        endpoint: What to ask for.

    Raises:
        ConnectionLost: It failed.
    """
    if carrier != "prompt":
        return await wrap(nursery, end, endpoint, transport=carrier)
    line = PromptLine(end)
    return SansioWebSocket(nursery, line, await upgrade(line, endpoint), endpoint.message_hard_max_bytes)


class PromptLine:
    """Bytes over a link's end, without waiting where that can be: what a socket takes and gives.

    Args:
        end: The client's.
    """

    is_prompt = True
    owes = False

    def __init__(self, end: End) -> None:
        self.stream: trio.abc.Stream = end
        self._end = end
        self._rest: memoryview | None = None

    def read_nowait(self) -> bytes | None:
        return self._end.incoming.receive_nowait(limits.RECEIVE_BUFFER_BYTES)

    def readable(self) -> Awaitable[None]:
        return self._end.incoming.readable()

    def write(self, data: bytes) -> bool:
        taken = self._end.outgoing.send_nowait(data)
        if taken == len(data):
            return True
        self._rest = memoryview(data)[taken:]
        return False

    async def flush(self) -> None:
        rest, self._rest = self._rest, None
        while rest:
            await self._end.outgoing.writable()
            rest = rest[self._end.outgoing.send_nowait(rest) :]
