"""A session engine for OpenAI's Realtime API, native to Trio: voice conversations over one WebSocket.

Open a session for the length of a block with `open_session`, or use the four verbs of `BidiOpenAIRealtimeModel`.
"""

from engine.config import AudioSettings, ClientSettings, EngineSettings, SessionConfig
from engine.errors import (
    AlreadyStarted,
    BidiModelTimeoutError,
    ConfigError,
    ConnectionLost,
    DeadlinePassed,
    EngineError,
    HandshakeRejected,
    LimitExceeded,
    LocalMisuse,
    NotStarted,
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
    ToolResultEvent,
    ToolUseStreamEvent,
)
from engine.facade import BidiOpenAIRealtimeModel
from engine.limits import OPENAI_MAX_TIMEOUT_S
from engine.raw import RawEvent
from engine.session import Session, SessionStatistics, open_session
from engine.wire.session import Transcription, TurnDetection

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
    "ClientSettings",
    "ConfigError",
    "ConnectionLost",
    "DeadlinePassed",
    "EngineError",
    "EngineSettings",
    "HandshakeRejected",
    "LimitExceeded",
    "LocalMisuse",
    "NotStarted",
    "RawEvent",
    "RemoteViolation",
    "ServerReported",
    "Session",
    "SessionConfig",
    "SessionEnded",
    "SessionStatistics",
    "ToolResultEvent",
    "ToolUseStreamEvent",
    "Transcription",
    "TurnDetection",
    "UnsupportedContent",
    "open_session",
]
