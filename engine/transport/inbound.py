"""Reads messages out of the bytes of a WebSocket: whole text frames at once, all else through websockets' own parser.

Of a server's frames nearly all are text, unmasked and in one piece. Those need a length and a decoding, and are done
here. Any other frame goes to the library as it came, frame by frame, so that the two never stand at different places:
control frames, fragments, binary, what breaks the protocol, what is too long.
"""

from typing import Final

from websockets.exceptions import ProtocolError
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.protocol import Protocol, Side

from engine.transport.quiet import LOGGER

FRAMES_MAX: Final = 512
"""Frames that are read in one go. A peer can put 32,768 empty ones into one read; other tasks want their turn."""

REPLIES_MAX: Final = 16
"""Answers to pings that may wait to be written; of more the newest do (RFC 6455, 5.5.3)."""

_TEXT: Final = 0x80 | Opcode.TEXT
_HEADS: Final = {126: 4, 127: 10}
"""Bytes of a header, by the length that its second byte gives."""

_RESERVED: Final = 0x70
_CONTROL: Final = 0x08
_USUAL: Final = b"\x81\x7e"
"""How nearly all frames begin: text, in one piece, with a length of 16 bits. These are looked for first."""

_OPCODES: Final = frozenset(Opcode)
_DATA: Final = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})


