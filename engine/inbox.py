"""The inbox: what the session has for the application, in order, bounded in bytes, purged when the user interrupts."""

from collections import deque
from collections.abc import Callable, Container, Mapping
from types import MappingProxyType, TracebackType
from typing import Any, Final, Literal

import attrs
import trio

from engine import limits
from engine.errors import LimitExceeded
from engine.events import (
    BidiAudioStreamEvent,
    BidiErrorEvent,
    BidiOutputEvent,
    BidiResponseCompleteEvent,
    BidiTranscriptStreamEvent,
    ListeningEvent,
    McpApprovalRequestEvent,
    McpCallEvent,
    McpToolsEvent,
    ToolUseStreamEvent,
    TranscriptEvent,
    TranslationTextEvent,
)
from engine.waiting.sleepers import Sleepers

Overflow = Literal["drop_oldest_audio", "wait", "fail"]

_EVENTS_A_CHECKPOINT = 64
"""A reader that always finds events lets other tasks run this often; each time would cost more than the event."""


@attrs.frozen
class InboxStatistics:
    """A snapshot of the inbox.

    Attributes:
        events: How many wait.
        bytes: What they weigh.
        most_bytes: The most that ever waited.
        purged_audio: Audio events dropped as stale, at interruptions and at `stop`.
        dropped_audio: Audio events dropped at the bound.
        delivered: Events handed to the application.
        waiting_since: Since when events wait and none is taken, in seconds of Trio's clock; None when none waits, or
            somebody waits for them.
    """

    events: int
    bytes: int
    most_bytes: int
    purged_audio: int
    dropped_audio: int
    delivered: int
    waiting_since: float | None = None


_GAPS = 64
"""So many gaps may stand between events however few those are: to close them costs a pass over all."""


def weight(event: BidiOutputEvent | ListeningEvent) -> int:
    """What an event counts for: its audio or text, and a fixed share for the rest."""
    if isinstance(event, BidiAudioStreamEvent):
        return len(event.audio) + limits.INBOX_EVENT_BYTES
    return _words_bytes(event) + limits.INBOX_EVENT_BYTES


def _words_bytes(event: BidiOutputEvent | ListeningEvent) -> int:
    match event:
        case BidiTranscriptStreamEvent() | TranslationTextEvent() | TranscriptEvent():
            return _text_bytes(event.text) + (_details_bytes(event) if isinstance(event, TranscriptEvent) else 0)
        case ToolUseStreamEvent():
            return _text_bytes(str(event.current_tool_use))
        case McpToolsEvent() | McpCallEvent() | McpApprovalRequestEvent():
            return _text_bytes(str(event.as_dict()))
        case BidiErrorEvent():
            return _text_bytes(event.code) + _text_bytes(event.message) + _text_bytes(str(event.details or ""))
        case BidiResponseCompleteEvent():
            return _text_bytes(str(event.details or ""))
        case _:
            return 0


def _details_bytes(event: TranscriptEvent) -> int:
    return sum(_text_bytes(str(part)) for part in (event.languages, event.logprobs, event.usage) if part)


def _text_bytes(text: str) -> int:
    """The most that a text can take; which it is exactly would cost a pass over it."""
    return len(text) if text.isascii() else 4 * len(text)


_NOBODY: Final[Mapping[type, Callable[[Any, float], None]]] = MappingProxyType({})


_Place = tuple[BidiOutputEvent | None, int]
"""An event and its weight. Taken out of turn, it leaves a gap, and nothing behind it has to move."""

_GAP: Final[_Place] = (None, 0)


