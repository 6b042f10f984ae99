"""Where the model's audio goes: to the inbox, and to whoever asked for it in real time."""

import trio

from engine.audio.pcm import base64_bytes
from engine.audio.playback import Playback
from engine.config import WIRE_FORMATS, AudioSettings
from engine.events import BidiAudioStreamEvent


class Speaker:
    """Hands the model's audio on, and notes what was handed to the application.

    Args:
        audio: Formats.
        clock: Told what was handed over.
    """

    def __init__(self, audio: AudioSettings, clock: Playback) -> None:
        self._clock = clock
        self._rate_hz = WIRE_FORMATS[audio.format][1]
        self._sample_bytes = 2 if audio.format == "pcm" else 1

    def taken(self, event: BidiAudioStreamEvent) -> None:
        """Note that the application has taken audio."""
        self._clock.delivered(event.item_id or "", self._samples(event), trio.current_time())

    def lost(self, event: BidiAudioStreamEvent) -> None:
        """Note that audio was dropped before the application took it."""
        self._clock.undelivered(event.item_id or "", self._samples(event))

    def _samples(self, event: BidiAudioStreamEvent) -> int:
        """Give the samples of an event as they were on the wire."""
        samples = base64_bytes(event.audio) // self._sample_bytes
        return samples if event.sample_rate == self._rate_hz else samples * self._rate_hz // event.sample_rate
