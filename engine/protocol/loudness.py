"""Whether somebody may have begun to speak, before the service has heard it: by loudness alone."""

import math
from collections.abc import Sequence
from typing import Final

from engine.audio import g711
from engine.audio.pcm import level_dbfs
from engine.audio.shape import AudioShape

LISTEN_S: Final = 0.8
"""How far back it is listened: the service hears a turn some 0.3 to 0.5 s after it began, and has to say so."""

LOUD_DBFS: Final = -45.0
"""From here on it may be speech; quiet rooms and headsets are below it."""

NOISE_S: Final = 3.0
"""What has been loud for so long without the service hearing anybody is noise."""


class Loudness:
    """Listens to what was sent.

    Args:
        shape: Its shape on the wire.
    """

    __slots__ = ("_loud_since", "_shape")

    def __init__(self, shape: AudioShape) -> None:
        self._shape = shape
        self._loud_since = math.inf

    def forget(self) -> None:
        """Listen anew: what was loud before is no noise, as somebody has spoken since."""
        self._loud_since = math.inf

    def may_be_speech(self, pieces: Sequence[bytes], now: float) -> bool:
        """Tell whether the last of the audio is loud, and has not been so for long.

        Args:
            pieces: What was sent in the last `LISTEN_S`.
            now: The time. To be asked again and again while it matters.
        """
        if not any(level_dbfs(self._pcm(piece)) > LOUD_DBFS for piece in pieces):
            self._loud_since = math.inf
            return False
        self._loud_since = min(self._loud_since, now)
        return now < self._loud_since + NOISE_S

    def _pcm(self, piece: bytes) -> bytes:
        match self._shape.encoding:
            case "pcmu":
                return g711.decode(g711.mu_law(), piece)
            case "pcma":
                return g711.decode(g711.a_law(), piece)
            case _:
                return piece[: len(piece) // 2 * 2]
