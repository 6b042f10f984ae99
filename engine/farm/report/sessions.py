"""A page's table of sessions: one row a job, in columns, and all of its tries in blocks that are opened on demand."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson

from engine.farm.codec import to_json
from engine.farm.job import Result
from engine.farm.plan.rendering import as_text
from engine.farm.report.causes import why
from engine.farm.report.embedding import packed
from engine.farm.report.formatting import clipped

BLOCK_SESSIONS: Final = 50
"""Sessions of a block: opening one opens its block."""

MOST_WORDS: Final = 400
"""Characters of a cell."""

MOST_DETAILS_BYTES: Final = 48 * 2**20
"""Size of all blocks in the page, as text. Past it sessions that passed are told by their row alone."""

COLUMNS: Final = (
    "job", "scenario", "about", "status", "final", "kind", "why", "tries", "worker", "at_s", "duration_ms", "turns",
    "first_audio_ms", "response_ms", "word_error_rate", "tokens", "cost_usd", "failed", "sound",
)  # fmt: skip
"""Of the table, as the page's script calls them."""

Links = Callable[[Result], Mapping[str, str]]
"""Gives the addresses of a try's files, by kind."""


class Sessions:
    """Collects the rows and details of a page.

    Args:
        links: Gives addresses of files.
        values_of: Gives what a job was about, by its number.
        most_details_bytes: See `MOST_DETAILS_BYTES`.
    """

    def __init__(
        self,
        links: Links,
        values_of: Callable[[int], Mapping[str, Any]],
        *,
        most_details_bytes: int = MOST_DETAILS_BYTES,
    ) -> None:
        self._links, self._values_of, self._room = links, values_of, most_details_bytes
        self.columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self.block: list[int] = []
        self.blocks: list[str] = []
        self.expectations: dict[str, int] = {}
        """Expectations that failed somewhere, numbered: column `failed` names them so."""
        self.without_details = 0
        """Sessions for whose details the page had no room."""
        self._open: list[bytes] = []
        self._waiting: list[int] = []

    def __len__(self) -> int:
        return len(self.block)

    def add(self, tries: Sequence[Result], *, final: bool, at_s: float) -> None:
        """Take a job: its tries, whether the last one is final, and when that began."""
        last, values = tries[-1], self._values_of(tries[-1].job)
        for name, cell in _cells(last, values, final=final, tries=len(tries), at_s=at_s).items():
            self.columns[name].append(cell)
        self.columns["failed"].append([self._number(one.expected) for one in last.verdicts if not one.held])
        self.block.append(-1)
        if self._room <= 0 and last.status == "passed":
            self.without_details += 1
            return
        told = [{**self._file_links(one), "result": orjson.Fragment(to_json(one))} for one in tries]
        self._open.append(orjson.dumps({"job": last.job, "values": _plain(values), "tries": told}))
        self._waiting.append(len(self.block) - 1)
        if len(self._open) == BLOCK_SESSIONS:
            self.close()

    def _number(self, expected: str) -> int:
        return self.expectations.setdefault(expected, len(self.expectations))

    def _file_links(self, result: Result) -> dict[str, Any]:
        return {"files": dict(self._links(result))} if result.files else {}

    def close(self) -> None:
        """Pack what waits."""
        if not self._open:
            return
        block = packed(b"[" + b",".join(self._open) + b"]")
        for row in self._waiting:
            self.block[row] = len(self.blocks)
        self.blocks.append(block)
        self._room -= len(block)
        self._open, self._waiting = [], []


def _cells(last: Result, values: Mapping[str, Any], *, final: bool, tries: int, at_s: float) -> dict[str, Any]:
    rates = [turn.word_error_rate for turn in last.turns if turn.word_error_rate is not None]
    return {
        "job": last.job,
        "scenario": last.scenario,
        "about": clipped(about(values), MOST_WORDS),
        "status": last.status,
        "final": int(final),
        "kind": last.error_kind or "",
        "why": clipped(why(last), MOST_WORDS),
        "tries": tries,
        "worker": last.worker,
        "at_s": round(at_s, 3),
        "duration_ms": round(last.duration_ms, 1),
        "turns": len(last.turns),
        "first_audio_ms": _slowest(turn.time_to_first_audio_ms for turn in last.turns),
        "response_ms": _slowest(turn.response_ms for turn in last.turns),
        "word_error_rate": round(sum(rates) / len(rates), 4) if rates else None,
        "tokens": last.tokens,
        "cost_usd": last.cost_usd,
        "sound": int(any(file.kind == "audio" for file in last.files)),
    }


def _slowest(times_ms: Any) -> float | None:
    known = [time_ms for time_ms in times_ms if time_ms is not None]
    return round(max(known), 1) if known else None


def about(values: Mapping[str, Any]) -> str:
    """Say in one line what a job was about: its row of data and its choice of the matrix."""
    return ", ".join(f"{name}: {as_text(value)}" for name, value in values.items())


def _plain(values: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): as_text(value) for name, value in values.items()}
