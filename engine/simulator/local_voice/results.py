"""Turns the results of tools into sentences, and goes on about books at length."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from engine.simulator.local_voice.cards import say_cards

GENERAL_TALK: Final = (
    "I could not say which book it is from, but I like the sound of it. "
    "A sentence that is read aloud tells more than the same sentence in print. "
    "You hear where the reader takes a breath, which word the reader leans on, and whether there is a smile behind it. "
    "Most novels were once read aloud, in the evening, by one member of the family to all the others. "
    "The others sewed, or drew, or fell asleep, and asked the next morning how it went on. "
    "You may read me another one, or tell me your cards, whenever you like."
)

TALKS: Final[Mapping[str, str]] = {
    "sense and sensibility": (
        "It was her first novel in print, in the year 1811, and her name did not stand on it. "
        "The title page said only that it was by a lady. "
        "We are in the first chapter, where old Mr. Dashwood has died, and has left nearly everything to his son. "
        "The son promised to look after his step-mother and his three half-sisters. "
        "He thinks it over, and at first a thousand pounds for each of them seems a fair present. "
        "Then his wife begins to speak, and the present grows smaller with every sentence that she says. "
        "By the end of the second chapter it is a basket of fish now and then, and help with the furniture. "
        "You may read me another sentence, or tell me your cards, whenever you like."
    ),
}
"""What is told about a book, by its title in lower case. Each takes more than 15 s to say."""


def talk_about(words: str) -> str:
    """Say what was heard, and go on about reading."""
    return f"{_quote(words)} {GENERAL_TALK}"


def _quote(words: str) -> str:
    return f"I heard: {words.strip(' .!?')}."


def say_result(name: str, arguments: str, output: str) -> str:
    """Say what a tool gave.

    Args:
        name: The function, or empty when nobody knows who called it.
        arguments: The call's arguments, JSON text.
        output: The result; JSON text, or any other text.
    """
    given, result = _parse(arguments), _unwrapped(_parse(output))
    if isinstance(result, Mapping) and result.get("error"):
        return f"That did not work: {result['error']}."
    teller = _TELLERS.get(name)
    told = teller(given if isinstance(given, Mapping) else {}, result) if teller else None
    return told or f"The result is: {output}."


def _parse(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _unwrapped(result: Any) -> Any:
    """Take a result out of the contract's list of blocks, as in `[{"json": {"score": 19}}]`."""
    while isinstance(result, list) and len(result) == 1 and isinstance(result[0], Mapping):
        block = result[0]
        result = block["json"] if "json" in block else _parse(str(block.get("text")))
    return result


def _tell_score(given: Mapping[str, Any], result: Any) -> str | None:
    score = result.get("score") if isinstance(result, Mapping) else result
    if not isinstance(score, int | float):
        return None
    cards = given.get("cards")
    names = [str(card) for card in cards] if isinstance(cards, list) else []
    return f"Your hand is {say_cards(names)}. It scores {score:g} points." if names else f"It scores {score:g} points."


def _tell_passage(given: Mapping[str, Any], result: Any) -> str | None:
    words = str(given.get("words", "something"))
    if not isinstance(result, Mapping) or not result.get("title"):
        return talk_about(words)
    title = str(result["title"])
    author = f" by {result['author']}" if result.get("author") else ""
    talk = TALKS.get(title.lower(), "You may read me another one, or tell me your cards, whenever you like.")
    return f"{_quote(words)} That is from {title}{author}. {talk}"


_TELLERS: Final[Mapping[str, Callable[[Mapping[str, Any], Any], str | None]]] = {
    "score_hand": _tell_score,
    "look_up_passage": _tell_passage,
}
"""Who tells the result of which tool. `score_hand` gives `{"score": 19}` or a number; `look_up_passage` gives
`{"title": ..., "author": ...}`, or no title when it found none."""
