"""One simulated session of the translation endpoint: speech in, words and speech of another language out."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

import attrs
import trio

from engine.audio.framing import Framer
from engine.audio.pcm import ms_to_bytes
from engine.simulator import effective
from engine.simulator.checks import TRANSLATION_EVENTS
from engine.simulator.formats import wire_format
from engine.simulator.intake import Intake
from engine.simulator.responder import STEP_MS, Interpreted, Interpreter
from engine.simulator.services import Emit

Json = dict[str, Any]

BACKLOG_STEPS: Final = 300
"""Steps that may wait to be translated, 60 s; past it the client's next message has to wait."""

_STEP_BYTES: Final = ms_to_bytes(STEP_MS)
_WIRE: Final = wire_format(effective.PCM)


@attrs.frozen
class TranslationWires:
    """What a session needs of its connection.

    Attributes:
        emit: Sends an event.
        room: Waits while the client reads too slowly.
        note: Told each message's type and text as it is received.
    """

    emit: Emit
    room: Callable[[], Awaitable[None]]
    note: Callable[[str, str], None]


class TranslationSession:
    """Takes client messages and sends what the interpreter says.

    Args:
        session: The settings of a new session.
        interpreter: Who translates.
        wires: To the client.
        nursery: For the translation.

    Attributes:
        closing: True once the client has asked for the end.
    """

    def __init__(self, session: Json, interpreter: Interpreter, wires: TranslationWires, nursery: trio.Nursery) -> None:
        self._session = session
        self._interpreter = interpreter
        self._emit = wires.emit
        self._room = wires.room
        self._nursery = nursery
        self._framer = Framer(_STEP_BYTES)
        self._waiting: deque[bytes] = deque()
        self._changed = trio.lowlevel.ParkingLot()
        self._busy = False
        self._steps = 0
        self.closing = False
        handlers: dict[str, Callable[[Json], None]] = {
            "session.update": self._update,
            "session.input_audio_buffer.append": self._append,
            "session.close": self._close,
        }
        self.receive = Intake(TRANSLATION_EVENTS, handlers, wires.emit, wires.note).receive

    def begin(self) -> None:
        """Send the first event, and start to translate."""
        self._emit("session.created", session=self._session)
        self._nursery.start_soon(self._translate)

    async def ready(self) -> None:
        """Wait until the next message can be taken."""
        await self._room()
        while len(self._waiting) > BACKLOG_STEPS:
            await self._changed.park()

    async def drain(self) -> None:
        """Translate what was appended, say what is left to say, and tell that it is over."""
        rest = self._framer.flush()
        if rest:
            self._take(rest.ljust(_STEP_BYTES, b"\0"))
        while self._waiting or self._busy:
            await self._changed.park()
        for said in await self._interpreter.rest(self._language):
            await self._tell(said)
        self._emit("session.closed")

    # --- what the client asks ------------------------------------------------------------------------------------

    def _update(self, event: Json) -> None:
        self._session = effective.updated_translation(self._session, event["session"])
        self._emit("session.updated", session=self._session)

    def _append(self, event: Json) -> None:
        for step in self._framer.push(_WIRE.read(event["audio"])):
            self._take(step)

    def _close(self, _: Json) -> None:
        self.closing = True

    def _take(self, step: bytes) -> None:
        self._waiting.append(step)
        self._changed.unpark_all()

    # --- what it gets --------------------------------------------------------------------------------------------

    @property
    def _language(self) -> str:
        return str(self._session["audio"]["output"]["language"])

    async def _translate(self) -> None:
        while True:
            while not self._waiting:
                await self._changed.park()
            self._busy = True
            await self._tell(await self._interpreter.step(self._waiting.popleft(), self._language))
            self._busy = False
            self._changed.unpark_all()

    async def _tell(self, said: Interpreted) -> None:
        await self._room()
        self._steps += 1
        elapsed_ms = self._steps * STEP_MS
        if said.heard and self._session["audio"]["input"]["transcription"] is not None:
            self._emit("session.input_transcript.delta", delta=said.heard, elapsed_ms=elapsed_ms)
        if said.said:
            self._emit("session.output_transcript.delta", delta=said.said, elapsed_ms=elapsed_ms)
        if said.audio:
            self._emit(
                "session.output_audio.delta",
                delta=_WIRE.write(said.audio),
                sample_rate=24000,
                channels=1,
                format="pcm16",
                elapsed_ms=elapsed_ms,
            )
