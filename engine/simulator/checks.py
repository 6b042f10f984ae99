"""What each client event may hold, as a table, and the check of a whole message against it."""

from collections.abc import Mapping
from typing import Any, Final

import attrs
import orjson

from engine.limits import (
    EVENT_ID_MAX_CHARS,
    ID_MAX_CHARS,
    IDLE_TIMEOUT_MAX_MS,
    IDLE_TIMEOUT_MIN_MS,
    MAX_OUTPUT_TOKENS,
    METADATA_KEY_MAX_CHARS,
    METADATA_MAX_PAIRS,
    METADATA_VALUE_MAX_CHARS,
    SPEED_MAX,
    SPEED_MIN,
    WIRE_RATE_HZ,
)
from engine.simulator.catalogue import (
    BINARY_FRAME,
    BOTH_MODALITIES,
    INVALID_CHOICE,
    INVALID_JSON,
    MISSING_TYPE,
    NOT_AN_OBJECT,
    Refusal,
    listed,
)
from engine.simulator.schema import ByType, Check, Choice, Each, Number, OfType, Pairs, Shape, Tagged, Text

VOICES: Final = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")
SECRET_LIFE_MIN_S: Final = 10
SECRET_LIFE_MAX_S: Final = 7200
"""What a client secret's `expires_after.seconds` may be (API reference)."""

EFFORTS: Final = ("minimal", "low", "medium", "high", "xhigh")
FORMATS: Final = ("audio/pcm", "audio/pcmu", "audio/pcma")


@attrs.frozen
class _Modalities:
    """`["text"]` or `["audio"]`, never both."""

    def check(self, value: Any, path: str) -> None:
        Each(Choice(("text", "audio"))).check(value, path)
        if len(value) != 1:
            raise Refusal(BOTH_MODALITIES, param=path, value=value)


_TEXT = Text()
_FLAG = OfType(bool)
_OBJECT = OfType(dict)
_ITEM_ID = Text(ID_MAX_CHARS)

