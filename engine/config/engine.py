"""Settings of how the engine runs a session: bounds, deadlines, and what happens at them."""

from typing import Literal

import attrs

from engine import limits
from engine.config.checks import flag, number, one_of

InputOverflow = Literal["wait", "drop_oldest", "fail"]
InboxOverflow = Literal["drop_oldest_audio", "wait", "fail"]


@attrs.frozen(kw_only=True)
class EngineSettings:
    """How the engine runs a session. Each bound is explained in `engine.limits`.

    Attributes:
        input_frame_ms: Microphone audio is joined and cut to messages of this length.
        input_overflow: What happens when `limits.AUDIO_LANE_S` of audio waits for the socket: `wait` in `send`,
            `drop_oldest` (counted), or `fail` with `LimitExceeded`.
        fill_silence: Send silence at the pace of real time while no audio comes, as endpoints that need a steady stream
            ask for: what was sent never falls behind the clock by more than a message. Speech goes out at once.
        inbox_max_bytes: What may wait for `receive()`.
        inbox_overflow: What happens past it: `drop_oldest_audio` (counted, told once an overflow), `wait` (stop
            reading the socket: nothing is lost, but pings are not answered either), or `fail`.
        message_max_bytes: Largest server message that is decoded.
        connect_deadline_s: From the first packet to `session.created`.
        response_request_deadline_s: From `response.create` to its answer.
        request_deadline_s: From any other request, as `session.update` or an item's deletion, to its answer.
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
    connect_deadline_s: float = attrs.field(
        default=limits.CONNECT_DEADLINE_S, validator=number("engine.", 0.001, 3600, "s")
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
