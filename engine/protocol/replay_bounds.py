"""Which items of the talk a new connection is told: the newest that fit, a call and its results both or neither."""

from collections import Counter
from collections.abc import Callable, Sequence

import attrs

from engine.protocol.history import HistoryItem
from engine.protocol.retelling import LeftOut, Retold
from engine.wire.items import FunctionCallItem, FunctionCallOutputItem

Retell = Callable[[HistoryItem], Retold | LeftOut]
Weigh = Callable[[Retold], int]

_NOT_WHOLE = frozenset({"in_progress", "incomplete"})


@attrs.frozen
class Chosen:
    """What is told.

    Attributes:
        kept: In the order of the talk.
        left_out: How many items are not, by reason.
        tokens: What is kept, estimated.
    """

    kept: list[Retold]
    left_out: Counter[LeftOut]
    tokens: int


@attrs.define(eq=False)
class _Unit:
    """Items that are told together or not at all: a call and its results, or one item alone."""

    members: list[HistoryItem]
    left_out: LeftOut | None = None
    decided: bool = False

    @property
    def waits(self) -> bool:
        """Whether it is a call without a result."""
        return len(self.members) == 1 and isinstance(self.members[0].item, FunctionCallItem) and not self.decided

    def leave_out(self, why: LeftOut) -> None:
        self.left_out, self.decided = why, True


def choose(items: Sequence[HistoryItem], retell: Retell, weigh: Weigh, max_tokens: int, max_items: int) -> Chosen:
    """Choose from the newest back, until there is no more room.

    A call without a result is told in any case, as its result is still to come; it takes its room before all others.
    An item that alone is over a bound is passed by, and what is older is looked at all the same.

    Args:
        items: The talk, in order.
        retell: Gives what stands for an item, or why nothing does. Not asked for items that are past the bounds.
        weigh: Estimates what that has of tokens.
        max_tokens: The bound of all that is told.
        max_items: And in messages on the wire.
    """
    units = _units(items)
    choice = _Choice(retell, weigh, max_tokens, max_items)
    for unit in units:
        if unit.waits:
            choice.take(unit, bounded=False)
    for unit in reversed(units):
        if not unit.decided:
            choice.take(unit, bounded=True)
        if unit.left_out is LeftOut.OLDER:
            break
    told = choice.told
    left_out = Counter(
        unit.left_out or LeftOut.OLDER for held, unit in zip(items, units, strict=True) if held.id not in told
    )
    return Chosen([told[held.id] for held in items if held.id in told], left_out, choice.tokens)


def _units(items: Sequence[HistoryItem]) -> list[_Unit]:
    """Give the unit of each item."""
    calls: dict[str | None, _Unit] = {}
    units: list[_Unit] = []
    for held in items:
        unit = _Unit([held])
        match held.item:
            case FunctionCallItem(call_id=call_id, status=status):
                calls[call_id] = unit
                if status in _NOT_WHOLE:
                    unit.leave_out(LeftOut.UNFINISHED)
            case FunctionCallOutputItem(call_id=call_id) if call_id in calls:
                unit = calls[call_id]
                unit.members.append(held)
                unit.left_out, unit.decided = None, False
            case FunctionCallOutputItem():
                unit.leave_out(LeftOut.NO_CALL)
            case _:
                pass
        units.append(unit)
    return units


class _Choice:
    """What is told so far, and what room is left."""

    __slots__ = ("_items", "_max_items", "_max_tokens", "_retell", "_weigh", "tokens", "told")

    def __init__(self, retell: Retell, weigh: Weigh, max_tokens: int, max_items: int) -> None:
        self._retell = retell
        self._weigh = weigh
        self._max_tokens = max_tokens
        self._max_items = max_items
        self._items = 0
        self.tokens = 0
        self.told: dict[str, Retold] = {}

    def take(self, unit: _Unit, *, bounded: bool) -> None:
        """Tell a unit if it can be told, and if there is room or it is not `bounded`."""
        outcomes = [self._retell(held) for held in unit.members]
        told = [each for each in outcomes if isinstance(each, Retold)]
        why_not = next((each for each in outcomes if isinstance(each, LeftOut)), None)
        tokens, items = sum(map(self._weigh, told)), sum(len(each.items) for each in told)
        why_not = why_not or (self._no_room(tokens, items) if bounded else None)
        if why_not is not None:
            unit.leave_out(why_not)
            return
        unit.decided = True
        self.tokens += tokens
        self._items += items
        self.told |= {each.id: each for each in told}

    def _no_room(self, tokens: int, items: int) -> LeftOut | None:
        if tokens > self._max_tokens or items > self._max_items:
            return LeftOut.TOO_LARGE
        over = self.tokens + tokens > self._max_tokens or self._items + items > self._max_items
        return LeftOut.OLDER if over else None
