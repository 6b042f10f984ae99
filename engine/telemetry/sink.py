"""What OpenTelemetry is told of a session: names, ids, times and token counts; never what anybody said."""

import importlib
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, ParamSpec

from engine.metering.tokens import TokenMeter
from engine.telemetry.instruments import Instruments
from engine.telemetry.spans import Spans
from engine.wire import server as wire
from engine.wire.client import ClientEvent, ConversationItemCreate
from engine.wire.items import FunctionCallItem, FunctionCallOutputItem, Item, McpCallItem
from engine.wire.response import Response

logger = logging.getLogger(__name__)

_P = ParamSpec("_P")

_LINK: Final = "link "
_RESPONSE: Final = "response "
_TOOL: Final = "tool "
_MOST_HELD: Final = 256
"""Responses and calls that are held until their end; the oldest are forgotten past it."""


class Telemetry:
    """Takes what goes by in a session. Whatever the telemetry's own code raises switches it off, and nothing else.

    Args:
        trace: The module `opentelemetry.trace`.
        tracer: Makes spans.
        instruments: Take figures.
        model: The session's model.
        connection_id: Names the session.
        now: What the session's clock says at this moment.
    """

    def __init__(
        self, trace: Any, tracer: Any, instruments: Instruments, *, model: str, connection_id: str, now: float
    ) -> None:
        self._spans = Spans(trace, tracer, now)
        self._instruments = instruments
        self._model = model
        self._connection_id = connection_id
        self._meter = TokenMeter()
        self._begun: dict[str, float] = {}
        self._calls: dict[str, tuple[str, float] | None] = {}
        # Name and time of each call; None once it is answered.
        self._waiting: dict[str, float] = {}
        self._started_at = now
        self._link = _LINK
        self._off = False
        self._handlers: Mapping[type, Callable[[Any, float], None]] = {
            wire.ResponseOutputAudioDelta: self._piece,
            wire.ResponseOutputAudioTranscriptDelta: self._piece,
            wire.ResponseOutputTextDelta: self._piece,
            wire.ResponseCreated: self._created,
            wire.ResponseDone: self._done,
            wire.ResponseOutputItemDone: self._item_done,
            wire.ResponseMcpCallCompleted: self._mcp_answered,
            wire.ResponseMcpCallFailed: self._mcp_answered,
            wire.ErrorReported: self._error,
        }

    # --- what it is told --------------------------------------------------------------------------------------

    def session_started(self, now: float) -> None:
        """The session begins; its span is below the one that is current in this task, if one is."""
        attributes = {**self._common(), "session.id": self._connection_id}
        self._do(self._spans.begin_root, f"realtime_session {self._model}", now, attributes)

    def link_opened(self, now: float, address: str | None = None, port: int | None = None, link: int = 1) -> None:
        """A connection is open; the responses from now on are on it.

        Args:
            now: When.
            address: The server's name.
            port: Its port.
            link: Counts the session's connections.
        """
        attributes: dict[str, Any] = {**self._common(), "realtime.link": link}
        given = {"server.address": address, "server.port": port}
        attributes.update({name: value for name, value in given.items() if value is not None})
        self._link = f"{_LINK}{link}"
        self._do(self._spans.begin, self._link, "realtime_link", now, attributes, client=True)

    def link_closed(self, now: float, error: str | None = None, link: int = 1) -> None:
        """A connection is closed, in order or by what has this name, and with it the responses that ran on it.

        Calls of tools go on: their results go over the next one.
        """
        self._do(self._spans.end_below, f"{_LINK}{link}", now, error or "link_closed")
        self._do(self._spans.end, f"{_LINK}{link}", now, None, error)

    def observe(self, event: wire.ServerEvent, now: float) -> None:
        """Take a server event that arrived at `now`."""
        handler = self._handlers.get(type(event))
        if handler is not None:
            self._do(handler, event, now)

    def sent(self, event: ClientEvent, now: float) -> None:
        """Take a client event that was sent at `now`; only tools' results matter."""
        if isinstance(event, ConversationItemCreate) and isinstance(event.item, FunctionCallOutputItem):
            self._do(self._answered, event.item.call_id, now, None)

    def latency(self, name: str, ms: float) -> None:
        """Take a turn's latency, as `TurnLog` tells it."""
        self._do(self._instruments.record, f"realtime.turn.{name}", ms / 1000, self._common())

    def interrupted(self) -> None:
        """An answer was cut off, as `TurnLog` tells it."""
        self._do(self._instruments.count, "realtime.interruptions", self._common())

    def session_ended(self, now: float, reason: str, error: str | None = None) -> None:
        """The session is over: all that is open ends with it.

        Args:
            now: When.
            reason: As in `BidiConnectionCloseEvent`.
            error: The type of the error that ended it, if one did.
        """
        attributes = {**self._common(), "realtime.session.end": reason}
        self._do(self._instruments.record, "realtime.session.duration", now - self._started_at, attributes)
        self._do(self._spans.end_all, now, {"realtime.session.end": reason}, error)

    def _do(self, what: Callable[_P, None], *args: _P.args, **kwargs: _P.kwargs) -> None:
        if self._off:
            return
        try:
            what(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - a span processor may raise anything, and must not end a talk
            self._off = True
            logger.warning("telemetry of session %s is off: %s", self._connection_id, type(error).__name__)

    def _common(self) -> dict[str, str]:
        return {"gen_ai.provider.name": "openai", "gen_ai.request.model": self._model}

    def _chat(self) -> dict[str, str]:
        return {"gen_ai.operation.name": "chat", **self._common()}

    # --- responses --------------------------------------------------------------------------------------------

    def _created(self, event: wire.ResponseCreated, now: float) -> None:
        response_id = event.response.id or "unknown"
        if response_id in self._begun:
            return
        _remember(self._begun, response_id, now)
        _remember(self._waiting, response_id, now)
        attributes = {**self._chat(), "gen_ai.conversation.id": self._connection_id, "gen_ai.response.id": response_id}
        if "text" in (event.response.output_modalities or ()):
            attributes["gen_ai.output.type"] = "text"
        elif event.response.output_modalities:
            attributes["gen_ai.output.type"] = "speech"
        key = _RESPONSE + response_id
        self._spans.begin(key, f"chat {self._model}", now, attributes, client=True, parent=self._link)

    def _piece(
        self,
        event: wire.ResponseOutputAudioDelta | wire.ResponseOutputAudioTranscriptDelta | wire.ResponseOutputTextDelta,
        now: float,
    ) -> None:
        # The hot path: all but the first piece of a response end here.
        if event.response_id in self._waiting:
            begun = self._waiting.pop(event.response_id)
            self._instruments.record("gen_ai.client.operation.time_to_first_chunk", now - begun, self._chat())
            self._spans.mark(_RESPONSE + event.response_id, "first_chunk", now)

    def _done(self, event: wire.ResponseDone, now: float) -> None:
        response = event.response
        tokens = self._meter.response_done(response)
        if tokens is None:
            return
        response_id = response.id or "unknown"
        self._waiting.pop(response_id, None)
        error = _error_of(response)
        told = self._chat() if error is None else {**self._chat(), "error.type": error}
        begun = self._begun.pop(response_id, None)
        if begun is not None:
            self._instruments.record("gen_ai.client.operation.duration", now - begun, told)
        self._instruments.tokens(tokens, self._chat())
        for item in response.output or ():
            self._item(item, response_id, now)
        attributes = {
            "gen_ai.usage.input_tokens": tokens.input,
            "gen_ai.usage.output_tokens": tokens.output,
            "gen_ai.usage.cache_read.input_tokens": tokens.cached,
            "gen_ai.response.finish_reasons": [_finish_reason(response)],
        }
        self._spans.end(_RESPONSE + response_id, now, attributes, error)

    # --- tools ------------------------------------------------------------------------------------------------

    def _item_done(self, event: wire.ResponseOutputItemDone, now: float) -> None:
        self._item(event.item, event.response_id, now)

    def _item(self, item: Item, response_id: str, now: float) -> None:
        if isinstance(item, FunctionCallItem) and item.call_id is not None:
            self._call(item.call_id, item.name, "function", response_id, now)
        elif isinstance(item, McpCallItem) and item.id is not None and item.output is None and item.error is None:
            self._call(item.id, item.name, "extension", response_id, now)

    def _call(self, call_id: str, name: str, kind: str, response_id: str, now: float) -> None:
        if call_id in self._calls:
            return
        _remember(self._calls, call_id, (name, now))
        attributes = {
            "gen_ai.operation.name": "execute_tool",
            **self._common(),
            "gen_ai.conversation.id": self._connection_id,
            "gen_ai.tool.name": name,
            "gen_ai.tool.call.id": call_id,
            "gen_ai.tool.type": kind,
        }
        parent = _RESPONSE + response_id
        self._spans.begin(_TOOL + call_id, f"execute_tool {name}", now, attributes, client=False, parent=parent)

    def _answered(self, call_id: str, now: float, error: str | None) -> None:
        called = self._calls.get(call_id)
        if called is None:
            return
        name, called_at = called
        self._calls[call_id] = None
        attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
        told = attributes if error is None else {**attributes, "error.type": error}
        self._instruments.record("gen_ai.execute_tool.duration", now - called_at, told)
        self._spans.end(_TOOL + call_id, now, None, error)

    def _mcp_answered(self, event: wire.ResponseMcpCallCompleted | wire.ResponseMcpCallFailed, now: float) -> None:
        failed = isinstance(event, wire.ResponseMcpCallFailed)
        self._answered(event.item_id, now, "mcp_call_failed" if failed else None)

    # --- errors -----------------------------------------------------------------------------------------------

    def _error(self, event: wire.ErrorReported, now: float) -> None:
        error = {"error.type": event.error.code or event.error.type or "unknown"}
        self._instruments.count("realtime.errors", {**self._common(), **error})
        self._spans.mark_root("error", now, error)


def open_telemetry(model: str, connection_id: str, now: float) -> Telemetry | None:
    """Make a session's telemetry, where the program has set OpenTelemetry up. Call it when the session starts.

    Who sets OpenTelemetry up has imported it. So where nobody did, this imports nothing either.

    Args:
        model: The session's model.
        connection_id: Names the session.
        now: What the session's clock says at this moment, in seconds.

    Returns:
        Telemetry, or None where neither spans nor metrics go anywhere.
    """
    if "opentelemetry.trace" not in sys.modules and "opentelemetry.metrics" not in sys.modules:
        return None
    try:
        return _set_up_by_the_program(model, connection_id, now)
    except Exception as error:  # noqa: BLE001 - a provider may raise anything, and must not keep a talk from beginning
        logger.warning("telemetry of session %s is off: %s", connection_id, type(error).__name__)
        return None


def _set_up_by_the_program(model: str, connection_id: str, now: float) -> Telemetry | None:
    trace, metrics = importlib.import_module("opentelemetry.trace"), importlib.import_module("opentelemetry.metrics")
    tracers, meters = trace.get_tracer_provider(), metrics.get_meter_provider()
    if not _is_set_up(tracers) and not _is_set_up(meters):
        return None
    version = importlib.import_module("importlib.metadata").version("realtime-engine")
    tracer, instruments = tracers.get_tracer("realtime-engine", version), Instruments.of(meters, version)
    return Telemetry(trace, tracer, instruments, model=model, connection_id=connection_id, now=now)


def _is_set_up(provider: Any) -> bool:
    """Tell a provider from the API's own, which stand for none."""
    return not type(provider).__module__.startswith(("opentelemetry.trace", "opentelemetry.metrics"))


def _remember(held: dict[str, Any], key: str, value: Any) -> None:
    held[key] = value
    if len(held) > _MOST_HELD:
        del held[next(iter(held))]


def _error_of(response: Response) -> str | None:
    if response.status != "failed":
        return None
    error = response.status_details.error if response.status_details is not None else None
    return (error.code or error.type or "failed") if error is not None else "failed"


def _finish_reason(response: Response) -> str:
    why = response.status_details
    return (why.reason if why is not None else None) or response.status or "completed"
