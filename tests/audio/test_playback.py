"""What the user has heard: three sources, each exact in its way, and interruptions that cut an item once."""

import math

import pytest
from hypothesis import given, strategies
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine import limits
from engine.audio.playback import Cut, Playback
from engine.errors import LocalMisuse, UnsupportedContent

RATE_HZ = 24_000
S = RATE_HZ
"""Samples of a second."""


def make():
    return Playback(RATE_HZ)


def arrive(playback, item_id="i1", seconds=1.0, response_id="r1", content_index=0):
    playback.received(item_id, content_index, round(seconds * S), response_id)


def hand_over(playback, item_id="i1", seconds=1.0, now=0.0, **fields):
    """Audio that comes and is taken by `receive()` at once."""
    arrive(playback, item_id, seconds, **fields)
    playback.delivered(item_id, round(seconds * S), now)


# --- estimated ------------------------------------------------------------------------------------------------------


def test_what_was_handed_over_is_heard_as_time_goes_on():
    playback = make()
    hand_over(playback, now=10)
    assert [playback.heard_ms("i1", at) for at in (10, 10.25, 10.5, 11, 99)] == [0, 250, 500, 1000, 1000]


def test_what_waits_for_receive_is_not_heard():
    playback = make()
    arrive(playback)
    assert playback.heard_ms("i1", 100) == 0
    assert playback.received_ms("i1") == 1000
    assert playback.unheard(100) == ["i1"]


def test_a_piece_begins_when_the_one_before_it_ends_of_whatever_item():
    playback = make()
    hand_over(playback, "i1", 2, now=0)
    hand_over(playback, "i2", 1, now=0.5)
    assert [playback.heard_ms("i2", at) for at in (1.9, 2, 2.5, 3, 4)] == [0, 0, 500, 1000, 1000]
    assert playback.unheard(2.5) == ["i2"]


def test_a_piece_after_a_pause_begins_when_it_is_handed_over():
    playback = make()
    hand_over(playback, now=0)
    hand_over(playback, now=5)
    assert [playback.heard_ms("i1", at) for at in (1, 4, 5, 5.5, 6)] == [1000, 1000, 1000, 1500, 2000]


def test_items_that_take_turns_are_each_heard_in_their_place():
    playback = make()
    for _ in range(3):
        hand_over(playback, "i1", 1)
        hand_over(playback, "i2", 1)
    assert [(playback.heard_ms("i1", at), playback.heard_ms("i2", at)) for at in (1.5, 3.5, 5.5)] == [
        (1000, 500),
        (2000, 1500),
        (3000, 2500),
    ]


def test_minutes_of_small_pieces_drift_by_no_sample():
    playback = make()
    for n in range(20_000):
        hand_over(playback, "i1", 0.01, now=n / 100)
    assert playback.heard_ms("i1", 199.99) == pytest.approx(199_990, abs=1 / 24)
    assert playback.heard_ms("i1", 200) == 200_000


def test_pieces_of_many_items_in_turn_take_bounded_memory_and_end_on_time():
    playback = make()
    for _ in range(1000):
        hand_over(playback, "i1", 0.01)
        hand_over(playback, "i2", 0.01)
    assert all(len(item.track._stretches) <= 64 for item in playback._items.values())
    heard = [playback.heard_ms("i1", at / 10) for at in range(201)]
    assert heard == sorted(heard)
    assert heard[5] == 250
    assert all(ms <= at * 100 / 2 + 10 for at, ms in enumerate(heard))
    assert heard[200] == playback.heard_ms("i2", 20) == 10_000


def test_what_was_dropped_before_receive_is_passed_over():
    playback = make()
    arrive(playback, seconds=3)
    playback.delivered("i1", S, 0)
    playback.undelivered("i1", S)
    assert playback.heard_ms("i1", 5) == 1000
    playback.delivered("i1", S, 5)
    assert [playback.heard_ms("i1", at) for at in (5, 5.5, 6)] == [1000, 2500, 3000]
    assert not playback.playing(6)


