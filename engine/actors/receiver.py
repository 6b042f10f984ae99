"""The receiver: the only task that reads the transport. Decodes each batch and hands its events to the conversation."""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

import trio

from engine.errors import ConnectionLost, EngineError, LimitExceeded, RemoteViolation
from engine.events import BidiTranscriptStreamEvent, ToolUseStreamEvent, TranscriptEvent, TranslationTextEvent
from engine.protocol.effects import Effect, PurgeAudio
from engine.transport.base import Transport

logger = logging.getLogger(__name__)

Decode = Callable[[str | bytes], Any]
"""Reads a message as a typed event; raises `RemoteViolation`."""


_PROMPT: Final = frozenset(
    {BidiTranscriptStreamEvent, ToolUseStreamEvent, TranscriptEvent, TranslationTextEvent, PurgeAudio}
)
"""Effects for which somebody waits: first words, a call, and the user who cuts in. The application takes the first of
them before the rest of a batch is read: behind it may lie 16 calls, or an answer's every word."""


class Listener(Protocol):
    """What the receiver speaks to: the conversation, and whoever looks at what goes by."""

    def receive(self, event: Any, now: float, message: str) -> Sequence[Effect]:
        """Take an event, and the message that it was read from."""
        ...

    def violated(self, error: EngineError, problem: str, now: float, message: str | bytes) -> Sequence[Effect]:
        """Take note of a message that can't be read."""
        ...


class Receiver:
    """Reads until the connection is lost. Turns messages into effects, and counts what it can't read.

    Args:
        transport: Where from.
        listener: Turns events into effects.
        apply: Carries effects out; never waits.
        decode: Reads a message.
        room: False when the inbox wants no more, by its overflow policy.
        wait_for_room: Awaited then.
        message_max_bytes: Larger messages are dropped and told.
        on_lost: Told how it ended.

    Attributes:
        listener: Another one may take its place at any time.
    """

    def __init__(
        self,
        transport: Transport,
        listener: Listener,
        apply: Callable[[Sequence[Effect]], None],
        *,
        decode: Decode,
        room: Callable[[], bool],
        wait_for_room: Callable[[], Awaitable[None]],
        message_max_bytes: int,
        on_lost: Callable[[ConnectionLost], None],
    ) -> None:
        self._transport = transport
        self.listener = listener
        self._apply = apply
        self._decode = decode
        self._room = room
        self._wait_for_room = wait_for_room
        self._max_bytes = message_max_bytes
        self._on_lost = on_lost
        self._dropped: Counter[str] = Counter()

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Read."""
        try:
            while True:
                batch = await self._transport.receive()
                now = trio.current_time()
                behind = len(batch)
                for message in batch:
                    behind -= 1
                    effects = self._effects(message, now)
                    self._apply(effects)
                    if effects and behind > 0 and type(effects[0]) in _PROMPT:
                        behind = 0  # Once a batch is enough: more would cost those who read in their own time.
                        await _let_others_run()
                while not self._room():
                    await self._wait_for_room()
        except ConnectionLost as lost:
            self._on_lost(lost)

    def _effects(self, message: str | bytes, now: float) -> Sequence[Effect]:
        """Give what a message calls for; it is never raised that it can't be read."""
        size = len(message) * 4  # The most that it can have: which it is exactly would cost a pass over it.
        if size > self._max_bytes and (size := _bytes(message)) > self._max_bytes:
            way_out = "ask for less at once, or raise engine.message_max_bytes"
            too_long = LimitExceeded("message_max_bytes", self._max_bytes, size, way_out)
            return self._violated(too_long, "over_bound", now, message)
        if isinstance(message, bytes):
            binary = RemoteViolation("binary_frame", f"{len(message)} bytes; the protocol has text frames only")
            return self._violated(binary, "binary_frame", now, message)
        try:
            event = self._decode(message)
        except RemoteViolation as error:
            return self._violated(_bare(error), error.problem, now, message)
        return self.listener.receive(event, now, message)

    def _violated(self, error: EngineError, problem: str, now: float, message: str | bytes) -> Sequence[Effect]:
        self._dropped[problem] += 1
        count = self._dropped[problem]
        if _is_power_of_ten(count):
            # A server that sends nothing else must not fill the disk; statistics have the exact count.
            kind = getattr(error, "event_type", None)
            words = "dropped a message of the server: %s, type %s, %d characters; %d of this kind so far"
            logger.warning(words, problem, kind, len(message), count)
        return self.listener.violated(error, problem, now, message)


async def _let_others_run() -> None:
    """Let all that can run do so once; as Trio goes through them in either order, one checkpoint may come first."""
    await trio.lowlevel.checkpoint()
    await trio.lowlevel.checkpoint()


def _bytes(message: str | bytes) -> int:
    """How many bytes a message has."""
    return len(message) if message.isascii() or isinstance(message, bytes) else len(message.encode(errors="replace"))


def _bare(error: RemoteViolation) -> RemoteViolation:
    """Let go of what hangs on an exception: frames and causes hold the message, and the inbox would keep them alive."""
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)


def _is_power_of_ten(count: int) -> bool:
    return str(count).rstrip("0") == "1"
