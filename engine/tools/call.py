"""One call and what belongs to it: the call itself, what its tool may ask for, what came of it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

import attrs

from engine.errors import ConfigError
from engine.events import ToolUseStreamEvent

Ending = Literal["done", "failed", "timed_out", "interrupted", "refused"]
"""How a call ended: `refused` when its tool never ran."""

Blocks = Sequence[Mapping[str, Any]]
"""Content of a result: `{"text": ...}` and `{"json": ...}`."""


@attrs.frozen
class ToolCall:
    """A call, as the model made it.

    Attributes:
        call_id: Names it; the result's `toolUseId`.
        name: The tool, as the model wrote it.
        arguments: A JSON object.
        response_id: The response that made it.
    """

    call_id: str
    name: str
    arguments: Mapping[str, Any] = attrs.field(repr=False)
    response_id: str | None = None

    @classmethod
    def of(cls, event: ToolUseStreamEvent) -> "ToolCall":
        """Read the event that tells of it."""
        use = event.current_tool_use
        return cls(use["toolUseId"], use["name"], use["input"], event.response_id)


@attrs.frozen
class ToolContext:
    """Around a call: a parameter of this type is given to the function and kept out of its schema.

    Attributes:
        session: The session. A plain function runs in a worker thread: it reaches the session's methods through
            `trio.from_thread.run`, or on asyncio through `asyncio.run_coroutine_threadsafe` and the loop it knows.
        call_id: Names the call.
        name: The tool.
        response_id: The response that made the call.
    """

    session: Any = attrs.field(repr=False)
    call_id: str
    name: str
    response_id: str | None = None


def _function(_: Any, __: "attrs.Attribute[Any]", value: Any) -> None:
    if not callable(value):
        raise ConfigError("Deferred.work", type(value).__name__, "a function without arguments, not what it gives")


def _seconds(_: Any, __: "attrs.Attribute[Any]", value: Any) -> None:
    if value is not None and not value > 0:
        raise ConfigError("Deferred.deadline_s", value, "a number above 0, or None")


@attrs.frozen
class Deferred:
    """What a tool returns to answer later: the model goes on talking, and is told the result when it is there.

    Attributes:
        work: Gives the result, an async function or a plain one (run in a worker thread).
        note: What the model reads until then; words of ours when empty.
        deadline_s: How long the work may take; the tool's own when None.
    """

    work: Callable[[], Awaitable[Any] | Any] = attrs.field(validator=_function)
    note: str = attrs.field(default="", repr=False)
    deadline_s: float | None = attrs.field(default=None, validator=_seconds)


@attrs.frozen
class Outcome:
    """What came of a call.

    Attributes:
        ending: How it ended.
        content: What the model reads.
        exception: What the tool raised.
        later: Work whose result is told afterwards; `content` is what the model reads until then.
    """

    ending: Ending
    content: Blocks = attrs.field(repr=False)
    exception: Exception | None = attrs.field(default=None, repr=lambda error: type(error).__name__)
    later: Deferred | None = None


@attrs.frozen(kw_only=True)
class CallReport:
    """A call that is over, for logs, traces and turn logs.

    Attributes:
        call: The call.
        ending: How it ended.
        began_at: When it arrived, in seconds of Trio's clock.
        took_s: From then to its result; of a deferred tool, the one that came later.
        deferred: True when the model was answered before the result was there.
        exception: What the tool raised. The model knows its class and text, and nobody its traceback but you.
    """

    call: ToolCall
    ending: Ending
    began_at: float
    took_s: float
    deferred: bool
    exception: Exception | None = attrs.field(repr=lambda error: type(error).__name__)
