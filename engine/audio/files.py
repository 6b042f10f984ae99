"""Reads sound files to PCM16 mono, and writes PCM16 to WAV files."""

from io import BytesIO
from pathlib import Path
from typing import Any

from engine.audio.extras import load
from engine.audio.pcm import PCM_RATE_HZ
from engine.audio.resample import from_float, to_float
from engine.errors import ConfigError, UnsupportedContent


def read_pcm16(path: str | Path, rate_hz: int = PCM_RATE_HZ) -> bytes:
    """Read a sound file: WAV, FLAC, and what else libsndfile knows.

    Args:
        path: The file. Several channels are mixed to one.
        rate_hz: The rate wanted; resampled where the file has another.

    Returns:
        PCM16 mono at `rate_hz`. A 16-bit mono file of that rate comes back sample by sample.

    Raises:
        ConfigError: There is no such file, or an extra is not installed.
        UnsupportedContent: It is no sound file, or is broken, or holds no sound.
    """
    samples, file_rate_hz = _read(Path(path))
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    if file_rate_hz != rate_hz:
        mono = load("soxr", "audio").resample(mono, file_rate_hz, rate_hz)
    return from_float(mono)


def _read(path: Path) -> tuple[Any, int]:
    soundfile = load("soundfile", "audio")
    if not path.is_file():
        raise ConfigError("path", str(path), "a sound file", message=f"{path} is not a file | check the path")
    try:
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as broken:
        raise UnsupportedContent(f"{path} can't be read as audio | give a WAV or FLAC file") from broken
    if not len(samples):
        raise UnsupportedContent(f"{path} is empty: it holds no sound | record it again")
    if not load("numpy", "audio").isfinite(samples).all():
        raise UnsupportedContent(f"{path} holds samples that are no numbers (NaN or infinite) | export it again")
    return samples, rate_hz


def write_wav(path: str | Path, pcm: bytes, rate_hz: int = PCM_RATE_HZ) -> None:
    """Write PCM16 mono as a WAV file.

    Raises:
        ConfigError: The file can't be written there, or an extra is not installed.
        UnsupportedContent: `pcm` ends within a sample.
    """
    _write(Path(path), to_float(pcm), rate_hz)


def write_wav_stereo(path: str | Path, left: bytes, right: bytes, rate_hz: int = PCM_RATE_HZ) -> None:
    """Write two PCM16 mono tracks as one stereo WAV file; silence fills up the shorter one.

    Raises:
        ConfigError: The file can't be written there, or an extra is not installed.
        UnsupportedContent: A track ends within a sample.
    """
    size_bytes = max(len(left), len(right))
    tracks = [to_float(track + bytes(size_bytes - len(track))) for track in (left, right)]
    _write(Path(path), load("numpy", "audio").stack(tracks, axis=1), rate_hz)


def _write(path: Path, samples: Any, rate_hz: int) -> None:
    soundfile = load("soundfile", "audio")
    # Made in memory first: libsndfile does not tell why a file can't be written.
    made = BytesIO()
    soundfile.write(made, samples, rate_hz, format="WAV", subtype="PCM_16")
    try:
        path.write_bytes(made.getvalue())
    except OSError as refused:
        way_out = "check that the folder exists and can be written"
        message = f"{path}: no WAV file made, {refused.strerror} | {way_out}"
        raise ConfigError("path", str(path), way_out, message=message) from refused
