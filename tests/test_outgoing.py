"""The way out: control goes ahead of audio, but for what speaks of the audio before it and what follows that."""

import json

import pybase64
import pytest
import trio
from rooms import MS, config, live

from engine.config import AudioSettings, EngineSettings
from engine.errors import LimitExceeded, LocalMisuse
from engine.events import BidiTextInputEvent
from engine.lane import Queued
from engine.limits import AUDIO_LANE_S, CLOSE_DEADLINE_S, CONTROL_LANE_MESSAGES
from engine.outgoing import APPEND, Outgoing
from engine.testing import MemoryConnector
from engine.wire.client import (
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    ResponseCancel,
    ResponseCreate,
)


class Stuck(MemoryConnector):
    """Connections to a server that takes nothing."""

    async def __call__(self, nursery, endpoint):
        transport = await super().__call__(nursery, endpoint)

        async def never(text):
            await trio.sleep_forever()

        transport.send = never
        return transport


def kinds(lane):
    """Take what waits in a lane: the types of its messages."""
    return [json.loads(message.text)["type"] for message in lane.take_all()]


def outgoing(settings):
    return Outgoing(settings.audio, settings.engine)


async def test_audio_that_was_sent_by_hand_is_part_of_the_turn():
    out = outgoing(config())
    out.pump.feed(MS * 50)
    with pytest.raises(LocalMisuse, match="50 ms"):
        out.check_committable()
    out.put(InputAudioBufferAppend(audio=pybase64.b64encode_as_string(MS * 60)))
    out.check_committable()
    assert out.uncommitted_ms == pytest.approx(110)
    out.put(InputAudioBufferCommit())
    assert out.uncommitted_ms == pytest.approx(0)


async def test_control_goes_ahead_of_audio():
    out = outgoing(config())
    out.pump.feed(MS * 80)
    out.put(ResponseCreate())

    assert kinds(out.control) == ["response.create"]
    assert kinds(out.audio) == ["input_audio_buffer.append"] * 2


@pytest.mark.parametrize("event", [InputAudioBufferCommit(), InputAudioBufferClear()], ids=lambda event: event.tag)
async def test_what_speaks_of_the_buffer_follows_all_audio_even_an_unfinished_frame(event):
    out = outgoing(config())
    out.pump.feed(MS * 50)
    out.put(event)

    assert kinds(out.audio) == ["input_audio_buffer.append"] * 2 + [event.tag]
    assert kinds(out.control) == []


async def test_what_follows_a_commit_does_not_overtake_it():
    out = outgoing(config())
    out.pump.feed(MS * 40)
    out.put(InputAudioBufferCommit())
    out.put(ResponseCreate())

    assert kinds(out.audio) == ["input_audio_buffer.append", "input_audio_buffer.commit", "response.create"]
    out.put(ResponseCancel())
    assert kinds(out.control) == ["response.cancel"]


async def test_audio_by_hand_keeps_its_place_and_weighs_its_length():
    out = outgoing(config())
    out.pump.feed(MS * 10)
    out.put(InputAudioBufferAppend(audio="A" * 6400))

    assert out.audio.statistics().waiting == 10 + 100
    assert kinds(out.audio) == ["input_audio_buffer.append"] * 2


async def test_a_full_lane_drops_audio_and_no_commit():
    out = outgoing(config(engine={"input_overflow": "drop_oldest"}))
    out.put(InputAudioBufferCommit())
    for _ in range(32):
        out.pump.feed(MS * 1000)

    assert out.audio.statistics().dropped > 0
    assert kinds(out.audio)[0] == "input_audio_buffer.commit"


@pytest.mark.sends_anything("`{}` stands for the beginning")
def test_what_nobody_reads_does_not_pile_up():
    out = outgoing(config())
    out.begin(["{}"])
    for _ in range(2 * CONTROL_LANE_MESSAGES):
        out.put(ResponseCancel())

    with pytest.raises(LimitExceeded, match="CONTROL_LANE_MESSAGES"):
        out.put(ResponseCancel())


async def test_push_to_talk_by_hand_commits_all_that_was_said_and_then_asks(autojump_clock):
    """The service refuses to commit less than 100 ms; a commit that overtakes its audio would be empty."""
    async with live(turn_detection=None) as (session, peer):
        await session.send_audio(MS * 1010)
        await session.raw.send(InputAudioBufferCommit())
        await session.raw.send(ResponseCreate())
        heard = [await peer.hear() for _ in range(29)]

    assert [event["type"] for event in heard[:1]] == ["session.update"]
    assert [event["type"] for event in heard[-3:]] == [
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "response.create",
    ]


