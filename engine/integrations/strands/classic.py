"""The engine as the `BidiModel` of `strands.experimental.bidi`, strands-agents 1.40 to 1.54.

Only one family of Strands can be installed, so its names are looked up here at run time.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, Final

from engine import errors
from engine.config import DEFAULT_MODEL, ClientSettings
from engine.errors import UnsupportedContent
from engine.events import (
    BidiAudioInputEvent,
    BidiAudioStreamEvent,
    BidiConnectionCloseEvent,
    BidiConnectionRestartEvent,
    BidiConnectionStartEvent,
    BidiErrorEvent,
    BidiImageInputEvent,
    BidiInterruptionEvent,
    BidiOutputEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    BidiUsageEvent,
    SessionInput,
    ToolResultEvent,
    ToolUseStreamEvent,
)
from engine.integrations.strands.bridge import Bridge
from engine.integrations.strands.engine_event import EngineEvent
from engine.integrations.strands.talk import STOPPED_HERE
from engine.transport.base import Connector

strands: Any = import_module("strands.experimental.bidi")
_models: Any = import_module("strands.experimental.bidi.models")
_events: Any = import_module("strands.experimental.bidi.types.events")


class BidiModelTimeoutError(errors.BidiModelTimeoutError, _models.BidiModelTimeoutError):  # type: ignore[misc]
    """The session's lifetime is over: the engine's error and Strands', so that an agent starts it anew."""

    def __init__(self, message: str, **restart_config: Any) -> None:
        super().__init__(message, **restart_config)
        self.args = (message,)  # Strands puts the error itself there.


def timeout(error: errors.BidiModelTimeoutError) -> BidiModelTimeoutError:
    """Give the error that an agent knows for one of the engine's."""
    known = BidiModelTimeoutError(str(error), **error.restart_config)
    known.limit_s = error.limit_s
    return known


def _restart(event: BidiConnectionRestartEvent) -> Any:
    error = event.timeout_error
    return _events.BidiConnectionRestartEvent(
        timeout(error) if isinstance(error, errors.BidiModelTimeoutError) else error
    )


def _close(event: BidiConnectionCloseEvent) -> Any:
    reason = "user_request" if event.reason == STOPPED_HERE else event.reason
    return _events.BidiConnectionCloseEvent(event.connection_id, reason)


TOLD: Final[Mapping[type, Callable[[Any], Any]]] = {
    BidiConnectionStartEvent: lambda one: _events.BidiConnectionStartEvent(one.connection_id, one.model),
    BidiConnectionRestartEvent: _restart,
    BidiResponseStartEvent: lambda one: _events.BidiResponseStartEvent(one.response_id),
    BidiAudioStreamEvent: lambda one: _events.BidiAudioStreamEvent(
        one.audio, one.format, one.sample_rate, one.channels
    ),
    BidiTranscriptStreamEvent: lambda one: _events.BidiTranscriptStreamEvent(
        dict(one.delta), one.text, one.role, one.is_final, one.current_transcript
    ),
    BidiInterruptionEvent: lambda one: _events.BidiInterruptionEvent(one.reason),
    BidiResponseCompleteEvent: lambda one: _events.BidiResponseCompleteEvent(one.response_id, one.stop_reason),
    BidiUsageEvent: lambda one: _events.BidiUsageEvent(
        one.input_tokens,
        one.output_tokens,
        one.total_tokens,
        [dict(each) for each in one.modality_details] or None,
        one.cache_read_input_tokens,
        one.cache_write_input_tokens,
    ),
    ToolUseStreamEvent: lambda one: strands.ToolUseStreamEvent(dict(one.delta), dict(one.current_tool_use)),
    BidiConnectionCloseEvent: _close,
    BidiErrorEvent: lambda one: _events.BidiErrorEvent(one.error, one.details),
}
"""Strands' event for each of the engine's; what is not here it has no class for."""

_TAKEN: Final[Mapping[type, Callable[[Any], SessionInput]]] = {
    _events.BidiTextInputEvent: lambda one: BidiTextInputEvent(one.text, one.role),
    _events.BidiAudioInputEvent: lambda one: BidiAudioInputEvent(one.audio, one.format, one.sample_rate, one.channels),
    _events.BidiImageInputEvent: lambda one: BidiImageInputEvent(one.image, one.mime_type),
    strands.ToolResultEvent: lambda one: ToolResultEvent(one.get("tool_result")),
}
_OURS: Final = (BidiTextInputEvent, BidiAudioInputEvent, BidiImageInputEvent, ToolResultEvent)


class Words:
    """What Strands calls what the engine tells."""

    def told(self, event: BidiOutputEvent) -> Sequence[Any]:
        """Give Strands' event."""
        made = TOLD.get(type(event), EngineEvent)(event)
        made.engine_event = event
        return (made,)

    def timeout(self, error: errors.BidiModelTimeoutError) -> Exception:
        """Give Strands' error."""
        return timeout(error)


def to_input(content: Any) -> SessionInput:
    """Give the engine's event for what an agent sends.

    Raises:
        UnsupportedContent: It is nothing that can be sent; the text says what can.
    """
    if isinstance(content, _OURS):
        return content
    make = next((make for known, make in _TAKEN.items() if isinstance(content, known)), None)
    if make is None:
        ways = ", ".join(known.__name__ for known in _TAKEN)
        raise UnsupportedContent(f"content_type={type(content).__name__} | content not supported; send one of {ways}")
    try:
        return make(content)
    except KeyError as missing:
        raise UnsupportedContent(f"{type(content).__name__} without {missing} | content not supported") from missing


class BidiOpenAIRealtimeModel(Bridge, _models.BidiModel):  # type: ignore[misc]
    """OpenAI's Realtime API for a `BidiAgent`, carried by the engine.

    Args:
        model_id: Model identifier.
        provider_config: As `engine.BidiOpenAIRealtimeModel` takes it.
        client_config: As `engine.BidiOpenAIRealtimeModel` takes it.
        connector: How to connect; the network when None.
        **kwargs: Other arguments are accepted and ignored.

    Raises:
        ConfigError: A setting can't be used; it is a `ValueError`.
    """

    _images_ask = False  # As with the facade.

    def __init__(
        self,
        model_id: str = DEFAULT_MODEL,
        provider_config: Mapping[str, Any] | None = None,
        client_config: Mapping[str, Any] | ClientSettings | None = None,
        *,
        connector: Connector | None = None,
        **kwargs: Any,  # noqa: ARG002 - the contract has them
    ) -> None:
        Bridge.__init__(self, model_id, provider_config, client_config, connector)

    def _words(self) -> Words:
        return Words()

    def _inputs(self, content: Any) -> list[SessionInput]:
        return [to_input(content)]
