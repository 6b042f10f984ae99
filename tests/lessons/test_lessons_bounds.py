"""Audio that is choppy elsewhere: bounds in bytes and seconds, frames of one length, each when it is due."""

import random

import pybase64
import pytest
import trio
from rooms import config
from talks import over, talking

from engine import BidiAudioStreamEvent, BidiResponseCompleteEvent, BidiTextInputEvent, open_session
from engine.audio.pcm import silence, tone
from engine.limits import AUDIO_LANE_S, INPUT_FRAME_MS
from engine.simulator import Pace, Say, Script, SimulatorSettings, serve
from engine.simulator.formats import PCM_BYTES_PER_MS
from engine.testing import in_memory

ANSWER_MS = 6000
ANSWER = Say("a steady tone", audio=tone(220, ANSWER_MS))
FRAME_S = 0.02


def decoded_ms(events):
    return sum(len(event.pcm) for event in events) / PCM_BYTES_PER_MS


# --- strands PR #2260 -------------------------------------------------------------------------------------------


async def answered(stall_s, **engine):
    """Ask, and don't read for some time; give what was read, what it took the service, and the figures."""
    settings = SimulatorSettings(pace=Pace(audio_delta_ms=20))
    async with (
        serve(settings, Script.of(ANSWER).responder, host=None) as simulator,
        open_session(config(engine=engine), connector=in_memory(simulator)) as session,
    ):
        await session.send(BidiTextInputEvent("go on"))
        await trio.sleep(stall_s)
        read = []
        async for event in session.receive():
            read.append(event)
            if isinstance(event, BidiResponseCompleteEvent):
                break
        (created,) = (each.at_s for each in simulator.sessions[0].sent if each.type == "response.created")
        (done,) = (each.at_s for each in simulator.sessions[0].sent if each.type == "response.done")
    return [event for event in read if isinstance(event, BidiAudioStreamEvent)], done - created, session.statistics()


async def test_a_reader_that_is_busy_for_a_while_holds_nothing_up_and_loses_nothing(autojump_clock):
    """strands PR #2260: a queue of one event made the receiver wait for the speaker, and the speech choppy."""
    _, at_ease_s, _ = await answered(0)
    audio, busy_s, statistics = await answered(5)

    assert busy_s == pytest.approx(at_ease_s), "the service did not have to wait"
    assert statistics.inbox.dropped_audio == 0
    assert decoded_ms(audio) == ANSWER_MS
    assert len(audio) == ANSWER_MS / 20


@pytest.mark.parametrize("delta_ms", [20, 100, 200])
async def test_what_may_wait_is_counted_in_bytes_and_not_in_pieces(delta_ms, autojump_clock):
    """strands PR #2260: a bound of pieces is a bound of 20 ms here and of 200 ms there."""
    script = Script.of(ANSWER)
    async with (
        serve(SimulatorSettings(pace=Pace(audio_delta_ms=delta_ms)), script.responder, host=None) as simulator,
        open_session(config(engine={"inbox_max_bytes": 2**17}), connector=in_memory(simulator)) as session,
    ):
        await session.send(BidiTextInputEvent("go on"))
        await trio.sleep(10)
        assert 2**17 * 0.8 < session.statistics().inbox.bytes <= 2**17
        kept = []
        async for event in session.receive():
            if isinstance(event, BidiAudioStreamEvent):
                kept.append(event)
            if isinstance(event, BidiResponseCompleteEvent):
                break
    assert decoded_ms(kept) == pytest.approx(1800, abs=250)


async def test_the_microphone_never_waits_for_a_line_that_stands_still_for_less_than_its_bound(autojump_clock):
    """strands PR #2260: the same the other way. What may wait is half a minute, however small the frames."""
    lines = []
    async with talking(Say("yes"), line=over(lines), engine={"input_frame_ms": 20}) as talk:
        lines[0].jammed = True
        began = trio.current_time()
        frame = silence(20)
        for _ in range(int((AUDIO_LANE_S - 1) * 50)):
            await talk.session.send_audio(frame)
        assert trio.current_time() == began, "nobody had to wait"
        lane = talk.session.statistics().audio_lane
        assert lane.waiting == pytest.approx((AUDIO_LANE_S - 1) * 1000, abs=100)

        with trio.move_on_after(1) as scope:
            for _ in range(100):
                await talk.session.send_audio(frame)
        assert scope.cancelled_caught, "past the bound they do"


# --- openai-agents PR #1925 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("piece_ms", "jitter_ms"), [(5, 2), (10, 4), (20, 9)])
async def test_small_pieces_that_come_unevenly_leave_as_frames_of_one_length(piece_ms, jitter_ms, autojump_clock):
    """openai-agents PR #1925: a telephone's small frames went out one by one, as unevenly as they came."""
    dice = random.Random(7)
    spoken = tone(220, 2000)
    size = piece_ms * PCM_BYTES_PER_MS
    async with talking(Say("yes"), turn_detection=None) as talk:
        began = trio.current_time()
        for number in range(2000 // piece_ms):
            late_ms = dice.uniform(0, jitter_ms)
            await trio.sleep_until(began + (number * piece_ms + late_ms) / 1000)
            await talk.session.send_audio(spoken[number * size : (number + 1) * size])
        await trio.sleep(1)

        sent = [pybase64.b64decode(event["audio"]) for event in talk.got("input_audio_buffer.append")]
        assert b"".join(sent) == spoken
        assert {len(each) for each in sent} == {INPUT_FRAME_MS * PCM_BYTES_PER_MS}


@pytest.mark.parametrize(
    ("shape", "frame_bytes", "quiet"),
    [({"format": "pcmu"}, 160, b"\xff"), ({"format": "pcma"}, 160, b"\xd5"), ({"rate": 48000}, 1920, b"\0")],
    ids=["mu-law", "A-law", "48 kHz"],
)
async def test_a_telephone_gets_a_frame_each_20_ms_whatever_comes_when(shape, frame_bytes, quiet, autojump_clock):
    """openai-agents PR #1925: pieces were handed on as they came, too many at once and then none."""
    service = {"pace": Pace(audio_delta_ms=170, audio_speed=1.5)}
    # The answer is louder than silence in each of its frames.
    async with talking(Say("tone", audio=tone(220, ANSWER_MS)), service=service) as talk:
        frames = []

        async def play():
            async for frame in talk.session.audio_out(20, **shape):
                frames.append((trio.current_time(), frame))  # noqa: PERF401 - endless

        async with trio.open_nursery() as nursery:
            nursery.start_soon(play)
            await talk.say()
            await talk.wait_for(BidiResponseCompleteEvent)
            await trio.sleep(ANSWER_MS / 1000)
            nursery.cancel_scope.cancel()

    began = frames[0][0]
    assert [at for at, _ in frames] == pytest.approx([began + number * FRAME_S for number in range(len(frames))])
    assert {len(frame) for _, frame in frames} == {frame_bytes}
    sounds = [number for number, (_, frame) in enumerate(frames) if frame != quiet * frame_bytes]
    assert len(sounds) == pytest.approx(ANSWER_MS / 20, abs=2)
    assert sounds == list(range(sounds[0], sounds[-1] + 1)), "no gap in it"
