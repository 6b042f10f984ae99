"""Changes of a session's settings: those on their way, and those that the service has taken, for another connection."""

from collections import deque
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from engine.protocol.pairs import changed_fields, guess
from engine.wire.client import SessionUpdate
from engine.wire.response import ErrorDetails
from engine.wire.translation import TranslationSessionUpdate

UPDATES_MAX: Final = 64
"""Changes without an answer that are followed; past it the oldest counts as taken."""

_Update = TypeVar("_Update", SessionUpdate, TranslationSessionUpdate)


class Updates(Generic[_Update]):
    """What a session was told of its settings, in order. The service answers in order too."""

    __slots__ = ("_taken", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[_Update] = deque()
        self._taken: list[_Update] = []

    @property
    def standing(self) -> Sequence[_Update]:
        """What the service has taken, for another connection to begin with."""
        return tuple(self._taken)

    def sent(self, update: _Update) -> None:
        """Note a change that is on its way."""
        self._waiting.append(update)
        if len(self._waiting) > UPDATES_MAX:
            self.taken()

    def taken(self) -> None:
        """Note that the service has taken the oldest; it stands in place of those of which it says all anew."""
        if not self._waiting:
            return
        update = self._waiting.popleft()
        fields = changed_fields(update.session)
        self._taken = [each for each in self._taken if not changed_fields(each.session) <= fields]
        self._taken.append(update)

    def refused(self, details: ErrorDetails) -> None:
        """Take note of an error; where it is about a change, nobody is told of that again."""
        if details.event_id is not None:
            self._waiting = deque(each for each in self._waiting if each.event_id != details.event_id)
        elif self._waiting and guess(details) is SessionUpdate:
            self._waiting.popleft()

    def move(self, begun_with: Sequence[object]) -> Sequence[_Update]:
        """Go on over another connection.

        Args:
            begun_with: What that began with.

        Returns:
            What it is to be told still: what was taken since, and what had no answer. All of it is on its way again.
        """
        since = [each for each in self._taken if each not in begun_with]
        self._taken = [each for each in self._taken if each in begun_with]
        self._waiting.extendleft(reversed(since))
        return tuple(self._waiting)
