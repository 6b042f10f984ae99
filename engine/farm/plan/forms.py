"""What texts of a plan look like: names of variables, telephone keys, tools, functions, addresses."""

import re
from typing import Final

from engine.config.addresses import split_url
from engine.errors import ConfigError

VARIABLE: Final = "the name of an environment variable: letters, digits and _"
TELEPHONE_KEYS: Final = "telephone keys: 0 to 9, *, #, A to D"
TOOL_NAME: Final = "1 to 64 letters, digits, _ and -"
FUNCTION: Final = "'module:name' or 'file.py:name'"
SPOKEN: Final = "text with words, as they are said"
VISIBLE: Final = "text that is not empty"


def _fits(pattern: str, value: str) -> None:
    if re.fullmatch(pattern, value) is None:
        raise ValueError


def variable(value: str) -> None:
    """Accept the name of an environment variable.

    Raises:
        ValueError: It is none.
    """
    _fits(r"[A-Za-z_][A-Za-z0-9_]*", value)


def telephone_keys(value: str) -> None:
    """Accept what can be pushed on a telephone.

    Raises:
        ValueError: It is none.
    """
    _fits(r"[0-9*#A-D]+", value)


def tool_name(value: str) -> None:
    """Accept what the service takes for a name of a function.

    Raises:
        ValueError: It is none.
    """
    _fits(r"[A-Za-z0-9_-]{1,64}", value)


def function(value: str) -> None:
    """Accept where a Python function is.

    Raises:
        ValueError: It is none.
    """
    place, _, name = value.rpartition(":")
    if not place or not name.isidentifier():
        raise ValueError


def spoken(value: str) -> None:
    """Accept text in which there is a word.

    Raises:
        ValueError: There is none.
    """
    if re.search(r"[^\W_]", value) is None:
        raise ValueError


def visible(value: str) -> None:
    """Accept text that is not all spaces.

    Raises:
        ValueError: It is.
    """
    if not value.strip():
        raise ValueError


def check_url(url: str) -> None:
    """Refuse what is no address of a server, or holds a password.

    Raises:
        ConfigError: It is so.
    """
    parts = split_url(url)
    if parts is None or parts.scheme not in {"ws", "wss", "http", "https"} or not parts.hostname or "@" in parts.netloc:
        allowed = "an address as wss://host/v1 (or ws, https, http), without user and password"
        raise ConfigError("target.url", "(not shown)" if "@" in url else url, allowed)
