"""Words that the contract's events use."""

from typing import Literal

Role = Literal["user", "assistant"]
StopReason = Literal["complete", "error", "interrupted", "tool_use"]
CloseReason = Literal["client_disconnect", "timeout", "error", "complete", "user_request"]
