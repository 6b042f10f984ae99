"""Loads the audio libraries that are optional, and late: importing the engine must not cost their import."""

import importlib
from typing import Any, Literal

from engine.errors import ConfigError


def load(module: str, extra: Literal["cli", "local"]) -> Any:
    """Import an optional library.

    Args:
        module: Its import name.
        extra: The extra of this package that brings it.

    Returns:
        The module.

    Raises:
        ConfigError: It is not installed; install the extra that the message names.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        way_out = f"pip install 'realtime-engine[{extra}]'"
        raise ConfigError("extra", extra, way_out, message=f"{module} is not installed | {way_out}") from missing
