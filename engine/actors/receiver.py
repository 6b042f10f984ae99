"""The receiver: the only task that reads the transport. Decodes each batch and hands its events to the conversation."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import trio

from engine.errors import ConnectionLost, EngineError, LimitExceeded, RemoteViolation
from engine.protocol.effects import Effect
from engine.transport.base import Transport
from engine.wire.codec import decode_server
from engine.wire.server import ServerEvent

logger = logging.getLogger(__name__)


class Listener(Protocol):
    """What the receiver speaks to: the conversation, and whoever looks at the raw events."""

    def receive(self, event: ServerEvent, now: float, size: int) -> Sequence[Effect]:
        """Take an event whose message had this many characters."""
        ...

    def violated(self, error: EngineError, problem: str, now: float) -> Sequence[Effect]:
        """Take note of a message that can't be read."""
        ...


async def receiver(
    transport: Transport,
    listener: Listener,
    apply: Callable[[Sequence[Effect]], None],
    *,
    room: Callable[[], bool],
    wait_for_room: Callable[[], Awaitable[None]],
    message_max_bytes: int,
    on_lost: Callable[[ConnectionLost], None],
) -> None:
    """Read until the connection is lost.

    Args:
        transport: Where from.
        listener: Turns events into effects.
        apply: Carries effects out; never waits.
        room: False when the inbox wants no more, by its overflow policy.
        wait_for_room: Awaited then.
        message_max_bytes: Larger messages are dropped and told.
        on_lost: Told how it ended.
    """
    try:
        while True:
            batch = await transport.receive()
            now = trio.current_time()
            for message in batch:
                apply(_effects(message, listener, now, message_max_bytes))
            while not room():
                await wait_for_room()
    except ConnectionLost as lost:
        on_lost(lost)


def _effects(message: str | bytes, listener: Listener, now: float, message_max_bytes: int) -> Sequence[Effect]:
    if len(message) > message_max_bytes:
        way_out = "ask for less at once, or raise engine.message_max_bytes"
        too_long = LimitExceeded("message_max_bytes", message_max_bytes, len(message), way_out)
        return _violated(too_long, "over_bound", listener, now, len(message))
    if isinstance(message, bytes):
        binary = RemoteViolation("binary_frame", f"{len(message)} bytes; the protocol has text frames only")
        return _violated(binary, "binary_frame", listener, now, len(message))
    try:
        event = decode_server(message)
    except RemoteViolation as error:
        return _violated(error, error.problem, listener, now, len(message))
    return listener.receive(event, now, len(message))


def _violated(error: EngineError, problem: str, listener: Listener, now: float, size: int) -> Sequence[Effect]:
    kind = getattr(error, "event_type", None)
    logger.warning("dropped a message of the server: %s, type %s, %d characters", problem, kind, size)
    return listener.violated(error, problem, now)