_FORMAT = Shape({"type": Choice(FORMATS), "rate": Number(WIRE_RATE_HZ, WIRE_RATE_HZ)}, required=("type",))
_NOISE_REDUCTION = Shape({"type": Choice(("near_field", "far_field")), "strength": Number(integer=False)})
_TRANSCRIPTION = Shape(
    {
        "model": _TEXT,
        "language": _TEXT,
        "prompt": _TEXT,
        "delay": Choice(EFFORTS),
        "keywords": Each(_TEXT),
        "languages": Each(_TEXT),
    }
)
_TURN_FIELDS: dict[str, Check] = {"type": _TEXT, "create_response": _FLAG, "interrupt_response": _FLAG}
_TURN_DETECTION = Tagged(
    {
        "server_vad": Shape(
            {
                **_TURN_FIELDS,
                "threshold": Number(0, 1, integer=False),
                "prefix_padding_ms": Number(0),
                "silence_duration_ms": Number(0),
                "idle_timeout_ms": Number(IDLE_TIMEOUT_MIN_MS, IDLE_TIMEOUT_MAX_MS),
            }
        ),
        "semantic_vad": Shape({**_TURN_FIELDS, "eagerness": Choice(("low", "medium", "high", "auto"))}),
    }
)
_AUDIO_INPUT = Shape(
    {
        "format": _FORMAT,
        "transcription": _TRANSCRIPTION,
        "noise_reduction": _NOISE_REDUCTION,
        "turn_detection": _TURN_DETECTION,
    }
)
_VOICE = ByType({str: Choice(VOICES), dict: Shape({"id": _TEXT}, required=("id",))})
_TOOL_FILTER = Shape({"tool_names": Each(_TEXT), "read_only": _FLAG})
_TOOL = Tagged(
    {
        "function": Shape(
            {"type": _TEXT, "name": _TEXT, "description": _TEXT, "parameters": _OBJECT}, required=("name",)
        ),
        "mcp": Shape(
            {
                "type": _TEXT,
                "server_label": _TEXT,
                "server_url": _TEXT,
                "server_description": _TEXT,
                "connector_id": _TEXT,
                "tunnel_id": _TEXT,
                "authorization": _TEXT,
                "headers": _OBJECT,
                "allowed_tools": ByType({list: Each(_TEXT), dict: _TOOL_FILTER}),
                "allowed_callers": Each(Choice(("direct", "programmatic"))),
                "require_approval": ByType(
                    {str: Choice(("always", "never")), dict: Shape({"always": _TOOL_FILTER, "never": _TOOL_FILTER})}
                ),
                "defer_loading": _FLAG,
            },
            required=("server_label",),
        ),
    }
)
_TOOL_CHOICE = Tagged(
    {
        "function": Shape({"type": _TEXT, "name": _TEXT}, required=("name",)),
        "mcp": Shape({"type": _TEXT, "server_label": _TEXT, "name": _TEXT}, required=("server_label",)),
    }
)
_GENERATION_FIELDS: dict[str, Check] = {
    "instructions": _TEXT,
    "output_modalities": _Modalities(),
    "tools": Each(_TOOL),
    "tool_choice": ByType({str: Choice(("none", "auto", "required")), dict: _TOOL_CHOICE}),
    "parallel_tool_calls": _FLAG,
    "reasoning": Shape({"effort": Choice(EFFORTS)}),
    "max_output_tokens": ByType({int: Number(1, MAX_OUTPUT_TOKENS), str: Choice(("inf",))}),
    "prompt": Shape({"id": _TEXT, "version": _TEXT, "variables": _OBJECT}, required=("id",)),
}
_TRUNCATION = Tagged(
    {
        "retention_ratio": Shape(
            {
                "type": _TEXT,
                "retention_ratio": Number(0, 1, integer=False),
                "token_limits": Shape({"post_instructions": Number(0)}),
            },
            required=("retention_ratio",),
        )
    }
)
_TRACING = Shape({"workflow_name": _TEXT, "group_id": _TEXT, "metadata": _OBJECT})
_INCLUDE = Each(Choice(("item.input_audio_transcription.logprobs",)))
_SESSION = Tagged(
    {
        "realtime": Shape(
            {
                **_GENERATION_FIELDS,
                "type": _TEXT,
                "model": _TEXT,
                "audio": Shape(
                    {
                        "input": _AUDIO_INPUT,
                        "output": Shape(
                            {"format": _FORMAT, "voice": _VOICE, "speed": Number(SPEED_MIN, SPEED_MAX, integer=False)}
                        ),
                    }
                ),
                "truncation": ByType({str: Choice(("auto", "disabled")), dict: _TRUNCATION}),
                "tracing": ByType({str: Choice(("auto",)), dict: _TRACING}),
                "include": _INCLUDE,
            }
        ),
        "transcription": Shape({"type": _TEXT, "audio": Shape({"input": _AUDIO_INPUT}), "include": _INCLUDE}),
    }
)

_CONTENT: dict[str, Check] = {
    "input_text": Shape({"type": _TEXT, "text": _TEXT}, required=("text",)),
    "input_audio": Shape({"type": _TEXT, "audio": _TEXT, "transcript": _TEXT}, required=("audio",)),
    "input_image": Shape(
        {"type": _TEXT, "image_url": _TEXT, "detail": Choice(("auto", "low", "high"))}, required=("image_url",)
    ),
    "output_text": Shape({"type": _TEXT, "text": _TEXT}, required=("text",)),
}
_ROLE_CONTENT: dict[str, tuple[str, ...]] = {
    "system": ("input_text",),
    "user": ("input_text", "input_audio", "input_image"),
    "assistant": ("output_text",),  # assistant audio can't be injected (API reference)
}
_ITEM_FIELDS: dict[str, Check] = {"id": _ITEM_ID, "object": _TEXT, "type": _TEXT, "status": _TEXT}


def _message(role: str) -> Shape:
    content = Each(Tagged({kind: _CONTENT[kind] for kind in _ROLE_CONTENT[role]}))
    return Shape({**_ITEM_FIELDS, "role": _TEXT, "content": content, "phase": _TEXT}, required=("content",))


