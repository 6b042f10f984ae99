"""The settings in force: a new session's, what a `session.update` makes of them, and a response's own."""

import copy
from typing import Any

from engine.simulator.catalogue import (
    NO_REASONING,
    SPEED_IN_TURN,
    TRACING_FIXED,
    VOICE_LOCKED,
    WRONG_SESSION_TYPE,
    Refusal,
)
from engine.simulator.settings import SimulatorSettings

Json = dict[str, Any]

PCM: Json = {"type": "audio/pcm", "rate": 24000}
SERVER_VAD: Json = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,  # in every capture, whatever the documentation says
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
SEMANTIC_VAD: Json = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}
_TURN_DEFAULTS = {"server_vad": SERVER_VAD, "semantic_vad": SEMANTIC_VAD}

_CLEARED_BY_NULL = frozenset({"tracing", "prompt", "include"})
_INPUT_CLEARED_BY_NULL = frozenset({"transcription", "noise_reduction", "turn_detection"})
_FIXED = frozenset({"type", "model"})
"""A different model is ignored without a word (measured); clients always send it."""

_RESPONSE_OVERRIDES = (
    "instructions",
    "output_modalities",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "max_output_tokens",
    "prompt",
)


def new_conversation_session(session_id: str, model: str, expires_at: int, settings: SimulatorSettings) -> Json:
    """Give a new conversation session's object, its keys in the service's order."""
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": model,
        "output_modalities": ["audio"],
        "instructions": settings.instructions,
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": expires_at,
        "audio": {
            "input": {
                "format": dict(PCM),
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": dict(SERVER_VAD),
            },
            "output": {"format": dict(PCM), "voice": settings.voice, "speed": 1.0},
        },
        "include": None,
    }


def new_transcription_session(session_id: str, expires_at: int) -> Json:
    """Give a new transcription session's object."""
    turn_detection = {key: SERVER_VAD[key] for key in ("type", "threshold", "prefix_padding_ms", "silence_duration_ms")}
    return {
        "type": "transcription",
        "object": "realtime.transcription_session",
        "id": session_id,
        "expires_at": expires_at,
        "audio": {
            "input": {
                "format": dict(PCM),
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": turn_detection,
            }
        },
        "include": None,
    }


def new_translation_session(session_id: str, model: str, expires_at: int) -> Json:
    """Give a new translation session's object."""
    return {
        "type": "translation",
        "id": session_id,
        "model": model,
        "expires_at": expires_at,
        "audio": {"input": {"transcription": None, "noise_reduction": None}, "output": {"language": "en"}},
    }


def updated_translation(session: Json, change: Json) -> Json:
    """Lay a checked `session.update` over a translation session's settings; its model stays, whatever is asked."""
    after = copy.deepcopy(session)
    audio = change.get("audio") or {}
    for key, value in (audio.get("input") or {}).items():
        before = after["audio"]["input"].get(key)
        after["audio"]["input"][key] = value and _noise_reduction(before, value) if key == "noise_reduction" else value
    after["audio"]["output"] |= _present(audio.get("output") or {})
    return after


def _noise_reduction(before: Json | None, value: Json) -> Json:
    """Keep a strength that the change does not name (API reference)."""
    return {**(before or {}), **_present(value)}


def updated(session: Json, change: Json, *, voice_locked: bool, answering: bool = False) -> Json:
    """Lay a checked `session.update` over the settings in force; only what is present changes.

    Args:
        session: The settings in force; left as they are.
        change: The event's `session`.
        voice_locked: True once the assistant has spoken.
        answering: True while a response is in progress.

    Raises:
        Refusal: The update asks for what can't change; all of it is lost.
    """
    if change["type"] != session["type"]:
        raise Refusal(WRONG_SESSION_TYPE, value=change["type"])
    if change.get("reasoning") is not None and not session["model"].startswith("gpt-realtime-2"):
        raise Refusal(NO_REASONING)
    if session.get("tracing") is not None and change.get("tracing") not in (None, session["tracing"]):
        raise Refusal(TRACING_FIXED)
    after = copy.deepcopy(session)
    for key, value in change.items():
        if key not in _FIXED and key != "audio" and (value is not None or key in _CLEARED_BY_NULL):
            after[key] = value
    audio = change.get("audio") or {}
    _merge_input(after["audio"]["input"], audio.get("input") or {})
    if "output" in after["audio"]:
        _merge_output(after["audio"]["output"], audio.get("output") or {})
    if voice_locked and voice_of(after) != voice_of(session):
        raise Refusal(VOICE_LOCKED)
    if answering and after["audio"]["output"]["speed"] != session["audio"]["output"]["speed"]:
        raise Refusal(SPEED_IN_TURN)
    return after


def _merge_input(into: Json, change: Json) -> None:
    for key, value in change.items():
        if value is None:
            into[key] = None if key in _INPUT_CLEARED_BY_NULL else into[key]
        elif key == "turn_detection":
            into[key] = _TURN_DEFAULTS[value["type"]] | _present(value)
        elif key == "transcription":
            into[key] = {"model": None, "language": None, "prompt": None} | value
        elif key == "format":
            into[key] = _format(value)
        elif key == "noise_reduction":
            into[key] = _noise_reduction(into[key], value)
        else:
            into[key] = value


def _merge_output(into: Json, change: Json) -> None:
    for key, value in _present(change).items():
        into[key] = _format(value) if key == "format" else value


def _present(value: Json) -> Json:
    return {key: element for key, element in value.items() if element is not None}


def _format(value: Json) -> Json:
    return dict(PCM) if value["type"] == "audio/pcm" else {"type": value["type"]}


def voice_of(session: Json) -> Any:
    """Give the voice in force: a name, or an object with an id."""
    return session["audio"].get("output", {}).get("voice")


def for_response(session: Json, overrides: Json) -> Json:
    """Lay a checked `response.create`'s settings over the session's, for this response only."""
    after = session | {key: overrides[key] for key in _RESPONSE_OVERRIDES if overrides.get(key) is not None}
    output = dict(session["audio"]["output"])
    _merge_output(output, (overrides.get("audio") or {}).get("output") or {})
    return after | {"audio": session["audio"] | {"output": output}}