class Inbound:
    """Messages out of bytes, past the handshake.

    The library's object is there only while there is something for it: it takes 3 KB.

    Args:
        message_max_bytes: A larger message ends the connection, with code 1009.

    Attributes:
        messages: What was read and is not taken yet.
        pongs: Payloads of pongs, likewise.
        replies: Frames that are to be written.
        error: What was wrong with what came.
        told: The peer's close frame.
        is_over: True once nothing more is read: the peer's close frame has come, or its end, or what is no frame.
        is_open: True until that, or our own close frame.
    """

    __slots__ = (
        "_held",
        "_later",
        "_library",
        "_max_bytes",
        "_owed",
        "_parts",
        "_parts_are_text",
        "error",
        "is_open",
        "is_over",
        "messages",
        "pongs",
        "replies",
        "told",
    )

    def __init__(self, message_max_bytes: int) -> None:
        self._max_bytes = message_max_bytes
        self._library: Protocol | None = None
        self._held: bytearray | None = None
        self._owed = 0
        self._later: bytes | bytearray = b""
        self._parts: bytearray | None = None
        self._parts_are_text = False
        self.messages: list[str | bytes] = []
        self.pongs: list[bytes] = []
        self.replies: list[bytes] = []
        self.error: Exception | None = None
        self.told: Close | None = None
        self.is_over = False
        self.is_open = True

    @property
    def has_more(self) -> bool:
        """Tell whether frames are left of what was fed, which `go_on` reads."""
        return bool(self._later)

    def go_on(self) -> None:
        """Read what was left, up to `FRAMES_MAX` frames."""
        later, self._later = self._later, b""
        if not self.is_over:
            self._read(later, 0)
        self._tidy()

    def feed(self, data: bytes) -> None:
        """Read what has come, up to `FRAMES_MAX` frames. Only when nothing is left."""
        at = 0
        if self._held is not None:
            at = self._complete(self._held, data)
        if self._owed and not self.is_over:
            at = self._hand_over(data, at, at + self._owed)
        if at < len(data) and not self.is_over:
            self._read(data, at)
        if self._library is not None:
            self._tidy()

    def end(self) -> None:
        """Note that nothing more will come."""
        if not self.is_over:
            self.error = EOFError("unexpected end of stream")
            self.is_over, self.is_open = True, False

    def close(self, code: int) -> bytes:
        """Give our close frame, once; the peer's is still read."""
        self.is_open = False
        library = self._opened()
        library.send_close(code)
        return b"".join(library.data_to_send())

    def _opened(self) -> Protocol:
        if self._library is None:
            self._library = Protocol(Side.CLIENT, max_size=self._max_bytes, logger=LOGGER)
        return self._library

    def _tidy(self) -> None:
        """Let the library go between two frames: it knows nothing then that is needed."""
        if self.is_over or (self.is_open and self._parts is None and not self._owed):
            self._library = None

    def _read(self, data: bytes | bytearray, at: int) -> None:
        """Read from where a frame begins."""
        end = len(data)
        for _ in range(FRAMES_MAX):
            if data[at : at + 2] == _USUAL and self._parts is None:
                start = at + 4
                stop = start + int.from_bytes(data[at + 2 : start])
                if start <= stop <= end and stop - start <= self._max_bytes:
                    if not self._took_text(data[start:stop]):
                        return
                    at = stop
                    continue
            start, stop = _bounds(data, at)
            if start > end:
                self._held = bytearray(data[at:]) or None
                return
            if stop > end and stop - start <= self._max_bytes and not _is_possible(data[at], stop - start):
                # The library would say so once the frame is whole, which it may never be.
                self._fail(ProtocolError("reserved bits are set, or a control frame is long or in pieces"))
                return
            if data[at] != _TEXT or data[at + 1] >= 0x80 or stop - start > self._max_bytes or self._parts is not None:
                at = self._hand_over(data, at, stop)
                if self.is_over:
                    return
            elif stop > end:
                self._held = bytearray(data[at:])
                return
            elif self._took_text(data[start:stop]):
                at = stop
            else:
                return
        self._later = data[at:]

    def _took_text(self, data: bytes | bytearray) -> bool:
        try:
            self.messages.append(str(data, "utf-8"))
        except UnicodeDecodeError as error:
            self._fail(_without_its_message(error), CloseCode.INVALID_DATA)
            return False
        return True

    def _fail(self, error: Exception, code: CloseCode = CloseCode.PROTOCOL_ERROR) -> None:
        """Give up, as the library does where it finds out itself."""
        library = self._opened()
        library.fail(code)
        self.error = error
        self._collect(library)

    def _complete(self, held: bytearray, data: bytes) -> int:
        """Add to a frame whose beginning is held, and read it once it is whole; give how much was added."""
        added = 0
        while (missing := self._missing(held)) and added < len(data):
            held += data[added : added + missing]
            added = min(added + missing, len(data))
        if not missing:
            self._held = None
            self._read(held, 0)
        return added

    def _missing(self, held: bytearray) -> int:
        """How many bytes of a header there must be more, and of the rest where it is read here."""
        start, stop = _bounds(held, 0)
        if start > len(held):
            return start - len(held)
        is_ours = held[0] == _TEXT and held[1] < 0x80 and stop - start <= self._max_bytes and self._parts is None
        return max(0, stop - len(held)) if is_ours else 0

    def _hand_over(self, data: bytes | bytearray, at: int, stop: int) -> int:
        """Let the library read a frame, or as much of it as there is; give where it ends."""
        part = bytes(data[at:stop])
        self._owed = stop - at - len(part)
        library = self._opened()
        library.receive_data(part)
        self._collect(library)
        return at + len(part)

    def _collect(self, library: Protocol) -> None:
        """Take what the library has made of it."""
        for event in library.events_received():
            if isinstance(event, Frame):
                self._sort(event)
        self.replies += filter(None, library.data_to_send())
        del self.replies[:-REPLIES_MAX]
        self.told = library.close_rcvd
        self.error = self.error or library.parser_exc
        if self.error is not None or self.told is not None:
            self.is_over, self.is_open = True, False

    def _sort(self, frame: Frame) -> None:
        if frame.opcode == Opcode.PONG:
            self.pongs.append(bytes(frame.data))
        if frame.opcode not in _DATA:
            return
        if self._parts is None:
            self._parts = bytearray()
            self._parts_are_text = frame.opcode == Opcode.TEXT
        self._parts += frame.data
        if frame.fin:
            whole, self._parts = self._parts, None
            if self._parts_are_text:
                self._took_text(whole)
            else:
                self.messages.append(bytes(whole))


def _without_its_message(error: UnicodeDecodeError) -> UnicodeDecodeError:
    """Give the same error about the bad bytes alone: it would show the message to whoever writes it to a log."""
    bad = error.object[error.start : error.end]
    return UnicodeDecodeError(error.encoding, bad, 0, len(bad), f"{error.reason} at {error.start}")


def _is_possible(first: int, size: int) -> bool:
    """Tell whether a frame's first byte and size can be true (RFC 6455, 5.2 and 5.5)."""
    return not first & _RESERVED and (not first & _CONTROL or (first >= 0x80 and size <= 125))


def _bounds(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """Where the payload of a frame that begins here starts and stops; the start is past the end if it can't be told."""
    if at + 1 >= len(data):
        return at + 2, at + 2
    if data[at] & 0x0F not in _OPCODES or data[at + 1] >= 0x80:
        return at + 2, at + 2  # The library says no by then.
    size = data[at + 1]
    start = at + _HEADS.get(size, 2)
    if size >= 126:
        size = int.from_bytes(data[at + 2 : start])
    return start, start + size
