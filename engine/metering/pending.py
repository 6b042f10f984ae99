"""What the user said or sent that no response has answered yet, and which of it the next response answers."""

from typing import Final

import attrs

from engine.metering.records import Began

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

    def __init__(self) -> None:
        self.answers_speech = True
        """Does the service answer speech by itself (`turn_detection.create_response`)?"""
        self._spoken: Cause | None = None
        self._speaking: int | None = None
        self._typed_at: float | None = None
        self._typed_ids: list[str] = []
        self._tool: Cause | None = None
        self._requested_at: float | None = None

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
        if self._typed_at is not None and len(self._typed_ids) < _MOST_ITEMS:
            self._typed_ids.append(item_id)

    def not_typed(self) -> None:
        """Words of another's came after it, as in a history: it waits for no answer."""
        self._forget_typed()

    def tool_answered(self, turn: int, at: float) -> None:
        """A call of that turn has its result."""
        self._tool = Cause(began="tool", at=at, turn=turn)

    def requested(self, at: float) -> None:
        """A response was asked for."""
        self._requested_at = at

    def link_ended(self) -> None:
        """Nothing that waited will be answered on another connection."""
        self._spoken = self._speaking = self._tool = self._requested_at = None
        self._forget_typed()

    def take(self, newest_turn: int, now: float) -> Cause:
        """Tell what a response that begins now answers, and forget it."""
        cause = self._choose(newest_turn) or self._otherwise(now)
        if cause.began != "text" and (self._typed_at or 0.0) <= cause.at:
            self._forget_typed()
        if cause.turn is not None and cause.turn == self._speaking:
            self._speaking = None
        self._spoken = self._tool = self._requested_at = None
        return cause

    def _choose(self, newest_turn: int) -> Cause | None:
        spoken, typed_at = self._spoken, self._typed_at
        if spoken is not None and (typed_at is None or spoken.at >= typed_at or self._is_answered_first(spoken)):
            return spoken
        if typed_at is not None:
            cause = Cause(began="text", at=typed_at, item_ids=tuple(self._typed_ids))
            self._forget_typed()
            return cause
        tool = self._tool
        # A result that comes after the talk went on begins a turn of its own.
        return attrs.evolve(tool, turn=None) if tool is not None and tool.turn != newest_turn else tool

    def _is_answered_first(self, spoken: Cause) -> bool:
        return self.answers_speech and spoken.began != "push_to_talk"

    def _otherwise(self, now: float) -> Cause:
        if self._requested_at is not None:
            return Cause(began="request", at=self._requested_at)
        return Cause(began="service", at=now, turn=self._speaking)

    def _forget_typed(self) -> None:
        self._typed_at = None
        self._typed_ids = []
