"""Hypothesis strategies for the wire, read off the classes' own fields.

Two views of the same words: `records` builds instances, `objects` builds the JSON objects that a peer would send.
Both put unknown keys and explicit nulls on every level.
"""

import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, get_args, get_origin

import attrs
from hypothesis import strategies as st

from engine.wire.items import ITEM_CLASSES, Item, ItemBase, UnknownItem
from engine.wire.record import Record, known_keys
from engine.wire.server import SERVER_CLASSES, UnknownServerEvent
from engine.wire.session import TextOrObject, TokenCount

SENTINEL = "ZwölfSätze"
"""Stands in every text that these strategies build: somebody's words, which no error may repeat."""

words = st.text(max_size=6).map(SENTINEL.__add__)
wide_integers = st.integers(-(2**63), 2**64 - 1)
numbers = st.floats(allow_nan=False, allow_infinity=False) | wide_integers
scalars = st.none() | st.booleans() | wide_integers | numbers | words
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
json_objects = st.dictionaries(words, json_values, max_size=3)

# `extra` is also the name of our own attribute: a key of that name must travel like any other unknown key.
unknown_keys = words | st.just("extra")

_Records = Callable[[type[Record]], st.SearchStrategy[Any]]


def records(cls: type[Record]) -> st.SearchStrategy[Any]:
    """Build instances of `cls`."""
    return _instances(cls)


def objects(cls: type[Record]) -> st.SearchStrategy[dict[str, Any]]:
    """Build the JSON objects that decode to an instance of `cls`."""
    return _plain(cls)


@cache
def _instances(cls: type[Record]) -> st.SearchStrategy[Any]:
    return _parts(cls, _instances).map(lambda parts: cls(**parts[0], extra=parts[1]))


@cache
def _plain(cls: type[Record]) -> st.SearchStrategy[dict[str, Any]]:
    tag = {} if cls.tag is None else {"type": cls.tag}
    return _parts(cls, _plain).map(lambda parts: {**tag, **parts[0], **parts[1]})


def _parts(cls: type[Record], nested: _Records) -> st.SearchStrategy[tuple[dict[str, Any], dict[str, Any]]]:
    """Draw the fields that are there, and the extra: unknown keys, and nulls for some of the fields that are not."""
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in attrs.fields(cls) if field.name != "extra"}
    values = {name: _field(cls, name, hints[name], nested) for name in fields}
    required = {name for name, field in fields.items() if field.default is attrs.NOTHING}
    optional = sorted(fields.keys() - required)
    unknown = st.dictionaries(unknown_keys.filter(lambda key: key not in known_keys(cls)), json_values, max_size=2)

    @st.composite
    def draw_parts(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
        present = draw(st.sets(st.sampled_from(optional), max_size=5)) if optional else set()
        nulls = draw(st.sets(st.sampled_from(optional), max_size=2)) - present if optional else set()
        given = {name: draw(values[name]) for name in fields if name in required | present}
        return given, dict.fromkeys(sorted(nulls)) | draw(unknown)

    return draw_parts()


def _field(cls: type[Record], name: str, hint: Any, nested: _Records) -> st.SearchStrategy[Any]:
    if (cls, name) == (UnknownServerEvent, "type"):
        return words.filter(lambda kind: kind not in SERVER_CLASSES)
    if (cls, name) == (UnknownItem, "type"):
        return words.filter(lambda kind: kind not in ITEM_CLASSES)
    return _values(hint, nested)


def _values(hint: Any, nested: _Records) -> st.SearchStrategy[Any]:
    """Build values of a field's annotation; None stands only for absence, and that is drawn elsewhere."""
    plain = {str: words, int: wide_integers, float: numbers, bool: st.booleans(), Any: json_values.filter(_something)}
    plain |= {TextOrObject: words | json_objects, TokenCount: wide_integers | st.just("inf")}
    if hint in plain:
        return plain[hint]
    if hint == Item:
        return items(nested)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is types.UnionType or origin is typing.Union:
        rest = [part for part in arguments if part is not type(None)]
        return _values(rest[0] if len(rest) == 1 else typing.Union[tuple(rest)], nested)  # noqa: UP007
    if origin is tuple:
        element = json_values if arguments[0] is Any else _values(arguments[0], nested)
        whole = st.lists(element, max_size=2)
        return whole.map(tuple) if nested is _instances else whole
    if origin is Mapping:
        return json_objects if arguments[1] is Any else st.dictionaries(words, words, max_size=2)
    return nested(hint)


def items(nested: _Records) -> st.SearchStrategy[Any]:
    classes: list[type[ItemBase]] = [*ITEM_CLASSES.values(), UnknownItem]
    return st.sampled_from(classes).flatmap(nested)


def _something(value: Any) -> bool:
    return value is not None
