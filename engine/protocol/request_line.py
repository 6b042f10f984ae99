"""Requests for responses that wait for their way to be free: the one that is owed, and a line of others, in order.

What is owed is one, however often it is wanted: its answer sees everything. One that the application asks for by
itself, with settings of its own, stands in the line, and whichever waits for longer goes first.
"""


class RequestLine:
    """Knows what waits; sends nothing."""

    __slots__ = ("_behind", "_is_cut_off", "_line", "owed")

    def __init__(self) -> None:
        self.owed = False
        """A response is owed."""
        self._is_cut_off = False
        self._behind = 0
        self._line: list[str] = []

    def __len__(self) -> int:
        return len(self._line)

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing waits."""
        return not self.owed and not self._line

    @property
    def owed_is_first(self) -> bool:
        """Tell whether what is owed is the next to go."""
        return self.owed and not self._behind

    # --- what is owed -----------------------------------------------------------------------------------------

    def owe(self) -> None:
        """Owe a response. One that is owed already keeps its place."""
        self._is_cut_off = False
        if not self.owed:
            self.owed = True
            self._behind = len(self._line)

    def owe_first(self) -> None:
        """Owe a response that had its turn and has come to nothing: it is not behind the line again."""
        self._is_cut_off = False
        self.owed = True
        self._behind = 0

    def owe_cut_off(self) -> None:
        """Owe, as `owe_first`, what the connection's loss has cut off. Owed for nothing else, it can be let be."""
        was_owed = self.owed
        self.owe_first()
        self._is_cut_off = not was_owed

    def settled(self) -> None:
        """Note that what is owed has gone out, or has its answer."""
        self.owed = False

    def let_be(self) -> None:
        """The user wants no more of what was cut off."""
        if self._is_cut_off:
            self.owed = False

    # --- the line ---------------------------------------------------------------------------------------------

    def join(self, event_id: str) -> None:
        """Take one that is asked for by itself."""
        self._line.append(event_id)

    def first_again(self, event_id: str) -> None:
        """Take one that had its turn, and lost a race: it goes before all others."""
        self._line.insert(0, event_id)
        self._behind += self.owed

    def withdraw(self, event_id: str) -> None:
        """Forget one, if it is in the line."""
        if event_id in self._line:
            self._behind -= self._line.index(event_id) < self._behind
            self._line.remove(event_id)

    def next(self) -> str | None:
        """Give the first in the line, which leaves it; None when there is none."""
        if not self._line:
            return None
        self._behind = max(0, self._behind - 1)
        return self._line.pop(0)
