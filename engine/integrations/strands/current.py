"""The engine as the `BidiModel` of `strands.bidi`, strands-agents from 1.58 on."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from strands.bidi.models import AudioConfig, AudioStreamConfig, BidiModel, ConnectionConfig

from engine.config import DEFAULT_MODEL, AudioSettings, ClientSettings, EngineSettings
from engine.errors import ConfigError
from engine.events import SessionInput
from engine.facade import BidiOpenAIRealtimeModel as Facade
from engine.integrations.strands.bridge import Bridge
from engine.integrations.strands.current_words import BidiModelTimeoutError, Words, to_inputs
from engine.integrations.strands.messages import Message
from engine.transport.base import Connector

__all__ = ["BidiModelTimeoutError", "BidiOpenAIRealtimeModel"]

RESTART_MARGIN_S: Final = 60
"""An agent restarts so long before the session's lifetime is over. It waits up to 10 s for a turn to end, and then for
the new connection."""

_CHANGEABLE: Final = ("model_id", "audio", "inference", "connection")


class BidiOpenAIRealtimeModel(Bridge, BidiModel):
    """OpenAI's Realtime API for a `BidiAgent`, carried by the engine.

    Args:
        model_id: Model identifier.
        provider_config: As `engine.BidiOpenAIRealtimeModel` takes it, but that images can be sent unless
            `"image_input": False` forbids it.
        client_config: As `engine.BidiOpenAIRealtimeModel` takes it.
        connector: How to connect; the network when None.
        connection: Strands' `restart_after_s` and `auto_restart`. The agent restarts `RESTART_MARGIN_S` before the
            session's lifetime is over, unless the engine renews the connection by itself.
        **kwargs: Other arguments are accepted and ignored.

    Raises:
        ConfigError: A setting can't be used; it is a `ValueError`.
    """

    def __init__(
        self,
        model_id: str = DEFAULT_MODEL,
        provider_config: Mapping[str, Any] | None = None,
        client_config: Mapping[str, Any] | ClientSettings | None = None,
        *,
        connector: Connector | None = None,
        connection: Mapping[str, Any] | None = None,
        **kwargs: Any,  # noqa: ARG002 - the contract has them
    ) -> None:
        if provider_config is None or isinstance(provider_config, Mapping):
            provider_config = {"image_input": True, **(provider_config or {})}
        Bridge.__init__(self, model_id, provider_config, client_config, connector)
        # A function, as it keeps the key out of sight.
        self._again: Callable[[str, dict[str, Any]], Facade] = lambda model_id, config: Facade(
            model_id, {**provider_config, **config}, client_config
        )
        self._connection = _connection(connection)
        engine = provider_config.get("engine") or {}
        given = engine.on_timeout if isinstance(engine, EngineSettings) else engine.get("on_timeout")
        self._renews = given == "renew"

    # --- what Strands asks a model ----------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Give `model_id`, `audio`, `inference` and `connection`, as they stand."""
        return {"model_id": self.model_id, **self.config, "connection": self.get_connection_config()}

    def update_config(self, **changes: Any) -> None:
        """Change settings; they hold from the next `start` on.

        Args:
            **changes: `model_id`; `audio` and `inference` as in `provider_config`; `connection`.

        Raises:
            ConfigError: A setting can't be used; nothing is changed.
        """
        for name in changes.keys() - set(_CHANGEABLE):
            raise ConfigError(name, "(not shown)", "the settings " + ", ".join(_CHANGEABLE))
        connection = _connection({**self._connection, **changes.pop("connection", {})})
        model_id = changes.pop("model_id", self.model_id)
        config = {name: {**self.config[name], **changes.get(name, {})} for name in self.config}
        self._again(model_id, config)  # A mistake shows here.
        self._facade.model_id = model_id
        self._facade.config.update(config)
        self._connection = connection

    def get_connection_config(self) -> ConnectionConfig:
        """Say when the agent is to restart by itself: not at all where the engine renews the connection."""
        restart_after_s = int(self.timeout_s) - RESTART_MARGIN_S
        own: ConnectionConfig = {} if self._renews or restart_after_s <= 0 else {"restart_after_s": restart_after_s}
        return {**own, **self._connection}

    def get_audio_config(self) -> AudioConfig:
        """Say how the audio looks that is sent and received."""
        audio = self.config["audio"]
        channels, format = audio["channels"], audio["format"]
        return AudioConfig(
            input=AudioStreamConfig(sample_rate=audio["input_rate"], channels=channels, format=format),
            output=AudioStreamConfig(sample_rate=audio["output_rate"], channels=channels, format=format),
        )

    async def restart(
        self,
        system_prompt: str | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        messages: Sequence[Message] | None = None,
        **restart_config: Any,
    ) -> None:
        """End the session, and start another that goes on with the talk: tools that run give their results to it.

        Args:
            system_prompt: As for `start`.
            tools: As for `start`.
            messages: As for `start`.
            **restart_config: Of the error that ended the session, where one did.

        Raises:
            EngineError: As `start`.
        """
        running = [] if self._talk is None else list(self._talk.calls.values())
        await self.stop()
        await self.start(system_prompt, tools, messages, **{"open_calls": running, **restart_config})

    # --- what the bridge asks its version ---------------------------------------------------------------------

    def _words(self) -> Words:
        config = self.session.config
        detection = config.turn_detection
        return Words(
            written=tuple(config.output_modalities) == ("text",),
            transcribes=config.transcription is not None,
            interrupts=detection is not None and detection.interrupt_response is not False,
        )

    def _inputs(self, content: Any) -> list[SessionInput]:
        return to_inputs(content, self._audio())

    def _audio(self) -> AudioSettings:
        return self.session.config.audio


def _connection(given: Mapping[str, Any] | None) -> ConnectionConfig:
    known = ConnectionConfig.__optional_keys__ | ConnectionConfig.__required_keys__
    for name in (given or {}).keys() - known:
        raise ConfigError(f"connection.{name}", "(not shown)", "the keys " + ", ".join(sorted(known)))
    return cast("ConnectionConfig", dict(given or {}))