class Thin(MemoryConnector):
    """Connections that take a while a message, and give the lock in turn as trio-websocket does."""

    async def __call__(self, nursery, endpoint):
        transport = await super().__call__(nursery, endpoint)
        lock, send = trio.StrictFIFOLock(), transport.send

        async def slowly(text):
            async with lock:
                await trio.sleep(0.005)
                await send(text)

        transport.send = slowly
        return transport


def what(event):
    """Name a client event, an item by its text."""
    return event["item"]["content"][0]["text"] if "item" in event else event["type"]


async def test_audio_waits_for_all_that_the_session_begins_with(autojump_clock):
    words = [f"h{n}" for n in range(8)]
    history = [{"role": "user", "content": [{"text": word}]} for word in words]
    async with live(config(history=history), Thin()) as (session, peer):
        await session.send_audio(MS * 200)
        await session.raw.send(InputAudioBufferCommit())
        await session.raw.send(ResponseCreate())
        heard = [what(await peer.hear()) for _ in range(16)]

    appends = ["input_audio_buffer.append"] * 5
    assert heard == ["session.update", *words, *appends, "input_audio_buffer.commit", "response.create"]


async def test_what_was_sent_before_a_commit_by_hand_is_there_before_it(autojump_clock):
    words = [f"context {n}" for n in range(12)]
    async with live(connector=Thin()) as (session, peer):
        await peer.hear("session.update")
        await session.send_audio(MS * 200)
        for word in words:
            await session.send(BidiTextInputEvent(word, role="assistant"))
        await session.raw.send(InputAudioBufferCommit())
        await session.raw.send(ResponseCreate())
        heard = [what(await peer.hear()) for _ in range(19)]

    assert heard[-2:] == ["input_audio_buffer.commit", "response.create"]
    assert [name for name in heard if name in words] == words
    assert heard.index("input_audio_buffer.append") < 3, "audio itself does not wait for items"


@pytest.mark.parametrize("connector", [Stuck, Thin])
async def test_stopping_while_audio_waits_for_the_history_is_bounded(connector, autojump_clock):
    history = [{"role": "user", "content": [{"text": "x"}]}] * 5000
    async with live(config(history=history), connector()) as (session, _):
        await session.send_audio(MS * 200)
        started = trio.current_time()
        await session.stop()
        assert trio.current_time() - started <= CLOSE_DEADLINE_S


async def test_a_commit_by_hand_waits_for_room_behind_audio(autojump_clock):
    async with live() as (session, peer):
        await session.send(BidiTextInputEvent("hello"))
        await session.raw.send(InputAudioBufferCommit())
        assert (await peer.hear("input_audio_buffer.commit"))["type"] == "input_audio_buffer.commit"


@pytest.mark.sends_anything("only the order counts of what is sent again")
@pytest.mark.parametrize("overflow", ["wait", "drop_oldest", "fail"])
async def test_what_an_outage_leaves_behind_is_not_dropped_and_keeps_nothing_out(overflow):
    out = Outgoing(AudioSettings(), EngineSettings(input_overflow=overflow))
    out.hold(True)
    for _ in range(int(AUDIO_LANE_S) + 5):
        out.pump.feed(MS * 1000)
    assert out.audio.statistics().dropped == 5_000
    out.move([], [Queued(f"again {number}", 40, kind=APPEND) for number in range(100)])
    out.hold(False)
    with trio.fail_after(0):
        await out.pump.room()
    out.pump.feed(MS * 1000)
    assert out.audio.take()[0].text == "again 0"
    assert out.audio.statistics().dropped == 5_000
    assert out.audio.statistics().waiting == AUDIO_LANE_S * 1000 + 4_000 + 1_000


async def test_one_outage_after_another_does_not_pile_up_audio():
    out = Outgoing(AudioSettings(), EngineSettings())
    for _ in range(5):
        out.hold(True)
        for _ in range(int(AUDIO_LANE_S) + 5):
            out.pump.feed(MS * 1000)
        out.move([], [])
        out.hold(False)
    assert out.audio.statistics().waiting == AUDIO_LANE_S * 1000


async def test_while_there_is_no_connection_a_commit_by_hand_does_not_wait_for_it():
    out = Outgoing(AudioSettings(), EngineSettings())
    out.hold(True)
    for _ in range(int(AUDIO_LANE_S)):
        out.pump.feed(MS * 1000)
    assert not out.audio.has_room()
    with trio.fail_after(0):
        await out.room(InputAudioBufferCommit())
    out.put(InputAudioBufferCommit())
    assert out.audio.kept == 1
    assert out.audio.statistics().dropped > 0
