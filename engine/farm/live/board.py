"""The newest picture of a run for those who look at the page: made once, given to all, never queued."""

import json
from typing import Any, Final

import attrs
import orjson
import trio

from engine.farm.live.history import History, point_of
from engine.farm.live.view import view_of
from engine.farm.plan.model import Threshold
from engine.farm.snapshot import RunSnapshot

EVERY_S: Final = 1.0
"""Distance of the pictures."""


class Board:
    """Holds the newest picture. Who reads slowly misses some, and keeps nobody waiting.

    Args:
        thresholds: Of the plan.
    """

    def __init__(self, thresholds: tuple[Threshold, ...] = ()) -> None:
        self._thresholds = thresholds
        self._history = History(EVERY_S)
        self._news = trio.Event()
        self._shown_at_s = -EVERY_S
        self.snapshot: RunSnapshot | None = None
        """The newest, for those who count; None before the first."""
        self.picture = b""
        """The newest as JSON; empty before the first."""
        self.over = False
        """True when no further picture comes."""
        self._last_words = ""

    def show(self, snapshot: RunSnapshot) -> None:
        """Take a snapshot, and tell those who wait; not more often than `EVERY_S`, but for the last."""
        over = snapshot.phase == "over"
        changed = self.snapshot is None or self.snapshot.phase != snapshot.phase
        if not changed and snapshot.elapsed_s < self._shown_at_s + EVERY_S * 0.9:
            return
        self._shown_at_s = snapshot.elapsed_s
        if over and self.snapshot is not None:
            # The ledger's figures know nothing of turns that went with a worker; what Prometheus counts may not fall.
            self.snapshot = attrs.evolve(snapshot, figures=self.snapshot.figures)
        else:
            self.snapshot = snapshot
        view = view_of(snapshot, self._thresholds)
        self.picture = _json({**attrs.asdict(view), "point": self._point(snapshot), "over": over})
        self._tell()

    def _point(self, snapshot: RunSnapshot) -> dict[str, Any] | None:
        # What was before a resumption is not known while workers start: a line from nothing would be none that was.
        if snapshot.phase == "starting":
            return None
        point = point_of(snapshot)
        self._history.add(point)
        return attrs.asdict(point)

    def close(self, words: str = "") -> None:
        """Tell those who look that it is over.

        Args:
            words: What they are told beside, as where the report is.
        """
        self.over = True
        self._last_words = self._last_words or words
        self._tell()

    def history(self) -> bytes:
        """Give the run's course so far as JSON."""
        run: dict[str, Any] = {"points": self._history.columns()}
        if self.snapshot is not None:
            run.update(run_id=self.snapshot.run_id, name=self.snapshot.name)
        return _json(run)

    def last_words(self) -> bytes:
        """Give what is said at the end as JSON."""
        return _json({"words": self._last_words})

    async def news(self) -> None:
        """Wait for the next picture, or for the end."""
        if not self.over:
            await self._news.wait()

    def _tell(self) -> None:
        self._news.set()
        self._news = trio.Event()


def _json(value: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:
        # Half a surrogate, as the name of a folder that is no UTF-8 has.
        return json.dumps(value).encode()
