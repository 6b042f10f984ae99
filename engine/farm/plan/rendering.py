"""Puts a job's values in the place of `{name}` in all of a scenario's texts."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from engine.errors import ConfigError
from engine.farm.plan.model import Scenario, Values
from engine.farm.plan.nearest import did_you_mean

RENDERED: Final = ("turns", "session", "tools", "expect")
"""Fields of a scenario whose texts are rendered."""

_PLACE: Final = re.compile(r"\{\{([^{}\n]*)\}\}|\{([^{}\n]+)\}")
"""`{{anything}}`, which stays as `{anything}`, or `{name}`."""


def render(scenario: Scenario, values: Values) -> Scenario:
    """Give the scenario of one job.

    A text that is nothing but `{name}` becomes the value itself, as a number in the session's settings. In a longer
    one the value is written as text. `{{name}}` stays as `{name}`, and braces around what is no name (as in regular
    expressions and JSON) stay as they are. The data and the matrix are not in it any more.

    Args:
        scenario: As the plan has it.
        values: Of the job.

    Raises:
        ConfigError: A text asks for a name that has no value.
    """
    rendered = {name: fill(getattr(scenario, name), values, name) for name in RENDERED}
    # All rows would be checked again, for each job.
    return attrs.evolve(scenario, **rendered, rows=({},), matrix={})


def names_in(text: str) -> Iterator[str]:
    """Give what stands in a text's braces, names or not."""
    return (found[2] for found in _PLACE.finditer(text) if found[2] is not None) if "{" in text else iter(())


def names_used(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """Give the path of each text that asks for a name, and what stands in its braces."""
    for field in RENDERED:
        for path, text in texts(getattr(scenario, field), field):
            for name in names_in(text):
                yield path, name


def texts(thing: Any, path: str) -> Iterator[tuple[str, str]]:
    """Give all texts below, each with its path."""
    if isinstance(thing, str):
        yield path, thing
    elif attrs.has(type(thing)):
        for field in attrs.fields(type(thing)):
            below = path if field.name == _NUMBERS else f"{path}.{field.name}"
            yield from texts(getattr(thing, field.name), below)
    elif isinstance(thing, Mapping):
        for key, value in thing.items():
            yield from texts(value, f"{path}.{key}")
    elif isinstance(thing, (list, tuple)):
        for index, value in enumerate(thing):
            yield from texts(value, f"{path}[{index}]")


def fill(thing: Any, values: Values, path: str) -> Any:
    """Render a part of a scenario.

    Args:
        thing: A record, a mapping, a list, a text; all else stays.
        values: Of the job.
        path: Of it, for errors.

    Raises:
        ConfigError: A text asks for a name that has no value, or a value does not fit where it goes.
    """
    if isinstance(thing, str):
        return _text(thing, values, path) if "{" in thing else thing
    if attrs.has(type(thing)):
        return _record(thing, values, path)
    if isinstance(thing, Mapping):
        return {key: fill(value, values, f"{path}.{key}") for key, value in thing.items()}
    if isinstance(thing, (list, tuple)):
        return type(thing)(fill(value, values, f"{path}[{index}]") for index, value in enumerate(thing))
    return thing


def _record(record: Any, values: Values, path: str) -> Any:
    fields = {field.name: getattr(record, field.name) for field in attrs.fields(type(record))}
    numbers = fields.pop(_NUMBERS, {})
    changed = {name: fill(value, values, f"{path}.{name}") for name, value in fields.items()}
    changed |= {name: _number(fill(text, values, f"{path}.{name}"), f"{path}.{name}") for name, text in numbers.items()}
    # What was text stays text: a step that says {number} says its digits.
    for name, value in fields.items():
        if isinstance(value, str) and name not in _ANY_VALUE:
            changed[name] = as_text(changed[name])
    try:
        if changed == fields:
            return record
        return attrs.evolve(record, **changed, **({_NUMBERS: {}} if numbers else {}))
    except ConfigError as error:
        field = f"{path}.{error.field.rpartition('.')[2]}"
        message = f"{field} = {str(error.value)[:80]!r} is not possible with the values {_shown(values)}"
        raise ConfigError(field, error.value, error.allowed, message=f"{message}; allowed: {error.allowed}") from error


def as_text(value: Any) -> str:
    """Write a value of JSON lines or a matrix into a text: tables, lists, truths and null as JSON has them."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _number(value: Any, path: str) -> float:
    """Read a number from a value, which is text where it comes from a CSV."""
    try:
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):
            return float(value)
    except ValueError:
        pass
    raise ConfigError(path, value, "a number", message=f"{path} = {value!r} is not possible; allowed: a number")


def _shown(values: Values) -> str:
    return ", ".join(f"{name} = {str(value)[:40]!r}" for name, value in values.items())


_NUMBERS: Final = "from_values"
"""The field of records that tells which of their numbers come from values."""

_ANY_VALUE: Final = frozenset({"answer"})
"""Fields of records that may become something else than text."""


def _text(text: str, values: Values, path: str) -> Any:
    alone = _PLACE.fullmatch(text)
    if alone is not None and alone[2] in values:
        return values[alone[2]]

    def put(found: "re.Match[str]") -> str:
        if found[2] is None:
            return "{" + found[1] + "}"
        if found[2] in values:
            return as_text(values[found[2]])
        if found[2].isidentifier():
            raise unknown_name(path, found[2], values)
        return found[0]

    return _PLACE.sub(put, text)


def unknown_name(path: str, name: str, known: Values | tuple[str, ...]) -> ConfigError:
    """Make the error of a text that asks for a name without a value."""
    allowed = "the names " + ", ".join(known) if known else "none: the scenario has neither data nor a matrix"
    message = (
        f"{path}: {{{name}}} has no value{did_you_mean(name, known)}; allowed: {allowed} | {{{{{name}}}}} for braces"
    )
    return ConfigError(path, f"{{{name}}}", allowed, message=message)
