"""The caller's ear: takes a session's events as they come, and knows what the agent says, does, and how it stands."""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, ClassVar, Final

import orjson
import trio

from engine.audio.pcm import PCM_RATE_HZ, SAMPLE_BYTES, base64_bytes
from engine.dispatch import Dispatch
from engine.errors import DeadlinePassed
from engine.events import (
    BidiAudioStreamEvent,
    BidiConnectionRestartEvent,
    BidiConnectionWarningEvent,
    BidiErrorEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    BidiTranscriptStreamEvent,
    ToolUseStreamEvent,
)
from engine.farm.caller.faults import CallBroken, Fault, failed_response, kind_of_code, one_line
from engine.farm.caller.heard import Heard
from engine.farm.caller.kept import Mark, Sent, Utterance
from engine.farm.caller.spool import Spool
from engine.session import Session

_STALL: Final = "response_stall"
"""The engine's deadline of a response that says nothing; the engine then ends it as failed."""


_ENDING: Final = frozenset({"rate_limited", "quota"})
"""Kinds of errors after which a call can't go on, though its session may: what was asked for is not coming."""

MARKS_MAX: Final = 1_000
ERRORS_MAX: Final = 100
"""What one call keeps of these; of more, the first are told."""


class Ear:
    """Listens to one session.

    Args:
        spool: Takes the agent's audio; None where it is not kept.
        response_over: Called when a response has ended, and told what it took.
    """

    def __init__(self, spool: Spool | None = None, response_over: Callable[[], object] | None = None) -> None:
        self.heard = Heard()
        """The agent's speech as it sounds."""
        self.words: dict[str, Utterance] = {}
        """Words by item, the caller's and the agent's."""
        self.arguments: dict[str, str] = {}
        """Arguments of calls, JSON text by call."""
        self.marks: list[Mark] = []
        """Interruptions, errors, connections that came and went."""
        self.errors: list[str] = []
        """What the service or the engine reported, in words."""
        self.sent: dict[str, Sent] = {}
        """Audio that came, by response."""
        self.over = False
        """The session has ended."""
        self.connected = True
        """There is a connection; False while a lost one is made anew."""
        self._spool = spool
        self._response_over = response_over
        self._session: Session | None = None
        self._active: set[str] = set()
        self._stall: DeadlinePassed | None = None
        self._items: dict[str, list[str]] = {}
        self._news = trio.lowlevel.ParkingLot()
        self._sounds = trio.lowlevel.ParkingLot()
        self._handlers = Dispatch(self)

    @property
    def answering(self) -> bool:
        """Tell whether a response runs."""
        return bool(self._active)

    def words_of(self, response_id: str) -> str:
        """Give a response's words."""
        texts = (self.words[item_id].text for item_id in self._items.get(response_id, ()))
        return " ".join(text for text in texts if text)

    def received_ms(self, response_ids: Iterable[str]) -> float:
        """Tell how much audio came of these responses."""
        samples = sum(self.sent[each].samples for each in response_ids if each in self.sent)
        return samples * 1000 / PCM_RATE_HZ

    async def news(self) -> None:
        """Wait until a response began or ended, the caller was heard, or something went wrong."""
        await self._news.park()

    async def sounds(self) -> None:
        """Wait until the agent says more, or `news`."""
        await self._sounds.park()

    def mark(self, at: float, words: str) -> None:
        """Note that something happened."""
        if len(self.marks) < MARKS_MAX:
            self.marks.append(Mark(at, words))

    async def listen(self, session: Session, events: AsyncIterator[Any]) -> None:
        """Take events until the session is over.

        Raises:
            EngineError: What ended the session.
            CallBroken: A response failed.
        """
        self._session = session
        try:
            async for event in events:
                handler = self._handlers[type(event)]
                if handler is not None and handler(event, trio.current_time()):
                    await self._spool_out()
        finally:
            self.over = True
            self._tell()

    async def _spool_out(self) -> None:
        if self._spool is not None:
            await self._spool.write()

    # --- what comes: True asks to write the spool -----------------------------------------------------------------

    def _began(self, event: BidiResponseStartEvent, _: float) -> None:
        self._active.add(event.response_id)
        self._tell()

    def _audio(self, event: BidiAudioStreamEvent, now: float) -> bool:
        response_id = event.response_id or ""
        samples, full = base64_bytes(event.audio) // SAMPLE_BYTES, False
        sent = self.sent.setdefault(response_id, Sent(now, now))
        sent.last_at, sent.samples = now, sent.samples + samples
        if self._spool is not None:
            full = self._spool.add(event.pcm)
        self.heard.add(event.item_id or "", response_id, samples, now)
        self._sounds.unpark_all()
        return full

    def _transcript(self, event: BidiTranscriptStreamEvent, _: float) -> None:
        utterance = self._utterance(event)
        if event.is_final:
            utterance.pieces, utterance.final = [event.text], True
            self._tell()
        else:
            utterance.pieces.append(event.text)

    def _utterance(self, event: BidiTranscriptStreamEvent) -> Utterance:
        item_id = event.item_id or ""
        if item_id not in self.words:
            self.words[item_id] = Utterance()
            if event.response_id is not None:
                self._items.setdefault(event.response_id, []).append(item_id)
        return self.words[item_id]

    def _interrupted(self, event: BidiInterruptionEvent, now: float) -> None:
        assert self._session is not None  # noqa: S101 - events come from it
        if not _speaks_on(self._session, event):
            if self.heard.ends_at > now:
                self.mark(now, "interrupted")
            self.heard.cut(now, self._session.playback.heard_ms)
        if event.reason == "error":
            self._active.clear()  # The connection that they ran on is gone.
        self._tell()

    def _complete(self, event: BidiResponseCompleteEvent, now: float) -> None:
        self._active.discard(event.response_id)
        if self._response_over is not None:
            self._response_over()
        self._tell()
        if event.stop_reason == "error" and (event.details or {}).get("status") == "failed":
            if self._stall is not None:
                raise CallBroken(Fault("deadline", one_line(str(self._stall))))
            fault = failed_response(event.details)
            self._note(now, fault.words)
            raise CallBroken(fault)

    def _tool(self, event: ToolUseStreamEvent, _: float) -> None:
        use = event.current_tool_use
        self.arguments[use["toolUseId"]] = _as_json(use["input"])
        self._tell()

    def _error(self, event: BidiErrorEvent, now: float) -> None:
        if isinstance(event.error, DeadlinePassed) and event.error.deadline == _STALL:
            self._stall = event.error
        self._note(now, f"{event.code}: {event.message}")
        kind = kind_of_code(event.code)
        if kind in _ENDING and event.item_id is None:  # What is said of an item is that its words are not coming.
            raise CallBroken(Fault(kind, one_line(str(event.error))))
        self._tell()

    def _note(self, now: float, words: str) -> None:
        line = one_line(words)
        if len(self.errors) < ERRORS_MAX:
            self.errors.append(line)
        self.mark(now, line)

    def _warned(self, event: BidiConnectionWarningEvent, now: float) -> None:
        if event.error is not None:
            self._note(now, f"connection lost: {event.error}")
            self._active.clear()
            self.connected = False

    def _restarted(self, event: BidiConnectionRestartEvent, now: float) -> None:
        words = "renewed" if event.reason == "renewal" else "made anew"
        self.mark(now, f"connection {words} after {event.gap_ms:.0f} ms without one")
        self.connected = True
        self._tell()

    def _tell(self) -> None:
        self._news.unpark_all()
        self._sounds.unpark_all()

    HANDLES: ClassVar[Mapping[type, Callable[..., Any]]] = {
        BidiResponseStartEvent: _began,
        BidiAudioStreamEvent: _audio,
        BidiTranscriptStreamEvent: _transcript,
        BidiInterruptionEvent: _interrupted,
        BidiResponseCompleteEvent: _complete,
        ToolUseStreamEvent: _tool,
        BidiErrorEvent: _error,
        BidiConnectionWarningEvent: _warned,
        BidiConnectionRestartEvent: _restarted,
    }
    """Methods by the class of events that they take; see `engine.dispatch`."""


def _speaks_on(session: Session, event: BidiInterruptionEvent) -> bool:
    """Tell whether the agent is heard on: the service heard the caller (its event has an id), and is to cut nothing."""
    detection = session.config.turn_detection
    return event.event_id is not None and detection is not None and detection.interrupt_response is False


def _as_json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # A model may write numbers of 30 digits, and halves of characters.
        return json.dumps(value)
