"""The table of the API: every event and field of the service, from openai-python's types, and what serves it here.

The service's side is read from `openai.types.realtime`; ours is the data below. A row that only one of them has fails
the tests, so a field that the service adds is noticed with the next release of openai-python.
"""

import importlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, get_args, get_origin

from openai.types import realtime
from pydantic import BaseModel

import engine.session
from engine.session.base import BaseSession
from engine.session.speaking import SpeakingSession

Rows = Mapping[str, str]
"""What the service has, and the engine's names for it, joined by commas. A key that ends in `.*` stands for all below
it: the engine takes what is there as it is given."""

RAW: Final = "Session.raw"
ITEM: Final = "Session.history, Session.items.create"
SAID: Final = "BidiTranscriptStreamEvent"

CLIENT_EVENTS: Final[Rows] = {
    "session.update": "SessionConfig, Session.update",
    "input_audio_buffer.append": "Session.send_audio, Session.send",
    "input_audio_buffer.commit": "Session.input.commit",
    "input_audio_buffer.clear": "Session.input.clear",
    "output_audio_buffer.clear": RAW,
    "conversation.item.create": "Session.items.create, Session.send, SessionConfig.history",
    "conversation.item.delete": "Session.items.delete",
    "conversation.item.retrieve": "Session.items.retrieve",
    "conversation.item.truncate": "Session.items.truncate, Session.interrupt, Session.playback",
    "response.create": "Session.responses.create, Session.send",
    "response.cancel": "Session.responses.cancel, Session.interrupt",
}
SERVER_EVENTS: Final[Rows] = {
    "session.created": "BidiConnectionStartEvent, Session.settings",
    "session.updated": "Session.update, Session.settings",
    "conversation.created": RAW,
    "error": "BidiErrorEvent, ServerReported",
    "rate_limits.updated": RAW,
    "input_audio_buffer.speech_started": "BidiInterruptionEvent, SpeechStartedEvent",
    "input_audio_buffer.speech_stopped": "SpeechStoppedEvent, ConversationStatistics.user_speaks",
    "input_audio_buffer.committed": f"SpeechCommittedEvent, {RAW}",
    "input_audio_buffer.cleared": "Session.input.clear",
    "input_audio_buffer.timeout_triggered": RAW,
    "input_audio_buffer.dtmf_event_received": RAW,
    "conversation.item.added": ITEM,
    "conversation.item.done": ITEM,
    "conversation.item.created": ITEM,
    "conversation.item.retrieved": "Session.items.retrieve",
    "conversation.item.truncated": "Session.items.truncate, Session.history",
    "conversation.item.deleted": "Session.items.delete, Session.history",
    "conversation.item.input_audio_transcription.delta": f"{SAID}, TranscriptEvent",
    "conversation.item.input_audio_transcription.completed": f"{SAID}, TranscriptEvent",
    "conversation.item.input_audio_transcription.failed": "BidiErrorEvent",
    "conversation.item.input_audio_transcription.segment": f"{SAID}, TranscriptEvent",
    "response.created": "BidiResponseStartEvent, ResponseStream",
    "response.done": "BidiResponseCompleteEvent, BidiUsageEvent, ResponseStream.done",
    "response.output_item.added": "ToolUseStreamEvent, McpCallEvent",
    "response.output_item.done": "ToolUseStreamEvent, McpCallEvent",
    "response.content_part.added": RAW,
    "response.content_part.done": RAW,
    "response.output_text.delta": SAID,
    "response.output_text.done": SAID,
    "response.output_audio_transcript.delta": SAID,
    "response.output_audio_transcript.done": SAID,
    "response.output_audio.delta": "BidiAudioStreamEvent, Session.audio_out",
    "response.output_audio.done": "Session.playback, Session.audio_out",
    "response.function_call_arguments.delta": RAW,
    "response.function_call_arguments.done": "ToolUseStreamEvent",
    "mcp_list_tools.in_progress": "McpToolsEvent, Session.mcp.tools",
    "mcp_list_tools.completed": "McpToolsEvent, Session.mcp.listed",
    "mcp_list_tools.failed": "McpToolsEvent, Session.mcp.listed",
    "response.mcp_call_arguments.delta": RAW,
    "response.mcp_call_arguments.done": "McpCallEvent.arguments",
    "response.mcp_call.in_progress": "McpCallEvent",
    "response.mcp_call.completed": "McpCallEvent",
    "response.mcp_call.failed": "McpCallEvent",
    "output_audio_buffer.started": RAW,
    "output_audio_buffer.stopped": RAW,
    "output_audio_buffer.cleared": RAW,
}
TRANSLATION_CLIENT_EVENTS: Final[Rows] = {
    "session.update": "TranslationConfig, TranslationSession.update",
    "session.input_audio_buffer.append": "TranslationSession.send_audio",
    "session.close": "TranslationSession.finish",
}
TRANSLATION_SERVER_EVENTS: Final[Rows] = {
    "error": "BidiErrorEvent, ServerReported",
    "session.created": "BidiConnectionStartEvent",
    "session.updated": "TranslationSession.update",
    "session.closed": "BidiConnectionCloseEvent, TranslationSession.finish",
    "session.input_transcript.delta": "TranslationTextEvent",
    "session.output_transcript.delta": "TranslationTextEvent",
    "session.output_audio.delta": "TranslatedAudioEvent, TranslationSession.audio_out",
}

