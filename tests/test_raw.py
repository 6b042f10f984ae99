"""Raw events: both ways, bounded, for as many as listen; and what must not count as sent."""

import pytest
import trio
import trio.testing
from rooms import audio_delta, config, live, response_created, rest, said, take, text_delta

from engine import limits
from engine.errors import SessionEnded, UnsupportedContent
from engine.events import BidiTextInputEvent
from engine.raw import Raw, RawEvent, Tap
from engine.wire.client import InputAudioBufferClear, ResponseCancel, ResponseCreate, SessionUpdate
from engine.wire.server import UnknownServerEvent
from engine.wire.session import Session

EVENT = RawEvent("client", ResponseCancel(), 0.0)


async def unsent(_):
    raise AssertionError("nothing is sent here")


async def test_it_shows_both_ways_in_order_to_all_who_listen(autojump_clock):
    async with live() as (session, peer):
        with session.raw.listen() as one, session.raw.listen() as two:
            assert session.raw.listened_to
            await session.send(BidiTextInputEvent("hello"))
            await peer.hear("response.create")
            # In memory a peer can answer in the very round of the scheduler in which it hears.
            await trio.testing.wait_all_tasks_blocked()
            await peer.say(response_created(), text_delta("hi"))
            await take(session, 3)
            for tap in (one, two):
                seen = [await anext(tap) for _ in range(4)]
                assert [(each.direction, each.event.tag) for each in seen] == [
                    ("client", "conversation.item.create"),
                    ("client", "response.create"),
                    ("server", "response.created"),
                    ("server", "response.output_text.delta"),
                ]
                assert all(each.at == trio.current_time() for each in seen)
        assert not session.raw.listened_to


async def test_it_shows_events_of_unknown_type(autojump_clock):
    async with live() as (session, peer):
        with session.raw.listen() as tap:
            await peer.say(said("brand.new", word="x"))
            seen = await anext(tap)
            assert isinstance(seen.event, UnknownServerEvent)


async def test_a_tap_keeps_what_the_bound_allows_and_counts_the_rest():
    tap = Tap()
    half = limits.RAW_LOG_MAX_BYTES // 2
    tap.put(EVENT, half)
    tap.put(EVENT, half)
    assert tap.dropped == 0
    tap.put(EVENT, 1)
    assert tap.dropped == 1
    tap.put(EVENT, limits.RAW_LOG_MAX_BYTES + 1)
    assert tap.dropped == 4
    tap.close()
    assert [each async for each in tap] == []


async def test_a_server_event_counts_for_its_whole_message(autojump_clock):
    async with live() as (session, peer):
        with session.raw.listen() as tap:
            for _ in range(3):
                words = "x" * (limits.RAW_LOG_MAX_BYTES // 2)
                await peer.say(said("session.updated", session={"type": "realtime", "instructions": words}))
                await trio.testing.wait_all_tasks_blocked()
            assert tap.dropped == 2


async def test_a_tap_ends_with_the_session_after_what_it_holds(autojump_clock):
    async with live() as (session, peer):
        with session.raw.listen() as tap:
            await peer.say(audio_delta())
            await take(session, 2)
            await session.stop()
            assert [each.event.tag async for each in tap] == ["response.output_audio.delta"]
        with session.raw.listen() as late:
            assert [each async for each in late] == []


async def test_a_reader_wakes_for_an_event_and_when_its_block_ends(autojump_clock):
    raw = Raw(unsent)
    seen = []

    async def read(tap):
        seen.extend([each async for each in tap])

    async with trio.open_nursery() as nursery:
        with raw.listen() as tap:
            nursery.start_soon(read, tap)
            await trio.testing.wait_all_tasks_blocked()
            raw.observe(EVENT, 10)
            await trio.testing.wait_all_tasks_blocked()
            assert seen == []
            assert nursery.child_tasks
    assert seen == [EVENT]


async def test_a_cancelled_reader_takes_nothing():
    tap = Tap()
    tap.put(EVENT, 1)
    with trio.move_on_after(0):
        await anext(tap)
    assert await anext(tap) is EVENT


async def test_what_is_sent_by_hand_goes_out_as_it_is(autojump_clock):
    async with live() as (session, peer):
        await session.raw.send(InputAudioBufferClear(event_id="mine"))
        assert await peer.hear("input_audio_buffer.clear") == {"type": "input_audio_buffer.clear", "event_id": "mine"}
        with trio.move_on_after(0) as scope:
            await session.raw.send(InputAudioBufferClear(event_id="cancelled"))
        assert scope.cancelled_caught
        await session.raw.send(InputAudioBufferClear(event_id="next"))
        assert (await peer.hear())["event_id"] == "next"


async def test_what_can_not_be_written_does_not_count_as_sent(autojump_clock):
    async with live() as (session, peer):
        with pytest.raises(UnsupportedContent):
            await session.raw.send(ResponseCreate(event_id="\ud800"))
        assert session.statistics().conversation.gate.requested == 0
        await session.send(BidiTextInputEvent("hello"))
        await peer.hear("response.create")


@pytest.mark.sends_anything("it sends settings that are wrong")
@pytest.mark.sends_anything("an application may send by hand what no type describes")
async def test_what_can_not_be_shown_does_not_stop_the_sender(autojump_clock):
    async with live() as (session, peer):
        await peer.hear("session.update")
        with session.raw.listen() as tap:
            await session.raw.send(SessionUpdate(session=Session(extra={"tools": 5})))
            await session.raw.send(ResponseCancel(event_id="after"))
            assert (await peer.hear())["session"]["tools"] == 5
            assert (await peer.hear())["event_id"] == "after"
            assert (await anext(tap)).event == ResponseCancel(event_id="after")


async def test_sending_by_hand_waits_for_room(autojump_clock):
    async with live(config(engine={"close_deadline_s": 0.1})) as (session, peer):
        sent = 0
        with trio.move_on_after(1):
            while True:
                await session.raw.send(ResponseCancel())
                sent += 1
        bound = limits.CONTROL_LANE_MESSAGES
        assert session.statistics().control_lane.waiting == bound
        assert sent >= bound
        await peer.transport.receive()
        with trio.fail_after(1):
            await session.raw.send(ResponseCancel())


async def test_nothing_is_sent_by_hand_once_it_is_over(autojump_clock):
    async with live() as (session, _):
        await session.stop()
        with pytest.raises(SessionEnded):
            await session.raw.send(ResponseCancel())
        assert len(await rest(session)) == 2


async def test_a_request_by_hand_that_is_never_answered_is_told_at_its_deadline(autojump_clock):
    async with live() as (session, _):
        started = trio.current_time()
        await session.raw.send(ResponseCreate())
        with trio.move_on_after(60):
            _, told = [await anext(session.receive()) for _ in range(2)]
        assert told.error.deadline == "response_request"
        assert trio.current_time() - started == limits.RESPONSE_REQUEST_DEADLINE_S
