"""`BidiOpenAIRealtimeModel`: the session contract's four verbs, start, receive, send and stop, over a session."""

import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

import attrs
import trio

from engine.config import (
    DEFAULT_INSTRUCTIONS,
    DEFAULT_MODEL,
    WIRE_FORMATS,
    AudioSettings,
    ClientSettings,
    EngineSettings,
    SessionConfig,
)
from engine.config.settings import SETTINGS
from engine.errors import AlreadyStarted, ConfigError, NotStarted
from engine.event_stream import EventStream
from engine.events import BidiOutputEvent, SessionInput
from engine.hosts import home, in_event_loop, made
from engine.session import Session, SessionStatistics
from engine.transport.base import Connector

logger = logging.getLogger(__name__)

_INFERENCE_KEYS: Final = ("max_output_tokens", "output_modalities", "tool_choice")
_PROVIDER_KEYS: Final = ("audio", "inference", "session", "image_input", "engine")
_SESSION_KEYS: Final = tuple(name for name in SETTINGS if name not in {"instructions", "tools", *_INFERENCE_KEYS})
"""Settings that have no other place: `start` takes instructions and tools, and the contract has the inference's."""


class BidiOpenAIRealtimeModel:
    """A model to talk with: one session at a time, which may be started again after `stop`.

    It needs no nursery; it runs in whatever task calls it, on Trio, anyio or asyncio.

    Args:
        model_id: Model identifier.
        provider_config: `{"audio": {...}, "inference": {...}}`: see `engine.config.AudioSettings` and
            `SessionConfig`; `"session": {...}` has the other settings of `SessionConfig`, as `turn_detection` or
            `noise_reduction`; `"image_input": True` lets images be sent; `"engine": {...}` as `EngineSettings`.
        client_config: Fields of `engine.ClientSettings`, or one; what is missing comes from the environment.
        connector: How to connect; the network when None. Whatever the host, it runs in Trio.
        **kwargs: Other arguments are accepted and ignored.

    Raises:
        ConfigError: A setting can't be used; it is a `ValueError`.

    Attributes:
        model_id: As given.
        config: `{"audio": {...}, "inference": {...}}` with the defaults filled in; read at each `start`.
        api_key: The key in use.
        organization: As given or found in the environment.
        project: As given or found in the environment.
        timeout_s: Lifetime of a session, in seconds.
    """

    def __init__(
        self,
        model_id: str = DEFAULT_MODEL,
        provider_config: Mapping[str, Any] | None = None,
        client_config: Mapping[str, Any] | ClientSettings | None = None,
        *,
        connector: Connector | None = None,
        **kwargs: Any,  # noqa: ARG002 - the contract has them
    ) -> None:
        provider = _mapping(provider_config, "provider_config")
        for key in provider.keys() - set(_PROVIDER_KEYS):
            logger.warning("provider_config[%r] is not known and is ignored; known: %s", key, ", ".join(_PROVIDER_KEYS))
        self.model_id = model_id
        self.config: dict[str, Any] = {
            "audio": _audio_config(_mapping(provider.get("audio"), "audio")),
            "inference": deepcopy(_mapping(provider.get("inference"), "inference")),
        }
        self._settings = _session_config(_mapping(provider.get("session"), "session"))
        self._image_input: bool = provider.get("image_input", False)
        self._engine: EngineSettings = _settings(EngineSettings, _engine_config(provider.get("engine")), "engine")
        self._client: ClientSettings = _settings(ClientSettings, client_config, "client_config")
        self._connector = connector
        self._session: Session | None = None
        self._configure(None, None, None)  # A mistake shows here, not at `start`.

    @property
    def api_key(self) -> str:
        """The key in use; empty where `client_config` has a function that gives it."""
        return self._client.api_key if isinstance(self._client.api_key, str) else ""

    @property
    def organization(self) -> str | None:
        """As given or found in the environment."""
        return self._client.organization

    @property
    def project(self) -> str | None:
        """As given or found in the environment."""
        return self._client.project

    @property
    def timeout_s(self) -> float:
        """Lifetime of a session, in seconds."""
        return self._client.timeout_s

    @timeout_s.setter
    def timeout_s(self, value: float) -> None:
        self._client = attrs.evolve(self._client, timeout_s=value)

    @property
    def session(self) -> Session:
        """The session underneath, with its raw events and history.

        Raises:
            NotStarted: There is none.
        """
        if self._session is None:
            raise NotStarted("model not started | call start before sending or receiving")
        return self._session

    async def start(
        self,
        system_prompt: str | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        messages: Sequence[Mapping[str, Any]] | None = None,
        *,
        history: Sequence[Mapping[str, Any]] | None = None,
        nursery: trio.Nursery | None = None,
        **kwargs: Any,  # noqa: ARG002 - the contract has them
    ) -> None:
        """Connect, configure the session and replay history.

        Args:
            system_prompt: Instructions for the model.
            tools: `{"name", "description", "inputSchema"}` each.
            messages: What was said before.
            history: The same, where `messages` is None or empty: `BidiModelTimeoutError.restart_config` holds it, so
                that `start(..., **error.restart_config)` goes on with the talk.
            nursery: Where the session's tasks run, on Trio; a system task of the Trio run when None.
            **kwargs: Other arguments are accepted and ignored.

        Raises:
            AlreadyStarted: A session is open (a `RuntimeError`).
            LocalMisuse: A nursery was given, and the caller does not run on Trio.
            ConfigError: A setting, a tool or a message can't be used (a `ValueError`).
            ConnectionLost: No connection could be made. The model can be started again.
            DeadlinePassed: The service did not open the session in time.
            ServerReported: The service refused, as with a bad key.
        """
        if self._session is not None:
            raise AlreadyStarted("model already started | call stop before starting again")
        where = home(nursery)
        session = made(Session, self._configure(system_prompt, tools, messages or history), self._connector)
        self._session = session
        try:
            await session.start(where)
        except BaseException:
            # `stop` may have taken it away meanwhile, and another `start` put its own there.
            if self._session is session:
                self._session = None
            raise

    def receive(self) -> AsyncGenerator[BidiOutputEvent, None]:
        """Iterate over events, beginning with `BidiConnectionStartEvent`, until `BidiConnectionCloseEvent`.

        A loop may be left at any point: what was not taken stays for the next call.

        Raises:
            NotStarted: `start` was not called (a `RuntimeError`).
            BidiModelTimeoutError: The session's lifetime is over; `stop` and `start` again.
            ConnectionLost: The connection broke.
            ServerReported: The service ended the session with an error.
        """
        return EventStream(lambda: self.session.inbox)

    async def send(self, content: SessionInput) -> None:
        """Send text, audio, a tool result, or (by opt-in) an image.

        Raises:
            NotStarted: `start` was not called, or is still at work (a `RuntimeError`).
            UnsupportedContent: It can't be sent (a `ValueError`).
            SessionEnded: The session is over (a `RuntimeError`).
        """
        await self.session.send(content)

    async def stop(self) -> None:
        """End the session and leave nothing behind. May be repeated."""
        session, self._session = self._session, None
        if session is not None:
            await session.stop()
        elif not in_event_loop():
            await trio.lowlevel.cancel_shielded_checkpoint()

    def statistics(self) -> SessionStatistics:
        """Give a snapshot of the session.

        Raises:
            NotStarted: There is none.
        """
        return self.session.statistics()

    def _configure(
        self,
        system_prompt: str | None,
        tools: Sequence[Mapping[str, Any]] | None,
        messages: Sequence[Mapping[str, Any]] | None,
    ) -> SessionConfig:
        inference = self.config["inference"]
        for key in inference.keys() - set(_INFERENCE_KEYS):
            logger.warning("inference[%r] is not supported and is ignored", key)
        supported = {key: inference[key] for key in _INFERENCE_KEYS if key in inference}
        return SessionConfig(
            model=self.model_id,
            instructions=system_prompt or DEFAULT_INSTRUCTIONS,
            audio=_settings(AudioSettings, self.config["audio"], "audio"),
            tools=tools,
            history=messages or (),
            image_input=self._image_input,
            **self._settings,
            client=self._client,
            engine=self._engine,
            **supported,
        )


