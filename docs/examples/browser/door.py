"""Who may call, and how many at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

import attrs


@attrs.define
class Door:
    """Lets in who comes from our own page, as long as there is room: each call costs money.

    Attributes:
        origins: Where the page may come from. Any page of the web may open a WebSocket to us; browsers say which did.
        places: How many more may talk.
    """

    origins: frozenset[str]
    places: int

    def admits(self, origin: str | None) -> bool:
        """Tell whether this page is ours."""
        return origin in self.origins

    @contextmanager
    def place(self) -> Iterator[bool]:
        """Take a place for the length of a call, if there is one."""
        free = self.places > 0
        self.places -= free
        try:
            yield free
        finally:
            self.places += free
