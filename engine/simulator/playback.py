"""Where the audio of a WebRTC or SIP call plays: beside the socket, so the service knows what was heard of it."""

from typing import Any

import attrs
import trio

from engine.simulator.catalogue import Refusal
from engine.simulator.conversation import Entry
from engine.simulator.formats import duration_ms
from engine.simulator.services import Services


@attrs.define(eq=False)
class _Track:
    """One response's audio.

    Attributes:
        response_id: Whose.
        ends_at: When all that came so far will have been played, in seconds of the Trio clock.
        items: Each spoken item and when it starts.
        watch: Of the task that waits for the end.
    """

    response_id: str
    ends_at: float
    items: list[tuple[Entry, float]] = attrs.field(factory=list)
    watch: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    def add(self, entry: Entry, pcm: bytes) -> None:
        self.ends_at = max(self.ends_at, trio.current_time())
        if not self.items or self.items[-1][0] is not entry:
            self.items.append((entry, self.ends_at))
        self.ends_at += duration_ms(pcm) / 1000


class Playback:
    """Plays responses in real time, and tells when each starts, stops, or is cut off.

    Args:
        services: The session's.
        nursery: For the waiting.
    """

    def __init__(self, services: Services, nursery: trio.Nursery) -> None:
        self._services = services
        self._nursery = nursery
        self._tracks: dict[str, _Track] = {}

    def play(self, response_id: str, entry: Entry, pcm: bytes) -> None:
        """Play PCM16 mono 24 kHz of an item after what is playing."""
        track = self._tracks.get(response_id)
        if track is None:
            track = self._tracks[response_id] = _Track(response_id, trio.current_time())
            self._services.emit("output_audio_buffer.started", response_id=response_id)
        track.add(entry, pcm)

    def no_more(self, response_id: str) -> None:
        """Note that a response made all its audio; it goes on playing."""
        track = self._tracks.get(response_id)
        if track is not None:
            self._nursery.start_soon(self._play_out, track)

    async def _play_out(self, track: _Track) -> None:
        with track.watch:
            await trio.sleep_until(track.ends_at)
            if self._tracks.pop(track.response_id, None) is not None:
                self._services.emit("output_audio_buffer.stopped", response_id=track.response_id)

    def cut(self) -> None:
        """Stop all that plays, and shorten the items to what was heard, as the service does by itself there."""
        tracks, self._tracks = self._tracks, {}
        for track in tracks.values():
            track.watch.cancel()
            self._services.emit("output_audio_buffer.cleared", response_id=track.response_id)
            for entry, starts_at in track.items:
                self._shorten(entry, round((trio.current_time() - starts_at) * 1000))

    def _shorten(self, entry: Entry, heard_ms: int) -> None:
        if heard_ms >= entry.audio_ms:
            return
        place: dict[str, Any] = {"item_id": entry.id, "content_index": 0, "audio_end_ms": max(0, heard_ms)}
        try:
            self._services.conversation.truncate(**place)
        except Refusal:  # deleted meanwhile, or not begun: nothing of it was heard
            return
        self._services.emit("conversation.item.truncated", **place)
