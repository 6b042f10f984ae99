"""The sender: control does not wait behind audio; a broken connection is told, and nothing is written twice."""

import pytest
import trio
import trio.testing

from engine.actors.sender import WRITE_MAX_CHARS, Sender
from engine.errors import ConnectionLost
from engine.lane import Lane
from engine.transport.memory import memory_pair

pytestmark = pytest.mark.sends_anything("the sender does not look at its messages")


async def never(_):
    raise AssertionError("the connection is not lost")


def made(nursery, transport, control, audio, on_sent=lambda *_: None, on_lost=never):
    return Sender(transport, control, audio, start=nursery.start_soon, on_sent=on_sent, on_lost=on_lost)


def begun(nursery, *args, **options):
    sender = made(nursery, *args, **options)
    sender.begin()
    return sender


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
    async with trio.open_nursery() as nursery:
        begun(nursery, here, control, audio, on_sent=lambda text, *_: told.append(text))
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
        begun(nursery, slow, control, audio)
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
    async with trio.open_nursery() as nursery:
        begun(nursery, slow, control, audio)
    assert slow.sent[:5] == ["c0", "c1", "c2", "c3", "c4"]
    assert slow.sent.index("c5") < slow.sent.index("a1")
    assert [text for text in slow.sent if text[0] == "a"] == ["a0", "a1", "a2"]


async def test_what_is_in_hand_counts_as_waiting(autojump_clock):
    slow, control, audio = Slow(), Lane(10), Lane(100)
    audio.put("a", 40)
    async with trio.open_nursery() as nursery:
        begun(nursery, slow, control, audio)
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
    async with trio.open_nursery() as nursery:
        begun(nursery, here, control, audio, on_lost=on_lost)
    assert [(error.code, error.reason) for error in lost] == [(1001, "going away")]
    assert [each.text for lane in (control, audio) for each in lane.take_all()] == ["c", "a"], "nothing of it is lost"


async def test_who_stops_it_waits_for_the_message_that_is_being_written_and_no_longer(autojump_clock):
    slow, control, audio = Slow(), Lane(10), Lane(1e9)
    audio.put("a0", 40)
    async with trio.open_nursery() as nursery:
        sender = begun(nursery, slow, control, audio)
        await trio.sleep(0.5)
        before = trio.current_time()
        await sender.stop(10)
        assert trio.current_time() - before == pytest.approx(0.5)
        assert (slow.sent, sender.is_torn) == (["a0"], False)


async def test_a_message_that_takes_too_long_is_torn_and_stays_in_the_lane(autojump_clock):
    slow, control, audio = Slow(), Lane(10), Lane(1e9)
    audio.put("a0", 40)
    async with trio.open_nursery() as nursery:
        sender = begun(nursery, slow, control, audio)
        await trio.sleep(0.5)
        await sender.stop(0.2)
        assert (slow.sent, sender.is_torn) == ([], True)
    assert [message.text for message in audio.take_all()] == ["a0"]


async def test_who_is_cancelled_as_it_stops_leaves_the_message_to_be_finished(autojump_clock):
    slow, control, audio = Slow(), Lane(10), Lane(1e9)
    audio.put("a0", 40)
    async with trio.open_nursery() as nursery:
        sender = begun(nursery, slow, control, audio)
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
        left = []

        async with trio.open_nursery() as nursery:
            sender = begun(nursery, held, control, audio)

            async def stop(sender=sender, audio=audio, left=left):
                await sender.stop(1)
                left.extend(message.text for message in audio.take_all())
                audio.put("a1", 40)

            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(stop)
            await trio.sleep(1)
            held.may.set()
        assert [*held.sent, *left] == ["a0"]
        assert sender.is_torn == bool(left)
        assert audio.statistics().waiting == 40


# --- the socket -----------------------------------------------------------------------------------------------------


class Socket:
    """A transport that takes many messages at once, a second each time, and one at once while it is idle."""

    def __init__(self, *, idle=True):
        self.idle, self.writes, self.error = idle, [], None

    async def send(self, text):
        raise AssertionError("it can do more")

    async def send_many(self, texts):
        await trio.sleep(1)
        self.writes.append(tuple(texts))

    def send_nowait(self, text):
        if self.error is not None:
            raise self.error
        if self.idle:
            self.writes.append(text)
        return self.idle


async def test_audio_that_finds_an_idle_socket_is_written_by_whoever_puts_it(autojump_clock):
    socket, control, audio, told = Socket(), Lane(10), Lane(1e9), []
    async with trio.open_nursery() as nursery:
        sender = begun(nursery, socket, control, audio, on_sent=lambda *sent: told.append(sent))
        await trio.testing.wait_all_tasks_blocked()
        audio.put("a0", 40, kind="append")
        assert (socket.writes, told) == (["a0"], [("a0", 40, "append")])
        socket.idle = False
        audio.put("a1", 40, kind="append")
        audio.put("a2", 40, kind="append")
        assert socket.writes == ["a0"]
        socket.idle = True
        audio.put("a3", 40, kind="append")
        await audio.emptied()
        assert socket.writes == ["a0", ("a1",), ("a2",), ("a3",)], "nothing overtakes what waits"
        assert [text for text, *_ in told] == ["a0", "a1", "a2", "a3"]
        assert trio.current_time() == 3
        await sender.stop(0)
        audio.put("a4", 40, kind="append")
        assert len(socket.writes) == 4, "who was stopped writes nothing"
    assert [each.text for each in audio.take_all()] == ["a4"]


