"""Settings of whom a session talks to, and as whom: address, key, headers, the way there, lifetime."""

import os
import re
import ssl
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import attrs

from engine import limits
from engine.config.addresses import (
    DEFAULT_BASE_URL,
    ENVIRONMENT,
    check_proxy,
    is_loopback,
    proxy_on_the_way,
    show_proxy,
    to_base_url,
)
from engine.config.azure import azure_settings
from engine.config.checks import flag, instance_of
from engine.config.headers import Headers, check_extra, header_name, header_value, is_header_value, to_pairs
from engine.errors import ConfigError, LocalMisuse, shown_url

__all__ = ["DEFAULT_BASE_URL", "ClientSettings", "Key", "is_call_id", "is_loopback"]

Key = str | Callable[[], str | Awaitable[str]]
"""A key, or what gives one at each connect: a plain function or an async one."""

_REALTIME: Final = "/realtime"
_CALL_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:~-]*")


T = TypeVar("T")


def _or_env(value: T | None, name: str) -> T | str | None:
    return (os.environ.get(name) if value is None else value) or None


def _key(value: Key | None) -> Key | None:
    return _or_env(value, "OPENAI_API_KEY")


def _organization(value: str | None) -> str | None:
    return _or_env(value, "OPENAI_ORGANIZATION")


def _project(value: str | None) -> str | None:
    return _or_env(value, "OPENAI_PROJECT")


