"""Who is let in: the URL, the key and the model of a handshake, checked as on the service."""

import hmac
from typing import Final
from urllib.parse import parse_qs, urlsplit

import attrs

from engine.simulator.catalogue import BETA_DISABLED, INVALID_API_KEY, INVALID_MODEL, MISSING_MODEL, Refusal
from engine.simulator.settings import SimulatorSettings

_PATH_END: Final = "/realtime"
_BROWSER_KEY: Final = "openai-insecure-api-key."
SUBPROTOCOL: Final = "realtime"


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
        url = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        named = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
        return cls(url.path, query, named, subprotocols)

    @property
    def known(self) -> bool:
        """Tell whether the URL is served: a path that ends in `/realtime`, and no call to join."""
        intent = self.query.get("intent", "realtime")
        return self.path.endswith(_PATH_END) and "call_id" not in self.query and intent in ("realtime", "transcription")

    @property
    def subprotocol(self) -> str | None:
        """Give the subprotocol to select."""
        return SUBPROTOCOL if SUBPROTOCOL in self.subprotocols else None

    @property
    def model(self) -> str:
        """Give the model of the URL; Azure calls it the deployment."""
        return self.query.get("model") or self.query.get("deployment") or ""

    @property
    def transcription(self) -> bool:
        """Tell whether it asks for a transcription session."""
        return self.query.get("intent") == "transcription"

    def key(self) -> str:
        """Find the key: a bearer token, Azure's header, or a browser's subprotocol."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return token.strip()
        if "api-key" in self.headers:
            return self.headers["api-key"]
        named = (name.removeprefix(_BROWSER_KEY) for name in self.subprotocols if name.startswith(_BROWSER_KEY))
        return next(named, "")


def admit(handshake: Handshake, settings: SimulatorSettings) -> None:
    """Check the key, then the protocol version, then the model.

    Raises:
        Refusal: The connection is to be closed with the entry's code, after the error.
    """
    key = handshake.key()
    if not _accepted(key, settings):
        raise Refusal(INVALID_API_KEY, key=masked(key))
    if "realtime=v1" in handshake.headers.get("openai-beta", "") and not settings.allow_beta_header:
        raise Refusal(BETA_DISABLED)
    if handshake.transcription:
        return
    if not handshake.model:
        raise Refusal(MISSING_MODEL)
    if not _served(handshake.model, settings):
        raise Refusal(INVALID_MODEL, model=handshake.model)


def _accepted(key: str, settings: SimulatorSettings) -> bool:
    if settings.keys is None:
        return bool(key)
    return any(hmac.compare_digest(key.encode(), known.encode()) for known in settings.keys)


def _served(model: str, settings: SimulatorSettings) -> bool:
    return model.startswith("gpt-") if settings.models is None else model in settings.models


def masked(key: str) -> str:
    """Write a key so that nobody can use it: its start and its last four characters."""
    return f"{key[:3]}…{key[-4:]}" if len(key) > 12 else "…"