async def test_nothing_is_written_at_once_while_the_sender_writes(autojump_clock):
    socket, control, audio = Socket(), Lane(10), Lane(1e9)
    async with trio.open_nursery() as nursery:
        control.put("c0", 1)
        control.put("c1", 1)
        begun(nursery, socket, control, audio)
        await trio.sleep(0.5)
        audio.put("a0", 40, kind="append")
        control.put("c2", 1)
        assert socket.writes == []
        await audio.emptied()
        await control.emptied()
        assert socket.writes == [("c0", "c1"), ("a0",), ("c2",)]


async def test_the_lanes_take_turns_and_a_write_is_bounded(autojump_clock):
    socket, control, audio = Socket(), Lane(10), Lane(1e9)
    half = "x" * (WRITE_MAX_CHARS // 2)
    for n in range(3):
        audio.put(f"{n}{half[1:]}", 40)
        control.put(f"c{n}{half[2:]}", 1)
    control.close()
    audio.close()
    async with trio.open_nursery() as nursery:
        begun(nursery, socket, control, audio)
    assert [[text[:2] for text in write] for write in socket.writes] == [
        ["c0", "c1"],
        ["0x"],
        ["c2"],
        ["1x"],
        ["2x"],
    ]


async def test_audio_is_told_and_out_of_its_lane_before_more_of_it_is_written(autojump_clock):
    """The service may hear a turn in what was written, and answer, before the last that waits has left."""
    socket, control, audio, told = Socket(), Lane(10), Lane(1e9), []
    for n in range(4):
        audio.put(f"a{n}", 40, kind="append")
    async with trio.open_nursery() as nursery:
        sender = begun(nursery, socket, control, audio, on_sent=lambda *sent: told.append(sent))
        await trio.sleep(2.5)
        assert [text for text, *_ in told] == ["a0", "a1"]
        sender.cut_off()
    assert sender.is_torn
    assert [each.text for each in audio.take_all()] == ["a2", "a3"], "no other connection is sent the first again"


async def test_a_connection_that_breaks_under_whoever_puts_is_told_by_the_sender(autojump_clock):
    socket, control, audio, lost = Socket(), Lane(10), Lane(1e9), []
    socket.error = ConnectionLost("gone")

    async def on_lost(error):
        lost.append(error)

    async with trio.open_nursery() as nursery:
        begun(nursery, socket, control, audio, on_lost=on_lost)
        audio.put("a0", 40, kind="append")
        control.put("c0", 1)
        assert lost == []
    assert lost == [socket.error]
    assert [each.text for lane in (control, audio) for each in lane.take_all()] == ["c0", "a0"]


async def test_one_that_was_cut_off_in_a_write_leaves_the_lanes_to_the_next(autojump_clock):
    first_socket, next_socket, control, audio = Socket(), Socket(), Lane(10), Lane(1e9)
    audio.put("a0", 40, kind="append")
    async with trio.open_nursery() as nursery:
        first = begun(nursery, first_socket, control, audio)
        await trio.sleep(0.5)
        first.cut_off()
        begun(nursery, next_socket, control, audio)
        audio.put("a1", 40, kind="append")
    assert first.is_torn
    assert (first_socket.writes, next_socket.writes) == ([], [("a0",), ("a1",)])


async def test_one_that_is_stopped_before_its_task_runs_writes_nothing(autojump_clock):
    socket, control, audio = Socket(), Lane(10), Lane(1e9)
    audio.put("a0", 40, kind="append")
    async with trio.open_nursery() as nursery:
        await begun(nursery, socket, control, audio).stop(10)
    assert socket.writes == []
    assert [each.text for each in audio.take_all()] == ["a0"]


async def test_it_has_a_task_only_while_something_waits(autojump_clock):
    socket, control, audio = Socket(), Lane(10), Lane(1e9)
    async with trio.open_nursery() as nursery:
        begun(nursery, socket, control, audio)
        await trio.testing.wait_all_tasks_blocked()
        assert not nursery.child_tasks
        socket.idle = False
        for text in ("a0", "a1"):
            audio.put(text, 40, kind="append")
            assert len(nursery.child_tasks) == 1
            await trio.sleep(0.5)
        await trio.sleep(2)
        assert not nursery.child_tasks
        control.put("c0", 1)
        assert len(nursery.child_tasks) == 1
    assert socket.writes == [("a0",), ("a1",), ("c0",)]


async def test_for_a_transport_that_has_to_be_waited_for_it_keeps_its_task(autojump_clock):
    slow, control, audio = Slow(), Lane(10), Lane(1e9)
    async with trio.open_nursery() as nursery:
        begun(nursery, slow, control, audio)
        (task,) = nursery.child_tasks
        for n in range(3):
            await trio.sleep(5)
            audio.put(f"a{n}", 40)
        await trio.sleep(5)
        assert nursery.child_tasks == {task}
        control.close()
        audio.close()
    assert slow.sent == ["a0", "a1", "a2"]


async def test_a_nursery_that_was_closed_under_it_ends_it(autojump_clock):
    def closed(_):
        raise RuntimeError("Nursery is closed to new arrivals")

    socket, control, audio = Socket(), Lane(10), Lane(1e9)
    async with trio.open_nursery() as nursery:
        sender = begun(nursery, socket, control, audio)
        await trio.testing.wait_all_tasks_blocked()
        sender._start, socket.idle = closed, False
        audio.put("a0", 40, kind="append")
        assert sender.is_stopped
        await sender.stop(10)
    assert [each.text for each in audio.take_all()] == ["a0"]
