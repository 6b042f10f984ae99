"""Whose words are still to come, and which turn came before, from one connection to the next."""

from engine.protocol.transcript_turns import OPEN_TURNS_MAX, TranscriptTurns


def written(turns, item_id):
    turns.written((item_id, 0))


def test_who_speaks_does_until_the_turn_is_over_or_forgotten():
    turns = TranscriptTurns()
    assert not turns.is_speaking
    turns.began("a")
    turns.committed("other", None)
    assert turns.is_speaking
    turns.committed("a", None)
    assert not turns.is_speaking
    turns.began("b")
    turns.cleared()
    assert not turns.is_speaking


def test_a_turn_is_unwritten_until_its_words_are_there():
    turns = TranscriptTurns()
    turns.committed("a", None)
    turns.committed("b", "a")
    assert turns.unwritten == 2
    written(turns, "b")
    assert turns.unwritten == 1
    written(turns, "b")
    assert turns.unwritten == 1


def test_a_turn_whose_words_came_before_its_end_is_written():
    turns = TranscriptTurns()
    written(turns, "a")
    assert not turns.is_written("b")
    turns.committed("a", None)
    assert (turns.unwritten, turns.is_written("a")) == (0, True)
    turns.link_down()
    assert turns.committed("b", None) == "a"


def test_the_turn_before_the_first_of_a_connection_is_the_last_that_was_written():
    turns = TranscriptTurns()
    assert turns.committed("a", None) is None
    assert turns.committed("b", "a") == "a"
    turns.committed("c", "b")
    written(turns, "b")
    written(turns, "a")
    turns.began("d")
    turns.link_down()
    assert (turns.unwritten, turns.is_speaking) == (0, False)
    assert turns.committed("c2", None) == "b"
    assert turns.committed("d2", "c2") == "c2"


def test_words_so_far_end_with_their_connection():
    turns = TranscriptTurns()
    assert turns.so_far(("a", 0)) is None
    assert str(turns.grow(("a", 0), "good")) == "good"
    assert str(turns.grow(("a", 0), "bye")) == "goodbye"
    assert str(turns.so_far(("a", 0))) == "goodbye"
    turns.link_down()
    assert turns.so_far(("a", 0)) is None


def test_turns_that_never_end_are_forgotten_at_the_bound():
    turns = TranscriptTurns()
    for n in range(OPEN_TURNS_MAX + 5):
        turns.committed(f"turn {n}", None)
    assert turns.unwritten == OPEN_TURNS_MAX
