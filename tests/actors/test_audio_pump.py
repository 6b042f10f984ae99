"""The audio pump: any shape converted, frames joined, rests and silence sent in time, policies, no needless wake-up."""

import json
import sys
from functools import partial

import pybase64
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.resampling import RATES_HZ, ideal, made, snr_db
from engine import limits
from engine.actors.audio_pump import PAUSE_S, AudioPump
from engine.audio.converter import Converter
from engine.audio.pcm import tone
from engine.audio.shape import AudioShape
from engine.config import AudioSettings
from engine.errors import ConfigError, LimitExceeded
from engine.lane import Lane

MS = b"\1\2" * 24
"""A millisecond of PCM16 at 24 kHz."""


def make(overflow="wait", frame_ms=40, bound=1000, audio=None, **options):
    lane = Lane(bound)
    return AudioPump(lane, audio or AudioSettings(), frame_ms, overflow, **options), lane


def sent(lane):
    """Take what waits: each message's audio."""
    audio = []
    for queued in lane.take_all():
        message = json.loads(queued.text)
        assert message.pop("type") == "input_audio_buffer.append"
        audio.append(pybase64.b64decode(message.pop("audio")))
        assert message == {}
    return audio


async def feed(pump, audio):
    await pump.room()
    pump.feed(audio)


async def test_frames_of_20_ms_are_joined_to_40():
    pump, lane = make()
    for n in range(6):
        pump.feed(bytes([n, 0]) * 480)
    assert [len(audio) for audio in sent(lane)] == [1920] * 3
    assert pump.fed_ms == 120


async def test_a_long_piece_is_cut_and_no_byte_is_lost():
    pump, lane = make(bound=1e9)
    whole = bytes(range(256)) * 1000
    for size in (1, 7, 1919, 1920, 1921, 50_000):
        pump.feed(whole[:size])
        whole = whole[size:] + whole[:size]
    pump.flush()
    assert sum(map(len, sent(lane))) == 1 + 7 + 1919 + 1920 + 1921 + 50_000


async def test_a_rest_is_sent_one_frame_after_its_first_sample(autojump_clock):
    pump, lane = make()
    async with trio.open_nursery() as nursery:
        pump.begin(nursery.start_soon)
        await trio.testing.wait_all_tasks_blocked()
        pump.feed(MS * 10)
        await trio.sleep(0.02)
        pump.feed(MS * 10)
        await trio.sleep(0.0199)
        assert sent(lane) == []
        await trio.sleep(0.0002)
        assert sent(lane) == [MS * 20]
        await trio.sleep(10)
        assert sent(lane) == []
        pump.feed(MS * 50)  # a frame, and a rest that begins now
        assert len(sent(lane)) == 1
        await trio.sleep(0.041)
        assert sent(lane) == [MS * 10]
        nursery.cancel_scope.cancel()


async def test_a_rest_that_is_completed_in_time_wakes_nobody(autojump_clock):
    class Steps(trio.abc.Instrument):
        count = 0

        def before_task_step(self, task):
            Steps.count += task.name == "pump"

    pump, lane = make(bound=1e9)
    steps = Steps()
    async with trio.open_nursery() as nursery:
        pump.begin(partial(nursery.start_soon, name="pump"))
        await trio.testing.wait_all_tasks_blocked()
        trio.lowlevel.add_instrument(steps)
        for _ in range(500):
            await feed(pump, MS * 20)
            await trio.sleep(0.02)
        assert Steps.count == 0
        assert len(sent(lane)) == 250
        pump.feed(MS * 20)
        await trio.sleep(0.05)
        assert Steps.count == 1
        trio.lowlevel.remove_instrument(steps)
        nursery.cancel_scope.cancel()


async def test_it_has_a_task_only_for_what_is_due(autojump_clock):
    pump, lane = make(bound=1e9)
    started = []
    async with trio.open_nursery() as nursery:

        def start(task):
            started.append(trio.current_time())
            nursery.start_soon(task)

        pump.begin(start)
        began = trio.current_time()
        for n in range(51):
            await feed(pump, MS * 20)
            assert not nursery.child_tasks
            await trio.sleep_until(began + (n + 1) * 0.02)
        await trio.sleep(2)
        assert started == [pytest.approx(began + 50 * 0.02 + 0.04)]
        pump.end()
        await feed(pump, MS * 20)
        await trio.sleep(2)
        assert len(started) == 1
    assert sum(map(len, sent(lane))) == 51 * len(MS * 20)


