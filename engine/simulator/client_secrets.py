"""Keys that expire, made over HTTP for browsers and phones: which there are, and the session that is baked in."""

from collections import OrderedDict
from typing import Any, Final

import attrs

from engine.simulator.ids import IdMint

Json = dict[str, Any]

DEFAULT_LIFE_S: Final = 600
KEPT_MAX: Final = 10_000
"""Secrets that the server knows at a time; the oldest is forgotten past it."""


@attrs.frozen
class ClientSecret:
    """One such key.

    Attributes:
        value: What clients send as their key.
        expires_at: Unix time, in s, from which it opens no session; those that it opened go on.
        kind: Of session: `realtime`, `transcription` or `translation`.
        session: What a `session.update` would hold; laid over a new session's settings.
    """

    value: str = attrs.field(repr=False)
    expires_at: int
    kind: str
    session: Json = attrs.field(repr=False)


class ClientSecrets:
    """The secrets of a server.

    Args:
        ids: Where their values come from.
    """

    def __init__(self, ids: IdMint) -> None:
        self._ids = ids
        self._secrets: OrderedDict[str, ClientSecret] = OrderedDict()

    def make(self, kind: str, session: Json, expires_at: int) -> ClientSecret:
        """Make one."""
        secret = ClientSecret(self._ids.new("ek"), expires_at, kind, session)
        self._secrets[secret.value] = secret
        if len(self._secrets) > KEPT_MAX:
            self._secrets.popitem(last=False)
        return secret

    def find(self, key: str) -> ClientSecret | None:
        """Give the secret with this value, expired or not."""
        return self._secrets.get(key)
