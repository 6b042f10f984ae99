"""Writes the ledger in a thread, for all who wait at once: what came while one write lasted goes with the next."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path, PurePosixPath

import attrs
import trio

from engine.errors import LedgerUnusable
from engine.farm.caller import FolderSink
from engine.farm.job import Grant, Result
from engine.farm.ledger import Ledger, Sample
from engine.threads import in_thread


@attrs.define(eq=False)
class _Batch:
    """What is written together, in an order that always holds: a job is leased again after its last try was ended."""

    returned: list[str] = attrs.field(factory=list)
    results: list[Result] = attrs.field(factory=list)
    final: set[str] = attrs.field(factory=set)
    files: dict[str, bytes] = attrs.field(factory=dict)
    torn: list[Grant] = attrs.field(factory=list)
    settled: list[str] = attrs.field(factory=list)
    leases: list[tuple[Grant, str]] = attrs.field(factory=list)
    notes: list[tuple[str, str]] = attrs.field(factory=list)
    samples: list[Sample] = attrs.field(factory=list)
    then: list[Callable[[], None]] = attrs.field(factory=list)
    written: trio.Event = attrs.field(factory=trio.Event)


class Journal:
    """The ledger's one writer.

    Each method returns at once, with an event that is set when all is on the disk (or can't be: see `failure`).

    Args:
        ledger: Open for writing.
        limiter: Of the thread; None writes at once and in this thread, for virtual time.
    """

    def __init__(self, ledger: Ledger, limiter: trio.CapacityLimiter | None) -> None:
        self._ledger = ledger
        self._limiter = limiter
        self._batch = _Batch()
        self._asked = trio.Event()
        self._written = trio.Event()
        self._written.set()
        self.failure: LedgerUnusable | None = None
        """Why nothing more can be written. What was written before is whole."""

    def lease(self, grants: Sequence[tuple[Grant, str]], then: Callable[[], None]) -> trio.Event:
        """Write who gets what, and call `then` when it is written, not if it can't be."""
        self._batch.leases += grants
        return self._ask(then)

    def record(
        self, results: Iterable[Result], final: AbstractSet[str], files: Mapping[str, bytes], then: Callable[[], None]
    ) -> trio.Event:
        """Write files and results, and call `then` when they are written, not if they can't be."""
        self._batch.results += results
        self._batch.final |= final
        self._batch.files.update(files)
        return self._ask(then)

    def drop_files(self, grants: Iterable[Grant]) -> trio.Event:
        """Remove what lost sessions left half written."""
        self._batch.torn += grants
        return self._ask()

    def returned(self, attempts: Iterable[str]) -> trio.Event:
        """Take back leases that nobody began."""
        self._batch.returned += attempts
        return self._ask()

    def settle(self, attempts: Iterable[str]) -> trio.Event:
        """Make results final that were written before."""
        self._batch.settled += attempts
        return self._ask()

    def note(self, kind: str, text: str) -> trio.Event:
        """Write something down for people."""
        self._batch.notes.append((kind, text))
        return self._ask()

    def sample(self, samples: Iterable[Sample]) -> trio.Event:
        """Write figures of this moment."""
        self._batch.samples += samples
        return self._ask()

    def _ask(self, then: Callable[[], None] | None = None) -> trio.Event:
        batch = self._batch
        if then is not None:
            batch.then.append(then)
        if self._limiter is None:
            self._batch = _Batch()
            self._ended(batch, self._write_or_fail(batch))
        self._written = batch.written
        self._asked.set()
        return batch.written

    async def flush(self) -> None:
        """Wait until all that was asked for is written, or can't be."""
        await self._written.wait()

    async def run(self) -> None:
        """Write, until cancelled; a write under way is ended first."""
        while True:
            await self._asked.wait()
            self._asked = trio.Event()
            batch, self._batch = self._batch, _Batch()
            # A write can't be called back: whoever is told that a result is lost must be right.
            with trio.CancelScope(shield=True):
                failure = await in_thread(partial(self._write_or_fail, batch), limiter=self._limiter)
            self._ended(batch, failure)

    def _ended(self, batch: _Batch, failure: LedgerUnusable | None) -> None:
        self.failure = self.failure or failure
        if failure is None:
            for then in batch.then:
                then()
        batch.written.set()

    def _write_or_fail(self, batch: _Batch) -> LedgerUnusable | None:
        if self.failure is not None:
            return self.failure
        try:
            self._write(batch)
        except LedgerUnusable as failure:
            return failure
        return None

    def _write(self, batch: _Batch) -> None:
        results = _keep_files(self._ledger.folder, batch)
        with self._ledger.together():
            self._ledger.record(results, batch.final)
            self._ledger.returned(batch.returned)
            self._ledger.settle(batch.settled)
            self._ledger.lease(batch.leases)
            for kind, text in batch.notes:
                self._ledger.note(kind, text)
            self._ledger.sample(batch.samples)
        for grant in batch.torn:
            FolderSink(self._ledger.folder).drop(grant)


def _keep_files(folder: Path, batch: _Batch) -> list[Result]:
    """Write the files that came along, before the results that tell of them."""
    if not batch.files:
        return batch.results
    return [_with_files(folder, result, batch.files) for result in batch.results]


def _with_files(folder: Path, result: Result, contents: Mapping[str, bytes]) -> Result:
    try:
        for file in result.files:
            if file.path in contents:
                _write_file(folder, file.path, contents[file.path])
    except OSError as error:
        note = f"its files could not be written: {error.strerror or error}"
        return attrs.evolve(result, files=(), notes=(*result.notes, note))
    return result


def _write_file(folder: Path, path: str, content: bytes) -> None:
    place = PurePosixPath(path)
    if place.is_absolute() or ".." in place.parts or place.parts[:1] != ("sessions",):
        raise PermissionError(f"{path!r} is not below the run's folder of sessions")
    whole = folder / place
    for parent in reversed(whole.parents[: len(place.parts) - 1]):
        parent.mkdir(mode=0o700, exist_ok=True)  # They hold what people said.
    with open(os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123 - has a mode
        file.write(content)
