"""The user's side of the audio: the buffer, the turns in it, and the items that they become."""

from collections.abc import Callable
from typing import Any

import attrs

from engine.limits import COMMIT_MIN_MS, WIRE_RATE_HZ
from engine.simulator.catalogue import COMMIT_EMPTY, Refusal
from engine.simulator.conversation import Entry
from engine.simulator.formats import wire_format
from engine.simulator.input_buffer import SAMPLES_PER_MS, InputBuffer
from engine.simulator.responder import SpeechDetector
from engine.simulator.services import Services
from engine.simulator.vad import Edge, TurnFinder, tuning
from engine.wire.codec import from_object
from engine.wire.session import TurnDetection

Json = dict[str, Any]


@attrs.frozen
class SpokenHooks:
    """What the session does about turns.

    Attributes:
        started: A turn began.
        stopped: A turn's item was added by turn detection.
        committed: An item was added, by whichever way.
    """

    started: Callable[[], None]
    stopped: Callable[[], None]
    committed: Callable[[Entry], None]


class SpokenInput:
    """What the client appends, until it is an item.

    Args:
        services: The session's.
        session: The settings in force.
        hooks: What the session does about turns.
    """

    def __init__(self, services: Services, session: Json, hooks: SpokenHooks) -> None:
        self._services = services
        self._hooks = hooks
        self._buffer = InputBuffer()
        self._detector: SpeechDetector | None = None
        self._turns: TurnFinder | None = None
        self._turn_id = ""
        self._turn_start = 0
        self._settings: Json = {}
        self.configure(session)

    @property
    def speaking(self) -> bool:
        """Tell whether a turn is going on."""
        return self._turns is not None and self._turns.speaking

    @property
    def position_ms(self) -> int:
        """Tell how much audio was ever appended."""
        return self._buffer.end // SAMPLES_PER_MS

    def configure(self, session: Json) -> None:
        """Take the settings in force; a turn that is going on is forgotten where turn detection changes."""
        before, self._settings = self._settings.get("turn_detection", ...), session["audio"]["input"]
        detection = self._settings["turn_detection"]
        if detection != before:
            self._detector = detection and self._services.responder.detector(from_object(detection, TurnDetection))
            self._listen_anew()

    def append(self, audio: str) -> None:
        """Add base64 audio in the session's format, and hear it."""
        self.hear(wire_format(self._settings["format"]).read(audio))

    def hear(self, pcm: bytes) -> None:
        """Add PCM16 mono 24 kHz, and hear it."""
        limits = self._services.settings
        quiet = self._turns is not None and not self._turns.speaking
        keep_s = limits.listening_max_s if quiet else limits.buffer_max_s
        self._buffer.append(pcm, keep_samples=max(len(pcm), round(keep_s * WIRE_RATE_HZ)))
        if self._turns is not None:
            for edge, position in self._turns.push(pcm):
                self._started(position) if edge is Edge.STARTED else self._stopped(position)

    def commit(self) -> None:
        """Make an item of the buffer, as the client asks.

        Raises:
            Refusal: There are less than 100 ms.
        """
        have_ms = self._buffer.duration_ms
        if have_ms < COMMIT_MIN_MS:
            raise Refusal(COMMIT_EMPTY, bound=COMMIT_MIN_MS, value=have_ms)
        item_id = self._turn_id if self.speaking else self._services.ids.new("item")
        self._add_item(item_id, self._buffer.start, self._buffer.end)
        self._listen_anew()

    def clear(self) -> None:
        """Throw the buffer away, and forget a turn that is going on."""
        self._buffer.clear()
        self._listen_anew()
        self._services.emit("input_audio_buffer.cleared")

    def time_out(self, start_ms: int) -> None:
        """Make an item of the silence since `start_ms`, as nobody spoke."""
        item_id = self._services.ids.new("item")
        self._services.emit(
            "input_audio_buffer.timeout_triggered",
            audio_start_ms=start_ms,
            audio_end_ms=self.position_ms,
            item_id=item_id,
        )
        self._add_item(item_id, start_ms * SAMPLES_PER_MS, self._buffer.end)
        self._listen_anew()

    def _listen_anew(self) -> None:
        detection, self._turns = self._settings["turn_detection"], None
        if self._detector is not None:
            when = tuning(detection, self._services.settings)
            self._turns = TurnFinder(self._detector, when, self._buffer.end)

    def _started(self, position: int) -> None:
        self._turn_start = max(position, self._buffer.start)
        self._turn_id = self._services.ids.new("item")
        self._services.emit(
            "input_audio_buffer.speech_started",
            audio_start_ms=self._turn_start // SAMPLES_PER_MS,
            item_id=self._turn_id,
        )
        self._hooks.started()

    def _stopped(self, position: int) -> None:
        self._services.emit(
            "input_audio_buffer.speech_stopped", audio_end_ms=position // SAMPLES_PER_MS, item_id=self._turn_id
        )
        self._add_item(self._turn_id, self._turn_start, position)
        self._hooks.stopped()

    def _add_item(self, item_id: str, start: int, end: int) -> None:
        services = self._services
        content = [{"type": "input_audio", "transcript": None}]
        entry = Entry({"id": item_id, "type": "message", "status": "completed", "role": "user", "content": content})
        entry.say(self._buffer.take(start, end))
        services.emit("input_audio_buffer.committed", previous_item_id=services.conversation.last_id, item_id=item_id)
        previous = services.conversation.add(entry)
        services.emit("conversation.item.added", previous_item_id=previous, item=entry.snapshot())
        services.emit("conversation.item.done", previous_item_id=previous, item=entry.snapshot())
        self._hooks.committed(entry)
