"""Transcripts of spoken turns: pieces, then the whole with its usage, or a failure; beside any response."""

import math
from typing import Any, Final

import trio

from engine.simulator.conversation import Entry
from engine.simulator.ear import Ear, TranscriptionRefused
from engine.simulator.services import Services, pieces
from engine.simulator.usage import audio_tokens, text_tokens

Json = dict[str, Any]

_EVENT: Final = "conversation.item.input_audio_transcription."
_TOKEN_MODELS: Final = ("gpt-4o-transcribe", "gpt-4o-mini-transcribe")
"""Models whose usage is in tokens; others tell seconds (measured)."""
_WHOLE_MODELS: Final = ("whisper-1",)
"""Models that send one delta with the whole transcript."""
_LANGUAGE_MODELS: Final = ("gpt-transcribe",)


async def transcribe(services: Services, ear: Ear, entry: Entry, config: Json, *, logprobs: bool) -> None:
    """Transcribe one item and tell about it.

    Args:
        services: The session's.
        ear: Who hears.
        entry: The spoken item.
        config: The session's `transcription` object.
        logprobs: Whether the session asked for them.
    """
    pace = services.settings.pace
    await trio.sleep(pace.transcription_ms / 1000)
    place = {"item_id": entry.id, "content_index": 0}
    try:
        transcript = await ear.hear(entry)
    except TranscriptionRefused as refusal:
        entry.heard = ""
        services.emit(_EVENT + "failed", **place, error=_failure(entry.id, refusal.code))
        return
    model = config["model"] or ""
    words = [transcript] if model in _WHOLE_MODELS else pieces(transcript)
    for delta in words:
        await services.room()
        extra = {"logprobs": _logprobs([delta])} if logprobs else {}
        services.emit_text_delta(_EVENT + "delta", delta, **place, **extra)
        await trio.sleep(pace.transcription_delta_ms / 1000)
    entry.item["content"][0]["transcript"] = transcript
    fields: Json = {"transcript": transcript, "usage": _usage(model, entry, transcript)}
    if model in _LANGUAGE_MODELS:
        fields["languages"] = [{"code": config.get("language") or "en"}]
    if logprobs:
        fields["logprobs"] = _logprobs(words)
    services.emit(_EVENT + "completed", **place, **fields)


def _failure(item_id: str, code: str) -> Json:
    message = f"Input transcription failed for item '{item_id}'."
    return {"type": "server_error", "code": code, "message": message, "param": None}


def _usage(model: str, entry: Entry, transcript: str) -> Json:
    if not model.startswith(_TOKEN_MODELS):
        return {"type": "duration", "seconds": math.ceil(entry.audio_ms / 1000)}
    heard, written = audio_tokens(entry.audio_ms, user=True), text_tokens(transcript)
    return {
        "type": "tokens",
        "total_tokens": heard + written,
        "input_tokens": heard,
        "input_token_details": {"text_tokens": 0, "audio_tokens": heard},
        "output_tokens": written,
    }


def _logprobs(words: list[str]) -> list[Json]:
    return [{"token": word, "bytes": list(word.encode()), "logprob": -0.01} for word in words]
