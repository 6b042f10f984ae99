"""A link that fails: two streams of bytes, one for each end, and all that can happen to a connection between them.

No tasks run here: bytes that are under way have a time at which they are there, and whoever reads waits for it.
"""

from collections import deque
from collections.abc import Callable, Iterator
from random import Random
from typing import Final

import attrs
import trio
from wsproto.frame_protocol import Opcode

from .clock import JumpingClock

BUFFER_BYTES: Final = 256 * 2**10
"""What may be under way each way before a sender has to wait."""

YIELDS: Final = 0.25
"""Share of the writes at which others come first. Each time would cost more than the write."""

NEVER: Final = float("inf")

FRUITLESS_READS: Final = 1000
"""More than anybody tries of what is broken: who reads on without letting others run would hang the whole run."""


@attrs.frozen(kw_only=True)
class Weather:
    """How a link is while nothing happens to it.

    Attributes:
        delay_ms: What a byte takes at least.
        jitter_ms: And at most on top, drawn for each write and each way, so that the two ways cross in any order.
        fragments: Share of the reads that give few bytes, down to one; and of the writes that take so few, where a
            writer does not wait.
        buffer_bytes: See `BUFFER_BYTES`; a small one makes every sender wait for its reader.
        eager: Each write is there at once, while its writer still runs; else the reader finds all that was written at
            a moment together, as where a network lies between.
    """

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    fragments: float = 0.0
    buffer_bytes: int = BUFFER_BYTES
    eager: bool = False


