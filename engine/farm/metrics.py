"""The figures of a run: names, units, and where each comes from in a result. One table for all who show them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal

import attrs

from engine.farm.job import Result

Unit = Literal["ms", "share", "count", "usd"]


def _of_turns(name: str) -> Callable[[Result], Iterable[float]]:
    def read(result: Result) -> Iterable[float]:
        values = (getattr(turn, name) for turn in result.turns)
        return [value for value in values if value is not None]

    return read


@attrs.frozen
class Metric:
    """A figure.

    Attributes:
        unit: Of its values.
        about: What it is, in words.
        read: Its values in one result: one a turn, or one a session.
        kind: `trend`: a distribution, with percentiles. `rate`: values 0 and 1, shown as their share. `sum`: added up.
    """

    unit: Unit
    about: str
    read: Callable[[Result], Iterable[float]]
    kind: Literal["trend", "rate", "sum"] = "trend"


METRICS: Final[Mapping[str, Metric]] = {
    "time_to_first_audio": Metric("ms", "caller through to first audio, a turn", _of_turns("time_to_first_audio_ms")),
    "time_to_first_text": Metric("ms", "caller through to first text, a turn", _of_turns("time_to_first_text_ms")),
    "time_to_first_audio_heard": Metric(
        "ms", "caller through to first sound heard, a turn", _of_turns("time_to_first_audio_heard_ms")
    ),
    "response_time": Metric("ms", "caller through to the answer's end, a turn", _of_turns("response_ms")),
    "interruption_latency": Metric(
        "ms", "the service hears the caller until the agent falls silent", _of_turns("interruption_latency_ms")
    ),
    "word_error_rate": Metric("share", "words that the service misheard, a turn", _of_turns("word_error_rate")),
    "tool_time": Metric(
        "ms",
        "a tool's call to its result",
        lambda result: [use.duration_ms for turn in result.turns for use in turn.tools if use.duration_ms is not None],
    ),
    "connect_time": Metric(
        "ms", "until a session is open", lambda result: [] if result.connect_ms is None else [result.connect_ms]
    ),
    "session_time": Metric("ms", "a session's length", lambda result: [result.duration_ms]),
    "session_cost": Metric("usd", "a session's cost", lambda r: [] if r.cost_usd is None else [r.cost_usd]),
    "session_tokens": Metric("count", "a session's tokens", lambda result: [float(result.tokens)]),
    "error_rate": Metric("share", "sessions that broke", lambda r: [float(r.status in ("error", "lost"))], kind="rate"),
    "failure_rate": Metric(
        "share",
        "sessions that broke, or of which an expectation failed",
        lambda r: [float(r.status != "passed")],
        kind="rate",
    ),
    "check_rate": Metric(
        "share", "expectations that held", lambda result: [float(v.held) for v in result.verdicts], kind="rate"
    ),
    "sessions": Metric("count", "sessions that ended", lambda _: [1.0], kind="sum"),
    "turns": Metric("count", "turns", lambda result: [float(len(result.turns))], kind="sum"),
    "errors": Metric("count", "sessions that broke", lambda r: [float(r.status in ("error", "lost"))], kind="sum"),
    "tokens": Metric("count", "tokens of all sessions", lambda result: [float(result.tokens)], kind="sum"),
    "cost": Metric("usd", "cost of all sessions", lambda r: [r.cost_usd or 0.0], kind="sum"),
}
"""By name, as thresholds and reports call them. Values come from final results; `stopped` ones don't count."""
