"""What a session says that it took, measured on a talk with the simulator in virtual time."""

from decimal import Decimal

import pytest
import trio
import trio.testing
from rooms import audio_delta, config, error, live, response_created, session_created, speech_started, until

from engine.audio.pcm import silence, tone
from engine.events import (
    BidiAudioInputEvent,
    BidiAudioStreamEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    ToolResultEvent,
    ToolUseStreamEvent,
)
from engine.session import open_session
from engine.simulator import Call, Say, Script, serve
from engine.testing import in_memory

WEATHER = {"name": "weather", "description": "The weather.", "inputSchema": {"json": {"type": "object"}}}


async def asked(session, text, tool_s=0.0):
    """Ask in writing, answer calls after a while, and hear the answer out."""
    await session.send(BidiTextInputEvent(text))
    async for event in session.receive():
        if isinstance(event, ToolUseStreamEvent):
            await trio.sleep(tool_s)
            result = {"toolUseId": event.current_tool_use["toolUseId"], "content": [{"text": "sunny"}]}
            await session.send(ToolResultEvent(result))
        elif isinstance(event, BidiResponseCompleteEvent) and event.stop_reason == "complete":
            return


async def test_a_turn_with_a_tool_has_its_times_and_its_tokens_and_they_outlast_the_session(autojump_clock):
    script = Script.of(Call("weather", {"city": "Paris"}), Say("Sunny."))
    async with serve(responder_factory=script.responder, host=None) as simulator:
        async with open_session(
            config(model="gpt-realtime", tools=[WEATHER]), connector=in_memory(simulator)
        ) as session:
            await asked(session, "What is the weather?", tool_s=0.5)
        figures = session.statistics()

    (turn,) = figures.turns
    (tool,) = turn.tools
    assert (turn.began, turn.stop_reason, len(turn.responses)) == ("text", "complete", 2)
    assert (tool.name, tool.duration_ms) == ("weather", pytest.approx(500))
    assert turn.asked_at < tool.called_at < tool.answered_at < turn.first_audio_at < turn.response_end_at
    assert turn.time_to_first_audio_ms > 500
    assert figures.totals.tokens == turn.tokens
    assert figures.totals.responses == {"completed": 2}
    assert figures.asides == ()


async def test_an_interruption_is_timed_until_the_application_takes_it(autojump_clock):
    script = Script.of(Say("A long story. " * 50), Say("Yes?"), transcripts=["Stop."])
    async with (
        serve(responder_factory=script.responder, host=None) as simulator,
        open_session(config(), connector=in_memory(simulator)) as session,
    ):
        await session.send(BidiTextInputEvent("Tell me a story."))
        async for event in session.receive():
            if isinstance(event, BidiAudioStreamEvent):
                break
        await session.send_audio(tone(440, 1000) + silence(1000))
        await trio.sleep(0.5)  # The application is busy; the interruption waits for it.
        async for event in session.receive():
            if isinstance(event, BidiInterruptionEvent):
                heard_at = trio.current_time()
                received_at = event.received_at
            elif isinstance(event, BidiResponseCompleteEvent) and event.stop_reason == "complete":
                break
        figures = session.statistics()

    story, answer = figures.turns
    assert (story.began, story.stop_reason, answer.began, answer.stop_reason) == (
        "text",
        "interrupted",
        "speech",
        "complete",
    )
    assert story.interrupted_at == received_at == answer.speech_start_at
    assert story.interruption_latency_ms == pytest.approx((heard_at - received_at) * 1000)
    assert story.interruption_latency_ms > 100
    assert answer.audio_end_ms > answer.audio_start_ms
    assert figures.totals.interruptions == 1
    assert figures.totals.transcribed.count == 1


async def test_the_cost_is_that_of_the_tokens_and_unknown_for_an_unknown_model(autojump_clock):
    script = Script.of(Say("Hello."))
    async with serve(responder_factory=script.responder, host=None) as simulator:
        async with open_session(config(model="gpt-realtime"), connector=in_memory(simulator)) as session:
            await asked(session, "Hello")
        async with open_session(config(model="gpt-realtime-of-mine"), connector=in_memory(simulator)) as other:
            await asked(other, "Hello")

    tokens, cost = session.statistics().totals.tokens, session.statistics().cost
    assert (
        cost.total == (tokens.input_text * Decimal(4) + tokens.output_text * 16 + tokens.output_audio * 64) / 1_000_000
    )
    assert (cost.is_complete, other.statistics().cost) == (True, None)


async def test_a_push_to_talk_turn_counts_from_the_commit(autojump_clock):
    script = Script.of(Say("Yes?"), transcripts=["Hello."])
    async with (
        serve(responder_factory=script.responder, host=None) as simulator,
        open_session(config(turn_detection=None), connector=in_memory(simulator)) as session,
    ):
        await session.send_audio(tone(440, 1000))
        await trio.sleep(1)
        committed_at = trio.current_time()
        await session.input.commit()
        async for event in session.receive():
            if isinstance(event, BidiResponseCompleteEvent):
                break
        (turn,) = session.statistics().turns

    assert (turn.began, turn.asked_at, turn.speech_start_at) == ("push_to_talk", committed_at, None)
    assert turn.time_to_first_audio_ms > 0


async def test_the_microphones_way_in_has_its_figures(autojump_clock):
    script = Script.of(Say("Yes?"))
    settings = {"engine": {"fill_silence": True}, "turn_detection": None}
    async with (
        serve(responder_factory=script.responder, host=None) as simulator,
        open_session(config(**settings), connector=in_memory(simulator)) as session,
    ):
        await session.send_audio(b"")
        await session.send_audio(tone(440, 200))
        await session.send(BidiAudioInputEvent.from_pcm(tone(440, 100, rate_hz=16000), sample_rate=16000))
        await trio.sleep(2)
        figures = session.statistics()

    assert (figures.microphone.fed_ms, figures.audio_fed_ms) == (300, 300)
    assert (figures.microphone.shape_changes, figures.microphone.empty_frames) == (1, 1)
    assert figures.microphone.filled_ms == pytest.approx(1700, abs=100)


async def test_what_was_cut_off_and_refused_is_counted(autojump_clock):
    async with live() as (session, peer):
        await peer.say(session_created(), response_created(), audio_delta())
        await until(session.receive(), BidiAudioStreamEvent)
        await peer.say(speech_started())
        cut = await peer.hear("conversation.item.delete")
        assert session.statistics().conversation.truncated == 1
        await peer.say(error("item_delete_invalid_item_id", event_id=cut["event_id"]))
        await trio.testing.wait_all_tasks_blocked()
        figures = session.statistics().conversation
        await session.stop()

    assert (figures.truncated, figures.truncations_refused) == (1, 1)
