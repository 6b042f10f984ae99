"""Which turns of the session's log are what the caller did. Pure: turns and doings in, numbers out."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import islice
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
    for index, number in (*_spoken(records, uttered), *_typed(records, uttered)):
        found[index].append(number)
    return found


def is_forgotten(one: Uttered, records: Sequence[TurnRecord]) -> bool:
    """Tell whether the log has forgotten the turn that it may have made."""
    return bool(records) and one.after_turn < records[0].number - 1


def _spoken(records: Sequence[TurnRecord], uttered: Sequence[Uttered]) -> Iterable[tuple[int, int]]:
    """Find the turns of sounds: speech is heard once it has begun, and committed once it is over."""
    sounds = [(index, one) for index, one in enumerate(uttered) if one.sound is not None]
    since = {
        "speech": [one.began_at for _, one in sounds],
        "push_to_talk": [float("inf") if one.said_at is None else one.said_at for _, one in sounds],
    }
    for record in records:
        place = bisect_right(since.get(record.began, ()), record.began_at)
        if place:
            yield sounds[place - 1][0], record.number


def _typed(records: Sequence[TurnRecord], uttered: Sequence[Uttered]) -> Iterable[tuple[int, int]]:
    """Find the turns that typed words began.

    They are answered at once, or with all others that were typed while a response ran or was on its way.
    """
    answers = [record for record in records if record.began in {"text", "request"} and record.responses]
    created, running = [_created_at(each) for each in answers], _running(records)
    whole: set[int] = set()
    waited_for = float("-inf")
    for index, one in enumerate(uttered):
        if one.sound is not None or is_forgotten(one, records):
            continue
        later = islice(answers, bisect_left(created, one.began_at), None)
        answer = next((each for each in later if each.number > one.after_turn and each.number not in whole), None)
        asks_at_once = waited_for < one.began_at and not _runs(running, one.began_at)
        waited_for = float("inf") if answer is None else _created_at(answer)
        if answer is not None:
            whole |= {answer.number} if asks_at_once else set()
            yield index, answer.number


def _created_at(record: TurnRecord) -> float:
    created_at = record.responses[0].created_at
    return record.began_at if created_at is None else created_at


def _running(records: Iterable[TurnRecord]) -> list[tuple[float, float]]:
    """Give when each response began and ended; one runs at a time."""
    responses = ((record, each) for record in records for each in record.responses)
    return sorted(
        (
            record.began_at if each.created_at is None else each.created_at,
            float("inf") if each.done_at is None else each.done_at,
        )
        for record, each in responses
    )


def _runs(running: Sequence[tuple[float, float]], at: float) -> bool:
    """Tell whether a response ran at a time."""
    before = bisect_left(running, (at,))
    return before > 0 and running[before - 1][1] > at
