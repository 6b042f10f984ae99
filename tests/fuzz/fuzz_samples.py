"""One good message of each type, with all fields that its class knows: what hostile ones are made of."""

import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, get_args, get_origin

import attrs

from engine.wire.client import CLIENT_CLASSES
from engine.wire.items import ITEM_CLASSES, Item
from engine.wire.record import Record
from engine.wire.server import SERVER_CLASSES
from engine.wire.session import TextOrObject, TokenCount
from engine.wire.translation import TRANSLATION_CLIENT_CLASSES, TRANSLATION_SERVER_CLASSES

PLAIN = {str: "AAAA", int: 7, float: 0.5, bool: True, Any: {"a": [1]}, TextOrObject: "auto", TokenCount: "inf"}


@cache
def samples():
    """Give the messages by their type: of the service and of clients, of conversations and of translations."""
    classes = [*SERVER_CLASSES.values(), *CLIENT_CLASSES.values()]
    classes += [*TRANSLATION_SERVER_CLASSES.values(), *TRANSLATION_CLIENT_CLASSES.values()]
    return {cls.__name__: sample(cls) for cls in classes}


@cache
def words():
    """Give the names of all events, items and fields."""
    found: set[str] = {*SERVER_CLASSES, *CLIENT_CLASSES, *ITEM_CLASSES}
    for value in samples().values():
        found.update(_names(value))
    return sorted(found)


def sample(cls: type[Record], depth: int = 0) -> dict[str, Any]:
    """Make the JSON object of a class."""
    hints = typing.get_type_hints(cls)
    fields = [field.name for field in attrs.fields(cls) if field.name != "extra"]
    known = {name: _value(hints[name], depth + 1) for name in fields}
    return {"type": cls.tag, **known} if cls.tag else known


def _value(hint: Any, depth: int) -> Any:
    if hint in PLAIN:
        return PLAIN[hint]
    if hint == Item:
        return [sample(cls, depth) for cls in ITEM_CLASSES.values()][depth % len(ITEM_CLASSES)]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is types.UnionType or origin is typing.Union:
        return _value(next(part for part in arguments if part is not type(None)), depth)
    if origin is tuple:
        if arguments[0] == Item:
            return [sample(cls, depth) for cls in ITEM_CLASSES.values()]
        return [_value(arguments[0], depth)]
    if origin is Mapping:
        return {"a": PLAIN.get(arguments[1], "x")}
    return sample(hint, depth)


def _names(value: Any) -> typing.Iterator[str]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in pairs:
        if isinstance(name, str):
            yield name
        yield from _names(inner)
