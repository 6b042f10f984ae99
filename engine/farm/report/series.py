"""Values for the charts: each metric's values with their time and session, and how many sessions ran when."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from engine.farm.figures import Figures
from engine.farm.job import Result, TurnResult
from engine.farm.metrics import METRICS
from engine.farm.report.thinning import kept

MOST_POINTS: Final = 50_000
"""Values of one metric that are put into a page, about; of more, one in so many is drawn."""

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
            if kept(self._seen, self.stride):
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
        self._changes: list[tuple[float, int]] = []
        self._broken: list[float] = []
        self._duration_s = duration_s

    def add(self, began_s: float, ended_s: float, *, broken: bool) -> None:
        """Take a try."""
        # At one moment a session's end stands before another's begin: the second took the place of the first.
        if ended_s > began_s:
            self._changes += [(began_s, 1), (ended_s, -1)]
        if broken:
            self._broken.append(ended_s)

    @property
    def steps(self) -> list[tuple[float, int]]:
        """Give how many sessions ran from each moment on at which that changed."""
        active, made = 0, []
        for at_s, change in sorted(self._changes):
            active += change
            made.append((at_s, active))
        return made

    @property
    def most(self) -> int:
        """Tell how many sessions ran at a time, at most."""
        return max((active for _, active in self.steps), default=0)

    def to_json(self) -> dict[str, Any]:
        """Give the steps (of a long run, the most of each of `MOST_MOMENTS` columns), and tries that broke."""
        steps = self.steps
        if len(steps) > 2 * MOST_MOMENTS:
            steps = self._peaks(steps)
        step_s = max(self._duration_s, *self._broken, 1.0) / MOST_MOMENTS if self._broken else 1.0
        broken = Counter(int(at_s / step_s) for at_s in self._broken)
        return {
            "at_s": [round(at_s, 3) for at_s, _ in steps],
            "active": [active for _, active in steps],
            "broken_at_s": [round((column + 0.5) * step_s, 3) for column in sorted(broken)],
            "broken": [broken[column] for column in sorted(broken)],
            "broken_width_s": step_s,
        }

    def _peaks(self, steps: list[tuple[float, int]]) -> list[tuple[float, int]]:
        """Give the most that ran in each column: what ran at its begin, or more."""
        width_s = max(steps[-1][0], 1e-3) / MOST_MOMENTS
        peaks, running = [0] * (MOST_MOMENTS + 1), 0
        column = 0
        for at_s, active in steps:
            reached = min(int(at_s / width_s), MOST_MOMENTS)
            for passed in range(column + 1, reached + 1):
                peaks[passed] = running
            column, running = reached, active
            peaks[column] = max(peaks[column], active)
        return [(place * width_s, peak) for place, peak in enumerate(peaks[:-1])] + [(steps[-1][0], steps[-1][1])]
