"""What client events about items do: make, retrieve, truncate, delete; and the items that a response is to read."""

from collections.abc import Callable
from typing import Any

from engine.simulator.catalogue import REFERENCE_UNKNOWN, Refusal
from engine.simulator.client_items import client_entry
from engine.simulator.conversation import Entry
from engine.simulator.formats import wire_format
from engine.simulator.mcp_calls import McpCalls
from engine.simulator.services import Services

Json = dict[str, Any]


class ItemEvents:
    """The items of one session, as its client handles them.

    Args:
        services: The session's.
        mcp_calls: Told of approvals.
        settings: Gives the settings in force.
    """

    def __init__(self, services: Services, mcp_calls: McpCalls, settings: Callable[[], Json]) -> None:
        self._services = services
        self._mcp_calls = mcp_calls
        self._settings = settings

    def create(self, event: Json) -> None:
        """Add an item, and run the MCP call that it approves."""
        conversation = self._services.conversation
        entry = self._entry(event["item"])
        approval = entry.item["type"] == "mcp_approval_response"
        if entry.item["type"] == "function_call_output":
            conversation.check_call(entry.item)
        if approval:
            self._mcp_calls.check_approval(entry.item)
        previous = conversation.add(entry, event.get("previous_item_id"))
        for kind in ("conversation.item.added", "conversation.item.done"):
            self._services.emit(kind, previous_item_id=previous, item=entry.snapshot())
        if approval:
            self._mcp_calls.approve(entry.item)

    def retrieve(self, event: Json) -> None:
        """Send an item with its audio."""
        entry = self._services.conversation.retrieve(event["item_id"])
        audio = self._settings()["audio"]
        side = "input" if entry.item.get("role") == "user" else "output"
        wire = wire_format(audio.get(side, audio["input"])["format"])
        self._services.emit("conversation.item.retrieved", item=entry.with_audio(wire))

    def truncate(self, event: Json) -> None:
        """Cut the assistant's audio."""
        place = {key: event[key] for key in ("item_id", "content_index", "audio_end_ms")}
        self._services.conversation.truncate(**place)
        self._services.emit("conversation.item.truncated", **place)

    def delete(self, event: Json) -> None:
        """Remove an item."""
        self._services.conversation.delete(event["item_id"])
        self._services.emit("conversation.item.deleted", item_id=event["item_id"])

    def context(self, given: list[Json] | None) -> list[Entry]:
        """Give the items that a response is to read: the conversation's, or those that it names or brings.

        Raises:
            Refusal: One that it names is not there.
        """
        if given is None:
            return list(self._services.conversation)
        return [self._given(item, f"response.input[{index}].id") for index, item in enumerate(given)]

    def _given(self, item: Json, path: str) -> Entry:
        if item["type"] != "item_reference":
            return self._entry(item)
        entry = self._services.conversation.get(item["id"])
        if entry is None:
            raise Refusal(REFERENCE_UNKNOWN, param=path, item_id=item["id"])
        return entry

    def _entry(self, item: Json) -> Entry:
        return client_entry(item, self._services.ids, wire_format(self._settings()["audio"]["input"]["format"]))
