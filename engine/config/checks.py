"""Checks that settings share: each raises `ConfigError` with the field's path, the value, and what is allowed."""

from collections.abc import Callable
from typing import Any

import attrs

from engine.errors import ConfigError

Check = Callable[[Any, "attrs.Attribute[Any]", Any], None]


def one_of(prefix: str, *allowed: object) -> Check:
    """Allow these values only."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if value not in allowed:
            raise ConfigError(prefix + attribute.name, value, ", ".join(map(repr, allowed)))

    return check


def is_number(value: Any, low: float, high: float, *, whole: bool = False) -> bool:
    """Tell whether this is a number (no bool) within the bounds, both included."""
    kinds = (int,) if whole else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high


def plain(value: float) -> str:
    """Write a bound as people do: 1,000,000 and 0.000001 in place of 1e+06 and 1e-06."""
    text = f"{value:g}"
    if "e" not in text:
        return text
    return f"{value:,.0f}" if value >= 1 else f"{value:.12f}".rstrip("0")


def number(prefix: str, low: float, high: float, unit: str, *, whole: bool = False) -> Check:
    """Allow numbers within the bounds, both included."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not is_number(value, low, high, whole=whole):
            raise ConfigError(prefix + attribute.name, value, f"{plain(low)} to {plain(high)} {unit}")

    return check


def number_or_none(prefix: str, low: float, high: float, unit: str) -> Check:
    """Allow numbers within the bounds, both included, and None."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if value is not None and not is_number(value, low, high):
            raise ConfigError(prefix + attribute.name, value, f"{plain(low)} to {plain(high)} {unit}, or None for none")

    return check


def instance_of(prefix: str, cls: type, allowed: str) -> Check:
    """Allow instances of a class; `allowed` says it in words."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, cls):
            # By its type, for it may hold a key, as a mapping in place of `ClientSettings` does.
            raise ConfigError(prefix + attribute.name, type(value).__name__, allowed)

    return check


def flag(prefix: str) -> Check:
    """Allow True and False."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, bool):
            raise ConfigError(prefix + attribute.name, value, "True or False")

    return check


def text(prefix: str, *, empty: bool = True) -> Check:
    """Allow text."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, str) or not (value or empty):
            raise ConfigError(prefix + attribute.name, value, "text" if empty else "text that is not empty")

    return check


def word(*allowed: str) -> tuple[Callable[[Any], bool], str]:
    """Give a check of one of these words, and what is allowed, in words."""
    return lambda value: isinstance(value, str) and value in allowed, ", ".join(map(repr, allowed))
