"""The spans of one session: a tree with explicit parents, of which every one is ended, however the session ends."""

import time
from typing import Any, Final

from engine.telemetry.instruments import Attributes

SPANS_OPEN_MAX: Final = 256
"""Responses and calls whose spans may be open at once; past it the oldest is ended as `forgotten`."""


class Spans:
    """Open spans by key.

    They are made in the task that sees the event and never made current: a session's tasks and those of the
    application see nothing of them in their own context.

    Args:
        trace: The module `opentelemetry.trace`.
        tracer: Makes spans.
        now: What the session's clock says at this moment.
    """

    def __init__(self, trace: Any, tracer: Any, now: float) -> None:
        self._trace = trace
        self._tracer = tracer
        self._epoch_ns = time.time_ns() - int(now * 1e9)
        self._open: dict[str, Any] = {}
        self._parents: dict[str, str] = {}
        self._root: Any = None

    def begin_root(self, name: str, now: float, attributes: Attributes) -> None:
        """Begin the session's span, below the span that is current in this task, if one is."""
        self._root = self._tracer.start_span(name, attributes=attributes, start_time=self._ns(now))

    def begin(self, key: str, name: str, now: float, attributes: Attributes, *, client: bool, parent: str = "") -> None:
        """Begin a span, below an open one or else below the session's."""
        if key in self._open:
            return
        if len(self._open) >= SPANS_OPEN_MAX:
            self.end(next(iter(self._open)), now, error="forgotten")
        kind = self._trace.SpanKind.CLIENT if client else self._trace.SpanKind.INTERNAL
        self._parents[key] = parent
        context = self._trace.set_span_in_context(self._open.get(parent, self._root))
        self._open[key] = self._tracer.start_span(
            name, context=context, kind=kind, attributes=attributes, start_time=self._ns(now)
        )

    def mark(self, key: str, name: str, now: float, attributes: Attributes | None = None) -> None:
        """Note a moment in an open span."""
        if key in self._open:
            self._open[key].add_event(name, attributes, timestamp=self._ns(now))

    def mark_root(self, name: str, now: float, attributes: Attributes) -> None:
        """Note a moment in the session's span."""
        if self._root is not None:
            self._root.add_event(name, attributes, timestamp=self._ns(now))

    def end(self, key: str, now: float, attributes: dict[str, Any] | None = None, error: str | None = None) -> None:
        """End a span, if it is open.

        Args:
            key: Which.
            now: When.
            attributes: What is known of it now.
            error: A name of what went wrong; None when nothing did.
        """
        span = self._open.pop(key, None)
        self._parents.pop(key, None)
        if span is not None:
            self._finish(span, now, attributes, error)

    def end_below(self, parent: str, now: float, error: str) -> None:
        """End the open spans that were begun right below one."""
        for key in [key for key, above in self._parents.items() if above == parent]:
            self.end(key, now, None, error)

    def end_all(self, now: float, attributes: dict[str, Any], error: str | None) -> None:
        """End whatever is open, the newest first, and the session's span last."""
        self._parents.clear()
        while self._open:
            self._finish(self._open.popitem()[1], now, None, "session_ended")
        root, self._root = self._root, None
        if root is not None:
            self._finish(root, now, attributes, error)

    def _finish(self, span: Any, now: float, attributes: dict[str, Any] | None, error: str | None) -> None:
        if attributes:
            span.set_attributes(attributes)
        if error is not None:
            span.set_attribute("error.type", error)
            span.set_status(self._trace.StatusCode.ERROR, error)
        span.end(end_time=self._ns(now))

    def _ns(self, now: float) -> int:
        return self._epoch_ns + int(now * 1e9)
