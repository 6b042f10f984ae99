"""Identifiers and padding as the service makes them, from one seeded source of chance a session."""

import random
import string

import attrs

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BASE62_OF_BYTE = bytes(ord(_BASE62[byte % len(_BASE62)]) for byte in range(256))
_LETTERS = bytes(ord(_BASE62[byte % len(_BASE62)]) for byte in range(256))
_ID_CHARS = 21
_CALL_ID_CHARS = 16
_PADDED_CHARS = 16


@attrs.frozen
class IdMint:
    """Makes ids: a prefix and 21 base62 characters, 16 for `call_` (captures of the service).

    Attributes:
        chance: Where the characters come from; the same seed gives the same ids in the same order.
    """

    chance: random.Random

    @classmethod
    def seeded(cls, seed: int, number: int) -> "IdMint":
        """Make the mint of a server's session `number`."""
        return cls(random.Random(f"{seed}:{number}"))  # noqa: S311 - ids of a simulation, not secrets

    def new(self, prefix: str) -> str:
        """Make an id, as in `item_CCXHwGjjDUfOXbiySlK7i` for the prefix `item`."""
        count = _CALL_ID_CHARS if prefix == "call" else _ID_CHARS
        return f"{prefix}_{self._characters(count)}"

    def obfuscation(self, delta: str) -> str:
        """Make the padding of a text delta: it fills up to 16 characters (every capture)."""
        return self._characters(_PADDED_CHARS - len(delta) % _PADDED_CHARS)

    def ping_payload(self) -> bytes:
        """Make the four bytes of a WebSocket ping."""
        return self.chance.randbytes(4)

    def _characters(self, count: int) -> str:
        return self.chance.randbytes(count).translate(_BASE62_OF_BYTE).decode()
