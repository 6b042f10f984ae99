"""The 46 events that the service may send, and one for those that this version does not know."""

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from engine.wire.items import Content, Item
from engine.wire.record import Record
from engine.wire.response import ErrorDetails, Response
from engine.wire.session import Session


@attrs.frozen(kw_only=True)
class RateLimit(Record):
    """One of the account's limits: `requests` or `tokens`."""

    name: str | None = None
    limit: int | None = None
    remaining: int | None = None
    reset_seconds: float | None = None


@attrs.frozen(kw_only=True)
class TranscriptionUsage(Record):
    """What a transcription took: tokens, or `seconds` of audio, by model."""

    type: str | None = None
    seconds: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    input_token_details: Mapping[str, Any] | None = None


@attrs.frozen(kw_only=True)
class ServerEventBase(Record):
    """What all server events share."""

    event_id: str | None = None


@attrs.frozen(kw_only=True)
class UnknownServerEvent(ServerEventBase):
    """An event of a type that this version does not know, kept whole: its fields are in `extra`."""

    type: str


@attrs.frozen(kw_only=True)
class ItemEvent(ServerEventBase):
    """About one item."""

    item_id: str


@attrs.frozen(kw_only=True)
class PlacedItemEvent(ServerEventBase):
    """An item and the one before it."""

    item: Item
    previous_item_id: str | None = None


@attrs.frozen(kw_only=True)
class ResponseEvent(ServerEventBase):
    """About one response."""

    response_id: str


@attrs.frozen(kw_only=True)
class OutputEvent(ResponseEvent):
    """About one item of a response."""

    item_id: str
    output_index: int


@attrs.frozen(kw_only=True)
class ContentEvent(OutputEvent):
    """About one piece of content of an item of a response."""

    content_index: int


# Session


@attrs.frozen(kw_only=True)
class SessionCreated(ServerEventBase):
    """The first event of a good connection."""

    tag: ClassVar[str] = "session.created"
    session: Session


@attrs.frozen(kw_only=True)
class SessionUpdated(ServerEventBase):
    """The answer to `session.update`: the whole effective session."""

    tag: ClassVar[str] = "session.updated"
    session: Session


@attrs.frozen(kw_only=True)
class ConversationCreated(ServerEventBase):
    """A conversation exists; defined, but not seen on the service."""

    tag: ClassVar[str] = "conversation.created"
    conversation: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class ErrorReported(ServerEventBase):
    """Something that the client sent was refused, or the service failed."""

    tag: ClassVar[str] = "error"
    error: ErrorDetails


@attrs.frozen(kw_only=True)
class RateLimitsUpdated(ServerEventBase):
    """What is left of the account's limits."""

    tag: ClassVar[str] = "rate_limits.updated"
    rate_limits: tuple[RateLimit, ...]


# Input buffer


@attrs.frozen(kw_only=True)
class InputAudioBufferSpeechStarted(ItemEvent):
    """The user starts to speak, at `audio_start_ms` of all audio ever appended."""

    tag: ClassVar[str] = "input_audio_buffer.speech_started"
    audio_start_ms: int | None = None


@attrs.frozen(kw_only=True)
class InputAudioBufferSpeechStopped(ItemEvent):
    """The user has stopped, at `audio_end_ms` of all audio ever appended."""

    tag: ClassVar[str] = "input_audio_buffer.speech_stopped"
    audio_end_ms: int | None = None


@attrs.frozen(kw_only=True)
class InputAudioBufferCommitted(ItemEvent):
    """The input buffer became a user item."""

    tag: ClassVar[str] = "input_audio_buffer.committed"
    previous_item_id: str | None = None


@attrs.frozen(kw_only=True)
class InputAudioBufferCleared(ServerEventBase):
    """The input buffer is empty."""

    tag: ClassVar[str] = "input_audio_buffer.cleared"


@attrs.frozen(kw_only=True)
class InputAudioBufferTimeoutTriggered(ItemEvent):
    """Nobody spoke for `idle_timeout_ms`; the silence becomes a user item."""

    tag: ClassVar[str] = "input_audio_buffer.timeout_triggered"
    audio_start_ms: int
    audio_end_ms: int


