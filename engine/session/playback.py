"""`session.playback`: what the user has heard of the model's speech, and where the application says so."""

from typing import Final

import trio

from engine.audio.playback import Playback

_LOOK_S: Final = 0.02
"""The least time between two looks for the end of the sound: the length of a frame."""


class SessionPlayback:
    """What was heard. See `engine.audio.playback` for where the figures come from.

    Args:
        clock: The session's playback clock.
    """

    __slots__ = ("_clock",)

    def __init__(self, clock: Playback) -> None:
        self._clock = clock

    @property
    def playing(self) -> bool:
        """Tell whether anything that came is still to be heard."""
        return self._clock.playing(trio.current_time())

    def report(self, item_id: str, played_ms: float) -> None:
        """Say how much of an item the application has played: for one that plays by itself.

        Args:
            item_id: As in `BidiAudioStreamEvent.item_id`.
            played_ms: From the item's beginning; may be repeated, as the sound goes on.

        Raises:
            LocalMisuse: No audio of such an item came.
            UnsupportedContent: It is no length of time.
        """
        self._clock.report(item_id, played_ms, trio.current_time())

    def heard_ms(self, item_id: str) -> float:
        """Tell how much of an item was heard; 0 of one that is not known."""
        return self._clock.heard_ms(item_id, trio.current_time())

    def received_ms(self, item_id: str) -> float:
        """Tell how much of an item came; 0 of one that is not known."""
        return self._clock.received_ms(item_id)

    async def heard_out(self) -> None:
        """Wait until all that came was heard. Bound it: what nobody plays or reports is never heard."""
        await trio.lowlevel.checkpoint()
        while (ends_at := self._clock.heard_out_at(now := trio.current_time())) is not None:  # noqa: ASYNC110 - it is time that passes
            # A guess, where the application plays: look again then.
            await trio.sleep_until(max(ends_at, now + _LOOK_S))
