"""Settings: what the session is (`SessionConfig`), whom it talks to (`ClientSettings`), how it runs (`EngineSettings`).

All are frozen and checked when they are made: a wrong value fails with its field, the value and what is allowed,
before any connection.
"""

from engine.config.audio import WIRE_FORMATS, AudioSettings
from engine.config.client import DEFAULT_BASE_URL, ClientSettings, Key, is_loopback
from engine.config.engine import EngineSettings, InboxOverflow, InputOverflow, OnTimeout
from engine.config.listening import TranscriptionConfig, TranslationConfig
from engine.config.reconnect import Reconnect
from engine.config.session import (
    DEFAULT_INSTRUCTIONS,
    DEFAULT_MODEL,
    DEFAULT_TRANSCRIPTION,
    DEFAULT_TURN_DETECTION,
    SessionConfig,
)
from engine.config.values import Prompt, RetentionRatio, Tracing

__all__ = [
    "DEFAULT_BASE_URL",
    "DEFAULT_INSTRUCTIONS",
    "DEFAULT_MODEL",
    "DEFAULT_TRANSCRIPTION",
    "DEFAULT_TURN_DETECTION",
    "WIRE_FORMATS",
    "AudioSettings",
    "ClientSettings",
    "EngineSettings",
    "InboxOverflow",
    "InputOverflow",
    "Key",
    "OnTimeout",
    "Prompt",
    "Reconnect",
    "RetentionRatio",
    "SessionConfig",
    "Tracing",
    "TranscriptionConfig",
    "TranslationConfig",
    "is_loopback",
]
