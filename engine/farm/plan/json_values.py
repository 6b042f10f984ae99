"""Checks values that go through JSON, and schemas for them."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs
import orjson

from engine.audio.extras import load
from engine.errors import ConfigError

_JSON_KINDS: Final = (str, bool, int, float, type(None))


def check_schema(schema: Mapping[str, Any], path: str) -> None:
    """Refuse what is no JSON Schema (Draft 2020-12).

    Raises:
        ConfigError: It is none, or the extra `tools` is not installed.
    """
    jsonschema = load("jsonschema", "tools")
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        where = ".".join(map(str, error.absolute_path))
        why = f"{where}: {error.message}" if where else error.message
        message = f"{path} is no JSON Schema: {why[:200]}; allowed: JSON Schema, Draft 2020-12"
        raise ConfigError(path, "(not shown)", "JSON Schema, Draft 2020-12", message=message) from error


def check_json(thing: Any, path: str) -> None:
    """Refuse what JSON does not have: dates, infinite numbers, numbers beyond 64 bits.

    Raises:
        ConfigError: There is such a value.
    """
    for at, value in _leaves(thing, path):
        if not isinstance(value, _JSON_KINDS):
            raise ConfigError(at, value, "what JSON has: text in quotes instead of dates and times")
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(at, value, "a number that is not infinite")
        if isinstance(value, int):
            try:
                orjson.dumps(value)
            except TypeError as error:
                raise ConfigError(at, value, "a number of at most 64 bits") from error


def _leaves(thing: Any, path: str) -> Iterator[tuple[str, Any]]:
    if attrs.has(type(thing)):
        for field in attrs.fields(type(thing)):
            yield from _leaves(getattr(thing, field.name), f"{path}.{field.name}")
    elif isinstance(thing, Mapping):
        for key, value in thing.items():
            yield from _leaves(value, f"{path}.{key}")
    elif isinstance(thing, (list, tuple)):
        for index, value in enumerate(thing):
            yield from _leaves(value, f"{path}[{index}]")
    else:
        yield path, thing
