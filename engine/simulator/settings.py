"""How the simulated service behaves: limits, pace, who is let in."""

from collections.abc import Collection, Mapping
from typing import Any, Final

import attrs

from engine.errors import ConfigError
from engine.limits import APPEND_MAX_BYTES, SESSION_MAX_S
from engine.simulator.mcp import McpServer

MESSAGE_MAX_BYTES: Final = APPEND_MAX_BYTES * 4 // 3 + 64 * 2**10
"""Largest client message: an append of 15 MiB as base64 text, and the rest of its event. A larger one ends the
connection with close code 1009 (what the service does is not recorded)."""

OUTBOX_MAX_BYTES: Final = 4 * 2**20
"""What may wait for a client that reads slowly; past it generation and reading pause for that client alone."""

LEDGER_MAX_BYTES: Final = 8 * 2**20
"""Text of messages that one session's ledger keeps."""

BUFFER_MAX_S: Final = 600.0
"""Audio that the input buffer keeps without turn detection; the oldest is dropped past it."""

LISTENING_MAX_S: Final = 40.0
"""Audio that the input buffer keeps between turns: longer than the longest idle timeout of 30 s."""

ITEM_AUDIO_MAX_BYTES: Final = 32 * 2**20
"""Audio of past items that a session keeps; the oldest items lose theirs past it."""

CONTEXT_MAX_TOKENS: Final = 28_224
"""Of a model with a context of 32,000 tokens, less 4,096 for the answer (as the service's guide to costs reckons)."""


def _positive(_: object, attribute: "attrs.Attribute[Any]", value: float) -> None:
    if not value > 0:
        raise ConfigError(attribute.name, value, "a number above 0")


def _not_negative(_: object, attribute: "attrs.Attribute[Any]", value: float) -> None:
    if not value >= 0:
        raise ConfigError(attribute.name, value, "0 or more")


@attrs.frozen(kw_only=True)
class Pace:
    """How fast answers come, all in the clock of the Trio run.

    Attributes:
        think_ms: From `response.created` to the first item; what the responder takes comes on top.
        first_delta_ms: From an item's first content part to its first delta.
        text_delta_ms: Between two pieces of written text, and of arguments.
        audio_delta_ms: Audio in one delta.
        audio_speed: How many times faster than real time audio is sent.
        transcript_lead_ms: How far the words of a spoken answer run ahead of its audio.
        cancel_ms: How long a response goes on after `response.cancel`, as deltas in flight do on the service.
        rate_limits_ms: From `response.done` to `rate_limits.updated` (measured: 43 ms).
        transcription_ms: From a committed turn to the first piece of its transcript.
        transcription_delta_ms: Between two pieces of a transcript.
    """

    think_ms: float = attrs.field(default=200.0, validator=_not_negative)
    first_delta_ms: float = attrs.field(default=100.0, validator=_not_negative)
    text_delta_ms: float = attrs.field(default=15.0, validator=_not_negative)
    audio_delta_ms: float = attrs.field(default=200.0, validator=_positive)
    audio_speed: float = attrs.field(default=6.0, validator=_positive)
    transcript_lead_ms: float = attrs.field(default=600.0, validator=_not_negative)
    cancel_ms: float = attrs.field(default=20.0, validator=_not_negative)
    rate_limits_ms: float = attrs.field(default=43.0, validator=_not_negative)
    transcription_ms: float = attrs.field(default=150.0, validator=_not_negative)
    transcription_delta_ms: float = attrs.field(default=40.0, validator=_not_negative)


INSTANT: Final = Pace(
    think_ms=0,
    first_delta_ms=0,
    text_delta_ms=0,
    audio_speed=1e6,
    cancel_ms=0,
    rate_limits_ms=0,
    transcription_ms=0,
    transcription_delta_ms=0,
)
"""As fast as the machine goes; for tests on a real clock and for measuring clients."""