_ITEMS: dict[str, Check] = {
    "message": Tagged({role: _message(role) for role in _ROLE_CONTENT}, key="role"),
    "function_call": Shape(
        {**_ITEM_FIELDS, "call_id": _ITEM_ID, "name": _TEXT, "arguments": _TEXT}, required=("name", "arguments")
    ),
    "function_call_output": Shape(
        {**_ITEM_FIELDS, "call_id": _ITEM_ID, "output": _TEXT}, required=("call_id", "output")
    ),
    "mcp_approval_response": Shape(
        {**_ITEM_FIELDS, "approval_request_id": _TEXT, "approve": _FLAG, "reason": _TEXT},
        required=("id", "approval_request_id", "approve"),
    ),
}
_RESPONSE = Shape(
    {
        **_GENERATION_FIELDS,
        "conversation": Choice(("auto", "none")),
        "input": Each(Tagged({**_ITEMS, "item_reference": Shape(_ITEM_FIELDS, required=("id",))})),
        "audio": Shape({"output": Shape({"format": _FORMAT, "voice": _VOICE})}),
        "metadata": Pairs(METADATA_MAX_PAIRS, METADATA_KEY_MAX_CHARS, METADATA_VALUE_MAX_CHARS),
    }
)


def _event(required: tuple[str, ...] = (), **fields: Check) -> Shape:
    return Shape({"type": _TEXT, "event_id": Text(EVENT_ID_MAX_CHARS), **fields}, required)


# In the order in which the service lists the types when it is given an unknown one.
EVENTS: Final[dict[str, Shape]] = {
    "session.update": _event(("session",), session=_SESSION),
    "session.close": _event(),
    "input_audio_buffer.append": _event(("audio",), audio=_TEXT),
    "session.input_audio_buffer.append": _event(("audio",), audio=_TEXT),
    "input_audio_buffer.commit": _event(),
    "input_audio_buffer.clear": _event(),
    "conversation.item.create": _event(("item",), item=Tagged(_ITEMS), previous_item_id=_TEXT),
    "conversation.item.truncate": _event(
        ("item_id", "content_index", "audio_end_ms"), item_id=_TEXT, content_index=Number(0), audio_end_ms=Number(0)
    ),
    "conversation.item.delete": _event(("item_id",), item_id=_TEXT),
    "conversation.item.retrieve": _event(("item_id",), item_id=_TEXT),
    "response.create": _event(response=_RESPONSE),
    "response.cancel": _event(response_id=_TEXT),
}


SIDEBAND_EVENTS: Final = {**EVENTS, "output_audio_buffer.clear": _event()}
"""On a socket that controls a WebRTC or SIP call."""

_TRANSLATION = Shape(
    {
        "type": Choice(("translation",)),
        "model": _TEXT,
        "audio": Shape(
            {
                "input": Shape(
                    {
                        "transcription": Shape({"model": _TEXT}, required=("model",)),
                        "noise_reduction": _NOISE_REDUCTION,
                    }
                ),
                "output": Shape({"language": _TEXT}),
            }
        ),
    }
)
TRANSLATION_EVENTS: Final = {
    "session.update": _event(("session",), session=_TRANSLATION),
    "session.input_audio_buffer.append": _event(("audio",), audio=_TEXT),
    "session.close": _event(),
}


def _secret(session: Check) -> Shape:
    life = Shape({"anchor": Choice(("created_at",)), "seconds": Number(SECRET_LIFE_MIN_S, SECRET_LIFE_MAX_S)})
    return Shape({"expires_after": life, "session": session})


CLIENT_SECRET: Final = _secret(_SESSION)
TRANSLATION_SECRET: Final = _secret(Shape(_TRANSLATION.fields, required=("model",)))
CALL_ACTIONS: Final[dict[str, Check]] = {
    "accept": _SESSION,
    "reject": Shape({"status_code": Number(100, 699)}),
    "refer": Shape({"target_uri": _TEXT}, required=("target_uri",)),
    "hangup": Shape({}),
}
"""What the bodies of HTTP requests about a call may hold, by the last part of their path."""


def parse(message: str | bytes) -> dict[str, Any]:
    """Read a client's message as a JSON object.

    Raises:
        Refusal: It is binary, no JSON, or no object.
    """
    if isinstance(message, bytes):
        raise Refusal(BINARY_FRAME)
    try:
        event = orjson.loads(message)
    except orjson.JSONDecodeError as error:
        raise Refusal(INVALID_JSON, detail=error.msg) from None
    if type(event) is not dict:
        raise Refusal(NOT_AN_OBJECT)
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
