"""Call ids between the application's, of any length, and the wire's, of at most 32 characters.

An id that the service made goes back as it came, however long it is.
"""

from hashlib import blake2s
from typing import Final

from engine.limits import HISTORY_MAX_ITEMS, ID_MAX_CHARS

_DIGEST_CHARS = 12

REMEMBERED: Final = HISTORY_MAX_ITEMS
"""Calls whose ids are kept, as many as the history can hold; the oldest is forgotten past it."""


class CallIds:
    """A two-way map. An id that fits stands for itself; a longer one gets a unique short one."""

    __slots__ = ("_to_application", "_to_wire")

    def __init__(self) -> None:
        self._to_wire: dict[str, str] = {}
        self._to_application: dict[str, str] = {}

    def to_wire(self, call_id: str) -> str:
        """Give the id to send."""
        known = self._to_wire.get(call_id)
        if known is not None:
            return known
        short = call_id
        salt = 0
        while len(short) > ID_MAX_CHARS or short in self._to_application or not short:
            digest = blake2s(f"{salt}:{call_id}".encode(), digest_size=_DIGEST_CHARS // 2).hexdigest()
            short = call_id[: ID_MAX_CHARS - _DIGEST_CHARS - 1] + "-" + digest
            salt += 1
        self._keep(call_id, short)
        return short

    def to_application(self, wire_id: str) -> str:
        """Give the application's id of one that the service named, and keep the way back."""
        known = self._to_application.get(wire_id)
        if known is None:
            self._keep(wire_id, wire_id)
        return wire_id if known is None else known

    def _keep(self, call_id: str, wire_id: str) -> None:
        self._to_application[wire_id] = call_id
        self._to_wire.setdefault(call_id, wire_id)
        if len(self._to_application) > REMEMBERED:
            oldest = next(iter(self._to_application))
            forgotten = self._to_application.pop(oldest)
            if self._to_wire.get(forgotten) == oldest:
                del self._to_wire[forgotten]
