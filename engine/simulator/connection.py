"""One client's connection: handshake, admission, and the tasks that read, write, ping and end it."""

import logging
from typing import Any, Final

import orjson
import trio
import trio_websocket
import wsproto.connection
import wsproto.events
import wsproto.utilities

from engine.limits import RECEIVE_BUFFER_BYTES
from engine.simulator.account import Account
from engine.simulator.admission import Admitted, Handshake, admit
from engine.simulator.calls import SimulatedCall
from engine.simulator.catalogue import SESSION_EXPIRED, Refusal
from engine.simulator.http_api import respond
from engine.simulator.http_front import HttpFront, ReplayStream
from engine.simulator.ledger import Message, SessionLedger
from engine.simulator.opening import Opening, ServedSession
from engine.simulator.outbox import Outbox

logger = logging.getLogger(__name__)

HANDSHAKE_DEADLINE_S: Final = 10.0
"""From the accepted stream to the whole upgrade request."""

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
INTERNAL_ERROR: Final = 1011


_LOST: Final = (
    trio_websocket.ConnectionClosed,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    wsproto.utilities.LocalProtocolError,  # trio-websocket answers a ping after its own close frame
)
"""How a connection ends that is no bug of ours."""

_NAMELESS: Final = frozenset({"input_audio_buffer.dtmf_event_received"})
"""The one event without an `event_id` (API reference)."""


