"""Settings of one session: the plan's, the scenario's over them, and whom to call."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

from engine.config.addresses import DEFAULT_BASE_URL
from engine.config.audio import AudioSettings
from engine.config.client import ClientSettings
from engine.config.engine import EngineSettings
from engine.config.headers import to_pairs
from engine.config.reconnect import Reconnect
from engine.config.session import SessionConfig
from engine.errors import ConfigError
from engine.farm.plan.homes import home_of
from engine.farm.plan.model import Json, Plan, Scenario, Target
from engine.farm.plan.nearest import did_you_mean

ANY_KEY: Final = "the-simulator-takes-any-key"
"""What the simulator is given for a key."""

NOBODY: Final = "ws://127.0.0.1:9/v1"
"""The simulator's address as long as it is not started: the port of `discard`, where nobody listens."""

REQUEST_ID_HEADER: Final = "X-Client-Request-Id"
"""Header that names a request for OpenAI's logs and ours (OpenAI, API reference, debugging requests)."""


def _fields(cls: type, *left_out: str) -> tuple[str, ...]:
    return tuple(field.name for field in attrs.fields(cls) if field.name not in left_out)


PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "": _fields(SessionConfig, "client"),
    # The caller speaks and hears PCM16 at 24 kHz; what a plan can choose is what goes over the wire.
    "audio": ("wire_format", "voice"),
    "engine": _fields(EngineSettings),
    "engine.reconnect": _fields(Reconnect),
    "client": _fields(ClientSettings, "api_key", "base_url", "call_id", "ssl_context"),
}
"""Settings that a plan may have, by the part that they stand in."""

_ELSEWHERE: Final[Mapping[str, str]] = {
    "client.api_key": "the environment: a plan holds no key, and target.key_env names the variable",
    "client.base_url": "[target], as kind = 'url' and url = 'wss://…'",
    "client.call_id": "no plan: a farm's sessions are its own",
    "client.ssl_context": "no plan: it can't be written down",
    "audio.format": "wire_format: the caller speaks and hears pcm, and the engine converts",
    "audio.input_rate": "wire_format, whose rate is fixed",
    "audio.output_rate": "wire_format, whose rate is fixed",
    "audio.channels": "no plan: a caller has one mouth",
}
_SWITCHES: Final = frozenset({"parallel_tool_calls", "image_input", "engine.fill_silence", "client.allow_insecure_key"})
"""Settings of which false is a value of its own; of all others it stands for None, which TOML can't write."""


def session_config(
    plan: Plan,
    scenario: Scenario,
    *,
    base_url: str | None = None,
    attempt_id: str | None = None,
    key: str | None = None,
) -> SessionConfig:
    """Make the settings of one session. Tools are not in it, but for MCP servers: the caller brings them.

    Args:
        plan: For its session's settings and its target.
        scenario: Rendered: its settings go over the plan's.
        base_url: Where to connect; None where the plan's target says it.
        attempt_id: Goes to the service in the header `X-Client-Request-Id`.
        key: Of the service; None takes any for the simulator, else the environment's.

    Raises:
        ConfigError: A setting is not known or not possible; its `field` begins with `session.`.
    """
    given = joined(plan.session, scenario.session)
    check_names(given)
    rest = {name: value for name, value in given.items() if name not in {"audio", "engine", "client"}}
    try:
        return SessionConfig(
            **_nones(rest, ""),
            audio=AudioSettings(**_nones(_part(given, "audio"), "audio.")),
            engine=_engine(_part(given, "engine")),
            client=_client(_part(given, "client"), plan.target, base_url or plan.target.url, attempt_id, key),
        )
    except ConfigError as error:
        raise _as_written(error) from error


def joined(under: Json, over: Json) -> dict[str, Any]:
    """Put settings over others; `audio`, `engine` and `client` are joined key by key, all else as a whole."""
    both = {**under, **over}
    for name in ("audio", "engine", "client"):
        if isinstance(under.get(name), Mapping) and isinstance(over.get(name), Mapping):
            both[name] = {**under[name], **over[name]}
    return both


def check_names(given: Json, where: str = "session") -> None:
    """Refuse settings that a plan can't have.

    Raises:
        ConfigError: There is one; the message names the nearest.
    """
    for part, names in PARTS.items():
        for name in _part(given, part):
            if name not in names and not (part == "" and name == "client"):
                raise _unknown(where, part, name, names)
    for index, tool in enumerate(_listed(given.get("tools"))):
        if not (isinstance(tool, Mapping) and tool.get("type") == "mcp"):
            allowed = "MCP servers (type = 'mcp'); functions and canned answers are [[scenario.tool]]"
            raise ConfigError(f"{where}.tools[{index}]", tool, allowed)


def _unknown(where: str, part: str, name: str, names: Iterable[str]) -> ConfigError:
    inner = f"{part}.{name}" if part else name
    path = f"{where}.{inner}"
    if inner in _ELSEWHERE:
        return ConfigError(path, "(given)", _ELSEWHERE[inner], message=f"{path} belongs elsewhere: {_ELSEWHERE[inner]}")
    allowed = "the keys " + ", ".join(names)
    if home := home_of(name):
        return ConfigError(path, "(elsewhere)", allowed, message=f"{path} belongs {home}")
    message = f"{path} is not known{did_you_mean(name, names)}; allowed: {allowed}"
    return ConfigError(path, "(not known)", allowed, message=message)


def _listed(given: Any) -> Iterable[Any]:
    return given if isinstance(given, (list, tuple)) else ()


def _part(given: Json, part: str) -> Json:
    for name in part.split(".") if part else ():
        below = given.get(name, {})
        if below is False and name == "reconnect":
            return {}
        if not isinstance(below, Mapping):
            raise ConfigError(f"session.{part}", below, "a table")
        given = below
    return given


def _nones(given: Json, prefix: str) -> dict[str, Any]:
    return {name: None if value is False and prefix + name not in _SWITCHES else value for name, value in given.items()}


def _engine(given: Json) -> EngineSettings:
    settings = _nones(given, "engine.")
    reconnect = settings.get("reconnect")
    if isinstance(reconnect, Mapping):
        settings["reconnect"] = Reconnect(**reconnect)
    return EngineSettings(**settings)


def _client(given: Json, target: Target, url: str | None, attempt_id: str | None, key: str | None) -> ClientSettings:
    settings = _nones(given, "client.")
    is_simulator = target.kind == "simulator"
    settings["base_url"] = url or (NOBODY if is_simulator else DEFAULT_BASE_URL)
    if key is not None or is_simulator:
        settings["api_key"] = key or ANY_KEY
    if attempt_id is not None:
        settings["extra_headers"] = (*to_pairs(settings.get("extra_headers", ())), (REQUEST_ID_HEADER, attempt_id))
    return ClientSettings(**settings)


def _as_written(error: ConfigError) -> ConfigError:
    """Name a setting as the plan does."""
    field = "session." + error.field.replace("client_config.", "client.").removeprefix("inference.")
    message = str(error).replace(error.field, field, 1)
    if error.allowed.startswith(_KEYS):
        known = error.allowed.removeprefix(_KEYS).split(", ")
        message = f"{field} is not known{did_you_mean(field.rpartition('.')[2], known)}; allowed: {error.allowed}"
    return ConfigError(
        field, error.value, error.allowed, message=message if field in message else f"{field}: {message}"
    )


_KEYS: Final = "the keys "
"""How `engine.config` begins when it says which keys there are."""
