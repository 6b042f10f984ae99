"""Events that nobody expects: errors by what they mean, unknown types at the price of a look, tokens counted once."""

import sys

import attrs
import trio
from rooms import audio_delta, live, response_created, response_done, rest, said, text_delta
from talks import LONG, over, talking

from engine import (
    BidiAudioStreamEvent,
    BidiErrorEvent,
    BidiUsageEvent,
    ServerReported,
)
from engine.limits import COUNTED_NAMES
from engine.metering.cost import cost
from engine.metering.prices import Prices
from engine.simulator import Fail, Say
from engine.wire.client import ConversationItemDelete, ResponseCancel
from engine.wire.codec import decode_server

# --- pipecat #3755 ----------------------------------------------------------------------------------------------


async def test_a_cancel_that_comes_too_late_is_no_error(autojump_clock):
    """pipecat #3755: `response_cancel_not_active` tore down the pipeline."""
    async with talking(Say("yes")) as talk:
        assert await talk.session.responses.cancel() is False
        await talk.session.raw.send(ResponseCancel())
        await talk.session.interrupt()
        await talk.say()
        await talk.settled()

        assert [error["code"] for error in talk.refusals] == ["response_cancel_not_active"] * 2
        assert talk.told == []
        assert talk.endings == ["complete"]


async def test_an_interruption_that_crosses_the_end_of_the_answer_is_no_error(autojump_clock):
    """pipecat #3755: the answer ended while its cancel was on the way."""
    async with talking(Say("yes"), Say("again"), line=over(lag_s=0.2)) as talk:
        await talk.say()
        while not talk.said("response.done"):  # noqa: ASYNC110 - a ledger sets no event
            await trio.sleep(0.01)
        await talk.session.interrupt()
        await talk.say()
        await talk.settled(2)

        assert "response_cancel_not_active" in [error["code"] for error in talk.refusals], "else nothing crossed"
        assert talk.told == []
        assert talk.endings == ["complete", "complete"]


async def test_an_error_of_an_unimportant_kind_is_told_with_its_code_and_the_talk_goes_on(autojump_clock):
    """pipecat #3755: every error event was fatal."""
    async with talking(Say("yes")) as talk:
        await talk.session.raw.send(ConversationItemDelete(item_id="item_nowhere"))
        error = await talk.wait_for(BidiErrorEvent)
        assert error.code == "item_delete_invalid_item_id"
        assert not error.error.fatal

        await talk.say()
        await talk.settled()
        assert talk.endings == ["complete"]
        assert len(talk.told) == 1


async def test_a_failed_answer_is_one_answer_lost_and_not_the_talk(autojump_clock):
    """pipecat #3755: the same for a response that fails on the service's side."""
    async with talking(Fail("server_error"), Say("yes")) as talk:
        await talk.say()
        await talk.settled()
        await talk.say()
        await talk.settled()

        assert talk.endings == ["error", "complete"]


def spends(event):
    """The account is empty when the first words come."""
    if event["type"] != "response.created":
        return event
    why = {"type": "insufficient_quota", "code": "insufficient_quota", "message": "You exceeded your current quota."}
    return {"type": "error", "event_id": "event_0", "error": {**why, "param": None, "event_id": None}}


async def test_an_error_that_no_retry_can_help_ends_the_session_by_its_name(autojump_clock):
    """pipecat #3755: the other half of telling codes apart."""
    async with talking(Say("yes"), line=over(heard=spends)) as talk:
        await talk.say()
        with trio.fail_after(30):
            while talk.end is None:  # noqa: ASYNC110 - the end sets no event
                await trio.sleep(0.1)

        assert isinstance(talk.end, ServerReported)
        assert (talk.end.code, talk.end.fatal) == ("insufficient_quota", True)
        assert talk.told == ["insufficient_quota"]


# --- litellm #30581 ---------------------------------------------------------------------------------------------

NEWS = 3000


def news(number):
    return said(f"response.hologram.{number % (2 * COUNTED_NAMES)}.delta", response_id="r1", delta="x" * 300)


