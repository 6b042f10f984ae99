"""A small language for the shape of client events: each check refuses a JSON value in the service's words."""

from collections.abc import Mapping
from typing import Any, Protocol

import attrs

from engine.simulator.catalogue import (
    ABOVE_MAXIMUM,
    BELOW_MINIMUM,
    INVALID_CHOICE,
    INVALID_TYPE,
    MISSING_PARAMETER,
    STRING_TOO_LONG,
    TOO_MANY_PAIRS,
    UNKNOWN_PARAMETER,
    Refusal,
    listed,
)

_TYPE_WORDS: dict[type, str] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "a boolean",
    dict: "an object",
    list: "an array",
}


class Check(Protocol):
    """Looks at one JSON value that is not null."""

    def check(self, value: Any, path: str) -> None:
        """Refuse a value that does not fit.

        Args:
            value: The JSON value.
            path: Where it stands, as in `session.audio.input.format.rate`.

        Raises:
            Refusal: It does not fit.
        """
        ...


def wrong_type(value: Any, path: str, expected: str) -> Refusal:
    """Make the refusal of a value of the wrong JSON type."""
    return Refusal(INVALID_TYPE, param=path, expected=expected, got=_TYPE_WORDS.get(type(value), "null"))


@attrs.frozen
class OfType:
    """A value of one JSON type."""

    cls: type

    def check(self, value: Any, path: str) -> None:
        """Refuse another type."""
        if type(value) is not self.cls:
            raise wrong_type(value, path, _TYPE_WORDS[self.cls])


@attrs.frozen
class Text:
    """A string, possibly not longer than `max_chars`."""

    max_chars: int | None = None

    def check(self, value: Any, path: str) -> None:
        """Refuse what is no string, or too long."""
        if type(value) is not str:
            raise wrong_type(value, path, "a string")
        if self.max_chars is not None and len(value) > self.max_chars:
            raise Refusal(STRING_TOO_LONG, param=path, bound=self.max_chars, value=len(value))


@attrs.frozen
class Choice:
    """One of some strings."""

    values: tuple[str, ...]

    def check(self, value: Any, path: str) -> None:
        """Refuse another string, and name those that are possible."""
        if type(value) is not str:
            raise wrong_type(value, path, f"one of {listed(self.values)}")
        if value not in self.values:
            raise Refusal(INVALID_CHOICE, param=path, value=value, allowed=listed(self.values))


@attrs.frozen
class Number:
    """A number within bounds; an integer where `integer` says so."""

    low: float | None = None
    high: float | None = None
    integer: bool = True

    def check(self, value: Any, path: str) -> None:
        """Refuse another type, and what is out of bounds."""
        if type(value) is not int and (self.integer or type(value) is not float):
            raise wrong_type(value, path, "an integer" if self.integer else "a number")
        kind = "integer" if self.integer else "decimal"
        if self.low is not None and value < self.low:
            raise Refusal(BELOW_MINIMUM, param=path, kind=kind, bound=self.low, value=value)
        if self.high is not None and value > self.high:
            raise Refusal(ABOVE_MAXIMUM, param=path, kind=kind, bound=self.high, value=value)


@attrs.frozen
class Each:
    """An array whose elements all fit."""

    element: Check

    def check(self, value: Any, path: str) -> None:
        """Refuse what is no array, then the first element that does not fit."""
        if type(value) is not list:
            raise wrong_type(value, path, "an array")
        for index, element in enumerate(value):
            self.element.check(element, f"{path}[{index}]")


@attrs.frozen
class ByType:
    """A value that may have one of several JSON types, each with a check of its own."""

    checks: Mapping[type, Check]

    def check(self, value: Any, path: str) -> None:
        """Refuse a type that is not among them."""
        check = self.checks.get(type(value))
        if check is None:
            raise wrong_type(value, path, " or ".join(_TYPE_WORDS[cls] for cls in self.checks))
        check.check(value, path)


@attrs.frozen
class Pairs:
    """An object whose keys and values are short strings."""

    max_pairs: int
    key_max_chars: int
    value_max_chars: int

    def check(self, value: Any, path: str) -> None:
        """Refuse too many pairs, and what is too long."""
        if type(value) is not dict:
            raise wrong_type(value, path, "an object")
        if len(value) > self.max_pairs:
            raise Refusal(TOO_MANY_PAIRS, param=path, bound=self.max_pairs, value=len(value))
        for key, element in value.items():
            Text(self.key_max_chars).check(key, f"{path}.{key}")
            Text(self.value_max_chars).check(element, f"{path}.{key}")


@attrs.frozen
class Shape:
    """An object with known keys. A key that is null counts as absent.

    Attributes:
        fields: What each key's value must be.
        required: Keys that must be there.
    """

    fields: Mapping[str, Check]
    required: tuple[str, ...] = ()

    def check(self, value: Any, path: str) -> None:
        """Refuse what lacks a key, has an unknown one, or a value that does not fit."""
        if type(value) is not dict:
            raise wrong_type(value, path, "an object")
        for key in self.required:
            if value.get(key) is None:
                raise Refusal(MISSING_PARAMETER, param=under(path, key))
        for key, element in value.items():
            check = self.fields.get(key)
            if check is None:
                raise Refusal(UNKNOWN_PARAMETER, param=under(path, key))
            if element is not None:
                check.check(element, under(path, key))


@attrs.frozen
class Tagged:
    """An object whose `key` says which shape it has."""

    shapes: Mapping[str, Check]
    key: str = "type"

    def check(self, value: Any, path: str) -> None:
        """Refuse a missing or unknown tag, then what that shape refuses."""
        if type(value) is not dict:
            raise wrong_type(value, path, "an object")
        tag = value.get(self.key)
        if tag is None:
            raise Refusal(MISSING_PARAMETER, param=under(path, self.key))
        Choice(tuple(self.shapes)).check(tag, under(path, self.key))
        self.shapes[tag].check(value, path)


def under(path: str, key: str) -> str:
    """Name a key of the object at `path`."""
    return f"{path}.{key}" if path else key
