"""Every object that the simulator sends has the keys, in the order, that captures of the service in 2026 have."""

from collections import defaultdict

from sim_client import speech, talk

from engine.simulator import Call, Say

# From WebSocket sessions with gpt-realtime: which keys each JSON object had, in order. Each variant is one string.
SESSION = (
    "type object id model output_modalities instructions tools tool_choice max_output_tokens tracing truncation "
    "prompt expires_at audio include"
)
RESPONSE = (
    "object id status status_details output conversation_id output_modalities max_output_tokens audio usage metadata"
)
CAPTURED = {
    "conversation.item.added": {"type event_id previous_item_id item"},
    "conversation.item.added.item": {
        "id type call_id output",
        "id type status name call_id arguments",
        "id type status role content",
    },
    "conversation.item.added.item.content[]": {"type text", "type transcript"},
    "conversation.item.done": {"type event_id previous_item_id item"},
    "conversation.item.done.item": {
        "id type call_id output",
        "id type status name call_id arguments",
        "id type status role content",
    },
    "conversation.item.done.item.content[]": {"type text", "type transcript"},
    "conversation.item.input_audio_transcription.completed": {"type event_id item_id content_index transcript usage"},
    "conversation.item.input_audio_transcription.completed.usage": {"type seconds"},
    "conversation.item.input_audio_transcription.delta": {"type event_id item_id content_index delta obfuscation"},
    "input_audio_buffer.committed": {"type event_id previous_item_id item_id"},
    "input_audio_buffer.speech_started": {"type event_id audio_start_ms item_id"},
    "input_audio_buffer.speech_stopped": {"type event_id audio_end_ms item_id"},
    "rate_limits.updated": {"type event_id rate_limits"},
    "rate_limits.updated.rate_limits[]": {"name limit remaining reset_seconds"},
    "response.content_part.added": {"type event_id response_id item_id output_index content_index part"},
    "response.content_part.added.part": {"type text", "type transcript"},
    "response.content_part.done": {"type event_id response_id item_id output_index content_index part"},
    "response.content_part.done.part": {"type text", "type transcript"},
    "response.created": {"type event_id response"},
    "response.created.response": {RESPONSE},
    "response.created.response.audio": {"output"},
    "response.created.response.audio.output": {"format voice"},
    "response.created.response.audio.output.format": {"type rate"},
    "response.done": {"type event_id response"},
    "response.done.response": {RESPONSE},
    "response.done.response.audio": {"output"},
    "response.done.response.audio.output": {"format voice"},
    "response.done.response.audio.output.format": {"type rate"},
    "response.done.response.output[]": {"id type status name call_id arguments", "id type status role content"},
    "response.done.response.output[].content[]": {"type text", "type transcript"},
    "response.done.response.usage": {
        "total_tokens input_tokens output_tokens input_token_details output_token_details"
    },
    "response.done.response.usage.input_token_details": {
        "text_tokens audio_tokens image_tokens cached_tokens cached_tokens_details"
    },
    "response.done.response.usage.input_token_details.cached_tokens_details": {"text_tokens audio_tokens image_tokens"},
    "response.done.response.usage.output_token_details": {
        "text_tokens audio_tokens",
        "text_tokens audio_tokens reasoning_tokens",
    },
    "response.function_call_arguments.delta": {
        "type event_id response_id item_id output_index call_id delta obfuscation"
    },
    "response.function_call_arguments.done": {"type event_id response_id item_id output_index call_id name arguments"},
    "response.output_audio.delta": {"type event_id response_id item_id output_index content_index delta"},
    "response.output_audio.done": {"type event_id response_id item_id output_index content_index"},
    "response.output_audio_transcript.delta": {
        "type event_id response_id item_id output_index content_index delta obfuscation"
    },
    "response.output_audio_transcript.done": {
        "type event_id response_id item_id output_index content_index transcript"
    },
    "response.output_item.added": {"type event_id response_id output_index item"},
    "response.output_item.added.item": {"id type status name call_id arguments", "id type status role content"},
    "response.output_item.done": {"type event_id response_id output_index item"},
    "response.output_item.done.item": {"id type status name call_id arguments", "id type status role content"},
    "response.output_item.done.item.content[]": {"type text", "type transcript"},
    "response.output_text.delta": {"type event_id response_id item_id output_index content_index delta obfuscation"},
    "response.output_text.done": {"type event_id response_id item_id output_index content_index text"},
    "session.created": {"type event_id session"},
    "session.created.session": {SESSION},
    "session.created.session.audio": {"input output"},
    "session.created.session.audio.input": {"format transcription noise_reduction turn_detection"},
    "session.created.session.audio.input.format": {"type rate"},
    "session.created.session.audio.input.turn_detection": {
        "type threshold prefix_padding_ms silence_duration_ms idle_timeout_ms create_response interrupt_response"
    },
    "session.created.session.audio.output": {"format voice speed"},
    "session.created.session.audio.output.format": {"type rate"},
    "session.updated": {"type event_id session"},
    "session.updated.session": {SESSION},
    "session.updated.session.audio": {"input output"},
    "session.updated.session.audio.input": {"format transcription noise_reduction turn_detection"},
    "session.updated.session.audio.input.format": {"type rate"},
    "session.updated.session.audio.input.transcription": {"model language prompt"},
    "session.updated.session.audio.input.turn_detection": {
        "type threshold prefix_padding_ms silence_duration_ms idle_timeout_ms create_response interrupt_response"
    },
    "session.updated.session.audio.output": {"format voice speed"},
    "session.updated.session.audio.output.format": {"type rate"},
    "session.updated.session.tools[]": {"type name description parameters"},
}


def walk(path, value, found):
    if isinstance(value, dict):
        found[path].add(" ".join(value))
        for key, element in value.items():
            if key != "parameters":
                walk(f"{path}.{key}", element, found)
    elif isinstance(value, list) and value:
        walk(f"{path}[]", value[0], found)


async def test_objects_have_the_captured_keys_in_the_captured_order(autojump_clock):
    tool = {"type": "function", "name": "f", "description": "d", "parameters": {}}
    async with talk(Say("Well, hello."), Say("Written."), Call("f", '{"a": 1}')) as client:
        await client.update(tools=[tool], audio={"input": {"transcription": {"model": "gpt-realtime-whisper"}}})
        await client.hear(speech(500))
        await client.until("rate_limits.updated")
        await client.update(output_modalities=["text"])
        await client.say("written")
        await client.ask()
        call = (await client.ask())["output"][0]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "done"}
        await client.send("conversation.item.create", item=output)
        await client.until("conversation.item.done")
    sent = defaultdict(set)
    for event in client.events:
        walk(event["type"], event, sent)
    assert set(sent) == set(CAPTURED)
    for path, variants in sent.items():
        assert variants <= CAPTURED[path], path
