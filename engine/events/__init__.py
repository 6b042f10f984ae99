"""The contract's events: what an application sends to a session and receives from it.

Frozen, typed, and readable as the JSON objects of the contract as well: `event["type"]`, `event.get("text")`,
`"text" in event`, `event.as_dict()`. Names and fields are those of the session contract; identity of the service's
objects (`response_id`, `item_id`, `content_index`, `event_id`, `received_at`) is on the attributes of output events
and is never part of the JSON form.

`repr` shows no words, sounds, pictures, arguments or results: it ends in logs.
"""

from engine.events.connection import (
    BidiConnectionCloseEvent,
    BidiConnectionRestartEvent,
    BidiConnectionStartEvent,
    BidiConnectionWarningEvent,
    RestartReason,
)
from engine.events.inputs import (
    BidiAudioInputEvent,
    BidiImageInputEvent,
    BidiInputEvent,
    BidiTextInputEvent,
    SessionInput,
    ToolResultEvent,
)
from engine.events.listening import (
    ListeningEvent,
    SpeechCommittedEvent,
    SpeechStartedEvent,
    SpeechStoppedEvent,
    TranscriptEvent,
    TranslatedAudioEvent,
    TranslationTextEvent,
)
from engine.events.mcp import McpApprovalRequestEvent, McpCallEvent, McpToolsEvent
from engine.events.outputs import (
    BidiAudioStreamEvent,
    BidiErrorEvent,
    BidiInterruptionEvent,
    BidiOutputEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    BidiTranscriptStreamEvent,
    BidiUsageEvent,
    TextSoFar,
    ToolUseStreamEvent,
)
from engine.events.words import CloseReason, Role, StopReason

__all__ = [
    "BidiAudioInputEvent",
    "BidiAudioStreamEvent",
    "BidiConnectionCloseEvent",
    "BidiConnectionRestartEvent",
    "BidiConnectionStartEvent",
    "BidiConnectionWarningEvent",
    "BidiErrorEvent",
    "BidiImageInputEvent",
    "BidiInputEvent",
    "BidiInterruptionEvent",
    "BidiOutputEvent",
    "BidiResponseCompleteEvent",
    "BidiResponseStartEvent",
    "BidiTextInputEvent",
    "BidiTranscriptStreamEvent",
    "BidiUsageEvent",
    "CloseReason",
    "ListeningEvent",
    "McpApprovalRequestEvent",
    "McpCallEvent",
    "McpToolsEvent",
    "RestartReason",
    "Role",
    "SessionInput",
    "SpeechCommittedEvent",
    "SpeechStartedEvent",
    "SpeechStoppedEvent",
    "StopReason",
    "TextSoFar",
    "ToolResultEvent",
    "ToolUseStreamEvent",
    "TranscriptEvent",
    "TranslatedAudioEvent",
    "TranslationTextEvent",
]
