"""The clock of a run: time since its begin, with the pauses between its stretches left out."""

from collections.abc import Sequence

from engine.farm.ledger import Stint


class Elapsed:
    """Turns unix times into seconds of the run.

    Args:
        stints: The run's stretches, in order.
    """

    def __init__(self, stints: Sequence[Stint]) -> None:
        self._stints = stints
        self._before: list[float] = []
        total_s = 0.0
        for stint in stints:
            self._before.append(total_s)
            total_s += max(0.0, stint.last_at - stint.began_at)
        self.total_s = total_s
        """All stretches together."""

    @property
    def resumed_at_s(self) -> list[float]:
        """Give the moments at which the run was resumed."""
        return self._before[1:]

    def at_s(self, unix_time: float) -> float:
        """Give the run's time; what lies in a pause counts to the stretch before it."""
        for stint, before_s in zip(reversed(self._stints), reversed(self._before), strict=True):
            if unix_time >= stint.began_at:
                return before_s + min(unix_time, stint.last_at) - stint.began_at
        return 0.0
