"""What a session keeps of a talk, of an answer that was cut off the words that were heard; and how to go on with it."""

import pytest
import trio
from rooms import config, error, live, rest, simulated, until

from engine import BidiOpenAIRealtimeModel
from engine.errors import BidiModelTimeoutError
from engine.events import (
    BidiAudioStreamEvent,
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    ToolResultEvent,
    ToolUseStreamEvent,
)
from engine.session import open_session
from engine.simulator import Call, Say, Script, SimulatorSettings, serve
from engine.testing import MemoryConnector, in_memory

STORY = " ".join(f"word{number}" for number in range(400))


async def answered(events):
    """Receive until the answer is over."""
    while (await until(events, BidiResponseCompleteEvent)).stop_reason == "tool_use":
        pass


def told(messages):
    return [(message["role"], message["content"][0]["text"]) for message in messages]


async def cut_off(session, heard_s):
    """Have a story told, hear some of it, and cut in."""
    await session.send(BidiTextInputEvent("Tell me a story."))
    events = session.receive()
    await until(events, BidiAudioStreamEvent)
    with trio.move_on_after(heard_s):
        async for _ in events:
            pass
    await session.interrupt()
    with trio.move_on_after(5):
        async for _ in events:
            pass


@pytest.mark.parametrize("heard_s", [2, 8, 30])
async def test_of_an_answer_that_was_cut_off_the_words_that_were_heard_are_kept(heard_s, autojump_clock):
    script = Script.of(Say(STORY))
    async with (
        serve(responder_factory=script.responder, host=None) as simulator,
        open_session(config(), connector=in_memory(simulator)) as session,
    ):
        await cut_off(session, heard_s)
        (story,) = [item for item in session.history if item.heard_ms is not None]
        (_, (role, words)) = told(session.history.messages())
        figures = session.statistics().conversation

    cut = next(each.event for each in simulator.sessions[0].received if each.type == "conversation.item.truncate")
    assert (story.heard_ms, story.heard_ms) == (cut["audio_end_ms"], pytest.approx(heard_s * 1000, abs=1000))
    assert story.audio_ms > story.heard_ms
    assert role == "assistant"
    assert story.transcript.startswith(words + " ")
    heard_chars = len(story.transcript) * story.heard_ms / story.audio_ms
    assert heard_chars - len("word399 ") <= len(words) <= heard_chars, "back to the last whole word"
    assert (figures.truncated, figures.truncations_refused) == (1, 0)


async def test_what_the_application_cuts_by_itself_is_kept_as_it_was_heard_too(autojump_clock):
    async with (
        serve(responder_factory=Script.of(Say(STORY)).responder, host=None) as simulator,
        open_session(config(), connector=in_memory(simulator)) as session,
    ):
        await session.send(BidiTextInputEvent("Tell me a story."))
        await answered(session.receive())
        story = next(item for item in session.history if item.transcript == STORY)
        await session.items.truncate(story.item.id, 3000)
        (_, (_, words)) = told(session.history.messages())

    assert STORY.startswith(words)
    assert 0 < len(words) < len(STORY) / 2


# --- how to go on -----------------------------------------------------------------------------------------------------


def model(simulator, **client):
    return BidiOpenAIRealtimeModel(client_config={"api_key": "k", **client}, connector=in_memory(simulator))


def items_sent(ledger):
    return [each.event["item"] for each in ledger.received if each.type == "conversation.item.create"]


@pytest.mark.parametrize("ended_by", ["its own lifetime", "the service"])
async def test_a_session_whose_time_is_over_tells_how_to_go_on(ended_by, autojump_clock):
    own = ended_by == "its own lifetime"
    settings = SimulatorSettings(ledger_max_sessions=3, **({} if own else {"session_max_s": 60}))
    script = Script.of(Say("My name is Bob."), Say("As I said."))
    async with serve(settings, script.responder, host=None) as simulator:
        subject = model(simulator, timeout_s=60 if own else 600)
        await subject.start("Be brief.")
        await subject.send(BidiTextInputEvent("Who are you?"))
        with pytest.raises(BidiModelTimeoutError) as caught:
            await rest(subject)
        await subject.stop()

        await subject.start("Be brief.", **caught.value.restart_config)
        await subject.send(BidiTextInputEvent("Who?"))
        await answered(subject.receive())
        before = told(caught.value.restart_config["history"])
        now = told(subject.session.history.messages())
        await subject.stop()

    assert before == [("user", "Who are you?"), ("assistant", "My name is Bob.")]
    assert now == [*before, ("user", "Who?"), ("assistant", now[-1][1])]
    assert [item["role"] for item in items_sent(simulator.sessions[1])] == ["user", "assistant", "user"]


async def test_calls_and_their_results_go_on_too(autojump_clock):
    spec = {"name": "clock", "description": "The time.", "inputSchema": {"json": {"type": "object"}}}
    async with simulated(Call("clock", {}), Say("noon")) as (simulator, _, _):
        subject = model(simulator, timeout_s=60)
        await subject.start("Be brief.", [spec])
        await subject.send(BidiTextInputEvent("What time is it?"))
        call = (await until(subject.receive(), ToolUseStreamEvent)).current_tool_use
        await subject.send(ToolResultEvent({"toolUseId": call["toolUseId"], "content": [{"text": "12:00"}]}))
        with pytest.raises(BidiModelTimeoutError) as caught:
            await rest(subject)
        await subject.stop()
        await subject.start("Be brief.", [spec], **caught.value.restart_config)
        await subject.stop()

    sent = items_sent(simulator.sessions[1])
    assert [item["type"] for item in sent] == ["message", "function_call", "function_call_output", "message"]
    assert sent[1]["call_id"] == sent[2]["call_id"]


async def test_messages_that_are_given_beside_it_come_first(autojump_clock):
    """As an agent does that keeps the talk by itself: it hands on its own messages, and whatever the error holds."""
    async with simulated(Say("noon")) as (simulator, _, _):
        subject = model(simulator, timeout_s=60)
        await subject.start("Be brief.")
        await subject.send(BidiTextInputEvent("Hello"))
        with pytest.raises(BidiModelTimeoutError) as caught:
            await rest(subject)
        await subject.stop()
        own = [{"role": "user", "content": [{"text": "mine"}]}]
        await subject.start("Be brief.", [], own, **caught.value.restart_config)
        await subject.stop()

    assert [item["content"][0]["text"] for item in items_sent(simulator.sessions[1])] == ["mine"]


async def test_a_session_that_never_began_goes_on_with_what_it_was_given(autojump_clock):
    given = [{"role": "user", "content": [{"text": "old"}]}]
    client = {"api_key": "k", "timeout_s": 5}
    subject = BidiOpenAIRealtimeModel(client_config=client, connector=MemoryConnector())
    with pytest.raises(BidiModelTimeoutError) as caught:
        await subject.start("Be brief.", messages=given)  # The server says nothing.

    assert caught.value.restart_config == {"history": given}


async def test_an_end_of_another_kind_tells_nothing(autojump_clock):
    async with live() as (session, peer):
        await peer.say(error("invalid_api_key"))
        with pytest.raises(Exception, match="invalid_api_key") as caught:
            await rest(session)

    assert not hasattr(caught.value, "restart_config")
