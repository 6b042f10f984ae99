"""Writes a session's messages while it runs: the event loop only notes them, a thread writes them."""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Final

import attrs
import trio

from engine.blocks import block_nursery
from engine.errors import ConfigError, EngineError, LocalMisuse, RecordingFailed
from engine.recording.batch import Batch, Message, Waiting
from engine.recording.files import RecordingFile
from engine.recording.format import (
    Did,
    Direction,
    End,
    Header,
    Link,
    Loss,
    header_line,
    without_audio,
)
from engine.recording.reduction import AudioKept, Reduction
from engine.threads import in_thread

logger = logging.getLogger(__name__)

RECORDING_MAX_BYTES: Final = 2**30
"""Largest file. An hour of audio both ways at 24 kHz is 474 MB; the recording ends with a mark past it."""

RECORDER_BUFFER_MAX_BYTES: Final = 16 * 2**20
"""What may wait for the disk: two minutes of audio both ways. Past it the oldest audio is left out of the recording,
and when that is not enough the recording ends."""

WRITE_EVERY_S: Final = 0.2
"""Longest that a message waits before it is written: what a crash can cost."""

CLOSE_DEADLINE_S: Final = 2.0
"""How long the end of a session waits for a disk that does not answer."""

_THIN_FROM_CHARS: Final = 1024
"""Shorter messages hold no audio that is worth leaving out."""

BOUND_MIN_BYTES: Final = 4096
"""Smallest bound of a recorder: a header and some messages have room."""


@attrs.frozen(kw_only=True)
class RecorderStatistics:
    """A snapshot of a recorder.

    Attributes:
        messages: Messages written.
        written_bytes: Size of the file.
        waiting_bytes: What waits for the disk.
        thinned: Messages whose audio was left out, as the disk was too slow.
        lost: Messages that were not written, as the recording had ended.
        error: Why it ended early; None while all is well, and after it ended at `max_bytes`.
    """

    messages: int
    written_bytes: int
    waiting_bytes: int
    thinned: int
    lost: int
    error: EngineError | None


