"""The inbox: order, cancellation, purge, and each policy at the bound and one past it."""

import gc
import sys
from random import Random

import pytest
import trio
import trio.testing
from rooms import audio_event, text_event

from engine.errors import ConnectionLost, LimitExceeded, ServerReported
from engine.events import (
    BidiAudioStreamEvent,
    BidiConnectionCloseEvent,
    BidiErrorEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    SpeechStartedEvent,
    TextSoFar,
    ToolUseStreamEvent,
    TranscriptEvent,
    TranslatedAudioEvent,
    TranslationTextEvent,
)
from engine.inbox import Inbox, weight
from engine.limits import INBOX_EVENT_BYTES

CLOSE = BidiConnectionCloseEvent("c", "complete")


async def drain(inbox):
    """Give what waits."""
    return [await inbox.get() for _ in range(inbox.statistics().events)]


def audio_of(total):
    """An audio event that weighs this much."""
    event = audio_event(total - INBOX_EVENT_BYTES)
    assert weight(event) == total
    return event


def test_events_weigh_what_they_hold():
    assert weight(audio_event(1000)) == 1000 + INBOX_EVENT_BYTES
    assert weight(text_event("four")) == 4 + INBOX_EVENT_BYTES
    assert weight(BidiInterruptionEvent("user_speech")) == INBOX_EVENT_BYTES
    call = ToolUseStreamEvent(delta={}, current_tool_use={"input": {"text": "x" * 1000}})
    assert 1000 < weight(call) - INBOX_EVENT_BYTES < 1100


def test_words_of_the_server_in_errors_and_endings_weigh_what_they_are():
    long = "x" * 10_000
    told = BidiErrorEvent(ServerReported(long, code="c" * 5000), {"param": long})
    assert 25_000 < weight(told) - INBOX_EVENT_BYTES < 25_100
    assert weight(BidiErrorEvent(ConnectionLost("gone"))) == len("gone") + len("ConnectionLost") + INBOX_EVENT_BYTES
    ended = BidiResponseCompleteEvent("r1", "error", {"error": {"message": long}})
    assert 10_000 < weight(ended) - INBOX_EVENT_BYTES < 10_100
    assert weight(BidiResponseCompleteEvent("r1", "complete")) == INBOX_EVENT_BYTES


def test_words_that_were_listened_to_weigh_what_they_are():
    assert weight(TranslationTextEvent("x" * 5000, "source")) == 5000 + INBOX_EVENT_BYTES
    assert weight(SpeechStartedEvent(100)) == INBOX_EVENT_BYTES
    # What came before is held once, by the events that brought it.
    piece = TranscriptEvent("four", False, TextSoFar(["x" * 5000, "four"]))
    assert weight(piece) == 4 + INBOX_EVENT_BYTES
    long = [{"token": "x" * 5000}]
    told = TranscriptEvent("four", True, "four", languages=long, logprobs=long, usage={"x" * 5000: 1})
    assert 15_000 < weight(told) - INBOX_EVENT_BYTES < 15_100


async def test_translated_speech_is_dropped_at_the_bound_and_purged_as_any():
    lost = []
    inbox = Inbox(2500, "drop_oldest_audio", lost=lost.append)
    speech = [TranslatedAudioEvent("A" * (1000 - INBOX_EVENT_BYTES), "pcm", 24_000, 1, elapsed_ms=n) for n in range(3)]
    for event in speech:
        inbox.put(event)
    assert lost == speech[:1]
    assert inbox.statistics().dropped_audio == 1
    assert inbox.purge_audio() == 2
    assert [type(event) for event in await drain(inbox)] == [BidiErrorEvent]


def test_a_text_weighs_no_less_than_its_bytes():
    for text in ("\u00e9", "\u4e16\u754c", "\U0001f600"):
        assert weight(text_event(text)) - INBOX_EVENT_BYTES == 4 * len(text) >= len(text.encode())


async def test_events_come_in_order_and_statistics_count_them():
    inbox = Inbox(10**6, "fail")
    events = [text_event(str(n)) for n in range(200)]
    for event in events:
        inbox.put(event)
    weighs = sum(map(weight, events))
    before = inbox.statistics()
    assert (before.events, before.bytes, before.most_bytes, before.delivered) == (200, weighs, weighs, 0)
    assert [await inbox.get() for _ in events] == events
    after = inbox.statistics()
    assert (after.events, after.bytes, after.most_bytes, after.delivered) == (0, 0, weighs, 200)
    assert (before.events, before.delivered) == (200, 0), "a snapshot does not change"


