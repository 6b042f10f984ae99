"""A story as the checks look at it: both ledgers, read once."""

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

import attrs

from engine.events import (
    BidiConnectionRestartEvent,
    BidiConnectionWarningEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    BidiTranscriptStreamEvent,
)

from .ledger import AppLedger
from .scenario import Scenario
from .service import Served
from .wire import Answer, Told, read
from .world import Jump

CUT_OFF: Final = frozenset({"connection_lost", "response_stall"})
"""Why the engine says that a response was cut off when its connection was."""


@attrs.define(eq=False)
class Line:
    """One connection over which the session talked.

    Attributes:
        told: What crossed it.
        opened_s: When the client began to connect.
        begun_s: When the service opened the session.
        broke_s: When a fault made it useless; infinite if none did.
        closed_s: When the client closed its end.
        copies: Events that were delivered twice.
        stalls: When its bytes began to stand still for a while.
        messages: How many crossed it.
        crash: What broke the service.
        last_word_s: When the service said something that could still arrive.
    """

    told: Told
    opened_s: float
    begun_s: float
    broke_s: float
    closed_s: float
    copies: Sequence[str]
    stalls: Sequence[float] = ()
    messages: int = 0
    crash: str = ""
    last_word_s: float = 0.0


@attrs.define(slots=False)
class View:
    """A story.

    Attributes:
        scenario: What was to happen.
        app: The application's ledger.
        lines: Connections over which the session talked, in order.
        drafts: Those that were opened and never talked over.
        ends: When the client closed its end of each connection that it began, infinite if it did not.
        jumps: When the machine slept.
    """

    scenario: Scenario
    app: AppLedger
    lines: Sequence[Line]
    drafts: Sequence[Line]
    ends: Sequence[float]
    jumps: Sequence[Jump] = ()

    @classmethod
    def of(
        cls, scenario: Scenario, app: AppLedger, connections: Sequence[Served], jumps: Sequence[Jump] = ()
    ) -> "View":
        """Read a story's ledgers."""
        lines = [line for line in map(_line, connections) if line.begun_s < float("inf")]
        ends = [served.link.client.closed_s for served in connections]
        moves = [got.at_s for got in app.got if isinstance(got.event, BidiConnectionRestartEvent)]
        talked = _talked(lines, moves)
        return cls(scenario, app, talked, [line for line in lines if line not in talked], ends, jumps)

    def slept_s(self, since_s: float, until_s: float) -> float:
        """Tell for how long the machine slept between two moments."""
        return sum(jump.seconds for jump in self.jumps if since_s <= jump.at_s + jump.seconds and jump.at_s <= until_s)

    @property
    def messages(self) -> int:
        """How many messages crossed the wire."""
        return sum(line.messages for line in (*self.lines, *self.drafts))

    @property
    def last(self) -> Line | None:
        """The last connection."""
        return self.lines[-1] if self.lines else None

    @property
    def settled(self) -> bool:
        """The session came to its rest, and its last connection was in order."""
        app, last = self.app, self.last
        return app.calm and app.error is None and last is not None and last.broke_s > app.stopping_s

    def events(self, kind: type) -> list[tuple[float, Any]]:
        """Give what the application got of a class, with when."""
        return [(got.at_s, got.event) for got in self.app.got if isinstance(got.event, kind)]

    @cached_property
    def restarts(self) -> list[tuple[float, BidiConnectionRestartEvent]]:
        return self.events(BidiConnectionRestartEvent)

    @cached_property
    def words(self) -> dict[str, str]:
        """The user's words by item, on whichever connection the service wrote them down."""
        items = (item for line in self.lines for item in (*line.told.items.values(), *line.told.gone.values()))
        return {item.id: item.words for item in items if item.role == "user" and item.words}

    @cached_property
    def cut(self) -> set[str]:
        """Items of which not all was heard: the service was told so, or a later connection told less of them."""
        cut = {item_id for line in self.lines for _, item_id, ms in line.told.cuts if ms}
        words = {item.id: item.words for line in self.lines for item in line.told.items.values() if not item.ours}
        told = (item for line in self.lines for item in line.told.created)
        cut |= {item.id for item in told if words.get(item.id, item.words) != item.words}
        for before, line in pairwise(self.lines):
            cut |= set(before.told.items) - set(line.told.items)
        return cut

    @cached_property
    def outages(self) -> list[tuple[float, float]]:
        """Times without a connection, as the application was told: since when, until when."""
        spans: list[tuple[float, float]] = []
        down_s: float | None = None
        for got in self.app.got:
            if isinstance(got.event, BidiConnectionWarningEvent) and got.event.reason == "connection_lost":
                down_s = got.at_s
            elif isinstance(got.event, BidiConnectionRestartEvent) and down_s is not None:
                spans.append((down_s, got.at_s))
                down_s = None
        return spans if down_s is None else [*spans, (down_s, float("inf"))]

    @cached_property
    def completes(self) -> list[tuple[float, BidiResponseCompleteEvent]]:
        return self.events(BidiResponseCompleteEvent)

    @cached_property
    def interruptions(self) -> list[float]:
        return [at_s for at_s, _ in self.events(BidiInterruptionEvent)]

    @cached_property
    def answers(self) -> dict[str, tuple[Line, Answer]]:
        """Responses of all connections by id."""
        return {answer.id: (line, answer) for line in self.lines for answer in line.told.answers}

    @cached_property
    def went_on(self) -> set[str]:
        """Responses that the application was told of, and that no lost connection cut off."""
        begun = {event.response_id for _, event in self.events(BidiResponseStartEvent)}
        return begun - {
            event.response_id for _, event in self.completes if (event.details or {}).get("reason") in CUT_OFF
        }

    @cached_property
    def half_said(self) -> set[str]:
        """Words that the user heard of answers which a lost connection cut off."""
        lost = {event.response_id for _, event in self.completes if (event.details or {}).get("reason") in CUT_OFF}
        pieces = (event for _, event in self.events(BidiTranscriptStreamEvent) if event.response_id in lost)
        return {word for piece in pieces for word in piece.text.split()}

    @cached_property
    def finals(self) -> dict[str, str]:
        """What the model said in full, by response."""
        said: dict[str, str] = {}
        for _, event in self.events(BidiTranscriptStreamEvent):
            if event.role == "assistant" and event.is_final and event.response_id:
                said[event.response_id] = f"{said.get(event.response_id, '')} {event.text}".strip()
        return said


