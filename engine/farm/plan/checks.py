"""Checks that a plan's records share, beside those of `engine.config.checks`; and their bounds."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import attrs

from engine.config.checks import Check, is_number, number, number_or_none, one_of, text
from engine.errors import ConfigError

__all__ = [
    "Check",
    "choices_of",
    "items",
    "label",
    "labels",
    "mapping",
    "number",
    "number_or_none",
    "one_of",
    "optional",
    "text",
    "to_tuple",
    "which_turn",
    "whole",
    "written_as",
]

JOBS_MAX: Final = 10_000_000
"""Sessions of one cycle of a plan: a hundred times what the design page plans for. More is a slip of the pen."""

SESSIONS_MAX: Final = 1_000_000
"""Sessions at a time, in caps and loads."""

DURATION_MAX_S: Final = 7 * 86_400.0
"""Longest part of a load: a week."""

SESSION_DEADLINE_MAX_S: Final = 86_400.0
"""Longest that one session may take: a day. The engine renews what the service ends after an hour."""

LABEL_MAX_CHARS: Final = 100
"""Longest name of a plan or a scenario, and longest tag: they stand in tables."""

TURN_MAX: Final = 10_000
"""Highest turn that an expectation may name."""

_LABEL: Final = re.compile(rf"[^\x00-\x1f\x7f{{}}]{{1,{LABEL_MAX_CHARS}}}")
_LABEL_WORDS: Final = f"1 to {LABEL_MAX_CHARS} characters in one line, without braces"
_PLACE: Final = re.compile(r"\{[^{}\n]+\}")


def to_tuple(value: Any) -> Any:
    """Give a list as a tuple; all else is the validator's business."""
    return tuple(value) if isinstance(value, list) else value


def items(prefix: str, cls: Any, allowed: str) -> Check:
    """Allow tuples of instances of a class or a union; `allowed` says it in words."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        field = prefix + attribute.name
        if not isinstance(value, tuple):
            raise ConfigError(field, type(value).__name__, f"a list of {allowed}")
        for index, item in enumerate(value):
            if not isinstance(item, cls):
                raise ConfigError(f"{field}[{index}]", item, allowed)

    return check


def label(prefix: str) -> Check:
    """Allow names that fit in a line of a table."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not is_label(value):
            raise ConfigError(prefix + attribute.name, value, _LABEL_WORDS)

    return check


def is_label(value: Any) -> bool:
    """Tell whether it is such a name."""
    return isinstance(value, str) and _LABEL.fullmatch(value) is not None and value.strip() == value


def labels(prefix: str) -> Check:
    """Allow tuples of such names."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, tuple) or not all(map(is_label, value)):
            raise ConfigError(prefix + attribute.name, value, f"a list of names of {_LABEL_WORDS}")

    return check


def mapping(prefix: str) -> Check:
    """Allow mappings with text for keys."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise ConfigError(prefix + attribute.name, type(value).__name__, "a table")

    return check


def choices_of(prefix: str) -> Check:
    """Allow the names of a matrix, each with a tuple of its values."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        field = prefix + attribute.name
        for name, choices in value.items():
            if not name.isidentifier():
                raise ConfigError(f"{field}.{name}", name, "a name of letters, digits and _, for {name} in texts")
            if not isinstance(choices, tuple) or not choices:
                raise ConfigError(f"{field}.{name}", choices or [], "a list of at least one value")

    return check


def optional(check: Check) -> Check:
    """Allow None too."""

    def checked(this: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if value is not None:
            check(this, attribute, value)

    return checked


def whole(prefix: str, low: int, high: int, unit: str) -> Check:
    """Allow whole numbers within the bounds, both included."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not is_number(value, low, high, whole=True):
            raise ConfigError(prefix + attribute.name, value, f"a whole number, {low:,} to {high:,} {unit}")

    return check


def which_turn(prefix: str) -> Check:
    """Allow a turn: from 1, or from -1 backwards; None for none."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if value is not None and (not is_number(value, -TURN_MAX, TURN_MAX, whole=True) or value == 0):
            raise ConfigError(prefix + attribute.name, value, "1 for the first turn, 2 …; -1 for the last")

    return check


def written_as(prefix: str, accepts: Callable[[str], object], allowed: str) -> Check:
    """Allow text that `accepts` takes without a ValueError, and texts that wait for their values."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        field = prefix + attribute.name
        if not isinstance(value, str) or not value:
            raise ConfigError(field, value, allowed)
        if waits(value):
            return
        try:
            accepts(value)
        except (ValueError, re.error, RecursionError, OverflowError) as error:
            raise ConfigError(field, value, f"{allowed} ({error})" if str(error) else allowed) from error

    return check


def waits(value: str) -> bool:
    """Tell whether a text has a `{name}`, so that it can be judged only with its values."""
    return _PLACE.search(value) is not None


def first_twice(names: Iterable[str]) -> tuple[int, str] | None:
    """Give the first name that was there before, and its place."""
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            return index, name
        seen.add(name)
    return None
