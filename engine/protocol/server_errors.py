"""What an error code of the service means for a session. Data, from the protocol dossier's error catalogue."""

from typing import Final

BENIGN: Final = frozenset({"response_cancel_not_active"})
"""Nothing is wrong: what was asked for is so already. Not told."""

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

RESPONSE_ACTIVE: Final = "conversation_already_has_active_response"
SESSION_EXPIRED: Final = "session_expired"
EXPIRY_WORDS: Final = "maximum duration"
"""In the close reason of an expired session, which comes with the clean code 1001."""
