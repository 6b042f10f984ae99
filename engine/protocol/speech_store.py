"""Where speech is kept: messages of audio in order, those that are items, and one bound over both."""

import base64
import math
from collections import deque
from collections.abc import Iterable
from typing import Final

import attrs

from engine.errors import RemoteViolation
from engine.wire.codec import load_object

LEAST_MS: Final = 1.0
"""What a message of kept speech weighs at least: many that hold next to nothing fill no memory."""

Frame = tuple[str, float, float, float]
"""A message of audio: its text, where it begins and ends in ms, and when it was sent. A plain tuple, for one is made of
each message."""


_NO_FRAMES: Final[deque[Frame]] = deque(maxlen=0)
"""Those of a session in which nobody has spoken."""


def sized(frames: Iterable[Frame]) -> list[tuple[str, float]]:
    """Give each message with the length of its audio in ms: 0.0 for a commit."""
    return [(text, end_ms - start_ms) for text, start_ms, end_ms, _ in frames]


@attrs.frozen
class KeptSpeechStatistics:
    """A snapshot of the speech that is kept.

    Attributes:
        held_ms: What is kept. A message shorter than a millisecond counts for one.
        items: Turns among it that are items of the conversation.
        dropped_ms: What found no room, ever.
    """

    held_ms: float
    items: int
    dropped_ms: float


@attrs.define
class KeptItem:
    """A turn that is an item of the conversation.

    Attributes:
        frames: Its audio.
        serial: Which one it is, counted over the session.
        answered: The model's answer is complete.
        wordless: The service could not write it down.
    """

    frames: deque[Frame]
    serial: int
    answered: bool = False
    wordless: bool = False


class SpeechStore:
    """Audio of one connection after the other, and of the items that it became.

    Args:
        max_ms: The most that is held; past it the oldest goes, and is counted.
    """

    __slots__ = (
        "_frames",
        "_max_ms",
        "_now",
        "_room_ms",
        "_window_ms",
        "dropped_ms",
        "held_ms",
        "items",
        "proven_at",
        "sent_ms",
    )

    def __init__(self, max_ms: float) -> None:
        self._max_ms = max_ms
        self._window_ms = math.inf
        self._room_ms = max_ms
        self._now = 0.0
        self.proven_at = math.inf
        """What was sent before has certainly arrived, so that silence about it means that nobody spoke."""
        self._frames: deque[Frame] | None = None
        self.items: dict[str, KeptItem] = {}
        """What is, by id, in order."""
        self.sent_ms = 0.0
        """How much audio the connection has taken."""
        self.held_ms = 0.0
        """How much is held. A message counts for `LEAST_MS` at least."""
        self.dropped_ms = 0.0
        """How much found no room."""

    @property
    def frames(self) -> deque[Frame]:
        """What is no item yet."""
        return _NO_FRAMES if self._frames is None else self._frames

    def add(self, text: str, length_ms: float, now: float) -> None:
        """Hold a message that was sent."""
        start_ms = self.sent_ms
        self.sent_ms = end_ms = start_ms + length_ms
        self._now = now
        if self._frames is None:
            self._frames = deque()
        self._frames.append((text, start_ms, end_ms, now))
        self.held_ms += max(length_ms, LEAST_MS)
        if self.held_ms > self._room_ms:
            self._trim()

    def keep_last(self, window_ms: float) -> None:
        """Hold only the last of what is no item, from now on; `math.inf` for all of it.

        What was sent that long ago goes, and only as far as that much has been sent after it: audio that goes out
        faster than it was spoken, as after an outage, is not heard any faster.
        """
        self._window_ms = window_ms
        self._room_ms = min(window_ms, self._max_ms)
        self._trim()

    def drop_up_to(self, end_ms: float) -> None:
        """Forget what ends before a position, or at it."""
        frames = self.frames
        while frames and frames[0][2] <= end_ms:
            self._let_go(frames.popleft())

    def make_item(self, item_id: str, end_ms: float, serial: int) -> None:
        """Make an item of what begins before a position. A message that goes on after it stays as well."""
        taken = deque[Frame]()
        while self.frames and self.frames[0][1] < end_ms:
            taken.append(self.frames.popleft())
        if not taken:
            return
        self.items[item_id] = KeptItem(taken, serial)
        if taken[-1][2] > end_ms:
            self.frames.appendleft(taken[-1])
            self.held_ms += _weight(taken[-1])

    def forget(self, item_id: str) -> None:
        """Forget an item, if it is there."""
        item = self.items.pop(item_id, None)
        for frame in () if item is None else item.frames:
            self._let_go(frame)

    def audio(self, item_id: str) -> bytes:
        """Give an item's audio, as far as it is held."""
        item = self.items.get(item_id)
        return b"" if item is None else b"".join(_decoded(text) for text, *_ in item.frames)

    def since(self, at: float) -> list[bytes]:
        """Give the audio of each message that is no item and was sent since then, the newest first."""
        newest: list[bytes] = []
        for text, _, _, sent_at in reversed(self.frames):
            if sent_at < at:
                break
            newest.append(_decoded(text))
        return newest

    def statistics(self) -> KeptSpeechStatistics:
        """Give a snapshot."""
        return KeptSpeechStatistics(self.held_ms, len(self.items), self.dropped_ms)

    def begin_anew(self) -> None:
        """Count from the beginning of another connection; items stay."""
        self.drop_up_to(math.inf)
        self.sent_ms = 0.0

    def _trim(self) -> None:
        self._drop_past_window()
        while self.held_ms > self._max_ms:
            self._drop_oldest()

    def _drop_past_window(self) -> None:
        frames, end_ms = self.frames, self.sent_ms - self._window_ms
        before = min(self._now - self._window_ms / 1000, self.proven_at)
        while frames and frames[0][2] <= end_ms and frames[0][3] <= before:
            self._let_go(frames.popleft())

    def _drop_oldest(self) -> None:
        item_id, item = self._first_to_go()
        frame = (self.frames if item is None else item.frames).popleft()
        if item is not None and not item.frames:
            del self.items[item_id]
        if not item.answered if item is not None else math.isinf(self._window_ms):
            # What has its answer, and what goes while only the last is wanted anyway, is no loss.
            self.dropped_ms += frame[2] - frame[1]
        self._let_go(frame)

    def _first_to_go(self) -> tuple[str, KeptItem | None]:
        """Give the oldest item that has its answer, or else the oldest."""
        answered = (each for each in self.items.items() if each[1].answered)
        return next(answered, None) or next(iter(self.items.items()), ("", None))

    def _let_go(self, frame: Frame) -> None:
        # Sums of floats drift; nothing weighs nothing.
        self.held_ms = self.held_ms - _weight(frame) if self.frames or self.items else 0.0


def _weight(frame: Frame) -> float:
    return max(frame[2] - frame[1], LEAST_MS)


def _decoded(text: str) -> bytes:
    """Read the audio of a message; nothing where an application sent what is none."""
    try:
        return base64.b64decode(load_object(text)[0].get("audio", ""))
    except (RemoteViolation, ValueError, TypeError):
        return b""
