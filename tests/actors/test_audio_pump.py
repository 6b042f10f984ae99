"""The audio pump: frames joined, rests flushed in time, policies at the bound, and no needless wake-up."""

import json

import pybase64
import pytest
import trio
import trio.testing

from engine import limits
from engine.actors.audio_pump import AudioPump
from engine.config import AudioSettings
from engine.errors import LimitExceeded
from engine.lane import Lane

MS = b"\1\2" * 24
"""A millisecond of PCM16 at 24 kHz."""


def make(overflow="wait", frame_ms=40, bound=1000, audio=None):
    lane = Lane(bound)
    return AudioPump(lane, audio or AudioSettings(), frame_ms, overflow), lane


def sent(lane):
    """Take what waits: each message's audio."""
    audio = []
    while lane._receive.statistics().current_buffer_used:
        queued = lane._receive.receive_nowait()
        message = json.loads(queued.text)
        assert message.pop("type") == "input_audio_buffer.append"
        audio.append(pybase64.b64decode(message.pop("audio")))
        assert message == {}
        lane.sent(queued)
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
        nursery.start_soon(pump.run)
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
        nursery.start_soon(pump.run, name="pump")
        await trio.testing.wait_all_tasks_blocked()
        trio.lowlevel.add_instrument(steps)
        for _ in range(500):
            await feed(pump, MS * 20)
            await trio.sleep(0.02)
        assert Steps.count == 0
        assert len(sent(lane)) == 250
        pump.feed(MS * 20)
        await trio.sleep(0.05)
        assert Steps.count > 0
        trio.lowlevel.remove_instrument(steps)
        nursery.cancel_scope.cancel()


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
        nursery.start_soon(pump.run)
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
