"""The playback clock: how much of each item of the model's speech the user has heard. Counts samples, knows no clock.

Three sources tell it, the best of them for each item: a paced output counts what it hands out (exact); an application
that plays by itself reports its position (reported); else a player is assumed that plays at once and in order whatever
`receive()` hands over (estimated).
"""

from collections.abc import Callable
from typing import Final

import attrs

from engine import limits
from engine.audio.assumed_player import AssumedPlayer
from engine.audio.playback_item import PlaybackItem
from engine.errors import LocalMisuse, UnsupportedContent

_ROUNDING_MS: Final = 1
"""Players tell whole milliseconds, and audio that was converted is counted in samples of another rate: what is that
close to the end is at it."""


@attrs.frozen
class Cut:
    """An item that the user did not hear to its end, at the moment of an interruption.

    Attributes:
        item_id: Which.
        content_index: Its part that holds audio.
        response_id: The response that it belongs to.
        heard_ms: What the user heard, rounded down; 0 when nothing was.
        received_ms: What had come of it.
    """

    item_id: str
    content_index: int
    response_id: str
    heard_ms: int
    received_ms: float


class Playback:
    """What was heard of each item. Times are seconds of one clock that never goes back.

    Args:
        rate_hz: Samples of a second on the wire: all `samples` here are of that rate.

    Attributes:
        first_heard: Called once for each item with its id and the time at which its first sample is heard. For the
            estimated source that is said ahead, when the audio is handed over.
        forgotten: Items that were forgotten past `limits.PLAYBACK_MAX_ITEMS`.
    """

    __slots__ = ("_items", "_now", "_outputs", "_player", "_rate_hz", "_rounding", "first_heard", "forgotten")

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._rounding = _ROUNDING_MS * rate_hz / 1000
        self._items: dict[str, PlaybackItem] = {}
        self._player = AssumedPlayer(rate_hz)
        self._outputs = 0
        self._now = 0.0
        self.first_heard: Callable[[str, float], None] | None = None
        self.forgotten = 0

    # --- what happens to the audio ----------------------------------------------------------------------------

    def received(self, item_id: str, content_index: int, samples: int, response_id: str) -> None:
        """Audio of an item came. Late audio of an item that was cut counts no more."""
        item = self._items.get(item_id)
        if item is None:
            item = self._add(PlaybackItem(item_id, content_index, response_id))
        if item.cut_at is not None:
            return
        if self._outputs:
            item.take_over()
        item.received += samples

    def delivered(self, item_id: str, samples: int, now: float) -> None:
        """`receive()` handed it to the application, which is taken to play it."""
        # The hot path, once for each audio event: a call costs more here than what it would do.
        item = self._items.get(item_id)
        self._now = now
        if item is None or item.cut_at is not None or item.exact is not None:
            return
        samples = self._rounded(samples, item.received - item.track.given - item.left_out)
        if samples > 0:
            begins = self._player.give(item.track, samples, item.left_out, now)
            item.left_out = 0
            if not item.told:
                self._tell(item, begins)

    def undelivered(self, item_id: str, samples: int) -> None:
        """It was dropped before `receive()` could hand it over: it is passed over, not waited for."""
        item = self._live(item_id)
        if item is not None and item.exact is None:
            item.left_out = self._rounded(item.left_out + samples, item.received - item.track.given)

    def played(self, item_id: str, samples: int, now: float | None = None) -> None:
        """The paced output handed it out. `first_heard` is told where `now` is known."""
        item = self._live(item_id)
        if item is None or samples <= 0:
            return
        position = (item.exact or 0) + item.left_out + samples
        item.exact = min(position, item.received)
        item.left_out = 0
        if now is not None:
            self._now = now
            self._tell(item, now)

    def unplayed(self, item_id: str, samples: int) -> None:
        """The paced output dropped it at its bound: it is passed over, not waited for."""
        item = self._live(item_id)
        if item is not None and item.exact is not None:
            item.left_out = min(item.left_out + samples, item.received - item.exact)

    def report(self, item_id: str, played_ms: float, now: float) -> None:
        """The application says how much of an item it has played, counted from the item's begin.

        A lower figure than one before changes nothing, nor does one for an item that was cut; a higher one than what
        was received counts as all of that. Report the end too: what was not reported counts as not heard.

        Raises:
            UnsupportedContent: `played_ms` is negative or no number.
            LocalMisuse: No audio of such an item came, or it was long ago.
        """
        if not played_ms >= 0:
            raise UnsupportedContent(f"played_ms={played_ms!r} is no length of time | give milliseconds from 0")
        item = self._items.get(item_id)
        if item is None:
            raise LocalMisuse(
                f"no audio of item {item_id!r} is known | report items of audio events; only the last "
                f"{limits.PLAYBACK_MAX_ITEMS} are kept"
            )
        if item.cut_at is None:
            self._note_report(item, played_ms, now)

    def attach(self) -> None:
        """A paced output begins: it counts what comes from now on."""
        self._outputs += 1

    def detach(self) -> None:
        """A paced output ended. After the last one nothing of what it left unplayed will be heard."""
        self._outputs = max(0, self._outputs - 1)
        if not self._outputs:
            for item in self._items.values():
                item.let_go()

    def cut(self, now: float, kept: frozenset[str] = frozenset()) -> list[Cut]:
        """The user cut in.

        Args:
            now: The time.
            kept: Responses that are not interrupted.

        Returns:
            Each item that was not heard to its end, in the order in which they came; an item comes once, ever.
        """
        live = [item for item in self._items.values() if item.cut_at is None]
        return self._cut_off(live, lambda item: item.response_id not in kept, now)

    def cut_response(self, response_id: str, now: float) -> list[Cut]:
        """A response that was interrupted is over: cut what came of it after the interruption, which nobody heard.

        Returns:
            As `cut`.
        """
        live = [item for item in self._items.values() if item.cut_at is None]
        return self._cut_off(live, lambda item: item.response_id == response_id, now)

    # --- what was heard ---------------------------------------------------------------------------------------

    def heard_ms(self, item_id: str, now: float) -> float:
        """Tell how much of an item was heard; 0 of one that is not known."""
        item = self._items.get(item_id)
        return 0.0 if item is None else self._ms(item.heard(self._player, now))

    def received_ms(self, item_id: str) -> float:
        """Tell how much of an item came, until it was cut; 0 of one that is not known."""
        item = self._items.get(item_id)
        return 0.0 if item is None else self._ms(item.received)

    def is_cut(self, item_id: str) -> bool:
        """Tell whether the user cut in on this item."""
        item = self._items.get(item_id)
        return item is not None and item.cut_at is not None

    def unheard(self, now: float) -> list[str]:
        """Tell the items that still play or wait to be played."""
        return [item.item_id for item in self._items.values() if item.rest(self._player, now)]

    def playing(self, now: float) -> bool:
        """Tell whether anything still plays or waits to be played."""
        return any(item.rest(self._player, now) for item in self._items.values())

    def heard_out_at(self, now: float) -> float | None:
        """Tell when all that came will have been heard if nothing more comes; None when it was.

        It is a guess: what waits for `receive()` is taken to be played without a pause, and so is what a paced output
        or the application has still to play.
        """
        items = [item for item in self._items.values() if item.rest(self._player, now)]
        if not items:
            return None
        guessed = [item for item in items if item.exact is None and item.reported is None]
        waiting = sum(item.received - item.track.given - item.left_out for item in guessed)
        others = sum(item.rest(self._player, now) for item in items if item not in guessed)
        ends = max(now, self._player.ends_at) if guessed else now
        return max(ends + waiting / self._rate_hz, now + others / self._rate_hz)

    # --- inside -----------------------------------------------------------------------------------------------

    def _cut_off(self, live: list[PlaybackItem], stale: Callable[[PlaybackItem], bool], now: float) -> list[Cut]:
        self._now = now
        heard = [(item, item.heard(self._player, now)) for item in live if stale(item)]
        unheard = [(item, position) for item, position in heard if position < item.received]
        spared = [item.track for item in live if not stale(item)]
        self._player.cut([item.track for item, _ in unheard], spared, now)
        return [self._cut(item, position) for item, position in unheard]

    def _note_report(self, item: PlaybackItem, played_ms: float, now: float) -> None:
        self._now = now
        position = round(min(played_ms, self._ms(item.received)) * self._rate_hz / 1000)
        item.reported = max(item.reported or 0, self._rounded(position, item.received))
        if item.reported:
            self._tell(item, now - self._ms(item.reported) / 1000)

    def _cut(self, item: PlaybackItem, heard: int) -> Cut:
        item.cut_at = heard
        heard_ms = heard * 1000 // self._rate_hz
        return Cut(item.item_id, item.content_index, item.response_id, heard_ms, self._ms(item.received))

    def _tell(self, item: PlaybackItem, at: float) -> None:
        if not item.told:
            item.told = True
            if self.first_heard is not None:
                self.first_heard(item.item_id, at)

    def _live(self, item_id: str) -> PlaybackItem | None:
        item = self._items.get(item_id)
        return None if item is None or item.cut_at is not None else item

    def _add(self, item: PlaybackItem) -> PlaybackItem:
        if len(self._items) >= limits.PLAYBACK_MAX_ITEMS:
            done = (each.item_id for each in self._items.values() if not each.rest(self._player, self._now))
            del self._items[next(done, next(iter(self._items)))]
            self.forgotten += 1
        self._items[item.item_id] = item
        return item

    def _rounded(self, samples: int, whole: int) -> int:
        """Give so many samples, or the whole if that is as good as reached."""
        return samples if whole - samples >= self._rounding else whole

    def _ms(self, samples: int) -> float:
        return samples * 1000 / self._rate_hz
