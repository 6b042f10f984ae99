"""What an error code of the service means for a session: data, from captures and the reports of client authors."""

from typing import Final

from engine.errors import BidiModelTimeoutError, ServerReported
from engine.wire.response import ErrorDetails

CANCEL_NOT_ACTIVE: Final = "response_cancel_not_active"

BENIGN: Final = frozenset({CANCEL_NOT_ACTIVE})
"""Nothing is wrong: no response is active, which is what was asked for. Not told."""

FATAL: Final = frozenset(
    {
        "account_deactivated",
        "beta_api_shape_disabled",
        "billing_hard_limit_reached",
        "insufficient_quota",
        "invalid_api_key",
        "invalid_model",
        "missing_model",
    }
)
"""The service ends the session, and to try again would not help."""

COMMIT_EMPTY: Final = "input_audio_buffer_commit_empty"
RESPONSE_ACTIVE: Final = "conversation_already_has_active_response"
SESSION_EXPIRED: Final = "session_expired"
EXPIRY_WORDS: Final = "maximum duration"
"""In the close reason of an expired session, which comes with the clean code 1001."""

PASSING: Final = frozenset({"inference_rate_limit_exceeded", "rate_limit_exceeded", "server_error", SESSION_EXPIRED})
"""To connect again may help: the service's own fault, a rate that was too high, a session whose time is over."""

PASSING_TYPES: Final = frozenset({"server_error"})
"""As `PASSING`, of `error.type`: the service's own faults have this one whatever their code."""


def reported(details: ErrorDetails) -> ServerReported:
    """Make the exception of an error that the service told."""
    return ServerReported(
        details.message or "",
        code=details.code,
        error_type=details.type,
        param=details.param,
        client_event_id=details.event_id,
        fatal=details.code in FATAL,
    )


def expired(words: str, cause: Exception) -> BidiModelTimeoutError:
    """Make the exception of a session whose time the service has ended."""
    error = BidiModelTimeoutError(words)
    error.__cause__ = cause
    return error
