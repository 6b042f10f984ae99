"""What a worker keeps of sessions that ended until the coordinator has written it down; told in bounded batches."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import attrs

from engine.farm.codec import to_json
from engine.farm.job import Result

UP_MAX_BYTES: Final = 8 * 2**20
"""What a worker tells at a time, results and files together; the rest comes with the next exchange."""

RESULT_MAX_BYTES: Final = 4 * 2**20
"""A larger result goes without its turns and its timeline, and says so. One of an hour of fast talk is some 200 KiB."""


@attrs.frozen
class _Outcome:
    result: Result
    files: Mapping[str, bytes]
    size_bytes: int


class Outcomes:
    """Results by attempt, oldest first."""

    def __init__(self) -> None:
        self._kept: dict[str, _Outcome] = {}
        self._told: set[str] = set()
        self._due: dict[str, None] = {}

    @property
    def untold(self) -> int:
        """Count the results that were never told."""
        return len(self._kept) - len(self._told)

    @property
    def due(self) -> int:
        """Count the results that are to be told next: never told ones, and those to be told again."""
        return len(self._due)

    def untold_attempts(self) -> Iterator[str]:
        """Name the attempts whose results were never told."""
        return (attempt_id for attempt_id in self._kept if attempt_id not in self._told)

    def add(self, result: Result, files: Mapping[str, bytes]) -> None:
        """Keep one."""
        result, size_bytes = _fitting(result)
        size_bytes += sum(map(len, files.values()))
        self._kept[result.attempt_id] = _Outcome(result, files, size_bytes)
        self._due[result.attempt_id] = None

    def acknowledge(self, attempts: Iterable[str]) -> None:
        """Forget what was written down."""
        for attempt_id in attempts:
            self._kept.pop(attempt_id, None)
            self._told.discard(attempt_id)
            self._due.pop(attempt_id, None)

    def tell_again(self) -> None:
        """Let all be told again: what was told over a link that was lost may never have come."""
        self._due = dict.fromkeys(self._kept)

    def take(self) -> tuple[tuple[Result, ...], dict[str, bytes]]:
        """Give as many as may travel together, and their files. They are kept until they are acknowledged."""
        told: list[Result] = []
        files: dict[str, bytes] = {}
        size_bytes = 0
        for attempt_id in self._due:
            outcome = self._kept[attempt_id]
            size_bytes += outcome.size_bytes
            if told and size_bytes > UP_MAX_BYTES:
                break
            told.append(outcome.result)
            files.update(outcome.files)
        for result in told:
            self._told.add(result.attempt_id)
            del self._due[result.attempt_id]
        return tuple(told), files


def _fitting(result: Result) -> tuple[Result, int]:
    try:
        size_bytes = len(to_json(result))
    except (TypeError, ValueError):  # What a service tells may be no text, and numbers that nobody holds.
        from engine.farm.ledger.rows import made_to_fit  # noqa: PLC0415 - SQLite, which workers have no other use for

        result = made_to_fit(result)
        size_bytes = len(to_json(result))
    if size_bytes <= RESULT_MAX_BYTES:
        return result, size_bytes
    note = f"its turns and its timeline are not kept: {size_bytes:,} bytes are over the bound of {RESULT_MAX_BYTES:,}"
    lean = attrs.evolve(result, turns=(), spans=(), notes=(note,), error=result.error[:1000])
    return lean, len(to_json(lean))
