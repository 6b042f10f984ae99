"""The conversation accepts what the real service and its clients said, in the order in which they said it."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from transcripts import config

from engine.protocol.conversation import Conversation
from engine.protocol.effects import Effect
from engine.wire.codec import decode_client, decode_server

Json = dict[str, Any]


def replay(recording: Path) -> tuple[Conversation, list[Effect], Counter[str]]:
    """Play a recording; give the conversation, what it brought, and how often the server sent each type."""
    conversation = Conversation(config(), "connection_1")
    told: list[Effect] = []
    server_types: Counter[str] = Counter()
    lines = [json.loads(line) for line in recording.read_text().splitlines()]
    for now, line in enumerate(lines):
        text = json.dumps(line["event"])
        if line["dir"] == "client":
            conversation.sent_by_hand(decode_client(text), now / 1000)
        else:
            server_types[line["event"]["type"]] += 1
            told += conversation.receive(decode_server(text), now / 1000)
    return conversation, told, server_types


@pytest.fixture
def replayed(recording: Path) -> tuple[Conversation, list[Effect], Counter[str]]:
    return replay(recording)


def of(told: list[Effect], name: str) -> list[Any]:
    return [effect for effect in told if type(effect).__name__ == name]


def test_a_recording_fits_the_protocol_from_begin_to_end(replayed):
    conversation, told, _ = replayed
    statistics = conversation.statistics()

    assert statistics.phase == "live"
    assert statistics.out_of_order == {}
    assert statistics.violations == {}
    assert statistics.unknown_events == {}
    assert [type(effect).__name__ for effect in told[:2]] == ["Opened", "BidiConnectionStartEvent"]
    assert of(told, "End") == []


def test_every_response_of_a_recording_is_told_from_begin_to_end(replayed):
    conversation, told, sent = replayed
    begun = [event.response_id for event in of(told, "BidiResponseStartEvent")]
    ended = [event.response_id for event in of(told, "BidiResponseCompleteEvent")]

    assert len(begun) == sent["response.created"] > 0
    assert begun == ended
    assert len(of(told, "BidiUsageEvent")) == sent["response.done"]
    assert {event.stop_reason for event in of(told, "BidiResponseCompleteEvent")} <= {"complete", "tool_use"}
    assert conversation.statistics().gate.open_calls == 0


def test_all_audio_of_a_recording_is_told(replayed):
    conversation, told, sent = replayed

    silenced = conversation.statistics().silenced_audio
    assert len(of(told, "BidiAudioStreamEvent")) + silenced == sent["response.output_audio.delta"]


def test_all_words_of_a_recording_are_told_and_the_deltas_join_to_the_finals(replayed):
    _, told, sent = replayed
    transcripts = of(told, "BidiTranscriptStreamEvent")
    finals = {(event.item_id, event.content_index): event for event in transcripts if event.is_final}

    assert sum(event.is_final for event in transcripts if event.role == "assistant") == (
        sent["response.output_audio_transcript.done"] + sent["response.output_text.done"]
    )
    assert (
        sum(event.is_final for event in transcripts if event.role == "user")
        == (sent["conversation.item.input_audio_transcription.completed"])
    )
    for (item_id, content_index), final in finals.items():
        pieces = [
            event.text
            for event in transcripts
            if (event.item_id, event.content_index) == (item_id, content_index) and not event.is_final
        ]
        # The service sums up what the user said anew at the end; what the model said is its deltas.
        assert final.role == "user" or "".join(pieces) == final.text


def test_all_errors_of_a_recording_are_told(replayed):
    _, told, sent = replayed

    assert len(of(told, "BidiErrorEvent")) == sent["conversation.item.input_audio_transcription.failed"]


def test_the_users_speech_in_a_recording_is_told(replayed):
    conversation, told, sent = replayed

    assert len(of(told, "BidiInterruptionEvent")) == sent["input_audio_buffer.speech_started"]
    assert conversation.statistics().user_speaks is False


def test_the_calls_of_a_recording_are_told_once_with_whole_arguments(replayed):
    _, told, sent = replayed
    uses = of(told, "ToolUseStreamEvent")
    ended_in_calls = [event for event in of(told, "BidiResponseCompleteEvent") if event.stop_reason == "tool_use"]

    assert len(uses) == sent["response.function_call_arguments.done"] == len(ended_in_calls)
    assert all(use.current_tool_use["name"] and isinstance(use.current_tool_use["input"], dict) for use in uses)


def test_the_items_of_a_recording_are_mirrored(replayed):
    conversation, _, sent = replayed

    assert conversation.statistics().history_items == sent["conversation.item.added"]
    roles = [getattr(each.item, "role", None) for each in conversation.history]
    assert all(each.transcript for each, role in zip(conversation.history, roles, strict=True) if role == "assistant")
