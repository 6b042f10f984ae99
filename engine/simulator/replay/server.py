"""The server of a replay: the simulator's own handshake, socket and ledgers, with a recording behind them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import attrs
import trio
import trio_websocket

from engine.blocks import block_nursery
from engine.errors import ConfigError
from engine.limits import RECEIVE_BUFFER_BYTES
from engine.simulator.account import Account
from engine.simulator.admission import Admitted, Handshake
from engine.simulator.connection import Connection
from engine.simulator.ledger import Lane, SessionLedger
from engine.simulator.replay.differences import Difference
from engine.simulator.replay.plan import Plan
from engine.simulator.replay.session import Manner, ReplaySession
from engine.simulator.script import ScriptedResponder
from engine.simulator.server import Simulator, _open_listeners
from engine.simulator.settings import SimulatorSettings

SESSION_MAX_S: Final = 7 * 24 * 3600.0
"""A replay ends when the recording does, and waits for its client as long as it must."""

_PATH: Final = "/v1/realtime"
_MODEL: Final = "gpt-realtime"
"""What a client is taken to have asked for."""

_CLOSE_CODES: Final = (*range(1000, 1004), *range(1007, 1015), *range(3000, 5000))
"""Codes that a close frame may carry (RFC 6455, section 7.4); the others mean that the connection broke."""


def sendable(code: int | None) -> int | None:
    """Give a code that can be sent; None for one that only tells of a broken connection."""
    return code if code in _CLOSE_CODES else None


class ReplayServer(Simulator):
    """Plays a recording to each client that comes; made by `serve_replay`.

    Args:
        plans: What to play: the n-th connection gets the n-th, and so on round.
        manner: How.
        settings: Of the server.
        nursery: For its tasks.
    """

    def __init__(
        self, plans: Sequence[Plan], manner: Manner, settings: SimulatorSettings, nursery: trio.Nursery
    ) -> None:
        super().__init__(settings, ScriptedResponder, nursery)
        self._plans = plans
        self._manner = manner
        self._played: dict[SessionLedger, ReplaySession] = {}

    @property
    def differences(self) -> tuple[Difference, ...]:
        """What the clients did otherwise, in the order of their connections."""
        return tuple(difference for session in self._played.values() for difference in session.differences)

    def differences_of(self, ledger: SessionLedger) -> tuple[Difference, ...]:
        """What one client did otherwise."""
        session = self._played.get(ledger)
        return () if session is None else session.differences

    async def serve_stream(self, stream: trio.abc.Stream) -> None:
        """Serve one client on a stream that is there already; returns when it is over."""
        kept = self.settings.ledger_max_events, self.settings.ledger_max_bytes
        ledger = SessionLedger(self._count, Lane(*kept), Lane(*kept))
        self._count += 1
        connection = _ReplayConnection(self, self._account, ledger)
        self._live[ledger] = connection
        try:
            await connection.serve(stream)
        finally:
            del self._live[ledger]
            self._ended.append(ledger)

    def play(self, ledger: SessionLedger, session: ReplaySession) -> None:
        """Take note of a session that begins, as long as its ledger is kept."""
        kept = {*self._ended, *self._live}
        self._played = {known: played for known, played in self._played.items() if known in kept}
        self._played[ledger] = session

    def plan_of(self, ledger: SessionLedger) -> Plan:
        """Give what is played to a connection."""
        return self._plans[ledger.number % len(self._plans)]

    @property
    def manner(self) -> Manner:
        """How it is played."""
        return self._manner


class _ReplayConnection(Connection):
    """A connection with a recording behind it."""

    def __init__(self, server: ReplayServer, account: Account, ledger: SessionLedger) -> None:
        super().__init__(account, ledger)
        self._server = server

    async def _upgrade(self, nursery: trio.Nursery, stream: trio.abc.Stream) -> Handshake | None:
        """Let everybody in: which session was asked for is the recording's business."""
        request = await trio_websocket.wrap_server_stream(
            nursery,
            stream,
            max_message_size=self._settings.message_max_bytes,
            receive_buffer_size=RECEIVE_BUFFER_BYTES,
        )
        handshake = Handshake.read(request.path, request.headers, request.proposed_subprotocols)
        self._socket = await request.accept(subprotocol=handshake.subprotocol)
        return attrs.evolve(handshake, path=_PATH, query={"model": _MODEL})

    def _make_session(self, admitted: Admitted, nursery: trio.Nursery) -> ReplaySession:  # noqa: ARG002
        plan = self._server.plan_of(self._ledger)
        self._ledger.session_id = _session_id(plan)
        drop = nursery.cancel_scope.cancel
        session = ReplaySession(plan, self._server.manner, self._outbox, self._ledger, close=self.close, drop=drop)
        self._server.play(self._ledger, session)
        nursery.start_soon(session.play, name="replay")
        return session


def _session_id(plan: Plan) -> str:
    for step in plan.steps:
        session = (step.message.event or {}).get("session")
        if isinstance(session, dict) and isinstance(session.get("id"), str):
            return str(session["id"])
    return ""


@asynccontextmanager
async def serve_replay(
    plans: Sequence[Plan],
    manner: Manner | None = None,
    *,
    settings: SimulatorSettings | None = None,
    host: str | None = "127.0.0.1",
    port: int = 0,
) -> AsyncIterator[ReplayServer]:
    """Play recordings for the time of the block; at its end each connection is closed as `serve` does.

    Args:
        plans: What to play: the n-th connection gets the n-th, and so on round.
        manner: How; in the recorded times and with endless patience when None.
        settings: Of the server; the defaults when None.
        host: Address to listen on; None to serve streams in memory alone.
        port: Port to listen on; 0 takes a free one.

    Yields:
        The server.

    Raises:
        ConfigError: There is nothing to play, or the host or the port can't be listened on.
    """
    if not any(plan.steps for plan in plans):
        message = "the recording has no message of a server | give one of a whole session"
        raise ConfigError("recording", "", "a recording with server messages", message=message)
    settings = attrs.evolve(settings or SimulatorSettings(), session_max_s=SESSION_MAX_S, keys=None)
    listeners = None if host is None else await _open_listeners(host, port)
    async with block_nursery() as nursery:
        server = ReplayServer(plans, manner or Manner(), settings, nursery)
        if host is not None and listeners is not None:
            server.listen(host, listeners)
        try:
            yield server
        finally:
            await server.go_away()
            nursery.cancel_scope.cancel()
