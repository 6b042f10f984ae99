"""When the agent's speech sounds: as the session's own playback clock reckons, whatever comes in whatever pieces."""

from hypothesis import given
from hypothesis import strategies as st

from engine.audio.playback import Playback
from engine.farm.caller.heard import Heard

RATE_HZ = 24_000


def test_pieces_that_come_faster_than_they_sound_are_one_stretch():
    heard = Heard()
    for n in range(5):
        heard.add("item", "resp", 4800, n * 0.03)

    (stretch,) = heard.stretches
    assert (stretch.starts_at, stretch.ends_at, stretch.source_samples) == (0.0, 1.0, 0)
    assert heard.ends_at == 1.0
    assert heard.kept_bytes == 48_000


def test_a_pause_in_the_delivery_is_heard():
    heard = Heard()
    heard.add("item", "resp", 2400, 0.0)
    heard.add("item", "resp", 2400, 0.5)

    assert [(each.starts_at, each.source_samples) for each in heard.stretches] == [(0.0, 0), (0.5, 2400)]


def test_the_next_item_sounds_after_the_one_before():
    heard = Heard()
    heard.add("a", "resp", 24_000, 0.0)
    heard.add("b", "resp", 24_000, 0.1)

    assert [(each.item_id, each.starts_at) for each in heard.stretches] == [("a", 0.0), ("b", 1.0)]
    assert heard.heard_by_response(1.5) == {"resp": 36_000}
    assert heard.reached_at(["resp"], 1500) == 1.5
    assert heard.reached_at(["resp"], 2500) is None
    assert heard.reached_at(["other"], 1) is None


def test_what_is_cut_is_heard_no_more():
    heard = Heard()
    heard.add("a", "one", 24_000, 0.0)
    heard.add("b", "one", 24_000, 0.1)
    heard.cut(0.4, {"a": 400.0, "b": 0.0}.__getitem__)
    heard.add("a", "one", 24_000, 0.5)
    heard.add("c", "two", 2400, 0.6)

    assert [(each.item_id, each.samples) for each in heard.stretches] == [("a", 9600), ("c", 2400)]
    assert heard.stretches[1].source_samples == 72_000
    assert heard.ends_at == 0.7


def test_hanging_up_ends_it():
    heard = Heard()
    heard.add("a", "one", 24_000, 0.0)
    heard.add("b", "one", 24_000, 0.0)
    heard.hung_up(0.25)

    assert [(each.item_id, each.samples) for each in heard.stretches] == [("a", 6000)]
    assert heard.ends_at == 0.25


def test_an_empty_piece_changes_nothing():
    heard = Heard()
    heard.add("a", "one", 0, 1.0)
    assert heard.stretches == []


PIECES = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(1, 12_000), st.integers(0, 12_000), st.booleans()), max_size=12
)
"""Item, samples, samples of time until the next, and whether the caller cuts in then."""


@given(PIECES)
def test_it_agrees_with_the_sessions_playback_clock(pieces):
    heard, clock, now = Heard(), Playback(RATE_HZ), 0.0
    spoken = set()
    for turn, (name, samples, gap, cuts_in) in enumerate(pieces):
        item = f"{name}{turn if cuts_in else ''}"
        spoken.add(item)
        clock.received(item, 0, samples, "resp")
        clock.delivered(item, samples, now)
        heard.add(item, "resp", samples, now)
        now += gap / RATE_HZ
        if cuts_in:
            clock.cut(now)
            heard.cut(now, lambda item_id, at=now: clock.heard_ms(item_id, at))
        for each in spoken:
            ours = sum(part.heard_samples(now) for part in heard.stretches if part.item_id == each) * 1000 / RATE_HZ
            assert abs(ours - clock.heard_ms(each, now)) <= 1.5
