"""The talk so far, as a new connection is told of it: first the whole, within bounds, and then what has changed since.

A connection begins with an empty conversation, and none can be resumed. So the items are created anew, from the mirror
that the session keeps. Each keeps its id, so that what the application holds of it stays valid.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count, takewhile
from typing import Final

import attrs

from engine.limits import WIRE_RATE_HZ
from engine.protocol.echoes import Echoes
from engine.protocol.history import PLACED_FIRST, History, HistoryItem
from engine.protocol.replay_bounds import Chosen, choose
from engine.protocol.retelling import MADE_PREFIX, LeftOut, Retold, Speech, retell, wire_id
from engine.protocol.token_estimate import item_tokens
from engine.wire import server as wire
from engine.wire.client import ClientEvent, ConversationItemCreate, ConversationItemDelete
from engine.wire.items import Content, Item, MessageItem

_PCM_BYTES_PER_MS: Final = 2 * WIRE_RATE_HZ / 1000

_Told = Mapping[str, Item]
"""Items by the ids under which they are told, in order."""


@attrs.frozen(kw_only=True)
class ReplayStatistics:
    """What the new connection has been told, when it was told last.

    Attributes:
        replayed: Items of the talk.
        left_out: Items of the talk that it was not told, by reason (`retelling.LeftOut`).
        tokens: What they cost the model to read, estimated (`token_estimate`).
        renamed: Items whose id the service does not take; it knows them under another one.
        images: That were left out of messages whose words were told.
    """

    replayed: int = 0
    left_out: Mapping[str, int] = attrs.field(factory=dict)
    tokens: int = 0
    renamed: int = 0
    images: int = 0


class Replay:
    """Tells one new connection of the talk.

    Args:
        max_tokens: The newest items are told up to this, by estimate.
        max_items: And up to so many messages on the wire.
        speech_bytes_per_ms: Of the audio that `speech` gives, before base64; 48 for PCM16, 8 for G.711.
        next_event_id: Gives ids for what is sent; the replay's own ones when None.
    """

    __slots__ = ("_bytes_per_ms", "_echoes", "_max_items", "_max_tokens", "_next_event_id", "_statistics", "_told")

    def __init__(
        self,
        max_tokens: int,
        max_items: int,
        *,
        speech_bytes_per_ms: float = _PCM_BYTES_PER_MS,
        next_event_id: Callable[[], str] | None = None,
    ) -> None:
        self._max_tokens = max_tokens
        self._max_items = max_items
        self._bytes_per_ms = speech_bytes_per_ms
        self._next_event_id = next_event_id or map(f"{MADE_PREFIX}{{}}".format, count(1)).__next__
        self._told: _Told = {}
        self._echoes = Echoes()
        self._statistics = ReplayStatistics()

    def first(self, history: History, *, speech: Speech) -> list[ConversationItemCreate]:
        """Give what to send for a new connection to know the talk: one that has heard nothing yet.

        Args:
            history: The mirror.
            speech: Gives the user's speech that nobody has transcribed, by item, as base64 text in the session's
                input format, or None.
        """
        self._echoes = Echoes()
        return list(self._create(self._choose(history, speech), frozenset()))

    def rest(self, history: History, *, speech: Speech) -> list[ClientEvent]:
        """Give what to send for it to know what has changed since: items that came or went, and other words.

        Then it knows of the talk what `first` would tell now. An item whose words have changed is removed, and created
        anew in its place.
        """
        target = self._choose(history, speech)
        self._told = {item_id: item for item_id, item in self._told.items() if item_id not in self._echoes.not_added}
        stay = _staying(self._told, target)
        # A result goes before its call: a service might refuse to lose a call that has one.
        gone = [item_id for item_id in reversed(self._told) if item_id not in stay]
        return [*self._delete(gone), *self._create(target, stay)]

    def again(self, held: HistoryItem, *, speech: Speech) -> list[ClientEvent]:
        """Give what to send when other words of one item count than the connection was told, as when it was cut off.

        Args:
            held: The item as it is now.
            speech: As in `first`.

        Returns:
            Nothing where the connection was not told of it: see `is_replayed`. It comes to stand where it stood; when
            nothing of it can be told any more, it is only removed.
        """
        if not self.is_replayed(wire_id(held.id)):
            return []
        retold = self._retell(held, speech)
        before = self._before(wire_id(held.id))
        events: list[ClientEvent] = [*self.forget(held.id)]
        for item in retold.items if isinstance(retold, Retold) else ():
            event = self._creating(item, before)
            self._told = _put_after(self._told, before, item)
            before = item.id or ""
            events.append(event)
        return events

    def forget(self, item_id: str) -> list[ConversationItemDelete]:
        """Give what to send when nothing of an item counts any more; nothing where the connection has it not."""
        told_id = wire_id(item_id)
        if not self.is_replayed(told_id):
            return []
        self._told = {each: item for each, item in self._told.items() if each != told_id}
        return list(self._delete([told_id]))

    def _before(self, told_id: str) -> str:
        """Name what an item stands behind, of all that the connection was told."""
        earlier = list(takewhile(lambda item_id: item_id != told_id, self._told))
        return next((item_id for item_id in reversed(earlier) if self.is_replayed(item_id)), PLACED_FIRST)

    def hear(self, event: wire.ServerEvent) -> bool:
        """Take an event of the new connection; tell whether it only answers what was told here.

        Such an event is no news: the mirror has what it says, and has it better. It is to be asked of every event from
        the connection's first one on, and of each once.
        """
        is_echo = self._echoes.hear(event)
        if isinstance(event, wire.ConversationItemDeleted) and not is_echo:
            self._told = {item_id: item for item_id, item in self._told.items() if item_id != event.item_id}
        return is_echo

    def refused(self, item_id: str) -> None:
        """Note that the service has not added an item that it was told; it is not told again."""
        self._echoes.give_up(item_id)

    def is_replayed(self, item_id: str) -> bool:
        """Tell whether the connection was told of an item, by the id under which it was."""
        return item_id in self._told and item_id not in self._echoes.not_added

    @property
    def replayed(self) -> int:
        """How many items of the talk it was told."""
        return self._statistics.replayed

    @property
    def left_out(self) -> int:
        """How many it was not."""
        return sum(self._statistics.left_out.values())

    @property
    def unheard(self) -> int:
        """How many events that `hear` knows are still to come."""
        return len(self._echoes)

    @property
    def statistics(self) -> ReplayStatistics:
        """A snapshot."""
        return self._statistics

    # --- what to tell -------------------------------------------------------------------------------------------

    def _choose(self, history: History, speech: Speech) -> dict[str, Item]:
        chosen = choose(
            list(history), lambda held: self._retell(held, speech), self._weigh, self._max_tokens, self._max_items
        )
        self._statistics = _statistics(chosen)
        return {item.id or "": item for retold in chosen.kept for item in retold.items}

    def _retell(self, held: HistoryItem, speech: Speech) -> Retold | LeftOut:
        retold = retell(held, lambda item_id: self._speech(item_id) or speech(item_id))
        if isinstance(retold, Retold) and any(item.id in self._echoes.not_added for item in retold.items):
            return LeftOut.REFUSED
        return retold

    def _speech(self, item_id: str) -> str | None:
        """Give speech as it was told: it is not told again because less of it was kept meanwhile."""
        match self._told.get(wire_id(item_id)):
            case MessageItem(content=(Content(audio=audio),)):
                return audio
            case _:
                return None

    def _weigh(self, retold: Retold) -> int:
        return sum(item_tokens(item, self._bytes_per_ms) for item in retold.items)

    # --- how to tell it -----------------------------------------------------------------------------------------

    def _delete(self, gone: Sequence[str]) -> Iterator[ConversationItemDelete]:
        for item_id in gone:
            event = ConversationItemDelete(item_id=item_id, event_id=self._next_event_id())
            self._echoes.expect(event)
            yield event

    def _create(self, target: _Told, stay: frozenset[str]) -> Iterator[ConversationItemCreate]:
        """Create what does not stay, each in its place; at the end, no place is named."""
        last = max((place for place, item_id in enumerate(target) if item_id in stay), default=-1)
        previous = PLACED_FIRST
        for place, (item_id, item) in enumerate(target.items()):
            if item_id not in stay:
                yield self._creating(item, previous if place < last else None)
            previous = item_id
        self._told = target

    def _creating(self, item: Item, after: str | None) -> ConversationItemCreate:
        event = ConversationItemCreate(item=item, previous_item_id=after, event_id=self._next_event_id())
        self._echoes.expect(event)
        return event


def _put_after(told: _Told, before: str, item: Item) -> _Told:
    ids = list(told)
    place = ids.index(before) + 1 if before in told else 0
    new = {item.id or "": item}
    return {**{each: told[each] for each in ids[:place]}, **new, **{each: told[each] for each in ids[place:]}}


def _staying(told: _Told, target: _Told) -> frozenset[str]:
    """Name the items that need no word: as they were told, and in the same order."""
    places = {item_id: place for place, item_id in enumerate(target)}
    stay: list[str] = []
    last = -1
    for item_id, item in told.items():
        if target.get(item_id) == item and places[item_id] > last:
            stay.append(item_id)
            last = places[item_id]
    return frozenset(stay)


def _statistics(chosen: Chosen) -> ReplayStatistics:
    return ReplayStatistics(
        replayed=len(chosen.kept),
        left_out={str(why): items for why, items in chosen.left_out.items()},
        tokens=chosen.tokens,
        renamed=sum(retold.renamed for retold in chosen.kept),
        images=sum(retold.images for retold in chosen.kept),
    )
