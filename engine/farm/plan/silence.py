"""Finds sound files in which nothing sounds: the service hears no turn in them, and sessions wait in vain."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from engine.audio.extras import load
from engine.errors import ConfigError
from engine.farm.plan.files import files_of
from engine.farm.plan.model import Plan
from engine.farm.plan.sounds import is_sound

QUIET_DBFS: Final = -60.0
"""Peak below which nothing sounds: a quiet room's microphone is louder."""

LISTENED_MAX_S: Final = 600.0
"""So much sound is looked at in one plan, at least a block a file; of a file that sounds, seldom more."""

NAMED_MAX: Final = 3
"""Silent files that are named."""

_BLOCK_S: Final = 0.25
_QUIET: Final = 10 ** (QUIET_DBFS / 20)


def silence_warnings(plan: Plan) -> Iterator[str]:
    """Tell of a plan's sound files in which nothing sounds, as far as `LISTENED_MAX_S` goes. It reads files."""
    found = list(_silent(plan))
    for name in found[:NAMED_MAX]:
        yield (
            f"nothing sounds in {name} (its peak is below {QUIET_DBFS:g} dBFS): a service that listens for speech"
            " hears no turn"
        )
    if len(found) > NAMED_MAX:
        yield f"nothing sounds in {len(found) - NAMED_MAX:,} more sound files"


def _silent(plan: Plan) -> Iterator[str]:
    try:
        soundfile: Any = load("soundfile", "audio")
    except ConfigError:
        return
    left_s = LISTENED_MAX_S
    for name in filter(is_sound, files_of(plan)):
        if left_s <= 0:
            return
        try:
            listened_s, sounds = _listen(soundfile, Path(plan.folder) / name, left_s)
        except (soundfile.LibsndfileError, OSError):
            continue  # What it is of use for was checked; whether it sounds, nobody can tell.
        left_s -= listened_s
        if not sounds:
            yield name


def _listen(soundfile: Any, path: Path, most_s: float) -> tuple[float, bool]:
    """Listen until something sounds; what was not heard to its end may sound."""
    with soundfile.SoundFile(str(path)) as file:
        rate_hz, listened = file.samplerate, 0
        while listened < most_s * rate_hz:
            block = file.read(round(_BLOCK_S * rate_hz), dtype="float32")
            if not len(block):
                return listened / rate_hz, False
            listened += len(block)
            if abs(block).max() >= _QUIET:
                break
    return max(listened / rate_hz, _BLOCK_S), True
