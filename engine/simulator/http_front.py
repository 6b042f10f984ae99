"""Plain HTTP on the port of the sockets: what is no upgrade is answered here, the rest is handed on unread."""

from collections.abc import Callable
from typing import Any, Final

import attrs
import h11
import orjson
import trio

from engine.simulator.catalogue import BODY_TOO_LARGE, Refusal

HEAD_MAX_BYTES: Final = 32 * 2**10
"""Longest head of a request."""

BODY_MAX_BYTES: Final = 256 * 2**10
"""Longest body of a request: a session's settings with its tools."""


@attrs.frozen
class HttpRequest:
    """One request, without its body.

    Attributes:
        method: As in `POST`.
        target: Path and query.
        headers: By name in lower case.
    """

    method: str
    target: str
    headers: dict[str, str] = attrs.field(repr=False)

    @property
    def is_upgrade(self) -> bool:
        """Tell whether it asks for a WebSocket."""
        return self.method == "GET" and self.headers.get("upgrade", "").lower() == "websocket"


@attrs.frozen
class HttpAnswer:
    """What is answered.

    Attributes:
        status: As in 200.
        body: A JSON object, text, or nothing.
        headers: Beside those of the body.
    """

    status: int
    body: dict[str, Any] | str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def parts(self) -> list[h11.Event]:
        """Give it as h11 sends it; the connection ends with it."""
        body = self._bytes()
        headers = [*self.headers, ("content-length", str(len(body))), ("connection", "close")]
        if isinstance(self.body, dict):
            headers.append(("content-type", "application/json"))
        return [h11.Response(status_code=self.status, headers=headers), h11.Data(data=body), h11.EndOfMessage()]

    def _bytes(self) -> bytes:
        if self.body is None:
            return b""
        return self.body.encode() if isinstance(self.body, str) else orjson.dumps(self.body)


class ReplayStream(trio.abc.Stream):
    """A stream whose first bytes were read already, and are read once more; it can hold back what is to be sent."""

    def __init__(self, stream: trio.abc.Stream, seen: bytes) -> None:
        self._stream = stream
        self._seen = seen
        self._held: list[bytes] = []

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Give what was seen, then what comes."""
        if not self._seen:
            return await self._stream.receive_some(max_bytes)
        await trio.lowlevel.checkpoint()
        first, self._seen = self._seen[:max_bytes], self._seen[max_bytes:] if max_bytes is not None else b""
        return first

    def hold(self, data: bytes) -> None:
        """Send data with the next that is sent, before it."""
        self._held.append(data)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send on the stream itself, what is held first."""
        if self._held:
            data = b"".join((*self._held, data))
            self._held.clear()
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait on the stream itself."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the stream itself."""
        await self._stream.aclose()


class HttpFront:
    """Reads the first request on a stream.

    Args:
        stream: Just accepted.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_MAX_BYTES)
        self._seen = bytearray()

    async def request(self) -> HttpRequest | None:
        """Read the head. Gives None where there is none that HTTP knows."""
        try:
            event = await self._next()
        except h11.RemoteProtocolError:
            return None
        if not isinstance(event, h11.Request):
            return None
        named = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
        return HttpRequest(event.method.decode("latin-1"), event.target.decode("latin-1"), named)

    def unread(self) -> ReplayStream:
        """Give the stream as if nothing was read of it."""
        return ReplayStream(self._stream, bytes(self._seen))

    async def answer(self, respond: Callable[[bytes], HttpAnswer]) -> None:
        """Read the body, answer it, and end the connection."""
        try:
            answer = respond(await self._body())
        except Refusal as refusal:
            answer = HttpAnswer(400, error_body(refusal))
        except h11.RemoteProtocolError:
            answer = HttpAnswer(400)
        await self._stream.send_all(b"".join(self._parser.send(part) or b"" for part in answer.parts()))

    async def _next(self) -> Any:
        while True:
            event = self._parser.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self._parser.they_are_waiting_for_100_continue:
                await self._stream.send_all(
                    self._parser.send(h11.InformationalResponse(status_code=100, headers=[])) or b""
                )
            data = bytes(await self._stream.receive_some())
            self._seen += data
            self._parser.receive_data(data)

    async def _body(self) -> bytes:
        body = bytearray()
        while True:
            event = await self._next()
            if not isinstance(event, h11.Data):
                return bytes(body)
            body += event.data
            if len(body) > BODY_MAX_BYTES:
                raise Refusal(BODY_TOO_LARGE, bound=BODY_MAX_BYTES)


def error_body(refusal: Refusal) -> dict[str, Any]:
    """Give the body of a refused request, as the REST API writes it."""
    error = refusal.error(None)
    return {"error": {key: error[key] for key in ("message", "type", "param", "code")}}
