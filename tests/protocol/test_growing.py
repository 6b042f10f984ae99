"""Texts that grow: joined piece by piece, begun anew at the bound, and never taken from those who hold them."""

from engine.protocol.growing import PIECE_BYTES, TEXT_MAX_BYTES, grow


def test_pieces_are_joined_by_place():
    texts = {}
    for place, piece in (("a", "one "), ("b", "other"), ("a", "two")):
        grow(texts, place, piece)

    assert texts == {"a": ["one ", "two"], "b": ["other"]}


def test_past_the_bound_a_text_begins_anew_and_the_old_one_stays_with_those_who_hold_it():
    texts = {}
    first = grow(texts, "a", "x" * TEXT_MAX_BYTES)
    second = grow(texts, "a", "y")

    assert (len(first), second, texts) == (1, ["y"], {"a": ["y"]})


def test_pieces_count_by_themselves():
    texts = {}
    for _ in range(TEXT_MAX_BYTES // PIECE_BYTES + 2):
        grow(texts, "a", "")

    assert len(texts["a"]) < 3