async def test_a_rest_that_is_completed_in_the_last_moment_is_not_cut(autojump_clock):
    pump, lane, starts = *make(), []
    pump.begin(starts.append)
    pump.feed(MS * 20)
    await trio.sleep(0.05)
    (start,) = starts
    pump.feed(MS * 50)
    await start()
    assert sent(lane) == [MS * 40]
    await trio.sleep(0.05)
    await starts[1]()
    assert sent(lane) == [MS * 30]


async def test_a_nursery_that_was_closed_under_it_ends_it(autojump_clock):
    def closed(_):
        raise RuntimeError("Nursery is closed to new arrivals")

    pump, lane = make()
    pump.begin(closed)
    pump.feed(MS * 20)
    await trio.sleep(1)
    pump.feed(MS * 30)
    assert sent(lane) == [MS * 40]


async def test_a_rest_that_was_fed_before_it_begins_is_sent_as_well(autojump_clock):
    pump, lane = make()
    await feed(pump, MS * 20)
    async with trio.open_nursery() as nursery:
        pump.begin(nursery.start_soon)
        await trio.sleep(0.041)
    assert sent(lane) == [MS * 20]


async def test_flush_sends_the_rest_but_not_to_a_closed_lane():
    pump, lane = make()
    pump.feed(MS * 5)
    pump.flush()
    pump.flush()
    assert sent(lane) == [MS * 5]
    pump.feed(MS * 5)
    lane.close()
    pump.flush()
    assert sent(lane) == []


async def test_a_rest_that_is_due_after_the_end_is_no_crash(autojump_clock):
    pump, lane = make()
    async with trio.open_nursery() as nursery:
        pump.begin(nursery.start_soon)
        await trio.testing.wait_all_tasks_blocked()
        pump.feed(MS)
        lane.close()
        await trio.sleep(1)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("name", "bytes_per_ms"), [("pcm", 48), ("pcmu", 8), ("pcma", 8)])
async def test_a_frame_is_as_long_in_every_format(name, bytes_per_ms):
    rate = 24000 if name == "pcm" else 8000
    settings = AudioSettings(format=name, input_rate=rate, output_rate=rate)
    pump, lane = make(audio=settings, frame_ms=20)
    pump.feed(b"\0" * bytes_per_ms * 20)
    assert lane.statistics().waiting == 20
    assert len(sent(lane)) == 1


async def test_a_frame_without_a_byte_is_ignored_and_counted():
    pump, lane = make()
    pump.feed(b"")
    pump.feed(b"", AudioShape("pcm", 16_000))
    pump.flush()
    assert sent(lane) == []
    assert (pump.statistics().empty_frames, pump.statistics().shape_changes, pump.fed_ms) == (2, 0, 0)


# --- any shape ------------------------------------------------------------------------------------------------------

WIRE = AudioShape()
NARROW = AudioShape("pcm", 16_000)
STEREO = AudioShape("pcm", 48_000, 2)


def converted(audio, shape, wire=WIRE):
    converter = Converter(shape, wire)
    return converter.push(audio) + converter.finish()


SIGNALS = {(name, rate): made(name, rate, 2) for name in ("sweep", "speech") for rate in RATES_HZ}


