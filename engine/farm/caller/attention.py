"""What a caller knows of the talk: whether it was heard, whether it is answered, and how much of that has sounded."""

from collections.abc import Sequence
from typing import Final

import trio

from engine.farm.caller.ear import Ear
from engine.farm.caller.meaning import Uttered, turns_of
from engine.metering.records import TurnRecord
from engine.session import Session

_BY_ITSELF: Final = frozenset({"tool", "idle"})
"""Turns that answer nothing that the caller just did: a tool's late result, and the caller's silence."""

_RECENT: Final = 8
"""Doings of the caller that may still be without their turns; older ones are not looked at again."""


class Attention:
    """Follows a talk by its turns.

    Args:
        session: Whom the caller talks to.
        ear: Of the caller.
    """

    def __init__(self, session: Session, ear: Ear) -> None:
        self._session = session
        self._ear = ear
        self.uttered: list[Uttered] = []
        """What the caller did so far."""

    def utter(self, said: str, words: str | None) -> Uttered:
        """Note that the caller begins to do something."""
        turns = self._session.turns
        uttered = Uttered(said, words, trio.current_time(), turns[-1].number if turns else 0)
        self.uttered.append(uttered)
        return uttered

    # --- heard --------------------------------------------------------------------------------------------------------

    def was_heard(self, uttered: Uttered, voiced_until: float, settled_at: float) -> bool:
        """Tell whether the service has heard the end of what the caller said.

        Args:
            uttered: What was said.
            voiced_until: Clock time at which the last sound of it ended, in s.
            settled_at: Clock time from which on what the service has not taken for speech is none, in s.
        """
        turns = self._turns_of(uttered)
        end = turns[-1].speech_end_at if turns else None
        if end is None or self.is_heard():
            return False
        return end >= voiced_until or trio.current_time() >= settled_at

    def is_heard(self) -> bool:
        """Tell whether the service takes the caller to speak."""
        turn = next((each for each in reversed(self._session.turns) if each.began == "speech"), None)
        if turn is None or turn.speech_start_at is None:
            return False
        return turn.speech_end_at is None or turn.speech_end_at < turn.speech_start_at

    def misses_words(self) -> bool:
        """Tell whether the service may still write down what the caller said last."""
        turns = self._session.turns
        turn = turns[-1] if turns else None
        if turn is None or turn.began not in {"speech", "push_to_talk"} or not turn.input_item_ids:
            return False
        words = self._ear.words.get(turn.input_item_ids[-1])
        return words is None or not words.final

    # --- answered -----------------------------------------------------------------------------------------------------

    def cut_at(self, uttered: Uttered, cut_in_ms: float | None) -> float | None:
        """Tell when so much of the answer will have been heard that the caller cuts in; None while nobody knows."""
        turns = self._turns_of(uttered) if cut_in_ms is not None else ()
        if cut_in_ms is None or not turns:
            return None
        return self._ear.heard.reached_at(turns[-1].response_ids, cut_in_ms)

    def is_answered(self, uttered: Uttered) -> bool:
        """Tell whether the whole answer has come."""
        turns = () if self._ear.answering else self._turns_of(uttered)
        if not turns:
            return False
        own = turns[-1]
        last = next((each for each in reversed(self._since(own.number - 1)) if each.responses), None)
        if last is None or (not own.responses and last.began in _BY_ITSELF):
            return False
        answer = last.responses[-1]
        return answer.done_at is not None and answer.status != "lost" and answer.stop_reason != "tool_use"

    def runs_tool(self, uttered: Uttered) -> bool:
        """Tell whether the answer waits for a tool."""
        turns = self._since(uttered.after_turn)
        return any(tool.answered_at is None for turn in turns for tool in turn.tools)

    def _since(self, number: int) -> Sequence[TurnRecord]:
        """Give the turns after the one of a number."""
        turns = self._session.turns
        return turns[max(0, number + 1 - turns[0].number) :] if turns else ()

    def _turns_of(self, uttered: Uttered) -> Sequence[TurnRecord]:
        """Give the turns that the caller's newest doing made so far."""
        recent = self.uttered[-_RECENT:]
        records = self._since(recent[0].after_turn)
        numbers = turns_of(records, recent)[recent.index(uttered)]
        return [record for record in records if record.number in numbers]