class Way:
    """Bytes one way."""

    def __init__(self, chance: Random, weather: Weather) -> None:
        self._chance = chance
        self._delay_s = weather.delay_ms / 1000
        self._jitter_s = weather.jitter_ms / 1000
        self._fragments = weather.fragments
        self._max_bytes = weather.buffer_bytes
        self._eager = weather.eager
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, JumpingClock)
        self._clock = clock
        self._data: deque[tuple[float, bytes]] = deque()
        self._held = 0
        self._last_due = 0.0
        self._put_at = -1.0
        self._stalled_until = 0.0
        self._fruitless_reads = 0
        self._lot = trio.lowlevel.ParkingLot()
        self.swallows = False
        self.broken = False
        self.breaks = False
        self.writer_closed = False
        self.reader_closed = False
        self.passing: Callable[[bytes], bytes] | None = None
        """Sees each write before it goes, and may change it."""

    @property
    def open(self) -> bool:
        """Tell whether what is put now can arrive."""
        return not (self.broken or self.swallows or self.writer_closed)

    # --- what happens to it ---------------------------------------------------------------------------------------

    def wake(self) -> None:
        self._lot.unpark_all()

    def reset(self) -> None:
        """Lose what is under way, and break both ends."""
        self.broken = True
        self._data.clear()
        self._held = 0
        self.wake()

    def stall(self, until: float) -> None:
        self._stalled_until = max(self._stalled_until, until)
        self._clock.call_at(until, self.wake)

    def end(self, *, breaks: bool = False) -> None:
        """Let the reader find the end behind what is under way: in order, or as a reset."""
        self.writer_closed = True
        self.breaks = breaks
        self.wake()

    def put(self, data: bytes) -> None:
        """Let bytes go, whatever there is room for."""
        if not data:
            return
        if self.swallows or self.broken:
            self._held += len(data)  # The other side never takes them: a sender that goes on will wait.
            return
        self._held += len(data)
        if self._eager:
            self._data.append((0.0, data))
            self._lot.unpark_all()
            return
        now = self._clock.current_time()
        if now != self._put_at:
            self._put_at = now
            due = now + self._delay_s + (self._jitter_s * self._chance.random() if self._jitter_s else 0.0)
            self._last_due = max(due, self._last_due)
            self._clock.call_at(self._last_due, self._arrive)
        self._data.append((self._last_due, data))

    def _with_all_there(self, first: bytes) -> bytes:
        pieces, now = [first], self._clock.current_time()
        while self._data and self._data[0][0] <= now:
            pieces.append(self._data.popleft()[1])
        return b"".join(pieces)

    def _arrive(self) -> None:
        self._put_at = -1.0
        self._lot.unpark_all()

    # --- its ends -------------------------------------------------------------------------------------------------

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        if self._eager:
            await (
                trio.lowlevel.checkpoint()
            )  # Else it costs a third of a run; who sends has a lock that lets others run.
        while not self._has_room():
            await self._lot.park()
        data = bytes(data)
        if self.passing is None:
            self.put(data)
            return
        for frame in frames(data):
            if self.writer_closed or self.broken:
                return  # The one before was the last.
            self.put(frame if self.passing is None else self.passing(frame))

    def send_nowait(self, data: bytes | memoryview) -> int:
        """Take what there is room for, and now and then less, as a socket does; give how much that was."""
        assert self.passing is None, "this way is not looked at"
        if not self._has_room():
            return 0
        size = self._fragment(min(len(data), self._max_bytes - self._held))
        self.put(bytes(data[:size]))
        return size

    async def writable(self) -> None:
        await trio.lowlevel.checkpoint()
        while not self._has_room():
            await self._lot.park()

    def _has_room(self) -> bool:
        if self.writer_closed:
            raise trio.ClosedResourceError("this end is closed")
        if self.broken or self.reader_closed:
            raise trio.BrokenResourceError("connection reset")
        return self._held < self._max_bytes

    async def receive(self, max_bytes: int | None) -> bytes:
        if self._is_there() or self._eager:
            await trio.lowlevel.checkpoint()
        while (data := self.receive_nowait(max_bytes)) is None:
            await self._lot.park()
        if not data:
            await trio.lowlevel.checkpoint()
        return data

    def receive_nowait(self, max_bytes: int | None) -> bytes | None:
        """Give what is there; None when there is nothing yet, nothing at the end."""
        if self.reader_closed:
            raise trio.ClosedResourceError("this end is closed")
        if self.broken:
            raise self._fruitless()
        if self._is_there():
            return self._take(max_bytes)
        if self._is_at_its_end():
            if self.breaks:
                raise self._fruitless()
            return b""
        return None

    def _fruitless(self) -> Exception:
        self._fruitless_reads += 1
        if self._fruitless_reads > FRUITLESS_READS:
            return RuntimeError(f"somebody has read {FRUITLESS_READS} times what is broken")
        return trio.BrokenResourceError("connection reset")

    async def readable(self) -> None:
        """Wait until `receive_nowait` gives something, or raises."""
        await trio.lowlevel.checkpoint()
        while not (self._is_there() or self.reader_closed or self.broken or self._is_at_its_end()):
            await self._lot.park()

    def _is_at_its_end(self) -> bool:
        return self.writer_closed and not self._data and not self.swallows

    def _is_there(self) -> bool:
        return bool(self._data) and max(self._data[0][0], self._stalled_until) <= self._clock.current_time()

    def _take(self, max_bytes: int | None) -> bytes:
        due, data = self._data.popleft()
        if self._data and not self._eager:
            data = self._with_all_there(data)
        size = self._fragment(len(data) if max_bytes is None else min(len(data), max_bytes))
        if size < len(data):
            self._data.appendleft((due, data[size:]))
            data = data[:size]
        self._held -= size
        if self._lot:
            self._lot.unpark_all()
        return data

    def _fragment(self, size: int) -> int:
        if self._fragments and self._chance.random() < self._fragments:
            return min(size, self._chance.choice((1, 1, 2, 3, 7, 100)))
        return size


class End(trio.abc.Stream):
    """One end of a link."""

    def __init__(self, incoming: Way, outgoing: Way) -> None:
        self.incoming = incoming
        self.outgoing = outgoing
        self.closed = False
        self.closed_s = NEVER

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.outgoing.send(data)

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return await self.incoming.receive(max_bytes)

    async def aclose(self) -> None:
        if not self.closed:
            self.closed = True
            self.closed_s = trio.current_time()
            self.incoming.reader_closed = True
            self.outgoing.end(breaks=self.outgoing.swallows)  # The other side of a half-open link finds out some time.
            self.outgoing.swallows = False
            self.incoming.wake()
        await trio.lowlevel.checkpoint()


