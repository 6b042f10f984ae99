"""JSON objects to records and back, by cattrs hooks built once a class: strict about types, not about names."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args, get_origin

import attrs
import cattrs
from cattrs.cols import list_structure_factory
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from engine.wire.items import ITEM_CLASSES, Item, ItemBase, UnknownItem
from engine.wire.record import Record, known_keys
from engine.wire.session import TextOrObject, TokenCount

R = TypeVar("R", bound=Record)
Hook = Callable[[Any, Any], Any]
Factory = Callable[[Any, cattrs.Converter], Hook]

WRONG = (KeyError, TypeError, ValueError, AttributeError, RecursionError)
"""What a value that does not fit its type raises."""


class Mismatch(ValueError):
    """A JSON value of the wrong type. Says which types, never the value: it may be somebody's words."""

    def __init__(self, expected: str, value: Any) -> None:
        super().__init__(f"expected {expected}, got {type(value).__name__}")


def _strict(*accepted: type, name: str) -> Hook:
    """Let values of exactly these types through: JSON's true is no number, and text is no integer."""

    def hook(value: Any, _: Any) -> Any:
        if value.__class__ not in accepted:
            raise Mismatch(name, value)
        return value

    return hook


def _token_count(value: Any, _: Any) -> Any:
    if value is None or value.__class__ is int or value == "inf":
        return value
    raise Mismatch("an integer or 'inf'", value)


def _structure_factory(cls: type[R], converter: cattrs.Converter) -> Hook:
    base = make_dict_structure_fn(cls, converter, extra=override(omit=True))
    known = known_keys(cls)

    def structure(value: Any, _: Any) -> R:
        if value.__class__ is not dict:
            raise Mismatch("an object", value)
        record = base(value, cls)
        if not value.keys() <= known or None in value.values():
            extra = {key: item for key, item in value.items() if item is None or key not in known}
            # The record is frozen for everybody else; here it is still being made.
            object.__setattr__(record, "extra", extra)
        return record

    return structure


def lenient_factory(cls: type[R], converter: cattrs.Converter) -> Hook:
    """Build the slow way in, for objects that the fast one refuses: what is optional and wrong goes to `extra`."""
    known = known_keys(cls)
    fields = [field for field in attrs.fields(cls) if field.name != "extra"]

    def structure(value: Any, _: Any) -> R:
        if value.__class__ is not dict:
            raise Mismatch("an object", value)
        typed: dict[str, Any] = {}
        extra = {key: item for key, item in value.items() if key not in known}
        for field in fields:
            name, required = field.name, field.default is attrs.NOTHING
            if name not in value:
                if required:
                    raise KeyError(name)
                continue
            try:
                typed[name] = converter.structure(value[name], field.type)
            except WRONG:
                if required:
                    raise
                extra[name] = value[name]
        nulls = {name: None for name, item in typed.items() if item is None}
        return cls(**typed, extra=extra | nulls)

    return structure


def _unstructure_factory(cls: type[R], converter: cattrs.Converter) -> Callable[[R], dict[str, Any]]:
    base = make_dict_unstructure_fn(cls, converter, _cattrs_omit_if_default=True, extra=override(omit=True))
    tag = cls.tag

    def unstructure(record: R) -> dict[str, Any]:
        fields = base(record)
        if tag is not None:
            fields = {"type": tag, **fields}
        if record.extra:
            fields |= record.extra
        return fields

    return unstructure


def _item_hook(converter: cattrs.Converter) -> Hook:
    hooks: dict[type[ItemBase], Hook] = {}

    def structure(value: Any, _: Any) -> Any:
        if value.__class__ is not dict:
            raise Mismatch("an object", value)
        kind = value.get("type")
        cls = ITEM_CLASSES.get(kind, UnknownItem) if isinstance(kind, str) else UnknownItem
        hook = hooks.get(cls)
        if hook is None:
            hook = hooks[cls] = converter.get_structure_hook(cls)
        return hook(value, cls)

    return structure


def _list_factory(cls: Any, converter: cattrs.Converter) -> Hook:
    base = list_structure_factory(cls, converter)

    def structure(value: Any, _: Any) -> Any:
        if value.__class__ not in (list, tuple):  # any iterable would do for cattrs: text, and an object's keys
            raise Mismatch("a list", value)
        return tuple(base(value, cls))

    return structure


def _mapping_factory(cls: Any, converter: cattrs.Converter) -> Hook:
    # Not cattrs' own: that one names the key in its errors, and keys are the sender's words.
    hooks = [(converter.get_structure_hook(part), part) for part in get_args(cls)]
    (key_hook, key_type), (value_hook, value_type) = hooks

    def structure(value: Any, _: Any) -> Any:
        if value.__class__ is not dict:
            raise Mismatch("an object", value)
        return {key_hook(key, key_type): value_hook(item, value_type) for key, item in value.items()}

    return structure


def _is_record(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, Record)


def _is_list(cls: Any) -> bool:
    return get_origin(cls) is tuple


def _is_mapping(cls: Any) -> bool:
    return get_origin(cls) is Mapping


def make_converter(*, detailed: bool, records: Factory = _structure_factory) -> cattrs.Converter:
    """Make a converter for all records.

    Args:
        detailed: Collect where something does not fit; slower.
        records: Makes the way in of each class.
    """
    converter = cattrs.Converter(detailed_validation=detailed)
    text_or_object = _strict(str, dict, type(None), name="text or an object")
    converter.register_structure_hook(str, _strict(str, name="text"))
    converter.register_structure_hook(int, _strict(int, name="an integer"))
    converter.register_structure_hook(float, _strict(float, int, name="a number"))
    converter.register_structure_hook(bool, _strict(bool, name="true or false"))
    for union in (TextOrObject, TextOrObject | None):
        converter.register_structure_hook(union, text_or_object)
    for union in (TokenCount, TokenCount | None):
        converter.register_structure_hook(union, _token_count)
    converter.register_structure_hook(Item, _item_hook(converter))
    converter.register_unstructure_hook(Item, converter.unstructure)
    converter.register_structure_hook_factory(_is_list, _list_factory)
    converter.register_structure_hook_factory(_is_mapping, _mapping_factory)
    converter.register_structure_hook_factory(_is_record, records)
    converter.register_unstructure_hook_factory(_is_record, _unstructure_factory)
    return converter