@attrs.frozen(kw_only=True)
class InputAudioBufferDtmfEventReceived(ServerEventBase):
    """A telephone key was pressed; SIP only."""

    tag: ClassVar[str] = "input_audio_buffer.dtmf_event_received"
    event: str
    received_at: int


# Conversation


@attrs.frozen(kw_only=True)
class ConversationItemAdded(PlacedItemEvent):
    """An item joined the conversation, possibly still in progress."""

    tag: ClassVar[str] = "conversation.item.added"


@attrs.frozen(kw_only=True)
class ConversationItemDone(PlacedItemEvent):
    """An item is final."""

    tag: ClassVar[str] = "conversation.item.done"


@attrs.frozen(kw_only=True)
class ConversationItemCreated(PlacedItemEvent):
    """The older name of `conversation.item.added`."""

    tag: ClassVar[str] = "conversation.item.created"


@attrs.frozen(kw_only=True)
class ConversationItemRetrieved(ServerEventBase):
    """The answer to `conversation.item.retrieve`: the item with its audio."""

    tag: ClassVar[str] = "conversation.item.retrieved"
    item: Item


@attrs.frozen(kw_only=True)
class ConversationItemTruncated(ItemEvent):
    """The item's audio ends at `audio_end_ms` now, and its transcript is gone."""

    tag: ClassVar[str] = "conversation.item.truncated"
    content_index: int
    audio_end_ms: int


@attrs.frozen(kw_only=True)
class ConversationItemDeleted(ItemEvent):
    """The item is gone."""

    tag: ClassVar[str] = "conversation.item.deleted"


@attrs.frozen(kw_only=True)
class ConversationItemInputAudioTranscriptionDelta(ItemEvent):
    """A piece of what the user said."""

    tag: ClassVar[str] = "conversation.item.input_audio_transcription.delta"
    content_index: int | None = None
    delta: str | None = None
    logprobs: tuple[Any, ...] | None = None
    obfuscation: str | None = None


@attrs.frozen(kw_only=True)
class ConversationItemInputAudioTranscriptionCompleted(ItemEvent):
    """All that the user said in an item."""

    tag: ClassVar[str] = "conversation.item.input_audio_transcription.completed"
    content_index: int
    transcript: str
    usage: TranscriptionUsage | None = None
    languages: tuple[Any, ...] | None = None
    logprobs: tuple[Any, ...] | None = None


@attrs.frozen(kw_only=True)
class ConversationItemInputAudioTranscriptionFailed(ItemEvent):
    """An item could not be transcribed."""

    tag: ClassVar[str] = "conversation.item.input_audio_transcription.failed"
    content_index: int
    error: ErrorDetails


@attrs.frozen(kw_only=True)
class ConversationItemInputAudioTranscriptionSegment(ItemEvent):
    """A part of an item with its speaker; `start` and `end` in seconds."""

    tag: ClassVar[str] = "conversation.item.input_audio_transcription.segment"
    id: str
    content_index: int
    text: str
    speaker: str
    start: float
    end: float


# Response


@attrs.frozen(kw_only=True)
class ResponseCreated(ServerEventBase):
    """A response begins."""

    tag: ClassVar[str] = "response.created"
    response: Response


@attrs.frozen(kw_only=True)
class ResponseDone(ServerEventBase):
    """A response is over, whatever its status."""

    tag: ClassVar[str] = "response.done"
    response: Response


@attrs.frozen(kw_only=True)
class ResponseOutputItemAdded(ResponseEvent):
    """The response starts an item."""

    tag: ClassVar[str] = "response.output_item.added"
    output_index: int
    item: Item


@attrs.frozen(kw_only=True)
class ResponseOutputItemDone(ResponseEvent):
    """An item of the response is final."""

    tag: ClassVar[str] = "response.output_item.done"
    output_index: int
    item: Item


@attrs.frozen(kw_only=True)
class ResponseContentPartAdded(ContentEvent):
    """The item starts a piece of content."""

    tag: ClassVar[str] = "response.content_part.added"
    part: Content


