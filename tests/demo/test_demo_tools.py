"""The demo's tools: hands are scored, sentences are found, mistakes are told to the agent."""

import pytest

from engine.contract import to_wire_tool
from engine.demo import tools


@pytest.mark.parametrize(
    ("cards", "result"),
    [
        (["eight of spades", "four of clubs", "seven of hearts"], {"score": 19}),
        (["ace of hearts", "King of spades"], {"score": 21}),
        ([], {"score": 0}),
        (["joker"], {"error": "joker is no card"}),
    ],
)
def test_hands_are_scored(cards, result):
    assert tools.call("score_hand", {"cards": cards}) == result


@pytest.mark.parametrize(
    "words", ["he might even have been made amiable himself", "He might even of been amiable himself."]
)
def test_a_sentence_is_found_also_when_some_words_were_misheard(words):
    assert tools.call("look_up_passage", {"words": words})["title"] == "Sense and Sensibility"


def test_a_sentence_from_elsewhere_is_not_found():
    assert tools.call("look_up_passage", {"words": "call me ishmael"}) == {"title": None}


@pytest.mark.parametrize(
    ("name", "arguments"), [("score_hand", {"hand": []}), ("score_hand", {"cards": [1]}), ("pour_tea", {})]
)
def test_a_wrong_call_gives_an_error_for_the_agent(name, arguments):
    assert "error" in tools.call(name, arguments)


def test_the_session_can_be_told_of_them():
    assert [to_wire_tool(spec).name for spec in tools.SPECS] == ["score_hand", "look_up_passage"]


@pytest.mark.parametrize(
    ("name", "arguments", "result", "words"),
    [
        ("score_hand", {"cards": ["a", "b"]}, {"score": 7}, ("score_hand(a, b)", "7 points")),
        ("score_hand", {"cards": ["x"]}, {"error": "x is no card"}, ("score_hand(x)", "x is no card")),
        ("look_up_passage", {"words": "w"}, {"title": "T", "author": "A"}, ("look_up_passage(w)", "T")),
        ("look_up_passage", {"words": "w"}, {"title": None}, ("look_up_passage(w)", "nothing")),
    ],
)
def test_calls_are_said_in_short(name, arguments, result, words):
    assert tools.in_words(name, arguments, result) == words
