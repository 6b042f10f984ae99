"""Azure OpenAI in settings: a resource becomes an address, and its key or token the header that it goes in."""

import os
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlunsplit

from engine.config.addresses import split_url
from engine.errors import ConfigError, shown_url

_RESOURCE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_NO_KEY: Final = (
    "Azure OpenAI key is required: pass api_key=... or token=..., or set AZURE_OPENAI_API_KEY or AZURE_OPENAI_AD_TOKEN"
)


def azure_settings(endpoint: Any, api_key: Any, token: Any, api_version: Any) -> Mapping[str, Any]:
    """Give the settings of a client of Azure OpenAI.

    The variables of OpenAI's own accounts are left alone: neither that key nor the organisation goes to Azure.

    Raises:
        ConfigError: No endpoint or no key is known, or both kinds of key are given.
    """
    given: Mapping[str, Any] = {
        name: value for name, value in (("api_key", api_key), ("token", token)) if value is not None
    }
    if len(given) > 1:
        raise ConfigError("azure.token", "(not shown)", "one of api_key and token, not both")
    if not given:
        given = _keys_of_environment()
    header = "api-key" if "api_key" in given else "Authorization"
    address = _address(endpoint or os.environ.get("AZURE_OPENAI_ENDPOINT"), api_version)
    (key,) = given.values()
    # An empty name is none, also where the environment has one.
    return {"organization": "", "project": "", "api_key": key, "key_header": header, **address}


def _keys_of_environment() -> Mapping[str, str]:
    for name, variable in (("api_key", "AZURE_OPENAI_API_KEY"), ("token", "AZURE_OPENAI_AD_TOKEN")):
        if value := os.environ.get(variable):
            return {name: value}
    raise ConfigError("azure.api_key", None, "a key or a token", message=_NO_KEY)


def _address(endpoint: Any, api_version: Any) -> Mapping[str, str]:
    resource = isinstance(endpoint, str) and _RESOURCE.fullmatch(endpoint)
    parts = split_url(f"https://{endpoint}.openai.azure.com" if resource else endpoint)
    if parts is None or parts.scheme not in {"https", "wss", "http", "ws"} or not parts.hostname:
        allowed = "a resource's name, or its address as https://name.openai.azure.com; else AZURE_OPENAI_ENDPOINT"
        raise ConfigError("azure.endpoint", endpoint and shown_url(endpoint), allowed)
    path = parts.path.rstrip("/")
    if api_version is None:
        path = path if "/openai" in path else f"{path}/openai/v1"
        return {"base_url": urlunsplit((parts.scheme, parts.netloc, path, parts.query, ""))}
    if not isinstance(api_version, str) or not api_version:
        raise ConfigError("azure.api_version", api_version, "a version's name, or None for the current API")
    path = path if "/openai" in path else f"{path}/openai"
    query = f"api-version={quote(api_version, safe='')}"
    return {
        "base_url": urlunsplit((parts.scheme, parts.netloc, path, query, "")),
        "model_parameter": "deployment",
    }
