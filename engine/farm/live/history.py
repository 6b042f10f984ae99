"""A run's course for the charts: as many points as a chart needs, however long the run takes."""

from typing import Any, Final

import attrs

from engine.farm.snapshot import RunSnapshot

POINTS_MAX: Final = 600
"""Points that are kept: a chart is seldom wider than this many pixels can tell apart."""

CHARTED: Final = "time_to_first_audio"
"""The latency that is drawn."""


@attrs.frozen
class Point:
    """A moment of a run.

    Attributes:
        at_s: Since the run began.
        active: Sessions that run.
        done: Jobs with a final result.
        broke: Tries that broke.
        starts_per_s: Lately.
        p50_ms: Of the time to first audio, lately; None where nobody waited for one.
        p95_ms: The same.
    """

    at_s: float
    active: int
    done: int
    broke: int
    starts_per_s: float
    p50_ms: float | None
    p95_ms: float | None


def point_of(snapshot: RunSnapshot) -> Point:
    """Take of a snapshot what the charts show."""
    p50, p95 = (snapshot.recent.percentile(CHARTED, percent) for percent in (50, 95))
    return Point(
        round(snapshot.elapsed_s, 1),
        snapshot.active,
        sum(snapshot.done.values()),
        sum(snapshot.errors.values()),
        round(snapshot.starts_per_s, 2),
        None if p50 is None else round(p50, 1),
        None if p95 is None else round(p95, 1),
    )


class History:
    """Points at even distances. When there are too many, every second one goes, and the distance doubles.

    Args:
        every_s: The first distance.
    """

    def __init__(self, every_s: float = 1.0) -> None:
        self._every_s = every_s
        self._points: list[Point] = []

    def add(self, point: Point) -> bool:
        """Keep a point, where the last one is far enough away.

        Returns:
            Whether it was kept.
        """
        if self._points and point.at_s < self._points[-1].at_s + self._every_s * 0.9:
            return False
        self._points.append(point)
        if len(self._points) > POINTS_MAX:
            del self._points[1::2]
            self._every_s *= 2
        return True

    def columns(self) -> dict[str, list[Any]]:
        """Give the points as one list for each figure, by its name."""
        return {field.name: [getattr(point, field.name) for point in self._points] for field in attrs.fields(Point)}
