"""Interruptions: by speech, by the client, and what they leave alone."""

import pytest
from sim_client import base64, speech, talk, types

from engine.audio.pcm import silence, tone
from engine.simulator import Pace, Say, SimulatorSettings

LONG = "This is a rather long answer that goes on and on for a while. " * 5
SLOW = SimulatorSettings(pace=Pace(audio_speed=1))

CLOSING_OF_AUDIO = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
]


async def start_answer(client):
    await client.say("hello")
    await client.send("response.create")
    await client.until("response.output_audio.delta")
    await client.rest(1)


async def test_speech_closes_the_running_response_at_once(autojump_clock):
    async with talk(Say(LONG), Say("Yes?"), settings=SLOW) as client:
        await start_answer(client)
        client.events.clear()
        await client.hear(speech(800, before=0, after=0))
        await client.until("response.done")
        closing = client.events[:]
        await client.hear(base64(silence(500)))
        second = (await client.until("response.done"))["response"]
    assert types(closing) == ["input_audio_buffer.speech_started", *CLOSING_OF_AUDIO]
    done = closing[-1]["response"]
    heard = closing[2]["transcript"]
    assert done["status"] == "cancelled"
    assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert done["output"][0]["status"] == "incomplete"
    assert LONG.startswith(heard)
    assert 0 < len(heard) < len(LONG)
    assert 0 < done["usage"]["output_token_details"]["audio_tokens"] < 40
    assert second["status"] == "completed"


async def test_speech_while_the_model_thinks_leaves_no_item(autojump_clock):
    async with talk(Say(LONG), settings=SimulatorSettings(pace=Pace(think_ms=3000))) as client:
        await client.say("hello")
        await client.send("response.create")
        await client.until("response.created")
        client.events.clear()
        await client.hear(speech(800, before=0, after=0))
        done = await client.until("response.done")
        assert types(client.events) == ["input_audio_buffer.speech_started", "response.done"]
        assert await client.rest(10) != []
    assert done["response"]["output"] == []
    assert done["response"]["usage"]["output_tokens"] == 0


async def test_after_response_done_speech_cancels_nothing(autojump_clock):
    async with talk(Say(LONG), Say("Yes?")) as client:
        await client.say("hello")
        await client.ask()
        await client.until("rate_limits.updated")
        client.events.clear()
        await client.hear(speech(800, after=0))
        assert types(await client.rest()) == ["input_audio_buffer.speech_started"]


async def test_without_interrupt_response_the_answer_goes_on_and_the_next_is_refused(autojump_clock):
    async with talk(Say(LONG), settings=SLOW) as client:
        await client.update(audio={"input": {"turn_detection": {"type": "server_vad", "interrupt_response": False}}})
        await start_answer(client)
        running = client.of("response.created")[0]["response"]["id"]
        await client.hear(speech(800))
        error = await client.error()
        done = (await client.until("response.done"))["response"]
    assert error == {
        "type": "invalid_request_error",
        "code": "conversation_already_has_active_response",
        "message": f"Conversation already has an active response in progress: {running}. "
        "Wait until the response is finished before creating a new one.",
        "param": None,
        "event_id": None,
    }
    assert done["status"] == "completed"


async def test_a_response_outside_the_conversation_is_not_interrupted(autojump_clock):
    async with talk(Say(LONG), settings=SLOW) as client:
        await client.send("response.create", response={"conversation": "none"})
        await client.until("response.output_audio.delta")
        await client.hear(speech(800, after=0))
        await client.until("input_audio_buffer.speech_started")
        done = (await client.until("response.done"))["response"]
    assert done["status"] == "completed"


@pytest.mark.parametrize("named", [True, False])
async def test_response_cancel_closes_the_response(named, autojump_clock):
    async with talk(Say(LONG), settings=SLOW) as client:
        await start_answer(client)
        response_id = client.of("response.created")[0]["response"]["id"]
        client.events.clear()
        await client.send("response.cancel", **({"response_id": response_id} if named else {}))
        done = (await client.until("response.done"))["response"]
        limits = await client.rest(1)
    assert types(client.events[:6]) == CLOSING_OF_AUDIO
    assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert types(limits) == ["rate_limits.updated"]


async def test_deltas_in_flight_still_come_after_a_cancel_and_a_second_one_finds_nothing(autojump_clock):
    pace = Pace(audio_speed=10, audio_delta_ms=100, cancel_ms=50)
    async with talk(Say(LONG), settings=SimulatorSettings(pace=pace)) as client:
        await client.say("hello")
        await client.send("response.create")
        await client.until("response.output_audio.delta")
        client.events.clear()
        await client.send("response.cancel")
        await client.send("response.cancel", event_id="again")
        await client.send("response.create", event_id="too early")
        await client.until("response.done")
    errors = [event["error"] for event in client.of("error")]
    assert [(error["code"], error["event_id"]) for error in errors] == [
        ("response_cancel_not_active", "again"),
        ("conversation_already_has_active_response", "too early"),
    ]
    assert len(client.of("response.output_audio.delta")) in (4, 5)


async def test_an_instant_cancel_takes_no_time(autojump_clock):
    async with talk(Say(LONG), settings=SimulatorSettings(pace=Pace(cancel_ms=0, audio_speed=1))) as client:
        await start_answer(client)
        client.events.clear()
        await client.send("response.cancel")
        await client.until("response.done")
        assert types(client.events) == CLOSING_OF_AUDIO
        assert (await client.ask())["status"] == "completed"


async def test_cancel_with_nothing_active(autojump_clock):
    async with talk() as client:
        await client.send("response.cancel", event_id="c1")
        assert await client.error() == {
            "type": "invalid_request_error",
            "code": "response_cancel_not_active",
            "message": "Cancellation failed: no active response found",
            "param": None,
            "event_id": "c1",
        }
        await client.send("response.cancel", response_id="resp_unknown")
        assert (await client.error())["code"] == "response_cancel_not_active"


async def test_a_response_outside_the_conversation_is_cancelled_by_name(autojump_clock):
    async with talk(Say(LONG), settings=SLOW) as client:
        await client.send("response.create", response={"conversation": "none"})
        aside = (await client.until("response.created"))["response"]["id"]
        await client.send("response.cancel", response_id=aside)
        assert (await client.until("response.done"))["response"]["status"] == "cancelled"


async def test_a_turn_ending_in_one_append_with_the_next_one_begins_interrupts_itself(autojump_clock):
    audio = base64(tone(220, 500) + silence(400) + tone(220, 500) + silence(400))
    async with talk() as client:
        await client.hear(audio)
        first = (await client.until("response.done"))["response"]
        second = (await client.until("response.done"))["response"]
    assert (first["status"], second["status"]) == ("cancelled", "completed")
