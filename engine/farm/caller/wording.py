"""Words: what of them can be written, and how far they are from what they should be, without case and punctuation."""

import re
import unicodedata
from typing import Any, Final

from engine.audio.extras import load

WORDS_MAX: Final = 5_000
"""Words that are compared; what is longer is cut. The comparison takes time and memory by the product of both sides."""

_APOSTROPHES: Final = re.compile("[\u2018\u2019\u02bc\u0060\u00b4]")
_QUOTES: Final = re.compile(r"(?<!\S)'+|'+(?!\S)|'{2,}")
"""Apostrophes that are not within a word."""


def whole_text(text: str) -> str:
    """Put a question mark for what no encoding can write: half of a character, a byte of a file's name."""
    return text.encode("utf-8", "replace").decode()


def normalised(text: str) -> list[str]:
    """Split words, in small letters, without punctuation: `It's  "FINE"!` has the words `it's` and `fine`."""
    plain = _APOSTROPHES.sub("'", unicodedata.normalize("NFKC", text)).casefold()
    return _QUOTES.sub(" ", "".join(map(_in_words, plain))).split()


def _in_words(character: str) -> str:
    """Keep letters, digits and apostrophes, and the marks above and below letters, as Hindi's vowels are."""
    if character.isalnum() or character == "'":
        return character
    kind = unicodedata.category(character)
    return character if kind[0] == "M" else "" if kind == "Cf" else " "


def word_error_rate(reference: str, said: str) -> float | None:
    """Give the share of the reference's words that were replaced, left out or put in; over 1 where many were put in.

    Returns:
        The share; None for a reference without words.

    Raises:
        ConfigError: The extra `farm`, which brings jiwer, is not installed.
    """
    expected, found = normalised(reference)[:WORDS_MAX], normalised(said)[:WORDS_MAX]
    if not expected:
        return None
    if expected == found:
        return 0.0
    if not found:
        return 1.0
    jiwer: Any = load("jiwer", "farm")
    return float(jiwer.wer(" ".join(expected), " ".join(found)))
