"""One HTTP request at a time to the service: signed, bounded in time and size, its failures told as the engine's."""

import importlib
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import orjson
import trio

from engine.config import ClientSettings
from engine.endpoints import sign
from engine.errors import (
    ConfigError,
    ConnectionLost,
    DeadlinePassed,
    LimitExceeded,
    LocalMisuse,
    RemoteViolation,
    ServerReported,
)
from engine.secrets import Secrets
from engine.transport.streams import default_context, words

if TYPE_CHECKING:
    import httpx

HTTP_BODY_MAX_BYTES: Final = 1024 * 2**10
"""Largest answer that is read. A session's settings and an SDP answer take some kilobytes."""

CLOSE_DEADLINE_S: Final = 1.0
"""How long kept connections may take to close in order."""


class HttpLink:
    """Connections to one server, kept open between requests."""

    def __init__(self, client: ClientSettings, deadline_s: float) -> None:
        self._client = client
        self._deadline_s = deadline_s
        self._httpx = _load_httpx()
        self._transport: httpx.AsyncHTTPTransport | None = None

    def open(self) -> None:
        """Be ready for requests; nothing is connected yet."""
        context = self._client.ssl_context or default_context()
        proxy = self._client.proxy_to(self._client.http_url("/realtime"))
        # The transport alone: a client of httpx logs whole addresses, and a server's may hold a key.
        self._transport = self._httpx.AsyncHTTPTransport(
            verify=context, proxy=proxy and self._proxy(proxy, context), trust_env=False
        )

    def _proxy(self, proxy: str, context: ssl.SSLContext) -> "httpx.Proxy":
        https: httpx.Proxy = self._httpx.Proxy(proxy, ssl_context=context if proxy.startswith("https") else None)
        return https

    async def aclose(self) -> None:
        """Close what is open, also when cancelled."""
        transport, self._transport = self._transport, None
        with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_DEADLINE_S):
            if transport is not None:
                await transport.aclose()

    async def post(
        self, path: str, json: Mapping[str, Any] | None = None, *, files: Mapping[str, Any] | None = None
    ) -> tuple[Mapping[str, str], bytes]:
        """Send a request, and give its answer's headers and body.

        Args:
            path: Under the base, as in `/realtime/calls`.
            json: The request's body as an object, or None for an empty one.
            files: Parts of a form instead, as httpx has them.
        """
        content: dict[str, Any] = {"files": files}
        if json is not None:
            content = {"content": to_json(json), "headers": [("Content-Type", "application/json")]}
        if self._transport is None:
            raise LocalMisuse("the HTTP client is not open | use it within `async with HttpApi(...) as api:`")
        try:
            with trio.fail_after(self._deadline_s):
                who = await sign(self._client)
                secrets = self._secrets(path, who)
                async with self._answer(self._transport, path, who, content, secrets) as answer:
                    body = await _read(answer)
        except trio.TooSlowError as error:
            raise DeadlinePassed("http request", self._deadline_s) from error
        if not answer.is_success:
            raise _refusal(answer.status_code, secrets.masked(body.decode(errors="replace")).encode())
        return answer.headers, body

    def _secrets(self, path: str, who: Sequence[tuple[str, str]]) -> Secrets:
        """Collect what a server could repeat, as in `Incorrect API key provided: ...`."""
        url = self._client.http_url(path)
        return Secrets.to(url, who, self._client.proxy_to(url))

    @asynccontextmanager
    async def _answer(
        self,
        transport: "httpx.AsyncHTTPTransport",
        path: str,
        who: Sequence[tuple[str, str]],
        content: dict[str, Any],
        secrets: Secrets,
    ) -> AsyncGenerator["httpx.Response", None]:
        # As it comes, so that a small answer can't unpack to a large one.
        accept = [("Accept", "*/*"), ("Accept-Encoding", "identity")]
        content["headers"] = [*who, *accept, *content.get("headers", ())]
        request = self._httpx.Request("POST", self._client.http_url(path), **content)
        try:
            answer = await transport.handle_async_request(request)
            try:
                yield answer
            finally:
                await answer.aclose()
        except self._httpx.TransportError as error:
            secrets.mask_error(error)
            why = _why(error)
            what = "the proxy refused" if isinstance(error, self._httpx.ProxyError) else "the request failed"
            raise ConnectionLost(f"{request.url.host}: {what}: {why}", reason=why) from error


def _why(error: BaseException) -> str:
    """Give the words of the first cause that has any: the exceptions of httpx and below it are often bare."""
    cause: BaseException | None = error
    while cause is not None and not str(cause):
        cause = cause.__cause__ or cause.__context__
    return words(cause or error)


async def _read(answer: "httpx.Response") -> bytes:
    body, size = b"", 0
    with trio.CancelScope() as scope:
        async for piece in answer.aiter_raw():
            size += len(piece)
            if size > HTTP_BODY_MAX_BYTES:
                # Not left by raising: generators of httpx, one in another, would stay open. The next read ends them.
                scope.cancel()
            else:
                body += piece
    if size > HTTP_BODY_MAX_BYTES:
        way_out = "no answer of this API is so large: is base_url the service's?"
        raise LimitExceeded("HTTP_BODY_MAX_BYTES", HTTP_BODY_MAX_BYTES, size, way_out)
    return body


def _refusal(status: int, body: bytes) -> ServerReported:
    """Make the exception of an answer that says no, from the API's error body where there is one."""
    try:
        told = json_object(body).get("error")
    except RemoteViolation:
        told = None
    told = told if isinstance(told, dict) else {}
    given = {name: told[name] for name in ("message", "code", "type", "param") if isinstance(told.get(name), str)}
    return ServerReported(
        given.get("message", f"the server answered with HTTP status {status}"),
        code=given.get("code", f"http_{status}"),
        error_type=given.get("type"),
        param=given.get("param"),
    )


def to_json(value: Mapping[str, Any]) -> bytes:
    """Write a request's JSON.

    Raises:
        ConfigError: It holds what JSON has no form for.
    """
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise ConfigError("session", type(value).__name__, f"JSON values only ({error})") from error


def json_object(body: bytes) -> dict[str, Any]:
    """Read an answer's JSON object.

    Raises:
        RemoteViolation: It is none.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # Not what it says: it may hold a key.
        raise RemoteViolation("invalid_json", f"the answer of {len(body)} bytes is no JSON") from error
    if not isinstance(value, dict):
        raise RemoteViolation("not_an_object", f"the answer is JSON of type {type(value).__name__}")
    return value


def _load_httpx() -> Any:
    """Import httpx late: it takes 0.1 s, and only these requests need it."""
    try:
        return importlib.import_module("httpx")
    except ModuleNotFoundError as missing:
        way_out = "pip install 'realtime-engine[http]'"
        raise ConfigError("extra", "http", way_out, message=f"httpx is not installed | {way_out}") from missing