# --- frames from the server, which are not masked -----------------------------------------------------------------


def header_bytes(frame: bytes) -> int:
    """Give the length of a server frame's header."""
    return {126: 4, 127: 10}.get(frame[1] & 0x7F, 2)


def frames(data: bytes) -> Iterator[bytes]:
    """Take a server's write apart: frames, or the answer to a request."""
    if data.startswith(b"HTTP"):
        yield data
        return
    at = 0
    while at < len(data):
        head, size = header_bytes(data[at : at + 2]), data[at + 1] & 0x7F
        if head > 2:
            size = int.from_bytes(data[at + 2 : at + head], "big")
        yield data[at : at + head + size]
        at += head + size


def frame_type(frame: bytes) -> str:
    """Give the type of the event in a server's text frame; empty for any other frame."""
    if frame[0] & 0x0F != Opcode.TEXT:
        return ""
    start = header_bytes(frame) + len(b'{"type":"')
    return frame[start : frame.index(b'"', start)].decode()


def close_frame(code: int, reason: str = "") -> bytes:
    """Make a server's close frame; 1005 and 1006 stand for one without a code."""
    body = b"" if code in (1005, 1006) else code.to_bytes(2, "big") + reason.encode()
    return bytes((0x88, len(body))) + body


# --- faults -------------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Fault:
    """Something that happens to a connection.

    Attributes:
        at_s: When, in seconds since the user came.
        kind: What; see `FaultyLink`.
        on: Type of a server event: it happens not at `at_s` but with the next one of these after it.
        after: With `on`: the event is still delivered.
        seconds: How long a stall lasts.
        number: Close code, which way, or how many.
        then: What the connections after it meet: `refuse`, `slow`, `none`, `silent`; empty for nothing.
        then_number: How many of them.
        then_status: With `refuse`: the HTTP status.
        then_seconds: With `refuse`: when to come back; with `slow`: how long the server takes.
    """

    at_s: float
    kind: str
    on: str = ""
    after: bool = False
    seconds: float = 0.0
    number: int = 0
    then: str = ""
    then_number: int = 0
    then_status: int = 0
    then_seconds: float = 0.0


