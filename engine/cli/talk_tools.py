"""What `realtime-engine talk` says to a service that calls tools: it has none."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from engine.errors import LimitExceeded

CALLS_MAX: Final = 3
"""Calls in one turn that are answered. A service that calls whatever the answer is would go on for ever."""

NO_TOOL: Final = "there is no such tool, answer without one"
"""Without the tool's name: a service that follows a script could take it for a question."""


class NoTools:
    """Answers each call with an error, and ends a talk that consists of calls.

    Args:
        turn: Gives the number of the turn that is being answered.
    """

    def __init__(self, turn: Callable[[], int]) -> None:
        self._turn = turn
        self._last_turn = -1
        self._calls = 0

    def call(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - a toolbox's interface
        """Give the call's result.

        Raises:
            LimitExceeded: The service has called too often in this turn.
        """
        if self._turn() != self._last_turn:
            self._last_turn, self._calls = self._turn(), 0
        self._calls += 1
        if self._calls > CALLS_MAX:
            words = "talk has no tools, and the service goes on calling them"
            raise LimitExceeded("tool calls in one turn", CALLS_MAX, self._calls, words)
        return {"error": NO_TOOL}
