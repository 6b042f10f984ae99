"""What the farm's commands need beside the command line's own extra."""

from importlib.util import find_spec
from typing import Final

from engine.errors import ConfigError

NEEDED: Final = ("ddsketch", "filelock", "jinja2", "plotly", "jiwer", "starlette", "hypercorn", "prometheus_client")


def check_installed() -> None:
    """Refuse to begin where the extra `farm` is missing.

    Raises:
        ConfigError: It is.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        way_out = "pip install 'realtime-engine[farm]'"
        raise ConfigError("extra", "farm", way_out, message=f"{missing[0]} is not installed | {way_out}")
