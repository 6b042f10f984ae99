"""The simulator's small parts alone: formats, ids, text pieces, buffer, turn finder, order of items, tokens."""

from array import array

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from sim_client import SERVER_TYPES

from engine.audio.pcm import tone
from engine.simulator.catalogue import Refusal, listed
from engine.simulator.conversation import Conversation, Entry
from engine.simulator.formats import duration_ms, wire_format
from engine.simulator.ids import IdMint
from engine.simulator.input_buffer import InputBuffer
from engine.simulator.memory import memory_streams
from engine.simulator.outbox import Outbox
from engine.simulator.services import pieces
from engine.simulator.usage import RateLimit
from engine.simulator.vad import Edge, Tuning, TurnFinder
from engine.wire.server import SERVER_CLASSES


def test_ids_have_a_prefix_and_21_characters_and_calls_16():
    mint = IdMint.seeded(1, 0)
    assert [len(mint.new(prefix)) for prefix in ("item", "resp", "call")] == [26, 26, 21]
    assert IdMint.seeded(1, 0).new("item") == IdMint.seeded(1, 0).new("item") != IdMint.seeded(1, 1).new("item")


@given(st.text())
def test_pieces_join_to_the_text(text):
    assert "".join(pieces(text)) == text


def test_pieces_are_words_with_the_space_before_them():
    assert pieces("Hi, it's  2 o'clock. ") == ["Hi", ",", " it's", "  2", " o'clock", ".", " "]


@pytest.mark.parametrize(("kind", "zero", "top"), [("audio/pcmu", 0xFF, 32124), ("audio/pcma", 0xD5, 32256)])
def test_g711_tables_hold_the_standards_values(kind, zero, top):
    wire = wire_format({"type": kind})
    samples = array("h", wire.decode(bytes(range(256))))[::3]
    assert max(samples) == top
    assert min(samples) == -top
    assert wire.encode(bytes(6)) in (bytes([zero]), bytes([zero ^ 0x80]))
    assert abs(array("h", wire.decode(bytes([zero])))[0]) <= 8


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
def test_every_g711_code_survives_a_round_trip(kind):
    wire = wire_format({"type": kind})
    for code in range(256):
        decoded = wire.decode(bytes([code]))
        assert wire.decode(wire.encode(decoded)) == decoded


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
def test_g711_keeps_the_shape_of_a_tone(kind):
    wire = wire_format({"type": kind})
    pcm = tone(300, 100)
    again = wire.decode(wire.encode(pcm))
    assert len(again) == len(pcm)
    before, after = array("h", pcm), array("h", again)
    error = sum(abs(a - b) for a, b in zip(before, after, strict=True)) / len(before)
    assert error < 0.1 * max(before)


@given(st.lists(st.integers(0, 50)), st.integers(0, 200), st.integers(0, 200))
def test_the_buffer_gives_what_was_appended_by_position(sizes, start, end):
    buffer, everything = InputBuffer(), b""
    for size in sizes:
        pcm = bytes(n % 251 for n in range(len(everything), len(everything) + 2 * size))
        everything += pcm
        buffer.append(pcm, keep_samples=10_000)
    start, end = min(start, end), max(start, end)
    assert buffer.take(start, end) == everything[2 * start : 2 * end]
    assert buffer.end == len(everything) // 2
    assert buffer.start == min(end, buffer.end)


def test_the_buffer_drops_the_oldest_past_its_bound():
    buffer = InputBuffer()
    buffer.append(bytes(range(20)), keep_samples=4)
    assert (buffer.start, buffer.end) == (6, 10)
    assert buffer.take(0, 8) == bytes(range(12, 16))
    assert buffer.duration_ms == 2 / 24
    buffer.clear()
    assert buffer.start == buffer.end == 10


class Given:
    """A detector whose windows and probabilities are the audio's own bytes: one window of 10 samples a byte."""

    def push(self, pcm):
        return [(10, byte / 255) for byte in pcm]

    def reset(self):
        pass


TUNING = Tuning(threshold=0.5, prefix_samples=25, silence_samples=30, onset_samples=20)


