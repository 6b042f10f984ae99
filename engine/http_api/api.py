"""The HTTP requests of the service, one method each."""

import re
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Protocol, Self

import attrs
import trio

from engine.config import ClientSettings
from engine.config.checks import is_number
from engine.config.client import is_call_id
from engine.errors import ConfigError, RemoteViolation
from engine.http_api.link import HttpLink, json_object, to_json
from engine.wire.codec import to_object
from engine.wire.record import Record
from engine.wire.translation import TranslationSession

HTTP_DEADLINE_S: Final = 15.0
"""From the first packet of an HTTP request to the last of its answer, the same as for a session's start."""

SECRET_MIN_S: Final = 10
SECRET_MAX_S: Final = 7200
SECRET_S: Final = 600
"""How long a client secret opens sessions (API reference)."""

SIP_STATUS_MIN: Final = 300
SIP_STATUS_MAX: Final = 699
"""Statuses with which SIP turns a call away (RFC 3261, section 21)."""


_CALL: Final = re.compile(r"/calls/([^/?#]+)")


class Described(Protocol):
    """Settings of a session, such as `SessionConfig`."""

    @property
    def model(self) -> Any:
        """The model's name."""
        ...

    def to_wire(self) -> Record:
        """Give the settings as `session.update` carries them."""
        ...


SessionLike = Described | Mapping[str, Any]
"""A session's settings: `SessionConfig` and its like, or the API's own JSON as a mapping."""


@attrs.frozen(kw_only=True)
class ClientSecret:
    """A key that opens sessions for a short time: what a browser may hold.

    Attributes:
        value: The key, as in `ek_...`. Not shown.
        expires_at: When it stops opening sessions, in seconds since 1970; sessions that are open go on.
        session: The settings that are baked into it, as the service gave them. Not shown.
    """

    value: str = attrs.field(repr=False)
    expires_at: int
    session: Mapping[str, Any] = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Call:
    """A WebRTC call that was made.

    Attributes:
        call_id: To join it (`ClientSettings(call_id=...)`) or to hang up.
        sdp: The service's answer to the offer.
    """

    call_id: str
    sdp: str = attrs.field(repr=False)


