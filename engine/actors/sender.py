"""The sender: the only one that writes the transport. Control has a lane of its own and never waits behind audio.

Audio waits for control where its lane says so (`Lane.follow`), never the other way round: neither can hold up both.
What finds its lane empty and the socket idle is written by the task that puts it, so that a microphone's frame wakes no
other. What has to wait is written by a task of the sender's, which lives only then: of control all that lies ready, in
one write; audio message by message, for what is told of each must not come after the service's answer to it.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import trio

from engine.errors import ConnectionLost
from engine.lane import Lane, Queued
from engine.transport.base import Transport
from engine.waiting.latch import Latch
from engine.waiting.sleepers import Sleepers

WRITE_MAX_CHARS: Final = 64 * 2**10
"""What control may give to one write, but for a message that is longer."""

OnSent = Callable[[str, float, str], None]
"""Told of a message that is on the socket: its text, its weight, its kind."""


Start = Callable[[Callable[[], Awaitable[None]]], object]
"""Starts a task, as `trio.Nursery.start_soon`."""


class Sender:
    """Writes both lanes until the connection is lost, or it is stopped.

    Args:
        transport: Where to. Where it has `send_nowait` and `send_many`, those are used; without the former, the sender
            has its task until both lanes are closed and empty.
        control: One lane.
        audio: The other.
        start: Starts a task that writes what waits.
        on_sent: Told of each message that is on the socket.
        on_lost: Told how the connection ended, once.
    """

    __slots__ = (
        "_asleep",
        "_audio",
        "_control",
        "_is_idle",
        "_lost",
        "_on_lost",
        "_on_sent",
        "_send",
        "_send_many",
        "_send_nowait",
        "_start",
        "_writing",
        "is_stopped",
        "is_torn",
    )

    def __init__(
        self,
        transport: Transport,
        control: Lane,
        audio: Lane,
        *,
        start: Start,
        on_sent: OnSent,
        on_lost: Callable[[ConnectionLost], Awaitable[None]],
    ) -> None:
        self._control = control
        self._audio = audio
        self._start = start
        self._on_sent = on_sent
        self._on_lost = on_lost
        self._send = transport.send
        self._send_nowait: Callable[[str], bool] | None = getattr(transport, "send_nowait", None)
        self._send_many: Callable[[Sequence[str]], Awaitable[Any]] | None = getattr(transport, "send_many", None)
        self._lost: ConnectionLost | None = None
        self._writing: trio.CancelScope | None = None
        self._is_idle = Latch(is_set=True)
        self._asleep = Sleepers()
        self.is_stopped = False
        """It was stopped."""
        self.is_torn = False
        """A message was cut off while it was being written: the connection is of no more use."""

    def begin(self) -> None:
        """Write what is in the lanes, and what comes. Whoever wrote them before must have been stopped."""
        self._control.writer = self._audio.writer = self
        self.wake()

    async def stop(self, limit_s: float) -> None:
        """Write nothing more; a message that is being written is finished. What is left stays in the lanes.

        Cancelled, it leaves that message to be finished; asked again, it waits for it again.

        Args:
            limit_s: How long that message may take. Then it is cut off: see `is_torn`.
        """
        self._stop()
        with trio.move_on_after(limit_s):
            await self._is_idle.wait()
        self.cut_off()
        with trio.CancelScope(shield=True):  # Until then it may take a message out of its lane that it has sent.
            await self._is_idle.wait()

    def cut_off(self) -> None:
        """Write nothing more, from now on."""
        self._stop()
        if self._writing is not None:
            self._writing.cancel()

    def _stop(self) -> None:
        self.is_stopped = True
        self._leave()
        self._asleep.wake()

    def _leave(self) -> None:
        """Leave the lanes to another, unless they have one by now."""
        for lane in (self._control, self._audio):
            if lane.writer is self:
                lane.writer = None

    # --- for the lanes ----------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Take note that something waits; see `engine.lane.Writer`."""
        if not self._is_idle.is_set():
            self._asleep.wake()
        elif not self.is_stopped:
            try:
                self._start(self._run)
            except RuntimeError:  # Its nursery has just been closed, and nothing is sent on this connection any more.
                self._stop()
            else:
                self._is_idle.clear()

    def lane_closed(self) -> None:
        """Take note that nothing more comes; see `engine.lane.Writer`."""
        self._asleep.wake()

    def write_at_once(self, text: str, weight: float, kind: str) -> bool:
        """Write a message, if that can be done without waiting; see `engine.lane.Writer`."""
        if self._send_nowait is None or self._writing is not None:
            return False
        try:
            is_sent = self._send_nowait(text)
        except ConnectionLost as lost:  # No business of whoever puts: the sender's own task tells it.
            self._lost = lost
            return False
        if is_sent:
            self._on_sent(text, weight, kind)
        return is_sent

    # --- writing ----------------------------------------------------------------------------------------------

    @trio.lowlevel.enable_ki_protection
    async def _run(self) -> None:
        try:
            await self._write_all()
        except ConnectionLost as lost:
            if not self.is_stopped:  # Else another may write the lanes by now.
                self._stop()
                self._is_idle.set()
                await self._on_lost(lost)
        finally:
            self._is_idle.set()

    async def _write_all(self) -> None:
        lanes = (self._control, self._audio)
        while not self.is_stopped:
            if self._lost is not None:
                raise self._lost
            for lane in lanes:
                messages = lane.take(self._most_chars(lane))
                if messages:
                    await self._write(lane, messages)
                    lanes = lanes[::-1] if lane is lanes[0] else lanes  # The other one's turn, if it has anything.
                    break
            else:
                if self._send_nowait is not None or (self._control.is_over and self._audio.is_over):
                    return
                await self._asleep.sleep()

    def _most_chars(self, lane: Lane) -> int:
        """Tell how much of a lane one write may have; 0 stands for one message.

        Of several in one write the service can hear a turn in the first, and answer it, before the last has left.
        """
        return WRITE_MAX_CHARS if self._send_many is not None and lane is self._control else 0

    async def _write(self, lane: Lane, messages: Sequence[Queued]) -> None:
        scope = self._writing = trio.CancelScope()
        is_done = False
        try:
            with scope:
                if self._send_many is None:
                    await self._send(messages[0].text)
                else:
                    await self._send_many([message.text for message in messages])
                is_done = True
        finally:
            self._writing = None
            (lane.sent if is_done else lane.put_back)(messages)
        self.is_torn = not is_done
        if is_done:
            for message in messages:
                self._on_sent(message.text, message.weight, message.kind)
