"""What is done about speech that the user did not hear: the service is told, once for each item.

On a WebSocket the service does not know what was played, so an answer that was cut off stays whole in its context until
it is truncated. It refuses to truncate at 0 ms (reported by two clients), so an item of which nothing was heard is
deleted. That it refuses is counted and not told: the worst is that the model believes to have been heard.
"""

from collections.abc import Callable, Sequence
from typing import Final

from engine.audio.playback import Cut, Playback
from engine.protocol.composer import Composer
from engine.protocol.effects import Transmit
from engine.wire.response import ErrorDetails

_CODES: Final = frozenset({"item_truncate_invalid_item_id", "item_delete_invalid_item_id", "unsupported_content_type"})
_WORDS: Final = ("Only model output audio messages can be truncated", "Audio content of ")
"""How the service refuses a truncation or deletion; it often leaves out which event the error answers."""

_OUT_MAX: Final = 64
"""Truncations that wait for an answer. Past it the server gives none, as some compatible ones: the oldest is forgotten,
and a refusal of it would be told as any error."""


class Interruptions:
    """Truncates what was cut off.

    Args:
        playback: Knows what was heard.
        composer: Makes client events.
    """

    __slots__ = ("_composer", "_out", "_playback", "_waiting", "refused_by_service", "tell_again", "truncated")

    def __init__(self, playback: Playback, composer: Composer) -> None:
        self._playback = playback
        self._composer = composer
        self.tell_again: Callable[[Cut], Sequence[Transmit] | None] = lambda _: None
        """Tells the service of a cut where it has the item's words at most, not its audio; gives None where it has."""
        self._out: dict[str, tuple[str | None, Cut]] = {}
        self._waiting: dict[str, list[Cut]] = {}
        self.truncated = 0
        """Truncations and deletions sent."""
        self.refused_by_service = 0
        """Those that the service refused."""

    def cut_in(self, now: float, kept: frozenset[str], cancelling: str | None = None) -> list[Transmit]:
        """Tell the service what was heard, of all responses but those in `kept`.

        Args:
            now: When.
            kept: Responses that are not interrupted.
            cancelling: A response that was asked to stop only now: the service goes on with it until it reads that, and
                would add what it makes behind a truncation. So its items wait for its end.
        """
        cuts = self._playback.cut(now, kept)
        waiting = [cut for cut in cuts if cancelling is not None and cut.response_id == cancelling]
        if cancelling is not None and waiting:
            self._waiting[cancelling] = waiting
        return [effect for cut in cuts if cut not in waiting for effect in self._tell(cut)]

    def response_over(self, response_id: str, now: float) -> list[Transmit]:
        """Tell the service what was not heard of an interrupted response that has ended."""
        late = self._playback.cut_response(response_id, now)
        cuts = (*self._waiting.pop(response_id, ()), *late)
        return [effect for cut in cuts for effect in self._tell(cut)]

    def _tell(self, cut: Cut) -> Sequence[Transmit]:
        told = self.tell_again(cut)
        if told is not None:
            self.truncated += bool(told)
            return told
        if cut.heard_ms > 0:
            effect = self._composer.truncate(cut.item_id, cut.content_index, cut.heard_ms)
        else:
            effect = self._composer.delete(cut.item_id)
        self._out[cut.item_id] = (effect.event.event_id, cut)
        if len(self._out) > _OUT_MAX:
            del self._out[next(iter(self._out))]
        self.truncated += 1
        return (effect,)

    def settled(self, item_id: str) -> None:
        """Note that the service has done it."""
        self._out.pop(item_id, None)

    def link_down(self) -> list[Cut]:
        """The connection is gone: nothing is answered any more. Gives what the service may not have done."""
        waiting = [*(cut for _, cut in self._out.values()), *(cut for cuts in self._waiting.values() for cut in cuts)]
        self._out.clear()
        self._waiting.clear()
        return waiting

    def refused(self, error: ErrorDetails) -> bool:
        """Tell whether an error answers one of these."""
        item_id = self._answered(error)
        if item_id is None:
            return False
        del self._out[item_id]
        self.refused_by_service += 1
        return True

    def _answered(self, error: ErrorDetails) -> str | None:
        if error.event_id is not None:
            return next((item_id for item_id, (event_id, _) in self._out.items() if event_id == error.event_id), None)
        known = error.code in _CODES or (error.message or "").startswith(_WORDS)
        return next(iter(self._out), None) if known else None
