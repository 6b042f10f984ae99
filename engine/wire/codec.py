"""JSON text to typed events and back, by cattrs hooks built once a class.

Decoding is strict about what is there (a number where text belongs is a violation, not a conversion) and generous
about what is new: unknown events and fields are kept in `extra`.
"""

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import attrs
import cattrs
import orjson

from engine.errors import RemoteViolation, UnsupportedContent
from engine.wire.client import CLIENT_CLASSES, ClientEvent, ClientEventBase
from engine.wire.converters import WRONG, Hook, Mismatch, lenient_factory, make_converter
from engine.wire.depth import DEPTH_MAX, is_deeper
from engine.wire.quick_records import quick_factory
from engine.wire.record import Record
from engine.wire.server import SERVER_CLASSES, ServerEvent, ServerEventBase, UnknownServerEvent
from engine.wire.speech import read_speech
from engine.wire.translation import (
    TRANSLATION_CLIENT_CLASSES,
    TRANSLATION_SERVER_CLASSES,
    TranslationClientEvent,
    TranslationServerEvent,
)

R = TypeVar("R", bound=Record)

_TYPE_SHOWN_CHARS = 64
"""What an error shows of a `type` that is not ours; our longest has 53 characters."""

_converter = make_converter(detailed=False, records=quick_factory)
_explainer = make_converter(detailed=True)
_lenient = make_converter(detailed=False, records=lenient_factory)

_Hooks = dict[str, tuple[type[Record], Hook]]


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
        RemoteViolation: It is no JSON, no object, has no type, or is nested too deep (problem `too_deep`).
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
    if is_deeper(value, text=text):
        raise RemoteViolation("too_deep", f"it is nested in more than {DEPTH_MAX} levels", event_type=_shown(kind))
    return value, kind


def decode_server(text: str | bytes) -> ServerEvent:
    """Turn a server message into its event.

    An optional field of the wrong type does not cost the event: it is kept in `extra`, see `record.misfit_keys`.

    Raises:
        RemoteViolation: The message can't be read; nothing else was affected.
    """
    speech = read_speech(text) if isinstance(text, str) else None
    return speech or cast("ServerEvent", _decode_server(text, _SERVER_HOOKS))


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


def _structure(value: dict[str, Any], kind: str, cls: type[Record], hook: Hook) -> Record:
    record = _try(hook, value, cls)
    if record is None:
        raise _violation(value, kind, cls)
    return record


def _try(hook: Hook, value: dict[str, Any], cls: type[Record]) -> Record | None:
    try:
        return cast("Record", hook(value, cls))
    except WRONG:
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
    return str(error) if isinstance(error, Mismatch) else f"the message does not fit ({type(error).__name__})"


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