class Inbox:
    """Events from the receiver to the application.

    Args:
        max_bytes: The bound.
        overflow: What happens at the bound; see `engine.config.EngineSettings.inbox_overflow`.
        taken: Told of each event of these classes, and of the time, when the application takes it.
        lost: Told of audio that is dropped at the bound.
    """

    __slots__ = (
        "_bytes",
        "_closed",
        "_delivered",
        "_dropped",
        "_error",
        "_events",
        "_lost",
        "_max_bytes",
        "_most_bytes",
        "_no_audio_before",
        "_overflow",
        "_overflowing",
        "_places",
        "_purged",
        "_readers",
        "_since",
        "_taken",
        "_traceback",
        "_waits",
        "_writers",
    )

    def __init__(
        self,
        max_bytes: int,
        overflow: Overflow,
        *,
        taken: Mapping[type, Callable[[Any, float], None]] = _NOBODY,
        lost: Callable[[BidiAudioStreamEvent], None] | None = None,
    ) -> None:
        self._max_bytes = max_bytes
        self._overflow = overflow
        self._waits = overflow == "wait"
        self._taken = taken
        self._lost = lost
        self._places: deque[_Place] = deque()
        # So many of the first places hold no audio: what looks for the oldest of it begins behind them.
        self._no_audio_before = 0
        self._events = 0
        self._bytes = 0
        self._most_bytes = 0
        self._purged = 0
        self._dropped = 0
        self._delivered = 0
        self._since: float | None = None
        self._overflowing = False
        self._closed = False
        self._error: BaseException | None = None
        self._traceback: TracebackType | None = None
        self._readers = Sleepers()
        self._writers = Sleepers()

    def statistics(self) -> InboxStatistics:
        """Give a snapshot."""
        return InboxStatistics(
            self._events,
            self._bytes,
            self._most_bytes,
            self._purged,
            self._dropped,
            self._delivered,
            self.waiting_since,
        )

    @property
    def waiting_since(self) -> float | None:
        """Since when events wait and none is taken, in seconds of Trio's clock.

        None when none waits, or somebody waits for them. Whoever reads slowly reads: each event that is taken counts.
        """
        return self._since if self._events else None

    def put(self, event: BidiOutputEvent) -> None:
        """Add an event.

        Raises:
            LimitExceeded: The bound is passed and the policy does not help: it is `fail`, or no audio is left to
                drop. The event is in all the same.
        """
        if self._closed:
            return
        self._append(event)
        if self._bytes > self._max_bytes and not self._waits:
            self._overflowed()

    def waiting(self) -> list[BidiOutputEvent]:
        """Give the events that wait, in order. They stay."""
        return [event for event, _ in self._places if event is not None]

    def has_room(self) -> bool:
        """Tell whether the receiver may go on reading, by the policy `wait`."""
        return not self._waits or self._closed or self._bytes <= self._max_bytes

    async def room(self) -> None:
        """Wait until the application has read something."""
        await self._writers.sleep()

    def purge_audio(self, kept: Container[str] = frozenset()) -> int:
        """Drop audio that waits, but for that of the responses in `kept`; give how many events."""
        left: deque[_Place] = deque()
        stale = stale_bytes = 0
        for place in self._places:
            event, size = place
            if isinstance(event, BidiAudioStreamEvent) and event.response_id not in kept:
                stale += 1
                stale_bytes += size
            elif event is not None:
                left.append(place)
        self._replace(left)
        self._events -= stale
        self._bytes -= stale_bytes
        self._purged += stale
        if stale:
            self._made_room()
        return stale

    def close(self, error: BaseException | None = None, last: BidiOutputEvent | None = None) -> None:
        """Take nothing more. Readers get what is there, then `last`, which no bound keeps out, then the error or end.

        Only the first call counts.
        """
        if self._closed:
            return
        if last is not None:
            self._append(last)
        self._closed = True
        self._error = error
        self._traceback = error.__traceback__ if error is not None else None
        self._readers.wake_all()
        self._writers.wake_all()

    async def get(self) -> BidiOutputEvent | None:
        """Wait for the next event; None at the end. Cancelled, it leaves the event where it is.

        Raises:
            BaseException: What the session ended with, once all events before it are read.
        """
        if self._events or self._closed:  # Else it sleeps, which is a checkpoint.
            await trio.lowlevel.checkpoint_if_cancelled()
            if self._delivered % _EVENTS_A_CHECKPOINT == 0:
                await trio.lowlevel.checkpoint()
        while not self._events:
            if self._closed:
                if self._error is not None:
                    # Without the frames of those who got it before.
                    raise self._error.with_traceback(self._traceback)
                return None
            await self._readers.sleep()
        event = self._pop()
        taken = self._taken.get(type(event))
        if taken is not None:
            now = trio.current_time()
            self._since = now if self._events else None
            taken(event, now)
        else:
            self._since = trio.current_time() if self._events else None
        return event

    def _take(self, now: float) -> BidiOutputEvent:
        """Take the first event, of which there is one, as `get` does; the caller tells whom it concerns."""
        event = self._pop()
        self._since = now if self._events else None
        return event

    def _pop(self) -> BidiOutputEvent:
        event, size = self._places.popleft()
        while event is None:
            event, size = self._places.popleft()
            self._no_audio_before -= 1
        if self._no_audio_before:
            self._no_audio_before -= 1
        self._events -= 1
        self._bytes -= size
        self._delivered += 1
        if self._overflowing or self._writers:
            self._made_room()
        return event

    def _made_room(self) -> None:
        if self._overflowing and self._bytes <= self._max_bytes // 2:
            self._overflowing = False  # The next overflow is another one, and is told.
        if self._waits:
            self._wake_writers()

    def _wake_writers(self) -> None:
        self._writers.wake_all()

    def _append(self, event: BidiOutputEvent) -> None:
        if isinstance(event, BidiAudioStreamEvent):  # noqa: SIM108 - as `weight` does, without the call
            size = len(event.audio) + limits.INBOX_EVENT_BYTES
        else:
            size = weight(event)
        self._places.append((event, size))
        self._events += 1
        waiting = self._bytes = self._bytes + size
        if waiting > self._most_bytes:  # noqa: PLR1730 - a call costs more
            self._most_bytes = waiting
        if self._readers:
            self._since = None  # Who waits for it takes it at once: the clock is asked only where nobody does.
            self._readers.wake()
        elif self._events == 1:
            self._since = trio.current_time()

    def _overflowed(self) -> None:
        way_out = "call receive() faster, raise engine.inbox_max_bytes, or choose another engine.inbox_overflow"
        over = LimitExceeded("inbox_max_bytes", self._max_bytes, self._bytes, way_out)
        if self._overflow == "fail":
            raise over
        self._drop_oldest_audio()
        if self._bytes > self._max_bytes:
            raise over
        if not self._overflowing:
            self._overflowing = True
            self._append(BidiErrorEvent(over, {"policy": self._overflow}, received_at=trio.current_time()))

    def _drop_oldest_audio(self) -> None:
        places, at = self._places, self._no_audio_before
        while at < len(places) and self._bytes > self._max_bytes:
            event, size = places[at]
            if isinstance(event, BidiAudioStreamEvent):
                places[at] = _GAP
                self._events -= 1
                self._bytes -= size
                self._dropped += 1
                if self._lost is not None:
                    self._lost(event)
            at += 1
        self._no_audio_before = at
        if len(places) > 2 * self._events + _GAPS:
            self._replace(deque(place for place in places if place[0] is not None))

    def _replace(self, places: deque[_Place]) -> None:
        self._places = places
        self._no_audio_before = 0
