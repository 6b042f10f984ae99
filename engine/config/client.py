"""Settings of whom a session talks to, and as whom: address, key, lifetime."""

import os
import ssl
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit, urlunsplit

import attrs

from engine import limits
from engine.config.checks import flag, instance_of
from engine.errors import ConfigError, shown_url

DEFAULT_BASE_URL: Final = "wss://api.openai.com/v1"


def _header(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if value is not None and not (isinstance(value, str) and value and value.isascii() and value.isprintable()):
        raise ConfigError(f"client_config.{attribute.name}", "(not shown)", "printable ASCII text, not empty")


def _base_url(value: str | None) -> str:
    given = value or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL
    parts = _split_url(given)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme) if parts else ""
    # No cause is chained, for urlsplit's own errors quote the address, with any password in it.
    if parts is None or scheme not in {"ws", "wss"} or not parts.hostname:
        raise ConfigError("client_config.base_url", shown_url(given), "a URL as wss://host/v1 (or ws, https, http)")
    if "@" in parts.netloc:
        way_out = "a URL without user and password: the key goes in api_key"
        raise ConfigError("client_config.base_url", shown_url(given), way_out)
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/"), parts.query, ""))


def _split_url(given: object) -> SplitResult | None:
    if not isinstance(given, str):
        return None
    try:
        parts = urlsplit(given)
        _ = parts.port  # It is read here, and may be no number.
    except ValueError:
        return None
    return parts


def _or_env(value: str | None, name: str) -> str | None:
    return (os.environ.get(name) if value is None else value) or None


def _key(value: str | None) -> str | None:
    return _or_env(value, "OPENAI_API_KEY")


def _organization(value: str | None) -> str | None:
    return _or_env(value, "OPENAI_ORGANIZATION")


def _project(value: str | None) -> str | None:
    return _or_env(value, "OPENAI_PROJECT")


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@attrs.frozen(kw_only=True)
class ClientSettings:
    """Whom the session talks to, and as whom.

    Attributes:
        api_key: Else `OPENAI_API_KEY`. Never shown.
        organization: Else `OPENAI_ORGANIZATION`.
        project: Else `OPENAI_PROJECT`.
        base_url: Else `OPENAI_BASE_URL`, else the service; http and https are read as ws and wss.
        timeout_s: Lifetime of a session, at most `limits.OPENAI_MAX_TIMEOUT_S`.
        allow_insecure_key: Send the key over plain `ws://` to a host that is not this machine.
        ssl_context: For `wss`; the system's certificates when None.
    """

    api_key: str | None = attrs.field(default=None, converter=_key, validator=_header, repr=False)
    organization: str | None = attrs.field(default=None, converter=_organization, validator=_header)
    project: str | None = attrs.field(default=None, converter=_project, validator=_header)
    base_url: str = attrs.field(default=None, converter=_base_url, repr=lambda url: repr(shown_url(url)))
    timeout_s: float = limits.OPENAI_MAX_TIMEOUT_S
    allow_insecure_key: bool = attrs.field(default=False, validator=flag("client_config."))
    ssl_context: ssl.SSLContext | None = attrs.field(
        default=None,
        validator=attrs.validators.optional(
            instance_of("client_config.", ssl.SSLContext, "an ssl.SSLContext, or None")
        ),
        repr=False,
        eq=False,
    )

    def __attrs_post_init__(self) -> None:
        if not self.api_key:
            message = "OpenAI API key is required: pass client_config={'api_key': ...} or set OPENAI_API_KEY"
            raise ConfigError("client_config.api_key", None, "a key", message=message)
        self._check_timeout()
        parts = urlsplit(self.base_url)
        if parts.scheme == "ws" and not is_loopback(parts.hostname or "") and not self.allow_insecure_key:
            way_out = "wss://, or allow_insecure_key=True to send the key unencrypted all the same"
            raise ConfigError("client_config.base_url", shown_url(self.base_url), way_out)

    def _check_timeout(self) -> None:
        value, most = self.timeout_s, limits.OPENAI_MAX_TIMEOUT_S
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 < value <= most:
            message = f"timeout_s={value!r} is not possible: at most {most} s (max_timeout_s={most}), and above 0"
            raise ConfigError("client_config.timeout_s", value, f"above 0, at most {most}", message=message)

    def url(self, model: str) -> str:
        """Build the address of a conversation with `model`, whatever model the base names."""
        parts = urlsplit(self.base_url)
        path = parts.path if parts.path.endswith("/realtime") else parts.path + "/realtime"
        given = parse_qsl(parts.query, keep_blank_values=True)
        query = [*((name, value) for name, value in given if name != "model"), ("model", model)]
        return urlunsplit((parts.scheme, parts.netloc, path, urlencode(query, quote_via=quote), ""))

    def headers(self) -> list[tuple[str, str]]:
        """Build the headers that say who calls. Holds the key: for the transport only."""
        named = (("OpenAI-Organization", self.organization), ("OpenAI-Project", self.project))
        who = [(name, value) for name, value in named if value]
        return [("Authorization", f"Bearer {self.api_key}"), *who]
