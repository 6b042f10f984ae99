"""Paced output: frames when they are due, silence where nothing is, and nothing stale after an interruption."""

import contextlib
import math

import pybase64
import pytest
import trio
import trio.testing

from engine import limits
from engine.actors.audio_out import AudioOut
from engine.audio.pcm import level_dbfs, tone
from engine.audio.playback import Playback
from engine.audio.shape import AudioShape
from engine.errors import ConfigError, LocalMisuse

WIRE = AudioShape("pcm", 24_000, 1)
FRAME_MS = 20
FRAME_BYTES = 960
SILENCE = bytes(FRAME_BYTES)


def speech(ms, mark=1, bytes_per_ms=48):
    """Bytes that tell where they come from."""
    return bytes([mark]) * (ms * bytes_per_ms)


class Fed:
    """An output, and a clock for what was heard, fed as a session feeds them."""

    def __init__(self, target=WIRE, wire=WIRE, **settings):
        self.clock = Playback(wire.rate_hz)
        self.wire = wire
        self.out = AudioOut(wire, target, self.clock, **settings)

    def put(self, audio, item_id="i1", response_id="r1"):
        self.clock.received(item_id, 0, len(audio) // self.wire.frame_bytes, response_id)
        self.out.put(item_id, response_id, pybase64.b64encode(audio).decode())

    def cut(self, kept=frozenset()):
        flushed_ms = self.out.flush(kept)
        return self.clock.cut(trio.current_time(), kept), flushed_ms

    async def frames(self, count):
        return [await anext(self.out) for _ in range(count)]

    async def voices(self, count):
        """The marks that are heard in each frame, in order."""
        frames = await self.frames(count)
        return ["".join(str(mark) for mark in dict.fromkeys(frame)) for frame in frames]


# --- the pace -------------------------------------------------------------------------------------------------------


async def test_each_frame_of_an_hour_comes_when_it_is_due(autojump_clock):
    fed = Fed(frame_ms=200)
    began = trio.current_time()
    worst = 0.0
    for n in range(18_000):
        await anext(fed.out)
        worst = max(worst, abs(trio.current_time() - began - n * 0.2))
        await trio.sleep(0.05 * (n % 3))
    assert worst < 1e-6
    assert fed.out.statistics().lag_ms == 0
    assert fed.out.statistics().silence_ms == 3_600_000


async def test_a_consumer_that_lags_catches_up_at_once(autojump_clock):
    fed = Fed()
    began = trio.current_time()
    await fed.frames(1)
    await trio.sleep(0.2)
    times = []
    for _ in range(12):
        await anext(fed.out)
        times.append(trio.current_time() - began)
    assert times == pytest.approx([0.2] * 10 + [0.22, 0.24])
    assert fed.out.statistics().lag_ms == 0


async def test_a_consumer_that_lags_too_far_moves_the_schedule(autojump_clock):
    fed = Fed()
    began = trio.current_time()
    await fed.frames(1)
    await trio.sleep(5)
    times = []
    for _ in range(3):
        await anext(fed.out)
        times.append(trio.current_time() - began)
    assert times == pytest.approx([5, 5.02, 5.04])
    assert fed.out.statistics().lag_ms == pytest.approx(4980)


async def test_catching_up_lets_other_tasks_run(autojump_clock):
    fed = Fed()
    turns = []

    async def other():
        while True:
            turns.append("other")
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        await fed.frames(1)
        await trio.sleep(0.1)
        nursery.start_soon(other)
        await fed.frames(5)
        nursery.cancel_scope.cancel()
    assert len(turns) >= 4


async def test_a_wait_that_is_cancelled_loses_no_frame(autojump_clock):
    fed = Fed()
    for n in range(50):
        fed.put(speech(20, n + 1))
    fed.out.item_done("i1")
    got = []
    while len(got) < 50:
        with trio.move_on_after(0.0071):
            got.append(await anext(fed.out))
    assert got == [speech(20, n + 1) for n in range(50)]


async def test_a_cancelled_task_gets_no_frame(autojump_clock):
    fed = Fed()
    fed.put(speech(100))
    with trio.CancelScope() as scope:
        scope.cancel()
        await anext(fed.out)
    assert scope.cancelled_caught
    assert fed.clock.heard_ms("i1", 0) == 0


async def test_only_one_task_may_wait(autojump_clock):
    fed = Fed()
    await fed.frames(1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fed.frames, 1)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(LocalMisuse, match="another audio_out"):
            await anext(fed.out)
    await fed.frames(1)


# --- what sounds ----------------------------------------------------------------------------------------------------


async def test_speech_comes_whole_and_silence_after_it(autojump_clock):
    fed = Fed()
    audio = bytes(range(1, 241)) * 20  # 100 ms
    fed.put(audio[:1000])
    fed.put(audio[1000:])
    assert b"".join(await fed.frames(5)) == audio
    assert await fed.frames(2) == [SILENCE, SILENCE]
    numbers = fed.out.statistics()
    assert (numbers.played_ms, numbers.silence_ms, numbers.waiting_ms) == (100, 40, 0)


async def test_an_item_begins_when_enough_of_it_is_there(autojump_clock):
    fed = Fed(prebuffer_ms=60)
    fed.put(speech(59))
    assert await fed.voices(2) == ["0", "0"]
    fed.put(speech(1))
    assert await fed.voices(4) == ["1", "1", "1", "0"]
    assert fed.out.statistics().underruns == 0


async def test_a_short_item_begins_when_it_is_done(autojump_clock):
    fed = Fed()
    fed.put(speech(30))
    assert await fed.voices(1) == ["0"]
    fed.out.item_done("i1")
    fed.out.item_done("unknown")
    assert await fed.voices(3) == ["1", "10", "0"]


async def test_a_short_item_whose_end_is_never_told_begins_after_a_second(autojump_clock):
    fed = Fed()
    await fed.frames(200)
    fed.put(speech(20))
    assert await fed.voices(52) == ["0"] * 50 + ["1", "0"]


async def test_an_item_that_runs_dry_pauses_until_enough_is_there_again(autojump_clock):
    fed = Fed(prebuffer_ms=60)
    fed.put(speech(70))
    assert await fed.voices(5) == ["1", "1", "1", "10", "0"]
    assert fed.out.statistics().underruns == 0  # It may have been its end.
    fed.put(speech(40))
    assert await fed.voices(1) == ["0"]
    assert fed.out.statistics().underruns == 1
    fed.put(speech(20))
    assert await fed.voices(4) == ["1", "1", "1", "0"]
    assert fed.out.statistics().underruns == 1


async def test_items_sound_in_the_order_in_which_they_came(autojump_clock):
    fed = Fed()
    fed.put(speech(30, 1), "i1")
    fed.put(speech(30, 2), "i2")
    fed.put(speech(10, 1), "i1")
    fed.put(speech(100, 3), "other", "r2")
    fed.put(speech(30, 2), "i2")
    fed.out.item_done("i2")
    assert await fed.voices(10) == ["1", "1", "2", "2", "2", "3", "3", "3", "3", "3"]


async def test_responses_that_come_at_once_are_not_mixed(autojump_clock):
    fed = Fed()
    for _ in range(10):
        fed.put(speech(20, 1), "i1", "r1")
        fed.put(speech(20, 2), "i2", "r2")
    fed.out.item_done("i1")
    assert await fed.voices(20) == ["1"] * 10 + ["2"] * 10


async def test_an_item_that_has_run_dry_lets_the_next_one_sound_after_a_second(autojump_clock):
    fed = Fed()
    fed.put(speech(60, 1), "i1", "r1")
    fed.put(speech(100, 2), "i2", "r2")
    fed.out.item_done("i2")
    assert await fed.voices(58) == ["1"] * 3 + ["0"] * 50 + ["2"] * 5
    fed.put(speech(60, 1), "i1", "r1")
    assert await fed.voices(4) == ["1", "1", "1", "0"]


async def test_a_response_that_is_over_keeps_the_next_one_waiting_no_more(autojump_clock):
    fed = Fed()
    fed.put(speech(70, 1), "i1", "r1")
    fed.put(speech(100, 2), "i2", "r2")
    fed.out.response_done("r1")
    assert await fed.voices(9) == ["1"] * 3 + ["12"] + ["2"] * 4 + ["20"]
    assert fed.out.statistics().underruns == 0


async def test_samples_that_come_in_halves_are_joined(autojump_clock):
    fed = Fed()
    audio = bytes(range(1, 251)) * 20
    for at in range(0, len(audio), 333):
        fed.put(audio[at : at + 333])
    assert b"".join(await fed.frames(5)) == audio[:4800]


async def test_text_that_is_no_base64_is_counted_and_the_rest_sounds(autojump_clock):
    fed = Fed()
    fed.put(speech(40))
    fed.out.put("i1", "r1", "no base64!")
    fed.out.put("i1", "r1", "AAA")
    fed.out.put("i1", "r1", speech(20))
    assert await fed.voices(4) == ["1", "1", "1", "0"]
    assert fed.out.statistics().unreadable == 2


async def test_text_that_is_no_base64_is_not_waited_for(autojump_clock):
    fed = Fed(prebuffer_ms=0)
    fed.put(speech(20))
    text = "no base64!" * 4
    fed.clock.received("i1", 0, len(text) // 4 * 3 // 2, "r1")
    fed.out.put("i1", "r1", text)
    assert await fed.voices(1) == ["1"]
    assert not fed.clock.playing(trio.current_time())


async def test_what_was_played_is_counted_to_the_sample(autojump_clock):
    fed = Fed()
    told = []
    fed.clock.first_heard = lambda item_id, at: told.append((item_id, round(at - began, 6)))
    fed.put(speech(50, 1), "i1")
    fed.put(speech(100, 2), "i2")
    began = trio.current_time()
    await fed.frames(3)
    assert fed.clock.heard_ms("i1", 0) == 50
    assert fed.clock.heard_ms("i2", 0) == 10
    assert told == [("i1", 0.0), ("i2", 0.05)]


# --- shapes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", [WIRE, AudioShape("pcmu", 8000), AudioShape("pcma", 8000)], ids=str)
@pytest.mark.parametrize(
    ("target", "frame_ms", "size"),
    [
        (AudioShape("pcmu", 8000), 20, 160),
        (AudioShape("pcma", 8000), 20, 160),
        (AudioShape("pcm", 8000), 10, 160),
        (AudioShape("pcm", 16_000), 200, 6400),
        (AudioShape("pcm", 44_100, 2), 20, 3528),
        (AudioShape("pcm", 48_000, 2), 20, 3840),
        (AudioShape("pcm", 22_050), 20, 882),
        (WIRE, 20, 960),
    ],
    ids=str,
)
async def test_a_second_of_speech_is_a_second_of_whole_frames(wire, target, frame_ms, size, autojump_clock):
    fed = Fed(target, wire, frame_ms=frame_ms)
    said = tone(440, 1000, rate_hz=wire.rate_hz)
    if wire.encoding != "pcm":
        from engine.audio.converter import Converter

        said = Converter(AudioShape("pcm", 8000), wire).push(said)
    for at in range(0, len(said), 1000):
        fed.put(said[at : at + 1000])
    fed.out.item_done("i1")
    frames = await fed.frames(1400 // frame_ms)
    assert {len(frame) for frame in frames} == {size}
    silence = target.silence(size // target.frame_bytes)
    assert frames[0] != silence  # At once: nothing is held back at the begin,
    assert [frame != silence for frame in frames].count(True) == 1000 // frame_ms  # and nothing is lost at the end.
    assert fed.clock.heard_ms("i1", 0) == 1000
    assert not fed.clock.playing(0)
    assert fed.out.statistics().underruns == 0
    if target.encoding == "pcm":
        assert level_dbfs(b"".join(frames[: 1000 // frame_ms])) == pytest.approx(level_dbfs(tone(440, 1000)), abs=0.3)


async def test_speech_at_the_pace_of_speech_has_no_gaps_at_another_rate(autojump_clock):
    fed = Fed(AudioShape("pcmu", 8000))
    silence = b"\xff" * 160
    said = tone(440, 2000, fade_ms=0)

    async def speak():
        for at in range(0, len(said), 4800):
            fed.put(said[at : at + 4800])
            await trio.sleep(0.1)
        fed.out.item_done("i1")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(speak)
        frames = await fed.frames(150)
    heard = [frame != silence for frame in frames]
    begin = heard.index(True)
    assert begin * FRAME_MS <= 200
    assert heard[begin : begin + 100] == [True] * 100
    assert not any(heard[begin + 101 :])
    assert fed.out.statistics().underruns == 0


async def test_an_output_that_resamples_counts_what_it_handed_out_and_not_what_it_converted(autojump_clock):
    fed = Fed(AudioShape("pcm", 8000))
    fed.put(tone(440, 30_000))
    for n in range(1, 100):
        await fed.frames(1)
        assert fed.clock.heard_ms("i1", 0) == 20 * n
    cuts, flushed_ms = fed.cut()
    assert [cut.heard_ms for cut in cuts] == [1980]
    assert flushed_ms == 30_000 - 1980
    assert await fed.frames(10) == [bytes(320)] * 10


@pytest.mark.parametrize(
    ("setting", "value", "target"),
    [
        ("frame_ms", 9, WIRE),
        ("frame_ms", 201, WIRE),
        ("frame_ms", 20.0, WIRE),
        ("frame_ms", True, WIRE),
        ("frame_ms", 25, AudioShape("pcm", 22_050)),
        ("prebuffer_ms", -1, WIRE),
        ("prebuffer_ms", 1001, WIRE),
    ],
)
def test_settings_that_are_not_possible_are_refused(setting, value, target):
    clock = Playback(24_000)
    with pytest.raises(ConfigError) as caught:
        AudioOut(WIRE, target, clock, **{setting: value})
    assert caught.value.field == setting
    clock.received("i1", 0, 480, "r1")
    clock.delivered("i1", 480, 0)
    assert clock.heard_ms("i1", 1) == 20  # The output that is not there does not count.


# --- the user cuts in -----------------------------------------------------------------------------------------------


async def test_an_interruption_leaves_silence_in_the_next_frame(autojump_clock):
    fed = Fed()
    for _ in range(300):
        fed.put(speech(100))
    assert await fed.voices(50) == ["1"] * 50
    cuts, flushed_ms = fed.cut()
    assert (cuts[0].heard_ms, cuts[0].received_ms, flushed_ms) == (1000, 30_000, 29_000)
    assert await fed.frames(3) == [SILENCE] * 3
    fed.put(speech(100))
    assert await fed.frames(3) == [SILENCE] * 3  # What comes late of it is stale.
    fed.put(speech(100, 2), "i2", "r2")
    assert await fed.voices(2) == ["2", "2"]
    assert fed.out.statistics().flushed_ms == 29_000


@pytest.mark.parametrize("rate_hz", [24_000, 8_000])
async def test_an_interruption_spares_the_responses_that_are_kept(rate_hz, autojump_clock):
    fed = Fed(AudioShape("pcm", rate_hz))
    fed.put(tone(440, 110), "i1", "r1")
    fed.out.item_done("i1")
    fed.put(tone(440, 100), "aside", "r2")
    fed.out.item_done("aside")
    await fed.frames(5)
    cuts, flushed_ms = fed.cut(frozenset(["r2"]))
    assert [(cut.item_id, cut.heard_ms, flushed_ms) for cut in cuts] == [("i1", 100, 10)]
    frames = await fed.frames(8)
    assert sum(map(any, frames)) == 5
    assert fed.clock.heard_ms("aside", 0) == 100
    assert fed.out.statistics().played_ms == 200


async def test_a_kept_response_that_sounds_is_not_touched(autojump_clock):
    fed = Fed(AudioShape("pcm", 48_000))
    whole = Fed(AudioShape("pcm", 48_000))
    for each in (fed, whole):
        each.put(tone(440, 500), "aside", "r2")
        each.out.item_done("aside")
    fed.put(speech(100), "i1", "r1")
    frames = await fed.frames(5)
    _, flushed_ms = fed.cut(frozenset(["r2"]))
    frames += await fed.frames(25)
    assert flushed_ms == 100
    assert frames == await whole.frames(30)


async def test_a_kept_item_goes_on_where_it_was_when_its_stream_was_cut(autojump_clock):
    fed = Fed(AudioShape("pcm", 16_000))
    fed.put(tone(440, 110), "i1", "r1")
    fed.out.item_done("i1")
    fed.put(tone(440, 200), "aside", "r2")
    await fed.frames(5)
    fed.cut(frozenset(["r2"]))
    fed.put(tone(440, 100), "aside", "r2")
    fed.out.item_done("aside")
    assert sum(map(any, await fed.frames(20))) == 15
    assert fed.clock.heard_ms("aside", 0) == 300
    assert fed.out.statistics().underruns == 0


# --- the end --------------------------------------------------------------------------------------------------------


async def test_a_session_that_ended_lets_the_rest_be_played(autojump_clock):
    fed = Fed()
    fed.put(speech(30, 1), "i1")
    fed.put(speech(30, 2), "i2")
    fed.out.end()
    fed.out.put("i2", "r1", speech(30, 3))
    frames = [frame async for frame in fed.out]
    assert b"".join(frames) == (speech(30, 1) + speech(30, 2))
    assert fed.out.closed
    with pytest.raises(StopAsyncIteration):
        await anext(fed.out)


@pytest.mark.parametrize("rate_hz", [8_000, 48_000])
async def test_the_rest_of_a_stream_that_is_converted_is_played_whole(rate_hz, autojump_clock):
    fed = Fed(AudioShape("pcm", rate_hz))
    fed.put(tone(440, 45))
    await fed.frames(1)
    fed.out.end()
    frames = [frame async for frame in fed.out]
    assert sum(map(any, frames)) == len(frames) == 3
    assert fed.clock.heard_ms("i1", 0) == 45


async def test_to_close_ends_it_at_once_and_wakes_who_waits(autojump_clock):
    fed = Fed(frame_ms=200)
    fed.put(speech(10_000))
    await fed.frames(1)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:

        async def consume():
            assert [frame async for frame in fed.out] == []

        nursery.start_soon(consume)
        await trio.sleep(0.05)
        fed.out.close()
        fed.out.close()
    assert trio.current_time() - began == pytest.approx(0.05)
    numbers = fed.out.statistics()
    assert (numbers.played_ms, numbers.waiting_ms, numbers.flushed_ms) == (200, 0, 9800)
    assert not fed.clock.playing(0)
    fed.put(speech(100))
    assert fed.out.statistics().waiting_ms == 0


async def test_closed_before_it_began_it_has_no_frame():
    fed = Fed()
    fed.out.close()
    assert [frame async for frame in fed.out] == []


async def test_who_leaves_it_closes_it(autojump_clock):
    fed = Fed()
    async with contextlib.aclosing(fed.out) as out:
        async for _ in out:
            break
    assert fed.out.closed
    assert fed.clock._outputs == 0


# --- bounds and company ---------------------------------------------------------------------------------------------


async def test_past_the_bound_the_oldest_is_dropped_and_counted(autojump_clock):
    fed = Fed(max_bytes=48 * 1000)
    fed.put(speech(400, 1), "i1")
    await fed.frames(2)
    fed.put(speech(400, 2), "i2")
    fed.put(speech(400, 3), "i3")
    assert fed.out.statistics().dropped_ms == 160
    assert fed.out.statistics().waiting_ms == 1000
    fed.out.item_done("i3")
    assert await fed.voices(51) == ["1"] * 10 + ["2"] * 20 + ["3"] * 20 + ["0"]
    assert fed.clock.heard_ms("i1", 0) == 400
    assert not fed.clock.playing(0)


async def test_at_the_bound_a_whole_item_may_go(autojump_clock):
    fed = Fed(max_bytes=48 * 100)
    fed.put(speech(50, 1), "i1")
    fed.put(speech(150, 2), "i2")
    assert await fed.voices(6) == ["2"] * 5 + ["0"]
    assert [(cut.item_id, cut.heard_ms) for cut in fed.cut()[0]] == [("i1", 0)]


async def test_beside_the_output_that_counts_others_may_run(autojump_clock):
    fed = Fed()
    beside = AudioOut(WIRE, AudioShape("pcmu", 8000))
    audio = speech(200)
    fed.put(audio)
    beside.put("i1", "r1", audio)
    got = {}

    async def consume(name, out, count):
        got[name] = [await anext(out) for _ in range(count)]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(consume, "telephone", fed.out, 3)
        nursery.start_soon(consume, "recorder", beside, 10)
    assert fed.clock.heard_ms("i1", 0) == 60
    assert b"".join(got["telephone"]) == audio[: 3 * FRAME_BYTES]
    assert len(got["recorder"]) == 10
    beside.close()
    assert beside.statistics().played_ms == 200


async def test_an_output_that_does_not_count_has_a_bound_too():
    out = AudioOut(WIRE, WIRE, max_bytes=4800)
    out.put("i1", "r1", speech(150))
    assert (out.statistics().dropped_ms, out.statistics().waiting_ms) == (50, 100)


def test_the_bound_holds_the_longest_answer():
    assert math.ceil(205_000 * 48) < limits.AUDIO_OUT_MAX_BYTES
