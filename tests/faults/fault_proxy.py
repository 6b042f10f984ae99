"""A TCP proxy on the loopback that does to a connection what networks do: slows, cuts, stalls, swallows, resets.

```python
async with fault_proxy(server_port) as proxy:
    proxy.down.latency_s = 0.1          # for what is read from now on, on every connection
    proxy.stall(DOWN)                   # nothing comes through any more, all stays open
    proxy.reset()                       # both ends see a reset
```

`UP` is from the client to the server, `DOWN` the way back. Whatever is called on the proxy holds for the connections
that are open; `Way` settings and `stall` and `swallow` hold for those to come, too. It is bounded: so many connections,
so many bytes under way, so long a life.
"""

import collections
import ipaddress
import random
import socket
import struct
from contextlib import asynccontextmanager, suppress

import attrs
import trio

UP, DOWN = "up", "down"
BOTH = (UP, DOWN)

UNDER_WAY_BYTES = 256 * 1024
READ_BYTES = 64 * 1024
BROKEN = (trio.BrokenResourceError, trio.ClosedResourceError)


@attrs.define
class Way:
    """What one direction does to bytes.

    Attributes:
        latency_s: Each byte takes so long.
        jitter_s: And up to so much more; order is kept, as TCP keeps it.
        bandwidth_bytes_s: No faster than that.
        fragment_bytes: No write is larger than that, each of a random size.
        mode: `relay`; `stall` to read nothing; `swallow` to read all and hand on nothing.
    """

    latency_s: float = 0.0
    jitter_s: float = 0.0
    bandwidth_bytes_s: float | None = None
    fragment_bytes: int | None = None
    mode: str = "relay"


class FaultProxy:
    """Relays connections to one port of the loopback; made by `fault_proxy`.

    Attributes:
        host: Where it listens.
        port: On which port, also after `refusing`.
        up: What happens on the way to the server.
        down: And on the way back.
        connections: All there ever were, in their order.
        refused: How many were one too many.
        on_connection: Called with each new connection before anything passes; a test may change it.
    """

    def __init__(self, target, nursery, max_connections, seed):
        self.host, self.port = "127.0.0.1", 0
        self.up, self.down = Way(), Way()
        self.connections = []
        self.refused = 0
        self.on_connection = lambda connection: None
        self._target = target
        self._nursery = nursery
        self._most = max_connections
        self._random = random.Random(seed)
        self._listening = trio.CancelScope()
        self._deaf = trio.Event()

    @property
    def url(self):
        """Give what clients take as their base URL."""
        return f"ws://{self.host}:{self.port}/v1"

    @property
    def live(self):
        """Give the connections that are open."""
        return [connection for connection in self.connections if not connection.over]

    def way(self, direction):
        """Give the settings of a direction."""
        return self.up if direction == UP else self.down

    async def listen(self):
        """Take connections."""
        listeners = await trio.open_tcp_listeners(self.port, host=self.host)
        self.port = listeners[0].socket.getsockname()[1]
        self._listening, self._deaf = trio.CancelScope(), trio.Event()
        self._nursery.start_soon(self._accept, listeners, self._listening)

    @asynccontextmanager
    async def refusing(self):
        """Refuse connections for the length of the block, as a port does that nobody listens on."""
        self._listening.cancel()
        await self._deaf.wait()
        try:
            yield
        finally:
            await self.listen()

    def stall(self, *directions):
        """Hand on nothing and read nothing, so that the sender has to wait at last; all stays open."""
        self._set_mode("stall", directions)

    def swallow(self, *directions):
        """Read and throw away, as a half-open connection does: the sender sees nothing of it."""
        self._set_mode("swallow", directions)

    def resume(self, *directions):
        """Relay again. What was stalled is handed on, what was swallowed is gone."""
        self._set_mode("relay", directions)

    def reset(self):
        """Cut all connections with a reset, both ends of each; what is under way is lost. Gives how many."""
        return self._each(lambda one: one.reset())

    def end(self, *directions):
        """Say the end of the stream in these directions, once what is under way has gone through."""
        for direction in directions or BOTH:
            self._each(lambda one, way=direction: one.lanes[way].end())

    def cut_after(self, direction, size, how="reset"):
        """Cut each open connection when so many bytes more have gone through in a direction.

        Args:
            direction: Which.
            size: Bytes; 3 ends inside the head of most frames.
            how: `reset`, or `end` for an end of the stream both ways.
        """
        self._each(lambda one: one.lanes[direction].cut_after(size, how))

    def cut_inside_a_message(self, direction, how="reset"):
        """Cut each open connection in the middle of what is read next in a direction."""
        self._each(lambda one: one.lanes[direction].cut_inside(how))

    def _each(self, do):
        live = self.live
        for connection in live:
            do(connection)
        return len(live)

    def _set_mode(self, mode, directions):
        for direction in directions or BOTH:
            self.way(direction).mode = mode
            self._each(lambda one, way=direction: one.lanes[way].wake())

    async def _accept(self, listeners, scope):
        try:
            with scope:
                await trio.serve_listeners(self._serve, listeners, handler_nursery=self._nursery)
        finally:
            self._deaf.set()

    async def _serve(self, client):
        if len(self.live) >= self._most:
            self.refused += 1
            hang_up(client)
            return
        connection = Connection(self, client, self._random)
        self.connections.append(connection)
        self.on_connection(connection)
        await connection.run(self._target)


