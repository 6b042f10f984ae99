"""What the caller hears: when each piece of the agent's speech sounds, for a player that plays at once and in order."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import attrs

from engine.audio.pcm import PCM_RATE_HZ, SAMPLE_BYTES

_SAME_S = 0.5 / PCM_RATE_HZ
"""Two moments that are closer than half a sample are one."""


@attrs.define(eq=False)
class Stretch:
    """Speech of one item that sounds without a break.

    Attributes:
        item_id: Of the item.
        response_id: Of its response.
        starts_at: Clock time at which it begins to sound, in s.
        samples: Its length, once cut what was heard of it.
        source_samples: Where it begins in all of the agent's audio that was kept.
    """

    item_id: str
    response_id: str
    starts_at: float
    samples: int
    source_samples: int

    @property
    def ends_at(self) -> float:
        """Clock time at which it ends, in s."""
        return self.starts_at + self.samples / PCM_RATE_HZ

    def heard_samples(self, now: float) -> int:
        """Tell how much of it has sounded."""
        return min(self.samples, max(0, round((now - self.starts_at) * PCM_RATE_HZ)))


class Heard:
    """The agent's speech on the caller's clock; plays as `engine.audio.assumed_player` takes the user's player to."""

    __slots__ = ("_cut", "_kept_samples", "ends_at", "stretches")

    def __init__(self) -> None:
        self.stretches: list[Stretch] = []
        """In the order in which they sound."""
        self.ends_at = 0.0
        """When all that came will have sounded."""
        self._kept_samples = 0
        self._cut: set[str] = set()

    def add(self, item_id: str, response_id: str, samples: int, now: float) -> None:
        """Take speech that came now. What comes of an item after it was cut is not heard."""
        source, self._kept_samples = self._kept_samples, self._kept_samples + samples
        if item_id in self._cut or samples <= 0:
            return
        last = self.stretches[-1] if self.stretches else None
        if (
            last is not None
            and last.item_id == item_id
            and now <= last.ends_at + _SAME_S
            and self._goes_on(last, source)
        ):
            last.samples += samples
        else:
            self.stretches.append(Stretch(item_id, response_id, max(now, self.ends_at), samples, source))
        self.ends_at = self.stretches[-1].ends_at

    def _goes_on(self, last: Stretch, source: int) -> bool:
        return last.source_samples + last.samples == source

    def cut(self, now: float, heard_ms: Callable[[str], float]) -> None:
        """The caller cut in: what has not sounded yet never will.

        Args:
            now: The time.
            heard_ms: Tells how much of an item was heard, as the session reckons.
        """
        unheard = {stretch.item_id for stretch in self.stretches if stretch.ends_at > now + _SAME_S}
        for item_id in unheard:
            self._cut.add(item_id)
            self._trim(item_id, round(heard_ms(item_id) * PCM_RATE_HZ / 1000))
        self.stretches = [stretch for stretch in self.stretches if stretch.samples]
        self.ends_at = min(self.ends_at, now)

    def _trim(self, item_id: str, left: int) -> None:
        for stretch in self.stretches:
            if stretch.item_id == item_id:
                stretch.samples = min(stretch.samples, left)
                left -= stretch.samples

    def hung_up(self, now: float) -> None:
        """The call is over: what has not sounded yet never will."""
        for stretch in self.stretches:
            stretch.samples = stretch.heard_samples(now)
        self.stretches = [stretch for stretch in self.stretches if stretch.samples]
        self.ends_at = min(self.ends_at, now)

    def heard_by_response(self, now: float) -> Counter[str]:
        """Tell how many samples of each response have sounded."""
        heard: Counter[str] = Counter()
        for stretch in self.stretches:
            heard[stretch.response_id] += stretch.heard_samples(now)
        return heard

    def reached_at(self, response_ids: Sequence[str], heard_ms: float) -> float | None:
        """Tell when so much of these responses will have sounded; None while not so much has come."""
        left = round(heard_ms * PCM_RATE_HZ / 1000)
        for stretch in self._of(response_ids):
            if stretch.samples >= left:
                return stretch.starts_at + left / PCM_RATE_HZ
            left -= stretch.samples
        return None

    def _of(self, response_ids: Sequence[str]) -> Iterator[Stretch]:
        return (stretch for stretch in self.stretches if stretch.response_id in response_ids)

    @property
    def kept_bytes(self) -> int:
        """Size of all audio that came, PCM16."""
        return self._kept_samples * SAMPLE_BYTES
