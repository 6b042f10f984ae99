"""The lane: its bound is asked for before a message goes in, and it is empty when all is on the socket."""

import pytest
import trio
import trio.testing

from engine.lane import Lane, Queued

pytestmark = pytest.mark.sends_anything("a lane does not look at its messages")


class Recorder:
    """A writer that writes what it is offered while it is idle, and counts how often it is woken."""

    def __init__(self, idle=True):
        self.idle, self.written, self.woken, self.closed = idle, [], 0, 0

    def write_at_once(self, text, weight, kind):
        if self.idle:
            self.written.append((text, weight, kind))
        return self.idle

    def wake(self):
        self.woken += 1

    def lane_closed(self):
        self.closed += 1


def send_one(lane):
    """Do what a sender does with one message; give its text."""
    taken = lane.take(0)
    lane.sent(taken)
    return taken[0].text if taken else None


def texts(messages):
    return [message.text for message in messages]


async def test_messages_go_in_order_and_count_until_they_are_sent():
    lane = Lane(100)
    lane.put("a", 40)
    lane.put("b", 40)
    first = lane.take(0)
    assert first == [Queued("a", 40)]
    assert lane.statistics().waiting == 80
    lane.sent(first)
    second = lane.take(0)
    assert second == [Queued("b", 40)]
    lane.sent(second)
    statistics = lane.statistics()
    assert (statistics.waiting, statistics.most, statistics.dropped) == (0, 80, 0)


async def test_all_that_waits_is_taken_at_once_up_to_a_bound_but_one_in_any_case():
    lane = Lane(100)
    for text in ("1234", "56", "7", "89"):
        lane.put(text, 1)
    assert texts(lane.take()) == ["1234", "56", "7", "89"]
    assert texts(lane.take(6)) == ["1234", "56"]
    assert texts(lane.take(5)) == texts(lane.take(0)) == ["1234"]
    taken = lane.take(7)
    lane.put("new", 1)
    lane.sent(taken)
    assert texts(lane.take()) == ["89", "new"]
    assert Lane(1).take() == []


async def test_room_waits_at_the_bound_and_no_earlier():
    lane = Lane(3)
    for _ in range(2):
        lane.put("m", 1)
    assert lane.has_room()
    with trio.fail_after(0):
        await lane.room()
    lane.put("m", 1)
    assert not lane.has_room()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lane.room)
        await trio.testing.wait_all_tasks_blocked()
        assert nursery.child_tasks
        send_one(lane)


async def test_whoever_waits_for_room_goes_one_after_the_other():
    lane = Lane(2)
    most = 0

    async def put(text):
        nonlocal most
        await lane.room()
        lane.put(text, 1)
        most = max(most, lane.statistics().waiting)

    async with trio.open_nursery() as nursery:
        for n in range(20):
            nursery.start_soon(put, str(n))
        got = []
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(20):
            got.append(send_one(lane))
            await trio.testing.wait_all_tasks_blocked()
    assert most == 2
    assert sorted(map(int, got)) == list(range(20))


async def test_it_is_emptied_when_the_last_message_is_on_the_socket(autojump_clock):
    lane = Lane(100)
    await lane.emptied()
    lane.put("a", 1)
    in_hand = lane.take()
    with trio.move_on_after(1) as scope:
        await lane.emptied()
    assert scope.cancelled_caught, "it is in hand, and not sent"
    lane.sent(in_hand)
    await lane.emptied()


async def test_dropping_what_waits_does_not_hide_what_is_in_hand(autojump_clock):
    lane = Lane(100)
    lane.put("in hand", 1)
    lane.put("in hand, too", 1)
    in_hand = lane.take()
    lane.put("waits", 1)
    assert lane.drop_oldest()
    assert not lane.drop_oldest()
    with trio.move_on_after(1) as scope:
        await lane.emptied()
    assert scope.cancelled_caught
    lane.sent(in_hand)
    await lane.emptied()
    assert lane.statistics().dropped == 1


async def test_what_is_put_back_is_given_again_and_may_be_dropped():
    lane = Lane(100)
    lane.put("a", 40)
    lane.put("b", 40)
    taken = lane.take()
    assert not lane.drop_oldest()
    lane.put_back(taken)
    assert texts(lane.take()) == ["a", "b"]
    assert lane.statistics().waiting == 80
    lane.put_back(taken)
    assert not lane.drop_oldest(), "another has them in hand by now"
    lane.put_back(lane.take())
    assert lane.drop_oldest()
    assert texts(lane.take()) == ["b"]


async def test_one_who_took_before_another_did_can_send_nothing_for_it():
    lane = Lane(100)
    lane.put("old", 1)
    before = lane.take()
    assert texts(lane.take_all()) == ["old"]
    lane.put("new", 1)
    now = lane.take()
    lane.sent(before)
    assert lane.statistics().waiting == 1
    lane.sent(now)
    assert lane.statistics().waiting == 0


async def test_an_empty_lane_weighs_nothing_after_any_sum_of_floats():
    lane = Lane(1e9)
    for n in range(1, 1000):
        lane.put("m", n / 3)
    for _ in range(1, 1000):
        send_one(lane)
    assert lane.statistics().waiting == 0


