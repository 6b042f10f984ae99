"""What the user said or sent that no response has answered yet, and which of it the next response answers."""

from typing import Final

import attrs

from engine.metering.records import Began

_Request = tuple[str | None, float]
"""A request for a response: the client event that names it, where the application asked by itself; and when."""

_MOST_ITEMS: Final = 64
"""Ids of typed items that are kept for the turn that they will begin."""


@attrs.frozen(kw_only=True)
class Cause:
    """Why a response begins.

    Attributes:
        began: What its turn begins with, if it begins one.
        at: When that was.
        turn: The turn that it belongs to; None for a new one.
        item_ids: The user's items of a new one.
    """

    began: Began
    at: float
    turn: int | None = None
    item_ids: tuple[str, ...] = ()


class Pending:
    """Keeps what waits for an answer."""

    __slots__ = (
        "_answering",
        "_owed",
        "_request",
        "_request_before",
        "_speaking",
        "_spoken",
        "_tool",
        "_typed_at",
        "_typed_ids",
        "answers_speech",
        "speech_cuts_in",
        "unwanted",
    )

    def __init__(self) -> None:
        self.answers_speech = True
        """Does the service answer speech by itself (`turn_detection.create_response`)?"""
        self.speech_cuts_in = True
        """Does it stop its answer when the user speaks (`turn_detection.interrupt_response`)?"""
        self._spoken: Cause | None = None
        self._speaking: int | None = None
        self._typed_at: float | None = None
        self._typed_ids: list[str] = []
        self._tool: Cause | None = None
        self._request: _Request | None = None
        self._request_before: _Request | None = None
        self._answering: tuple[str, Cause | None] | None = None
        self.unwanted: str | None = None
        """The newest response that the user cut in on."""
        self._owed: Cause | None = None

    def speaking(self, turn: int) -> None:
        """The user speaks; what was typed before will be answered with it."""
        self._speaking, self._spoken = turn, None
        self._forget_typed()

    def spoken(self, turn: int, began: Began, at: float) -> None:
        """What the user said is whole."""
        self._speaking = None
        self._spoken = Cause(began=began, at=at, turn=turn)

    def speech_cleared(self) -> None:
        """What is being said was thrown away."""
        self._speaking = None

    def typed(self, at: float) -> None:
        """The user's text or image was sent."""
        self._typed_at = at

    def typed_item(self, item_id: str) -> None:
        """The item of what was typed."""
        # One that was sent again over another connection comes twice.
        if self._typed_at is not None and item_id not in self._typed_ids and len(self._typed_ids) < _MOST_ITEMS:
            self._typed_ids.append(item_id)

    def not_typed(self) -> None:
        """Words of another's came after it, as in a history: it waits for no answer."""
        self._forget_typed()

    def tool_answered(self, turn: int, at: float) -> None:
        """A call of that turn has its result."""
        self._tool = Cause(began="tool", at=at, turn=turn)

    def requested(self, at: float, name: str | None = None) -> None:
        """A response was asked for; or again, as the connection that it was asked for on is gone."""
        before = self._request_before
        self._request = before if before is not None and before[0] == name else (name, at)
        owed = self._owed
        if owed is not None and (self._typed_at or 0.0) > owed.at:
            self._owed = None  # One response answers both, and counts for the newer; what is typed later waits.

    def answering(self, response_id: str, cause: Cause | None) -> None:
        """A response of the talk begins, that answers this; None for one that nobody asks for again."""
        self._answering = response_id, cause

    def answered(self, response_id: str) -> None:
        """It has ended."""
        if self._answering is not None and self._answering[0] == response_id:
            self._answering = None

    def cut_in(self, response_id: str | None = None) -> None:
        """The response that runs is to end, if it is this one where one is named: it is not asked for again."""
        running = None if self._answering is None else self._answering[0]
        if running is not None and response_id in {None, running}:
            self.unwanted, self._answering = running, None

    def link_ended(self) -> None:
        """What waited, and what was cut off, is asked for again: one response on the next connection answers it all."""
        cut_off = None if self._answering is None else self._answering[1]
        causes = (cause for cause in (self._owed, cut_off, self._spoken) if cause is not None)
        self._owed = max(causes, key=lambda cause: cause.at, default=None)
        self._request_before = self._request or self._request_before
        self._spoken = self._speaking = self._answering = self._request = None

    def take(self, newest_turn: int, now: float) -> Cause:
        """Tell what a response that begins now answers, and forget it."""
        cause = self._choose(newest_turn) or self._otherwise(now)
        if (self._typed_at or 0.0) <= cause.at:
            self._forget_typed()
        if cause.turn is not None and cause.turn == self._speaking:
            self._speaking = None
        self._spoken = self._tool = self._owed = self._request = self._request_before = None
        return cause

    def _choose(self, newest_turn: int) -> Cause | None:
        spoken, typed_at, owed = self._spoken, self._typed_at, self._owed
        if spoken is not None and (typed_at is None or spoken.at >= typed_at or self._is_answered_first(spoken)):
            return spoken
        if typed_at is not None and owed is None:
            cause = Cause(began="text", at=typed_at, item_ids=tuple(self._typed_ids))
            self._forget_typed()
            return cause
        if owed is not None:
            return owed
        tool = self._tool
        # A result that comes after the talk went on begins a turn of its own.
        return attrs.evolve(tool, turn=None) if tool is not None and tool.turn != newest_turn else tool

    def _is_answered_first(self, spoken: Cause) -> bool:
        return self.answers_speech and spoken.began != "push_to_talk"

    def _otherwise(self, now: float) -> Cause:
        if self._request is not None:
            return Cause(began="request", at=self._request[1])
        return Cause(began="service", at=now, turn=self._speaking)

    def _forget_typed(self) -> None:
        self._typed_at = None
        self._typed_ids = []
