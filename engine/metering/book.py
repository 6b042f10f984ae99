"""Where the turn log keeps its records: turns and responses by id, a bounded number, and the sums over all of them."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

import attrs

from engine.counting import NameCounts
from engine.metering.records import Began, ResponseRecord, ToolRecord, TurnRecord, TurnTotals

MOST_PARTS: Final = 256
"""Items and calls that are kept of one response, and responses of one turn."""

_LATENCIES: Final[Mapping[str, str]] = {
    "time_to_first_text": "time_to_first_text_ms",
    "time_to_first_audio": "time_to_first_audio_ms",
    "time_to_first_audio_heard": "time_to_first_audio_heard_ms",
    "interruption_latency": "interruption_latency_ms",
}
"""A turn's figures that are summed, by the name of the sum."""


_NO_TOTALS: Final = TurnTotals()
"""Those of a session in which nothing has happened."""


class TurnListener(Protocol):
    """Who wants to know of turns as they go."""

    def latency(self, name: str, ms: float) -> None:
        """A latency of a turn is known: its name in `TurnTotals`, and how long."""
        ...

    def interrupted(self) -> None:
        """An answer was cut off."""
        ...


class TurnBook:
    """Records by id. A record is frozen: to change one, put another in its place.

    Args:
        max_turns: Turns to hold, and as many responses outside the conversation.
        listener: Told of latencies and interruptions as they become known.
    """

    __slots__ = (
        "_asides",
        "_max_turns",
        "_orphans",
        "_response_of_call",
        "_response_of_item",
        "_responses",
        "_statuses",
        "_totals",
        "_turn_of_input",
        "_turn_of_response",
        "_turns",
        "listener",
    )

    def __init__(self, max_turns: int, listener: TurnListener | None = None) -> None:
        self._max_turns = max_turns
        self.listener = listener
        """Told of latencies and interruptions."""
        self._statuses = NameCounts()
        self._totals = _NO_TOTALS
        self._turns: dict[int, TurnRecord] = {}
        self._responses: dict[str, ResponseRecord] = {}
        self._asides: dict[str, ResponseRecord] = {}
        self._orphans: dict[str, None] = {}
        self._turn_of_response: dict[str, int] = {}
        self._turn_of_input: dict[str, int] = {}
        self._response_of_item: dict[str, str] = {}
        self._response_of_call: dict[str, str] = {}

    @property
    def turns(self) -> tuple[TurnRecord, ...]:
        """Turns, oldest first."""
        return tuple(self._turns.values())

    @property
    def asides(self) -> tuple[ResponseRecord, ...]:
        """Responses outside the conversation, oldest first."""
        return tuple(self._asides.values())

    @property
    def unended(self) -> list[ResponseRecord]:
        """Responses that run."""
        return [response for response in self._responses.values() if response.done_at is None]

    @property
    def totals(self) -> TurnTotals:
        """Sums over all turns, without tokens."""
        return attrs.evolve(self._totals, responses=self._statuses.snapshot())

    @property
    def newest(self) -> int:
        """Number of the newest turn, 0 before the first."""
        return self._totals.turns

    # --- turns ------------------------------------------------------------------------------------------------

    def turn(self, number: int | None) -> TurnRecord | None:
        """Find a turn that is still held."""
        return self._turns.get(number) if number is not None else None

    def turn_of_input(self, item_id: str) -> TurnRecord | None:
        """Find the turn that a user's item began."""
        return self.turn(self._turn_of_input.get(item_id))

    def turn_of_item(self, item_id: str) -> TurnRecord | None:
        """Find the turn that a response's item belongs to."""
        response_id = self._response_of_item.get(item_id)
        return self.turn_of_response(response_id) if response_id is not None else None

    def turn_of_response(self, response_id: str) -> TurnRecord | None:
        """Find the turn that a response belongs to."""
        return self.turn(self._turn_of_response.get(response_id))

    def newest_answered(self) -> TurnRecord | None:
        """Find the newest turn that has a response."""
        return next((turn for turn in reversed(self._turns.values()) if turn.responses), None)

    def spoken_after(self, turn: TurnRecord) -> float | None:
        """Tell when the user first spoke after a turn began."""
        later = (self._turns[number] for number in range(turn.number + 1, self.newest + 1) if number in self._turns)
        return next((one.speech_start_at for one in later if one.speech_start_at is not None), None)

    def begin(self, began: Began, at: float, **known: Any) -> TurnRecord:
        """Add a turn; the oldest is forgotten when there are too many."""
        number = self.newest + 1
        self._totals = attrs.evolve(self._totals, turns=number)
        turn = TurnRecord(number=number, began=began, began_at=at, **known)
        self._turns[number] = turn
        for item_id in turn.input_item_ids:
            self._turn_of_input[item_id] = number
        if len(self._turns) > self._max_turns:
            self._forget_turn(self._turns.pop(next(iter(self._turns))))
        return turn

    def add_input(self, turn: TurnRecord, item_id: str) -> TurnRecord:
        """Add an item of the user's to a turn that is held."""
        self._turn_of_input[item_id] = turn.number
        self._turns[turn.number] = turn = attrs.evolve(turn, input_item_ids=(*turn.input_item_ids, item_id))
        return turn

    def put_turn(self, turn: TurnRecord) -> None:
        """Renew a turn, and sum what is known of it for the first time."""
        before = self._turns[turn.number]
        self._turns[turn.number] = turn
        for name, figure in _LATENCIES.items():
            ms = getattr(turn, figure)
            if ms is not None and getattr(before, figure) is None:
                self._met(name, ms)
        if before.interrupted_at is None and turn.interrupted_at is not None:
            self._totals = attrs.evolve(self._totals, interruptions=self._totals.interruptions + 1)
            if self.listener is not None:
                self.listener.interrupted()

    def _put_same_times(self, turn: TurnRecord) -> None:
        """Renew a turn in which nothing is new that is summed."""
        self._turns[turn.number] = turn

    def _met(self, name: str, ms: float) -> None:
        changed: dict[str, Any] = {name: getattr(self._totals, name).met(ms)}
        self._totals = attrs.evolve(self._totals, **changed)
        if self.listener is not None:
            self.listener.latency(name, ms)

    def _forget_turn(self, turn: TurnRecord) -> None:
        self._totals = attrs.evolve(self._totals, forgotten=self._totals.forgotten + 1)
        for item_id in turn.input_item_ids:
            self._turn_of_input.pop(item_id, None)
        for response in turn.responses:
            self._forget_response(response)

    # --- responses --------------------------------------------------------------------------------------------

    def response(self, response_id: str) -> ResponseRecord | None:
        """Find a response that is still held."""
        return self._responses.get(response_id)

    def held(self, response_id: str) -> ResponseRecord:
        """Give a response that is held."""
        return self._responses[response_id]

    def response_of_call(self, call_id: str) -> ResponseRecord | None:
        """Find the response that a call belongs to."""
        response_id = self._response_of_call.get(call_id)
        return self._responses.get(response_id) if response_id is not None else None

    def is_orphan(self, response_id: str) -> bool:
        """Tell whether a response was forgotten before its end."""
        return response_id in self._orphans

    def add_response(self, response: ResponseRecord, turn: TurnRecord) -> None:
        """Add a response to a turn."""
        self._responses[response.response_id] = response
        self._turn_of_response[response.response_id] = turn.number
        self.put_turn(attrs.evolve(turn, responses=(*turn.responses, response)))

    def add_aside(self, response: ResponseRecord) -> None:
        """Add a response outside the conversation; the oldest is forgotten when there are too many."""
        self._responses[response.response_id] = response
        self._turn_of_response.pop(response.response_id, None)
        self._asides[response.response_id] = response
        self._totals = attrs.evolve(self._totals, asides=self._totals.asides + 1)
        if len(self._asides) > self._max_turns:
            self._forget_response(self._asides.pop(next(iter(self._asides))))

    def put_response(self, response: ResponseRecord) -> None:
        """Renew a response that is held, where it stands."""
        response_id = response.response_id
        before = self._responses[response_id]
        self._responses[response_id] = response
        if self._asides.get(response_id) is before:
            self._asides[response_id] = response
        turn = self.turn_of_response(response_id)
        if turn is not None:
            renewed = tuple(response if one is before else one for one in turn.responses)
            put = self._put_same_times if _same_times(response, before) else self.put_turn
            put(attrs.evolve(turn, responses=renewed))

    def add_item(self, response_id: str, item_id: str) -> None:
        """Add an item to a response that is held."""
        response = self._responses[response_id]
        if item_id not in self._response_of_item and len(response.item_ids) < MOST_PARTS:
            self._response_of_item[item_id] = response_id
            self.put_response(attrs.evolve(response, item_ids=(*response.item_ids, item_id)))

    def put_tool(self, response: ResponseRecord, tool: ToolRecord) -> None:
        """Add a call to a response, or renew it."""
        calls = {one.call_id: one for one in response.tools}
        if tool.call_id not in calls:
            if len(calls) >= MOST_PARTS:
                return
            self._response_of_call[tool.call_id] = response.response_id
            self._totals = attrs.evolve(self._totals, tool_calls=self._totals.tool_calls + 1)
        calls[tool.call_id] = tool
        self.put_response(attrs.evolve(response, tools=tuple(calls.values())))

    def ended(self, status: str) -> None:
        """Count a response that is over."""
        self._statuses.add(status)

    def _forget_response(self, response: ResponseRecord) -> None:
        if self._responses.get(response.response_id) is response:
            del self._responses[response.response_id]
            self._turn_of_response.pop(response.response_id, None)
        for item_id in response.item_ids:
            self._response_of_item.pop(item_id, None)
        for tool in response.tools:
            self._response_of_call.pop(tool.call_id, None)
        if response.done_at is None:
            self._orphans[response.response_id] = None
            if len(self._orphans) > self._max_turns:
                del self._orphans[next(iter(self._orphans))]


def _same_times(response: ResponseRecord, before: ResponseRecord) -> bool:
    """Tell whether a turn's latencies are what they were: a response of many calls is renewed by each of them."""
    return (response.first_text_at, response.first_audio_at) == (before.first_text_at, before.first_audio_at)
