"""Texts that grow piece by piece until their end is told, which a broken or hostile server never does."""

from typing import Final, TypeVar

K = TypeVar("K")

TEXT_MAX_BYTES: Final = 2**20
"""What one text may grow to, each piece counted with `PIECE_BYTES`; past it the text so far begins anew. One answer has
4,096 tokens at most, which is about 300 KB so counted."""

PIECE_BYTES: Final = 64
"""What a piece counts for beside its letters."""


class Pieces(list[str]):
    """A text's pieces, weighed."""

    __slots__ = ("weight",)

    def __init__(self) -> None:
        super().__init__()
        self.weight = 0


def grow(texts: dict[K, list[str]], place: K, text: str) -> list[str]:
    """Add a piece to the text at a place; give its pieces. What others hold of a text that begins anew stays."""
    pieces = texts.get(place)
    if not isinstance(pieces, Pieces) or pieces.weight > TEXT_MAX_BYTES:
        pieces = texts[place] = Pieces()
    pieces.append(text)
    pieces.weight += len(text) + PIECE_BYTES
    return pieces