async def test_an_answer_comes_through_a_flood_of_events_of_unknown_types(autojump_clock):
    """litellm #30581: each event of an unknown type cost a failed validation against all known ones."""
    async with live() as (session, peer):
        await peer.say(response_created())
        for number in range(NEWS):
            await peer.say(news(number))
        await peer.say(audio_delta(), response_done())
        peer.transport.hang_up(1000, None)
        events = await rest(session)

        statistics = session.statistics()
        unknown = statistics.conversation.unknown_events
        assert sum(unknown.values()) == NEWS
        assert len(unknown) <= COUNTED_NAMES + 1, "names that a server makes up do not fill the memory"
        assert len([event for event in events if isinstance(event, BidiAudioStreamEvent)]) == 1
        assert not [event for event in events if isinstance(event, BidiErrorEvent)]
        assert statistics.inbox.delivered == len(events) < 10


async def test_events_of_unknown_types_can_be_read_whole(autojump_clock):
    """litellm #30581: cheap does not mean lost: who wants the news can have them."""
    async with live() as (session, peer):
        with session.raw.listen() as wire:
            await peer.say(said("session.hologram.ready", depth={"m": 2}))
            async for event in wire:
                if event.event.type == "session.hologram.ready":
                    break
        assert event.event.extra["depth"] == {"m": 2}


def calls_made(work, *messages):
    """Count the calls of Python functions that some work takes."""
    count = 0

    def profile(_, what, __):
        nonlocal count
        count += what == "call"

    sys.setprofile(profile)
    try:
        for message in messages:
            work(message)
    finally:
        sys.setprofile(None)
    return count


def test_an_unknown_event_costs_no_more_to_read_than_the_smallest_known_one():
    """litellm #30581: a look at the type decides; no schema is tried."""
    known = [text_delta("x") for _ in range(100)]
    unknown = [news(number) for number in range(100)]
    for message in (known[0], unknown[0]):
        decode_server(message)

    assert calls_made(decode_server, *unknown) <= calls_made(decode_server, *known)


# --- livekit PR #5121 -------------------------------------------------------------------------------------------


CHEAP_CACHE = Prices.builtin().with_models(
    {
        "gpt-realtime": {
            "text_in": 4,
            "cached_text_in": 1,
            "audio_in": 32,
            "cached_audio_in": 1,
            "text_out": 16,
            "audio_out": 64,
        }
    }
)


async def test_cached_tokens_are_among_the_inputs_and_not_beside_them(autojump_clock):
    """livekit PR #5121: cached tokens were added to the input's, which holds them already."""
    async with talking(Say("one"), Say("two"), Say(LONG), instructions="Be brief. " * 200) as talk:
        for count in (1, 2, 3):
            await talk.say("next")
            await talk.wait_for(BidiUsageEvent, count)

        bills = [event["response"]["usage"] for event in talk.said("response.done")]
        for event, bill in zip(talk.of(BidiUsageEvent), bills, strict=True):
            assert (event.input_tokens, event.output_tokens) == (bill["input_tokens"], bill["output_tokens"])
            assert event.total_tokens == event.input_tokens + event.output_tokens
            assert sum(part["input_tokens"] for part in event.modality_details) == event.input_tokens
            assert (event.cache_read_input_tokens or 0) == bill["input_token_details"]["cached_tokens"]
        assert 0 < talk.of(BidiUsageEvent)[-1].cache_read_input_tokens < talk.of(BidiUsageEvent)[-1].input_tokens

        totals = talk.session.statistics().totals
        tokens = totals.tokens
        assert tokens.total == sum(bill["total_tokens"] for bill in bills)
        assert tokens.input == sum(bill["input_tokens"] for bill in bills)
        assert tokens.cached == sum(bill["input_token_details"]["cached_tokens"] for bill in bills) > 0
        paid = talk.session.cost(CHEAP_CACHE)
        full = cost(attrs.evolve(tokens, cached_text=0, cached_audio=0), CHEAP_CACHE.of("gpt-realtime"))
        assert paid.cached > 0
        assert paid.total < full.total, "a cached token costs its own price instead of the full one"
