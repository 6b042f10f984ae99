"""PortAudio by way of sounddevice: loaded late, and what can be missing said with the way out."""

from typing import Any, Final

from engine.audio.extras import load
from engine.errors import ConfigError

NO_LIBRARY: Final = (
    "the library PortAudio is not installed | apt install libportaudio2, dnf install portaudio, or pacman -S portaudio"
)
"""sounddevice brings PortAudio with it on macOS and Windows only."""


def portaudio() -> Any:
    """Load sounddevice, which starts PortAudio; that looks at every device and may take a second.

    Raises:
        ConfigError: sounddevice or PortAudio is not installed.
    """
    try:
        return load("sounddevice", "audio")
    except OSError as missing:
        raise ConfigError("portaudio", None, "PortAudio 19", message=NO_LIBRARY) from missing
