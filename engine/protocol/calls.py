"""Function calls of the model: from the first sight of a call to its arguments, told once.

The service says `response.function_call_arguments.done` of an interrupted call as well, with arguments that end
anywhere (API reference). So a call counts as made when its item is done, or else when its response has completed.
"""

import json
from collections.abc import Iterable
from typing import Any, Final, TypeVar

import attrs

from engine.wire.depth import is_deeper
from engine.wire.items import FunctionCallItem
from engine.wire.server import ResponseFunctionCallArgumentsDone

V = TypeVar("V")


@attrs.frozen
class Call:
    """A call whose arguments are whole.

    Attributes:
        call_id: As on the wire.
        arguments: The JSON object, or None when the text holds none, or one that is nested too deep to be used.
    """

    call_id: str
    name: str
    arguments: dict[str, Any] | None
    item_id: str


REMEMBERED: Final = 1024
"""Calls, and responses that made some, that are kept in mind; past it the oldest is forgotten. What is told again of a
call comes soon after it, and an hour has some hundreds of them."""


class Calls:
    """Gathers what several events say of one call, and gives each call once."""

    __slots__ = ("_arguments", "_names", "_responses", "_told")

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._arguments: dict[str, ResponseFunctionCallArgumentsDone] = {}
        self._told: dict[str, None] = {}
        self._responses: dict[str, None] = {}

    def begun(self, item: FunctionCallItem) -> None:
        """Keep the name that the call's item begins with."""
        if item.call_id is not None:
            _keep(self._names, item.call_id, item.name)

    def arguments_done(self, event: ResponseFunctionCallArgumentsDone) -> None:
        """Keep the arguments, for a server that never says that the item is done."""
        _keep(self._arguments, event.call_id, event)

    def item_done(self, item: FunctionCallItem, response_id: str) -> Call | None:
        """Take the finished item; None when the call was told already, or never got whole."""
        if item.call_id is None:
            return None
        self._arguments.pop(item.call_id, None)
        if item.status == "incomplete":
            return None
        return self._tell(item.call_id, item.name, item.arguments, item.id or "", response_id)

    def response_done(self, response_id: str, items: Iterable[FunctionCallItem], *, completed: bool) -> list[Call]:
        """Give the calls that only the end of their response shows; one that was cut makes no more calls."""
        late = [self.item_done(item, response_id) for item in items] if completed else []
        mine = [key for key, event in self._arguments.items() if event.response_id == response_id]
        kept = [self._arguments.pop(key) for key in mine]
        if completed:
            late += [self._without_item(event) for event in kept]
        return [call for call in late if call is not None]

    def in_response(self, response_id: str | None) -> bool:
        """Tell whether a response made any call."""
        return response_id in self._responses

    def link_down(self) -> frozenset[str]:
        """The connection is gone. Gives the calls that had begun on it and were not told: they will never be made."""
        untold = frozenset(self._names)
        self._names.clear()
        self._arguments.clear()
        return untold

    def _without_item(self, event: ResponseFunctionCallArgumentsDone) -> Call | None:
        name = event.name or self._names.get(event.call_id)
        if name is None:
            return None
        return self._tell(event.call_id, name, event.arguments, event.item_id, event.response_id)

    def _tell(self, call_id: str, name: str, arguments: str, item_id: str, response_id: str) -> Call | None:
        self._names.pop(call_id, None)
        if call_id in self._told:
            return None
        _keep(self._told, call_id, None)
        _keep(self._responses, response_id, None)
        return Call(call_id, name, _parse(arguments), item_id)


def _keep(kept: dict[str, V], key: str, value: V) -> None:
    kept[key] = value
    if len(kept) > REMEMBERED:
        del kept[next(iter(kept))]


def _parse(arguments: str) -> dict[str, Any] | None:
    if not arguments.strip():
        return {}
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and not is_deeper(value) else None
