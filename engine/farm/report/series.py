"""Values for the charts: each metric's values with their time and session, and how many sessions ran when."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from engine.farm.figures import Figures
from engine.farm.job import Result, TurnResult
from engine.farm.metrics import METRICS

MOST_POINTS: Final = 50_000
"""Values of one metric that are put into a page; of more, every n-th."""

MOST_MOMENTS: Final = 400
"""Columns of the chart of sessions that ran."""

_TURN_METRICS: Final[Mapping[str, str]] = {
    "time_to_first_audio": "time_to_first_audio_ms",
    "time_to_first_text": "time_to_first_text_ms",
    "time_to_first_audio_heard": "time_to_first_audio_heard_ms",
    "response_time": "response_ms",
    "interruption_latency": "interruption_latency_ms",
    "word_error_rate": "word_error_rate",
}
"""Metrics with a value a turn: the moment of the turn is known, not only that of the session."""


class Series:
    """Collects one metric's values.

    Args:
        metric: Its name.
        values: How many will come.
    """

    def __init__(self, metric: str, values: int) -> None:
        self._metric = metric
        self.stride = max(1, -(-values // MOST_POINTS))
        self._seen = 0
        self.row: list[int] = []
        self.at_s: list[float] = []
        self.value: list[float] = []

    def add(self, row: int, result: Result, at_s: Callable[[float], float]) -> None:
        """Take a result's values.

        Args:
            row: Of its session in the page's table.
            result: Whose.
            at_s: Gives the run's time.
        """
        for offset_ms, value in _timed(self._metric, result):
            if self._seen % self.stride == 0:
                self.row.append(row)
                self.at_s.append(round(at_s(result.began_at + offset_ms / 1000), 3))
                self.value.append(float(f"{value:.5g}"))
            self._seen += 1

    def to_json(self) -> dict[str, Any]:
        """Give it for the page."""
        return {"row": self.row, "at_s": self.at_s, "value": self.value, "stride": self.stride}


def _timed(metric: str, result: Result) -> list[tuple[float, float]]:
    if metric not in _TURN_METRICS:
        return [(0.0, value) for value in METRICS[metric].read(result)]
    read = _TURN_METRICS[metric]
    return [(_moment_ms(turn), value) for turn in result.turns if (value := getattr(turn, read)) is not None]


def _moment_ms(turn: TurnResult) -> float:
    return turn.began_at_ms if turn.asked_at_ms is None else turn.asked_at_ms


def series_of(figures: Figures) -> dict[str, Series]:
    """Begin the series of all metrics that have values."""
    trends = [name for name, metric in METRICS.items() if metric.kind == "trend"]
    return {name: Series(name, figures.count(name)) for name in trends if figures.count(name)}


class Running:
    """Collects when sessions ran.

    Args:
        duration_s: Of the run.
    """

    def __init__(self, duration_s: float) -> None:
        self._step_s = max(duration_s / MOST_MOMENTS, 0.1)
        columns = int(duration_s / self._step_s) + 2
        self._changes = [0] * (columns + 1)
        self._broken = [0] * columns
        self._started = [0] * columns

    def add(self, began_s: float, ended_s: float, *, broken: bool) -> None:
        """Take a try."""
        first, last = self._column(began_s), self._column(ended_s)
        self._changes[first] += 1
        self._changes[last + 1] -= 1
        self._started[first] += 1
        self._broken[last] += broken

    def _column(self, at_s: float) -> int:
        return min(max(int(at_s / self._step_s), 0), len(self._started) - 1)

    def to_json(self) -> dict[str, Any]:
        """Give, for each moment, the sessions that ran in it, that started and that broke."""
        active, running = [], 0
        for change in self._changes[:-1]:
            running += change
            active.append(running)
        return {"step_s": self._step_s, "active": active, "started": self._started, "broken": self._broken}
