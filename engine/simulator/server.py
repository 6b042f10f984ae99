"""The simulated service itself: listens on TCP or on streams in memory, one task tree for all its sessions."""

import ipaddress
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from errno import EACCES, EADDRINUSE

import trio

from engine.blocks import block_nursery
from engine.errors import ConfigError
from engine.simulator.account import Account
from engine.simulator.calls import SimulatedCall
from engine.simulator.connection import GOING_AWAY, Connection
from engine.simulator.ledger import Lane, SessionLedger
from engine.simulator.memory import BUFFER_BYTES, LOCKSTEP_BYTES, memory_streams
from engine.simulator.responder import ResponderFactory
from engine.simulator.script import ScriptedResponder
from engine.simulator.settings import SimulatorSettings

logger = logging.getLogger(__name__)

_SHUTDOWN_REASON = "server shutdown"


class Simulator:
    """A running server; made by `serve`.

    Attributes:
        settings: How it behaves.
        host: Address it listens on; None when only in memory.
        port: Port it listens on; 0 when only in memory.
    """

    def __init__(self, settings: SimulatorSettings, responder_factory: ResponderFactory, nursery: trio.Nursery) -> None:
        self.settings = settings
        self.host: str | None = None
        self.port = 0
        self._account = Account(settings, responder_factory)
        self._nursery = nursery
        self._ended: deque[SessionLedger] = deque(maxlen=settings.ledger_max_sessions)
        self._live: dict[SessionLedger, Connection] = {}
        self._count = 0
        self._scopes: set[trio.CancelScope] = set()
        self._over = False

    @property
    def base_url(self) -> str:
        """Give what clients take as their base URL, as in `ws://127.0.0.1:8123/v1`.

        In memory no name is looked up; the URL says that keys stay on this machine.
        """
        if self.host is None:
            return "ws://localhost/v1"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ws://{host}:{self.port}/v1"

    @property
    def url(self) -> str:
        """Give the URL of the realtime endpoint, without a model."""
        return f"{self.base_url}/realtime"

    @property
    def sessions(self) -> list[SessionLedger]:
        """Give the ledgers of all connections that are kept, in the order in which they came."""
        return sorted([*self._ended, *self._live], key=lambda ledger: ledger.number)

    @property
    def active_sessions(self) -> int:
        """Count the connections that are open."""
        return len(self._live)

    @property
    def total_sessions(self) -> int:
        """Count all connections there ever were."""
        return self._count

    @property
    def calls(self) -> Mapping[str, SimulatedCall]:
        """Give the calls that were made, by id."""
        return self._account.calls

    def create_call(self, model: str = "gpt-realtime") -> SimulatedCall:
        """Make a call that clients can join with `?call_id=`, as if it came over WebRTC or SIP.

        Args:
            model: Of its session.
        """
        return self._account.new_call(model)

    def connect_stream(self, *, lockstep: bool = False, buffer_bytes: int = BUFFER_BYTES) -> trio.abc.Stream:
        """Make a connection in memory.

        Args:
            lockstep: True for a buffer of `LOCKSTEP_BYTES`, so that a sender waits for nearly all it sends.
            buffer_bytes: What may be under way each way before a sender has to wait.

        Returns:
            The client's end, on which a WebSocket handshake is to be made.
        """
        client, server = memory_streams(LOCKSTEP_BYTES if lockstep else buffer_bytes)
        self._nursery.start_soon(self._serve_memory, server)
        return client

    async def _serve_memory(self, stream: trio.abc.Stream) -> None:
        try:
            await self._serve_own(stream)
        finally:
            await trio.aclose_forcefully(stream)

    async def _serve_own(self, stream: trio.abc.Stream) -> None:
        """Serve a client of this server's own: it outlives a cancelled block by the close that it is told of."""
        if self._over:
            return
        with trio.CancelScope(shield=True) as scope:
            self._scopes.add(scope)
            try:
                await self.serve_stream(stream)
            finally:
                self._scopes.discard(scope)

    async def serve_stream(self, stream: trio.abc.Stream) -> None:
        """Serve one client on a stream that is there already; returns when it is over."""
        kept = self.settings.ledger_max_events, self.settings.ledger_max_bytes
        ledger = SessionLedger(self._count, Lane(*kept), Lane(*kept))
        self._count += 1
        connection = Connection(self._account, ledger)
        self._live[ledger] = connection
        try:
            await connection.serve(stream)
        finally:
            del self._live[ledger]
            self._ended.append(ledger)

    def listen(self, host: str, listeners: list[trio.SocketListener]) -> None:
        """Accept connections on TCP."""
        if not _is_loopback(host):
            logger.warning("the simulator listens on %s: others can reach it, and it takes any key by default", host)
        self.host, self.port = host, listeners[0].socket.getsockname()[1]
        self._nursery.start_soon(trio.serve_listeners, self._serve_own, listeners)
        logger.info("the simulator listens on %s", self.url)

    async def disconnect_all(self) -> None:
        """Close every connection with code 1001, as a server that is going away does."""
        async with trio.open_nursery() as nursery:
            for connection in self._live.values():
                nursery.start_soon(connection.close, GOING_AWAY, _SHUTDOWN_REASON)

    async def go_away(self) -> None:
        """End all connections, in order where the clients answer in time; also when this task is cancelled."""
        self._over = True
        with trio.CancelScope(shield=True):  # `Connection.close` bounds it by the settings' grace
            await self.disconnect_all()
        for scope in self._scopes:
            scope.cancel()


