"""What all events share: they read as the JSON objects of the contract, and say where they came from."""

from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import Any, ClassVar, Final

import attrs

_NAMES_OF_CALLS: Final = ("toolUseId", "name", "status")


def call_only(call: object) -> str:
    """Show whose call it is, and not what is in it."""
    if not isinstance(call, Mapping):
        return f"({type(call).__name__})"
    return repr({key: call[key] for key in _NAMES_OF_CALLS if key in call})


class DictView:
    """Reads a frozen event as the JSON object of the contract."""

    __slots__ = ()

    type: ClassVar[str]

    def as_dict(self) -> dict[str, Any]:
        """Give the contract's JSON form, without the optional identity fields."""
        return {"type": self.type, **self._fields()}

    def _fields(self) -> dict[str, Any]:
        raise AssertionError(f"{type(self).__name__} does not say its fields")

    def __getitem__(self, key: str) -> Any:
        return self.as_dict()[key]

    def get(self, key: str, default: Any = None) -> Any:
        """Read a key of the JSON form, or give `default`."""
        return self.as_dict().get(key, default)

    def keys(self) -> Iterator[str]:
        """Name the keys of the JSON form; with `event[key]` this makes `dict(event)` and `**event` work."""
        return iter(self.as_dict())

    def values(self) -> ValuesView[Any]:
        """Give the values of the JSON form."""
        return self.as_dict().values()

    def items(self) -> ItemsView[str, Any]:
        """Give the pairs of the JSON form."""
        return self.as_dict().items()

    def __len__(self) -> int:
        return len(self.as_dict())

    def __contains__(self, key: object) -> bool:
        return key in self.as_dict()

    def __iter__(self) -> Iterator[str]:
        return self.keys()


@attrs.frozen(kw_only=True)
class Output(DictView):
    """Identity that every output event may carry.

    Attributes:
        response_id: The response that it belongs to.
        item_id: The conversation item.
        content_index: The piece of content in the item.
        event_id: The server event that it came from.
        received_at: When that was read, in seconds of Trio's clock.
    """

    item_id: str | None = attrs.field(default=None, eq=False, repr=False)
    content_index: int | None = attrs.field(default=None, eq=False, repr=False)
    event_id: str | None = attrs.field(default=None, eq=False, repr=False)
    received_at: float | None = attrs.field(default=None, eq=False, repr=False)


@attrs.frozen(kw_only=True)
class OfResponse(Output):
    """An output event that may belong to a response."""

    response_id: str | None = attrs.field(default=None, eq=False, repr=False)
