"""Settings of how the engine runs a session: bounds, deadlines, and what happens at them."""

from typing import Any, Literal

import attrs

from engine import limits
from engine.config.checks import flag, number, number_or_none, one_of
from engine.config.reconnect import Reconnect
from engine.errors import ConfigError

InputOverflow = Literal["wait", "drop_oldest", "fail"]
InboxOverflow = Literal["drop_oldest_audio", "wait", "fail"]
OnTimeout = Literal["renew", "raise"]
TransportName = Literal["auto", "websockets", "trio-websocket"]


def _policy(_: Any, __: "attrs.Attribute[Any]", value: Any) -> None:
    if value is not None and not isinstance(value, Reconnect):
        raise ConfigError("engine.reconnect", type(value).__name__, "a Reconnect, or None for none")


@attrs.frozen(kw_only=True)
class EngineSettings:
    """How the engine runs a session. Each bound is explained in `engine.limits`.

    Attributes:
        input_frame_ms: Microphone audio is joined and cut to messages of this length.
        input_overflow: What happens when `limits.AUDIO_LANE_S` of audio waits for the socket: `wait` in `send`,
            `drop_oldest` (counted), or `fail` with `LimitExceeded`.
        transport: What carries the WebSocket: `websockets` (the extra `fast`), `trio-websocket`, or `auto`: the first
            where it is installed, else the second.
        fill_silence: Send silence at the pace of real time while no audio comes, as endpoints that need a steady stream
            ask for: what was sent never falls behind the clock by more than a message. Speech goes out at once. Of the
            time without a connection nothing is owed.
        inbox_max_bytes: What may wait for `receive()`.
        inbox_overflow: What happens past it: `drop_oldest_audio` (counted, told once an overflow), `wait` (stop
            reading the socket: nothing is lost, but pings are not answered either), or `fail`.
        message_max_bytes: Largest server message that is decoded.
        on_timeout: What happens at `client.timeout_s`: `renew` makes the next connection while this one talks, and
            moves the talk over at a turn's end; `raise` ends the session with `BidiModelTimeoutError`.
        session_max_s: When the service ends a connection by itself; renewed sessions have moved on before.
        renew_margin_s: How long before that the talk is moved on at the latest, whoever speaks.
        reconnect: How a lost connection is made anew; None ends the session with the error.
        replay_max_tokens: How much of the talk a new connection is told, in tokens, estimated; the newest is kept.
        replay_max_items: And in items.
        kept_speech_s: The user's speech that has no answer yet is kept for a new connection, up to this length; 0 keeps
            none. Nor is any kept with `on_timeout="raise"` and no `reconnect`: there will be no other connection.
        connect_deadline_s: From the first packet to `session.created`, of each connection.
        session_created_deadline_s: From the open connection to `session.created`; None for none of its own.
        ping_interval_s: Between two pings, which find a connection that is dead without a word; None sends none.
        ping_deadline_s: From a ping to its answer; then the connection is lost.
        response_stall_deadline_s: The longest that an active response may be silent; then it is told, and stopped. None
            for ever.
        idle_deadline_s: The longest that neither side may say anything; then the session ends. None for ever.
        reader_deadline_s: How long events may wait that nobody receives before a warning is logged, once. None for
            ever.
        response_request_deadline_s: From `response.create` to its answer.
        request_deadline_s: From any other request, as `session.update` or an item's deletion, to its answer. While a
            connection is made anew it does not run, for that has a bound of its own.
        tool_result_deadline_s: How long calls without a result may hold a request that waits for them.
        close_deadline_s: The longest that `stop()` waits for the server.
    """

    input_frame_ms: int = attrs.field(
        default=limits.INPUT_FRAME_MS,
        validator=number("engine.", limits.INPUT_FRAME_MIN_MS, limits.INPUT_FRAME_MAX_MS, "ms", whole=True),
    )
    input_overflow: InputOverflow = attrs.field(
        default="wait", validator=one_of("engine.", "wait", "drop_oldest", "fail")
    )
    transport: TransportName = attrs.field(
        default="auto", validator=one_of("engine.", "auto", "websockets", "trio-websocket")
    )
    fill_silence: bool = attrs.field(default=False, validator=flag("engine."))
    inbox_max_bytes: int = attrs.field(
        default=limits.INBOX_MAX_BYTES, validator=number("engine.", 2**16, 2**40, "bytes", whole=True)
    )
    inbox_overflow: InboxOverflow = attrs.field(
        default="drop_oldest_audio", validator=one_of("engine.", "drop_oldest_audio", "wait", "fail")
    )
    message_max_bytes: int = attrs.field(
        default=limits.MESSAGE_MAX_BYTES,
        validator=number("engine.", 2**10, limits.MESSAGE_HARD_MAX_BYTES, "bytes", whole=True),
    )
    on_timeout: OnTimeout = attrs.field(default="renew", validator=one_of("engine.", "renew", "raise"))
    session_max_s: float = attrs.field(default=limits.SESSION_MAX_S, validator=number("engine.", 0.001, 86_400, "s"))
    renew_margin_s: float = attrs.field(default=limits.RENEW_MARGIN_S, validator=number("engine.", 0.0, 3600, "s"))
    reconnect: Reconnect | None = attrs.field(factory=Reconnect, validator=_policy)
    replay_max_tokens: int = attrs.field(
        default=limits.REPLAY_MAX_TOKENS, validator=number("engine.", 0, 10**7, "tokens", whole=True)
    )
    replay_max_items: int = attrs.field(
        default=limits.REPLAY_MAX_ITEMS, validator=number("engine.", 0, 10**6, "items", whole=True)
    )
    kept_speech_s: float = attrs.field(default=limits.KEPT_SPEECH_S, validator=number("engine.", 0.0, 600, "s"))
    connect_deadline_s: float = attrs.field(
        default=limits.CONNECT_DEADLINE_S, validator=number("engine.", 0.001, 3600, "s")
    )
    session_created_deadline_s: float | None = attrs.field(
        default=limits.SESSION_CREATED_DEADLINE_S, validator=number_or_none("engine.", 0.001, 3600, "s")
    )
    ping_interval_s: float | None = attrs.field(
        default=limits.PING_INTERVAL_S, validator=number_or_none("engine.", 0.001, 3600, "s")
    )
    ping_deadline_s: float = attrs.field(default=limits.PING_DEADLINE_S, validator=number("engine.", 0.001, 3600, "s"))
    response_stall_deadline_s: float | None = attrs.field(
        default=limits.RESPONSE_STALL_DEADLINE_S, validator=number_or_none("engine.", 0.001, 3600, "s")
    )
    idle_deadline_s: float | None = attrs.field(default=None, validator=number_or_none("engine.", 0.001, 86_400, "s"))
    reader_deadline_s: float | None = attrs.field(
        default=limits.READER_DEADLINE_S, validator=number_or_none("engine.", 0.001, 86_400, "s")
    )
    response_request_deadline_s: float = attrs.field(
        default=limits.RESPONSE_REQUEST_DEADLINE_S, validator=number("engine.", 0.001, 3600, "s")
    )
    request_deadline_s: float = attrs.field(
        default=limits.REQUEST_DEADLINE_S, validator=number("engine.", 0.001, 3600, "s")
    )
    tool_result_deadline_s: float = attrs.field(
        default=limits.TOOL_RESULT_DEADLINE_S, validator=number("engine.", 0.001, 3600, "s")
    )
    close_deadline_s: float = attrs.field(default=limits.CLOSE_DEADLINE_S, validator=number("engine.", 0.0, 60, "s"))

    @property
    def kept_speech_ms(self) -> float:
        """How much speech to keep, in ms: none where there is never another connection that it could be sent to."""
        survives = self.on_timeout == "renew" or self.reconnect is not None
        return self.kept_speech_s * 1000 if survives else 0.0
