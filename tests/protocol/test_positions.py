"""A place that a connection tells is that in all that the session sent, whatever the connection heard again."""

from hypothesis import given
from hypothesis import strategies as st

from engine.protocol.positions import Positions

MS = 40


def frame(place):
    return ("text", place * MS, (place + 1) * MS, 0.0)


def test_on_the_first_connection_a_place_is_what_the_service_says():
    positions = Positions()
    positions.sent(1000)
    assert (positions.start(0), positions.start(300), positions.end(1000)) == (0, 300, 1000)
    assert (positions.start(None), positions.end(None)) == (None, None)


def test_a_place_between_two_pieces_ends_the_one_and_begins_the_other():
    positions = Positions()
    positions.sent(50 * MS)
    positions.move([frame(2), frame(3), frame(30)])
    assert (positions.end(2 * MS), positions.start(2 * MS)) == (4 * MS, 30 * MS)
    assert (positions.end(3 * MS), positions.start(3 * MS)) == (31 * MS, 50 * MS)


def test_before_the_first_audio_there_is_nothing():
    positions = Positions()
    assert (positions.end(0), positions.start(0)) == (0, 0)


@given(st.lists(st.tuples(st.integers(0, 12), st.lists(st.booleans(), min_size=12, max_size=12)), max_size=5))
def test_each_message_is_told_where_it_was_said(connections):
    """Connections break one after another, each after some messages, of which some are sent again."""
    positions, stream, said = Positions(), [], 0
    for sends, again in connections:
        sent = 0
        for _ in range(sends):
            if sent == len(stream):
                stream.append(said)
                said += 1
            positions.sent(MS)
            sent += 1
        chosen = [place for place, goes in zip(range(sent), again, strict=False) if goes]
        positions.move([frame(place) for place in chosen])
        stream = [*(stream[place] for place in chosen), *stream[sent:]]
        for place, number in enumerate([*stream, said]):
            assert positions.start(place * MS) == number * MS
            assert positions.end((place + 1) * MS) == (number + 1) * MS