_TRANSCRIPTION: Final = ("delay", "keywords", "language", "languages", "model", "prompt")
_TURNS: Final = (
    "create_response",
    "eagerness",
    "idle_timeout_ms",
    "interrupt_response",
    "prefix_padding_ms",
    "silence_duration_ms",
    "threshold",
    "type",
)


def _heard(config: str) -> dict[str, str]:
    """Say what serves `audio.input`, which sessions of two kinds have."""
    path, name = "audio.input", f"{config}.{{}}".format
    transcription, turns, noise = name("transcription"), name("turn_detection"), name("noise_reduction")
    return {
        "audio": name("audio"),
        path: name("audio"),
        f"{path}.format": f"{name('audio')}, AudioSettings.format",
        f"{path}.format.type": "AudioSettings.format, AudioSettings.wire_format",
        f"{path}.format.rate": "AudioSettings.wire_shape",
        f"{path}.noise_reduction": noise,
        f"{path}.noise_reduction.type": f"{noise}, NoiseReduction.type",
        f"{path}.noise_reduction.strength": f"{noise}, NoiseReduction.strength",
        f"{path}.transcription": transcription,
        **{f"{path}.transcription.{key}": f"{transcription}, Transcription.{key}" for key in _TRANSCRIPTION},
        f"{path}.turn_detection": turns,
        **{f"{path}.turn_detection.{key}": f"{turns}, TurnDetection.{key}" for key in _TURNS},
    }


SESSION_FIELDS: Final[Rows] = {
    **_heard("SessionConfig"),
    "type": "SessionConfig, open_session",
    "model": "SessionConfig.model",
    "instructions": "SessionConfig.instructions",
    "output_modalities": "SessionConfig.output_modalities",
    "audio.output": "SessionConfig.audio",
    "audio.output.format": "SessionConfig.audio, AudioSettings.format",
    "audio.output.format.type": "AudioSettings.format, AudioSettings.wire_format",
    "audio.output.format.rate": "AudioSettings.wire_shape",
    "audio.output.speed": "SessionConfig.speed",
    "audio.output.voice": "SessionConfig.voice, AudioSettings.voice",
    "audio.output.voice.id": "SessionConfig.voice",
    "include": "SessionConfig.include",
    "max_output_tokens": "SessionConfig.max_output_tokens",
    "parallel_tool_calls": "SessionConfig.parallel_tool_calls",
    "prompt": "SessionConfig.prompt",
    "prompt.id": "Prompt.id",
    "prompt.version": "Prompt.version",
    "prompt.variables": "Prompt.variables",
    "prompt.variables.*": "Prompt.variables",
    "reasoning": "SessionConfig.reasoning_effort",
    "reasoning.effort": "SessionConfig.reasoning_effort",
    "tool_choice": "SessionConfig.tool_choice",
    "tool_choice.*": "SessionConfig.tool_choice",
    "tools": "SessionConfig.tools",
    **{
        f"tools.{key}": f"SessionConfig.tools, Tool.{key}"
        for key in (
            *("allowed_callers", "allowed_tools", "authorization", "connector_id", "defer_loading", "description"),
            *("headers", "name", "parameters", "require_approval", "server_description", "server_label"),
            *("server_url", "tunnel_id", "type"),
        )
    },
    "tools.allowed_tools.*": "Tool.allowed_tools",
    "tools.require_approval.*": "Tool.require_approval",
    "tracing": "SessionConfig.tracing",
    "tracing.group_id": "Tracing.group_id",
    "tracing.metadata": "Tracing.metadata",
    "tracing.workflow_name": "Tracing.workflow_name",
    "truncation": "SessionConfig.truncation",
    "truncation.type": "RetentionRatio",
    "truncation.retention_ratio": "RetentionRatio.ratio",
    "truncation.token_limits": "RetentionRatio.post_instructions_tokens",
    "truncation.token_limits.post_instructions": "RetentionRatio.post_instructions_tokens",
}
SESSION_TOLD_FIELDS: Final[Rows] = dict.fromkeys(("expires_at", "id", "object"), "Session.settings")
"""What the service says of a session beside its settings."""
TRANSCRIPTION_SESSION_FIELDS: Final[Rows] = {
    **_heard("TranscriptionConfig"),
    "type": "TranscriptionConfig, open_transcription",
    "include": "TranscriptionConfig.include",
}
TRANSLATION_SESSION_FIELDS: Final[Rows] = {
    "type": "TranslationConfig, open_translation",
    "id": "TranslationSession.raw",
    "expires_at": "TranslationSession.raw",
    "model": "TranslationConfig.model",
    "audio": "TranslationConfig.audio",
    "audio.input": "TranslationConfig.audio",
    "audio.input.noise_reduction": "TranslationConfig.noise_reduction",
    "audio.input.noise_reduction.type": "NoiseReduction.type",
    "audio.input.noise_reduction.strength": "NoiseReduction.strength",
    "audio.input.transcription": "TranslationConfig.transcription",
    "audio.input.transcription.model": "TranslationConfig.transcription",
    "audio.output": "TranslationConfig.language",
    "audio.output.language": "TranslationConfig.language",
}

