"""Silence that lasts too long: of a response that has begun, and of a talk in which nobody says anything.

Pure: both are told what happens and when, and say when they want to be asked again. The time is in seconds of whatever
clock the caller has, one that never goes back.
"""

from collections.abc import Hashable
from typing import Final

FOLLOWED_RESPONSES: Final = 256
"""Responses whose silence is followed at once; past it the oldest is not any more. The service has one of the
conversation, and few beside it."""


HELD_MAX: Final = 1024
"""What may hold a talk at once; further ones count as said, and hold nothing."""


class Stall:
    """Follows the active responses, of the conversation and beside it, and tells which of them have fallen silent.

    A response stalls when none of its events comes for `deadline_s`: it was created and nothing followed, its deltas
    stop, or its end never comes. Each is told once, and not followed any more.

    Where the service is known to work in silence, as on an MCP call, `seen` takes a time that lies ahead: silence
    counts from there, or from the next event.

    Args:
        deadline_s: The longest silence; None for ever, and nothing is followed.
    """

    __slots__ = ("_deadline_s", "_last")

    def __init__(self, deadline_s: float | None) -> None:
        self._deadline_s = deadline_s
        self._last: dict[str, float] = {}

    def began(self, response_id: str, now: float) -> None:
        """Follow a response."""
        if self._deadline_s is None:
            return
        self._last[response_id] = now
        if len(self._last) > FOLLOWED_RESPONSES:
            del self._last[next(iter(self._last))]

    def seen(self, response_id: str | None, now: float) -> None:
        """Take note of an event of a response, any; of one that is not followed it means nothing."""
        if response_id in self._last:
            self._last[response_id] = now

    def ended(self, response_id: str | None) -> None:
        """Follow a response no more."""
        if response_id in self._last:
            del self._last[response_id]

    def forget(self) -> None:
        """Follow none of them any more, as when their connection is lost."""
        self._last.clear()

    @property
    def deadline(self) -> float | None:
        """When to ask `stalled`; None while no response is active. Events move it, and nobody needs to be told so."""
        if self._deadline_s is None or not self._last:
            return None
        return min(self._last.values()) + self._deadline_s

    def stalled(self, now: float) -> list[str]:
        """Give the responses that have been silent for too long, in the order in which they began."""
        if self._deadline_s is None:
            return []
        silent = [response_id for response_id, last in self._last.items() if now >= last + self._deadline_s]
        for response_id in silent:
            del self._last[response_id]
        return silent


class Idle:
    """Tells when neither side has said anything for too long.

    What counts as said: text, an image or a result that was sent, a request by hand, the beginning and the end of the
    user's speech, the beginning and the end of a response. Audio that is fed does not count, for silence is audio too;
    nor do pings, changes of settings, or what the service tells of limits.

    What lasts holds it, from its beginning to its end: the user's speech, a response, a tool's call, the model's
    speech while it is still being played. Nothing is idle while something holds it.

    Args:
        deadline_s: The longest silence; None for ever.
        now: When it begins; None for when something is said for the first time.
    """

    __slots__ = ("_deadline_s", "_held", "_said_at", "_told")

    def __init__(self, deadline_s: float | None, now: float | None = None) -> None:
        self._deadline_s = deadline_s
        self._said_at = now
        self._held: dict[Hashable, None] = {}
        self._told = False

    def said(self, at: float) -> None:
        """Take note that somebody says something: now, or until a time ahead, as speech that is still being played."""
        self._said_at = at if self._said_at is None else max(self._said_at, at)
        self._told = False

    def hold(self, by: Hashable, now: float) -> None:
        """Note the beginning of something that lasts, as `("response", id)`."""
        self.said(now)
        if len(self._held) < HELD_MAX:
            self._held[by] = None

    def release(self, by: Hashable, now: float) -> None:
        """Note its end."""
        self.said(now)
        self._held.pop(by, None)

    def release_all(self, now: float) -> None:
        """Note the end of whatever lasts, as when the connection is lost."""
        self.said(now)
        self._held.clear()

    @property
    def deadline(self) -> float | None:
        """When to ask `passed`; None while something holds it, it was told, or nothing was said yet."""
        if self._deadline_s is None or self._said_at is None or self._held or self._told:
            return None
        return self._said_at + self._deadline_s

    def passed(self, now: float) -> bool:
        """Tell whether it has been silent for too long. True once for each silence."""
        due = self.deadline
        self._told = self._told or (due is not None and now >= due)
        return due is not None and now >= due
