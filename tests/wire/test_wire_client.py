"""What we send is what the service's own client library would send."""

import json
from typing import Any

import orjson
import pytest
from openai.types.realtime import RealtimeClientEvent
from pydantic import TypeAdapter

from engine.wire import client as c
from engine.wire import items as i
from engine.wire import session as s
from engine.wire.codec import decode_client, encode

ADAPTER: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)

PCM = s.AudioFormat(type="audio/pcm", rate=24_000)
FUNCTION = s.Tool(
    type="function",
    name="look_up",
    description="Looks a word up.",
    parameters={"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
)
MCP = s.Tool(
    type="mcp",
    server_label="dice",
    server_url="https://example.org/mcp",
    server_description="Rolls dice.",
    authorization="token",
    headers={"X-Team": "voice"},
    allowed_tools=["roll"],
    require_approval="never",
    defer_loading=False,
)
SERVER_VAD = s.TurnDetection(
    type="server_vad",
    threshold=0.5,
    prefix_padding_ms=300,
    silence_duration_ms=500,
    idle_timeout_ms=6_000,
    create_response=True,
    interrupt_response=True,
)
REALTIME = s.Session(
    type="realtime",
    model="gpt-realtime",
    output_modalities=("audio",),
    instructions="Be brief.",
    audio=s.Audio(
        input=s.AudioInput(
            format=PCM,
            transcription=s.Transcription(model="gpt-4o-transcribe", language="en", prompt="Names: Ada."),
            noise_reduction=s.NoiseReduction(type="near_field"),
            turn_detection=SERVER_VAD,
        ),
        output=s.AudioOutput(format=PCM, voice="marin", speed=1.1),
    ),
    tools=(FUNCTION, MCP),
    tool_choice={"type": "function", "name": "look_up"},
    max_output_tokens="inf",
    tracing={"workflow_name": "demo", "group_id": "7", "metadata": {"room": "kitchen"}},
    truncation={"type": "retention_ratio", "retention_ratio": 0.8},
    prompt={"id": "pmpt_1", "version": "2", "variables": {"city": "Basel"}},
    include=("item.input_audio_transcription.logprobs",),
)
TRANSCRIPTION = s.Session(
    type="transcription",
    audio=s.Audio(
        input=s.AudioInput(
            format=s.AudioFormat(type="audio/pcmu"),
            turn_detection=s.TurnDetection(type="semantic_vad", eagerness="high"),
            noise_reduction=s.NoiseReduction(type="far_field"),
        )
    ),
)
ITEMS = [
    i.MessageItem(role="system", content=(i.Content(type="input_text", text="You are kind."),)),
    i.MessageItem(
        id="item_1",
        status="completed",
        role="user",
        content=(
            i.Content(type="input_text", text="What is this?"),
            i.Content(type="input_audio", audio="AAAA", transcript="listen"),
            i.Content(type="input_image", image_url="data:image/png;base64,AAAA", detail="low"),
        ),
    ),
    i.MessageItem(role="assistant", content=(i.Content(type="output_text", text="A cat."),)),
    i.FunctionCallItem(call_id="call_1", name="look_up", arguments='{"word": "cat"}'),
    i.FunctionCallOutputItem(call_id="call_1", output='{"meaning": "animal"}'),
    i.McpListToolsItem(server_label="dice", tools=({"name": "roll", "input_schema": {"type": "object"}},)),
    i.McpCallItem(id="mcp_1", server_label="dice", name="roll", arguments="{}", output="6"),
    i.McpApprovalRequestItem(id="mcpr_1", server_label="dice", name="roll", arguments="{}"),
    i.McpApprovalResponseItem(id="mcpa_1", approval_request_id="mcpr_1", approve=False, reason="no gambling"),
]
SETTINGS = s.ResponseSettings(
    conversation="none",
    input=(ITEMS[0],),
    instructions="Say hello.",
    output_modalities=("text",),
    audio=s.Audio(output=s.AudioOutput(format=PCM, voice={"id": "voice_1"})),
    tools=(FUNCTION,),
    tool_choice="auto",
    max_output_tokens=200,
    metadata={"topic": "greeting"},
    prompt={"id": "pmpt_1"},
)
EVENTS = [
    c.SessionUpdate(event_id="event_1", session=REALTIME),
    c.SessionUpdate(session=TRANSCRIPTION),
    c.SessionUpdate(session=s.Session(type="realtime", tool_choice="none", tracing="auto", truncation="disabled")),
    c.SessionUpdate(
        session=s.Session(type="realtime", audio=s.Audio(input=s.AudioInput(extra={"turn_detection": None})))
    ),
    c.InputAudioBufferAppend(audio="AAAA"),
    c.InputAudioBufferCommit(),
    c.InputAudioBufferClear(event_id="event_2"),
    c.OutputAudioBufferClear(),
    *(c.ConversationItemCreate(item=item) for item in ITEMS),
    c.ConversationItemCreate(item=ITEMS[0], previous_item_id="root"),
    c.ConversationItemRetrieve(item_id="item_1"),
    c.ConversationItemTruncate(item_id="item_1", content_index=0, audio_end_ms=1_500),
    c.ConversationItemDelete(item_id="item_1"),
    c.ResponseCreate(),
    c.ResponseCreate(response=SETTINGS),
    c.ResponseCancel(),
    c.ResponseCancel(response_id="resp_1"),
]


def test_the_examples_show_every_client_event_and_every_item():
    assert {type(event) for event in EVENTS} == set(c.CLIENT_CLASSES.values())
    assert {type(item) for item in ITEMS} == set(i.ITEM_CLASSES.values()) - {i.ItemReference}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.tag)
def test_openai_python_takes_the_event_and_keeps_all_of_it(event: c.ClientEvent):
    text = encode(event)

    theirs = ADAPTER.validate_json(text)

    assert theirs.type == event.tag
    assert json.loads(theirs.model_dump_json(exclude_unset=True, by_alias=True)) == orjson.loads(text)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.tag)
def test_a_server_reads_what_we_wrote(event: c.ClientEvent):
    assert decode_client(encode(event)) == event


def test_an_item_reference_stands_only_in_the_input_of_a_response():
    # openai-python has no class for it; the service's guide shows it as an item of `response.input`.
    event = c.ResponseCreate(response=s.ResponseSettings(input=(i.ItemReference(id="item_1"),)))

    assert orjson.loads(encode(event)) == {
        "type": "response.create",
        "response": {"input": [{"type": "item_reference", "id": "item_1"}]},
    }