class Connection:
    """Serves one stream until it ends.

    Args:
        account: The server's.
        ledger: Where to write what crosses the wire.
    """

    def __init__(self, account: Account, ledger: SessionLedger) -> None:
        self._account = account
        self._settings = account.settings
        self._ledger = ledger
        self._ids = account.mint(ledger.number)
        self._outbox = Outbox(account.settings.outbox_max_bytes)
        self._opening = Opening(account, self._ids, self._emit, self._outbox, self._note_received)
        self._stream: ReplayStream | None = None
        self._socket: trio_websocket.WebSocketConnection | None = None
        self._closed: trio.Event | None = None

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Serve the stream; returns when the connection is over, whichever way."""
        try:
            async with trio.open_nursery() as nursery:
                handshake = await self._shake_hands(nursery, stream)
                if handshake is not None:
                    await self._serve_session(handshake)
                if self._closed is not None:  # the reader in this nursery is needed for the client's close frame
                    await self._closed.wait()
                nursery.cancel_scope.cancel()
        except* _LOST as lost:
            logger.debug("connection %d is lost: %r", self._ledger.number, lost.exceptions)
        except* ValueError as unread:  # wsproto lets it through, as for a header that is no ASCII
            logger.debug("connection %d speaks no HTTP: %r", self._ledger.number, unread.exceptions)
        finally:
            self._ledger.open = False

    async def close(self, code: int, reason: str) -> None:
        """Close the connection; when the client does not answer in time, drop it."""
        if self._socket is None or self._closed is not None:
            return
        self._closed = trio.Event()
        over = self._socket.closed  # the client's close, if that came first
        self._ledger.close_code, self._ledger.close_reason = (over.code, over.reason) if over else (code, reason)
        try:
            with trio.move_on_after(self._settings.close_grace_s):
                await self._socket.aclose(code, reason)
        finally:
            self._closed.set()

    # --- opening -------------------------------------------------------------------------------------------------

    async def _shake_hands(self, nursery: trio.Nursery, stream: trio.abc.Stream) -> Handshake | None:
        """Take the upgrade request. Gives None when it is refused, never comes, or was another request."""
        with trio.move_on_after(HANDSHAKE_DEADLINE_S):
            front = HttpFront(stream)
            asked = await front.request()
            if asked is not None and not asked.is_upgrade:
                handshake = Handshake.of(asked.target, asked.headers)
                await front.answer(lambda body: respond(self._account, asked.method, handshake, body))
                return None
            return await self._upgrade(nursery, front.unread())
        return None

    async def _upgrade(self, nursery: trio.Nursery, stream: ReplayStream) -> Handshake | None:
        self._stream = stream
        request = await trio_websocket.wrap_server_stream(
            nursery,
            stream,
            max_message_size=self._settings.message_max_bytes,
            receive_buffer_size=RECEIVE_BUFFER_BYTES,
        )
        handshake = Handshake.read(request.path, request.headers, request.proposed_subprotocols)
        self._ledger.request_id = handshake.request_id
        call_id = handshake.call_id
        if not handshake.known or (call_id is not None and self._account.joinable(call_id) is None):
            await request.reject(404, extra_headers=[(b"content-length", b"0")])
            return None
        self._socket = await request.accept(subprotocol=handshake.subprotocol)
        return handshake

    async def _serve_session(self, handshake: Handshake) -> None:
        assert self._socket is not None  # noqa: S101 - the handshake made it
        try:
            admitted = admit(handshake, self._settings, self._account.secrets, self._account.unix_time())
        except Refusal as refusal:
            logger.info("connection %d is refused: %s", self._ledger.number, refusal.code)
            self._emit("error", error=refusal.error(None))
            await self._socket.send_message(await self._outbox.take())
            await self.close(refusal.entry.close_code or INTERNAL_ERROR, refusal.close_reason)
            return
        try:
            await self._run(self._socket, admitted)
        except* Exception as bugs:
            lost, rest = bugs.split((trio_websocket.ConnectionClosed,))
            if rest is not None:
                self._ledger.crash = rest
                logger.exception("session %s crashed", self._ledger.session_id, exc_info=rest)
                await self.close(INTERNAL_ERROR, "server_error")
            closed = self._socket.closed
            if lost is not None and closed is not None and self._ledger.close_code is None:
                self._ledger.close_code, self._ledger.close_reason = closed.code, closed.reason

    # --- running -------------------------------------------------------------------------------------------------

    async def _run(self, socket: trio_websocket.WebSocketConnection, admitted: Admitted) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write, socket)
            nursery.start_soon(self._ping, socket, nursery)
            call = self._account.calls.get(admitted.call_id or "")
            if call is not None:
                nursery.start_soon(self._end_with, call)
            session = self._make_session(admitted, nursery)
            session.begin()
            with trio.move_on_after(self._settings.session_max_s) as life:
                await self._read(socket, session)
            await (self._expire() if life.cancelled_caught else self._flush_and_close(NORMAL, ""))
            nursery.cancel_scope.cancel()

    def _make_session(self, admitted: Admitted, nursery: trio.Nursery) -> ServedSession:
        session, self._ledger.session_id = self._opening.open(admitted, nursery)
        return session

    async def _end_with(self, call: SimulatedCall) -> None:
        await call.ended.wait()
        await self._flush_and_close(NORMAL, "")

    async def _read(self, socket: trio_websocket.WebSocketConnection, session: ServedSession) -> None:
        while not session.closing:
            session.receive(await socket.get_message())
            await session.ready()
        await session.drain()

    async def _write(self, socket: trio_websocket.WebSocketConnection) -> None:
        while True:
            last = await self._outbox.take()
            for text in self._outbox.rest_of_burst():
                await self._put(socket, last)
                last = text
            await socket.send_message(last)

    async def _put(self, socket: trio_websocket.WebSocketConnection, text: str) -> None:
        """Write a message with the next one, so that a burst is one write."""
        if self._stream is not None and socket._wsproto.state is wsproto.connection.ConnectionState.OPEN:
            self._stream.hold(socket._wsproto.send(wsproto.events.TextMessage(text)))
        else:
            await socket.send_message(text)

    async def _ping(self, socket: trio_websocket.WebSocketConnection, nursery: trio.Nursery) -> None:
        while True:
            await trio.sleep(self._settings.ping_interval_s)
            nursery.start_soon(self._ping_once, socket)

    async def _ping_once(self, socket: trio_websocket.WebSocketConnection) -> None:
        """Ping; a client that never answers is not dropped for it, as a dead one is found when the socket breaks."""
        with trio.move_on_after(self._settings.ping_interval_s):
            await socket.ping(self._ids.ping_payload())

    async def _expire(self) -> None:
        refusal = Refusal(SESSION_EXPIRED, minutes=self._settings.session_max_s / 60)
        self._emit("error", error=refusal.error(None))
        await self._flush_and_close(GOING_AWAY, refusal.message)

    async def _flush_and_close(self, code: int, reason: str) -> None:
        with trio.move_on_after(self._settings.close_grace_s):
            await self._outbox.flushed()
        await self.close(code, reason)

    # --- what crosses the wire ---------------------------------------------------------------------------------------

    def _emit(self, event_type: str, /, **fields: Any) -> None:
        named = {} if event_type in _NAMELESS else {"event_id": self._ids.new("event")}
        event = {"type": event_type, **named, **fields}
        text = orjson.dumps(event).decode()
        self._ledger.sent.add(Message(trio.current_time(), event_type, text))
        self._outbox.put(text)

    def _note_received(self, event_type: str, text: str) -> None:
        self._ledger.received.add(Message(trio.current_time(), event_type, text))
