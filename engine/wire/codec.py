"""JSON text to typed events and back, by cattrs hooks built once a class.

Decoding is strict about what is there (a number where text belongs is a violation, not a conversion) and generous
about what is new: unknown events and fields are kept in `extra`.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast, get_args, get_origin

import attrs
import cattrs
import orjson
from cattrs.cols import list_structure_factory
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from engine.errors import RemoteViolation, UnsupportedContent
from engine.wire.client import CLIENT_CLASSES, ClientEvent, ClientEventBase
from engine.wire.items import ITEM_CLASSES, Item, UnknownItem
from engine.wire.record import Record, known_keys
from engine.wire.server import SERVER_CLASSES, ServerEvent, ServerEventBase, UnknownServerEvent
from engine.wire.session import TextOrObject, TokenCount
from engine.wire.translation import (
    TRANSLATION_CLIENT_CLASSES,
    TRANSLATION_SERVER_CLASSES,
    TranslationClientEvent,
    TranslationServerEvent,
)

R = TypeVar("R", bound=Record)
_Hook = Callable[[Any, Any], Any]
_Factory = Callable[[Any, cattrs.Converter], _Hook]

_WRONG = (KeyError, TypeError, ValueError, AttributeError, RecursionError)
"""What a value that does not fit its type raises."""

_TYPE_SHOWN_CHARS = 64
"""What an error shows of a `type` that is not ours; our longest has 53 characters."""


class _Mismatch(ValueError):
    """A JSON value of the wrong type. Says which types, never the value: it may be somebody's words."""

    def __init__(self, expected: str, value: Any) -> None:
        super().__init__(f"expected {expected}, got {type(value).__name__}")


def _strict(*accepted: type, name: str) -> _Hook:
    """Let values of exactly these types through: JSON's true is no number, and text is no integer."""

    def hook(value: Any, _: Any) -> Any:
        if value.__class__ not in accepted:
            raise _Mismatch(name, value)
        return value

    return hook


def _token_count(value: Any, _: Any) -> Any:
    if value is None or value.__class__ is int or value == "inf":
        return value
    raise _Mismatch("an integer or 'inf'", value)


def _structure_factory(cls: type[R], converter: cattrs.Converter) -> _Hook:
    base = make_dict_structure_fn(cls, converter, extra=override(omit=True))
    known = known_keys(cls)

    def structure(value: Any, _: Any) -> R:
        if value.__class__ is not dict:
            raise _Mismatch("an object", value)
        record = base(value, cls)
        if not value.keys() <= known or None in value.values():
            extra = {key: item for key, item in value.items() if item is None or key not in known}
            # The record is frozen for everybody else; here it is still being made.
            object.__setattr__(record, "extra", extra)
        return record

    return structure


def _lenient_factory(cls: type[R], converter: cattrs.Converter) -> _Hook:
    """Build the slow way in, for objects that the fast one refuses: what is optional and wrong goes to `extra`."""
    known = known_keys(cls)
    fields = [field for field in attrs.fields(cls) if field.name != "extra"]

    def structure(value: Any, _: Any) -> R:
        if value.__class__ is not dict:
            raise _Mismatch("an object", value)
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
            except _WRONG:
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


def _item_hook(converter: cattrs.Converter) -> _Hook:
    def structure(value: Any, _: Any) -> Any:
        if value.__class__ is not dict:
            raise _Mismatch("an object", value)
        kind = value.get("type")
        cls = ITEM_CLASSES.get(kind, UnknownItem) if isinstance(kind, str) else UnknownItem
        return converter.structure(value, cls)

    return structure


def _list_factory(cls: Any, converter: cattrs.Converter) -> _Hook:
    base = list_structure_factory(cls, converter)

    def structure(value: Any, _: Any) -> Any:
        if value.__class__ not in (list, tuple):  # any iterable would do for cattrs: text, and an object's keys
            raise _Mismatch("a list", value)
        return tuple(base(value, cls))

    return structure


def _mapping_factory(cls: Any, converter: cattrs.Converter) -> _Hook:
    # Not cattrs' own: that one names the key in its errors, and keys are the sender's words.
    hooks = [(converter.get_structure_hook(part), part) for part in get_args(cls)]
    (key_hook, key_type), (value_hook, value_type) = hooks

    def structure(value: Any, _: Any) -> Any:
        if value.__class__ is not dict:
            raise _Mismatch("an object", value)
        return {key_hook(key, key_type): value_hook(item, value_type) for key, item in value.items()}

    return structure


def _is_record(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, Record)


def _is_list(cls: Any) -> bool:
    return get_origin(cls) is tuple


def _is_mapping(cls: Any) -> bool:
    return get_origin(cls) is Mapping


def _make_converter(*, detailed: bool, records: _Factory = _structure_factory) -> cattrs.Converter:
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


_converter = _make_converter(detailed=False)
_explainer = _make_converter(detailed=True)
_lenient = _make_converter(detailed=False, records=_lenient_factory)

_Hooks = dict[str, tuple[type[Record], _Hook]]


def _hooks(classes: Mapping[str, type[Record]]) -> _Hooks:
    return {tag: (cls, _converter.get_structure_hook(cls)) for tag, cls in classes.items()}


_SERVER_HOOKS = _hooks(SERVER_CLASSES)
_UNKNOWN_SERVER_HOOK = (UnknownServerEvent, _converter.get_structure_hook(UnknownServerEvent))
_CLIENT_HOOKS = _hooks(CLIENT_CLASSES)
_TRANSLATION_SERVER_HOOKS = _hooks(TRANSLATION_SERVER_CLASSES)
_TRANSLATION_CLIENT_HOOKS = _hooks(TRANSLATION_CLIENT_CLASSES)


