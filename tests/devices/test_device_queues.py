"""Between the sound card's thread and Trio: bounds, what goes at them, and what is counted."""

from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.devices.queues import CaptureQueue, PlayoutQueue, is_silent


def block(number):
    return bytes([number % 255 + 1]) * 8


def taken(queue):
    return list(iter(queue.take, b""))


# --- microphone -------------------------------------------------------------------------------------------------------


def test_the_oldest_block_goes_when_there_is_no_room():
    queue = CaptureQueue(24)
    for number in range(5):
        queue.put(block(number))

    assert taken(queue) == [block(2), block(3), block(4)]
    assert queue.dropped_bytes == 16


def test_a_block_larger_than_the_room_stays_alone():
    queue = CaptureQueue(4)
    queue.put(block(1))
    queue.put(block(2))

    assert taken(queue) == [block(2)]


def test_gaps_that_the_device_tells_of_are_counted():
    queue = CaptureQueue(24)
    queue.put(block(1), overflow=True)
    queue.put(block(2))

    assert queue.overflows == 1


@given(st.lists(st.one_of(st.none(), st.integers(1, 40)), max_size=60), st.integers(8, 100))
def test_what_is_put_is_taken_in_order_or_counted(steps, room):
    queue, given_bytes, out = CaptureQueue(room), 0, b""
    for number, size in enumerate(steps):
        if size is None:
            out += queue.take()
        else:
            given_bytes += size
            queue.put(bytes([number]) * size)
    out += b"".join(taken(queue))

    assert len(out) + queue.dropped_bytes == given_bytes
    assert list(out) == sorted(out)


def test_two_threads_lose_nothing_that_is_not_counted():
    queue, count, out = CaptureQueue(400), 20_000, []

    def device():
        for number in range(count):
            queue.put(number.to_bytes(8, "big"))

    thread = Thread(target=device)
    thread.start()
    while thread.is_alive():
        out += taken(queue)
    out += taken(queue)

    assert len(out) + queue.dropped_bytes // 8 == count
    assert out == sorted(out)


# --- loudspeaker ------------------------------------------------------------------------------------------------------

SPEECH, SILENCE = b"\1\2" * 10, bytes(20)


def filled(queue, size, *, underflow=False):
    memory = bytearray(b"\xff" * size)
    queue.fill(memoryview(memory), underflow=underflow)
    return bytes(memory)


def test_it_begins_to_sound_when_enough_is_ready():
    queue = PlayoutQueue(target_bytes=40, max_bytes=100)
    assert filled(queue, 10) == bytes(10)
    assert queue.put(SPEECH)
    assert filled(queue, 10) == bytes(10)
    assert queue.put(SPEECH)
    assert filled(queue, 10) == SPEECH[:10]
    assert (queue.waiting_bytes, queue.underruns, queue.blocks) == (30, 0, 3)


def test_speech_that_comes_too_late_is_a_gap_that_is_counted():
    queue = PlayoutQueue(target_bytes=20, max_bytes=100)
    queue.put(SPEECH)

    assert filled(queue, 30) == SPEECH + bytes(10)
    assert queue.underruns == 1
    queue.put(SPEECH[:10])
    assert filled(queue, 30) == bytes(30)
    assert queue.underruns == 1


def test_silence_that_comes_too_late_is_no_gap():
    queue = PlayoutQueue(target_bytes=20, max_bytes=100)
    queue.put(SILENCE)
    filled(queue, 30)

    assert queue.underruns == 0


def test_a_device_that_is_slow_gets_less_silence_and_never_less_speech_than_there_is_room_for():
    queue = PlayoutQueue(target_bytes=40, max_bytes=100)
    assert [queue.put(SPEECH) for _ in range(6)] == [True] * 5 + [False]
    assert not queue.put(SILENCE)

    assert (queue.waiting_bytes, queue.dropped_bytes, queue.trimmed_bytes) == (100, 20, 20)
    filled(queue, 60)
    assert queue.put(SILENCE)


def test_gaps_that_the_device_tells_of_are_counted_too():
    queue = PlayoutQueue(target_bytes=20, max_bytes=100)
    filled(queue, 10, underflow=True)

    assert queue.underflows == 1


@given(st.lists(st.one_of(st.integers(1, 50), st.sampled_from(["speech", "silence"])), max_size=80))
def test_each_byte_is_played_waits_or_is_counted(steps):
    queue, given_bytes = PlayoutQueue(target_bytes=40, max_bytes=100), 0
    for step in steps:
        if isinstance(step, int):
            assert len(filled(queue, step)) == step
        else:
            given_bytes += 20
            queue.put(SPEECH if step == "speech" else SILENCE)
        assert queue.waiting_bytes <= 100

    gone = queue.played_bytes + queue.dropped_bytes + queue.trimmed_bytes
    assert gone + queue.waiting_bytes == given_bytes


@pytest.mark.parametrize(
    ("pcm", "silent"), [(b"", True), (bytes(8), True), (bytes(7) + b"\1", False), (b"\1\0", False)]
)
def test_only_digital_silence_is_silence(pcm, silent):
    assert is_silent(pcm) is silent
