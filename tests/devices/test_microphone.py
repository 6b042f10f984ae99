"""A microphone without a device: blocks in order, what is not kept, muting, and a device that goes away."""

import pytest
import trio

from engine.audio.pcm import tone
from engine.audio.shape import AudioShape
from engine.devices import Device, Microphone
from engine.devices.queues import CAPTURE_MAX_MS
from engine.devices.stream import STALLED_S
from engine.errors import DeviceLost, LocalMisuse

DEVICE = Device(0, "USB microphone", "ALSA", 1, 0, 24_000.0)
BLOCK = tone(440, 20)


def unplugged():
    return Microphone(DEVICE, AudioShape())


async def asked_once(microphone):
    """Ask for a first block, as the program does when its session is open."""
    with trio.move_on_after(0):
        await anext(microphone)


async def test_what_was_said_before_somebody_asked_is_not_kept(autojump_clock):
    microphone = unplugged()
    microphone.put(BLOCK)
    with pytest.raises(DeviceLost, match="gave no audio for 3 s"):
        await anext(microphone)


async def test_blocks_come_in_order_and_the_oldest_go_when_nobody_takes_them(autojump_clock):
    microphone = unplugged()
    await asked_once(microphone)
    blocks = [number.to_bytes(2, "big") * 480 for number in range(CAPTURE_MAX_MS // 20 + 5)]
    for block in blocks:
        microphone.put(block)

    assert [await anext(microphone) for _ in blocks[5:]] == blocks[5:]
    now = microphone.statistics()
    assert (now.heard_ms, now.dropped_ms, now.overflows) == (CAPTURE_MAX_MS, 100, 0)


async def test_a_block_from_another_thread_wakes_who_waits():
    microphone = unplugged()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, put_until_taken, microphone)
        assert await anext(microphone) == BLOCK


def put_until_taken(microphone):
    # The first ones come before anybody asks.
    while not microphone.statistics().heard_ms:
        microphone.put(BLOCK)
        trio.from_thread.check_cancelled()


async def test_a_muted_microphone_gives_silence_at_its_own_pace(autojump_clock):
    microphone = unplugged()
    await asked_once(microphone)
    microphone.muted = True
    microphone.put(BLOCK)
    assert await anext(microphone) == bytes(len(BLOCK))
    microphone.muted = False
    microphone.put(BLOCK, overflow=True)
    assert await anext(microphone) == BLOCK
    assert microphone.statistics().overflows == 1


async def test_cancelling_loses_nothing(autojump_clock):
    microphone = unplugged()
    await asked_once(microphone)
    microphone.put(BLOCK)
    with trio.CancelScope() as scope:
        scope.cancel()
        await anext(microphone)

    assert scope.cancelled_caught
    assert await anext(microphone) == BLOCK


async def test_a_device_that_stops_is_told_after_what_it_gave(autojump_clock):
    microphone = unplugged()
    await asked_once(microphone)
    microphone.put(BLOCK)
    microphone._stream._finished()

    assert await anext(microphone) == BLOCK
    with pytest.raises(DeviceLost, match="'USB microphone' has stopped") as caught:
        await anext(microphone)
    assert caught.value.device == "USB microphone"


async def test_a_device_that_gives_nothing_more_is_lost(autojump_clock):
    microphone = unplugged()
    began = trio.current_time()
    with pytest.raises(DeviceLost, match="gave no audio"):
        await anext(microphone)

    assert trio.current_time() - began == STALLED_S


async def test_two_tasks_can_not_share_a_microphone(autojump_clock):
    microphone = unplugged()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(anext, microphone)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(LocalMisuse, match="another task waits"):
            await anext(microphone)
        nursery.cancel_scope.cancel()


def test_a_device_that_is_still_there_after_trio_harms_nobody():
    async def main():
        microphone = unplugged()
        await asked_once(microphone)
        return microphone

    microphone = trio.run(main)
    microphone.put(BLOCK)
    assert microphone._stream._closing