def _check_key(this: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if not callable(value):
        header_value(this, attribute, value)


def is_call_id(value: object) -> bool:
    """Tell whether it can be a call's id, and stand in a path."""
    return isinstance(value, str) and _CALL_ID.fullmatch(value) is not None


def _check_call_id(_: Any, __: "attrs.Attribute[Any]", value: Any) -> None:
    if value is not None and not is_call_id(value):
        raise ConfigError("client_config.call_id", value, "the id of a call, as 'rtc_u1_9c6574da8b8a', or None")


def _check_model_parameter(_: Any, __: "attrs.Attribute[Any]", value: Any) -> None:
    if value is not None and not (isinstance(value, str) and value.isidentifier()):
        raise ConfigError("client_config.model_parameter", value, "'model', 'deployment', or None to name no model")


@attrs.frozen(kw_only=True)
class ClientSettings:
    """Whom the session talks to, and as whom.

    Attributes:
        api_key: Else `OPENAI_API_KEY`. Never shown. For a key that expires, a function without arguments that gives
            it: it is called at each connect. An async one is awaited where the application runs; a plain one runs in
            a thread of its own, for it may ask the network.
        organization: Else `OPENAI_ORGANIZATION`.
        project: Else `OPENAI_PROJECT`.
        safety_identifier: A stable, hashed name of the person at the other end, for the service's abuse checks. Not
            shown.
        base_url: Else `OPENAI_BASE_URL`, else the service; http and https are read as ws and wss.
        call_id: Join this WebRTC or SIP call, as its second ear, instead of a conversation of its own.
        key_header: Name of the header that the key goes in: after `Bearer` in `Authorization`, bare in any other.
        model_parameter: Name of the query parameter that names the model; None for a server that takes none.
        extra_headers: More headers, as a mapping or as pairs. Only their names are shown.
        proxy: The HTTP proxy on the way, as `http://user:password@host:3128`; `"environment"` for what `HTTPS_PROXY`,
            `ALL_PROXY` and `NO_PROXY` say, which never means this machine; None for none. The password is not shown.
        timeout_s: Lifetime of a connection, at most `limits.OPENAI_MAX_TIMEOUT_S`.
        allow_insecure_key: Send the key over plain `ws://` to a host that is not this machine.
        ssl_context: For `wss`; the system's certificates when None.
    """

    api_key: Key | None = attrs.field(default=None, converter=_key, validator=_check_key, repr=False)
    organization: str | None = attrs.field(default=None, converter=_organization, validator=header_value)
    project: str | None = attrs.field(default=None, converter=_project, validator=header_value)
    safety_identifier: str | None = attrs.field(default=None, validator=header_value, repr=False)
    base_url: str = attrs.field(default=None, converter=to_base_url, repr=lambda url: repr(shown_url(url)))
    call_id: str | None = attrs.field(default=None, validator=_check_call_id)
    key_header: str = attrs.field(default="Authorization", validator=header_name)
    model_parameter: str | None = attrs.field(default="model", validator=_check_model_parameter)
    extra_headers: Headers = attrs.field(
        default=(), converter=to_pairs, repr=lambda pairs: repr([name for name, _ in pairs])
    )
    proxy: str | None = attrs.field(default=ENVIRONMENT, validator=check_proxy, repr=show_proxy)
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
        check_extra(self.extra_headers, self.key_header)
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

    @classmethod
    def azure(
        cls,
        endpoint: str | None = None,
        *,
        api_key: Key | None = None,
        token: Key | None = None,
        api_version: str | None = None,
        **settings: Any,
    ) -> "ClientSettings":
        """Make the settings of a client of Azure OpenAI. The session's model is then the deployment's name.

        Args:
            endpoint: The resource's name or its address; else `AZURE_OPENAI_ENDPOINT`.
            api_key: The resource's key, which goes in the `api-key` header; else `AZURE_OPENAI_API_KEY`.
            token: A Microsoft Entra token instead, or (for it lives about an hour) a function that gives one; else
                `AZURE_OPENAI_AD_TOKEN`.
            api_version: For the old preview API only, whose address names a dated version and a deployment. Its events
                have other names, which are not translated.
            **settings: The other settings of this class.

        Raises:
            ConfigError: No endpoint or key is known, or a setting is wrong.
        """
        return cls(**{**azure_settings(endpoint, api_key, token, api_version), **settings})

    def url(self, model: str | None = None, *, intent: str | None = None, path: str = _REALTIME) -> str:
        """Build the address of a session, whatever model the base names.

        Args:
            model: For a conversation with it; None where the service is to take it from elsewhere.
            intent: `transcription` for a session that only writes down.
            path: `/realtime/translations` for a session that translates.
        """
        # A call has its model and its kind already.
        call = [("call_id", self.call_id)] if self.call_id else [("intent", intent), (self.model_parameter, model)]
        return self._address(urlsplit(self.base_url).scheme, path, call)

    def http_url(self, path: str) -> str:
        """Build the address of an HTTP request to the same server, as for `/realtime/client_secrets`."""
        return self._address({"ws": "http", "wss": "https"}[urlsplit(self.base_url).scheme], path, ())

    def _address(self, scheme: str, path: str, named: Iterable[tuple[str | None, str | None]]) -> str:
        parts = urlsplit(self.base_url)
        wanted = {name: value for name, value in named if name is not None and value is not None}
        given = parse_qsl(parts.query, keep_blank_values=True)
        kept = [(name, value) for name, value in given if name not in {self.model_parameter, *wanted}]
        query = urlencode([*kept, *wanted.items()], quote_via=quote)
        return urlunsplit((scheme, parts.netloc, parts.path.removesuffix(_REALTIME) + path, query, ""))

    def headers(self, key: str | None = None) -> list[tuple[str, str]]:
        """Build the headers that say who calls. Holds the key: for the transport only.

        Args:
            key: What `api_key` gave, where it is a function.

        Raises:
            LocalMisuse: `api_key` is a function, and what it gave is missing.
            ConfigError: The key can't be sent.
        """
        secret = self.api_key if key is None else key
        if callable(secret):
            raise LocalMisuse("api_key is a function | call it, and pass what it gives to headers()")
        if not is_header_value(secret):
            raise ConfigError("client_config.api_key", "(not shown)", "a function that gives a key that can be sent")
        bearer = "Bearer " if self.key_header.lower() == "authorization" else ""
        named = (
            ("OpenAI-Organization", self.organization),
            ("OpenAI-Project", self.project),
            ("OpenAI-Safety-Identifier", self.safety_identifier),
        )
        who = [(name, value) for name, value in named if value]
        return [(self.key_header, f"{bearer}{secret}"), *who, *self.extra_headers]

    def proxy_to(self, url: str) -> str | None:
        """Give the address of the proxy on the way to `url`, or None for none. It may hold a password.

        Raises:
            ConfigError: The environment names something that is no HTTP proxy.
        """
        return proxy_on_the_way(self.proxy, url)
