"""A session's settings as the service tells them, and how an update changes them."""

import time
from typing import Any, Final

FORMAT: Final = {"type": "audio/pcm", "rate": 24000}
VAD: Final = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "create_response": True,
    "interrupt_response": True,
}


def settings(number: int) -> dict[str, Any]:
    """Make a session's settings as they are at first."""
    listening = {"format": FORMAT, "transcription": None, "noise_reduction": None, "turn_detection": VAD}
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": f"sess_{number:06d}",
        "model": "gpt-realtime",
        "output_modalities": ["audio"],
        "instructions": "",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": int(time.time()) + 3600,
        "audio": {"input": listening, "output": {"format": FORMAT, "voice": "alloy", "speed": 1.0}},
        "include": None,
    }


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Change what the update names."""
    changed = dict(old)
    for key, value in new.items():
        both = isinstance(value, dict) and isinstance(old.get(key), dict)
        changed[key] = merged(old[key], value) if both else value
    return changed
