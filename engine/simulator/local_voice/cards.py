"""Hears playing cards in words, also in words that a recogniser got a little wrong."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

_RANK_WORDS: Final[Mapping[str, str]] = {
    "ace": "ace aces ase 1",
    "two": "two too to 2",
    "three": "three tree free 3",
    "four": "four for fore 4",
    "five": "five fife 5",
    "six": "six sicks sex 6",
    "seven": "seven 7",
    "eight": "eight ate 8",
    "nine": "nine mine 9",
    "ten": "ten tin then 10",
    "jack": "jack jacks",
    "queen": "queen queens",
    "king": "king kings",
}
_SUIT_WORDS: Final[Mapping[str, str]] = {
    "clubs": "clubs club clouds cloves clubbed",
    "diamonds": "diamonds diamond",
    "hearts": "hearts heart harts hart",
    "spades": "spades spade spain space",
}
_MERGED: Final[Mapping[str, str]] = {"tennis": "ten of", "eighth": "eight", "ninth": "nine", "tenth": "ten"}
"""One word heard where two were said, or an ordinal where a card was."""

_LINKS: Final = frozenset({"of", "off", "a"})
"""What may stand between rank and suit."""


def _by_variant(table: Mapping[str, str]) -> dict[str, str]:
    return {variant: word for word, variants in table.items() for variant in variants.split()}


_RANKS: Final = _by_variant(_RANK_WORDS)
_SUITS: Final = _by_variant(_SUIT_WORDS)

RANKS: Final = tuple(_RANK_WORDS)
SUITS: Final = tuple(_SUIT_WORDS)


def words_of(text: str) -> list[str]:
    """Split text to lower-case words and numbers, without punctuation."""
    return re.findall(r"[a-z0-9']+", text.lower())


def hear_cards(text: str) -> tuple[str, ...]:
    """Find a hand of cards.

    Returns:
        The cards as `eight of spades`, in their order. Empty when less than half of the words name cards: then the
        text is about something else.
    """
    words = _spread(words_of(text))
    cards: list[str] = []
    used = at = 0
    while at < len(words):
        card, length = _card_at(words, at)
        if card:
            cards.append(card)
            used += length
        at += length
    return tuple(cards) if used * 2 >= len(words) else ()


def _spread(words: Iterable[str]) -> list[str]:
    return " ".join(_MERGED.get(word, word) for word in words).split()


def _card_at(words: list[str], at: int) -> tuple[str, int]:
    """Give the card that starts here and how many words it takes, or nothing and one word to skip."""
    rank = _RANKS.get(words[at])
    if rank is None:
        return "", 1
    suit_at = at + 1
    while suit_at < len(words) and words[suit_at] in _LINKS:
        suit_at += 1
    suit = _SUITS.get(words[suit_at]) if suit_at < len(words) else None
    return (f"{rank} of {suit}", suit_at - at + 1) if suit else ("", 1)


def say_cards(cards: Iterable[str]) -> str:
    """Join cards as one says them: `ten of clubs, two of hearts and ace of spades`."""
    *first, last = tuple(cards) or ("nothing",)
    return f"{', '.join(first)} and {last}" if first else last