def _audio_config(given: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in the defaults, in the contract's order; rates follow the format."""
    rate = WIRE_FORMATS.get(str(given.get("format", "pcm")), WIRE_FORMATS["pcm"])[1]
    defaults = {"input_rate": rate, "output_rate": rate, "channels": 1, "format": "pcm", "voice": "alloy"}
    return defaults | deepcopy(dict(given))


def _engine_config(given: Any) -> Any:
    """Fill in the contract's defaults: the end of a connection is raised, and who calls starts again."""
    if isinstance(given, EngineSettings):
        return given
    return {"on_timeout": "raise", "reconnect": None, **_mapping(given, "engine")}


def _session_config(given: Mapping[str, Any]) -> dict[str, Any]:
    for key in given.keys() - set(_SESSION_KEYS):
        raise ConfigError(f"session.{key}", "(not shown)", "the keys " + ", ".join(_SESSION_KEYS))
    return deepcopy(dict(given))


def _settings(cls: Any, given: Any, where: str) -> Any:
    """Make settings of a mapping, naming a key that is wrong; or take them as they are."""
    if isinstance(given, cls):
        return given
    known = {field.name for field in cls.__attrs_attrs__}
    settings = _mapping(given, where)
    for key in settings.keys() - known:
        raise ConfigError(f"{where}.{key}", "(not shown)", "the keys " + ", ".join(sorted(known)))
    return cls(**settings)


def _mapping(given: Any, where: str) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        # By its type, for it may hold a key.
        raise ConfigError(where, type(given).__name__, "a mapping, or None")
    return dict(given)
