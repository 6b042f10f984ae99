"""One item on the playback clock: where each source says that it is, and which of them counts."""

import attrs

from engine.audio.assumed_player import AssumedPlayer, Track


@attrs.define(eq=False)
class PlaybackItem:
    """One item; positions and lengths are samples.

    Attributes:
        received: What came of it.
        exact: Position of the paced output; None while none plays it.
        exact_from: Where that output took it over.
        reported: What the application said.
        track: What the assumed player has of it.
        left_out: Lost on the way to the user; passed over when the next piece is played.
        cut_at: What was heard of it when it was cut; None while it was not.
        told: Its first sample was heard.
    """

    item_id: str
    content_index: int
    response_id: str
    received: int = 0
    exact: int | None = None
    exact_from: int = 0
    reported: int | None = None
    track: Track = attrs.field(factory=Track)
    left_out: int = 0
    cut_at: int | None = None
    told: bool = False

    @property
    def counted(self) -> int | None:
        """The paced output's position, if that is the user's: it has played some, or had the item from the start."""
        return None if self.exact == self.exact_from > 0 else self.exact

    def heard(self, player: AssumedPlayer, now: float) -> int:
        """Tell how much was heard."""
        for figure in (self.cut_at, self.counted, self.reported):
            if figure is not None:
                return figure
        return player.heard(self.track, now)

    def rest(self, player: AssumedPlayer, now: float) -> int:
        """Tell how much is still to be played."""
        if self.cut_at is not None:
            return 0
        if self.exact is not None:
            return self.received - self.exact - self.left_out
        if self.reported is not None:
            return self.received - self.reported
        return self.received - player.heard(self.track, now) - self.left_out

    def take_over(self) -> None:
        """A paced output plays what comes from here on."""
        if self.exact is None:
            self.exact = self.exact_from = self.received
            self.left_out = 0

    def let_go(self) -> None:
        """The output that played it is gone: from here on it is as if the application had played it."""
        if self.exact is None or self.cut_at is not None:
            return
        if self.counted is not None:
            self.track.settle(self.exact)
            self.reported = None
        self.left_out = self.received - self.track.given
        self.exact = None
