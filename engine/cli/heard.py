"""What a talk leaves: the agent's voice."""

import attrs

from engine.audio.pcm import bytes_to_ms


@attrs.define
class Heard:
    """What was heard of the agent.

    Attributes:
        pcm: PCM16 mono 24 kHz; with a recording in step with it, so with silence in it.
        voice_ms: How much of it is the agent's voice.
    """

    pcm: bytearray = attrs.field(factory=bytearray)
    voice_ms: float = 0.0

    def add(self, pcm: bytes) -> None:
        """Take more of the voice."""
        self.pcm += pcm
        self.voice_ms += bytes_to_ms(len(pcm))