async def test_a_cancelled_get_takes_nothing():
    inbox = Inbox(10**6, "fail")
    inbox.put(text_event("kept"))
    with trio.CancelScope() as scope:
        scope.cancel()
        await inbox.get()
    assert scope.cancelled_caught
    assert inbox.statistics().events == 1
    assert (await inbox.get()).text == "kept"


async def test_an_event_put_as_the_reader_is_cancelled_is_not_lost():
    inbox = Inbox(10**6, "fail")
    got = []
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:

            async def read():
                got.append(await inbox.get())

            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked()
            inbox.put(text_event("one"))
            scope.cancel()
    assert len(got) + inbox.statistics().events == 1


async def test_two_readers_share_the_events_and_none_sleeps_over_one():
    inbox = Inbox(10**6, "fail")
    got = []

    async def read():
        while (event := await inbox.get()) is not None:
            got.append(event.text)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        for n in range(300):
            inbox.put(text_event(str(n)))
            if n % 7 == 0:
                await trio.testing.wait_all_tasks_blocked()
        inbox.close()
    assert sorted(map(int, got)) == list(range(300))


async def test_a_reader_that_always_finds_events_lets_others_run():
    inbox = Inbox(10**8, "fail")
    for _ in range(1000):
        inbox.put(text_event())
    turns = 0

    async def other():
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        for _ in range(1000):
            await inbox.get()
        nursery.cancel_scope.cancel()
    assert turns >= 10


async def test_a_closed_inbox_gives_what_it_has_then_the_end():
    inbox = Inbox(10**6, "fail")
    inbox.put(text_event())
    inbox.close(last=CLOSE)
    inbox.put(text_event("late"))
    inbox.close(ConnectionLost("late"))
    assert [await inbox.get(), await inbox.get()] == [text_event(), CLOSE]
    assert await inbox.get() is None
    assert await inbox.get() is None


async def test_a_closed_inbox_gives_the_error_to_everybody_without_the_frames_of_the_others():
    inbox = Inbox(10**6, "fail")
    inbox.close(ConnectionLost("gone"))
    lengths = []
    for _ in range(3):
        with pytest.raises(ConnectionLost, match="gone") as caught:
            await inbox.get()
        lengths.append(len(caught.traceback))
    assert lengths[0] == lengths[2]


@pytest.mark.parametrize("policy", ["drop_oldest_audio", "wait", "fail"])
async def test_the_last_event_is_in_though_the_inbox_is_full(policy):
    inbox = Inbox(2 * INBOX_EVENT_BYTES, policy)
    inbox.put(BidiInterruptionEvent("user_speech"))
    inbox.put(BidiInterruptionEvent("user_speech"))
    inbox.close(last=CLOSE)
    assert (await drain(inbox))[-1] == CLOSE


async def test_readers_and_writers_wake_when_it_closes():
    inbox = Inbox(1, "wait")
    inbox.put(text_event())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(inbox.room)
        await trio.testing.wait_all_tasks_blocked()
        inbox.close()
    assert inbox.has_room()


# --- policies -------------------------------------------------------------------------------------------------------


async def test_drop_oldest_audio_at_the_bound_keeps_all(autojump_clock):
    inbox = Inbox(4000, "drop_oldest_audio")
    for _ in range(4):
        inbox.put(audio_of(1000))
    assert inbox.statistics() == type(inbox.statistics())(4, 4000, 4000, 0, 0, 0, trio.current_time())


async def test_drop_oldest_audio_one_past_the_bound_drops_the_oldest_audio_and_tells_once():
    inbox = Inbox(4000, "drop_oldest_audio")
    first = [BidiInterruptionEvent("user_speech"), audio_of(1000), text_event(), audio_of(1000), audio_of(1000)]
    for event in first:
        inbox.put(event)
    room = 4000 - inbox.statistics().bytes
    inbox.put(audio_of(room + 1))
    assert inbox.statistics().dropped_audio == 1
    events = await drain(inbox)
    assert [type(event).__name__ for event in events] == [
        "BidiInterruptionEvent",
        "BidiTranscriptStreamEvent",
        "BidiAudioStreamEvent",
        "BidiAudioStreamEvent",
        "BidiAudioStreamEvent",
        "BidiErrorEvent",
    ]
    told = events[-1]
    assert isinstance(told.error, LimitExceeded)
    assert (told.error.limit, told.error.bound, told.error.value) == ("inbox_max_bytes", 4000, 4001)
    assert told.details == {"policy": "drop_oldest_audio"}


