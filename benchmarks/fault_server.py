"""A server that pours out audio as fast as it is taken, pings, and notes how it was answered.

It knows just enough of the protocol for a client to stay with it: the first `response.create` is answered with the
load, each later one with a short answer. As a program (`python -m benchmarks.fault_server '{"deltas": 20000}'`) it
prints its port, and a line of JSON with a `LoadReport` for each connection that ends.
"""

import base64
import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import attrs
import trio
import trio_websocket

EXPIRY: Final = "Your session hit the maximum duration of 60 minutes."
PCM_BYTES_PER_MS: Final = 48
KEEPALIVE_FAILED: Final = 1011
GOING_AWAY: Final = 1001


@attrs.frozen(kw_only=True)
class Load:
    """What the server does to its client.

    Attributes:
        deltas: Audio deltas of the first answer.
        delta_ms: Audio in each.
        interval_s: Between two of them; 0 sends them as fast as they are taken.
        ping_interval_s: Between two pings (the service: about 20 s).
        pong_deadline_s: A pong that takes longer ends the connection with code 1011.
        interrupt_after_s: After the load, this long, the user is heard to speak.
        expire: In place of the load, the end of a session's life: `session_expired` (if `expire_tells`), then a close
            with code 1001.
        expire_tells: False to close without the error.
    """

    deltas: int = 20_000
    delta_ms: int = 100
    interval_s: float = 0.0
    ping_interval_s: float = 20.0
    pong_deadline_s: float = 20.0
    interrupt_after_s: float | None = None
    expire: bool = False
    expire_tells: bool = True


@attrs.define
class LoadReport:
    """What became of one connection.

    Attributes:
        deltas_sent: How many of the load went out.
        pings: Sent, and answered or given up.
        pongs: Received in time.
        slowest_pong_s: The longest wait for one.
        interrupted_at: When the user was heard, on the machine's monotonic clock.
        close_code: Of the end; None while it lasts.
    """

    deltas_sent: int = 0
    pings: int = 0
    pongs: int = 0
    slowest_pong_s: float = 0.0
    interrupted_at: float | None = None
    close_code: int | None = None


class LoadServer:
    """Serves connections.

    Args:
        load: What it does to them.
        on_end: Told of each that ends.

    Attributes:
        reports: One for each connection, in their order.
    """

    def __init__(self, load: Load, on_end: Callable[[LoadReport], None] = lambda _: None) -> None:
        self._load = load
        self._on_end = on_end
        self.reports: list[LoadReport] = []

    async def serve_stream(self, stream: trio.abc.Stream) -> None:
        """Serve one client to its end."""
        report = LoadReport()
        self.reports.append(report)
        try:
            async with trio.open_nursery() as nursery:
                request = await trio_websocket.wrap_server_stream(nursery, stream, receive_buffer_size=2**16)
                socket = await request.accept()
                connection = _Connection(socket, self._load, report)
                nursery.start_soon(connection.ping)
                await connection.converse(nursery)
                report.close_code = socket.closed.code if socket.closed else None
                nursery.cancel_scope.cancel()
        except* (trio_websocket.ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self._on_end(report)
            await trio.aclose_forcefully(stream)

    async def listen(self, nursery: trio.Nursery) -> str:
        """Listen on a free port of the loopback, and give the base URL for clients."""
        listeners = await nursery.start(trio.serve_tcp, self.serve_stream, 0)
        return f"ws://127.0.0.1:{listeners[0].socket.getsockname()[1]}/v1"


class _Connection:
    def __init__(self, socket: trio_websocket.WebSocketConnection, load: Load, report: LoadReport) -> None:
        self._socket = socket
        self._load = load
        self._report = report
        self._answers = 0

    async def ping(self) -> None:
        while True:
            await trio.sleep(self._load.ping_interval_s)
            started = trio.current_time()
            with trio.move_on_after(self._load.pong_deadline_s), suppress(trio_websocket.ConnectionClosed):
                await self._socket.ping()
                self._report.pings += 1
                self._report.pongs += 1
                waited_s = trio.current_time() - started
                self._report.slowest_pong_s = max(self._report.slowest_pong_s, waited_s)
                continue
            self._report.pings += 1
            with suppress(trio_websocket.ConnectionClosed):
                await self._socket.aclose(KEEPALIVE_FAILED, "keepalive ping timeout")
            return

    async def converse(self, nursery: trio.Nursery) -> None:
        with suppress(trio_websocket.ConnectionClosed):
            await self._send("session.created", session=_SESSION)
            while True:
                message = json.loads(await self._socket.get_message())
                if message["type"] == "session.update":
                    await self._send("session.updated", session=_SESSION)
                elif message["type"] == "response.create":
                    self._answers += 1
                    nursery.start_soon(self._answer, self._answers)

    async def _answer(self, number: int) -> None:
        with suppress(trio_websocket.ConnectionClosed):
            if self._load.expire:
                await self._expire()
                return
            place = {"response_id": f"resp_{number}", "item_id": f"item_{number}", "output_index": 0}
            await self._send("response.created", response=_response(number, "in_progress"))
            await self._send("response.output_item.added", **_item(number, "in_progress"))
            if number == 1:
                await self._pour(place | {"content_index": 0})
                await self._interrupt()
            await self._send("response.output_item.done", **_item(number, "completed"))
            await self._send("response.done", response=_response(number, "completed"))

    async def _pour(self, place: dict[str, Any]) -> None:
        audio = base64.b64encode(bytes(PCM_BYTES_PER_MS * self._load.delta_ms)).decode()
        text = _event("response.output_audio.delta", **place, delta=audio)
        for _ in range(self._load.deltas):
            await self._socket.send_message(text)
            self._report.deltas_sent += 1
            if self._load.interval_s:
                await trio.sleep(self._load.interval_s)

    async def _interrupt(self) -> None:
        if self._load.interrupt_after_s is not None:
            await trio.sleep(self._load.interrupt_after_s)
            self._report.interrupted_at = time.monotonic()
            await self._send("input_audio_buffer.speech_started", item_id="item_user", audio_start_ms=0)

    async def _expire(self) -> None:
        if self._load.expire_tells:
            error = {"type": "invalid_request_error", "code": "session_expired", "message": EXPIRY}
            await self._send("error", error=error | {"param": None, "event_id": None})
        await self._socket.aclose(GOING_AWAY, EXPIRY)

    async def _send(self, kind: str, **fields: Any) -> None:
        await self._socket.send_message(_event(kind, **fields))


_SESSION: Final = {"type": "realtime", "object": "realtime.session", "id": "sess_load", "model": "gpt-realtime"}


def _event(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, "event_id": "event_load", **fields})


def _response(number: int, status: str) -> dict[str, Any]:
    return {
        "object": "realtime.response",
        "id": f"resp_{number}",
        "status": status,
        "status_details": None,
        "output": [],
        "conversation_id": "conv_load",
        "usage": None,
    }


def _item(number: int, status: str) -> dict[str, Any]:
    item = {"id": f"item_{number}", "type": "message", "status": status, "role": "assistant", "content": []}
    return {"response_id": f"resp_{number}", "output_index": 0, "item": item}


def _tell(report: LoadReport) -> None:
    print(json.dumps(attrs.asdict(report)), flush=True)


async def _main(load: Load) -> None:
    async with trio.open_nursery() as nursery:
        print(await LoadServer(load, _tell).listen(nursery), flush=True)


if __name__ == "__main__":
    trio.run(_main, Load(**json.loads(sys.argv[1])))
