"""Addresses in settings: the service's, and that of a proxy on the way. Shown without passwords and queries."""

import os
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

import attrs

from engine.errors import ConfigError, shown_url

DEFAULT_BASE_URL: Final = "wss://api.openai.com/v1"

ENVIRONMENT: Final = "environment"
"""The value of `proxy` that says: as `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` have it."""

_PROXY_ALLOWED: Final = "http://[user:password@]host[:port] (or https), 'environment', or None"
_DEFAULT_PORTS: Final = {"ws": 80, "wss": 443, "http": 80, "https": 443}
_VARIABLES: Final = {"ws": "http", "wss": "https", "http": "http", "https": "https"}


def split_url(given: object) -> SplitResult | None:
    """Split an address, or give None where it is none."""
    if not isinstance(given, str):
        return None
    try:
        parts = urlsplit(given)
        _ = parts.port  # It is read here, and may be no number.
    except ValueError:
        return None
    return parts


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def to_base_url(value: str | None) -> str:
    """Convert what was given for `base_url`, or what the environment has.

    Raises:
        ConfigError: It is no address of a server, or holds a password.
    """
    given = value or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL
    parts = split_url(given)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme) if parts else ""
    # No cause is chained, for urlsplit's own errors quote the address, with any password in it.
    if parts is None or scheme not in {"ws", "wss"} or not parts.hostname:
        raise ConfigError("client_config.base_url", shown_url(given), "a URL as wss://host/v1 (or ws, https, http)")
    if "@" in parts.netloc:
        way_out = "a URL without user and password: the key goes in api_key"
        raise ConfigError("client_config.base_url", shown_url(given), way_out)
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/"), parts.query, ""))


def check_proxy(_: Any, __: "attrs.Attribute[Any]", value: Any) -> None:
    """Validate `proxy`."""
    if value is not None and value != ENVIRONMENT and not _is_proxy(value):
        raise ConfigError("client_config.proxy", shown_url(value), _PROXY_ALLOWED)


def show_proxy(value: str | None) -> str:
    """Write `proxy` without its password."""
    return repr(value and shown_url(value))


def proxy_on_the_way(setting: str | None, url: str) -> str | None:
    """Give the proxy's address for a connection to `url`, or None to connect at once.

    A proxy that the environment names is not asked for this machine, nor for the hosts of `NO_PROXY`.

    Raises:
        ConfigError: The environment names something that is no HTTP proxy, as a SOCKS server.
    """
    return _from_environment(urlsplit(url)) if setting == ENVIRONMENT else setting


def _is_proxy(value: object) -> bool:
    parts = split_url(value)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        return False
    return parts.path in {"", "/"} and not parts.query and not parts.fragment


def _from_environment(target: SplitResult) -> str | None:
    # Late, for it takes 15 ms; the system's own settings on macOS and Windows are its business too.
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415

    host = target.hostname or ""
    if is_loopback(host):
        return None
    known = getproxies()
    given = known.get(_VARIABLES[target.scheme]) or known.get("all")
    if not given or proxy_bypass(f"{host}:{target.port or _DEFAULT_PORTS[target.scheme]}"):
        return None
    proxy = given if "://" in given else f"http://{given}"
    if not _is_proxy(proxy):
        named = f"{_VARIABLES[target.scheme].upper()}_PROXY or ALL_PROXY"
        way_out = f"in {named} http://host:port; or proxy=None in client_config for none"
        raise ConfigError("client_config.proxy", shown_url(given), way_out)
    return proxy