_CREATE: Final = "Session.responses.create"
RESPONSE_REQUEST_FIELDS: Final[Rows] = {
    **dict.fromkeys(
        (
            *("conversation", "input", "instructions", "max_output_tokens", "metadata", "output_modalities"),
            *("parallel_tool_calls", "prompt", "reasoning", "reasoning.effort", "tool_choice", "tools"),
            *("audio", "audio.output", "audio.output.voice", "audio.output.voice.id"),
        ),
        _CREATE,
    ),
    # The engine reads all audio in the session's format, so another one for one response is the caller's business.
    "audio.output.format": RAW,
    "audio.output.format.*": RAW,
    "input.*": "Session.responses.create, Session.items.create",
    "prompt.id": "Prompt.id",
    "prompt.version": "Prompt.version",
    "prompt.variables": "Prompt.variables",
    "prompt.variables.*": "Prompt.variables",
    "tool_choice.*": _CREATE,
    "tools.*": "Session.responses.create, Tool",
}
_DONE: Final = "ResponseStream.done"
RESPONSE_FIELDS: Final[Rows] = {
    "id": "BidiResponseStartEvent.response_id, ResponseStream.id",
    "object": _DONE,
    "conversation_id": "ResponseStream.out_of_band, ResponseStream.done",
    "status": "BidiResponseCompleteEvent.stop_reason, ResponseStream.done",
    "status_details": "BidiResponseCompleteEvent.details",
    "status_details.type": "BidiResponseCompleteEvent.details",
    "status_details.reason": "BidiResponseCompleteEvent.details",
    "status_details.error": "BidiResponseCompleteEvent.details",
    "status_details.error.*": "BidiResponseCompleteEvent.details",
    "output": _DONE,
    "output.*": "ResponseStream.done, Session.history",
    "output_modalities": _DONE,
    "max_output_tokens": _DONE,
    "metadata": "ResponseStream.metadata",
    "audio": _DONE,
    "audio.*": _DONE,
    "usage": "BidiUsageEvent",
    "usage.total_tokens": "BidiUsageEvent.total_tokens",
    "usage.input_tokens": "BidiUsageEvent.input_tokens",
    "usage.output_tokens": "BidiUsageEvent.output_tokens",
    "usage.input_token_details": "BidiUsageEvent.modality_details",
    "usage.input_token_details.text_tokens": "BidiUsageEvent.modality_details",
    "usage.input_token_details.audio_tokens": "BidiUsageEvent.modality_details",
    "usage.input_token_details.image_tokens": "BidiUsageEvent.modality_details",
    "usage.input_token_details.cached_tokens": "BidiUsageEvent.cache_read_input_tokens",
    "usage.input_token_details.cached_tokens_details": _DONE,
    "usage.input_token_details.cached_tokens_details.*": _DONE,
    "usage.output_token_details": "BidiUsageEvent.modality_details",
    "usage.output_token_details.text_tokens": "BidiUsageEvent.modality_details",
    "usage.output_token_details.audio_tokens": "BidiUsageEvent.modality_details",
}

