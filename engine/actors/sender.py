"""The sender: the only task that writes the transport. Control has a lane of its own and never waits behind audio.

Audio waits for control where its lane says so (`Lane.follow`), never the other way round: neither can hold up both.
"""

from collections.abc import Awaitable, Callable

import trio

from engine.errors import ConnectionLost
from engine.lane import Lane, Queued
from engine.transport.base import Transport


class Sender:
    """Writes both lanes until they are closed and empty, the connection is lost, or it is stopped.

    Each lane has its task, so a control message waits at most for the audio frame that is being written: the
    transport's own lock is fair.

    Args:
        transport: Where to.
        control: One lane.
        audio: The other.
        on_sent: Told of each message that is on the socket.
        on_lost: Told how the connection ended.
    """

    def __init__(
        self,
        transport: Transport,
        control: Lane,
        audio: Lane,
        *,
        on_sent: Callable[[Queued], None],
        on_lost: Callable[[ConnectionLost], Awaitable[None]],
    ) -> None:
        self._is_stopped = False
        self._writers = tuple(
            _Writer(name, lane, transport, on_sent, on_lost) for name, lane in (("control", control), ("audio", audio))
        )

    @property
    def is_stopped(self) -> bool:
        """Tell whether it was stopped."""
        return self._is_stopped

    @property
    def is_torn(self) -> bool:
        """Tell whether a message was cut off while it was being written: the connection is of no more use."""
        return self._is_stopped and any(writer.is_torn for writer in self._writers)

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Write."""
        async with trio.open_nursery() as nursery:
            for writer in self._writers:
                nursery.start_soon(writer.run, name=f"engine sender, {writer.name} lane")

    async def stop(self, limit_s: float) -> None:
        """Write nothing more; a message that is being written is finished. What is left stays in the lanes.

        Cancelled, it leaves that message to be finished; asked again, it waits for it again.

        Args:
            limit_s: How long that message may take. Then it is cut off: see `is_torn`.
        """
        self._is_stopped = True
        for writer in self._writers:
            writer.stop()
        with trio.move_on_after(limit_s):
            for writer in self._writers:
                await writer.stopped.wait()
        self.cut_off()
        with trio.CancelScope(shield=True):  # Until then they may take a message out of their lane that they have sent.
            for writer in self._writers:
                await writer.stopped.wait()

    def cut_off(self) -> None:
        """Write nothing more, from now on."""
        self._is_stopped = True
        for writer in self._writers:
            writer.cut_off()


class _Writer:
    """Writes one lane."""

    def __init__(
        self,
        name: str,
        lane: Lane,
        transport: Transport,
        on_sent: Callable[[Queued], None],
        on_lost: Callable[[ConnectionLost], Awaitable[None]],
    ) -> None:
        self.name = name
        self._lane = lane
        self._transport = transport
        self._on_sent = on_sent
        self._on_lost = on_lost
        self._scope = trio.CancelScope()
        self._stopping = trio.Event()
        self._writing = False
        self.stopped = trio.Event()
        """Nothing is written any more."""

    @property
    def is_torn(self) -> bool:
        """Tell whether it was cut off in a message."""
        return self._writing and self._scope.cancel_called

    def stop(self) -> None:
        """Stop before the next message."""
        self._stopping.set()
        if not self._writing:
            self.cut_off()

    def cut_off(self) -> None:
        """Stop now."""
        self._stopping.set()
        self._scope.cancel()

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        try:
            with self._scope:
                await self._write()
        except trio.EndOfChannel:
            pass
        except ConnectionLost as lost:
            self._writing = False
            if self._stopping.is_set():  # Others may write the lane by now.
                return
            self._lane.lose()
            self.stopped.set()
            await self._on_lost(lost)
        finally:
            self.stopped.set()

    async def _write(self) -> None:
        lane, send, on_sent = self._lane, self._transport.send, self._on_sent
        while not self._stopping.is_set():
            message = await lane.next()
            await lane.turn(message)
            if self._stopping.is_set():
                return
            self._writing = True
            await send(message.text)
            self._writing = False
            lane.sent(message)
            on_sent(message)
