"""Recordings as files: written so that a crash keeps what was, read so that a torn end costs one line."""

import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Final

import attrs

from engine.errors import ConfigError, LimitExceeded
from engine.limits import MESSAGE_HARD_MAX_BYTES
from engine.recording.format import BrokenLine, End, Entry, Header, Line, Link, LinkRecord, Recording, read_line

LINE_MAX_BYTES: Final = MESSAGE_HARD_MAX_BYTES + 2**20
"""Longest line that is read: the largest message that a connection takes, and what stands beside it."""

READ_MAX_BYTES: Final = 2 * 2**30
"""Largest recording that is read, unpacked: twice what the recorder writes. A small compressed file can unpack to any
size, and a recording is held in memory as a whole."""

ENTRY_BYTES: Final = 512
"""What a line counts for beside its text: many short ones take more memory than their text."""

READ_BYTES: Final = 2**18
"""One read of the file."""

_GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 31
"""Tells zlib to write and read gzip, not its own format."""

_SYNC_BYTES: Final = 64
"""More than a flush adds to the compressed text."""

_OWNER_ONLY: Final = 0o600
"""A recording holds what people said."""


class RecordingFile:
    """A recording that is being written; compressed when its name ends in `.gz`. A file that is there is replaced.

    Args:
        path: Where to.

    Raises:
        ConfigError: It can't be written.
    """

    def __init__(self, path: Path) -> None:
        self.written_bytes = 0
        self._unflushed = 0
        self._gzip = zlib.compressobj(wbits=_GZIP_WINDOW) if path.suffix == ".gz" else None
        try:
            self._file = FileIO(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY), "w")
            _shut_others_out(self._file.fileno())
        except OSError as error:
            message = f"the recording {path} can't be written: {error.strerror} | give another file"
            raise ConfigError("record", str(path), "a file that can be written", message=message) from error

    def may_reach(self, line: bytes) -> int:
        """Tell how large the file is at most with this line."""
        return self.written_bytes + self._unflushed + len(line) + (_SYNC_BYTES if self._gzip else 0)

    def add(self, line: bytes) -> None:
        """Write a line; of a compressed file, some of it waits for `flush`.

        Raises:
            OSError: It can't be written, as on a full disk.
        """
        if self._gzip is None:
            self._put(line)
            return
        self._unflushed += len(line)
        self._put(self._gzip.compress(line))

    def flush(self) -> None:
        """Hand everything to the system: what is here stays when the process dies.

        Raises:
            OSError: It can't be written.
        """
        if self._gzip is not None and self._unflushed:
            self._put(self._gzip.flush(zlib.Z_SYNC_FLUSH))
            self._unflushed = 0

    def close(self) -> None:
        """Finish the file.

        Raises:
            OSError: Its last bytes can't be written; it is closed all the same.
        """
        with self._file:
            if self._gzip is not None:
                self._put(self._gzip.flush())

    def _put(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            written = self._file.write(rest)
            self.written_bytes += written
            rest = rest[written:]


def _shut_others_out(descriptor: int) -> None:
    """Take the rights of others away, which a file that was there may give; a device keeps its own."""
    if hasattr(os, "fchmod") and stat.S_ISREG(os.fstat(descriptor).st_mode):
        with suppress(PermissionError):  # somebody else's file: it is theirs to shut
            os.fchmod(descriptor, _OWNER_ONLY)


@attrs.define
class _Lines:
    """The lines of a file, and whether the last one is whole."""

    file: BinaryIO
    cut_off: bool = False
    """The compressed text stops in its middle."""

    def __iter__(self) -> Iterator[tuple[bytes, bool]]:
        """Give each line, and whether it was ended."""
        rest = b""
        for piece in self._pieces():
            *lines, rest = (rest + piece).split(b"\n")
            yield from ((line, True) for line in lines)
            if len(rest) > LINE_MAX_BYTES:
                raise LimitExceeded("LINE_MAX_BYTES", LINE_MAX_BYTES, len(rest), "this is no recording of a session")
        if rest:
            yield rest, False

    def _pieces(self) -> Iterator[bytes]:
        first = self.file.read(READ_BYTES)
        compressed = first.startswith(_GZIP_MAGIC)
        pieces = self._read(first)
        yield from self._unzipped(pieces) if compressed else pieces

    def _read(self, piece: bytes) -> Iterator[bytes]:
        while piece:
            yield piece
            piece = self.file.read(READ_BYTES)

    def _unzipped(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Give the text of all the members that the file is made of."""
        stream = zlib.decompressobj(wbits=_GZIP_WINDOW)
        for piece in pieces:
            data = piece
            while data:
                if stream.eof:
                    stream = zlib.decompressobj(wbits=_GZIP_WINDOW)
                before = stream.copy()
                try:
                    yield stream.decompress(data, READ_BYTES)
                except zlib.error:
                    self.cut_off = True
                    yield from _salvaged(before, data)
                    return
                data = stream.unused_data if stream.eof else stream.unconsumed_tail
        yield stream.flush()
        self.cut_off = not stream.eof


def _salvaged(stream: "zlib._Decompress", data: bytes) -> Iterator[bytes]:
    """Give what comes before the place where compressed text is broken."""
    with suppress(zlib.error):
        for start in range(len(data)):
            yield stream.decompress(data[start : start + 1])


def read_recording(path: str | Path, *, max_bytes: int = READ_MAX_BYTES) -> Recording:
    """Read a recording of the engine, or one of the shape `{"dir": ..., "event": {...}}` a line; gzip or not.

    It is held in memory as a whole.

    Args:
        path: The file.
        max_bytes: The most that is read, unpacked; each line counts for `ENTRY_BYTES` more than its text.

    Raises:
        ConfigError: The file can't be read, or a line in its middle is broken. A last line that is not whole, as a
            crash leaves it, is left out and told by `Recording.torn`.
        LimitExceeded: A line is longer than any message, or there is more than `max_bytes`.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            return _read(path, _Lines(file), max_bytes)
    except OSError as error:
        message = f"the recording {path} can't be read: {error.strerror} | give another file"
        raise ConfigError("recording", str(path), "a file that can be read", message=message) from error


def _read(path: Path, lines: _Lines, max_bytes: int) -> Recording:
    reading, size = _Reading(), 0
    for number, (line, ended) in enumerate(lines, 1):
        size += len(line) + ENTRY_BYTES
        if size > max_bytes:
            raise LimitExceeded("READ_MAX_BYTES", max_bytes, size, "cut it, or read it with max_bytes=... of your own")
        try:
            if line.strip():
                reading.take(read_line(line))
        except BrokenLine as broken:
            if ended:
                raise _broken(path, number, broken) from None
            reading.torn = True
    return Recording(
        name=path.name,
        header=reading.header,
        entries=tuple(reading.entries),
        end=reading.end,
        torn=reading.torn or lines.cut_off,
        links=tuple(reading.links[number] for number in sorted(reading.links)),
    )


@attrs.define
class _Reading:
    """What was read so far."""

    header: Header | None = None
    entries: list[Entry] = attrs.field(factory=list)
    end: End | None = None
    torn: bool = False
    links: dict[int, LinkRecord] = attrs.field(factory=dict)
    speaks: int = 1
    """The connection of messages that do not name theirs."""
    carrier: int | None = None
    """The connection that carries the talk; None where that is not told, 0 while it is none."""

    def take(self, line: Line | None) -> None:
        match line:
            case Entry():
                self._message(line)
            case Header():
                self.header = line
            case Link():
                self._link(line)
            case End():
                self.end = line

    def _message(self, entry: Entry) -> None:
        link = entry.link if entry.link != 1 else self.speaks
        aside = self.carrier is not None and link != self.carrier
        if link not in self.links:
            self.links[link] = LinkRecord(number=link)
        self.entries.append(attrs.evolve(entry, link=link, aside=aside) if link != 1 or aside else entry)

    def _link(self, mark: Link) -> None:
        known = self.links.get(mark.number) or LinkRecord(number=mark.number)
        match mark.did:
            case None:
                self.speaks = mark.number
                known = attrs.evolve(known, took_over_s=mark.at_s)
            case "opened":
                known = attrs.evolve(known, opened_s=mark.at_s)
            case "took_over":
                self.carrier = mark.number
                known = attrs.evolve(known, took_over_s=mark.at_s)
            case "closed" | "failed":
                if mark.loss is not None and mark.number == self.carrier:
                    self.carrier = 0
                known = attrs.evolve(known, closed_s=mark.at_s, loss=mark.loss, failed=mark.did == "failed")
        self.links[mark.number] = known


def _broken(path: Path, number: int, broken: BrokenLine) -> ConfigError:
    message = f"{path}, line {number}: {broken} | give a recording: one JSON object a line"
    return ConfigError("recording", f"{path}:{number}", "one JSON object a line", message=message)
