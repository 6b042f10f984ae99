"""Who is let in: the URL, the key and the model of a handshake, checked as on the service."""

import hmac
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import attrs

from engine.simulator.catalogue import BETA_DISABLED, INVALID_API_KEY, INVALID_MODEL, MISSING_MODEL, Refusal
from engine.simulator.client_secrets import ClientSecret, ClientSecrets
from engine.simulator.settings import SimulatorSettings

Json = dict[str, Any]

_PATH_END: Final = "/realtime"
_TRANSLATION_END: Final = "/realtime/translations"
_AZURE: Final = "/openai/"
_BROWSER_KEY: Final = "openai-insecure-api-key."
SUBPROTOCOL: Final = "realtime"
REQUEST_ID_MAX_CHARS: Final = 512
"""Longest name that a client may give its request (OpenAI, API reference, debugging requests)."""


@attrs.frozen
class Handshake:
    """What a client asks for.

    Attributes:
        path: Of the URL, without the query.
        query: Each parameter's first value.
        headers: By name in lower case.
        subprotocols: That the client proposes; browsers put the key there.
    """

    path: str
    query: dict[str, str] = attrs.field(repr=False)
    headers: dict[str, str] = attrs.field(repr=False)
    subprotocols: tuple[str, ...] = attrs.field(repr=False)

    @classmethod
    def read(cls, target: str, headers: list[tuple[bytes, bytes]], subprotocols: tuple[str, ...]) -> "Handshake":
        """Read the parts of an upgrade request."""
        named = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
        return cls.of(target, named, subprotocols)

    @classmethod
    def of(cls, target: str, headers: dict[str, str], subprotocols: tuple[str, ...] = ()) -> "Handshake":
        """Read the parts of any request."""
        url = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        return cls(url.path, query, headers, subprotocols)

    @property
    def known(self) -> bool:
        """Tell whether the URL is served: a path that ends in `/realtime` or `/realtime/translations`."""
        intent = self.query.get("intent", "realtime")
        return self.translation or (self.path.endswith(_PATH_END) and intent in ("realtime", "transcription"))

    @property
    def translation(self) -> bool:
        """Tell whether it is the translation endpoint."""
        return self.path.endswith(_TRANSLATION_END)

    @property
    def call_id(self) -> str | None:
        """Give the call that is to be joined, if one is."""
        return self.query.get("call_id")

    @property
    def azure(self) -> bool:
        """Tell whether the URL has Azure's form, where models go by the names of deployments."""
        return self.path.startswith(_AZURE)

    @property
    def subprotocol(self) -> str | None:
        """Give the subprotocol to select."""
        return SUBPROTOCOL if SUBPROTOCOL in self.subprotocols else None

    @property
    def model(self) -> str:
        """Give the model of the URL; Azure calls it the deployment."""
        return self.query.get("model") or self.query.get("deployment") or ""

    @property
    def request_id(self) -> str:
        """Give the client's own name for the request; empty where it gave none."""
        return self.headers.get("x-client-request-id", "")[:REQUEST_ID_MAX_CHARS]

    def kind(self, secret: ClientSecret | None) -> str:
        """Tell which session it asks for: by the path, by `intent`, by the client secret; else a conversation."""
        if self.translation:
            return "translation"
        return self.query.get("intent") or (secret.kind if secret is not None else "realtime")

    def key(self) -> str:
        """Find the key: a bearer token, Azure's header, or a browser's subprotocol."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return token.strip()
        if "api-key" in self.headers:
            return self.headers["api-key"]
        named = (name.removeprefix(_BROWSER_KEY) for name in self.subprotocols if name.startswith(_BROWSER_KEY))
        return next(named, "")


@attrs.frozen
class Admitted:
    """What a client was let in for.

    Attributes:
        kind: Of session: `realtime`, `transcription` or `translation`.
        model: Empty for a transcription.
        settings: Those of its client secret, to lay over a new session's.
        call_id: The call to control, if it is one.
    """

    kind: str
    model: str
    settings: Json | None = attrs.field(default=None, repr=False)
    call_id: str | None = None


def admit(handshake: Handshake, settings: SimulatorSettings, secrets: ClientSecrets, now: float) -> Admitted:
    """Check the key, then the protocol version, then the model.

    Args:
        handshake: What the client asks for.
        settings: The server's.
        secrets: Keys that the server made.
        now: Unix time, in s.

    Raises:
        Refusal: The connection is to be closed with the entry's code, after the error.
    """
    check_key(handshake.key(), settings, secrets, now)
    secret = secrets.find(handshake.key())
    if "realtime=v1" in handshake.headers.get("openai-beta", "") and not settings.allow_beta_header:
        raise Refusal(BETA_DISABLED)
    kind = handshake.kind(secret)
    baked = secret.session if secret is not None and secret.kind == kind else None
    if handshake.call_id is not None or kind == "transcription":
        return Admitted(kind, "", baked, handshake.call_id)
    model = handshake.model or (baked or {}).get("model") or ""
    if not model:
        raise Refusal(MISSING_MODEL)
    if not _served(model, handshake, settings):
        raise Refusal(INVALID_MODEL, model=model)
    return Admitted(kind, model, baked)


def check_key(key: str, settings: SimulatorSettings, secrets: ClientSecrets, now: float) -> None:
    """Check a key: one of the settings', or a client secret that has not expired.

    Raises:
        Refusal: It is none.
    """
    secret = secrets.find(key)
    accepted = _accepted(key, settings) if secret is None else now < secret.expires_at
    if not accepted:
        raise Refusal(INVALID_API_KEY, key=masked(key))


def _accepted(key: str, settings: SimulatorSettings) -> bool:
    if settings.keys is None:
        return bool(key)
    return any(hmac.compare_digest(key.encode(), known.encode()) for known in settings.keys)


def _served(model: str, handshake: Handshake, settings: SimulatorSettings) -> bool:
    if settings.models is not None:
        return model in settings.models
    return handshake.azure or model.startswith("gpt-")


def masked(key: str) -> str:
    """Write a key so that nobody can use it: its start and its last four characters."""
    return f"{key[:3]}…{key[-4:]}" if len(key) > 12 else "…"
