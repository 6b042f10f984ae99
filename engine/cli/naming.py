"""Names settings as they are typed: what the library calls `client_config.base_url` is `--base-url` here."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from engine.errors import ConfigError

TYPED: Final = {
    "client_config.base_url": "--base-url",
    "client_config.api_key": "OPENAI_API_KEY",
    "client_config.organization": "OPENAI_ORGANIZATION",
    "client_config.project": "OPENAI_PROJECT",
    "audio.voice": "--voice",
    "model": "--model",
    "model_id": "--model",
    "instructions": "--instructions",
    "system_prompt": "--instructions",
}

_NO_OPTION: Final = "allow_insecure_key"
"""A setting of the library that no command has an option for."""


@contextmanager
def as_typed() -> Iterator[None]:
    """Raise errors of settings with the names of the command line.

    Raises:
        ConfigError: As it was, or with another name.
    """
    try:
        yield
    except ConfigError as error:
        name = TYPED.get(error.field)
        if name is None:
            raise
        allowed = error.allowed.replace("api_key", "OPENAI_API_KEY")
        if _NO_OPTION in error.allowed:
            allowed = "wss://, or ws:// to this machine: a key is not sent in the clear"
        raise ConfigError(name, error.value, allowed, message=f"{name} {error.value}: allowed is {allowed}") from error
