"""Where spoken turns begin and end: a small state machine over a speech detector's probabilities.

```
quiet --speech for onset_ms--> speaking     start = onset - prefix padding
speaking --silence for silence_ms--> quiet  end = onset of the silence + silence_ms
```
"""

import enum
from typing import Any

import attrs

from engine.simulator.input_buffer import SAMPLES_PER_MS
from engine.simulator.responder import SpeechDetector
from engine.simulator.settings import SimulatorSettings


class Edge(enum.Enum):
    """What happens to a turn."""

    STARTED = "started"
    STOPPED = "stopped"


@attrs.frozen
class Tuning:
    """When speech counts.

    Attributes:
        threshold: Probability from which a window is speech.
        prefix_samples: Audio before the onset that belongs to the turn.
        silence_samples: Silence that ends the turn.
        onset_samples: Speech that must last this long to begin one.
    """

    threshold: float
    prefix_samples: int
    silence_samples: int
    onset_samples: int


def tuning(detection: dict[str, Any], settings: SimulatorSettings) -> Tuning:
    """Read a session's `turn_detection` object."""
    semantic = detection["type"] == "semantic_vad"
    silence_ms = settings.semantic_silence_ms[detection["eagerness"]] if semantic else detection["silence_duration_ms"]
    return Tuning(
        threshold=detection.get("threshold", 0.5),
        prefix_samples=detection.get("prefix_padding_ms", 300) * SAMPLES_PER_MS,
        silence_samples=silence_ms * SAMPLES_PER_MS,
        onset_samples=round(settings.onset_ms * SAMPLES_PER_MS),
    )


class TurnFinder:
    """Finds turns in the audio that is pushed.

    Args:
        detector: The ear.
        tuning: When speech counts.
        position: Where the next audio stands, in samples since the session began.
    """

    def __init__(self, detector: SpeechDetector, tuning: Tuning, position: int) -> None:
        self._detector = detector
        self._tuning = tuning
        self._earliest = position
        self._position = position
        self._since = position  # where the speech (while quiet) or the silence (while speaking) began
        self.speaking = False
        detector.reset()

    def push(self, pcm: bytes) -> list[tuple[Edge, int]]:
        """Hear audio.

        Returns:
            What happened, with positions in samples: a start has its padding, an end its silence.
        """
        edges: list[tuple[Edge, int]] = []
        for samples, probability in self._detector.push(pcm):
            self._position += samples
            if (probability >= self._tuning.threshold) == self.speaking:
                self._since = self._position
                continue
            edge = self._edge()
            if edge is not None:
                edges.append(edge)
        return edges

    def _edge(self) -> tuple[Edge, int] | None:
        since = self._since
        lasted = self._position - since
        if not self.speaking and lasted >= self._tuning.onset_samples:
            self.speaking, self._since = True, self._position
            return Edge.STARTED, max(self._earliest, since - self._tuning.prefix_samples)
        if self.speaking and lasted >= self._tuning.silence_samples:
            self.speaking = False
            self._since = self._position
            self._earliest = since + self._tuning.silence_samples
            return Edge.STOPPED, self._earliest
        return None