def load_object(text: str | bytes) -> tuple[dict[str, Any], str]:
    """Read one JSON object with a `type`.

    Returns:
        The object and its type.

    Raises:
        RemoteViolation: It is no JSON, no object, or has no type.
    """
    problem = None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        problem = error.msg
    if problem is not None:
        # Outside the handler: orjson's exception holds the whole message, and would live as long as ours.
        raise RemoteViolation("invalid_json", problem)
    if not isinstance(value, dict):
        raise RemoteViolation("not_an_object", f"the message is a JSON {type(value).__name__}")
    kind = value.get("type")
    if not isinstance(kind, str):
        raise RemoteViolation("missing_type", "the message has no 'type' text")
    return value, kind


def decode_server(text: str | bytes) -> ServerEvent:
    """Turn a server message into its event.

    An optional field of the wrong type does not cost the event: it is kept in `extra`, see `record.misfit_keys`.

    Raises:
        RemoteViolation: The message can't be read; nothing else was affected.
    """
    return cast("ServerEvent", _decode_server(text, _SERVER_HOOKS))


def decode_translation_server(text: str | bytes) -> TranslationServerEvent:
    """Turn a message of the translation endpoint into its event, as `decode_server` does.

    Raises:
        RemoteViolation: The message can't be read; nothing else was affected.
    """
    return cast("TranslationServerEvent", _decode_server(text, _TRANSLATION_SERVER_HOOKS))


def _decode_server(text: str | bytes, hooks: _Hooks) -> Record:
    value, kind = load_object(text)
    cls, hook = hooks.get(kind, _UNKNOWN_SERVER_HOOK)
    event = _try(hook, value, cls) or _try(_lenient.structure, value, cls)
    if event is None:
        raise _violation(value, kind, cls)
    return event


def decode_client(text: str | bytes) -> ClientEvent:
    """Turn a client message into its event; for servers.

    Raises:
        RemoteViolation: The message can't be read, or its type is unknown (problem `unknown_type`).
    """
    return cast("ClientEvent", _decode_client(text, _CLIENT_HOOKS))


def decode_translation_client(text: str | bytes) -> TranslationClientEvent:
    """Turn a message of a translation endpoint's client into its event; for servers.

    Raises:
        RemoteViolation: The message can't be read, or its type is unknown (problem `unknown_type`).
    """
    return cast("TranslationClientEvent", _decode_client(text, _TRANSLATION_CLIENT_HOOKS))


def _decode_client(text: str | bytes, hooks: _Hooks) -> Record:
    value, kind = load_object(text)
    entry = hooks.get(kind)
    if entry is None:
        raise RemoteViolation("unknown_type", "no such client event", event_type=_shown(kind))
    return _structure(value, kind, *entry)


def _structure(value: dict[str, Any], kind: str, cls: type[Record], hook: _Hook) -> Record:
    record = _try(hook, value, cls)
    if record is None:
        raise _violation(value, kind, cls)
    return record


def _try(hook: _Hook, value: dict[str, Any], cls: type[Record]) -> Record | None:
    try:
        return cast("Record", hook(value, cls))
    except _WRONG:
        return None


def _violation(value: dict[str, Any], kind: str, cls: type[Record]) -> RemoteViolation:
    field, detail = _explain(value, cls)
    return RemoteViolation("invalid_field", detail, event_type=_shown(kind), field=field)


def _explain(value: dict[str, Any], cls: type[Record]) -> tuple[str | None, str]:
    """Give the path of the first wrong field and what is wrong there, by decoding once more the slow way."""
    line = "the message does not fit @ $"
    try:
        _explainer.structure(value, cls)
    except Exception as error:  # noqa: BLE001 - whatever it is, it only tells more of what is known to be wrong
        line = cattrs.transform_error(error, format_exception=_describe)[0]
    detail, _, path = line.rpartition(" @ ")
    return path.removeprefix("$").removeprefix(".") or None, detail


def _describe(error: BaseException, _: type | None) -> str:
    if isinstance(error, KeyError):
        return f"missing field {error.args[0]!r}"
    return str(error) if isinstance(error, _Mismatch) else f"the message does not fit ({type(error).__name__})"


def _shown(kind: str) -> str:
    return ascii(kind[:_TYPE_SHOWN_CHARS])[1:-1]


def to_object(record: Record) -> dict[str, Any]:
    """Give the record as a JSON object of plain Python values."""
    return cast("dict[str, Any]", _converter.unstructure(record))


def encode(event: ClientEvent | ServerEvent | ClientEventBase | ServerEventBase) -> str:
    """Give an event as JSON text.

    Raises:
        UnsupportedContent: It holds what JSON can't say: an object that is no JSON value, an integer of more than
            64 bits, half a surrogate pair, or values nested more than about 250 deep.
    """
    try:
        return orjson.dumps(_converter.unstructure(event)).decode()
    except (TypeError, RecursionError) as error:
        raise UnsupportedContent(f"{_shown(event_type(event))} can't be written as JSON: {error}") from error


def from_object(value: Mapping[str, Any], cls: type[R]) -> R:
    """Make a record of plain Python values, as strictly as from JSON.

    Raises:
        RemoteViolation: A field is missing or has the wrong type.
    """
    return cast("R", _structure(dict(value), cls.tag or cls.__name__, cls, _converter.get_structure_hook(cls)))


def event_type(event: Record) -> str:
    """Name the event's type as it stands on the wire."""
    return event.tag or cast("str", attrs.asdict(event, recurse=False)["type"])
