"""The files of one call: begun with it, and at its end kept, or gone."""

import gzip
import shutil
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, Final, Literal

import orjson
import trio

from engine.errors import ConfigError
from engine.farm.caller.audio_file import ROOM_MIN_BYTES, Sound, write_sound
from engine.farm.caller.files import FileSink, place_of
from engine.farm.caller.spool import Spool
from engine.farm.caller.threads import in_thread
from engine.farm.job import Grant, KeptFile, TurnResult
from engine.recording import Recorder
from engine.recording.recorder import BOUND_MIN_BYTES

RECORDED: Final = "events.jsonl"
EVENTS: Final = "events.jsonl.gz"
"""Packed at the end alone: a packer takes a quarter of a MiB, for as long as the call lasts."""
TRANSCRIPT: Final = "transcript.jsonl"

OWNER_ONLY: Final = 0o600
"""They hold what people said."""

SPOOL_FACTOR: Final = 4
"""How much larger the agent's raw audio may grow than all files of a call together: speech packs to a half or less."""

Kind = Literal["audio", "events", "transcript"]


class CallFiles:
    """Files of a call.

    Args:
        sink: Takes them.
        grant: Says which.
        format: Of audio.

    Attributes:
        spool: Takes the agent's audio; None where it is not recorded.
        recorder: Takes wire events; None where they are not recorded.
        notes: What people should know.
    """

    def __init__(self, sink: FileSink, grant: Grant, format: Literal["flac", "opus"]) -> None:
        self._sink = sink
        self._grant = grant
        self._format = format
        self._folder: Path | None = None
        self.spool: Spool | None = None
        self.recorder: Recorder | None = None
        self.notes: list[str] = []

    async def begin(self) -> None:
        """Make room for them; where that can't be had there are none, which is noted."""
        keep = self._grant.keep
        sound, events = keep.audio or keep.audio_of_failed, keep.events or keep.events_of_failed
        if not (sound or events):
            return
        try:
            await in_thread(lambda: self._make(events=events))
        except OSError as error:
            self.notes.append(f"no files were kept: {_why(error)}")
            await in_thread(self._drop)
            return
        if sound:
            self.spool = Spool(self._place("agent.pcm"), SPOOL_FACTOR * keep.max_bytes)
        if events:
            share = keep.max_bytes // 4 if sound else keep.max_bytes
            self.recorder = Recorder(self._place(RECORDED), audio="none", max_bytes=max(BOUND_MIN_BYTES, share))

    def _make(self, *, events: bool) -> None:
        self._folder = self._sink.begin(self._grant)
        if events:
            self._place(RECORDED).touch()  # A disk that has no room for a name is found here, and not by the session.

    async def finish(self, sound: Sound, turns: Sequence[TurnResult], *, passed: bool) -> tuple[KeptFile, ...]:
        """Write what is kept of the call, and remove the rest."""
        if self._folder is None:
            return ()
        try:
            return await in_thread(lambda: self._finish(sound, turns, passed=passed))
        except Exception as error:  # noqa: BLE001 - whatever a file costs, it does not cost the result
            self.notes.append(f"no files were kept: {_why(error)}")
            await in_thread(self._drop)
            return ()

    async def drop(self) -> None:
        """Remove all of them, whoever cancels."""
        if self._folder is None:
            return
        with trio.CancelScope(shield=True):
            await in_thread(self._drop)

    def _drop(self) -> None:
        if self.spool is not None:
            self.spool.close()
        if self._folder is not None:
            self._folder = None
            self._sink.drop(self._grant)

    # --- in a thread ------------------------------------------------------------------------------------------------

    def _finish(self, sound: Sound, turns: Sequence[TurnResult], *, passed: bool) -> tuple[KeptFile, ...]:
        keep, left = self._grant.keep, self._grant.keep.max_bytes
        with_sound = keep.audio or (keep.audio_of_failed and not passed)
        with_events = keep.events or (keep.events_of_failed and not passed)
        files: list[KeptFile] = []
        for made in (
            self._transcript(turns, left) if with_sound or with_events else (),
            self._events() if with_events else (),
        ):
            files += self._within(left - sum(file.size_bytes for file in files), made)
        if self.spool is not None:
            self.spool.close()
            files += self._sound(sound, left - sum(file.size_bytes for file in files)) if with_sound else []
        if files:
            self._sink.keep(self._grant, tuple(files))
        else:
            self._drop()
        return tuple(files)

    def _within(self, max_bytes: int, files: Iterable[KeptFile]) -> Iterator[KeptFile]:
        """Give those that there is room for."""
        for file in files:
            if file.size_bytes <= max_bytes:
                max_bytes -= file.size_bytes
                yield file
            else:
                self.notes.append(f"its {file.kind} is not kept: {self._bound}")

    @property
    def _bound(self) -> str:
        return f"keep.session_max_bytes of {self._grant.keep.max_bytes:,} bytes"

    def _events(self) -> Iterator[KeptFile]:
        if self.recorder is None:
            return
        if self.recorder.error is not None:
            self.notes.append("the events end early: their file could not be written on")
        elif self.recorder.statistics().lost:
            self.notes.append(f"the events end early: {self._bound}")
        with self._place(RECORDED).open("rb") as plain, gzip.open(self._place(EVENTS), "wb") as packed:
            shutil.copyfileobj(plain, packed)
        yield self._kept(EVENTS, "events")

    def _transcript(self, turns: Sequence[TurnResult], max_bytes: int) -> Iterator[KeptFile]:
        lines = [orjson.dumps(line) + b"\n" for line in transcript(turns)]
        ends = list(accumulate(len(line) for line in lines))
        room = bisect_right(ends, max_bytes)
        if room < len(lines):
            self.notes.append(f"the transcript ends early: {self._bound}")
        if lines and not room:
            return
        self._place(TRANSCRIPT).write_bytes(b"".join(lines[:room]))
        yield self._kept(TRANSCRIPT, "transcript")

    def _sound(self, sound: Sound, max_bytes: int) -> list[KeptFile]:
        if not (sound.caller or sound.agent):
            return []  # A call that sounded nowhere, as one that never connected.
        name = f"audio.{self._format}"
        if self.spool is not None and self.spool.error:
            self.notes.append(f"the agent's audio ends early: {self.spool.error}")
        elif self.spool is not None and self.spool.full:
            self.notes.append(f"the agent's audio ends early: {self._bound}")
        if max_bytes < ROOM_MIN_BYTES:
            self.notes.append(f"no audio was kept: {self._bound}")
            return []
        try:
            written_ms = write_sound(self._place(name), sound, self._format, max_bytes)
        except (OSError, ConfigError) as error:
            self.notes.append(f"no audio was kept: {_why(error)}")
            return []
        if written_ms < sound.length_ms:
            self.notes.append(f"the audio ends after {written_ms / 1000:.0f} s: {self._bound}")
        return [self._kept(name, "audio")]

    def _kept(self, name: str, kind: Kind) -> KeptFile:
        self._place(name).chmod(OWNER_ONLY)
        size_bytes = self._place(name).stat().st_size
        return KeptFile(path=f"{place_of(self._grant)}/{name}", size_bytes=size_bytes, kind=kind)

    def _place(self, name: str) -> Path:
        if self._folder is None:
            raise AssertionError("files are written after `begin`")
        return self._folder / name


def _why(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__


def transcript(turns: Iterable[TurnResult]) -> Iterator[Mapping[str, Any]]:
    """Give the lines of a transcript: who said what when, and what tools did. Times are ms since the call's begin."""
    for turn in turns:
        if turn.said or turn.heard is not None:
            yield {
                "turn": turn.number,
                "who": "caller",
                "at_ms": turn.began_at_ms,
                "said": turn.said,
                "heard": turn.heard,
            }
        for use in turn.tools:
            yield {
                "turn": turn.number,
                "who": "tool",
                "at_ms": use.at_ms,
                "name": use.name,
                "arguments": use.arguments,
                "result": use.result,
                "failed": use.failed,
            }
        if turn.answer:
            at_ms = turn.asked_at_ms if turn.asked_at_ms is not None else turn.began_at_ms
            at_ms += turn.time_to_first_audio_heard_ms or turn.time_to_first_text_ms or 0.0
            yield {
                "turn": turn.number,
                "who": "agent",
                "at_ms": at_ms,
                "text": turn.answer,
                "status": turn.status,
                "interrupted": turn.interrupted,
            }