class Connection:
    """One client with its connection to the server."""

    def __init__(self, proxy, client, rng):
        self.lanes = {direction: Lane(proxy.way(direction), rng, self) for direction in BOTH}
        self.over = False
        self._client = client
        self._server = None
        self._scope = trio.CancelScope()
        self._was_reset = False

    @property
    def passed(self):
        """Give the bytes that went through, by direction."""
        return {direction: lane.passed for direction, lane in self.lanes.items()}

    async def run(self, target):
        """Relay until both directions are over."""
        try:
            with self._scope:
                self._server = await trio.open_tcp_stream(*target)
                await self._relay()
        except OSError:  # Nobody listens there.
            self._was_reset = True
        finally:
            self.over = True
            self._drop()

    def reset(self):
        """Cut it off."""
        self._was_reset = True
        self._scope.cancel()
        self._drop()

    async def _relay(self):
        async with trio.open_nursery() as nursery:
            for direction, source, sink in ((UP, self._client, self._server), (DOWN, self._server, self._client)):
                nursery.start_soon(self.lanes[direction].read, source)
                nursery.start_soon(self.lanes[direction].write, sink)

    def _drop(self):
        """Close both ends; with a reset also where one end did so, for a proxy must not make it look orderly."""
        for stream in filter(None, (self._client, self._server)):
            if self._was_reset:
                hang_up(stream)
            else:
                stream.socket.close()


class Lane:
    """One direction of a connection: a task that reads, one that writes, and what is under way between them."""

    def __init__(self, way, rng, connection):
        self.passed = 0
        self._way = way
        self._random = rng
        self._connection = connection
        self._queue = collections.deque()
        self.waiting_bytes = 0
        self._ended = False
        self._due = 0.0
        self._left = None
        self._how = "reset"
        self._inside = False
        self._changed = trio.Event()

    def wake(self):
        """Look at the settings anew."""
        self._changed.set()
        self._changed = trio.Event()

    def end(self):
        """Hand on what is under way, then the end of the stream."""
        self._ended = True
        self.wake()

    def cut_after(self, size, how):
        """Cut when so many bytes more have gone through."""
        self._left, self._how = size, how

    def cut_inside(self, how):
        """Cut in the middle of what is read next."""
        self._inside, self._how = True, how

    async def read(self, source):
        """Take what comes, as long as there is room for it."""
        try:
            while not self._ended:
                if self._way.mode == "stall" or self.waiting_bytes >= UNDER_WAY_BYTES:
                    await self._changed.wait()
                    continue
                self._take(await source.receive_some(READ_BYTES))
        except BROKEN:
            self._connection.reset()

    async def write(self, sink):
        """Hand on what is due."""
        try:
            while True:
                while self._way.mode == "stall" or not (self._queue or self._ended):
                    await self._changed.wait()
                if not self._queue:
                    await sink.send_eof()
                    return
                await self._hand_on(sink, *self._queue.popleft())
        except BROKEN:
            self._connection.reset()

    def _take(self, data):
        if not data:
            self.end()
        elif self._way.mode != "swallow":
            self._queue.append((trio.current_time(), bytes(data)))
            self.waiting_bytes += len(data)
            self.wake()

    async def _hand_on(self, sink, came_at, data):
        if self._inside:
            self._inside, self._left = False, max(1, len(data) // 2)
        size = len(data)
        for piece in self._pieces(data):
            await self._wait(came_at, len(piece))
            if self._way.mode == "swallow":
                break
            if not await self._pass(sink, piece):
                return
        self.waiting_bytes -= size
        self.wake()

    def _pieces(self, data):
        at, most = 0, self._way.fragment_bytes
        while at < len(data):
            size = len(data) - at if most is None else self._random.randint(1, most)
            yield data[at : at + size]
            at += size

    async def _wait(self, came_at, size):
        way = self._way
        at = came_at + way.latency_s + self._random.uniform(0, way.jitter_s)
        self._due = max(self._due, at)
        if way.bandwidth_bytes_s is not None:
            self._due = max(self._due, trio.current_time()) + size / way.bandwidth_bytes_s
        await trio.sleep_until(self._due)
        while way.mode == "stall":
            await self._changed.wait()

    async def _pass(self, sink, piece):
        cut = self._left is not None and self._left <= len(piece)
        if self._left is not None:
            piece = piece[: self._left]
            self._left -= len(piece)
        self.passed += len(piece)  # Before it is sent: who has read it may look.
        await sink.send_all(piece)
        if cut:
            await self._cut()
        return not cut

    async def _cut(self):
        if self._how == "reset":
            self._connection.reset()
            await trio.lowlevel.checkpoint()
        else:
            self._queue.clear()
            for lane in self._connection.lanes.values():
                lane.end()


def hang_up(stream):
    """Close a socket so that the other end sees a reset."""
    with suppress(OSError):
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


async def until(holds):
    """Wait until something holds; the caller has the deadline."""
    while not holds():  # noqa: ASYNC110 - nobody tells
        await trio.sleep(0.001)


@asynccontextmanager
async def fault_proxy(port, *, host="127.0.0.1", max_connections=64, life_s=120.0, seed=0):
    """Relay to a port of the loopback for the length of the block.

    Args:
        port: The server's.
        host: The server's; no other machine's.
        max_connections: That are open at once; one more is reset.
        life_s: The block is cancelled after it, and `trio.TooSlowError` raised.
        seed: Of jitter and fragments.
    """
    assert ipaddress.ip_address(host).is_loopback
    with trio.fail_after(life_s):
        async with trio.open_nursery() as nursery:
            proxy = FaultProxy((host, port), nursery, max_connections, seed)
            await proxy.listen()
            try:
                yield proxy
            finally:
                nursery.cancel_scope.cancel()
