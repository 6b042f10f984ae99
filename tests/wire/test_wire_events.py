"""The tables of words are complete: by our own unions, and by the types of openai-python."""

import inspect
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs
import pydantic
import pytest
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent

from engine.wire import client, items, response, server, session
from engine.wire.client import CLIENT_CLASSES, ClientEvent
from engine.wire.items import ITEM_CLASSES, Item, UnknownItem
from engine.wire.record import Record
from engine.wire.server import SERVER_CLASSES, ServerEvent, UnknownServerEvent

Model = type[pydantic.BaseModel]


def alternatives(hint: Any) -> list[Any]:
    """Name what a hint allows beside None, through unions and annotations."""
    if get_origin(hint) is Annotated:
        return alternatives(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return [one for part in get_args(hint) for one in alternatives(part)]
    return [] if hint is type(None) else [hint]


def tag_of(model: Model) -> str | None:
    field = model.model_fields.get("type")
    return get_args(field.annotation)[0] if field and get_origin(field.annotation) is Literal else None


def models_by_tag(union: Any) -> dict[str, Model]:
    return {str(tag_of(model)): model for model in alternatives(union)}


OPENAI_SERVER = models_by_tag(RealtimeServerEvent)
OPENAI_CLIENT = models_by_tag(RealtimeClientEvent)
PAIRS = [
    *((OPENAI_SERVER[tag], cls) for tag, cls in SERVER_CLASSES.items() if tag in OPENAI_SERVER),
    *((OPENAI_CLIENT[tag], cls) for tag, cls in CLIENT_CLASSES.items() if tag in OPENAI_CLIENT),
]


def test_the_server_table_has_exactly_the_types_of_openai_python():
    assert set(SERVER_CLASSES) == set(OPENAI_SERVER)
    assert len(SERVER_CLASSES) == 46


def test_the_client_table_has_exactly_the_types_of_openai_python():
    assert set(CLIENT_CLASSES) == set(OPENAI_CLIENT)
    assert len(CLIENT_CLASSES) == 11


def test_each_union_has_exactly_the_classes_of_its_table():
    assert set(get_args(ServerEvent)) == {*SERVER_CLASSES.values(), UnknownServerEvent}
    assert set(get_args(ClientEvent)) == set(CLIENT_CLASSES.values())
    assert set(get_args(Item)) == {*ITEM_CLASSES.values(), UnknownItem}


def differences(theirs: Any, ours: Any, path: str, seen: frozenset[Any] = frozenset()) -> list[str]:
    """Name what openai's type can say and ours can't."""
    ours_alternatives = alternatives(ours)
    return [line for one in alternatives(theirs) for line in _differences_of_one(one, ours_alternatives, path, seen)]


def _differences_of_one(theirs: Any, ours: list[Any], path: str, seen: frozenset[Any]) -> list[str]:
    if Any in ours:
        return []
    if isinstance(theirs, type) and issubclass(theirs, pydantic.BaseModel):
        classes = [cls for cls in ours if isinstance(cls, type) and issubclass(cls, Record)]
        if not classes:
            return [] if any(get_origin(cls) not in (None, tuple, Literal) for cls in ours) else [f"{path}: no object"]
        cls = classes[0] if len(classes) == 1 else next((c for c in classes if c.tag == tag_of(theirs)), None)
        if cls is None:
            return [f"{path}: no class for {tag_of(theirs)!r}"]
        return [] if (theirs, cls) in seen else _differences_of_model(theirs, cls, path, seen | {(theirs, cls)})
    if get_origin(theirs) is list:
        lists = [hint for hint in ours if get_origin(hint) is tuple]
        return differences(get_args(theirs)[0], get_args(lists[0])[0], f"{path}[]", seen) if lists else [f"{path}: []"]
    return [] if _says(theirs, ours) else [f"{path}: {theirs} is not in {ours}"]


def _differences_of_model(model: Model, cls: type[Record], path: str, seen: frozenset[Any]) -> list[str]:
    hints, lines = get_type_hints(cls), []
    fields = attrs.fields_dict(cls)
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key == "type" and cls.tag is not None:
            continue
        if key not in fields:
            lines.append(f"{path}.{key}: missing in {cls.__name__}")
            continue
        if fields[key].default is attrs.NOTHING and not field.is_required():
            lines.append(f"{path}.{key}: required in {cls.__name__}, optional in openai-python")
        lines += differences(field.annotation, hints[key], f"{path}.{key}", seen)
    return lines


def _says(theirs: Any, ours: list[Any]) -> bool:
    if get_origin(theirs) is Literal:
        return all(theirs in ours or _says(type(value), ours) for value in get_args(theirs))
    if get_origin(theirs) is dict:
        return any(get_origin(hint) not in (None, tuple, Literal) for hint in ours)
    return theirs in ours or (theirs is int and float in ours)


@pytest.mark.parametrize(("model", "cls"), PAIRS, ids=lambda value: getattr(value, "tag", None) or "openai")
def test_each_field_of_openai_python_is_a_field_of_ours_with_room_for_its_values(model: Model, cls: type[Record]):
    assert differences(model, cls, str(cls.tag)) == []


def test_the_comparison_notices_what_is_missing_narrower_or_required():
    class Part(pydantic.BaseModel):
        note: str

    class Theirs(pydantic.BaseModel):
        text: str | None = None
        count: float
        tags: list[str]
        part: Part
        new: int

    @attrs.frozen(kw_only=True)
    class Ours(Record):
        text: str
        count: int
        tags: str
        part: session.Reasoning

    assert differences(Theirs, Ours, "x") == [
        "x.text: required in Ours, optional in openai-python",
        "x.count: <class 'float'> is not in [<class 'int'>]",
        "x.tags: []",
        "x.part.note: missing in Reasoning",
        "x.new: missing in Ours",
    ]


@pytest.mark.parametrize("module", [client, items, response, server, session], ids=lambda module: module.__name__)
def test_each_word_says_what_it_means(module: types.ModuleType):
    records = [cls for _, cls in inspect.getmembers(module, inspect.isclass) if issubclass(cls, Record)]

    assert [cls.__name__ for cls in records if not cls.__doc__] == []
