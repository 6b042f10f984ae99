"""A transport in memory, both ends of it, for tests of the engine and of applications."""

from collections.abc import Sequence

import trio

from engine.errors import ConnectionLost
from engine.transport.base import Endpoint, Transport, TransportStatistics
from engine.transport.pings import Pings


class MemoryTransport:
    """One end of a pair: what it sends, the other receives. Bytes stand for binary frames.

    Attributes:
        pong_delay_s: How long after a ping of the other end this one answers; `math.inf` never does, as a machine that
            died without a word. A ping that is under way keeps the delay that it began with.
    """

    def __init__(
        self,
        outgoing: trio.MemorySendChannel[str | bytes],
        incoming: trio.MemoryReceiveChannel[str | bytes],
    ) -> None:
        self._outgoing = outgoing
        self._incoming = incoming
        self._closed: tuple[int, str | None] = (1006, None)
        self._peer: MemoryTransport | None = None
        self._sent = self._received = 0
        self._pings = Pings()
        self.pong_delay_s = 0.0

    async def send(self, text: str | bytes) -> None:
        """Send a frame."""
        try:
            await self._outgoing.send(text)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise self._lost() from error
        self._sent += len(text)

    async def receive(self) -> Sequence[str | bytes]:
        """Give all frames that are there, at least one."""
        try:
            batch = [await self._incoming.receive()]
        except (trio.EndOfChannel, trio.ClosedResourceError) as error:
            raise self._lost() from error
        while True:
            try:
                batch.append(self._incoming.receive_nowait())
            except (trio.WouldBlock, trio.EndOfChannel, trio.ClosedResourceError):
                self._received += sum(map(len, batch))
                return batch

    async def ping(self) -> None:
        """Send a ping and wait for its answer."""
        with self._pings.until_over():
            await trio.lowlevel.checkpoint_if_cancelled()
            self._pings.begun()
            await trio.sleep(self._peer.pong_delay_s if self._peer is not None else 0.0)
            self._pings.answered()
            return
        raise self._lost()

    async def close(self, deadline_s: float) -> None:  # noqa: ARG002 - memory does not wait
        """Close both ways."""
        self.hang_up(1000, None)

    def hang_up(self, code: int, reason: str | None) -> None:
        """End the connection with a close code; the other end still reads what was sent before."""
        if self._peer is not None:
            self._peer._closed = (code, reason)
            self._peer._pings.over()
        self._pings.over()
        self._outgoing.close()
        self._incoming.close()

    def statistics(self) -> TransportStatistics:
        """Give a snapshot; characters count as bytes."""
        return self._pings.statistics(self._received, self._sent)

    def _lost(self) -> ConnectionLost:
        code, reason = self._closed
        return ConnectionLost(f"the connection ended with close code {code}", code=code, reason=reason)


def memory_pair(max_frames: int = 1024) -> tuple[MemoryTransport, MemoryTransport]:
    """Make two ends of a connection that holds at most `max_frames` each way."""
    there_send, there_receive = trio.open_memory_channel[str | bytes](max_frames)
    back_send, back_receive = trio.open_memory_channel[str | bytes](max_frames)
    left, right = MemoryTransport(there_send, back_receive), MemoryTransport(back_send, there_receive)
    left._peer, right._peer = right, left
    return left, right


class MemoryConnector:
    """A connector whose connections end in a test: each server end is given out by `accept`."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[MemoryTransport](64)
        self.endpoints: list[Endpoint] = []
        """Where each connection wanted to go."""

    async def __call__(self, nursery: trio.Nursery, endpoint: Endpoint) -> Transport:  # noqa: ARG002
        """Connect."""
        client, server = memory_pair()
        self.endpoints.append(endpoint)
        await self._send.send(server)
        return client

    async def accept(self) -> MemoryTransport:
        """Wait for the next connection and give the server's end of it."""
        return await self._receive.receive()
