"""Recordings of a session: every message both ways, one JSON object a line, for looking at and for playing again."""

from engine.recording.files import read_recording
from engine.recording.format import Direction, End, Entry, Header, LinkRecord, Loss, Recording
from engine.recording.recorder import Recorder, RecorderStatistics
from engine.recording.reduction import AudioKept

__all__ = [
    "AudioKept",
    "Direction",
    "End",
    "Entry",
    "Header",
    "LinkRecord",
    "Loss",
    "Recorder",
    "RecorderStatistics",
    "Recording",
    "read_recording",
]
