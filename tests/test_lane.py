"""The lane: its bound is asked for before a message goes in, and it is empty when all is on the socket."""

import pytest
import trio
import trio.testing

from engine.lane import Lane, Queued

pytestmark = pytest.mark.sends_anything("a lane does not look at its messages")


async def test_messages_go_in_order_and_count_until_they_are_sent():
    lane = Lane(100)
    lane.put("a", 40)
    lane.put("b", 40)
    first = await lane.next()
    assert first == Queued("a", 40)
    assert lane.statistics().waiting == 80
    lane.sent(first)
    second = await lane.next()
    assert second == Queued("b", 40)
    lane.sent(second)
    statistics = lane.statistics()
    assert (statistics.waiting, statistics.most, statistics.dropped) == (0, 80, 0)


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
        lane.sent(await lane.next())


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
        for _ in range(20):
            message = await lane.next()
            got.append(message.text)
            lane.sent(message)
            await trio.testing.wait_all_tasks_blocked()
    assert most == 2
    assert sorted(map(int, got)) == list(range(20))


async def test_it_is_emptied_when_the_last_message_is_on_the_socket(autojump_clock):
    lane = Lane(100)
    await lane.emptied()
    lane.put("a", 1)
    in_hand = await lane.next()
    with trio.move_on_after(1) as scope:
        await lane.emptied()
    assert scope.cancelled_caught, "it is in hand, and not sent"
    lane.sent(in_hand)
    await lane.emptied()


async def test_dropping_what_waits_does_not_hide_what_is_in_hand(autojump_clock):
    lane = Lane(100)
    lane.put("in hand", 1)
    in_hand = await lane.next()
    lane.put("waits", 1)
    assert lane.drop_oldest()
    assert not lane.drop_oldest()
    with trio.move_on_after(1) as scope:
        await lane.emptied()
    assert scope.cancelled_caught
    lane.sent(in_hand)
    await lane.emptied()
    assert lane.statistics().dropped == 1


async def test_an_empty_lane_weighs_nothing_after_any_sum_of_floats():
    lane = Lane(1e9)
    for n in range(1, 1000):
        lane.put("m", n / 3)
    for _ in range(1, 1000):
        lane.sent(await lane.next())
    assert lane.statistics().waiting == 0


async def test_a_closed_lane_gives_what_it_has_and_takes_nothing():
    lane = Lane(1)
    lane.put("a", 1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lane.room)
        await trio.testing.wait_all_tasks_blocked()
        assert not lane.closed
        lane.close()
    assert lane.closed
    with pytest.raises(trio.ClosedResourceError):
        lane.put("b", 1)
    last = await lane.next()
    assert last == Queued("a", 1)
    lane.sent(last)
    with pytest.raises(trio.EndOfChannel):
        await lane.next()
    assert not lane.drop_oldest()


async def test_a_cancelled_next_takes_nothing():
    lane = Lane(1)
    lane.put("a", 1)
    with trio.move_on_after(0):
        await lane.next()
    assert await lane.next() == Queued("a", 1)


async def test_a_message_that_was_not_sent_is_given_again():
    lane = Lane(100)
    lane.put("a", 40)
    lane.put("b", 40)
    assert (await lane.next()).text == (await lane.next()).text == "a"
    assert lane.statistics().waiting == 80


async def test_all_can_be_taken_out_with_what_was_in_hand_first_and_nobody_waits_for_it(autojump_clock):
    ahead = Lane(100)
    lane = Lane(1, ahead)
    ahead.put("never sent", 1)
    lane.follow()
    lane.put("a", 40, kind="append")
    behind = await lane.next()
    lane.put("b", 40)
    ahead.lose()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lane.room)
        nursery.start_soon(lane.turn, behind)
        await trio.testing.wait_all_tasks_blocked()
        assert [each.text for each in ahead.take_all()] == ["never sent"]
        assert [(each.text, each.kind) for each in lane.take_all()] == [("a", "append"), ("b", "")]
    assert lane.statistics().waiting == ahead.statistics().waiting == 0
    ahead.put("new", 1)
    lane.follow()
    lane.put("c", 40)
    behind = await lane.next()
    with trio.move_on_after(1) as scope:
        await lane.turn(behind)
    assert scope.cancelled_caught, "a lane that was lost goes ahead again"


async def test_what_is_kept_is_never_dropped_and_keeps_its_place():
    lane = Lane(100)
    for text in ("old", "commit", "newer", "newest"):
        lane.put(text, 1, keep=text == "commit")
    assert lane.keeps
    assert lane.drop_oldest()
    assert lane.drop_oldest()
    assert [message.text for message in lane.take_all()] == ["commit", "newest"]


async def test_what_follows_waits_for_what_the_lane_ahead_held_then_and_for_nothing_later(autojump_clock):
    ahead = Lane(100)
    lane = Lane(100, ahead)
    lane.put("free", 1)
    ahead.put("first", 1)
    ahead.put("second", 1)
    lane.follow()
    lane.put("behind", 1)
    ahead.put("later", 1)
    free = await lane.next()
    await lane.turn(free)
    lane.sent(free)
    behind = await lane.next()
    with trio.fail_after(1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lane.turn, behind)
            ahead.sent(await ahead.next())
            await trio.testing.wait_all_tasks_blocked()
            assert nursery.child_tasks
            ahead.sent(await ahead.next())
    await lane.turn(behind)


async def test_a_lost_lane_holds_nobody_up_and_a_closed_one_still_goes_first(autojump_clock):
    ahead = Lane(100)
    lane = Lane(100, ahead)
    ahead.put("never sent", 1)
    lane.follow()
    lane.put("behind", 1)
    behind = await lane.next()
    ahead.close()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lane.turn, behind)
        await trio.testing.wait_all_tasks_blocked()
        assert nursery.child_tasks
        ahead.lose()
    await lane.turn(behind)


async def test_a_lane_with_nothing_ahead_never_waits():
    lane = Lane(100)
    lane.follow()
    lane.put("a", 1)
    message = await lane.next()
    with trio.fail_after(0):
        await lane.turn(message)


async def test_a_lane_of_what_is_kept_drops_nothing():
    lane = Lane(100)
    lane.put("commit", 1, keep=True)
    assert not lane.drop_oldest()
    kept = await lane.next()
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
        lane.sent(await lane.next())
    assert lane.is_over_bound
    lane.sent(await lane.next())
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
