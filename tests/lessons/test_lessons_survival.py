"""The end of a connection is not the end of the talk: it moves on before, comes back after, and tells what it cost."""

import trio
from survival import line_of, lost, surviving_talk

from engine import (
    BidiConnectionRestartEvent,
    BidiErrorEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    ServerReported,
    ToolResultEvent,
    ToolUseStreamEvent,
)
from engine.audio.pcm import silence
from engine.simulator import Call, Turn

CALLS = Turn((Call("think", call_id="call_1"),), when="^think$", repeat=None)


def words(ledger):
    """What a connection was given to read, in order."""
    items = [message.event["item"] for message in ledger.received if message.type == "conversation.item.create"]
    return [item["content"][0]["text"] for item in items if item["type"] == "message"]


async def test_by_default_a_talk_outlives_the_cap_and_nobody_is_cut_off(autojump_clock):
    """livekit #1073, #2341: the cap of an hour ended calls. Three hours here, and no sentence is cut."""
    async with surviving_talk() as talk:
        for hour in range(1, 4):
            await talk.say(f"hour {hour}")
            await talk.wait_for(BidiResponseCompleteEvent, hour)
            await trio.sleep(3600)
        restarts = talk.of(BidiConnectionRestartEvent)
        assert {event.reason for event in restarts} == {"renewal"}
        assert len(restarts) == 3
        assert talk.endings == ["complete"] * 3
        assert words(talk.ledger)[0::2] == ["hour 1", "hour 2", "hour 3"]
        assert talk.end is None


async def test_a_drop_in_mid_answer_is_mended_and_the_answer_is_given_again(autojump_clock):
    """livekit PR #5276: a drop in mid-answer left readers waiting for ever."""
    async with surviving_talk() as talk:
        await talk.say("tell me all of it, at length, please")
        await trio.sleep(0.5)
        lost(talk)
        await talk.settled()
        assert talk.endings == ["interrupted", "complete"]
        assert [event.reason for event in talk.of(BidiInterruptionEvent)] == ["error"]
        assert talk.of(BidiConnectionRestartEvent)[0].asked_again


async def test_what_waited_for_a_dead_connection_goes_out_once_and_after_the_replay(autojump_clock):
    """livekit PR #7092: messages that were queued when the line broke went out after the replay, a second time."""
    async with surviving_talk() as talk:
        await talk.say("before")
        await talk.wait_for(BidiResponseCompleteEvent)
        line_of(talk).jammed = True
        for number in range(5):
            await talk.say(f"queued {number}")
        lost(talk)
        await talk.settled()
        old, new = talk.simulator.sessions
        queued = [f"queued {number}" for number in range(5)]
        assert words(old) == ["before"]
        assert words(new) == ["before", "You said: before", *queued]
        assert [told for told in talk.endings if told == "complete"] == ["complete"] * 2
        # The old one, let go on, has nothing more to say to anybody.
        assert new.received.counts["response.create"] == 1


async def test_what_an_outage_cost_is_told(autojump_clock):
    """pydantic-ai PR #7379: it was said that the state was restored, and it was not."""
    async with surviving_talk(engine={"replay_max_items": 2}) as talk:
        for number in range(1, 4):
            await talk.say(f"turn {number}")
            await talk.wait_for(BidiResponseCompleteEvent, number)
        talk.away(40)
        lost(talk)
        for _ in range(36):
            await talk.session.send_audio(silence(1000))
            await trio.sleep(1)
        told = await talk.wait_for(BidiConnectionRestartEvent)
        assert (told.replayed_items, told.left_out_items) == (2, 4)
        assert words(talk.ledger) == ["turn 3", "You said: turn 3"]
        assert 5_000 <= told.dropped_audio_ms <= 7_000
        assert told.gap_ms >= 36_000


async def test_a_result_after_a_reconnection_finds_its_call(autojump_clock):
    """strands #4244: after a restart the service knew no call of that id, and refused the result."""
    async with surviving_talk(CALLS) as talk:
        await talk.say("think")
        call = await talk.wait_for(ToolUseStreamEvent)
        await talk.wait_for(BidiResponseCompleteEvent)
        lost(talk)
        await talk.wait_for(BidiConnectionRestartEvent)
        await talk.session.send(
            ToolResultEvent({"toolUseId": call.current_tool_use["toolUseId"], "content": [{"text": "42"}]})
        )
        await talk.settled()
        assert talk.outputs == [("call_1", '[{"text": "42"}]')]
        assert talk.refusals == []
        assert talk.endings == ["tool_use", "complete"]


async def test_a_result_whose_call_is_gone_is_told_and_the_talk_goes_on(autojump_clock):
    """strands #4244: a result has a dead call id."""
    async with surviving_talk(CALLS) as talk:
        await talk.say("think")
        call = await talk.wait_for(ToolUseStreamEvent)
        await talk.wait_for(BidiResponseCompleteEvent)
        await talk.session.items.delete(call.item_id)
        lost(talk)
        await talk.wait_for(BidiConnectionRestartEvent)
        await talk.session.send(ToolResultEvent({"toolUseId": "call_1", "content": [{"text": "42"}]}))
        told = await talk.wait_for(BidiErrorEvent)
        assert isinstance(told.error, ServerReported)
        await talk.settled()
        await talk.say("go on")
        await talk.settled()
        assert talk.endings[-1] == "complete"
        assert talk.end is None