# --- the service's side ---------------------------------------------------------------------------------------------


def events(name: str) -> list[str]:
    """Name the events of one of openai's unions, in alphabetical order."""
    union = getattr(realtime, name)
    union = get_args(union)[0] if get_origin(union) is Annotated else union
    return sorted(get_args(event.model_fields["type"].annotation)[0] for event in get_args(union))


def fields(name: str) -> list[str]:
    """Name the fields of one of openai's classes, those of objects in it by their path, in alphabetical order."""
    return sorted(set(_fields(getattr(realtime, name), "")))


def _fields(cls: type[BaseModel], path: str) -> Iterator[str]:
    for name, field in cls.model_fields.items():
        here = path + (field.alias or name)
        yield here
        for inner in _classes(field.annotation):
            yield from _fields(inner, here + ".")


def _classes(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    else:
        for argument in get_args(annotation):
            yield from _classes(argument)


def _only_told() -> list[str]:
    asked = set(fields("RealtimeSessionCreateRequest"))
    return [name for name in fields("RealtimeSessionCreateResponse") if name not in asked]


TABLES: Final[Mapping[str, tuple[list[str], Rows]]] = {
    "client-events": (events("RealtimeClientEvent"), CLIENT_EVENTS),
    "server-events": (events("RealtimeServerEvent"), SERVER_EVENTS),
    "session-fields": (fields("RealtimeSessionCreateRequest"), SESSION_FIELDS),
    "session-told-fields": (_only_told(), SESSION_TOLD_FIELDS),
    "response-request-fields": (fields("RealtimeResponseCreateParams"), RESPONSE_REQUEST_FIELDS),
    "response-fields": (fields("RealtimeResponse"), RESPONSE_FIELDS),
    "transcription-session-fields": (
        fields("RealtimeTranscriptionSessionCreateRequest"),
        TRANSCRIPTION_SESSION_FIELDS,
    ),
    "translation-client-events": (events("RealtimeTranslationClientEvent"), TRANSLATION_CLIENT_EVENTS),
    "translation-server-events": (events("RealtimeTranslationServerEvent"), TRANSLATION_SERVER_EVENTS),
    "translation-session-fields": (fields("RealtimeTranslationSession"), TRANSLATION_SESSION_FIELDS),
}
"""Each table: what the service has, and our rows for it."""


def served(rows: Rows, name: str) -> str:
    """Say what serves something of the service's; empty where nothing is said."""
    if name in rows:
        return rows[name]
    above = (key for key in rows if key.endswith(".*") and name.startswith(key[:-1]))
    return rows[max(above, key=len)] if any(name.startswith(key[:-1]) for key in rows if key.endswith(".*")) else ""


# --- where our side is described -----------------------------------------------------------------------------------

HOMES: Final = {
    "Session.input": "engine.session.input.SpokenInput",
    "Session.items": "engine.session.items.Items",
    "Session.responses": "engine.session.responses.Responses",
    "Session.mcp": "engine.session.mcp.McpServers",
    "Session.raw": "engine.raw.Raw",
    "TranslationSession.raw": "engine.raw.Raw",
    "ResponseStream": "engine.session.responses.ResponseStream",
}
"""What has verbs beside the sessions themselves, and where each is described."""

_ROOMS: Final = ("events", "session", "config", "errors", "wire.session", "protocol.statistics")


def target(name: str) -> str:
    """Give the full name of what describes one of our names: a verb itself, or the class of a field."""
    for home, described in HOMES.items():
        if name == home or name.startswith(home + "."):
            return described + name.removeprefix(home)
    first, _, verb = name.partition(".")
    room = next(room for room in _ROOMS if hasattr(importlib.import_module(f"engine.{room}"), first))
    return f"{_heir(first, verb)}.{verb}" if verb and room == "session" else f"engine.{room}.{first}"


def _heir(session: str, verb: str) -> str:
    """Name the class that has a verb: the session's own, or what it shares with others."""
    shared = [base for base in (SpeakingSession, BaseSession) if verb in vars(base)]
    if verb in vars(getattr(engine.session, session)) or not shared:
        return f"engine.session.{session}"
    return f"{shared[0].__module__}.{shared[0].__name__}"