@settings(max_examples=60)
@given(
    name=st.sampled_from(["sweep", "speech"]),
    rate_hz=st.sampled_from(RATES_HZ),
    channels=st.integers(1, 2),
    sizes=st.lists(st.integers(1, 5_000), min_size=1, max_size=20),
    frame_ms=st.integers(20, 200),
)
def test_audio_cut_at_random_comes_out_as_the_whole_does_exact_in_length_and_over_60_db(
    name, rate_hz, channels, sizes, frame_ms
):
    samples = SIGNALS[name, rate_hz][:, :channels]
    audio, shape = samples.tobytes(), AudioShape("pcm", rate_hz, channels)

    async def through_the_pump():
        pump, lane = make(bound=1e9, frame_ms=frame_ms, audio=AudioSettings(input_rate=rate_hz, channels=channels))
        at, number = 0, 0
        while at < len(audio):
            size = [*sizes, 4_000][number % (len(sizes) + 1)] * shape.frame_bytes
            pump.feed(audio[at : at + size])
            at, number = at + size, number + 1
        pump.flush()
        messages = sent(lane)
        assert {len(message) for message in messages[:-1]} <= {frame_ms * 48}
        assert pump.fed_ms == pytest.approx(len(samples) * 1000 / rate_hz)
        return b"".join(messages)

    got = trio.run(through_the_pump)
    assert got == converted(audio, shape)
    assert len(got) == 2 * ((2 * len(samples) * 24_000 + rate_hz) // (2 * rate_hz))
    reference = ideal(samples.mean(axis=1) / 32768, rate_hz, 24_000)
    assert (rate_hz, channels) == (24_000, 1) or snr_db(got, reference) > 60


@pytest.mark.parametrize("wire", ["pcm", "pcmu", "pcma"])
@pytest.mark.parametrize("given_", ["pcm", "pcmu", "pcma"])
async def test_each_format_goes_over_each_wire(given_, wire):
    settings = AudioSettings(format=given_, wire_format=wire)
    pump, lane = make(audio=settings, frame_ms=20)
    audio = converted(tone(440, 400), WIRE, settings.input_shape)
    pump.feed(audio)
    pump.flush()
    messages = sent(lane)
    assert [len(message) for message in messages] == [20 * settings.bytes_per_ms] * 20
    assert b"".join(messages) == converted(audio, settings.input_shape, settings.wire_shape)
    assert pump.fed_ms == 400


async def test_a_shape_that_changes_is_converted_by_itself_and_what_was_held_back_comes_first():
    pump, lane = make(bound=1e9)
    pieces = [
        (tone(300, 70), None),
        (tone(440, 100, rate_hz=16_000), NARROW),
        (tone(440, 31, rate_hz=16_000), NARROW),
        (tone(220, 55, rate_hz=48_000) * 2, STEREO),
        (tone(300, 30), WIRE),
    ]
    for audio, shape in pieces:
        pump.feed(audio, shape)
    pump.flush()
    narrow = pieces[1][0] + pieces[2][0]
    expected = pieces[0][0] + converted(narrow, NARROW) + converted(pieces[3][0], STEREO) + pieces[4][0]
    assert b"".join(sent(lane)) == expected
    assert pump.statistics().shape_changes == 3
    assert pump.fed_ms == pytest.approx(70 + 131 + 55 + 30)


async def test_a_shape_whose_library_is_missing_is_refused_and_nothing_is_taken(monkeypatch):
    monkeypatch.setitem(sys.modules, "soxr", None)
    pump, lane = make()
    with pytest.raises(ConfigError, match="soxr"):
        pump.feed(MS * 100, NARROW)
    pump.feed(MS * 40)
    assert sent(lane) == [MS * 40]
    assert pump.fed_ms == 40


async def test_flush_gives_what_the_filter_holds_back_and_then_a_new_stream_begins():
    pump, lane = make(audio=AudioSettings(input_rate=16_000))
    audio = tone(440, 100, rate_hz=16_000)
    for _ in range(2):
        pump.feed(audio)
        pump.flush()
        assert b"".join(sent(lane)) == converted(audio, NARROW)
    pump.feed(audio)
    lane.close()
    pump.flush()


async def test_a_pause_brings_out_what_the_filter_holds_back_and_a_gap_does_not(autojump_clock):
    pump, lane = make(audio=AudioSettings(input_rate=16_000))
    audio = tone(440, 400, rate_hz=16_000)
    half, got = len(audio) // 2, b""
    async with trio.open_nursery() as nursery:
        pump.begin(nursery.start_soon)
        await trio.testing.wait_all_tasks_blocked()
        pump.feed(audio[:half])
        await trio.sleep(PAUSE_S * 0.9)
        got += b"".join(sent(lane))
        assert len(got) < 200 * 48
        pump.feed(audio[half:])
        await trio.sleep(PAUSE_S * 1.01)
        got += b"".join(sent(lane))
        assert got == converted(audio, NARROW)
        await trio.sleep(10)
        assert sent(lane) == []
        pump.feed(audio[:half])
        lane.close()
        await trio.sleep(10)
        nursery.cancel_scope.cancel()


async def test_converted_audio_that_comes_in_time_wakes_nobody(autojump_clock):
    class Steps(trio.abc.Instrument):
        count = 0

        def before_task_step(self, task):
            Steps.count += task.name == "pump"

    pump, _ = make(bound=1e9, audio=AudioSettings(input_rate=16_000), fill_silence=True, frame_ms=100)
    steps = Steps()
    async with trio.open_nursery() as nursery:
        pump.begin(partial(nursery.start_soon, name="pump"))
        await trio.testing.wait_all_tasks_blocked()
        trio.lowlevel.add_instrument(steps)
        for _ in range(100):
            await feed(pump, bytes(640))
            await trio.sleep(0.02)
        trio.lowlevel.remove_instrument(steps)
        assert Steps.count <= 1  # the filter's own delay, once, at the begin
        nursery.cancel_scope.cancel()


# --- silence --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "code"), [("pcm", 0), ("pcmu", 0xFF), ("pcma", 0xD5)])
async def test_silence_fills_a_stream_that_has_no_audio_to_the_frame(name, code, autojump_clock):
    pump, lane = make(bound=1e9, audio=AudioSettings(format=name), fill_silence=True)
    async with trio.open_nursery() as nursery:
        pump.begin(nursery.start_soon)
        await trio.sleep(120.001)
        messages = sent(lane)
        assert len(messages) == 120 * 25
        assert set(messages) == {bytes([code]) * len(messages[0])}
        assert pump.statistics().filled_ms == 120_000
        assert pump.fed_ms == 0
        nursery.cancel_scope.cancel()


@settings(max_examples=30)
@given(
    st.sampled_from([8_000, 16_000, 24_000, 44_100]),
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 600)), max_size=8),
)
def test_what_was_sent_is_never_a_frame_behind_the_clock_while_no_audio_comes(rate_hz, script):
    async def main():
        pump, lane = make(bound=1e9, audio=AudioSettings(input_rate=rate_hz), fill_silence=True)
        real, sent_bytes = b"", 0
        async with trio.open_nursery() as nursery:
            pump.begin(nursery.start_soon)
            await trio.testing.wait_all_tasks_blocked()
            began = trio.current_time()
            for pause_s, length_ms in script:
                await trio.sleep(pause_s)
                audio = b"\1\1" * (rate_hz * length_ms // 1000)
                pump.feed(audio)
                real += audio
            await trio.sleep(6)
            sent_bytes = sum(map(len, sent(lane)))
            elapsed_ms = (trio.current_time() - began) * 1000
            assert elapsed_ms - 40.001 < sent_bytes / 48 <= max(elapsed_ms + 1, pump.fed_ms + 12)
            assert pump.fed_ms == pytest.approx(len(real) / 2 / rate_hz * 1000)
            assert sent_bytes / 48 == pytest.approx(pump.fed_ms + pump.statistics().filled_ms, abs=1 + len(script))
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


async def test_speech_goes_in_at_once_and_silence_comes_back_after_a_frames_time(autojump_clock):
    pump, lane = make(fill_silence=True)
    async with trio.open_nursery() as nursery:
        pump.begin(nursery.start_soon)
        await trio.sleep(1.001)
        assert sent(lane) == [bytes(1920)] * 25
        for _ in range(10):
            await feed(pump, MS * 40)
            assert sent(lane) == [MS * 40]
            await trio.sleep(0.04)
        await trio.sleep(0.039)
        assert sent(lane) == [bytes(1920)]
        nursery.cancel_scope.cancel()


async def test_audio_faster_than_the_clock_counts_ahead(autojump_clock):
    pump, _ = make(bound=1e9, fill_silence=True)
    async with trio.open_nursery() as nursery:
        pump.begin(nursery.start_soon)
        await trio.testing.wait_all_tasks_blocked()
        pump.feed(MS * 2000)
        await trio.sleep(2.03)
        assert pump.statistics().filled_ms == 0
        await trio.sleep(0.02)
        assert pump.statistics().filled_ms == 40
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("overflow", ["wait", "drop_oldest", "fail"])
async def test_silence_takes_no_speechs_room_and_is_made_up_for_later(overflow, autojump_clock):
    pump, lane = make(overflow, bound=200, fill_silence=True)
    async with trio.open_nursery() as nursery:
        pump.begin(nursery.start_soon)
        await trio.testing.wait_all_tasks_blocked()
        pump.feed(MS * 160)
        await trio.sleep(10)
        assert (lane.statistics().waiting, lane.statistics().dropped) == (200, 0)
        assert sent(lane) == [MS * 40] * 4 + [bytes(1920)]
        lane.bound = 1e9
        await trio.sleep(0.1)
        assert sum(map(len, sent(lane))) + 200 * 48 == pytest.approx(10_100 * 48, abs=40 * 48)
        nursery.cancel_scope.cancel()


async def test_no_silence_is_owed_of_an_outage_and_it_goes_on_behind_what_was_said_in_it(autojump_clock):
    pump, lane = make(bound=1e9, fill_silence=True)
    async with trio.open_nursery() as nursery:
        pump.begin(nursery.start_soon)
        await trio.sleep(1.001)
        assert len(sent(lane)) == 25
        pump.hold(True)
        await trio.sleep(10)
        await feed(pump, MS * 400)
        await trio.sleep(10)
        pump.hold(False)
        assert sent(lane) == [MS * 40] * 10
        await trio.sleep(1.001)
        assert sent(lane) == [bytes(1920)] * 25
        nursery.cancel_scope.cancel()


async def test_silence_that_ended_in_an_outage_does_not_come_back(autojump_clock):
    pump, lane = make(bound=1e9, fill_silence=True)
    async with trio.open_nursery() as nursery:
        pump.begin(nursery.start_soon)
        await trio.sleep(1.001)
        pump.hold(True)
        pump.end_silence()
        pump.hold(False)
        sent(lane)
        await trio.sleep(10)
        assert sent(lane) == []
        nursery.cancel_scope.cancel()


async def test_silence_ends_with_the_lane(autojump_clock):
    pump, lane = make(fill_silence=True)
    async with trio.open_nursery() as nursery:
        pump.begin(nursery.start_soon)
        await trio.sleep(0.1)
        lane.close()
        await trio.sleep(100)
        assert pump.statistics().filled_ms == 80
        nursery.cancel_scope.cancel()


# --- at the bound ---------------------------------------------------------------------------------------------------


async def test_wait_waits_at_the_bound_and_is_all_or_nothing():
    pump, lane = make("wait", bound=80)
    await feed(pump, MS * 80)
    with trio.move_on_after(0) as scope:
        await feed(pump, MS * 40)
    assert scope.cancelled_caught
    assert pump.fed_ms == 80
    async with trio.open_nursery() as nursery:
        nursery.start_soon(feed, pump, MS * 40)
        await trio.testing.wait_all_tasks_blocked()
        assert nursery.child_tasks
        assert len(sent(lane)) == 2
    assert len(sent(lane)) == 1
    assert lane.statistics().dropped == 0


async def test_fail_refuses_at_the_bound_and_takes_nothing():
    pump, lane = make("fail", bound=80)
    await feed(pump, MS * 79)
    await feed(pump, MS)
    with pytest.raises(LimitExceeded, match="send slower") as caught:
        await feed(pump, MS * 40)
    assert (caught.value.limit, caught.value.bound, caught.value.value) == ("AUDIO_LANE_S", limits.AUDIO_LANE_S, 0.08)
    assert pump.fed_ms == 80
    assert len(sent(lane)) == 2
    await feed(pump, MS * 40)


async def test_drop_oldest_keeps_the_newest_and_counts():
    pump, lane = make("drop_oldest", bound=80)
    for n in range(5):
        await feed(pump, bytes([n, n]) * 960)
    assert lane.statistics().dropped == 120
    assert [audio[0] for audio in sent(lane)] == [3, 4]


async def test_drop_oldest_of_one_piece_over_the_bound():
    pump, lane = make("drop_oldest", bound=80)
    pump.feed(MS * 400)
    assert (lane.statistics().waiting, lane.statistics().dropped) == (80, 320)
