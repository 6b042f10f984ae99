"""What the application committed or cleared by hand, between which audio it went out, until the service answers."""

import math
from collections import deque
from typing import Final

import attrs

from engine.protocol.speech_store import Frame

KEPT_MARKS: Final = 256
"""Commits and clears by hand without an answer that are remembered; past it the oldest is forgotten."""


@attrs.frozen(eq=False)
class Mark:
    """A commit or clear by hand.

    Attributes:
        at_ms: After how much audio it went out.
        commit: The text of a commit; None for a clear.
    """

    at_ms: float
    commit: str | None = attrs.field(repr=False)


class SpeechMarks:
    """Commits and clears on the wire without an answer, in order. Answers come in order too."""

    __slots__ = ("_marks",)

    def __init__(self) -> None:
        self._marks: list[Mark] = []

    def __bool__(self) -> bool:
        return bool(self._marks)

    @property
    def commits(self) -> bool:
        """Tell whether there is a commit among them."""
        return any(mark.commit is not None for mark in self._marks)

    @property
    def last_ms(self) -> float:
        """Tell where the last one is."""
        return self._marks[-1].at_ms if self._marks else 0.0

    def add(self, at_ms: float, commit: str | None) -> None:
        """Note one that is on the socket."""
        self._marks.append(Mark(at_ms, commit))
        del self._marks[:-KEPT_MARKS]

    def answered(self, *, commits: bool) -> Mark | None:
        """Take the first commit, or the first clear, and forget what was before it; None when there is none."""
        found = next((mark for mark in self._marks if (mark.commit is not None) is commits), None)
        while found is not None and self._marks.pop(0) is not found:
            pass
        return found

    def passed(self, at_ms: float) -> None:
        """Forget those up to a position that the service is past: if it had an answer, that would have come."""
        while self._marks and self._marks[0].at_ms <= at_ms:
            del self._marks[0]

    def clear(self) -> None:
        """Forget them all."""
        self._marks.clear()

    def owed(self, frames: deque[Frame]) -> list[Frame]:
        """Give audio, and commits without a length, in order: not what was cleared, nor a commit of nothing."""
        rest, messages = deque(frames), list[Frame]()
        for mark in self._marks:
            turn = _up_to(mark.at_ms, rest)
            if turn and mark.commit is not None:
                messages += [*turn, commit(mark.commit, turn[-1])]
        return messages + _up_to(math.inf, rest)


def commit(text: str, last: Frame) -> Frame:
    """Make a message that commits what ends with a message of audio."""
    return (text, last[2], last[2], last[3])


def _up_to(end_ms: float, frames: deque[Frame]) -> list[Frame]:
    """Take the messages that end before a position, or at it."""
    taken = list[Frame]()
    while frames and frames[0][2] <= end_ms:
        taken.append(frames.popleft())
    return taken
