"""Hearing cards in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.demo.lines import CARDS, PASSAGES
from engine.simulator.local_voice.cards import RANKS, SUITS, hear_cards, say_cards


@pytest.mark.parametrize(
    ("text", "cards"),
    [
        ("ten of clubs", ["ten of clubs"]),
        ("Ten of Clubs, two of hearts.", ["ten of clubs", "two of hearts"]),
        ("eight of spades four of clubs", ["eight of spades", "four of clubs"]),
        ("ate of spades for of clubs too of harts", ["eight of spades", "four of clubs", "two of hearts"]),
        ("the 10 of diamonds and the ace off spade", ["ten of diamonds", "ace of spades"]),
        ("tennis clubs five of clouds", ["ten of clubs", "five of clubs"]),
        ("queen hearts", ["queen of hearts"]),
        ("my cards are king of spain seven of heart", ["king of spades", "seven of hearts"]),
        ("ten of", []),
        ("of clubs", []),
        ("ten ten of clubs", ["ten of clubs"]),
        ("two of my friends", []),
        ("he lost the ten of clubs to an old man from the north", []),
        ("", []),
        ("?!", []),
    ],
)
def test_cards_are_found_in_these_words(text, cards):
    assert list(hear_cards(text)) == cards


@pytest.mark.parametrize("line", CARDS, ids=lambda line: line.file)
def test_the_callers_hands_are_cards(line):
    assert " ".join(hear_cards(line.transcript)) == line.transcript


@pytest.mark.parametrize("line", PASSAGES, ids=lambda line: line.file)
def test_the_callers_sentences_are_none(line):
    assert hear_cards(line.transcript) == ()


@given(st.lists(st.tuples(st.sampled_from(RANKS), st.sampled_from(SUITS)), min_size=1, max_size=6))
def test_any_hand_is_heard_as_it_was_said(hand):
    cards = [f"{rank} of {suit}" for rank, suit in hand]
    assert list(hear_cards(say_cards(cards))) == cards


@given(st.text())
def test_no_text_breaks_it(text):
    assert all(card.split(" of ")[1] in SUITS for card in hear_cards(text))


@pytest.mark.parametrize(
    ("cards", "said"),
    [([], "nothing"), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")],
)
def test_cards_are_joined_as_one_says_them(cards, said):
    assert say_cards(cards) == said
