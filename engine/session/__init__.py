"""Sessions: talks, transcriptions and translations, from begin to end, over as many connections as it takes."""

from engine.session.opening import open_session, open_transcription, open_translation
from engine.session.session import Session
from engine.session.statistics import SessionStatistics
from engine.session.supervisor import Spawn
from engine.session.transcription import TranscriptionSession
from engine.session.translation import TranslationSession

__all__ = [
    "Session",
    "SessionStatistics",
    "Spawn",
    "TranscriptionSession",
    "TranslationSession",
    "open_session",
    "open_transcription",
    "open_translation",
]
