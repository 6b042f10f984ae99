"""Sums over many stories."""

from collections import Counter
from collections.abc import Iterable

import attrs

from .checks import CHECKS
from .view import View


@attrs.define
class Figures:
    """What a run came to.

    Attributes:
        sessions: How many there were.
        session_s: How long they lasted, together.
        whole: Those that lasted as long as their users wanted.
        turns: Spoken turns.
        fewest_turns_an_hour: Of the session with the fewest.
        typed: Typed ones.
        responses: That began.
        calls: Of tools.
        renewals: Connections that were renewed.
        reconnections: That were made anew when they were lost.
        messages: That crossed the wire.
        faults: By kind.
        errors: What sessions ended with, by class.
        checks: How often an invariant was looked at.
        wrong: Where one did not hold: the user's seed, and what.
    """

    sessions: int = 0
    session_s: float = 0.0
    whole: int = 0
    turns: int = 0
    fewest_turns_an_hour: float = float("inf")
    typed: int = 0
    responses: int = 0
    calls: int = 0
    renewals: int = 0
    reconnections: int = 0
    messages: int = 0
    faults: Counter[str] = attrs.Factory(Counter)
    errors: Counter[str] = attrs.Factory(Counter)
    checks: int = 0
    wrong: list[tuple[str, str]] = attrs.Factory(list)

    def add(self, view: View, happened: dict[str, int], wrong: Iterable[str]) -> None:
        """Add a story."""
        app = view.app
        lasted_s = app.left_s - app.came_s
        self.sessions += 1
        self.session_s += lasted_s
        self.turns += len(app.spoken)
        self.typed += len(app.typed)
        self.responses += len(view.answers)
        self.calls += len(app.results)
        reasons = Counter(event.reason for _, event in view.restarts)
        self.renewals += reasons["renewal"]
        self.reconnections += reasons["connection_lost"]
        self.messages += view.messages
        self.faults.update(happened)
        self.checks += len(CHECKS)
        self.wrong += [(view.scenario.seed, what) for what in wrong]
        if app.error is None:
            self.whole += 1
            self.fewest_turns_an_hour = min(self.fewest_turns_an_hour, len(app.spoken) / (lasted_s / 3600))
        else:
            self.errors[type(app.error).__name__] += 1

    @property
    def hours(self) -> float:
        """Session-hours."""
        return self.session_s / 3600

    def lines(self, cpu_s: float) -> list[str]:
        """Tell it."""
        faults = ", ".join(f"{kind} {count}" for kind, count in self.faults.most_common())
        errors = ", ".join(f"{kind} {count}" for kind, count in self.errors.most_common()) or "none"
        return [
            (
                f"{self.hours:.1f} session-hours in {self.sessions} sessions, {self.whole} of them whole; "
                f"ended by an error: {errors}"
            ),
            (
                f"{self.turns} spoken turns (in a whole session at least {self.fewest_turns_an_hour:.0f} an hour), "
                f"{self.typed} typed, {self.responses} responses, {self.calls} calls, {self.messages} messages"
            ),
            f"{self.renewals} renewals, {self.reconnections} reconnections; faults: {faults or 'none'}",
            f"{self.checks} invariants checked, {len(self.wrong)} broken",
            f"{cpu_s:.1f} s of CPU, {cpu_s / max(self.hours, 1e-9) * 1000:.0f} ms for a session-hour",
        ]
