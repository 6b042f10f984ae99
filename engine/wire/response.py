"""A response as the service reports it: status, output items, usage."""

from collections.abc import Mapping

import attrs

from engine.wire.items import Item
from engine.wire.record import Record
from engine.wire.session import Audio, TokenCount


@attrs.frozen(kw_only=True)
class ErrorDetails(Record):
    """What went wrong, in the service's words."""

    message: str | None = None
    type: str | None = None
    code: str | None = None
    param: str | None = None
    event_id: str | None = None


@attrs.frozen(kw_only=True)
class StatusDetails(Record):
    """Why a response ended as it did.

    Attributes:
        reason: `turn_detected`, `client_cancelled`, `max_output_tokens` or `content_filter`.
        error: Of a failed response.
    """

    type: str | None = None
    reason: str | None = None
    error: ErrorDetails | None = None


@attrs.frozen(kw_only=True)
class CachedTokens(Record):
    """Input tokens that came from the cache; a subset of the input's."""

    text_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


@attrs.frozen(kw_only=True)
class InputTokens(Record):
    """Input tokens by modality; `cached_tokens` are among them, not beside them."""

    text_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None
    cached_tokens: int | None = None
    cached_tokens_details: CachedTokens | None = None


@attrs.frozen(kw_only=True)
class OutputTokens(Record):
    """Output tokens by modality."""

    text_tokens: int | None = None
    audio_tokens: int | None = None
    reasoning_tokens: int | None = None


@attrs.frozen(kw_only=True)
class Usage(Record):
    """Tokens that a response took."""

    total_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_token_details: InputTokens | None = None
    output_token_details: OutputTokens | None = None


@attrs.frozen(kw_only=True)
class Response(Record):
    """A response: `in_progress`, `completed`, `cancelled`, `failed` or `incomplete`."""

    object: str | None = None
    id: str | None = None
    status: str | None = None
    status_details: StatusDetails | None = None
    output: tuple[Item, ...] | None = None
    conversation_id: str | None = None
    output_modalities: tuple[str, ...] | None = None
    max_output_tokens: TokenCount | None = None
    audio: Audio | None = None
    usage: Usage | None = None
    metadata: Mapping[str, str] | None = None
