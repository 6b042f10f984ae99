"""A session engine for OpenAI's Realtime API, native to Trio: voice conversations over one WebSocket.

Open a session for the length of a block with `open_session`, or use the four verbs of `BidiOpenAIRealtimeModel`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from engine.config import (
        AudioSettings,
        ClientSettings,
        EngineSettings,
        Prompt,
        Reconnect,
        RetentionRatio,
        SessionConfig,
        Tracing,
        TranscriptionConfig,
        TranslationConfig,
    )
    from engine.errors import (
        AlreadyStarted,
        BidiModelTimeoutError,
        CertificateRefused,
        ConfigError,
        ConnectionLost,
        DeadlinePassed,
        DeviceLost,
        EngineError,
        HandshakeRejected,
        LimitExceeded,
        LocalMisuse,
        NotStarted,
        ProxyRefused,
        RecordingFailed,
        RemoteViolation,
        ServerReported,
        SessionEnded,
        UnsupportedContent,
    )
    from engine.events import (
        BidiAudioInputEvent,
        BidiAudioStreamEvent,
        BidiConnectionCloseEvent,
        BidiConnectionRestartEvent,
        BidiConnectionStartEvent,
        BidiConnectionWarningEvent,
        BidiErrorEvent,
        BidiImageInputEvent,
        BidiInputEvent,
        BidiInterruptionEvent,
        BidiOutputEvent,
        BidiResponseCompleteEvent,
        BidiResponseStartEvent,
        BidiTextInputEvent,
        BidiTranscriptStreamEvent,
        BidiUsageEvent,
        McpApprovalRequestEvent,
        McpCallEvent,
        McpToolsEvent,
        SpeechCommittedEvent,
        SpeechStartedEvent,
        SpeechStoppedEvent,
        ToolResultEvent,
        ToolUseStreamEvent,
        TranscriptEvent,
        TranslatedAudioEvent,
        TranslationTextEvent,
    )
    from engine.facade import BidiOpenAIRealtimeModel
    from engine.hosts import open_session, open_transcription, open_translation
    from engine.limits import OPENAI_MAX_TIMEOUT_S
    from engine.raw import RawEvent
    from engine.session import (
        Session,
        SessionStatistics,
        TranscriptionSession,
        TranslationSession,
    )
    from engine.wire.session import NoiseReduction, Transcription, TurnDetection

__version__ = "0.1.0"

__all__ = [
    "OPENAI_MAX_TIMEOUT_S",
    "AlreadyStarted",
    "AudioSettings",
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
    "BidiModelTimeoutError",
    "BidiOpenAIRealtimeModel",
    "BidiOutputEvent",
    "BidiResponseCompleteEvent",
    "BidiResponseStartEvent",
    "BidiTextInputEvent",
    "BidiTranscriptStreamEvent",
    "BidiUsageEvent",
    "CertificateRefused",
    "ClientSettings",
    "ConfigError",
    "ConnectionLost",
    "DeadlinePassed",
    "DeviceLost",
    "EngineError",
    "EngineSettings",
    "HandshakeRejected",
    "LimitExceeded",
    "LocalMisuse",
    "McpApprovalRequestEvent",
    "McpCallEvent",
    "McpToolsEvent",
    "NoiseReduction",
    "NotStarted",
    "Prompt",
    "ProxyRefused",
    "RawEvent",
    "Reconnect",
    "RecordingFailed",
    "RemoteViolation",
    "RetentionRatio",
    "ServerReported",
    "Session",
    "SessionConfig",
    "SessionEnded",
    "SessionStatistics",
    "SpeechCommittedEvent",
    "SpeechStartedEvent",
    "SpeechStoppedEvent",
    "ToolResultEvent",
    "ToolUseStreamEvent",
    "Tracing",
    "TranscriptEvent",
    "Transcription",
    "TranscriptionConfig",
    "TranscriptionSession",
    "TranslatedAudioEvent",
    "TranslationConfig",
    "TranslationSession",
    "TranslationTextEvent",
    "TurnDetection",
    "UnsupportedContent",
    "open_session",
    "open_transcription",
    "open_translation",
]

_MODULES: Final = {
    "engine.config": (
        "AudioSettings ClientSettings EngineSettings Prompt Reconnect RetentionRatio SessionConfig "
        "Tracing TranscriptionConfig TranslationConfig"
    ),
    "engine.errors": (
        "AlreadyStarted BidiModelTimeoutError CertificateRefused ConfigError ConnectionLost "
        "DeadlinePassed DeviceLost EngineError HandshakeRejected LimitExceeded LocalMisuse NotStarted "
        "ProxyRefused RecordingFailed RemoteViolation ServerReported SessionEnded UnsupportedContent"
    ),
    "engine.events": (
        "BidiAudioInputEvent BidiAudioStreamEvent BidiConnectionCloseEvent BidiConnectionRestartEvent "
        "BidiConnectionStartEvent BidiConnectionWarningEvent BidiErrorEvent BidiImageInputEvent "
        "BidiInputEvent BidiInterruptionEvent BidiOutputEvent BidiResponseCompleteEvent "
        "BidiResponseStartEvent BidiTextInputEvent BidiTranscriptStreamEvent BidiUsageEvent "
        "McpApprovalRequestEvent McpCallEvent McpToolsEvent SpeechCommittedEvent SpeechStartedEvent "
        "SpeechStoppedEvent ToolResultEvent ToolUseStreamEvent TranscriptEvent TranslatedAudioEvent "
        "TranslationTextEvent"
    ),
    "engine.facade": "BidiOpenAIRealtimeModel",
    "engine.hosts": "open_session open_transcription open_translation",
    "engine.limits": "OPENAI_MAX_TIMEOUT_S",
    "engine.raw": "RawEvent",
    "engine.session": "Session SessionStatistics TranscriptionSession TranslationSession",
    "engine.wire.session": "NoiseReduction Transcription TurnDetection",
}
"""Where the names come from. Each module is imported when the first of its names is asked for: who opens talks alone
does not wait for translations."""

_ROOMS: Final = frozenset({"config", "errors", "events", "facade", "hosts", "limits", "raw", "session", "wire"})
"""Modules that are there as attributes, too, as they would be had they been imported."""

_WHERE: Final = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    module = _WHERE.get(name)
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(module), name)
    globals()[name] = value  # Asked for again, it is there.
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