def _last_word_s(served: Served) -> float:
    """Tell when the service last said something; nothing of it comes where the link swallows what it says."""
    silent = any(kind in ("mute", "half_open") for _, kind in served.link.faults)
    return 0.0 if silent else max((entry.at_s for entry in served.entries if not entry.up), default=0.0)


def _talked(lines: Sequence[Line], moves: Sequence[float]) -> list[Line]:
    """Find the connections that the session moved to: at each move, the next one that was open."""
    talked = list(lines[:1])
    for at_s in moves:
        later = lines[lines.index(talked[-1]) + 1 :] if talked else lines
        talked += [line for line in later if line.begun_s <= at_s <= line.closed_s][:1]
    return talked


def _line(served: Served) -> Line:
    link = served.link
    told = read(served.entries)
    expired = (error.at_s for error in told.errors if error.code == "session_expired")
    broke = min((at_s for at_s in (link.broke_at, *expired) if at_s is not None), default=None)
    return Line(
        told,
        served.opened_s,
        told.begun_s,
        float("inf") if broke is None else broke,
        link.client.closed_s,
        tuple(link.copies),
        tuple(at_s for at_s, kind in link.faults if kind == "stall"),
        len(served.entries),
        "" if served.ledger is None or served.ledger.crash is None else repr(served.ledger.crash.exceptions),
        _last_word_s(served),
    )
