"""Checks that files can be written before anything is made that would be lost."""

from pathlib import Path

from engine.errors import ConfigError


def check_writable(path: Path, option: str = "--out") -> None:
    """Refuse a file that can't be written; one that is there keeps what it holds.

    Args:
        path: The file.
        option: That it was given with.

    Raises:
        ConfigError: It can't.
    """
    existed = path.exists()
    try:
        with path.open("ab"):
            pass
        if not existed:
            path.unlink()
    except OSError as error:
        message = f"{path} can't be written: {error.strerror} | give another with {option}"
        raise ConfigError(option, str(path), "a file that can be written", message=message) from error
