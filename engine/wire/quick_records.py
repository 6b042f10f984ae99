"""JSON objects to records at the least cost: one walk over what is there, by tables made once a class.

It takes what `engine.wire.converters` takes and refuses what that refuses, but says less of why: most messages fit.
"""

from collections.abc import Mapping
from types import NoneType
from typing import Any, Final, TypeVar, get_args

import attrs
import cattrs

from engine.wire.converters import Hook, Mismatch
from engine.wire.record import Record, known_keys

R = TypeVar("R", bound=Record)

_ACCEPTED: Final[Mapping[Any, frozenset[type]]] = {
    str: frozenset({str}),
    int: frozenset({int}),
    float: frozenset({float, int}),
    bool: frozenset({bool}),
}
"""Classes of a JSON value that fit a field of one value: JSON's true is no number, and text is no integer."""


def quick_factory(cls: type[R], converter: cattrs.Converter) -> Hook:
    """Build the way in of a class."""
    plain, nested = _tables(cls, converter)
    passed_over = known_keys(cls) - plain.keys() - nested.keys()

    def structure(value: Any, _: Any) -> R:
        if value.__class__ is not dict:
            raise Mismatch("an object", value)
        typed: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for key, item in value.items():
            if key in plain:
                if item.__class__ not in plain[key]:
                    raise Mismatch("another type", item)
                typed[key] = item
            elif key in nested:
                typed[key] = nested[key](item, None)
            elif key not in passed_over:
                extra[key] = item
            if item is None:
                extra[key] = None
        return cls(**typed, extra=extra) if extra else cls(**typed)

    return structure


def _tables(cls: type[Record], converter: cattrs.Converter) -> tuple[dict[str, frozenset[type]], dict[str, Hook]]:
    """Give the classes that each field of one value accepts, and a hook for each of the others."""
    plain: dict[str, frozenset[type]] = {}
    nested: dict[str, Hook] = {}
    for field in attrs.fields(cls):
        needed, optional = _without_none(field.type)
        if field.name == "extra":
            continue
        if needed in _ACCEPTED:
            plain[field.name] = _ACCEPTED[needed] | {NoneType} if optional else _ACCEPTED[needed]
        else:
            nested[field.name] = _hook(field.type, needed, converter, optional=optional)
    return plain, nested


def _without_none(kind: Any) -> tuple[Any, bool]:
    """Take the None out of what is either that or one other thing."""
    others = [each for each in get_args(kind) if each is not NoneType]
    return (others[0], True) if len(others) == 1 and NoneType in get_args(kind) else (kind, False)


def _hook(kind: Any, needed: Any, converter: cattrs.Converter, *, optional: bool) -> Hook:
    structure = converter.get_structure_hook(needed)
    if not optional:
        return lambda value, _: structure(value, kind)
    return lambda value, _: None if value is None else structure(value, needed)
