"""What a session's settings may hold, as tables: conversation, transcription, translation."""

from typing import Any, Final

import attrs

from engine.limits import (
    ID_MAX_CHARS,
    IDLE_TIMEOUT_MAX_MS,
    IDLE_TIMEOUT_MIN_MS,
    MAX_OUTPUT_TOKENS,
    SPEED_MAX,
    SPEED_MIN,
    WIRE_RATE_HZ,
)
from engine.simulator.catalogue import BOTH_MODALITIES, Refusal
from engine.simulator.schema import ByType, Check, Choice, Each, Number, OfType, Shape, Tagged, Text

VOICES: Final = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")
EFFORTS: Final = ("minimal", "low", "medium", "high", "xhigh")
FORMATS: Final = ("audio/pcm", "audio/pcmu", "audio/pcma")


@attrs.frozen
class _Modalities:
    """`["text"]` or `["audio"]`, never both."""

    def check(self, value: Any, path: str) -> None:
        Each(Choice(("text", "audio"))).check(value, path)
        if len(value) != 1:
            raise Refusal(BOTH_MODALITIES, param=path, value=value)


TEXT = Text()
FLAG = OfType(bool)
OBJECT = OfType(dict)
ITEM_ID = Text(ID_MAX_CHARS)

FORMAT = Shape({"type": Choice(FORMATS), "rate": Number(WIRE_RATE_HZ, WIRE_RATE_HZ)}, required=("type",))
_NOISE_REDUCTION = Shape({"type": Choice(("near_field", "far_field")), "strength": Number(integer=False)})
_TRANSCRIPTION = Shape(
    {
        "model": TEXT,
        "language": TEXT,
        "prompt": TEXT,
        "delay": Choice(EFFORTS),
        "keywords": Each(TEXT),
        "languages": Each(TEXT),
    }
)
_TURN_FIELDS: dict[str, Check] = {"type": TEXT, "create_response": FLAG, "interrupt_response": FLAG}
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
        "format": FORMAT,
        "transcription": _TRANSCRIPTION,
        "noise_reduction": _NOISE_REDUCTION,
        "turn_detection": _TURN_DETECTION,
    }
)
VOICE = ByType({str: Choice(VOICES), dict: Shape({"id": TEXT}, required=("id",))})
_TOOL_FILTER = Shape({"tool_names": Each(TEXT), "read_only": FLAG})
_TOOL = Tagged(
    {
        "function": Shape({"type": TEXT, "name": TEXT, "description": TEXT, "parameters": OBJECT}, required=("name",)),
        "mcp": Shape(
            {
                "type": TEXT,
                "server_label": TEXT,
                "server_url": TEXT,
                "server_description": TEXT,
                "connector_id": TEXT,
                "tunnel_id": TEXT,
                "authorization": TEXT,
                "headers": OBJECT,
                "allowed_tools": ByType({list: Each(TEXT), dict: _TOOL_FILTER}),
                "allowed_callers": Each(Choice(("direct", "programmatic"))),
                "require_approval": ByType(
                    {str: Choice(("always", "never")), dict: Shape({"always": _TOOL_FILTER, "never": _TOOL_FILTER})}
                ),
                "defer_loading": FLAG,
            },
            required=("server_label",),
        ),
    }
)
_TOOL_CHOICE = Tagged(
    {
        "function": Shape({"type": TEXT, "name": TEXT}, required=("name",)),
        "mcp": Shape({"type": TEXT, "server_label": TEXT, "name": TEXT}, required=("server_label",)),
    }
)
GENERATION_FIELDS: dict[str, Check] = {
    "instructions": TEXT,
    "output_modalities": _Modalities(),
    "tools": Each(_TOOL),
    "tool_choice": ByType({str: Choice(("none", "auto", "required")), dict: _TOOL_CHOICE}),
    "parallel_tool_calls": FLAG,
    "reasoning": Shape({"effort": Choice(EFFORTS)}),
    "max_output_tokens": ByType({int: Number(1, MAX_OUTPUT_TOKENS), str: Choice(("inf",))}),
    "prompt": Shape({"id": TEXT, "version": TEXT, "variables": OBJECT}, required=("id",)),
}
_TRUNCATION = Tagged(
    {
        "retention_ratio": Shape(
            {
                "type": TEXT,
                "retention_ratio": Number(0, 1, integer=False),
                "token_limits": Shape({"post_instructions": Number(0)}),
            },
            required=("retention_ratio",),
        )
    }
)
_TRACING = Shape({"workflow_name": TEXT, "group_id": TEXT, "metadata": OBJECT})
_INCLUDE = Each(Choice(("item.input_audio_transcription.logprobs",)))
SESSION = Tagged(
    {
        "realtime": Shape(
            {
                **GENERATION_FIELDS,
                "type": TEXT,
                "model": TEXT,
                "audio": Shape(
                    {
                        "input": _AUDIO_INPUT,
                        "output": Shape(
                            {"format": FORMAT, "voice": VOICE, "speed": Number(SPEED_MIN, SPEED_MAX, integer=False)}
                        ),
                    }
                ),
                "truncation": ByType({str: Choice(("auto", "disabled")), dict: _TRUNCATION}),
                "tracing": ByType({str: Choice(("auto",)), dict: _TRACING}),
                "include": _INCLUDE,
            }
        ),
        "transcription": Shape({"type": TEXT, "audio": Shape({"input": _AUDIO_INPUT}), "include": _INCLUDE}),
    }
)

TRANSLATION = Shape(
    {
        "type": Choice(("translation",)),
        "model": TEXT,
        "audio": Shape(
            {
                "input": Shape(
                    {
                        "transcription": Shape({"model": TEXT}, required=("model",)),
                        "noise_reduction": _NOISE_REDUCTION,
                    }
                ),
                "output": Shape({"language": TEXT}),
            }
        ),
    }
)
