"""Session and response settings as they stand on the wire, the same shape in requests and in answers.

Sources: openai-python's `types/realtime` (names, which fields exist) and captures of the service (which are null).
Enumerations are plain strings here: a value that we don't know yet is the service's business, not an error.
"""

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from engine.errors import shown_url
from engine.wire.items import Item
from engine.wire.record import Record

TextOrObject = str | Mapping[str, Any]
"""A name, or an object that says more: voices, tool choice, tracing, truncation."""

TokenCount = int | Literal["inf"]
"""A number of tokens, or no limit."""


@attrs.frozen(kw_only=True)
class AudioFormat(Record):
    """Encoding of audio on the wire: `audio/pcm` (PCM16 mono, `rate` in Hz), `audio/pcmu`, `audio/pcma`."""

    type: str | None = None
    rate: int | None = None


@attrs.frozen(kw_only=True)
class Transcription(Record):
    """How the user's speech is written down."""

    model: str | None = None
    language: str | None = None
    prompt: str | None = None
    delay: str | None = None
    keywords: tuple[str, ...] | None = None
    languages: tuple[str, ...] | None = None


@attrs.frozen(kw_only=True)
class NoiseReduction(Record):
    """`near_field` for headsets, `far_field` for rooms."""

    type: str | None = None
    strength: float | None = None


@attrs.frozen(kw_only=True)
class TurnDetection(Record):
    """When a spoken turn begins and ends: `server_vad` by loudness, `semantic_vad` by meaning."""

    type: str | None = None
    threshold: float | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None
    idle_timeout_ms: int | None = None
    eagerness: str | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


@attrs.frozen(kw_only=True)
class AudioInput(Record):
    """The user's side of the audio."""

    format: AudioFormat | None = None
    transcription: Transcription | None = None
    noise_reduction: NoiseReduction | None = None
    turn_detection: TurnDetection | None = None


@attrs.frozen(kw_only=True)
class AudioOutput(Record):
    """The model's side of the audio."""

    format: AudioFormat | None = None
    voice: TextOrObject | None = None
    speed: float | None = None


@attrs.frozen(kw_only=True)
class Audio(Record):
    """Audio settings, both ways."""

    input: AudioInput | None = None
    output: AudioOutput | None = None


@attrs.frozen(kw_only=True)
class Tool(Record):
    """A function that the model may call, or an MCP server whose tools it may call."""

    type: str | None = None
    name: str | None = None
    description: str | None = None
    parameters: Any = None
    server_label: str | None = None
    server_url: str | None = attrs.field(default=None, repr=lambda url: repr(url and shown_url(url)))
    server_description: str | None = None
    connector_id: str | None = None
    tunnel_id: str | None = None
    authorization: str | None = attrs.field(default=None, repr=False)
    headers: Mapping[str, str] | None = attrs.field(default=None, repr=False)
    allowed_tools: Any = None
    allowed_callers: tuple[str, ...] | None = None
    require_approval: Any = None
    defer_loading: bool | None = None


@attrs.frozen(kw_only=True)
class Reasoning(Record):
    """How hard a reasoning model thinks."""

    effort: str | None = None


@attrs.frozen(kw_only=True)
class Session(Record):
    """A conversation or transcription session's settings."""

    type: str | None = None
    object: str | None = None
    id: str | None = None
    model: str | None = None
    output_modalities: tuple[str, ...] | None = None
    instructions: str | None = None
    audio: Audio | None = None
    tools: tuple[Tool, ...] | None = None
    tool_choice: TextOrObject | None = None
    parallel_tool_calls: bool | None = None
    reasoning: Reasoning | None = None
    max_output_tokens: TokenCount | None = None
    tracing: TextOrObject | None = None
    truncation: TextOrObject | None = None
    prompt: Mapping[str, Any] | None = None
    include: tuple[str, ...] | None = None
    expires_at: int | None = None


@attrs.frozen(kw_only=True)
class ResponseSettings(Record):
    """What one `response.create` asks for; each value overrides the session's for this response only."""

    conversation: str | None = None
    input: tuple[Item, ...] | None = None
    instructions: str | None = None
    output_modalities: tuple[str, ...] | None = None
    audio: Audio | None = None
    tools: tuple[Tool, ...] | None = None
    tool_choice: TextOrObject | None = None
    parallel_tool_calls: bool | None = None
    reasoning: Reasoning | None = None
    max_output_tokens: TokenCount | None = None
    metadata: Mapping[str, str] | None = None
    prompt: Mapping[str, Any] | None = None
