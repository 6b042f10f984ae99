"""The request for a response that is out: which, since when, and earlier ones whose refusal may come late."""

from typing import Final

from engine.protocol.wait import Wait

REMEMBERED_REQUESTS: Final = 16
"""Requests of our own whose refusal may come late: another is on its way by then, or has its answer."""


class RequestOut:
    """Knows the request that went out last, until nothing can come of it any more.

    Args:
        deadline_s: How long it may stay unanswered.
    """

    __slots__ = ("_earlier", "_given_up_id", "_unanswered", "by_itself", "event_id", "repeat")

    def __init__(self, deadline_s: float) -> None:
        self.event_id: str | None = None
        """Its own. None where there is no request, or it has none."""
        self.by_itself = False
        """It is one that was asked for by itself."""
        self.repeat = True
        """It is ours to repeat when it loses a race."""
        self._unanswered = Wait(deadline_s)
        self._earlier: tuple[str, ...] = ()
        self._given_up_id: str | None = None

    @property
    def deadline(self) -> float | None:
        """When it will have waited too long for its answer."""
        return self._unanswered.deadline

    @property
    def sent_at(self) -> float | None:
        """When it went out; None when it has its answer."""
        return self._unanswered.since

    def sent(self, event_id: str | None, now: float, *, by_itself: bool, repeat: bool) -> None:
        """Note that it went out."""
        if not by_itself:
            self._given_up_id = None  # This one stands for it.
            if event_id is not None and repeat:
                self._earlier = (*self._earlier, event_id)[-REMEMBERED_REQUESTS:]
        self.event_id = event_id
        self.by_itself = by_itself
        self.repeat = repeat
        self._unanswered.begin(now)

    def answered(self) -> None:
        """Note that a response has begun, or ended; a refusal may name it still."""
        self._unanswered.end()

    def over(self) -> None:
        """Note that nothing comes of it any more."""
        self.event_id = None
        self.by_itself = False
        self._unanswered.end()

    def is_late(self, now: float) -> bool:
        """Tell whether its answer is overdue."""
        return self._unanswered.is_over(now)

    def give_up(self) -> None:
        """Wait for it no longer; what is refused late is owed again, unless it was asked for by itself."""
        if not self.by_itself:
            self._given_up_id = self.event_id
        self.over()

    def is_named(self, event_id: str | None) -> bool:
        """Tell whether an error names it."""
        return event_id is not None and event_id == self.event_id

    def is_earlier(self, event_id: str | None) -> bool:
        """Tell whether an error names one of ours before it."""
        return event_id in self._earlier and not self.is_named(event_id)

    def was_given_up(self, event_id: str | None) -> bool:
        """Tell whether an error names the one that was given up and that no other stands for; true once."""
        if event_id is None or event_id != self._given_up_id:
            return False
        self._given_up_id = None
        return True

    def link_down(self) -> None:
        """There is no connection any more, and no late refusal."""
        self.over()
        self._given_up_id = None