def test_what_was_dropped_last_is_not_waited_for_but_cut():
    playback = make()
    arrive(playback, seconds=3)
    playback.delivered("i1", S, 0)
    playback.undelivered("i1", 9 * S)
    assert not playback.playing(1)
    assert playback.cut(1) == [Cut("i1", 0, "r1", 1000, 3000.0)]


def test_no_more_is_handed_over_than_came():
    playback = make()
    arrive(playback)
    playback.delivered("i1", 5 * S, 0)
    playback.delivered("i1", S, 0)
    playback.delivered("unknown", S, 0)
    playback.delivered("i1", -S, 0)
    assert playback.heard_ms("i1", 9) == 1000
    assert playback.heard_out_at(0) == 1.0


def test_audio_that_was_counted_at_another_rate_ends_all_the_same():
    playback = make()
    playback.received("i1", 0, S + 1, "r1")
    playback.delivered("i1", 3 * (S // 3) - 2, 0)
    assert not playback.playing(1.01)
    playback.received("i2", 0, S + 1, "r1")
    playback.undelivered("i2", S - 2)
    assert not playback.playing(1.01)
    assert [cut.item_id for cut in playback.cut(1.01)] == ["i2"]


# --- reported -------------------------------------------------------------------------------------------------------


def test_a_report_stands_as_it_is():
    playback = make()
    hand_over(playback, seconds=3)
    playback.report("i1", 500, now=1)
    assert [playback.heard_ms("i1", at) for at in (1, 2, 99)] == [500, 500, 500]
    assert playback.unheard(99) == ["i1"]
    hand_over(playback, "i2", now=1)
    assert playback.heard_ms("i2", 4) == 1000


def test_a_lower_report_changes_nothing_and_a_higher_one_is_all_that_came():
    playback = make()
    arrive(playback)
    playback.report("i1", 700, now=1)
    playback.report("i1", 300, now=2)
    assert playback.heard_ms("i1", 2) == 700
    playback.report("i1", math.inf, now=2)
    assert playback.heard_ms("i1", 2) == 1000
    arrive(playback)
    assert playback.heard_ms("i1", 3) == 1000
    assert playback.playing(3)


def test_a_report_of_whole_milliseconds_reaches_the_end():
    playback = make()
    playback.received("i1", 0, 25_001, "r1")
    playback.report("i1", 1041, now=2)
    assert not playback.playing(2)
    assert playback.cut(2) == []


@pytest.mark.parametrize("played_ms", [-1, -0.001, math.nan, -math.inf])
def test_a_report_of_no_length_is_refused(played_ms):
    playback = make()
    arrive(playback)
    with pytest.raises(UnsupportedContent, match="give milliseconds from 0"):
        playback.report("i1", played_ms, now=0)
    assert playback.heard_ms("i1", 0) == 0


def test_a_report_of_an_unknown_item_is_refused():
    with pytest.raises(LocalMisuse, match="'i9' is known"):
        make().report("i9", 1, now=0)


def test_a_late_report_of_an_item_that_was_cut_changes_nothing():
    playback = make()
    hand_over(playback)
    playback.cut(0.25)
    playback.report("i1", 900, now=1)
    assert playback.heard_ms("i1", 1) == 250


# --- exact ----------------------------------------------------------------------------------------------------------


def test_a_paced_output_counts_to_the_sample():
    playback = make()
    playback.attach()
    hand_over(playback)
    assert playback.heard_ms("i1", 50) == 0
    for n in range(3):
        playback.played("i1", 479 + n)
    playback.played("i1", 0)
    assert playback.heard_ms("i1", 50) == 1440 / 24
    assert playback.unheard(50) == ["i1"]


def test_a_paced_output_plays_no_more_than_came():
    playback = make()
    arrive(playback)
    playback.played("i1", 5 * S)
    playback.played("unknown", S)
    assert playback.heard_ms("i1", 0) == 1000


def test_the_exact_source_counts_over_the_reported():
    playback = make()
    playback.attach()
    arrive(playback)
    playback.report("i1", 900, now=1)
    assert playback.heard_ms("i1", 1) == 0
    playback.played("i1", 480)
    assert playback.heard_ms("i1", 1) == 20


def test_an_output_that_comes_in_the_middle_of_an_item_goes_on_from_there():
    playback = make()
    hand_over(playback, seconds=2)
    playback.attach()
    arrive(playback, seconds=2)
    assert playback.heard_ms("i1", 1) == 1000
    playback.played("i1", 480)
    assert playback.heard_ms("i1", 1) == 2020


def test_an_item_that_was_heard_before_an_output_came_is_not_cut():
    playback = make()
    hand_over(playback, "i1")
    playback.attach()
    arrive(playback, "i2")
    assert [cut.item_id for cut in playback.cut(5)] == ["i2"]


def test_what_an_output_left_is_not_waited_for_but_cut():
    playback = make()
    playback.attach()
    playback.attach()
    arrive(playback)
    playback.played("i1", 480)
    playback.detach()
    assert playback.playing(1)
    playback.detach()
    playback.detach()
    assert not playback.playing(1)
    assert playback.heard_ms("i1", 1) == 20
    hand_over(playback, "i2", now=1)
    assert playback.heard_ms("i2", 1.5) == 500
    assert [cut.item_id for cut in playback.cut(3)] == ["i1"]


def test_an_output_that_ends_before_it_played_anything_leaves_the_estimate():
    playback = make()
    hand_over(playback, seconds=2)
    playback.attach()
    arrive(playback, seconds=1)
    hand_over(playback, "i2", response_id="r2")
    playback.cut(1, kept=frozenset(["r1"]))
    playback.detach()
    assert [playback.heard_ms("i1", at) for at in (1.5, 2, 9)] == [1500, 2000, 2000]
    assert not playback.playing(2)


def test_what_an_output_dropped_is_passed_over():
    playback = make()
    playback.attach()
    arrive(playback, seconds=3)
    playback.played("i1", S)
    playback.unplayed("i1", S)
    assert playback.heard_ms("i1", 0) == 1000
    playback.played("i1", 24)
    assert playback.heard_ms("i1", 0) == 2001
    playback.unplayed("i1", 9 * S)
    assert not playback.playing(0)
    assert [cut.heard_ms for cut in playback.cut(0)] == [2001]


def test_each_source_ignores_losses_of_the_other():
    playback = make()
    arrive(playback, "guessed")
    playback.unplayed("guessed", S)
    playback.attach()
    arrive(playback, "exact")
    playback.undelivered("exact", S)
    assert playback.unheard(0) == ["guessed", "exact"]


# --- until it was heard ---------------------------------------------------------------------------------------------


def test_it_plays_until_all_that_came_was_heard():
    playback = make()
    assert not playback.playing(0)
    assert playback.heard_out_at(0) is None
    hand_over(playback, "i1", 2, now=0)
    arrive(playback, "i2", 1)
    assert playback.heard_out_at(0.5) == 3.0
    playback.delivered("i2", S, 2.5)
    assert playback.heard_out_at(2.5) == 3.5
    assert playback.playing(3.4)
    assert not playback.playing(3.5)
    assert playback.heard_out_at(3.5) is None


def test_the_rest_of_other_sources_is_guessed_from_now():
    playback = make()
    arrive(playback, "i1", 3)
    playback.report("i1", 1000, now=0)
    assert playback.heard_out_at(7) == 9.0
    playback.attach()
    arrive(playback, "i2", 1)
    assert playback.heard_out_at(7) == 10.0


@given(start=strategies.floats(0, 1e6), samples=strategies.integers(1, 10**8))
def test_at_the_moment_at_which_it_is_heard_out_nothing_plays(start, samples):
    playback = make()
    playback.received("i1", 0, samples, "r1")
    playback.delivered("i1", samples, start)
    end = playback.heard_out_at(start)
    assert not playback.playing(end)


# --- the user cuts in -----------------------------------------------------------------------------------------------


def test_a_cut_tells_what_was_heard_and_what_came():
    playback = make()
    hand_over(playback, seconds=1, content_index=3)
    arrive(playback, seconds=0.5)
    assert playback.cut(0.25049) == [Cut("i1", 3, "r1", 250, 1500.0)]
    assert playback.is_cut("i1")
    assert not playback.is_cut("other")
    assert playback.heard_ms("i1", 9) == pytest.approx(250.49, abs=1 / 24)


def test_an_item_is_cut_once_and_what_comes_late_of_it_does_not_count():
    playback = make()
    hand_over(playback)
    assert len(playback.cut(0.5)) == 1
    hand_over(playback, now=0.6)
    playback.played("i1", 480)
    playback.undelivered("i1", 480)
    playback.unplayed("i1", 480)
    assert playback.received_ms("i1") == 1000
    assert playback.heard_ms("i1", 9) == 500
    assert not playback.playing(0.6)
    assert playback.cut(9) == []


def test_what_was_heard_to_its_end_is_not_cut():
    playback = make()
    hand_over(playback)
    assert playback.cut(1) == []
    assert not playback.is_cut("i1")


def test_a_response_that_is_kept_plays_on_and_moves_up():
    playback = make()
    hand_over(playback, "i1", 10, response_id="r1")
    hand_over(playback, "aside", 2, response_id="r2")
    hand_over(playback, "i3", 2, response_id="r1")
    hand_over(playback, "aside", 1, response_id="r2")
    cuts = playback.cut(1, kept=frozenset(["r2"]))
    assert [(cut.item_id, cut.heard_ms) for cut in cuts] == [("i1", 1000), ("i3", 0)]
    assert [playback.heard_ms("aside", at) for at in (1, 2, 3, 4, 5)] == [0, 1000, 2000, 3000, 3000]
    assert playback.heard_out_at(1) == 4.0


def test_a_response_that_is_kept_and_sounds_goes_on_where_it_is():
    playback = make()
    hand_over(playback, "heard", 1, response_id="r2")
    hand_over(playback, "aside", 2, response_id="r2")
    hand_over(playback, "i1", 2, response_id="r1")
    hand_over(playback, "waits", 1, response_id="r2")
    assert [cut.item_id for cut in playback.cut(2, kept=frozenset(["r2"]))] == ["i1"]
    assert [playback.heard_ms("aside", at) for at in (2, 2.5, 3)] == [1000, 1500, 2000]
    assert [playback.heard_ms("waits", at) for at in (3, 3.5, 4)] == [0, 500, 1000]
    assert playback.heard_ms("heard", 2) == 1000


def test_what_is_handed_over_after_a_cut_plays_at_once():
    playback = make()
    hand_over(playback, "i1", 60)
    playback.cut(1)
    hand_over(playback, "i2", 1, response_id="r2", now=1.5)
    assert playback.heard_ms("i2", 2) == 500


def test_what_comes_of_a_response_after_its_interruption_is_cut_when_it_is_over():
    playback = make()
    hand_over(playback, "heard", 1, response_id="r1")
    hand_over(playback, "other", 3, response_id="r2")
    assert playback.cut(1, kept=frozenset(["r2"])) == []
    arrive(playback, "heard", 0.2, response_id="r1")
    arrive(playback, "late", 0.3, response_id="r1")
    assert playback.cut_response("r1", 2) == [Cut("heard", 0, "r1", 1000, 1200.0), Cut("late", 0, "r1", 0, 300.0)]
    assert playback.cut_response("r1", 2) == playback.cut(4) == []
    assert playback.heard_ms("other", 4) == 3000


# --- first heard ----------------------------------------------------------------------------------------------------


def first_heard(playback):
    told = []
    playback.first_heard = lambda item_id, at: told.append((item_id, at))
    return told


def test_the_first_sample_is_told_once_when_it_sounds():
    playback = make()
    told = first_heard(playback)
    hand_over(playback, "i1", 2, now=1)
    hand_over(playback, "i1", 2, now=1)
    hand_over(playback, "i2", 2, now=1)
    assert told == [("i1", 1), ("i2", 5)]


def test_a_paced_output_tells_it_when_it_is_played():
    playback = make()
    told = first_heard(playback)
    playback.attach()
    hand_over(playback, now=1)
    playback.played("i1", 480)
    assert told == []
    playback.played("i1", 480, 3.0)
    playback.played("i1", 480, 4.0)
    assert told == [("i1", 3.0)]


def test_a_report_tells_it_from_its_length():
    playback = make()
    told = first_heard(playback)
    arrive(playback)
    playback.report("i1", 0, now=1)
    playback.report("i1", 250, now=2)
    assert told == [("i1", 1.75)]


# --- bounds ---------------------------------------------------------------------------------------------------------


def test_past_the_bound_the_oldest_that_was_heard_out_is_forgotten():
    playback = make()
    hand_over(playback, "long", 1000)
    playback.report("long", 5, now=0)
    for n in range(limits.PLAYBACK_MAX_ITEMS):
        arrive(playback, f"i{n}", 0.01)
        playback.report(f"i{n}", 10, now=n)
    assert playback.forgotten == 1
    assert playback.received_ms("long") > 0
    assert playback.received_ms("i0") == playback.heard_ms("i0", 0) == 0
    assert playback.received_ms("i1") == 10


def test_past_the_bound_the_oldest_is_forgotten_if_none_was_heard_out():
    playback = make()
    for n in range(limits.PLAYBACK_MAX_ITEMS + 5):
        arrive(playback, f"i{n}", 0.01)
    assert playback.forgotten == 5
    assert playback.unheard(0)[0] == "i5"
    assert len(playback.unheard(0)) == limits.PLAYBACK_MAX_ITEMS


# --- any order ------------------------------------------------------------------------------------------------------

MS_RATE = 1000
"""With a sample a millisecond, whole milliseconds are exact."""

ITEMS = ("a", "b", "c", "d")
RESPONSES = {"a": "r1", "b": "r1", "c": "r2", "d": "r3"}

items = strategies.sampled_from(ITEMS)
lengths = strategies.integers(0, 400)
kept = strategies.frozensets(strategies.sampled_from(("r1", "r2", "r3")))


class AnyOrder(RuleBasedStateMachine):
    """Any calls in any order, beside a plain count of what came."""

    def __init__(self):
        super().__init__()
        self.playback = Playback(MS_RATE)
        self.now = 0.0
        self.came = dict.fromkeys(ITEMS, 0)
        self.told = []
        self.playback.first_heard = lambda item_id, at: self.told.append(item_id)
        self.was_cut = set()
        self.last = {}

    def source(self, item_id):
        item = self.playback._items.get(item_id)
        if item is None or item.cut_at is not None:
            return None if item is None else "cut"
        if item.counted is not None:
            return "exact"
        return "estimated" if item.reported is None else "reported"

    @rule(item_id=items, samples=lengths)
    def received(self, item_id, samples):
        self.playback.received(item_id, 0, samples, RESPONSES[item_id])
        if item_id not in self.was_cut:
            self.came[item_id] += samples

    @rule(item_id=items, samples=lengths)
    def delivered(self, item_id, samples):
        self.playback.delivered(item_id, samples, self.now)

    @rule(item_id=items, samples=lengths)
    def undelivered(self, item_id, samples):
        self.playback.undelivered(item_id, samples)

    @rule(item_id=items, samples=lengths)
    def played(self, item_id, samples):
        self.playback.played(item_id, samples, self.now)

    @rule(item_id=items, samples=lengths)
    def unplayed(self, item_id, samples):
        self.playback.unplayed(item_id, samples)

    @rule(item_id=items, played_ms=strategies.floats(allow_nan=True))
    def report(self, item_id, played_ms):
        try:
            self.playback.report(item_id, played_ms, self.now)
        except UnsupportedContent:
            assert not played_ms >= 0
        except LocalMisuse:
            assert item_id not in self.playback._items

    @rule()
    def attach(self):
        self.playback.attach()

    @rule()
    def detach(self):
        self.playback.detach()

    @rule(ms=strategies.integers(0, 1000))
    def time_passes(self, ms):
        self.now += ms / 1000

    @rule(kept=kept)
    def cut(self, kept):
        unheard = self.playback.unheard(self.now)
        heard = {item_id: self.playback.heard_ms(item_id, self.now) for item_id in ITEMS}
        for cut in self.playback.cut(self.now, kept):
            assert cut.item_id not in self.was_cut
            assert cut.response_id == RESPONSES[cut.item_id]
            assert cut.response_id not in kept
            assert cut.heard_ms == heard[cut.item_id] < cut.received_ms == self.came[cut.item_id]
            self.was_cut.add(cut.item_id)
        assert {item_id for item_id in unheard if RESPONSES[item_id] not in kept} <= self.was_cut

    @precondition(lambda self: self.was_cut)
    @rule()
    def a_cut_item_stays_cut(self):
        assert all(map(self.playback.is_cut, self.was_cut))
        assert not self.was_cut & set(self.playback.unheard(self.now))

    @invariant()
    def heard_is_at_most_what_came_and_never_falls(self):
        for item_id in ITEMS:
            heard = self.playback.heard_ms(item_id, self.now)
            assert self.playback.received_ms(item_id) == self.came[item_id]
            assert 0 <= heard <= self.came[item_id]
            source, before = self.last.get(item_id, (None, 0))
            if source == self.source(item_id):
                assert heard >= before
            self.last[item_id] = (self.source(item_id), heard)

    @invariant()
    def the_end_is_known_while_something_plays(self):
        ends = self.playback.heard_out_at(self.now)
        assert (ends is not None) == self.playback.playing(self.now) == bool(self.playback.unheard(self.now))
        assert ends is None or ends >= self.now

    @invariant()
    def each_item_is_first_heard_once(self):
        assert len(self.told) == len(set(self.told))


TestAnyOrder = AnyOrder.TestCase


pieces = strategies.lists(
    strategies.tuples(items, strategies.integers(1, 50), strategies.integers(0, 60)), min_size=1, max_size=40
)


@given(pieces=pieces, later=strategies.integers(0, 500), kept=kept)
def test_the_estimate_is_what_a_player_would_play_millisecond_by_millisecond(pieces, later, kept):
    playback, player, now = Playback(MS_RATE), [], 0
    heard = dict.fromkeys(ITEMS, 0)

    def pass_time(ms):
        for item_id in player[:ms]:
            heard[item_id] += 1
        del player[:ms]
        return now + ms

    def same():
        assert {item_id: playback.heard_ms(item_id, now / 1000) for item_id in ITEMS} == heard
        assert sum(heard.values()) <= now

    for item_id, samples, pause in pieces:
        playback.received(item_id, 0, samples, RESPONSES[item_id])
        playback.delivered(item_id, samples, now / 1000)
        player += [item_id] * samples
        now = pass_time(pause)
        same()
    cuts = playback.cut(now / 1000, kept)
    gone = {item_id for item_id in player if RESPONSES[item_id] not in kept}
    assert {cut.item_id: cut.heard_ms for cut in cuts} == {item_id: heard[item_id] for item_id in gone}
    player = [item_id for item_id in player if item_id not in gone]
    now = pass_time(later)
    same()


@given(frames=strategies.lists(strategies.tuples(items, strategies.integers(0, 3000))))
def test_the_exact_source_is_exact_to_the_sample(frames):
    playback, played = make(), dict.fromkeys(ITEMS, 0)
    playback.attach()
    for item_id in ITEMS:
        playback.received(item_id, 0, 200_000, RESPONSES[item_id])
    for item_id, samples in frames:
        playback.played(item_id, samples)
        played[item_id] += samples
    assert {item_id: playback.heard_ms(item_id, 0) * 24 for item_id in ITEMS} == pytest.approx(played)
    assert {cut.item_id: cut.heard_ms for cut in playback.cut(0)} == {i: n // 24 for i, n in played.items()}