async def test_a_closed_lane_gives_what_it_has_and_takes_nothing():
    lane, writer = Lane(1), Recorder(idle=False)
    lane.writer = writer
    lane.put("a", 1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lane.room)
        await trio.testing.wait_all_tasks_blocked()
        assert not lane.closed
        lane.close()
    assert lane.closed
    assert (writer.woken, writer.closed) == (1, 1)
    with pytest.raises(trio.ClosedResourceError):
        lane.put("b", 1)
    assert not lane.is_over
    assert send_one(lane) == "a"
    assert lane.is_over
    assert not lane.take()
    assert not lane.drop_oldest()


# --- its writer -----------------------------------------------------------------------------------------------------


async def test_a_writer_that_is_idle_is_given_a_message_at_once_and_it_never_waits():
    lane, writer = Lane(100), Recorder()
    lane.writer = writer
    lane.put("a", 40, kind="append")
    assert writer.written == [("a", 40, "append")]
    assert (writer.woken, lane.take()) == (0, [])
    assert lane.statistics().most == 0
    await lane.emptied()


async def test_a_writer_is_woken_for_what_it_does_not_write_and_nothing_overtakes_that():
    lane, writer = Lane(100), Recorder(idle=False)
    lane.writer = writer
    lane.put("a", 40)
    writer.idle = True
    lane.put("b", 40)
    assert (writer.written, writer.woken) == ([], 2)
    lane.sent(lane.take())
    lane.put("c", 40)
    assert writer.written == [("c", 40, "")]


async def test_what_follows_is_not_written_at_once_before_what_it_follows():
    ahead, writer = Lane(100), Recorder()
    lane = Lane(100, ahead)
    lane.writer = writer
    ahead.put("first", 1)
    lane.put("free", 1)
    lane.follow()
    lane.put("behind", 1)
    assert writer.written == [("free", 1, "")]
    send_one(ahead)
    assert texts(lane.take()) == ["behind"]


async def test_what_was_written_at_once_ahead_is_waited_for_no_more():
    ahead = Lane(100)
    lane = Lane(100, ahead)
    ahead.writer = Recorder()
    ahead.put("first", 1)
    lane.follow()
    lane.put("behind", 1)
    assert texts(lane.take()) == ["behind"]


# --- more -----------------------------------------------------------------------------------------------------------


async def test_all_can_be_taken_out_with_what_was_in_hand_first_and_nobody_waits_for_it():
    ahead = Lane(100)
    lane = Lane(1, ahead)
    lane.put("a", 40, kind="append")
    assert texts(lane.take()) == ["a"]
    ahead.put("never sent", 1)
    lane.follow()
    lane.put("b", 40)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lane.room)
        await trio.testing.wait_all_tasks_blocked()
        assert texts(ahead.take_all()) == ["never sent"]
        assert texts(lane.take(0)) == ["a"]
        assert [(each.text, each.kind) for each in lane.take_all()] == [("a", "append"), ("b", "")]
    assert lane.statistics().waiting == ahead.statistics().waiting == 0
    ahead.put("new", 1)
    lane.follow()
    lane.put("c", 40)
    assert lane.take() == [], "what is ahead goes first again"


async def test_what_is_kept_is_never_dropped_and_keeps_its_place():
    lane = Lane(100)
    for text in ("old", "commit", "newer", "newest"):
        lane.put(text, 1, keep=text == "commit")
    assert lane.keeps
    assert lane.drop_oldest()
    assert lane.drop_oldest()
    assert [message.text for message in lane.take_all()] == ["commit", "newest"]


async def test_what_follows_waits_for_what_the_lane_ahead_held_then_and_for_nothing_later():
    ahead = Lane(100)
    lane = Lane(100, ahead)
    lane.put("free", 1)
    ahead.put("first", 1)
    ahead.put("second", 1)
    lane.follow()
    lane.put("behind", 1)
    ahead.put("later", 1)
    assert send_one(lane) == "free"
    assert lane.take() == []
    assert send_one(ahead) == "first"
    assert lane.take() == []
    assert send_one(ahead) == "second"
    assert send_one(lane) == "behind"


async def test_a_lane_with_nothing_ahead_never_waits():
    lane = Lane(100)
    lane.follow()
    lane.put("a", 1)
    assert send_one(lane) == "a"


async def test_a_lane_of_what_is_kept_drops_nothing():
    lane = Lane(100)
    lane.put("commit", 1, keep=True)
    assert not lane.drop_oldest()
    kept = lane.take()
    assert lane.keeps
    lane.sent(kept)
    assert not lane.keeps
    assert lane.statistics().dropped == 0


async def test_what_is_spared_counts_for_no_bound_until_it_is_gone():
    lane = Lane(100)
    for text in "abc":
        lane.put(text, 50)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lane.room)
        await trio.testing.wait_all_tasks_blocked()
        lane.spare(True)
    lane.put("d", 100)
    assert not lane.has_room()
    lane.put("e", 1)
    assert lane.is_over_bound
    for _ in "abc":
        send_one(lane)
    assert lane.is_over_bound
    send_one(lane)
    assert not lane.is_over_bound
    assert lane.has_room()
    assert lane.statistics().waiting == 1


async def test_what_was_spared_counts_again():
    lane = Lane(100)
    lane.put("a", 150)
    lane.spare(True)
    assert lane.has_room()
    lane.spare(False)
    assert not lane.has_room()
    with trio.move_on_after(0) as waiting:
        await lane.room()
    assert waiting.cancelled_caught
