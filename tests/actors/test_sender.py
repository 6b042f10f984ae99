"""The sender: control does not wait behind audio; a broken connection is told, and nothing is written twice."""

import pytest
import trio
import trio.testing

from engine.actors.sender import Sender
from engine.errors import ConnectionLost
from engine.lane import Lane
from engine.transport.memory import memory_pair

pytestmark = pytest.mark.sends_anything("the sender does not look at its messages")


async def never(_):
    raise AssertionError("the connection is not lost")


class Slow:
    """A transport that takes a second a frame, as a thin network does."""

    def __init__(self):
        self.lock = trio.StrictFIFOLock()
        self.sent = []

    async def send(self, text):
        async with self.lock:
            await trio.sleep(1)
            self.sent.append(text)


async def test_it_writes_both_lanes_until_they_are_closed_and_empty():
    here, there = memory_pair()
    control, audio = Lane(10), Lane(10)
    told = []
    for n in range(3):
        control.put(f"c{n}", 1)
        audio.put(f"a{n}", 1)
    control.close()
    audio.close()
    await Sender(here, control, audio, on_sent=lambda message: told.append(message.text), on_lost=never).run()
    got = await there.receive()
    assert [text for text in got if text[0] == "c"] == ["c0", "c1", "c2"]
    assert [text for text in got if text[0] == "a"] == ["a0", "a1", "a2"]
    assert sorted(told) == sorted(got)
    assert control.statistics().waiting == audio.statistics().waiting == 0


async def test_control_waits_for_one_audio_frame_at_most(autojump_clock):
    slow, control, audio = Slow(), Lane(10), Lane(1e9)
    for n in range(100):
        audio.put(f"a{n}", 40)
    async with trio.open_nursery() as nursery:

        async def run():
            await Sender(slow, control, audio, on_sent=lambda _: None, on_lost=never).run()

        nursery.start_soon(run)
        await trio.sleep(10.5)
        control.put("control", 1)
        await trio.sleep(2.5)
        assert "control" in slow.sent
        assert len(slow.sent) in (12, 13)
        nursery.cancel_scope.cancel()


async def test_audio_that_follows_control_is_written_after_it_and_control_never_waits(autojump_clock):
    slow, control = Slow(), Lane(100)
    audio = Lane(1e9, control)
    for n in range(5):
        control.put(f"c{n}", 1)
    audio.follow()
    for n in range(3):
        audio.put(f"a{n}", 40)
    control.put("c5", 1)
    control.close()
    audio.close()
    await Sender(slow, control, audio, on_sent=lambda _: None, on_lost=never).run()
    assert slow.sent[:5] == ["c0", "c1", "c2", "c3", "c4"]
    assert slow.sent.index("c5") < slow.sent.index("a1")
    assert [text for text in slow.sent if text[0] == "a"] == ["a0", "a1", "a2"]


async def test_audio_that_follows_a_control_lane_that_is_lost_ends_too():
    class HalfBroken(Slow):
        async def send(self, text):
            await trio.lowlevel.checkpoint()
            if text == "c":
                raise ConnectionLost("gone")
            self.sent.append(text)

    slow, control, lost = HalfBroken(), Lane(10), []
    audio = Lane(10, control)
    control.put("c", 1)
    audio.follow()
    audio.put("a", 1)
    audio.close()

    async def on_lost(error):
        lost.append(error)

    with trio.fail_after(1):
        await Sender(slow, control, audio, on_sent=lambda _: None, on_lost=on_lost).run()
    assert (slow.sent, len(lost)) == (["a"], 1)


async def test_what_is_in_hand_counts_as_waiting(autojump_clock):
    slow, control, audio = Slow(), Lane(10), Lane(100)
    audio.put("a", 40)
    async with trio.open_nursery() as nursery:

        async def run():
            await Sender(slow, control, audio, on_sent=lambda _: None, on_lost=never).run()

        nursery.start_soon(run)
        await trio.sleep(0.5)
        assert audio.statistics().waiting == 40
        await audio.emptied()
        assert trio.current_time() == 1
        nursery.cancel_scope.cancel()


async def test_a_lost_connection_is_told_and_ends_it():
    here, there = memory_pair()
    there.hang_up(1001, "going away")
    control, audio = Lane(10), Lane(10)
    lost = []

    async def on_lost(error):
        lost.append(error)

    control.put("c", 1)
    audio.put("a", 1)
    await Sender(here, control, audio, on_sent=lambda _: None, on_lost=on_lost).run()
    assert [type(error) for error in lost] == [ConnectionLost, ConnectionLost]
    assert (lost[0].code, lost[0].reason) == (1001, "going away")


async def test_who_stops_it_waits_for_the_message_that_is_being_written_and_no_longer(autojump_clock):
    slow, control, audio = Slow(), Lane(10), Lane(1e9)
    audio.put("a0", 40)
    sender = Sender(slow, control, audio, on_sent=lambda _: None, on_lost=never)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sender.run)
        await trio.sleep(0.5)
        before = trio.current_time()
        await sender.stop(10)
        assert trio.current_time() - before == pytest.approx(0.5)
        assert (slow.sent, sender.is_torn) == (["a0"], False)


async def test_a_message_that_takes_too_long_is_torn_and_stays_in_the_lane(autojump_clock):
    slow, control, audio = Slow(), Lane(10), Lane(1e9)
    audio.put("a0", 40)
    sender = Sender(slow, control, audio, on_sent=lambda _: None, on_lost=never)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sender.run)
        await trio.sleep(0.5)
        await sender.stop(0.2)
        assert (slow.sent, sender.is_torn) == ([], True)
    assert [message.text for message in audio.take_all()] == ["a0"]


async def test_who_is_cancelled_as_it_stops_leaves_the_message_to_be_finished(autojump_clock):
    slow, control, audio = Slow(), Lane(10), Lane(1e9)
    audio.put("a0", 40)
    sender = Sender(slow, control, audio, on_sent=lambda _: None, on_lost=never)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sender.run)
        await trio.sleep(0.5)
        with trio.move_on_after(0.2):
            await sender.stop(10)
        assert sender.is_stopped
        await sender.stop(10)
        assert (slow.sent, sender.is_torn) == (["a0"], False)


class Held:
    """A transport that takes a message when it is let."""

    def __init__(self):
        self.may, self.sent = trio.Event(), []

    async def send(self, text):
        await self.may.wait()
        self.sent.append(text)


async def test_a_message_that_is_written_in_the_last_moment_is_out_of_its_lane(autojump_clock):
    for _ in range(20):  # Trio wakes in any order those who are due at once.
        held, control, audio = Held(), Lane(10), Lane(1e9)
        audio.put("a0", 40)
        sender = Sender(held, control, audio, on_sent=lambda _: None, on_lost=never)
        left = []

        async def stop(sender=sender, audio=audio, left=left):
            await sender.stop(1)
            left.extend(message.text for message in audio.take_all())
            audio.put("a1", 40)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(sender.run)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(stop)
            await trio.sleep(1)
            held.may.set()
        assert [*held.sent, *left] == ["a0"]
        assert sender.is_torn == bool(left)
        assert audio.statistics().waiting == 40