async def test_an_overflow_is_told_once_until_the_reader_has_caught_up():
    inbox = Inbox(10_000, "drop_oldest_audio")

    def fill(count):
        for _ in range(count):
            inbox.put(audio_of(1000))

    fill(50)
    told = [place for place in inbox._places if isinstance(place[0], BidiErrorEvent)]
    assert len(told) == 1
    assert inbox.statistics().bytes <= 10_000
    assert inbox.statistics().events + inbox.statistics().dropped_audio == 51
    while inbox.statistics().bytes > 4_000:
        await inbox.get()
    fill(20)
    told = [event for event in await drain(inbox) if isinstance(event, BidiErrorEvent)]
    assert len(told) == 1, "the second overflow; the first was read"


async def test_control_events_are_kept_and_past_their_own_bound_the_session_has_to_end():
    inbox = Inbox(4 * INBOX_EVENT_BYTES, "drop_oldest_audio")
    for _ in range(4):
        inbox.put(BidiInterruptionEvent("user_speech"))
    with pytest.raises(LimitExceeded, match="receive"):
        inbox.put(BidiInterruptionEvent("user_speech"))
    assert len(await drain(inbox)) == 5


async def test_fail_raises_one_past_the_bound():
    inbox = Inbox(2000, "fail")
    inbox.put(audio_of(2000))
    with pytest.raises(LimitExceeded, match="2256 is over the bound of 2000"):
        inbox.put(BidiInterruptionEvent("user_speech"))


async def test_wait_has_room_up_to_the_bound_and_again_when_something_was_read():
    inbox = Inbox(2000, "wait")
    inbox.put(audio_of(2000))
    assert inbox.has_room()
    inbox.put(audio_of(300))
    assert not inbox.has_room()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(inbox.room)
        await trio.testing.wait_all_tasks_blocked()
        assert nursery.child_tasks
        await inbox.get()
    assert inbox.has_room()


async def test_other_policies_always_have_room():
    inbox = Inbox(1, "drop_oldest_audio")
    inbox.put(audio_event())
    assert inbox.has_room()


# --- purge ----------------------------------------------------------------------------------------------------------


async def test_purge_drops_stale_audio_only_and_makes_room():
    inbox = Inbox(5000, "wait")
    for event in (audio_event(2000), text_event(), audio_event(3000, "aside"), audio_event(2000)):
        inbox.put(event)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(inbox.room)
        await trio.testing.wait_all_tasks_blocked()
        assert inbox.purge_audio(frozenset({"aside"})) == 2
    assert inbox.purge_audio(frozenset({"aside"})) == 0
    left = [text_event(), audio_event(3000, "aside")]
    assert (inbox.statistics().purged_audio, inbox.statistics().bytes) == (2, sum(map(weight, left)))
    assert await drain(inbox) == left


async def test_a_reader_woken_for_audio_that_is_purged_gets_the_next_event():
    inbox = Inbox(10**6, "fail")
    got = []
    async with trio.open_nursery() as nursery:

        async def read():
            got.append(await inbox.get())

        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        inbox.put(audio_event())
        inbox.purge_audio()
        await trio.testing.wait_all_tasks_blocked()
        assert not got
        inbox.put(BidiInterruptionEvent("user_speech"))
    assert got == [BidiInterruptionEvent("user_speech")]


# --- how long it waits ----------------------------------------------------------------------------------------------


async def test_what_waits_waits_since_the_first_of_it_or_since_one_was_taken(autojump_clock):
    inbox = Inbox(10**6, "fail")
    assert inbox.waiting_since is None
    await trio.sleep(5)
    inbox.put(text_event())
    await trio.sleep(5)
    inbox.put(text_event())
    assert inbox.waiting_since == inbox.statistics().waiting_since == 5
    await trio.sleep(5)
    await inbox.get()
    assert inbox.waiting_since == 15, "who reads slowly reads"
    await inbox.get()
    assert inbox.waiting_since is None
    await trio.sleep(5)
    inbox.put(text_event())
    assert inbox.waiting_since == 20


async def test_nothing_waits_where_somebody_waits_for_it(autojump_clock):
    inbox, seen = Inbox(10**6, "fail"), []
    async with trio.open_nursery() as nursery:

        async def read():
            while await inbox.get():
                seen.append(inbox.waiting_since)

        nursery.start_soon(read)
        for _ in range(3):
            await trio.sleep(10)
            inbox.put(text_event())
            seen.append(inbox.waiting_since)
        inbox.put(text_event())
        await trio.sleep(1)
        inbox.close()
    assert seen == [None] * 5 + [30, None]


