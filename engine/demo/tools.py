"""The two tools that the demo lets the agent call: one scores a hand of cards, one knows a book."""

import re
from collections.abc import Callable, Mapping
from difflib import SequenceMatcher
from typing import Any, Final

from engine.demo.lines import PASSAGES

FACE_POINTS: Final[Mapping[str, int]] = {"ace": 11, "jack": 10, "queen": 10, "king": 10}
NUMBER_WORDS: Final = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
POINTS: Final = {**FACE_POINTS, **{word: points for points, word in enumerate(NUMBER_WORDS, start=2)}}

ALIKE: Final = 0.5
"""Share of words from which a sentence counts as found: recognisers get some of them wrong."""


def score_hand(cards: list[str]) -> dict[str, Any]:
    """Add up a hand as in blackjack."""
    ranks = [card.split()[0].lower() for card in cards if card.split()]
    unknown = [rank for rank in ranks if rank not in POINTS]
    if unknown:
        return {"error": f"{unknown[0]} is no card"}
    return {"score": sum(POINTS[rank] for rank in ranks)}


def look_up_passage(words: str) -> dict[str, Any]:
    """Find the book that a sentence is from."""
    given = re.findall(r"[a-z']+", words.lower())
    likeness = max(SequenceMatcher(None, given, line.transcript.split()).ratio() for line in PASSAGES)
    if likeness < ALIKE:
        return {"title": None}
    return {"title": "Sense and Sensibility", "author": "Jane Austen", "chapter": 1}


def _spec(name: str, description: str, argument: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {argument: schema}, "required": [argument]}
    return {"name": name, "description": description, "inputSchema": {"json": parameters}}


_CARDS: Final = {"type": "array", "items": {"type": "string"}, "description": "As in: eight of spades"}
_WORDS: Final = {"type": "string", "description": "The sentence as it was heard"}

SPECS: Final = (
    _spec("score_hand", "Adds up a hand of cards.", "cards", _CARDS),
    _spec("look_up_passage", "Finds the book that a sentence is from.", "words", _WORDS),
)
"""What the session is told about the tools."""

_FUNCTIONS: Final[Mapping[str, Callable[..., dict[str, Any]]]] = {
    "score_hand": score_hand,
    "look_up_passage": look_up_passage,
}


def call(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Call a tool by name; what goes wrong is the result's `error`, for the agent to read."""
    function = _FUNCTIONS.get(name)
    if function is None:
        return {"error": "there is no such tool"}
    try:
        return function(**arguments)
    except (TypeError, AttributeError) as error:
        return {"error": f"{name} does not take these arguments: {error}"}


def in_words(name: str, arguments: Mapping[str, Any], result: Mapping[str, Any]) -> tuple[str, str]:
    """Say a call and its result in short, for people."""
    shown = (value if isinstance(value, list) else [value] for value in arguments.values())
    given = "; ".join(", ".join(map(str, each)) for each in shown)
    found = [str(value) for value in result.values() if value is not None]
    unit = " points" if name == "score_hand" and "score" in result else ""
    return f"{name}({given})", (", ".join(found[:1]) or "nothing") + unit
