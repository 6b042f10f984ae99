"""Where the model's audio goes: to the inbox, in the application's shape, and to whoever asked for it in real time."""

from collections.abc import Callable

import attrs
import pybase64
import trio

from engine.actors.audio_out import AudioOut
from engine.audio.output import OutputConverter
from engine.audio.pcm import base64_bytes
from engine.audio.playback import Playback
from engine.audio.shape import AudioShape
from engine.config import AudioSettings
from engine.events import BidiAudioStreamEvent
from engine.protocol.effects import AudioDone, PurgeAudio


class Speaker:
    """Hands the model's audio on.

    Args:
        audio: Formats.
        clock: Told what was handed over.

    Attributes:
        put: Puts an event into the inbox.
    """

    def __init__(self, audio: AudioSettings, clock: Playback) -> None:
        self._clock = clock
        self._audio = audio
        self._wire = audio.wire_shape
        self._converter = OutputConverter(audio.wire_shape, audio.output_shape)
        self._last: dict[str, BidiAudioStreamEvent] = {}
        self._outs: list[AudioOut] = []
        self._ended = False
        self.put: Callable[[BidiAudioStreamEvent], None] = lambda _: None
        self.unreadable = 0
        """Pieces that were no base64, and so not converted."""

    # --- for the application ----------------------------------------------------------------------------------

    def open(self, target: AudioShape, frame_ms: int, prebuffer_ms: int) -> AudioOut:
        """Begin a paced output. Only the first of those that are open tells what was heard."""
        self._outs = [out for out in self._outs if not out.closed]
        clock = None if self._outs else self._clock
        out = AudioOut(self._wire, target, clock, frame_ms=frame_ms, prebuffer_ms=prebuffer_ms)
        if self._ended:
            out.end()
        self._outs.append(out)
        return out

    def end(self, *, at_once: bool) -> None:
        """The session is over: paced outputs end, at once or when all was played."""
        self._ended = True
        for out in self._outs:
            (out.close if at_once else out.end)()

    # --- what comes -------------------------------------------------------------------------------------------

    def play(self, event: BidiAudioStreamEvent) -> None:
        """Hand on audio as it came over the wire."""
        item_id = event.item_id or ""
        for out in self._outs:
            out.put(item_id, event.response_id or "", event.audio)
        if self._converter.passes:
            self.put(event)
            return
        self._last[item_id] = event
        try:
            self._hand(event, self._converter.push(item_id, event.audio))
        except ValueError:
            self.unreadable += 1

    def done(self, effect: AudioDone) -> None:
        """No more audio of an item comes."""
        for out in self._outs:
            out.item_done(effect.item_id)
        last = self._last.pop(effect.item_id, None)
        if last is not None:
            self._hand(last, self._converter.item_done(effect.item_id))

    def purge(self, effect: PurgeAudio) -> None:
        """The user cut in."""
        for out in self._outs:
            out.flush(effect.kept)
        for item_id in [item_id for item_id, last in self._last.items() if last.response_id not in effect.kept]:
            del self._last[item_id]
            self._converter.dropped(item_id)

    def _hand(self, event: BidiAudioStreamEvent, audio: bytes) -> None:
        if audio:
            shape = self._audio.output_shape
            told = attrs.evolve(
                event,
                audio=pybase64.b64encode_as_string(audio),
                format=shape.encoding,
                sample_rate=shape.rate_hz,
                channels=shape.channels,
            )
            self.put(told)

    # --- what the application takes ---------------------------------------------------------------------------

    def taken(self, event: BidiAudioStreamEvent) -> None:
        """Note that the application has taken audio."""
        self._clock.delivered(event.item_id or "", self._samples(event), trio.current_time())

    def lost(self, event: BidiAudioStreamEvent) -> None:
        """Note that audio was dropped before the application took it."""
        self._clock.undelivered(event.item_id or "", self._samples(event))

    def _samples(self, event: BidiAudioStreamEvent) -> int:
        """Give the samples of an event as they were on the wire."""
        given = self._wire if self._converter.passes else self._audio.output_shape
        samples = base64_bytes(event.audio) // given.frame_bytes
        return samples if given.rate_hz == self._wire.rate_hz else round(samples * self._wire.rate_hz / given.rate_hz)