class FaultyLink:
    """One connection.

    Args:
        chance: What is random about it.
        weather: How it is in good times.
        happened: Told what happens to it.
    """

    def __init__(self, chance: Random, weather: Weather, happened: Callable[[Fault], None]) -> None:
        self._chance = chance
        self._happened = happened
        self._up, self._down = Way(chance, weather), Way(chance, weather)
        self.client, self.server = End(self._down, self._up), End(self._up, self._down)
        self._upgraded = False
        self._armed: deque[Fault] = deque()
        self._copies = 0
        self._waiting = Fault(at_s=0.0, kind="")
        self.faults: list[tuple[float, str]] = []
        """What was done to it, and when."""
        self.copies: list[str] = []
        """Events that were delivered twice."""
        self.unreadable: list[str] = []
        """Events that were spoiled."""
        self._down.passing = self._first_write

    @property
    def dead(self) -> bool:
        """Tell whether it has ended, or something has made it useless."""
        return self._down.broken or self._down.writer_closed or self._up.writer_closed or self._down.swallows

    @property
    def broke_at(self) -> float | None:
        """When it lost its use by a fault."""
        return min((at for at, kind in self.faults if kind in FATAL), default=None)

    def inflict(self, fault: Fault) -> None:
        """Let something happen, now or at the next server event of a type."""
        if fault.on:
            self._armed.append(fault)
            self._down.passing = self._frame
        else:
            self._do(fault)

    def _do(self, fault: Fault) -> None:
        if self._down.broken:
            return
        if fault.kind in ("cut", "corrupt"):
            self._waiting = fault
            self._down.passing = self._cut_frame if fault.kind == "cut" else self._spoil_frame
        else:
            self._note(fault)
            getattr(self, f"_{fault.kind}")(fault)

    def _note(self, fault: Fault) -> None:
        self.faults.append((trio.current_time(), fault.kind))
        self._happened(fault)

    def _reset(self, _: Fault) -> None:
        self._up.reset()
        self._down.reset()

    def _crash(self, fault: Fault) -> None:
        """The server is gone: what it sent may still arrive, what it is sent is answered by a reset."""
        self._up.reset()
        self._down.end(breaks=True)

    def _eof(self, _: Fault) -> None:
        self._down.end()
        self._up.end()

    def _close(self, fault: Fault) -> None:
        """The server, or a proxy before it, closes with a code of its own."""
        self._down.put(close_frame(fault.number, "injected"))
        self._down.end()
        self._up.end()  # The real server finds the end.

    def _half_open(self, _: Fault) -> None:
        self._up.swallows = self._down.swallows = True

    def _deaf(self, _: Fault) -> None:
        """Nothing reaches the server any more; what it says still comes."""
        self._up.swallows = True

    def _mute(self, _: Fault) -> None:
        """Nothing of the server's comes any more."""
        self._down.swallows = True

    def _stall(self, fault: Fault) -> None:
        until = trio.current_time() + fault.seconds
        ways = {0: (self._up,), 1: (self._down,)}.get(fault.number, (self._up, self._down))
        for way in ways:
            way.stall(until)

    def _duplicate(self, fault: Fault) -> None:
        """Deliver the next events twice."""
        self._copies = fault.number
        self._down.passing = self._frame

    # --- what passes ----------------------------------------------------------------------------------------------

    def _first_write(self, data: bytes) -> bytes:
        """The answer to the upgrade request."""
        self._upgraded = True
        self._down.passing = self._frame if self._armed or self._copies else None
        return data

    def _frame(self, data: bytes) -> bytes:
        kind = frame_type(data)
        if kind and self._armed and kind == self._armed[0].on:
            fault = self._armed.popleft()
            if fault.after:
                self._down.put(data)
                self._do(fault)
                return b""
            self._do(fault)
            if self._down.passing is not None and self._down.passing != self._frame:
                return self._down.passing(data)
            return data if self._down.open else b""
        if kind and self._copies:
            self._copies -= 1
            self.copies.append(data[header_bytes(data) :].decode())
            return data + data
        if not self._armed and not self._copies:
            self._down.passing = None
        return data

    def _cut_frame(self, data: bytes) -> bytes:
        """Break in its middle."""
        self._note(self._waiting)
        self._down.passing = None
        self._down.put(data[: self._chance.randrange(1, len(data))])
        self._up.reset()
        self._down.end(breaks=True)
        return b""

    def _spoil_frame(self, data: bytes) -> bytes:
        """Set a bit that means nothing, or put in what is no UTF-8."""
        if not frame_type(data):
            return data
        self._note(self._waiting)
        self._down.passing = self._frame if self._armed else None
        spoiled = bytearray(data)
        at = header_bytes(data)
        if self._chance.random() < 0.5:
            spoiled[0] |= 0x40
        else:
            spoiled[self._chance.randrange(at, len(data))] = 0xFF
        return bytes(spoiled)


FATAL: Final = frozenset({"reset", "crash", "eof", "close", "half_open", "deaf", "mute", "cut", "corrupt"})
"""Faults that no connection survives."""


async def refuse(end: trio.abc.Stream, status: int, retry_after_s: float) -> None:
    """Answer an upgrade request as a server that lets nobody in."""
    request = b""
    while b"\r\n\r\n" not in request:
        data = await end.receive_some(4096)
        if not data:
            return
        request += data
    later = f"Retry-After: {retry_after_s:.0f}\r\n" if retry_after_s else ""
    body = '{"error": {"message": "not now"}}'
    head = f"HTTP/1.1 {status} No\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{later}\r\n"
    await end.send_all((head + body).encode())
    await end.aclose()
