"""Where the model's audio goes: to the inbox, in the application's shape, and to whoever asked for it in real time."""

from collections.abc import Callable, Mapping
from typing import ClassVar

import attrs
import pybase64

from engine.actors.audio_out import AudioOut
from engine.audio.output import OPEN_ITEMS_MAX, OutputConverter
from engine.audio.pcm import base64_bytes
from engine.audio.playback import Playback
from engine.audio.shape import AudioShape
from engine.config import AudioSettings
from engine.errors import RemoteViolation
from engine.events import BidiAudioStreamEvent, BidiErrorEvent
from engine.events.listening import TranslatedAudioEvent
from engine.protocol.effects import AudioDone, PurgeAudio


class Speaker:
    """Hands the model's audio on.

    Args:
        audio: Formats.
        clock: Told what was handed over.

    Attributes:
        put: Puts an event into the inbox.
    """

    __slots__ = (
        "_audio",
        "_clock",
        "_converter",
        "_counts",
        "_ended",
        "_last",
        "_outs",
        "_wire",
        "_wire_frame_bytes",
        "put",
    )

    def __init__(self, audio: AudioSettings, clock: Playback) -> None:
        self._clock = clock
        self._audio = audio
        self._wire = audio.wire_shape
        self._wire_frame_bytes = self._wire.frame_bytes
        self._converter = OutputConverter(audio.wire_shape, audio.output_shape)
        self._last: dict[str, BidiAudioStreamEvent] = {}
        self._outs: list[AudioOut] = []
        self._counts: AudioOut | None = None
        self._ended = False
        self.put: Callable[[BidiAudioStreamEvent | BidiErrorEvent], None] = lambda _: None

    # --- for the application ----------------------------------------------------------------------------------

    def open(self, target: AudioShape, frame_ms: int, prebuffer_ms: int) -> AudioOut:
        """Begin a paced output. It tells what was heard, unless another that is open does."""
        self._outs = [out for out in self._outs if not out.closed]
        counts = self._counts is None or self._counts.closed
        clock = self._clock if counts else None
        out = AudioOut(self._wire, target, clock, frame_ms=frame_ms, prebuffer_ms=prebuffer_ms)
        if counts:
            self._counts = out
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
        try:
            audio = self._converter.push(item_id, event.audio)
        except ValueError as error:
            self._refuse(event, error)
            return
        self._last[item_id] = event
        if len(self._last) > OPEN_ITEMS_MAX:
            open_items = self._converter.open_items
            self._last = {each: last for each, last in self._last.items() if each in open_items}
        self._hand(event, audio)

    def done(self, effect: AudioDone) -> None:
        """No more audio of an item comes."""
        for out in self._outs:
            out.item_done(effect.item_id)
        last = self._last.pop(effect.item_id, None)
        if last is not None:
            self._hand(last, self._converter.item_done(effect.item_id))

    def response_done(self, response_id: str) -> None:
        """A response is over, and with it the audio of its items, of which that may not have been said."""
        for out in self._outs:
            out.response_done(response_id)
        for item_id in [item_id for item_id, last in self._last.items() if last.response_id == response_id]:
            self.done(AudioDone(item_id))

    def purge(self, effect: PurgeAudio) -> None:
        """The user cut in."""
        for out in self._outs:
            out.flush(effect.kept)
        for item_id in [item_id for item_id, last in self._last.items() if last.response_id not in effect.kept]:
            del self._last[item_id]
            self._converter.dropped(item_id)

    def _refuse(self, event: BidiAudioStreamEvent, why: ValueError) -> None:
        """Tell that a piece is no base64 and left out, as its bytes would have told who asks for them."""
        self._clock.undelivered(event.item_id or "", base64_bytes(event.audio) // self._wire.frame_bytes)
        error = RemoteViolation("invalid_field", "audio is not base64 text", field="delta")
        error.__cause__ = why
        told = BidiErrorEvent(
            error,
            {"problem": "invalid_field"},
            response_id=event.response_id,
            item_id=event.item_id,
            event_id=event.event_id,
            received_at=event.received_at,
        )
        self.put(told)

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

    def taken(self, event: BidiAudioStreamEvent, now: float) -> None:
        """Note that the application has taken audio."""
        self._clock.delivered(event.item_id or "", self._samples(event), now)

    def lost(self, event: BidiAudioStreamEvent) -> None:
        """Note that audio was dropped before the application took it."""
        self._clock.undelivered(event.item_id or "", self._samples(event))

    def _samples(self, event: BidiAudioStreamEvent) -> int:
        """Give the samples of an event as they were on the wire."""
        if self._converter.passes:
            return base64_bytes(event.audio) // self._wire_frame_bytes
        given = self._audio.output_shape
        samples = base64_bytes(event.audio) // given.frame_bytes
        return samples if given.rate_hz == self._wire.rate_hz else round(samples * self._wire.rate_hz / given.rate_hz)

    HANDLES: ClassVar[Mapping[type, Callable[..., None]]] = {
        AudioDone: done,
        BidiAudioStreamEvent: play,
        TranslatedAudioEvent: play,
    }
    """Methods by the class of effects that they carry out; see `engine.dispatch`."""
