"""Headers in settings: what can stand in one, and which of them are not the caller's to give."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from engine.errors import ConfigError

Headers = tuple[tuple[str, str], ...]

VALUE_ALLOWED: Final = "printable ASCII text, not empty, without spaces around it"

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HANDSHAKE: Final = frozenset(
    {"connection", "content-length", "content-type", "host", "te", "trailer", "transfer-encoding", "upgrade"}
)
_OWN: Final = {
    "openai-organization": "organization",
    "openai-project": "project",
    "openai-safety-identifier": "safety_identifier",
}
_EXTRA: Final = "client_config.extra_headers"


def is_header_value(value: object) -> bool:
    """Tell whether it can be sent as a header's value."""
    return isinstance(value, str) and value.isascii() and value.isprintable() and value != "" and value == value.strip()


def header_value(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    """Allow None, and what can be a header's value. It may hold a key, so it is never shown."""
    if value is not None and not is_header_value(value):
        raise ConfigError(f"client_config.{attribute.name}", "(not shown)", VALUE_ALLOWED)


def header_name(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    """Allow a header's name."""
    if not isinstance(value, str) or not _NAME.fullmatch(value) or _is_handshakes(value):
        raise ConfigError(f"client_config.{attribute.name}", value, "a header's name, as 'Authorization' or 'api-key'")


def to_pairs(given: Any) -> Headers:
    """Convert a mapping, or pairs, of header names and values.

    Raises:
        ConfigError: They can't be sent, or are the handshake's own. Values are not shown.
    """
    pairs = given.items() if isinstance(given, Mapping) else given
    if not isinstance(given, (Mapping, Sequence)) or not all(map(_is_pair, pairs)):
        raise ConfigError(_EXTRA, type(given).__name__, "a mapping of header names to values, both text")
    for name, value in pairs:
        if not _NAME.fullmatch(name):
            raise ConfigError(_EXTRA, "(not shown)", "names of letters, digits and dashes")
        if not is_header_value(value):
            raise ConfigError(f"{_EXTRA}[{name!r}]", "(not shown)", VALUE_ALLOWED)
    return tuple((name, value) for name, value in pairs)


def check_extra(headers: Headers, key_header: str) -> None:
    """Refuse headers that the handshake or another setting gives.

    Raises:
        ConfigError: It names the header and the setting to use instead.
    """
    own = {**_OWN, key_header.lower(): "api_key"}
    for name, _ in headers:
        if _is_handshakes(name):
            raise ConfigError(_EXTRA, name, "headers that the handshake does not make itself")
        if setting := own.get(name.lower()):
            raise ConfigError(_EXTRA, name, f"other headers; this one comes from client_config.{setting}")


def _is_handshakes(name: str) -> bool:
    return name.lower() in _HANDSHAKE or name.lower().startswith("sec-websocket-")


def _is_pair(pair: object) -> bool:
    return isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(one, str) for one in pair)
