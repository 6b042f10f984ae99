"""The base of every JSON object on the wire: typed fields, and whatever else the sender put beside them."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final

import attrs

_PLAIN: Final = frozenset({str, int, float, bool, str | None, int | None, float | None, bool | None})

NOTHING_EXTRA: Mapping[str, Any] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class Record:
    """A JSON object with typed fields. A field that is None is not on the wire.

    Attributes:
        extra: What the JSON object held that no typed field says: keys that this class does not know (the service
            adds some weekly), known keys that were given as null, and optional ones whose value has another type.
            Encoding puts them back, so nothing is lost in a round trip; to send an explicit null, name the key here
            with value None.
    """

    tag: ClassVar[str | None] = None
    """Value of the `type` key where the class itself says it."""

    extra: Mapping[str, Any] = attrs.field(default=NOTHING_EXTRA, hash=False)


_known_of: dict[type[Record], frozenset[str]] = {}


def known_keys(cls: type[Record]) -> frozenset[str]:
    """Name the JSON keys that `cls` has typed fields for."""
    known = _known_of.get(cls)
    if known is None:
        names = {field.name for field in attrs.fields(cls)} - {"extra"}
        known = _known_of[cls] = frozenset(names | {"type"} if cls.tag is not None else names)
    return known


def is_odd(record: Record) -> bool:
    """Tell whether `unknown_keys` or `misfit_keys` has anything to name: as a rule not, and to ask costs less."""
    if record.extra and not _only_nulls(record):
        return True
    for name in _names(type(record)):
        value = getattr(record, name)
        if isinstance(value, Record):
            if is_odd(value):
                return True
        elif isinstance(value, tuple) and any(isinstance(child, Record) and is_odd(child) for child in value):
            return True
    return False


def _only_nulls(record: Record) -> bool:
    known = known_keys(type(record))
    return all(value is None and key in known for key, value in record.extra.items())


def unknown_keys(record: Record) -> Iterator[str]:
    """Walk a record and name each key that no class has a field for, as a dotted path."""
    for path, part in _parts(record, ""):
        known = known_keys(type(part))
        yield from (path + key for key in part.extra if key not in known)


def misfit_keys(record: Record) -> Iterator[str]:
    """Walk a record and name each key whose value has another type than its field, as a dotted path."""
    for path, part in _parts(record, ""):
        known = known_keys(type(part))
        yield from (path + key for key, value in part.extra.items() if key in known and value is not None)


def _parts(record: Record, path: str) -> Iterator[tuple[str, Record]]:
    """Walk to a record and all in it that hold something extra."""
    if record.extra:
        yield path, record
    for name in _names(type(record)):
        value = getattr(record, name)
        for child in value if isinstance(value, tuple) else (value,):
            if isinstance(child, Record):
                yield from _parts(child, f"{path}{name}.")


_names_of: dict[type[Record], tuple[str, ...]] = {}


def _names(cls: type[Record]) -> tuple[str, ...]:
    """Name the fields that may hold records."""
    names = _names_of.get(cls)
    if names is None:
        names = _names_of[cls] = tuple(field.name for field in attrs.fields(cls) if field.type not in _PLAIN)
    return names
