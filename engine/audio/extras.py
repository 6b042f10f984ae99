"""Loads the libraries that are optional, and late: importing the engine must not cost their import."""

import importlib
import importlib.util
from typing import Any, Literal

from engine.errors import ConfigError

Extra = Literal["audio", "cli", "farm", "local", "parquet", "tools"]
"""Extras of this package that bring libraries."""


def load(module: str, extra: Extra) -> Any:
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
        raise _missing(module, extra) from missing


def require(module: str, extra: Extra) -> None:
    """Make sure that an optional library can be loaded, without the cost of loading it.

    Raises:
        ConfigError: It is not installed; install the extra that the message names.
    """
    if importlib.util.find_spec(module) is None:
        raise _missing(module, extra)


def _missing(module: str, extra: Extra) -> ConfigError:
    way_out = f"pip install 'realtime-engine[{extra}]'"
    return ConfigError("extra", extra, way_out, message=f"{module} is not installed | {way_out}")
