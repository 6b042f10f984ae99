"""What an ear keeps of a talk: marks, words by item, audio by response."""

import attrs


@attrs.frozen
class Mark:
    """Something that happened at a moment of the clock, in s."""

    at: float
    words: str


@attrs.define(eq=False)
class Utterance:
    """Words of one item.

    Attributes:
        pieces: As they came; the whole in one once it is final.
        final: No more come.
    """

    pieces: list[str] = attrs.field(factory=list)
    final: bool = False

    @property
    def text(self) -> str:
        """All its words so far."""
        return "".join(self.pieces)


@attrs.define(eq=False)
class Sent:
    """Audio of one response, as it came.

    Attributes:
        first_at: Clock time of its first piece, in s.
        last_at: Clock time of its newest piece, in s.
        samples: All of it.
    """

    first_at: float
    last_at: float
    samples: int = 0
