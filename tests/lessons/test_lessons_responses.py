"""Responses that collide elsewhere: one owner asks for them, and a refusal costs neither a waiter nor the talk."""

import pytest
import trio
import trio.testing
from talks import LONG, nameless, over, talking

from engine import (
    BidiErrorEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    DeadlinePassed,
    ServerReported,
    ToolResultEvent,
    ToolUseStreamEvent,
)
from engine.simulator import Call, Pace, Say
from engine.tools import Tools

# --- openai-agents #1466, #2971, PR #3405 -----------------------------------------------------------------------


async def test_words_typed_into_an_answer_do_not_ask_for_another_one_at_once(autojump_clock):
    """openai-agents #1466: a `response.create` into an active response is refused, and the words are never answered."""
    async with talking(Say(LONG), Say("both")) as talk:
        await talk.say("first")
        await talk.wait_for(BidiResponseStartEvent)
        await talk.say("second")
        await talk.say("third")
        await talk.settled()

        assert talk.refusals == []
        assert talk.requests == 2, "one for the first, one for the two that waited"
        done, _ = talk.at(talk.ledger.sent, "response.done")
        _, asked = talk.at(talk.ledger.received, "response.create")
        assert asked >= done
        assert talk.endings == ["complete", "complete"]


@pytest.mark.parametrize("after_s", [0.0, 0.3, 2.0], ids=["at_once", "while_it_talks", "after_its_end"])
async def test_parallel_outputs_ask_for_one_answer(after_s, autojump_clock):
    """openai-agents #2971: each output of parallel calls asked for a response, and they collided."""
    calls = [Call("look", {"at": number}) for number in range(5)]
    async with talking([*calls, Say("let me see")], Say("all seen")) as talk:
        await talk.say()
        await talk.wait_for(ToolUseStreamEvent, 5)
        await trio.sleep(after_s)
        for event in reversed(talk.of(ToolUseStreamEvent)):
            result = {"toolUseId": event.current_tool_use["toolUseId"], "content": [{"text": "seen"}]}
            await talk.session.send(ToolResultEvent(result))
        await talk.settled()

        assert talk.refusals == []
        assert talk.requests == 2
        assert len(talk.outputs) == 5
        assert talk.endings == ["tool_use", "complete"]


async def test_tools_that_end_at_different_times_ask_for_one_answer(autojump_clock):
    """openai-agents PR #3405: outputs that came one by one asked for a response each."""
    tools = Tools()

    @tools.add
    async def wait(seconds: float):
        await trio.sleep(seconds)

    calls = [Call("wait", {"seconds": seconds}) for seconds in (3, 0, 1, 2)]
    async with talking(calls, Say("done"), tools=tools) as talk:
        await talk.say()
        await talk.settled()

        assert talk.refusals == []
        assert talk.requests == 2
        assert talk.ledger.received.types[-5:] == ["conversation.item.create"] * 4 + ["response.create"]


@pytest.mark.parametrize("distort", [None, nameless], ids=["named", "nameless"])
async def test_a_request_that_lost_a_race_is_made_again_and_not_told(distort, autojump_clock):
    """openai-agents #1466: the refusal has a null `event_id`, so who waits for it by its id waits for ever.

    The race is one that nobody can see coming: the service speaks up by itself after a silence, while words are on
    their way to it.
    """
    idle = {"type": "server_vad", "idle_timeout_ms": 5000}
    answers = (Say("hm"), Say("Still there?"), Say("Yes"))
    line = over(lag_s=0.2, heard=distort)
    async with talking(*answers, line=line, turn_detection=idle) as talk:
        await talk.say("hello")
        await talk.wait_for(BidiResponseCompleteEvent)
        item = talk.said("response.output_item.done")[0]["item"]["id"]
        (done,) = talk.at(talk.ledger.sent, "response.done")
        speaks_up = done + talk.session.playback.received_ms(item) / 1000 + 5
        await trio.sleep_until(speaks_up - 0.1)
        await talk.say("I was thinking")
        await talk.settled(3)

        assert [error["code"] for error in talk.refusals] == ["conversation_already_has_active_response"]
        assert talk.told == []
        assert talk.session.statistics().conversation.gate.refused == 1
        assert talk.endings == ["complete"] * 3, "the greeting, what it said by itself, and the answer"


# --- openai-agents-js PR #1127, livekit #2064 -------------------------------------------------------------------