class HttpApi:
    """Makes HTTP requests as one client, over connections that are kept open between them.

    ```python
    async with HttpApi(ClientSettings()) as api:
        secret = await api.create_client_secret(SessionConfig())
    ```

    Nothing is tried again: each request makes something, and only the caller knows whether twice is well. Each may
    raise:

    - `ServerReported`: the service said no; `code` is its own, or `http_404` and the like where it gave none.
    - `ConnectionLost`: no connection, or none to the end of the answer. The request may have been served.
    - `DeadlinePassed`: it took longer than `deadline_s`.
    - `RemoteViolation`, `LimitExceeded`: the answer is not what the API promises, or too large.
    - `ConfigError`: an argument or a setting can't be used; nothing was sent.
    """

    def __init__(self, client: ClientSettings, *, deadline_s: float = HTTP_DEADLINE_S) -> None:
        """Take settings; connect to nobody yet.

        Args:
            client: Whom to ask, and as whom. The way is the session's: proxy, certificates, headers.
            deadline_s: For one request, to the last byte of its answer.

        Raises:
            ConfigError: httpx is not installed, or `deadline_s` is no time.
        """
        if not is_number(deadline_s, 0.001, 3600):
            raise ConfigError("deadline_s", deadline_s, "0.001 to 3600 s")
        self._link = HttpLink(client, deadline_s)

    async def __aenter__(self) -> Self:
        await trio.lowlevel.checkpoint()
        self._link.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._link.aclose()

    async def create_client_secret(
        self, session: SessionLike | None = None, *, expires_after_s: int = SECRET_S
    ) -> ClientSecret:
        """Make a key for a browser or another client that must not hold yours.

        Args:
            session: Settings to bake in, which also say what the key opens: a conversation, a transcription or a
                translation. A conversation with the service's own settings when None.
            expires_after_s: How long it opens sessions: 10 to 7200 s.
        """
        if not is_number(expires_after_s, SECRET_MIN_S, SECRET_MAX_S, whole=True):
            raise ConfigError("expires_after_s", expires_after_s, f"{SECRET_MIN_S} to {SECRET_MAX_S} s, whole")
        body: dict[str, Any] = {"expires_after": {"anchor": "created_at", "seconds": expires_after_s}}
        path = "/realtime/client_secrets"
        if session is not None:
            body["session"] = _session_object(session)
            if body["session"].get("type") == "translation":
                path = "/realtime/translations/client_secrets"
                del body["session"]["type"]  # Its path says it; as a field it is unknown there.
        _, answer = await self._link.post(path, body)
        return _secret(json_object(answer))

    async def create_call(self, sdp: str, session: SessionLike | None = None) -> Call:
        """Start a WebRTC call for a browser: pass on its offer, and give it the answer.

        Args:
            sdp: The browser's offer.
            session: The call's settings; those of the client secret, or the service's own, when None.
        """
        if not isinstance(sdp, str) or not sdp:
            raise ConfigError("sdp", type(sdp).__name__, "an SDP offer, as text")
        parts = {"sdp": (None, sdp, "application/sdp")}
        if session is not None:
            parts["session"] = (None, to_json(_session_object(session)).decode(), "application/json")
        headers, body = await self._link.post("/realtime/calls", files=parts)
        found = _CALL.search(headers.get("location", ""))
        if found is None or not is_call_id(found[1]):
            raise RemoteViolation("invalid_field", "expected the address of a call", field="Location")
        return Call(call_id=found[1], sdp=body.decode(errors="replace"))

    async def accept_call(self, call_id: str, session: SessionLike) -> None:
        """Answer a SIP call that a webhook told of, with these settings."""
        await self._control(call_id, "accept", _session_object(session))

    async def reject_call(self, call_id: str, status_code: int | None = None) -> None:
        """Turn a SIP call away.

        Args:
            call_id: From the webhook.
            status_code: SIP's own, as 486 for busy; the service says 603 (decline) when None.
        """
        if status_code is not None and not is_number(status_code, SIP_STATUS_MIN, SIP_STATUS_MAX, whole=True):
            raise ConfigError("status_code", status_code, f"a SIP status, {SIP_STATUS_MIN} to {SIP_STATUS_MAX}")
        await self._control(call_id, "reject", {} if status_code is None else {"status_code": status_code})

    async def refer_call(self, call_id: str, target_uri: str) -> None:
        """Hand a SIP call on, as to `tel:+14155550123` or `sip:agent@example.com`."""
        if not isinstance(target_uri, str) or ":" not in target_uri:
            raise ConfigError("target_uri", target_uri, "tel:+... or sip:...")
        await self._control(call_id, "refer", {"target_uri": target_uri})

    async def hang_up(self, call_id: str) -> None:
        """End a call, SIP or WebRTC."""
        await self._control(call_id, "hangup")

    async def _control(self, call_id: str, verb: str, body: Mapping[str, Any] | None = None) -> None:
        if not is_call_id(call_id):
            raise ConfigError("call_id", call_id, "the id of a call, as 'rtc_u1_9c6574da8b8a'")
        await self._link.post(f"/realtime/calls/{call_id}/{verb}", body)


def _secret(made: Mapping[str, Any]) -> ClientSecret:
    wanted: Mapping[str, type] = {"value": str, "expires_at": int, "session": dict}
    for field, kind in wanted.items():
        if type(made.get(field)) is not kind:
            raise RemoteViolation("invalid_field", f"expected {kind.__name__}", field=field)
    return ClientSecret(**{field: made[field] for field in wanted})


def _session_object(session: SessionLike) -> dict[str, Any]:
    """Give the settings as the API's JSON: unlike `session.update`, it names the kind and the model."""
    if isinstance(session, Mapping):
        return dict(session)
    record = session.to_wire()
    settings = to_object(record)
    if isinstance(record, TranslationSession):
        return {**settings, "type": "translation", "model": session.model}
    return settings if settings.get("type") == "transcription" else {**settings, "model": session.model}