async def test_what_was_purged_waits_no_more(autojump_clock):
    inbox = Inbox(10**6, "fail")
    inbox.put(audio_event())
    await trio.sleep(7)
    inbox.purge_audio()
    assert inbox.waiting_since is None
    inbox.put(audio_event())
    assert inbox.waiting_since == 7
    inbox.purge_audio()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(inbox.get)
        await trio.sleep(5)
        inbox.put(text_event())
        assert inbox.waiting_since is None, "somebody waits for it"


async def test_a_reader_that_keeps_up_costs_no_look_at_the_clock():
    inbox, total, looks = Inbox(10**6, "fail"), 100, 0

    def count(frame, what, _):
        nonlocal looks
        looks += what == "call" and frame.f_code is trio.current_time.__code__ and frame.f_back.f_code in methods

    methods = {Inbox._append.__code__, Inbox.get.__code__}
    async with trio.open_nursery() as nursery:

        async def read():
            for _ in range(total):
                await inbox.get()

        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        sys.setprofile(count)
        try:
            for _ in range(total):
                inbox.put(text_event())
                await trio.testing.wait_all_tasks_blocked()
            assert (inbox.statistics().delivered, looks) == (total, 0)
            inbox.put(text_event())
        finally:
            sys.setprofile(None)
    assert looks == 1, "nobody waits for the last one"


# --- what it costs --------------------------------------------------------------------------------------------------


def calls_of_a_drop(texts):
    """Count the Python calls of one audio event at the bound, behind so many texts."""
    inbox = Inbox(texts * (INBOX_EVENT_BYTES + 4) + 50_000, "drop_oldest_audio")
    for _ in range(texts):
        inbox.put(text_event("word"))
    for _ in range(1000):
        inbox.put(audio_of(1000))
    event, calls = audio_of(1000), []
    gc.disable()  # Hypothesis has the collector call it, which would be counted.
    sys.setprofile(lambda frame, what, _: calls.append(frame.f_code) if what == "call" else None)
    try:
        inbox.put(event)
    finally:
        sys.setprofile(None)
        gc.enable()
    assert inbox.statistics().dropped_audio > 900
    return len(calls)


async def test_dropping_audio_costs_the_same_however_much_text_waits_before_it():
    assert calls_of_a_drop(20_000) == calls_of_a_drop(10) > 0


async def test_what_was_dropped_leaves_no_empty_places_behind():
    inbox = Inbox(20_000, "drop_oldest_audio")
    inbox.put(text_event("never read"))
    for n in range(5000):
        inbox.put(audio_of(1000))
        if n % 1000 == 0:
            inbox.purge_audio()
    assert len(inbox._places) <= 2 * inbox.statistics().events + 64
    got = await drain(inbox)
    assert got[0] == text_event("never read")
    assert sum(isinstance(event, BidiAudioStreamEvent) for event in got) > 10
    assert inbox.statistics().bytes == len(inbox._places) == 0


TOLD = BidiErrorEvent(ConnectionLost("stands for an overflow that was told"))


async def test_each_event_is_read_purged_or_dropped_once_and_in_order():
    """Against a plain list, over a fixed shuffle of everything that can happen."""
    random, inbox, plain = Random(4711), Inbox(8_000, "drop_oldest_audio"), []
    for n in range(3000):
        kind = random.choice(["audio", "audio", "aside", "text", "get", "get", "purge"])
        if kind == "get" and plain:
            event, expected = await inbox.get(), plain.pop(0)
            assert event is expected or (expected is TOLD and isinstance(event, BidiErrorEvent))
        elif kind == "purge" and n % 5 == 0:
            inbox.purge_audio(frozenset({"aside"}))
            plain = [event for event in plain if event.type != "bidi_audio_stream" or event.response_id == "aside"]
        elif kind in ("audio", "aside", "text"):
            event = text_event(str(n)) if kind == "text" else audio_event(100, kind)
            before = inbox.statistics()
            inbox.put(event)
            after = inbox.statistics()
            dropped = after.dropped_audio - before.dropped_audio
            plain.append(event)
            for _ in range(dropped):
                oldest = next(at for at, each in enumerate(plain) if isinstance(each, BidiAudioStreamEvent))
                del plain[oldest]
            plain.extend([TOLD] * (after.events - len(plain)))
        assert inbox.statistics().events == len(plain)
    assert inbox.statistics().dropped_audio > 100
    assert inbox.statistics().purged_audio > 100
    await drain(inbox)
    assert inbox.statistics().bytes == 0
