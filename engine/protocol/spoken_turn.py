"""The user's spoken turn, which holds the way: the user speaks, or the service is about to answer by itself.

Neither holds it for ever: a service may not answer, and a microphone that is switched off in mid-sentence never ends
its turn.
"""

from engine.protocol.wait import Wait


class SpokenTurn:
    """Knows whether the user has the word.

    Args:
        deadline_s: How long the end of a turn may stay without its response, and a turn may hold a request.
    """

    __slots__ = ("_answer", "_held", "holds")

    def __init__(self, deadline_s: float) -> None:
        self.holds = False
        """The user speaks, or the service is about to answer."""
        self._answer = Wait(deadline_s)
        self._held = Wait(deadline_s)

    @property
    def goes_on(self) -> bool:
        """Tell whether the user speaks."""
        return self.holds and not self.awaits_answer

    @property
    def awaits_answer(self) -> bool:
        """Tell whether the turn is over, and the service is to answer it by itself, and has not begun to."""
        return self._answer.since is not None

    @property
    def deadline(self) -> float | None:
        """When it will have held something for too long."""
        return self._held.deadline

    def began(self) -> None:
        """Note that the user speaks."""
        self.holds = True
        self._answer.end()

    def ended(self, now: float, *, answered: bool) -> None:
        """Note that the user has stopped; when the service answers by itself, its response is waited for."""
        self.holds = self.holds and answered
        if self.holds:
            self._answer.begin(now)
        else:
            self._answer.end()

    def passed(self) -> None:
        """Note that it is the model's turn now."""
        self.holds = False
        self._answer.end()

    def unanswered(self, now: float) -> float | None:
        """Wait no longer for an answer that is overdue; give the time of the turn's end then."""
        since = self._answer.since
        if not self._answer.is_over(now):
            return None
        self.passed()
        return since

    def watch(self, now: float, *, wanted: bool) -> bool:
        """Note since when it holds what is wanted and nothing else holds; True when that changed."""
        return self._held.watch(now, waits=wanted and self.holds)

    def release(self, now: float) -> None:
        """Let go what it has held for too long."""
        if self._held.is_over(now):
            self.passed()

    def nothing_waits(self) -> None:
        """Note that nothing waits for its end any more."""
        self._held.end()

    def link_down(self) -> None:
        """There is no connection any more, and nobody to hear the user, or to answer."""
        self.passed()
        self._held.end()
