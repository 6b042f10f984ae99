"""One PortAudio stream: opened and closed in a worker thread, each within a deadline, and watched for its end.

Opening waits for the sound system, and closing one whose device hangs may never return: neither may hold up Trio.
"""

import atexit
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from threading import Lock
from typing import Any, Final

import trio

from engine.devices.listing import Direction
from engine.devices.portaudio import portaudio
from engine.errors import ConfigError, DeadlinePassed
from engine.threads import in_thread

logger = logging.getLogger(__name__)

OPEN_DEADLINE_S: Final = 10.0
"""For the sound system to open a device and to start it."""

CLOSE_DEADLINE_S: Final = 2.0
"""For a device to stop. After that it is left alone: a device that hangs must not keep a program from ending."""

STALLED_S: Final = 3.0
"""A device that gives or takes nothing for so long is lost: some systems don't tell when it is unplugged."""

_LAST_CALL_S: Final = 0.005
_LAST_CALL_TRIES: Final = 50
"""The sound card's thread sees at its next block that it is to end, within 20 ms; looked for so often, every 5 ms."""


class Stream:
    """A stream of one direction, whose sound card's thread calls `block`. Made by `opened`.

    Args:
        name: The device's.
        block: Given the block's memory and the flags; called in the sound card's thread.
        stopped: Called in Trio's thread once, when the stream is over without having been closed.
    """

    def __init__(self, name: str, block: Callable[[Any, Any], None], stopped: Callable[[], None]) -> None:
        self.name = name
        self.over = False
        """True when the device has stopped by itself."""
        self.latency_ms = 0.0
        """What the device adds, as it tells."""
        self._block = block
        self._stopped = stopped
        self._token = trio.lowlevel.current_trio_token()
        self._stream: Any = None
        self._library: Any = None
        self._closing = False
        self._ended = False
        self._lock = Lock()

    def wake(self, wake: Callable[[], None]) -> None:
        """Call something in Trio's thread soon, once if it is asked for again before; from the sound card's thread."""
        try:
            self._token.run_sync_soon(wake, idempotent=True)
        except trio.RunFinishedError:
            self._closing = True

    # --- in worker threads --------------------------------------------------------------------------------------

    def open(self, direction: Direction, settings: dict[str, Any]) -> None:
        """Open and start it.

        Raises:
            ConfigError: The device can't be opened so.
        """
        library = self._library = portaudio()
        kind = library.RawInputStream if direction == "input" else library.RawOutputStream
        try:
            stream = kind(dtype="int16", callback=self._call, finished_callback=self._finished, **settings)
            self._start(stream)
        except (library.PortAudioError, ValueError) as error:
            message = (
                f"the sound device {self.name!r} can't be opened: {error} | another program may hold it; choose "
                "another device or rate"
            )
            raise ConfigError(
                f"{direction}_device", self.name, "a device that can be opened", message=message
            ) from error

    def _start(self, stream: Any) -> None:
        with self._lock:
            if self._closing:
                # Nobody waits any more: who opened it was cancelled.
                stream.close()
                return
            self._stream = stream
            self.latency_ms = stream.latency * 1000
            stream.start()

    def close(self) -> None:
        """Close it. May be repeated."""
        with self._lock:
            self._closing = True
            stream, self._stream = self._stream, None
        if stream is None:
            return
        # Python must not run in the sound card's thread when PortAudio cancels it: let it end by itself first.
        for _ in range(_LAST_CALL_TRIES):
            if self._ended or not stream.active:
                break
            time.sleep(_LAST_CALL_S)
        stream.close()

    def leave_alone(self) -> None:
        """Let the program end although the device does not: what PortAudio does at its end would wait for it."""
        if self._library is not None:
            atexit.unregister(self._library._exit_handler)

    # --- in the sound card's thread -----------------------------------------------------------------------------

    def _call(self, memory: Any, _frames: int, _time: Any, flags: Any) -> None:
        if self._closing:
            raise self._library.CallbackAbort
        self._block(memory, flags)

    def _finished(self) -> None:
        self._ended = True
        if not self._closing:
            self.wake(self._over)

    def _over(self) -> None:
        if not self._closing:
            self.over = True
            self._stopped()


@asynccontextmanager
async def opened(stream: Stream, direction: Direction, settings: dict[str, Any]) -> AsyncIterator[None]:
    """Open a stream for the length of a block.

    Args:
        stream: Which.
        direction: `input` or `output`.
        settings: As sounddevice takes them.

    Raises:
        ConfigError: The device can't be opened so.
        DeadlinePassed: The sound system took longer than `OPEN_DEADLINE_S`.
    """
    try:
        try:
            with trio.fail_after(OPEN_DEADLINE_S):
                await in_thread(partial(stream.open, direction, settings), leave=True)
        except trio.TooSlowError as error:
            raise DeadlinePassed("device_open", OPEN_DEADLINE_S) from error
        yield
    finally:
        with trio.move_on_after(CLOSE_DEADLINE_S, shield=True) as scope:
            await in_thread(stream.close, leave=True)
        if scope.cancelled_caught:
            stream.leave_alone()
            logger.warning("a sound device did not stop within %s s and is left alone", CLOSE_DEADLINE_S)
