"""Speech that waits: in the order in which items came, and not a byte lost that was not counted."""

from hypothesis import given, strategies
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.audio.jitter_buffer import JitterBuffer, Piece

PREBUFFER = 60
STALL = 1000


def make(sample_bytes=2, max_bytes=10_000):
    return JitterBuffer(sample_bytes, PREBUFFER, STALL, max_bytes)


def told(pieces):
    return [(piece.item_id, bytes(piece.audio)) for piece in pieces]


def test_half_a_sample_waits_for_its_other_half():
    buffer = make()
    assert buffer.put("i1", "r1", b"a") == []
    assert buffer.waiting_bytes == 0
    buffer.put("i1", "r1", b"b")
    buffer.item_done("i1")
    assert told(buffer.take(10)) == [("i1", b"ab")]


def test_nothing_of_an_item_is_no_item():
    buffer = make()
    for n in range(1000):
        assert buffer.put(f"i{n}", f"r{n}", b"") == []
    buffer.put("last", "last", b"11" * 30)
    assert told(buffer.take(60)) == [("last", b"11" * 30)]


def test_an_item_that_is_over_leaves_its_place_without_a_gap():
    buffer = make()
    buffer.put("i1", "r1", b"11" * 30)
    buffer.put("i2", "r1", b"22" * 30)
    assert told(buffer.take(100)) == [("i1", b"11" * 30), ("i2", b"22" * 20)]


def test_silence_of_long_ago_does_not_count_against_an_item():
    buffer = make()
    buffer.silent(10 * STALL)
    buffer.put("i1", "r1", b"11")
    assert buffer.take(2) == []
    buffer.silent(STALL)
    assert told(buffer.take(2)) == [("i1", b"11")]


def test_each_item_that_is_waited_for_has_its_second():
    buffer = make()
    buffer.put("i1", "r1", b"11" * 30)
    buffer.put("i2", "r2", b"22" * 30)
    buffer.put("i3", "r3", b"33" * 30)
    assert told(buffer.take(200)) == [("i1", b"11" * 30)]
    buffer.silent(STALL)
    assert told(buffer.take(200)) == [("i2", b"22" * 30)]
    buffer.silent(STALL - 1)
    assert buffer.take(200) == []
    buffer.silent(1)
    assert told(buffer.take(200)) == [("i3", b"33" * 30)]


def test_what_is_put_back_sounds_on_at_once_and_first():
    buffer = make()
    buffer.put("i1", "r1", b"11" * 30)
    buffer.item_done("i1")
    buffer.put("i2", "r2", b"22" * 31)
    taken = buffer.take(100)
    buffer.put_back(taken)
    assert buffer.waiting_bytes == 122
    assert told(buffer.take(70)) == [("i1", b"11" * 30), ("i2", b"22" * 5)]
    assert told(buffer.take(70)) == [("i2", b"22" * 15), ("i2", b"22" * 11)]
    assert buffer.underruns == 0


def test_after_the_end_what_waits_needs_no_more():
    buffer = make()
    buffer.put("i1", "r1", b"11")
    buffer.end()
    buffer.put("i2", "r2", b"22")
    assert told(buffer.take(9)) == [("i1", b"11"), ("i2", b"22")]


items = strategies.sampled_from([("a", "r1"), ("b", "r1"), ("c", "r2"), ("d", "r3")])


class AnyOrder(RuleBasedStateMachine):
    """Any calls in any order; each byte is in one place, and those of an item are in their order."""

    def __init__(self):
        super().__init__()
        self.buffer = make(max_bytes=400)
        self.came = dict.fromkeys("abcd", 0)
        self.gone = dict.fromkeys("abcd", 0)
        self.flushed = 0
        self.last: list[Piece] = []

    def note_gone(self, pieces):
        """Each item's audio is a count, so that what comes out of order, twice or never shows."""
        for piece in pieces:
            start = int.from_bytes(piece.audio[:2], "little")
            assert start >= self.gone[piece.item_id]
            assert [int.from_bytes(piece.audio[at : at + 2], "little") for at in range(0, len(piece.audio), 2)] == list(
                range(start, start + len(piece.audio) // 2)
            )
            self.gone[piece.item_id] = start + len(piece.audio) // 2

    @rule(item=items, samples=strategies.integers(0, 100))
    def put(self, item, samples):
        name, response_id = item
        first = self.came[name]
        self.came[name] += samples
        audio = b"".join(n.to_bytes(2, "little") for n in range(first, first + samples))
        dropped = self.buffer.put(name, response_id, audio)
        self.note_gone(dropped)
        self.flushed += sum(len(piece.audio) for piece in dropped)

    @rule(samples=strategies.integers(1, 100), back=strategies.booleans())
    def take(self, samples, back):
        taken = self.buffer.take(2 * samples)
        total = sum(len(piece.audio) for piece in taken)
        assert total <= 2 * samples
        if back:
            self.buffer.put_back(taken)
            again = self.buffer.take(2 * samples)
            assert b"".join(piece.audio for piece in again)[:total] == b"".join(piece.audio for piece in taken)
            taken = again
        self.note_gone(taken)
        self.flushed += sum(len(piece.audio) for piece in taken)
        self.buffer.silent(2 * samples - sum(len(piece.audio) for piece in taken))

    @rule(item=items)
    def item_done(self, item):
        self.buffer.item_done(item[0])

    @rule(kept=strategies.frozensets(strategies.sampled_from(["r1", "r2", "r3"])))
    def flush(self, kept):
        self.flushed += self.buffer.flush(kept)

    @invariant()
    def every_byte_is_somewhere(self):
        assert 2 * sum(self.came.values()) == self.buffer.waiting_bytes + self.flushed
        assert 0 <= self.buffer.waiting_bytes <= 400

    def teardown(self):
        self.buffer.end()
        self.note_gone(self.buffer.take(10_000))
        assert self.buffer.waiting_bytes == 0


TestAnyOrder = AnyOrder.TestCase


@given(cuts=strategies.lists(strategies.integers(0, 7), min_size=1, max_size=50), size=strategies.integers(1, 9))
def test_however_it_is_cut_the_audio_of_an_item_is_whole(cuts, size):
    buffer = make()
    whole = bytes(n % 251 for n in range(sum(cuts)))
    at = 0
    for cut in cuts:
        buffer.put("i1", "r1", whole[at : at + cut])
        at += cut
    buffer.item_done("i1")
    got = b""
    while pieces := buffer.take(2 * size):
        got += b"".join(piece.audio for piece in pieces)
    assert got == whole[: len(whole) // 2 * 2]
