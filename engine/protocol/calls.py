"""Function calls of the model: from the first sight of a call to its arguments, told once."""

import json
from typing import Any

import attrs

from engine.wire.items import FunctionCallItem
from engine.wire.server import ResponseFunctionCallArgumentsDone


@attrs.frozen
class Call:
    """A call whose arguments are whole.

    Attributes:
        call_id: As on the wire.
        arguments: The JSON object, or None when the text holds none.
    """

    call_id: str
    name: str
    arguments: dict[str, Any] | None
    item_id: str


class Calls:
    """Gathers what several events say of one call, and gives each call once."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._told: set[str] = set()
        self._responses: set[str] = set()

    def begun(self, item: FunctionCallItem) -> None:
        """Keep the name that the call's item begins with."""
        if item.call_id is not None:
            self._names[item.call_id] = item.name

    def arguments_done(self, event: ResponseFunctionCallArgumentsDone) -> Call | None:
        """Take the arguments; None when the name is not known yet, or the call was told already."""
        name = event.name or self._names.get(event.call_id)
        if name is None:
            return None
        return self._tell(event.call_id, name, event.arguments, event.item_id, event.response_id)

    def item_done(self, item: FunctionCallItem, response_id: str) -> Call | None:
        """Take the finished item; None when the call was told already, or never got whole."""
        if item.call_id is None or item.status == "incomplete":
            return None
        return self._tell(item.call_id, item.name, item.arguments, item.id or "", response_id)

    def in_response(self, response_id: str | None) -> bool:
        """Tell whether a response made any call."""
        return response_id in self._responses

    def _tell(self, call_id: str, name: str, arguments: str, item_id: str, response_id: str) -> Call | None:
        if call_id in self._told:
            return None
        self._told.add(call_id)
        self._names.pop(call_id, None)
        self._responses.add(response_id)
        return Call(call_id, name, _parse(arguments), item_id)


def _parse(arguments: str) -> dict[str, Any] | None:
    if not arguments.strip():
        return {}
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
