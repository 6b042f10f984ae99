"""What callers say, as PCM16 mono 24 kHz: sound files, and words for the local voice; read once, shared by calls."""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final

import attrs

from engine.audio.extras import load
from engine.audio.files import read_pcm16
from engine.audio.pcm import PCM_RATE_HZ, SAMPLE_BYTES, bytes_to_ms
from engine.errors import ConfigError, LimitExceeded
from engine.farm.caller.threads import in_thread
from engine.farm.plan.model import SOUND_SUFFIXES

SPEECH_MAX_S: Final = 600.0
"""Longest sound file that a caller says at a time: 29 MB. Nobody speaks so long without an answer."""

SPEECH_CACHE_MAX_BYTES: Final = 256 * 2**20
"""What one process keeps of decoded speech, 93 minutes; what was used longest ago goes first, and is read again."""

_WINDOW_SAMPLES: Final = PCM_RATE_HZ // 50
_VOICED: Final = 10 ** (-50 / 20) * 32768
"""Windows of 20 ms that are louder than -50 dBFS count as speech."""


@attrs.frozen(eq=False)
class Speech:
    """Something to say.

    Attributes:
        pcm: PCM16 mono 24 kHz.
        voiced_ms: Where the last sound ends; what follows is silence.
        words: That are said, where they are known.
    """

    pcm: bytes = attrs.field(repr=False)
    voiced_ms: float
    words: str | None = attrs.field(default=None, repr=False)

    @property
    def length_ms(self) -> float:
        """All of it."""
        return bytes_to_ms(len(self.pcm))


def is_sound_file(say: str) -> bool:
    """Tell whether what is to be said names a file."""
    return say.lower().endswith(SOUND_SUFFIXES)


def measured(pcm: bytes, words: str | None = None) -> Speech:
    """Make speech of samples."""
    numpy: Any = load("numpy", "audio")
    samples = numpy.frombuffer(pcm, dtype="<i2").astype(numpy.float32)
    windows = len(samples) // _WINDOW_SAMPLES
    levels = numpy.sqrt((samples[: windows * _WINDOW_SAMPLES].reshape(windows, _WINDOW_SAMPLES) ** 2).mean(axis=1))
    loud = (levels > _VOICED).nonzero()[0]
    voiced = (int(loud[-1]) + 1) * _WINDOW_SAMPLES if len(loud) else 0
    return Speech(pcm, voiced * 1000 / PCM_RATE_HZ, words)


class SpeechCache:
    """Speech by what it is made of. Its methods block, and may be called from several threads at once.

    Args:
        max_bytes: What it keeps.
    """

    def __init__(self, max_bytes: int = SPEECH_CACHE_MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[tuple[str, ...], Speech] = OrderedDict()
        self._bytes = 0
        self._making: dict[tuple[str, ...], threading.Lock] = {}
        self._lock = threading.Lock()

    def find(self, folder: str, say: str) -> Speech | None:
        """Give what is there already, without waiting."""
        with self._lock:
            key = _key(folder, say)
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def make(self, folder: str, say: str) -> Speech:
        """Give speech, read or spoken now where it is not there yet; several that ask for the same wait for one.

        Raises:
            ConfigError: There is no such file, or an extra is not installed.
            UnsupportedContent: It holds no sound that can be read.
            LimitExceeded: It is longer than `SPEECH_MAX_S`.
        """
        key = _key(folder, say)
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        try:
            with making:
                speech = self.find(folder, say)
                if speech is None:
                    speech = _read(folder, say)
                    self._keep(key, speech)
        finally:
            with self._lock:
                self._making.pop(key, None)
        return speech

    def _keep(self, key: tuple[str, ...], speech: Speech) -> None:
        with self._lock:
            self._kept[key] = speech
            self._bytes += len(speech.pcm)
            while self._bytes > self._max_bytes and len(self._kept) > 1:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= len(oldest.pcm)


def _key(folder: str, say: str) -> tuple[str, ...]:
    return (str(Path(folder) / say),) if is_sound_file(say) else ("words", say)


def _read(folder: str, say: str) -> Speech:
    if not is_sound_file(say):
        return measured(_spoken(say), say)
    path = Path(folder) / say
    _check_length(path)
    return measured(read_pcm16(path))


def _check_length(path: Path) -> None:
    """Refuse an hour of sound before it is decoded."""
    soundfile: Any = load("soundfile", "audio")
    if not path.is_file():
        return  # `read_pcm16` says so.
    try:
        length_s = soundfile.info(str(path)).duration
    except soundfile.LibsndfileError:
        return
    if length_s > SPEECH_MAX_S:
        way_out = f"cut {path.name} into several steps"
        raise LimitExceeded("SPEECH_MAX_S", SPEECH_MAX_S, length_s, way_out)


def _spoken(words: str) -> bytes:
    from engine.simulator.local_voice import speech  # noqa: PLC0415 - its models are loaded for those who need them

    try:
        pcm = b"".join(speech.speak(words))
    except ConfigError as missing:
        message = f"{missing}, or say a sound file: words need the local voice"
        raise ConfigError("say", words, "a sound file", message=message) from missing
    if len(pcm) < SAMPLE_BYTES:
        raise ConfigError("say", words, "words that can be spoken, or a sound file")
    return pcm


_CACHE: Final = SpeechCache()


async def speech_of(folder: str, say: str) -> Speech:
    """Give speech from the process's cache.

    Raises:
        ConfigError: There is no such file, or an extra is not installed.
        UnsupportedContent: It holds no sound that can be read.
        LimitExceeded: It is longer than `SPEECH_MAX_S`.
    """
    there = _CACHE.find(folder, say)
    return await in_thread(lambda: _CACHE.make(folder, say), leave=True) if there is None else there