@asynccontextmanager
async def serve(
    settings: SimulatorSettings | None = None,
    responder_factory: ResponderFactory | None = None,
    *,
    host: str | None = "127.0.0.1",
    port: int = 0,
) -> AsyncIterator[Simulator]:
    """Run a simulated service for the time of the block.

    At the end of the block each connection is closed with code 1001, and dropped where the client does not answer
    within `settings.close_grace_s`; so it is when the block is cancelled or raises.

    Args:
        settings: How it behaves; None for the defaults.
        responder_factory: Makes what hears and answers, one for each session; None for a `ScriptedResponder` that
            repeats what it hears.
        host: Address to listen on; None to serve streams in memory alone.
        port: Port to listen on; 0 takes a free one.

    Yields:
        The server.

    Raises:
        ConfigError: The port is in use or not allowed, or the address is none of this machine's.
    """
    listeners = None if host is None else await _open_listeners(host, port)
    async with block_nursery() as nursery:
        server = Simulator(settings or SimulatorSettings(), responder_factory or ScriptedResponder, nursery)
        if host is not None and listeners is not None:
            server.listen(host, listeners)
        try:
            yield server
        finally:
            await server.go_away()
            nursery.cancel_scope.cancel()


async def serve_forever(
    settings: SimulatorSettings | None = None,
    responder_factory: ResponderFactory | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    started: Callable[[Simulator], None] | None = None,
) -> None:
    """Run a simulated service until cancelled; for command lines.

    Args:
        settings: See `serve`.
        responder_factory: See `serve`.
        host: See `serve`.
        port: See `serve`.
        started: Called once it listens.

    Raises:
        ConfigError: The port is in use, or not allowed.
    """
    async with serve(settings, responder_factory, host=host, port=port) as server:
        if started is not None:
            started(server)
        await trio.sleep_forever()


async def _open_listeners(host: str, port: int) -> list[trio.SocketListener]:
    try:
        return await trio.open_tcp_listeners(port, host=host)
    except OverflowError as error:
        raise ConfigError("port", port, "0 to 65535") from error
    except OSError as error:
        words = error.strerror or str(error)
        if error.errno in (EADDRINUSE, EACCES):
            message = f"port {port} on {host} can't be used: {words}; take another, or 0 for a free one"
            raise ConfigError("port", port, "a free port", message=message) from error
        message = f"can't listen on {host!r}: {words}; take an address of this machine, as 127.0.0.1"
        raise ConfigError("host", host, "an address of this machine", message=message) from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
