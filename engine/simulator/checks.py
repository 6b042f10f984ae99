"""What each client event may hold, as a table, and the check of a whole message against it."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from engine.limits import (
    EVENT_ID_MAX_CHARS,
    METADATA_KEY_MAX_CHARS,
    METADATA_MAX_PAIRS,
    METADATA_VALUE_MAX_CHARS,
)
from engine.simulator.catalogue import (
    BINARY_FRAME,
    INVALID_CHOICE,
    INVALID_JSON,
    MISSING_TYPE,
    NOT_AN_OBJECT,
    Refusal,
    listed,
)
from engine.simulator.schema import Check, Choice, Each, Number, Pairs, Shape, Tagged, Text
from engine.simulator.shapes import FLAG, FORMAT, GENERATION_FIELDS, ITEM_ID, SESSION, TEXT, TRANSLATION, VOICE
from engine.wire.depth import DEPTH_MAX, is_deeper

_CONTENT: dict[str, Check] = {
    "input_text": Shape({"type": TEXT, "text": TEXT}, required=("text",)),
    "input_audio": Shape({"type": TEXT, "audio": TEXT, "transcript": TEXT}, required=("audio",)),
    "input_image": Shape(
        {"type": TEXT, "image_url": TEXT, "detail": Choice(("auto", "low", "high"))}, required=("image_url",)
    ),
    "output_text": Shape({"type": TEXT, "text": TEXT}, required=("text",)),
}
_ROLE_CONTENT: dict[str, tuple[str, ...]] = {
    "system": ("input_text",),
    "user": ("input_text", "input_audio", "input_image"),
    "assistant": ("output_text",),  # assistant audio can't be injected (API reference)
}
_ITEM_FIELDS: dict[str, Check] = {"id": ITEM_ID, "object": TEXT, "type": TEXT, "status": TEXT}


def _message(role: str) -> Shape:
    content = Each(Tagged({kind: _CONTENT[kind] for kind in _ROLE_CONTENT[role]}))
    return Shape({**_ITEM_FIELDS, "role": TEXT, "content": content, "phase": TEXT}, required=("content",))


_ITEMS: dict[str, Check] = {
    "message": Tagged({role: _message(role) for role in _ROLE_CONTENT}, key="role"),
    "function_call": Shape(
        {**_ITEM_FIELDS, "call_id": ITEM_ID, "name": TEXT, "arguments": TEXT}, required=("name", "arguments")
    ),
    "function_call_output": Shape({**_ITEM_FIELDS, "call_id": ITEM_ID, "output": TEXT}, required=("call_id", "output")),
    "mcp_approval_response": Shape(
        {**_ITEM_FIELDS, "approval_request_id": TEXT, "approve": FLAG, "reason": TEXT},
        required=("id", "approval_request_id", "approve"),
    ),
}
_RESPONSE = Shape(
    {
        **GENERATION_FIELDS,
        "conversation": Choice(("auto", "none")),
        "input": Each(Tagged({**_ITEMS, "item_reference": Shape(_ITEM_FIELDS, required=("id",))})),
        "audio": Shape({"output": Shape({"format": FORMAT, "voice": VOICE})}),
        "metadata": Pairs(METADATA_MAX_PAIRS, METADATA_KEY_MAX_CHARS, METADATA_VALUE_MAX_CHARS),
    }
)


def _event(required: tuple[str, ...] = (), **fields: Check) -> Shape:
    return Shape({"type": TEXT, "event_id": Text(EVENT_ID_MAX_CHARS), **fields}, required)


# In the order in which the service lists the types when it is given an unknown one.
EVENTS: Final[dict[str, Shape]] = {
    "session.update": _event(("session",), session=SESSION),
    "session.close": _event(),
    "input_audio_buffer.append": _event(("audio",), audio=TEXT),
    "session.input_audio_buffer.append": _event(("audio",), audio=TEXT),
    "input_audio_buffer.commit": _event(),
    "input_audio_buffer.clear": _event(),
    "conversation.item.create": _event(("item",), item=Tagged(_ITEMS), previous_item_id=TEXT),
    "conversation.item.truncate": _event(
        ("item_id", "content_index", "audio_end_ms"), item_id=TEXT, content_index=Number(0), audio_end_ms=Number(0)
    ),
    "conversation.item.delete": _event(("item_id",), item_id=TEXT),
    "conversation.item.retrieve": _event(("item_id",), item_id=TEXT),
    "response.create": _event(response=_RESPONSE),
    "response.cancel": _event(response_id=TEXT),
}


SIDEBAND_EVENTS: Final = {**EVENTS, "output_audio_buffer.clear": _event()}
"""On a socket that controls a WebRTC or SIP call."""

TRANSLATION_EVENTS: Final = {
    "session.update": _event(("session",), session=TRANSLATION),
    "session.input_audio_buffer.append": _event(("audio",), audio=TEXT),
    "session.close": _event(),
}


def parse(message: str | bytes) -> dict[str, Any]:
    """Read a client's message as a JSON object.

    Raises:
        Refusal: It is binary, no JSON, no object, or nested deeper than `DEPTH_MAX`.
    """
    if isinstance(message, bytes):
        raise Refusal(BINARY_FRAME)
    try:
        event = orjson.loads(message)
    except orjson.JSONDecodeError as error:
        raise Refusal(INVALID_JSON, detail=error.msg) from None
    if type(event) is not dict:
        raise Refusal(NOT_AN_OBJECT)
    if is_deeper(event):
        raise Refusal(INVALID_JSON, detail=f"it is nested more than {DEPTH_MAX} deep")  # text not recorded
    return event


def event_id_of(event: dict[str, Any]) -> str | None:
    """Give the client's id of an event, which its errors name; None where there is none that can be named."""
    event_id = event.get("event_id")
    return event_id if isinstance(event_id, str) else None


def check_event(event: dict[str, Any], events: Mapping[str, Shape] = EVENTS) -> str:
    """Check a client event.

    Args:
        event: The event.
        events: What each may hold, at the endpoint.

    Returns:
        Its type.

    Raises:
        Refusal: It lacks a type, has an unknown one, or something in it does not fit.
    """
    kind = event.get("type")
    if kind is None:
        raise Refusal(MISSING_TYPE)
    shape = events.get(kind) if isinstance(kind, str) else None
    if shape is None:
        raise Refusal(INVALID_CHOICE, param="type", value=kind, allowed=listed(tuple(events)))
    shape.check(event, "")
    return str(kind)
