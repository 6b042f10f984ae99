"""Which turns of the session's log are what the caller did. Pure: turns and doings in, numbers out."""

from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from engine.metering.records import TurnRecord

BEGAN_BY_ITSELF: Final = frozenset({"idle", "service", "tool"})
"""Turns that answer nothing that the caller just did: there is nothing that their answer could be late after."""


@attrs.define(eq=False)
class Uttered:
    """What the caller did to be answered.

    Attributes:
        said: As the plan has it.
        words: That were said, where they are known.
        began_at: Clock time, in s.
        after_turn: Number of the newest turn before it.
        sound: Place of its sound in `Mouth.said`; None where it was typed.
        said_at: When its sound was over; None before.
        through_at: When the caller was through; None before.
    """

    said: str
    words: str | None
    began_at: float
    after_turn: int
    sound: int | None = None
    said_at: float | None = None
    through_at: float | None = None


def turns_of(records: Sequence[TurnRecord], uttered: Sequence[Uttered]) -> list[list[int]]:
    """Find the turns that each of the caller's doings made.

    Speech may have made several by its pauses; words that were typed one right after the other may share one; what the
    service never took for a turn has none.

    Args:
        records: Of the log, in order.
        uttered: What the caller did, in order.

    Returns:
        Numbers of turns, for each.
    """
    found: list[list[int]] = [[] for _ in uttered]
    for record in records:
        index = _spoken(record, uttered)
        if index is not None:
            found[index].append(record.number)
    for index, number in _typed(records, uttered):
        found[index].append(number)
    return found


def is_forgotten(one: Uttered, records: Sequence[TurnRecord]) -> bool:
    """Tell whether the log has forgotten the turn that it may have made."""
    return bool(records) and one.after_turn < records[0].number - 1


def _spoken(record: TurnRecord, uttered: Sequence[Uttered]) -> int | None:
    """Find the sound that a turn is of: speech is heard once it has begun, and committed once it is over."""
    for index in range(len(uttered) - 1, -1, -1):
        one = uttered[index]
        if one.sound is None:
            continue
        since = one.began_at if record.began == "speech" else one.said_at
        if record.began in {"speech", "push_to_talk"} and since is not None and since <= record.began_at:
            return index
    return None


def _typed(records: Sequence[TurnRecord], uttered: Sequence[Uttered]) -> Iterable[tuple[int, int]]:
    """Find the turns that typed words began.

    They are answered at once, or with all others that were typed while a response ran or was on its way.
    """
    answers = [record for record in records if record.began in {"text", "request"} and record.responses]
    whole: set[int] = set()
    waited_for = float("-inf")
    for index, one in enumerate(uttered):
        if one.sound is not None:
            continue
        after = (each for each in answers if each.number > one.after_turn and each.number not in whole)
        answer = next((each for each in after if _created_at(each) >= one.began_at), None)
        asks_at_once = waited_for < one.began_at and not any(_runs(each, one.began_at) for each in records)
        waited_for = float("inf") if answer is None else _created_at(answer)
        if answer is not None:
            whole |= {answer.number} if asks_at_once else set()
            yield index, answer.number


def _created_at(record: TurnRecord) -> float:
    created_at = record.responses[0].created_at
    return record.began_at if created_at is None else created_at


def _runs(record: TurnRecord, at: float) -> bool:
    """Tell whether one of its responses ran at a time."""
    return any(
        (each.created_at or record.began_at) < at and (each.done_at is None or each.done_at > at)
        for each in record.responses
    )