def found(pattern, pushes=1):
    finder = TurnFinder(Given(), TUNING, position=1000)
    audio = bytes(255 if char == "x" else 0 for char in pattern)
    size = -(-len(audio) // pushes)
    return [
        (edge, position - 1000)
        for at in range(0, len(audio), max(1, size))
        for edge, position in finder.push(audio[at : at + size])
    ]


def test_a_turn_begins_before_its_onset_and_ends_after_its_silence():
    assert found("....xxxx...") == [(Edge.STARTED, 15), (Edge.STOPPED, 110)]


def test_a_turn_can_not_begin_before_the_audio_or_the_turn_before():
    assert found("xx...xx....") == [
        (Edge.STARTED, 0),
        (Edge.STOPPED, 50),
        (Edge.STARTED, 50),
        (Edge.STOPPED, 100),
    ]


def test_clicks_and_pauses_are_no_edges():
    assert found("x.x.x.") == []
    assert found("xx.xx..xx..x") == [(Edge.STARTED, 0)]


@given(st.text("x.", max_size=60), st.integers(1, 7))
def test_edges_alternate_and_go_forward_however_the_audio_is_cut(pattern, pushes):
    edges = found(pattern)
    assert edges == found(pattern, pushes)
    assert [edge for edge, _ in edges] == [Edge.STARTED, Edge.STOPPED] * (len(edges) // 2) + [Edge.STARTED] * (
        len(edges) % 2
    )
    positions = [position for _, position in edges]
    assert positions == sorted(positions)


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(-1, 8)), max_size=30))
def test_items_stand_where_a_list_would_put_them(steps):
    conversation, model = Conversation("conv", audio_max_bytes=10), []
    for name, after in steps:
        entry, place = Entry({"id": str(name)}), "root" if after < 0 else str(after)
        if str(name) in model or (place != "root" and place not in model):
            with pytest.raises(Refusal):
                conversation.add(entry, place)
            continue
        at = 0 if place == "root" else model.index(place) + 1
        model.insert(at, str(name))
        assert conversation.add(entry, place) == (model[at - 1] if at else None)
    assert [entry.id for entry in conversation] == model
    assert len(conversation) == len(model)


def test_lists_are_written_as_the_service_writes_them():
    assert [listed(values) for values in [("a",), ("a", "b"), ("a", "b", "c")]] == [
        "'a'",
        "'a' and 'b'",
        "'a', 'b', and 'c'",
    ]


def test_the_rate_limit_comes_back_with_time():
    limit = RateLimit(limit=1000, per_s=10)
    limit.spend(100, now=0)
    assert limit.report() == [{"name": "tokens", "limit": 1000, "remaining": 900, "reset_seconds": 10.0}]
    limit.spend(5, now=5)
    assert limit.report()[0]["remaining"] == 945


async def test_the_outbox_makes_room_as_it_is_read(autojump_clock):
    outbox, seen = Outbox(10), []

    async def fill():
        for n in range(4):
            await outbox.room()
            outbox.put("x" * 8)
            seen.append((trio.current_time(), n))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fill)
        for _ in range(4):
            await trio.sleep(1)
            await outbox.take()
        await trio.sleep(1)
        assert outbox.waiting_bytes == 8
        with trio.move_on_after(1) as waiting:
            await outbox.take()
        assert waiting.cancelled_caught
        await outbox.flushed()
    assert [number for _, number in seen] == [0, 1, 2, 3]
    assert seen[1][0] == 0
    assert seen[2][0] >= 1


async def test_memory_streams_are_streams_as_trio_means_them():
    async def make_pair():
        return memory_streams(100)

    async def make_clogged_pair():
        client, server = memory_streams(100)
        await client.send_all(bytes(100))
        await server.send_all(bytes(100))
        return client, server

    await trio.testing.check_two_way_stream(make_pair, make_clogged_pair)


async def test_memory_streams_hold_no_more_than_their_buffer(autojump_clock):
    client, server = memory_streams(100)
    with trio.move_on_after(1) as waiting:
        await client.send_all(bytes(101))
    assert waiting.cancelled_caught
    assert len(await server.receive_some()) == 100


async def test_memory_streams_write_at_once_and_tell_nobody_who_wrote_that_he_was_cancelled():
    client, server = memory_streams(100)
    began = trio.Event()

    async def write():
        began.set()
        await client.send_all(b"x")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        await began.wait()
        nursery.cancel_scope.cancel()
    with trio.CancelScope() as cancelled:
        cancelled.cancel()
        await client.send_all(b"y")
    await client.aclose()
    assert (await server.receive_some(), await server.receive_some()) == (b"x", b"")


def test_openai_python_and_the_wire_know_the_same_server_events():
    assert set(SERVER_TYPES) <= set(SERVER_CLASSES)


def test_durations():
    assert duration_ms(bytes(4800)) == 100
