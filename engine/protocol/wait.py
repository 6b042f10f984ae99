"""Since when something waits, and when it has waited too long."""

from collections.abc import Sequence


class Wait:
    """A wait with a limit; the time is always given.

    Args:
        limit_s: How long it may last.
    """

    __slots__ = ("_limit_s", "since")

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self.since: float | None = None
        """When it began; None while nothing waits."""

    @property
    def deadline(self) -> float | None:
        """When it has lasted too long; None while nothing waits."""
        return None if self.since is None else self.since + self._limit_s

    def begin(self, now: float) -> None:
        """Wait from now on, whatever was waited for before."""
        self.since = now

    def end(self) -> None:
        """Wait no longer."""
        self.since = None

    def watch(self, now: float, *, waits: bool) -> bool:
        """Begin, go on or end, by whether there is something to wait for now; True when that changed."""
        if waits is (self.since is not None):
            return False
        self.since = now if waits else None
        return True

    def is_over(self, now: float) -> bool:
        """Tell whether it has lasted too long."""
        return self.since is not None and now >= self.since + self._limit_s


def earliest(*each: float | None) -> float | None:
    """Give the earliest of those that there are."""
    there: Sequence[float] = [one for one in each if one is not None]
    return min(there, default=None)
