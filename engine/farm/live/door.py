"""Who may look at a run's page: everybody on this machine, or who has the token; never another site's page.

A page of the web can make a browser send requests to this machine. It can't read the answers unless its name is made to
lead here (DNS rebinding), so without a token only names of this machine are answered. With one, any name will do: a
browser gives the cookie only to the name that it had it from, and no other site knows the token.
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import attrs

from engine.config import is_loopback

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    b"img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Styles may stand in the page, because Plotly puts its own there; scripts may not."""

HEADERS: Final = (
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""With every answer."""


@attrs.frozen
class Door:
    """Lets in who may look, before the page's own code sees a request.

    Attributes:
        app: What is behind it.
        token: That opens it; None where only this machine can come.
        cookie: Name of the cookie that stands for the token: one a port, because browsers share them between ports.
    """

    app: App
    token: str | None = attrs.field(repr=False)
    cookie: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        headers = _headers(scope)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _answer(send, *refusal)
        elif self._in_url(scope):
            # The token goes out of the address bar and the history at once.
            kept = f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Lax"
            await _answer(send, 303, "", ((b"location", b"/"), (b"set-cookie", kept.encode())))
        else:
            await self.app(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope, headers: Mapping[str, str]) -> tuple[int, str] | None:
        if self.token is None and not is_loopback(_name(headers.get("host", ""))):
            return 421, "this page is at 127.0.0.1 and localhost alone"
        if _is_foreign(headers):
            return 403, "this page answers no other site"
        if self.token is not None and not (self._in_url(scope) or self._is_known(headers)):
            return 401, "open the address that the command printed: the token in it lets you in"
        return None

    def _in_url(self, scope: Scope) -> bool:
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        return scope["path"] == "/" and self._fits(given)

    def _is_known(self, headers: Mapping[str, str]) -> bool:
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        # Both are looked at, so that the time tells nothing.
        by_cookie, by_header = self._fits(_cookie(headers, self.cookie)), self._fits(bearer.strip())
        return by_cookie or (by_header and kind.lower() == "bearer")

    def _fits(self, given: str) -> bool:
        return self.token is not None and hmac.compare_digest(given.encode(), self.token.encode())


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _name(host: str) -> str:
    """Take the port, and the brackets of IPv6, off a `Host`."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).strip("[]").lower()


def _is_foreign(headers: Mapping[str, str]) -> bool:
    """Tell whether another site's page asks. Following a link to here is no such thing."""
    origin = headers.get("origin")
    if origin is not None and _place(origin) != headers.get("host", "").lower():
        return True
    site, mode = headers.get("sec-fetch-site", "none"), headers.get("sec-fetch-mode", "navigate")
    return site not in {"none", "same-origin"} and mode != "navigate"


def _place(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _cookie(headers: Mapping[str, str], name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *HEADERS]
        await send(message)

    return sending


async def _answer(send: Send, status: int, words: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    kind = (b"content-type", b"text/plain; charset=utf-8")
    body = f"{words}\n".encode() if words else b""
    length = (b"content-length", str(len(body)).encode())
    all_headers = [kind, length, (b"cache-control", b"no-store"), *headers]
    await _with_headers(send)({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": body})