@attrs.frozen(kw_only=True)
class ResponseContentPartDone(ContentEvent):
    """A piece of content is final."""

    tag: ClassVar[str] = "response.content_part.done"
    part: Content


@attrs.frozen(kw_only=True)
class ResponseOutputTextDelta(ContentEvent):
    """A piece of written answer."""

    tag: ClassVar[str] = "response.output_text.delta"
    delta: str
    obfuscation: str | None = None


@attrs.frozen(kw_only=True)
class ResponseOutputTextDone(ContentEvent):
    """A whole written answer."""

    tag: ClassVar[str] = "response.output_text.done"
    text: str


@attrs.frozen(kw_only=True)
class ResponseOutputAudioTranscriptDelta(ContentEvent):
    """A piece of the words that are spoken."""

    tag: ClassVar[str] = "response.output_audio_transcript.delta"
    delta: str
    obfuscation: str | None = None


@attrs.frozen(kw_only=True)
class ResponseOutputAudioTranscriptDone(ContentEvent):
    """All the words that were spoken."""

    tag: ClassVar[str] = "response.output_audio_transcript.done"
    transcript: str


@attrs.frozen(kw_only=True)
class ResponseOutputAudioDelta(ContentEvent):
    """A piece of speech: base64 text in the session's output format."""

    tag: ClassVar[str] = "response.output_audio.delta"
    delta: str = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class ResponseOutputAudioDone(ContentEvent):
    """No more speech in this piece of content."""

    tag: ClassVar[str] = "response.output_audio.done"


@attrs.frozen(kw_only=True)
class ResponseFunctionCallArgumentsDelta(OutputEvent):
    """A piece of a call's arguments."""

    tag: ClassVar[str] = "response.function_call_arguments.delta"
    call_id: str
    delta: str
    obfuscation: str | None = None


@attrs.frozen(kw_only=True)
class ResponseFunctionCallArgumentsDone(OutputEvent):
    """A call's arguments, whole."""

    tag: ClassVar[str] = "response.function_call_arguments.done"
    call_id: str
    arguments: str
    name: str | None = None


# MCP


@attrs.frozen(kw_only=True)
class McpListToolsInProgress(ItemEvent):
    """The service asks an MCP server for its tools."""

    tag: ClassVar[str] = "mcp_list_tools.in_progress"


@attrs.frozen(kw_only=True)
class McpListToolsCompleted(ItemEvent):
    """An MCP server's tools are known."""

    tag: ClassVar[str] = "mcp_list_tools.completed"


@attrs.frozen(kw_only=True)
class McpListToolsFailed(ItemEvent):
    """An MCP server's tools could not be listed."""

    tag: ClassVar[str] = "mcp_list_tools.failed"


@attrs.frozen(kw_only=True)
class ResponseMcpCallArgumentsDelta(OutputEvent):
    """A piece of an MCP call's arguments."""

    tag: ClassVar[str] = "response.mcp_call_arguments.delta"
    delta: str
    obfuscation: str | None = None


@attrs.frozen(kw_only=True)
class ResponseMcpCallArgumentsDone(OutputEvent):
    """An MCP call's arguments, whole."""

    tag: ClassVar[str] = "response.mcp_call_arguments.done"
    arguments: str


@attrs.frozen(kw_only=True)
class ResponseMcpCallInProgress(ItemEvent):
    """An MCP call runs."""

    tag: ClassVar[str] = "response.mcp_call.in_progress"
    output_index: int


@attrs.frozen(kw_only=True)
class ResponseMcpCallCompleted(ItemEvent):
    """An MCP call gave a result."""

    tag: ClassVar[str] = "response.mcp_call.completed"
    output_index: int


@attrs.frozen(kw_only=True)
class ResponseMcpCallFailed(ItemEvent):
    """An MCP call failed."""

    tag: ClassVar[str] = "response.mcp_call.failed"
    output_index: int


# WebRTC and SIP only


@attrs.frozen(kw_only=True)
class OutputAudioBufferStarted(ResponseEvent):
    """The response's audio starts to play."""

    tag: ClassVar[str] = "output_audio_buffer.started"


