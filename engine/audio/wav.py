"""Reads a whole WAV file from memory: its samples as they are, and their shape."""

import wave
from io import BytesIO

from engine.audio.extras import load
from engine.audio.pcm import SAMPLE_BYTES
from engine.audio.resample import from_float
from engine.audio.shape import CHANNELS_MAX, RATE_MAX_HZ, RATE_MIN_HZ, AudioShape
from engine.errors import ConfigError, UnsupportedContent

_MARKS = (b"RIFF", b"RIFX", b"RF64")


def read_wav(data: bytes) -> tuple[bytes, AudioShape]:
    """Take a WAV file apart.

    A file of PCM16 needs no extra; the others (8, 24 and 32 bits, floats, G.711, ADPCM) are read with soundfile.

    Args:
        data: The file's bytes. A header that says more than there is, as of a file that was made as a stream, is no
            fault: what is there is read.

    Returns:
        PCM16 with the channels' samples in turn, and its shape. No samples is no fault.

    Raises:
        UnsupportedContent: It is no WAV file, is broken, or has a rate or channels that are not converted.
        ConfigError: soundfile is needed and not installed.
    """
    if data[:4] not in _MARKS or data[8:12] != b"WAVE":
        raise UnsupportedContent(f"{len(data)} bytes are no WAV file | content not supported; send RIFF WAVE")
    pcm, rate_hz, channels = _plain(data) or _other(data)
    try:
        shape = AudioShape("pcm", rate_hz, channels)
    except ConfigError as odd:
        takes = f"{RATE_MIN_HZ} to {RATE_MAX_HZ} Hz and 1 or {CHANNELS_MAX} channels"
        raise UnsupportedContent(
            f"a WAV file of {rate_hz} Hz and {channels} channels | content not supported; send {takes}"
        ) from odd
    if len(pcm) % shape.frame_bytes:
        raise UnsupportedContent(f"a WAV file ends inside a sample, after {len(pcm)} bytes | content not supported")
    return pcm, shape


def _plain(data: bytes) -> tuple[bytes, int, int] | None:
    """Read PCM16; None for all else, what is broken too."""
    try:
        with wave.open(BytesIO(data)) as file:
            if file.getsampwidth() == SAMPLE_BYTES:
                return file.readframes(file.getnframes()), file.getframerate(), file.getnchannels()
    except (wave.Error, EOFError, RuntimeError):  # The last is how a chunk that ends too early shows.
        pass
    return None


def _other(data: bytes) -> tuple[bytes, int, int]:
    soundfile = load("soundfile", "audio")
    try:
        samples, rate_hz = soundfile.read(BytesIO(data), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as broken:
        raise UnsupportedContent("a WAV file that can't be read | content not supported; is it whole?") from broken
    if not load("numpy", "audio").isfinite(samples).all():
        raise UnsupportedContent("a WAV file with samples that are no numbers (NaN or infinite) | export it again")
    return from_float(samples), rate_hz, samples.shape[1]
