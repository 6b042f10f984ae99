"""The idle timer: how long nobody has said anything since the last answer was heard."""

from collections.abc import Callable

import trio


class IdleTimer:
    """Waits after an answer; each start forgets the one before.

    Args:
        nursery: For the waiting.
        position_ms: Tells how much audio was ever appended.
        idle: Told the position from which on nobody spoke.
    """

    def __init__(self, nursery: trio.Nursery, position_ms: Callable[[], int], idle: Callable[[int], None]) -> None:
        self._nursery = nursery
        self._position_ms = position_ms
        self._idle = idle
        self._scope = trio.CancelScope()

    def cancel(self) -> None:
        """Stop waiting."""
        self._scope.cancel()

    def start(self, audio_ms: float, timeout_ms: int) -> None:
        """Wait until the answer was heard, and then for the timeout.

        Args:
            audio_ms: How long the user is taken to be listening.
            timeout_ms: Of the session's turn detection.
        """
        self.cancel()
        self._scope = trio.CancelScope()
        self._nursery.start_soon(self._wait, self._scope, audio_ms, timeout_ms)

    async def _wait(self, scope: trio.CancelScope, audio_ms: float, timeout_ms: int) -> None:
        with scope:
            await trio.sleep(audio_ms / 1000)
            start_ms = self._position_ms()
            await trio.sleep(timeout_ms / 1000)
            if not scope.cancel_called:
                self._idle(start_ms)
