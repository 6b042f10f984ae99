"""How a finished response is told: its stop reason, why, and what it took."""

from collections.abc import Mapping
from typing import Any, Final

from engine.events import BidiResponseCompleteEvent, BidiUsageEvent, StopReason
from engine.wire.response import InputTokens, OutputTokens, Response

STOP_REASONS: Final[Mapping[str, StopReason]] = {
    "completed": "complete",
    "cancelled": "interrupted",
    "failed": "error",
    "incomplete": "interrupted",
}
"""Status of a response to the contract's stop reason; `details` tell the two kinds of interruption apart."""

NO_ID: Final = "unknown"
"""Stands for the id of a response that has none, as the contract's events need one."""

MODALITIES: Final = ("text", "audio", "image")


def complete_event(
    response: Response, *, has_calls: bool, event_id: str | None, received_at: float
) -> BidiResponseCompleteEvent:
    """Tell that a response is over."""
    status = response.status or "completed"
    stop_reason = STOP_REASONS.get(status, "complete")
    if stop_reason == "complete" and has_calls:
        stop_reason = "tool_use"
    return BidiResponseCompleteEvent(
        response_id=response.id or NO_ID,
        stop_reason=stop_reason,
        details=_details(response),
        event_id=event_id,
        received_at=received_at,
    )


def _details(response: Response) -> dict[str, Any] | None:
    why = response.status_details
    if why is None:
        return None
    details: dict[str, Any] = {"status": response.status, "reason": why.reason}
    if why.error is not None:
        error = why.error
        details["error"] = {"type": error.type, "code": error.code, "message": error.message}
    return details


def usage_event(response: Response, *, event_id: str | None, received_at: float) -> BidiUsageEvent | None:
    """Tell what a response took, where the service says."""
    usage = response.usage
    if usage is None:
        return None
    tokens_in = usage.input_token_details or InputTokens()
    return BidiUsageEvent(
        input_tokens=usage.input_tokens or 0,
        output_tokens=usage.output_tokens or 0,
        total_tokens=usage.total_tokens or 0,
        modality_details=_by_modality(tokens_in, usage.output_token_details or OutputTokens()),
        cache_read_input_tokens=tokens_in.cached_tokens or None,
        response_id=response.id,
        event_id=event_id,
        received_at=received_at,
    )


def _by_modality(tokens_in: InputTokens, tokens_out: OutputTokens) -> list[dict[str, Any]]:
    rows = []
    for modality in MODALITIES:
        got = getattr(tokens_in, f"{modality}_tokens") or 0
        gave = getattr(tokens_out, f"{modality}_tokens", None) or 0
        if got or gave:
            rows.append({"modality": modality, "input_tokens": got, "output_tokens": gave})
    return rows