@attrs.frozen(kw_only=True)
class SimulatorSettings:
    """What a simulated service is like. The defaults are what was measured on the real one.

    Attributes:
        seed: Where ids come from: the same seed gives the same ids for the n-th session. None makes other ones at each
            start of a server, as ids of the service never come again: a client that talks on with the next server takes
            its items along.
        pace: How fast answers come.
        voice: The voice of a new session.
        instructions: The instructions of a new session.
        models: Models that are accepted; None takes every name that starts with `gpt-`.
        keys: API keys that are accepted; None takes any.
        allow_beta_header: True lets clients of the beta in instead of refusing them.
        send_conversation_created: True sends the event that is defined but was not seen on the service.
        greet_sideband: True sends `session.created` to a client that joins a call too; recordings of such sockets begin
            without.
        session_max_s: A session's longest life.
        epoch_s: Unix time at the server's start, for `expires_at`; None takes the machine's.
        ping_interval_s: Between two WebSocket pings (measured: about 20.3 s).
        close_grace_s: How long a close waits for the client's close frame.
        rate_limit_tokens: The account's limit in `rate_limits.updated`.
        rate_limit_per_s: Tokens that come back each second.
        semantic_silence_ms: Silence that ends a turn under `semantic_vad`, by eagerness. The service judges what was
            said, and waits at most 8, 4 or 2 s; the simulator goes by silence alone.
        onset_ms: Speech that must last this long before it counts as a turn.
        context_max_tokens: What a response may read, instructions and tools with it; past it the session's
            `truncation` decides.
        mcp_servers: MCP servers that can be reached, by the label that sessions give them; the tools of others can't
            be listed.
        mcp_before_done: True holds `response.done` back until the response's MCP calls have ended; False sends it
            before they do, as the service may.
        message_max_bytes: Largest client message.
        outbox_max_bytes: What may wait for a client that reads slowly.
        buffer_max_s: Audio that the input buffer keeps without turn detection.
        listening_max_s: Audio that the input buffer keeps between turns.
        item_audio_max_bytes: Audio of past items that a session keeps.
        ledger_max_events: Messages that one session's ledger keeps, each way; 0 only counts.
        ledger_max_bytes: Text that one session's ledger keeps, each way.
        ledger_max_sessions: Ended sessions whose ledgers the server keeps.
    """

    seed: int | None = None
    pace: Pace = attrs.field(factory=Pace)
    voice: str = "alloy"
    instructions: str = "You are a helpful, witty, and friendly AI. Talk quickly."
    models: Collection[str] | None = None
    keys: Collection[str] | None = attrs.field(default=None, repr=False)
    allow_beta_header: bool = False
    send_conversation_created: bool = False
    greet_sideband: bool = False
    session_max_s: float = attrs.field(default=SESSION_MAX_S, validator=_positive)
    epoch_s: float | None = None
    ping_interval_s: float = attrs.field(default=20.3, validator=_positive)
    close_grace_s: float = attrs.field(default=2.0, validator=_not_negative)
    rate_limit_tokens: int = attrs.field(default=15_000_000, validator=_positive)
    rate_limit_per_s: float = attrs.field(default=250_000.0, validator=_positive)
    semantic_silence_ms: Mapping[str, int] = attrs.field(
        factory=lambda: {"low": 1500, "medium": 1000, "auto": 1000, "high": 500}
    )
    onset_ms: float = attrs.field(default=40.0, validator=_not_negative)
    context_max_tokens: int = attrs.field(default=CONTEXT_MAX_TOKENS, validator=_positive)
    mcp_servers: Mapping[str, McpServer] = attrs.field(factory=dict)
    mcp_before_done: bool = True
    message_max_bytes: int = attrs.field(default=MESSAGE_MAX_BYTES, validator=_positive)
    outbox_max_bytes: int = attrs.field(default=OUTBOX_MAX_BYTES, validator=_positive)
    buffer_max_s: float = attrs.field(default=BUFFER_MAX_S, validator=_positive)
    listening_max_s: float = attrs.field(default=LISTENING_MAX_S, validator=_positive)
    item_audio_max_bytes: int = attrs.field(default=ITEM_AUDIO_MAX_BYTES, validator=_positive)
    ledger_max_events: int = attrs.field(default=50_000, validator=_not_negative)
    ledger_max_bytes: int = attrs.field(default=LEDGER_MAX_BYTES, validator=_not_negative)
    ledger_max_sessions: int = attrs.field(default=100, validator=_not_negative)
