"""The base of every JSON object on the wire: typed fields, and whatever else the sender put beside them."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import attrs

NOTHING_EXTRA: Mapping[str, Any] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class Record:
    """A JSON object with typed fields. A field that is None is not on the wire.

    Attributes:
        extra: What the JSON object held that no typed field says: keys that this class does not know (the service
            adds some weekly), and known keys that were given as null. Encoding puts them back, so nothing is lost
            in a round trip; to send an explicit null, name the key here with value None.
    """

    tag: ClassVar[str | None] = None
    """Value of the `type` key where the class itself says it."""

    extra: Mapping[str, Any] = attrs.field(default=NOTHING_EXTRA, hash=False)


def known_keys(cls: type[Record]) -> frozenset[str]:
    """Name the JSON keys that `cls` has typed fields for."""
    names = {field.name for field in attrs.fields(cls)} - {"extra"}
    return frozenset(names | {"type"} if cls.tag is not None else names)


def unknown_keys(record: Record, path: str = "") -> Iterator[str]:
    """Walk a record and name each key that no class has a field for, as a dotted path."""
    cls = type(record)
    if record.extra:
        known = known_keys(cls)
        yield from (f"{path}{key}" for key in record.extra if key not in known)
    for field in attrs.fields(cls):
        value = getattr(record, field.name)
        for child in value if isinstance(value, tuple) else (value,):
            if isinstance(child, Record):
                yield from unknown_keys(child, f"{path}{field.name}.")
