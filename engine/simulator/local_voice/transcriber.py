"""Writes down speech with pocketsphinx, offline: a grammar of cards first, a model of general English after it."""

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from engine.audio.extras import load
from engine.audio.pcm import PCM_RATE_HZ, silence
from engine.audio.resample import resample_pcm16
from engine.simulator.local_voice.cards import RANKS, SUITS
from engine.simulator.local_voice.shared import Shared

RATE_HZ: Final = 16_000
"""What the English model was trained on."""

STEP_BYTES: Final = 1600
"""Audio for one call of the recogniser, 50 ms. It holds Python's global lock during a call; this keeps that short."""

CARDS_MIN_SCORE: Final = -3.2
"""Mean log likelihood a frame (base e, relative to the best state) from which the card grammar is believed. Measured:
cards -1.2 to -2.4, also with noise 20 dB below them, and to -3.4 at 10 dB; other speech -3.5 and less, mostly -5."""

GRAMMAR: Final = f"""#JSGF V1.0;
grammar cards;
public <hand> = <card>+;
<card> = <rank> of <suit>;
<rank> = {" | ".join(RANKS)};
<suit> = {" | ".join(SUITS)};
"""

_SPELLED: Final = {"mr": "mister", "mrs": "missus"}


class Transcriber:
    """One recogniser with both searches. Not safe for two threads at once."""

    def __init__(self) -> None:
        # fwdflat off and bestpathlw 8: 12 wrong words of 70 instead of 18, in less time, on the demo's sentences.
        self._decoder: Any = load("pocketsphinx", "local").Decoder(loglevel="FATAL", fwdflat=False, bestpathlw=8.0)
        self._general: str = self._decoder.current_search()
        self._decoder.add_jsgf_string("cards", GRAMMAR)

    def transcribe(self, pcm: bytes) -> str:
        """Write down one turn.

        Args:
            pcm: PCM16 mono 24 kHz.

        Returns:
            Lower-case words; empty when nothing was understood.
        """
        audio = resample_pcm16(pcm, PCM_RATE_HZ, RATE_HZ)
        if not audio:
            return ""
        self._decoder.reinit_feat()  # forgets the voice and the room of earlier turns
        return self._hear_cards(audio) or self._hear_anything(audio)

    def _hear_cards(self, audio: bytes) -> str:
        words = self._decode("cards", [audio], full_utt=True)
        if not words or len(words.split()) % 3:
            return ""
        return words if self._score() >= CARDS_MIN_SCORE else ""

    def _hear_anything(self, audio: bytes) -> str:
        # The first pass took the audio whole and knows its cepstral mean; set so, this pass in steps trusts it.
        self._decoder.set_cmn(self._decoder.get_cmn(False))
        steps = (audio[at : at + STEP_BYTES] for at in range(0, len(audio), STEP_BYTES))
        words = self._decode(self._general, steps)
        return " ".join(_SPELLED.get(word, word) for word in words.split())

    def _decode(self, search: str, pieces: Iterable[bytes], *, full_utt: bool = False) -> str:
        decoder = self._decoder
        decoder.activate_search(search)
        decoder.start_utt()
        try:
            for piece in pieces:
                decoder.process_raw(piece, full_utt=full_utt)
        finally:
            decoder.end_utt()
        hypothesis = decoder.hyp()
        return str(hypothesis.hypstr) if hypothesis else ""

    def _score(self) -> float:
        spoken = [part for part in self._decoder.seg() if part.word.split("(")[0] in _VOCABULARY]
        frames: int = sum(part.end_frame - part.start_frame + 1 for part in spoken)
        return math.fsum(_log(part.ascore) for part in spoken) / max(1, frames)


def _log(likelihood: float) -> float:
    return math.log(likelihood) if likelihood > 0 else -math.inf


_VOCABULARY: Final = frozenset({*RANKS, *SUITS, "of"})

_transcriber: Final = Shared(Transcriber)


@lru_cache(maxsize=8)
def transcribe(pcm: bytes) -> str:
    """Write down one turn with the process's recogniser; see `Transcriber.transcribe`. Takes 0.15 s a second.

    The last few turns are remembered: the service's transcript and the answer ask for the same one.
    """
    with _transcriber.use() as model:
        return model.transcribe(pcm)


def warm_up() -> None:
    """Load the recogniser."""
    transcribe(silence(100))