@attrs.frozen(kw_only=True)
class OutputAudioBufferStopped(ResponseEvent):
    """The response's audio was played to its end."""

    tag: ClassVar[str] = "output_audio_buffer.stopped"


@attrs.frozen(kw_only=True)
class OutputAudioBufferCleared(ResponseEvent):
    """The response's audio was cut off."""

    tag: ClassVar[str] = "output_audio_buffer.cleared"


ServerEvent = (
    SessionCreated
    | SessionUpdated
    | ConversationCreated
    | ErrorReported
    | RateLimitsUpdated
    | InputAudioBufferSpeechStarted
    | InputAudioBufferSpeechStopped
    | InputAudioBufferCommitted
    | InputAudioBufferCleared
    | InputAudioBufferTimeoutTriggered
    | InputAudioBufferDtmfEventReceived
    | ConversationItemAdded
    | ConversationItemDone
    | ConversationItemCreated
    | ConversationItemRetrieved
    | ConversationItemTruncated
    | ConversationItemDeleted
    | ConversationItemInputAudioTranscriptionDelta
    | ConversationItemInputAudioTranscriptionCompleted
    | ConversationItemInputAudioTranscriptionFailed
    | ConversationItemInputAudioTranscriptionSegment
    | ResponseCreated
    | ResponseDone
    | ResponseOutputItemAdded
    | ResponseOutputItemDone
    | ResponseContentPartAdded
    | ResponseContentPartDone
    | ResponseOutputTextDelta
    | ResponseOutputTextDone
    | ResponseOutputAudioTranscriptDelta
    | ResponseOutputAudioTranscriptDone
    | ResponseOutputAudioDelta
    | ResponseOutputAudioDone
    | ResponseFunctionCallArgumentsDelta
    | ResponseFunctionCallArgumentsDone
    | McpListToolsInProgress
    | McpListToolsCompleted
    | McpListToolsFailed
    | ResponseMcpCallArgumentsDelta
    | ResponseMcpCallArgumentsDone
    | ResponseMcpCallInProgress
    | ResponseMcpCallCompleted
    | ResponseMcpCallFailed
    | OutputAudioBufferStarted
    | OutputAudioBufferStopped
    | OutputAudioBufferCleared
    | UnknownServerEvent
)


SERVER_CLASSES: dict[str, type[ServerEventBase]] = {
    cls.tag: cls
    for cls in (
        SessionCreated,
        SessionUpdated,
        ConversationCreated,
        ErrorReported,
        RateLimitsUpdated,
        InputAudioBufferSpeechStarted,
        InputAudioBufferSpeechStopped,
        InputAudioBufferCommitted,
        InputAudioBufferCleared,
        InputAudioBufferTimeoutTriggered,
        InputAudioBufferDtmfEventReceived,
        ConversationItemAdded,
        ConversationItemDone,
        ConversationItemCreated,
        ConversationItemRetrieved,
        ConversationItemTruncated,
        ConversationItemDeleted,
        ConversationItemInputAudioTranscriptionDelta,
        ConversationItemInputAudioTranscriptionCompleted,
        ConversationItemInputAudioTranscriptionFailed,
        ConversationItemInputAudioTranscriptionSegment,
        ResponseCreated,
        ResponseDone,
        ResponseOutputItemAdded,
        ResponseOutputItemDone,
        ResponseContentPartAdded,
        ResponseContentPartDone,
        ResponseOutputTextDelta,
        ResponseOutputTextDone,
        ResponseOutputAudioTranscriptDelta,
        ResponseOutputAudioTranscriptDone,
        ResponseOutputAudioDelta,
        ResponseOutputAudioDone,
        ResponseFunctionCallArgumentsDelta,
        ResponseFunctionCallArgumentsDone,
        McpListToolsInProgress,
        McpListToolsCompleted,
        McpListToolsFailed,
        ResponseMcpCallArgumentsDelta,
        ResponseMcpCallArgumentsDone,
        ResponseMcpCallInProgress,
        ResponseMcpCallCompleted,
        ResponseMcpCallFailed,
        OutputAudioBufferStarted,
        OutputAudioBufferStopped,
        OutputAudioBufferCleared,
    )
}
