"""Items that the client makes: the wire object as the service echoes it, and the audio that was in it."""

from collections.abc import Callable
from typing import Any

from engine.simulator.conversation import Entry
from engine.simulator.formats import WireFormat
from engine.simulator.ids import IdMint

Json = dict[str, Any]


def client_entry(item: Json, ids: IdMint, wire: WireFormat) -> Entry:
    """Make an entry of a checked client item.

    Raises:
        Refusal: Its audio can't be read.
    """
    given = {key: value for key, value in item.items() if value is not None}
    entry = Entry({"id": given.get("id") or ids.new("item"), "type": given["type"]})
    entry.item |= _BODIES[given["type"]](given, ids)
    for part, echoed in zip(given.get("content", ()), entry.item.get("content", ()), strict=True):
        if part["type"] == "input_audio":
            entry.say(wire.read(part["audio"]))
            entry.heard = echoed["transcript"]
    return entry


def _message(item: Json, _: IdMint) -> Json:
    return {"status": "completed", "role": item["role"], "content": [_content(part) for part in item["content"]]}


def _content(part: Json) -> Json:
    """Echo a piece of content: audio only by its transcript, an image at the detail that `auto` stands for."""
    if part["type"] == "input_audio":
        return {"type": "input_audio", "transcript": part.get("transcript")}
    if part["type"] == "input_image":
        detail = part.get("detail") or "auto"
        return {**part, "detail": "high" if detail == "auto" else detail}
    return {"type": part["type"], "text": part["text"]}


def _call(item: Json, ids: IdMint) -> Json:
    return {
        "status": "completed",
        "name": item["name"],
        "call_id": item.get("call_id") or ids.new("call"),
        "arguments": item["arguments"],
    }


def _output(item: Json, _: IdMint) -> Json:
    return {"call_id": item["call_id"], "output": item["output"]}


def _approval(item: Json, _: IdMint) -> Json:
    return {key: item[key] for key in ("approval_request_id", "approve", "reason") if key in item}


_BODIES: dict[str, Callable[[Json, IdMint], Json]] = {
    "message": _message,
    "function_call": _call,
    "function_call_output": _output,
    "mcp_approval_response": _approval,
}