class Recorder:
    """Records one session.

    Args:
        path: The file; compressed when its name ends in `.gz`, and replaced when it is there.
        audio: What is kept of audio.
        max_bytes: Largest file.
        buffer_max_bytes: What may wait for the disk.
        model: For the header.
        url: For the header; its query is not written.
        secrets: What must never be written, as the session's key.

    Raises:
        ConfigError: `audio` is none of its values, or a bound is too small.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        audio: AudioKept = "whole",
        max_bytes: int = RECORDING_MAX_BYTES,
        buffer_max_bytes: int = RECORDER_BUFFER_MAX_BYTES,
        model: str | None = None,
        url: str | None = None,
        secrets: Sequence[str] = (),
    ) -> None:
        _check_bounds(max_bytes, buffer_max_bytes)
        self.path = Path(path)
        self.error: EngineError | None = None
        """Why the recording ended early."""
        self._reduction = Reduction(audio, tuple(secrets))
        self._header = Header(model=model, url=url, audio=audio)
        self._max_bytes = max_bytes
        self._buffer_max_bytes = buffer_max_bytes
        self._began = 0.0
        self._over = True
        self._waiting: list[Waiting] = []
        self._waiting_bytes = 0
        self._looked_at = 0
        self._messages = self._thinned = self._lost = 0
        self._full = self._broken = self._abandoned = False
        self._file: RecordingFile | None = None
        self._wake = trio.Event()
        self._closing = trio.Event()
        self._closed = trio.Event()
        self._scope = trio.CancelScope(shield=True)
        self._one_thread = trio.CapacityLimiter(1)

    def about(self, *, model: str, url: str | None, secrets: Sequence[str] = ()) -> None:
        """Say what is recorded, where the recorder was not told so itself; what is secret comes on top.

        Args:
            model: For the header.
            url: For the header.
            secrets: What must never be written.
        """
        header = self._header
        self._header = attrs.evolve(header, model=header.model or model, url=header.url or url)
        self._reduction = attrs.evolve(self._reduction, secrets=(*self._reduction.secrets, *secrets))

    # --- told by the session ---------------------------------------------------------------------------------------

    def observe(self, direction: Direction, message: str | bytes, at: float, link: int = 1) -> None:
        """Take note of a message; never waits.

        Args:
            direction: Who sent it.
            message: As it stands on the wire; bytes for a binary frame.
            at: Time of Trio's clock.
            link: Number of its connection.
        """
        if self._over:
            self._lost += 1
            return
        self._note(Message(direction, message, at, link))
        self._waiting_bytes += len(message)
        if self._waiting_bytes > self._buffer_max_bytes:
            self._make_room(at)

    def linked(self, number: int, did: Did, at: float, *, loss: Loss | None = None) -> None:
        """Take note of what became of a connection.

        Args:
            number: Of the connection, from 1.
            did: What.
            at: Time of Trio's clock.
            loss: How it was lost, or refused; None when it was not.
        """
        if not self._over:
            self._note(Link(number=number, did=did, at_s=at - self._began, loss=loss))

    def ended(self, reason: str, at: float, *, lost: bool = False, code: int | None = None) -> None:
        """Take note of the session's end; what comes later is not written.

        Args:
            reason: As in `BidiConnectionCloseEvent.reason`.
            at: Time of Trio's clock.
            lost: True when the server ended the connection, or it broke.
            code: Close code of a lost connection.
        """
        if not self._over:
            self._end(End(reason=reason, at_s=at - self._began, lost=lost, code=code))

    def statistics(self) -> RecorderStatistics:
        """Give a snapshot."""
        return RecorderStatistics(
            messages=self._messages,
            written_bytes=0 if self._file is None else self._file.written_bytes,
            waiting_bytes=self._waiting_bytes,
            thinned=self._thinned,
            lost=self._lost,
            error=self.error,
        )

    def _note(self, line: Waiting) -> None:
        self._waiting.append(line)
        self._wake.set()

    def _end(self, end: End) -> None:
        self._note(end)
        self._over = True

    # --- too slow a disk -------------------------------------------------------------------------------------------

    def _make_room(self, at: float) -> None:
        """Leave audio out, oldest first; when none is left, end the recording."""
        while self._looked_at < len(self._waiting) and self._waiting_bytes > self._buffer_max_bytes * 3 // 4:
            self._thin(self._looked_at)
            self._looked_at += 1
        if self._waiting_bytes > self._buffer_max_bytes:
            self._lost += 1
            self._waiting_bytes -= len(self._waiting.pop().message)  # type: ignore[union-attr]
            self._end(End(reason="disk_too_slow", at_s=at - self._began))
            self._fail("the disk is too slow: more waits for it than buffer_max_bytes")

    def _thin(self, index: int) -> None:
        line = self._waiting[index]
        if not isinstance(line, Message) or not isinstance(line.message, str) or len(line.message) < _THIN_FROM_CHARS:
            return
        text = without_audio(line.message)
        if len(text) == len(line.message):
            return
        self._waiting[index] = attrs.evolve(line, message=text, thinned=True)
        self._waiting_bytes -= len(line.message) - len(text)
        self._thinned += 1
        if self._thinned == 1:
            logger.warning("the recording leaves audio out: %d bytes wait for the disk", self._waiting_bytes)

    # --- writing ---------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def recording(self) -> AsyncIterator[None]:
        """Record for the length of a block, once; at its end the file is whole.

        Raises:
            ConfigError: The file can't be written.
            LocalMisuse: It was recorded before.
        """
        if self._file is not None:
            raise LocalMisuse(f"the recorder of {self.path} was used before | make one for each recording")
        self._file = RecordingFile(self.path)
        self._began = trio.current_time()
        self._over = False
        began = datetime.now(UTC).isoformat(timespec="milliseconds")
        header = attrs.evolve(self._header, engine=_engine_version(), began=began)
        async with block_nursery() as nursery:
            nursery.start_soon(self._run, self._file, header_line(header, self._reduction), name="engine recorder")
            try:
                yield
            finally:
                await self._finish()
            # Cancelled while the file was closed, its owner must not go on with a session that has ended meanwhile.
            await trio.lowlevel.checkpoint_if_cancelled()

    async def _finish(self) -> None:
        self._over = True
        self._closing.set()
        self._wake.set()
        with trio.move_on_after(CLOSE_DEADLINE_S, shield=True):
            await self._closed.wait()
            return
        self._abandoned = True
        self._fail(f"the disk did not answer within {CLOSE_DEADLINE_S:g} s")
        self._scope.cancel()

    @trio.lowlevel.enable_ki_protection
    async def _run(self, file: RecordingFile, header: bytes) -> None:
        with self._scope:  # shielded: what was recorded is written, also when the session was cancelled
            await self._work(partial(file.add, header))
            while not self._closing.is_set():
                await self._wake.wait()
                self._wake = trio.Event()
                await self._write(file)
                with trio.move_on_after(WRITE_EVERY_S):
                    await self._closing.wait()
            await self._write(file)
            await self._work(file.close)
        self._closed.set()

    async def _write(self, file: RecordingFile) -> None:
        """Write what waits."""
        lines, size = self._waiting, self._waiting_bytes
        self._waiting, self._looked_at = [], 0
        batch = Batch(file, lines, self._began, self._reduction, self._max_bytes)
        if not (self._broken or self._full):
            await self._work(partial(self._write_batch, batch))
        self._waiting_bytes -= size
        self._messages += batch.messages
        self._lost += sum(isinstance(line, Message) for line in lines) - batch.messages
        if batch.full and not self._full:
            self._full = self._over = True
            logger.warning("the recording ends: it reached max_bytes, %d", self._max_bytes)

    def _write_batch(self, batch: Batch) -> None:
        batch.write()
        if self._abandoned:
            batch.file.close()

    async def _work(self, work: Callable[[], None]) -> None:
        """Work on the file, in a thread: a slow disk must not hold up the event loop."""
        try:
            await in_thread(work, leave=True, limiter=self._one_thread)
        except OSError as error:
            self._broken = True
            self._fail(error.strerror or type(error).__name__)
        except Exception as error:  # noqa: BLE001 - a fault of the recorder must not end the session
            self._broken = True
            self._fail(f"a fault of the engine ({type(error).__name__})")

    def _fail(self, reason: str) -> None:
        self._over = True
        if self.error is None:
            self.error = RecordingFailed(str(self.path), reason)
            logger.warning("%s", self.error)


@cache
def _engine_version() -> str | None:
    """Look it up, once: it takes a millisecond, as much as a fifth of a session's opening."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - only who records needs it

    try:
        return version("realtime-engine")
    except PackageNotFoundError:  # it runs from a folder
        return None


def _check_bounds(max_bytes: int, buffer_max_bytes: int) -> None:
    for name, value in (("max_bytes", max_bytes), ("buffer_max_bytes", buffer_max_bytes)):
        if value < BOUND_MIN_BYTES:
            raise ConfigError(f"record.{name}", value, f"at least {BOUND_MIN_BYTES}")