async def test_words_right_after_an_interruption_wait_for_the_end_of_what_was_interrupted(autojump_clock):
    """openai-agents-js PR #1127: `response.create` right after `response.cancel` comes before the cancel is done."""
    async with talking(Say(LONG), Say("of course"), service={"pace": Pace(cancel_ms=800)}) as talk:
        await talk.say("tell me all")
        await talk.wait_for(BidiResponseStartEvent)
        await trio.sleep(1)
        await talk.session.interrupt()
        await talk.say("stop, be brief")
        await talk.settled()

        cancelled, _ = talk.at(talk.ledger.sent, "response.done")
        (cancel,) = talk.at(talk.ledger.received, "response.cancel")
        _, asked = talk.at(talk.ledger.received, "response.create")
        assert cancelled == pytest.approx(cancel + 0.8), "else there was nothing to race with"
        assert asked >= cancelled
        assert talk.refusals == []
        assert talk.endings == ["interrupted", "complete"]


async def test_a_response_asked_for_beside_a_cancel_waits_for_it(autojump_clock):
    """livekit #2064: a reply that was generated while the old one was being cancelled was refused."""
    line = over(lag_s=0.1)
    async with talking(Say(LONG), Say("new"), line=line, service={"pace": Pace(cancel_ms=500)}) as talk:
        await talk.say("tell me all")
        await talk.wait_for(BidiResponseStartEvent)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(talk.session.responses.cancel)
            await trio.testing.wait_all_tasks_blocked()
            new = await talk.session.responses.create(instructions="Be brief.")
        response = await new.done()

        assert talk.refusals == []
        assert response.status == "completed"
        cancelled, _ = talk.at(talk.ledger.sent, "response.done")
        assert talk.at(talk.ledger.received, "response.create")[1] >= cancelled


# --- livekit PR #6818, #2552, #6224 -----------------------------------------------------------------------------


@pytest.mark.sends_anything("openai's types have no `item_reference`, which its API reference has")
@pytest.mark.parametrize("out_of_band", [False, True])
@pytest.mark.parametrize("distort", [None, nameless], ids=["named", "nameless"])
async def test_a_refused_response_is_told_at_once_to_who_asked_and_the_talk_goes_on(
    distort, out_of_band, autojump_clock
):
    """livekit PR #6818: a refused `response.create` left a future that nobody ever completed."""
    async with talking(Say("yes"), line=over(heard=distort)) as talk:
        began = trio.current_time()
        with pytest.raises(ServerReported, match="does not exist") as refused:
            await talk.session.responses.create(
                input=[{"type": "item_reference", "id": "item_gone"}], conversation="none" if out_of_band else "auto"
            )

        assert trio.current_time() - began < 0.001, "no deadline was waited for"
        assert not refused.value.fatal
        await talk.say("still there?")
        await talk.settled()
        assert talk.endings == ["complete"]
        assert talk.told == [], "who asked was told, and nobody else"


class LosesTheFirst:
    """Loses the first client event of a type."""

    def __init__(self, event_type):
        self.event_type, self.lost = event_type, 0

    def __call__(self, event):
        if event["type"] == self.event_type and not self.lost:
            self.lost += 1
            return None
        return event


async def test_an_answer_that_never_comes_is_told_and_the_talk_goes_on(autojump_clock):
    """livekit #2552: the time-out of a reply ended the talk."""
    async with talking(Say("now"), line=over(sent=LosesTheFirst("response.create"))) as talk:
        began = trio.current_time()
        await talk.say("hello?")
        told = await talk.wait_for(BidiErrorEvent)
        assert isinstance(told.error, DeadlinePassed)
        assert trio.current_time() - began == pytest.approx(talk.session.config.engine.response_request_deadline_s)

        await talk.say("hello!")
        await talk.settled()
        assert talk.endings == ["complete"]
        assert len(talk.told) == 1


async def test_a_reply_that_was_asked_for_by_itself_and_never_begins_raises_and_can_be_asked_for_again(autojump_clock):
    """livekit #6224: a reply time-out left the session unable to reply."""
    async with talking(Say("now"), line=over(sent=LosesTheFirst("response.create"))) as talk:
        with pytest.raises(DeadlinePassed, match=r"response\.create"):
            await talk.session.responses.create()

        again = await talk.session.responses.create()
        assert (await again.done()).status == "completed"
        assert talk.told == []


async def test_speech_into_a_wait_for_a_reply_ends_neither(autojump_clock):
    """livekit #6224: who waited for a reply that the user's speech had overtaken waited for ever."""
    async with talking(Say(LONG), Say("yes"), Say("later")) as talk:
        await talk.say("tell me all")
        await talk.wait_for(BidiResponseStartEvent)
        replies = []

        async def ask():
            replies.append(await (await talk.session.responses.create()).done())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await talk.speak()
        await talk.settled()

        assert talk.of(BidiInterruptionEvent)
        assert [reply.status for reply in replies] == ["completed"]
        assert talk.refusals == []
        assert talk.endings == ["interrupted", "complete", "complete"]
