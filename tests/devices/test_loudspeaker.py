"""A loudspeaker without a device: what it is given is what is heard, and a device that goes away is told."""

import pytest
import trio

from engine.audio.pcm import tone
from engine.audio.shape import AudioShape
from engine.config import ClientSettings, SessionConfig
from engine.devices import Device, Loudspeaker
from engine.devices.queues import PLAYOUT_MAX_MS, PLAYOUT_TARGET_MS
from engine.devices.stream import STALLED_S
from engine.errors import DeviceLost
from engine.events import BidiAudioStreamEvent, BidiTextInputEvent
from engine.session import open_session
from engine.simulator import Say, Script, serve
from engine.testing import in_memory

DEVICE = Device(0, "USB loudspeaker", "ALSA", 0, 1, 24_000.0)
FRAME = tone(440, 20)
BLOCK_MS = 10


async def runs(loudspeaker, heard):
    """Stand for the device: take 10 ms every 10 ms."""
    while True:
        block = bytearray(480)
        loudspeaker.fill(memoryview(block))
        heard += block
        await trio.sleep(BLOCK_MS / 1000)


async def writes(loudspeaker):
    while True:
        loudspeaker.write_nowait(FRAME)
        assert loudspeaker.delay_ms <= PLAYOUT_MAX_MS
        await trio.sleep(0.02)


async def test_frames_are_heard_after_the_delay_that_it_tells(autojump_clock):
    loudspeaker, heard = Loudspeaker(DEVICE, AudioShape()), bytearray()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runs, loudspeaker, heard)
        for _ in range(50):
            assert loudspeaker.write_nowait(FRAME)
            await trio.sleep(0.02)
        assert PLAYOUT_TARGET_MS - 20 <= loudspeaker.delay_ms <= PLAYOUT_TARGET_MS + 20
        nursery.cancel_scope.cancel()

    now = loudspeaker.statistics()
    assert (now.underruns, now.dropped_ms) == (0, 0)
    assert bytes(heard).strip(b"\0") in (FRAME * 50).strip(b"\0") + b"\0"


async def test_silence_is_told_from_sound(autojump_clock):
    loudspeaker = Loudspeaker(DEVICE, AudioShape())

    assert loudspeaker.write_nowait(FRAME)
    assert not loudspeaker.write_nowait(bytes(960))


async def test_a_device_that_takes_nothing_is_lost_and_delays_nothing_until_then(autojump_clock):
    loudspeaker = Loudspeaker(DEVICE, AudioShape())
    began = trio.current_time()
    with pytest.raises(DeviceLost, match="took no audio for 3 s"):
        await writes(loudspeaker)

    assert STALLED_S <= trio.current_time() - began <= STALLED_S + 0.05
    assert loudspeaker.statistics().dropped_ms > 2000


async def test_a_device_that_stops_is_lost(autojump_clock):
    loudspeaker = Loudspeaker(DEVICE, AudioShape())
    loudspeaker._stream._finished()
    await trio.sleep(0.1)
    with pytest.raises(DeviceLost, match="'USB loudspeaker' has stopped"):
        loudspeaker.write_nowait(FRAME)


async def test_what_the_session_counts_as_heard_is_what_the_device_has_played(autojump_clock):
    """Also where the user cuts in: what was handed out before sounds to its end, and nothing after it."""
    loudspeaker, heard = Loudspeaker(DEVICE, AudioShape()), bytearray()
    script = Script.of(Say("One, two, three, four, five, six, seven, eight, nine, ten."))
    config = SessionConfig(client=ClientSettings(api_key="any-text"))
    async with (
        serve(responder_factory=script.responder, host=None) as simulator,
        open_session(config, connector=in_memory(simulator)) as session,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(runs, loudspeaker, heard)
        nursery.start_soon(loudspeaker.play, session.audio_out(20))
        await session.send(BidiTextInputEvent("Count."))
        received = bytearray()
        async for event in session.receive():
            if isinstance(event, BidiAudioStreamEvent):
                received += event.pcm
                if len(received) > 60_000:
                    break
        await trio.sleep(1.0)
        await session.interrupt()
        told_ms = session.playback.heard_ms(event.item_id)
        await trio.sleep(1.0)
        assert session.playback.heard_ms(event.item_id) == told_ms
        nursery.cancel_scope.cancel()

    assert 900 < told_ms < len(received) / 48
    assert bytes(heard).strip(b"\0") == bytes(received[: int(told_ms * 48)]).strip(b"\0")
