"""One side of the call: takes the session's events, plays the agent, calls the tools, and says what was heard."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

import trio

from engine.demo import connections, tools
from engine.demo.event_log import EventLog
from engine.demo.recording import Answer, CallerTurn, Interruption, Recording, Response, ToolUse
from engine.demo.screen import Entry, Screen
from engine.demo.sound_card import FRAME_MS, Place, Playing, SoundCard
from engine.events import (
    BidiAudioStreamEvent,
    BidiConnectionRestartEvent,
    BidiConnectionWarningEvent,
    BidiErrorEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    BidiTranscriptStreamEvent,
    BidiUsageEvent,
    ToolResultEvent,
    ToolUseStreamEvent,
)
from engine.session import Session

_TOLD: Final = frozenset({"complete", "error"})
"""Stop reasons after which the agent has said its piece; after `tool_use` comes an answer."""

Toolbox = Callable[[str, Mapping[str, Any]], dict[str, Any]]
"""Calls a tool by name; what went wrong is the result's `error`."""


class Call:
    """A call in progress.

    Args:
        session: The session.
        card: The microphone that it hears and the loudspeaker that it speaks from.
        log: Takes every event.
        screen: Shows the transcript.
        recording: Takes what happened.
        toolbox: Calls the tools.
    """

    def __init__(
        self,
        session: Session,
        card: SoundCard,
        log: EventLog,
        screen: Screen,
        recording: Recording,
        *,
        toolbox: Toolbox = tools.call,
    ) -> None:
        self._session = session
        self._card = card
        # The session tells the service what was heard when the caller cuts in.
        card.loudspeaker.report = session.playback.report
        self._log = log
        self._screen = screen
        self._recording = recording
        self._toolbox = toolbox
        self._unheard: list[tuple[CallerTurn, Entry]] = []
        self._speaking: dict[str, Entry] = {}
        self._handlers: dict[type, Callable[[Any], Awaitable[None]]] = {
            BidiAudioStreamEvent: self._audio,
            BidiTranscriptStreamEvent: self._transcript,
            BidiInterruptionEvent: self._interruption,
            BidiResponseStartEvent: self._response_start,
            BidiResponseCompleteEvent: self._response_complete,
            BidiUsageEvent: self._usage,
            ToolUseStreamEvent: self._tool_use,
            BidiErrorEvent: self._error,
            BidiConnectionWarningEvent: self._connection,
            BidiConnectionRestartEvent: self._connection,
        }

    # --- for the caller ---------------------------------------------------------------------------------------

    def speaks(self, turn: CallerTurn) -> None:
        """Note that the caller begins a turn. One that was not announced is noted when the service hears it."""
        self._recording.turns.append(turn)
        self._unheard.append((turn, self._screen.begin(turn.began_s, "caller")))

    def told(self, turn: CallerTurn) -> bool:
        """Tell whether the agent's answer to a turn is all there."""
        responses = self._recording.responses.values()
        return any(response.began_s >= turn.ended_s and response.stop_reason in _TOLD for response in responses)

    def heard_out(self, turn: CallerTurn) -> bool:
        """Tell whether the agent's answer to a turn was heard to its end."""
        return self.told(turn) and self._card.loudspeaker.idle

    async def listen(self) -> None:
        """Take events until the session is over."""
        async with aclosing(self._session.receive()) as events:
            async for event in events:
                self._log.contract("server", event, trio.current_time())
                handler = self._handlers.get(type(event))
                if handler is not None:
                    await handler(event)

    async def follow_playback(self) -> None:
        """Finish the transcript of each answer when its last sound was heard."""
        while True:
            await trio.sleep(FRAME_MS / 1000)
            self.end_what_is_over()

    def end_what_is_over(self) -> None:
        """Finish the transcript of each answer whose last sound was heard by now."""
        for item_id in [item_id for item_id in self._speaking if self._is_over(item_id)]:
            self._heard_out(item_id)

    def _is_over(self, item_id: str) -> bool:
        playing = self._card.loudspeaker.now_playing
        sounds = playing is not None and playing.place.item_id == item_id
        return self._recording.answers[item_id].written and not sounds

    # --- events -----------------------------------------------------------------------------------------------

    def _now_s(self) -> float:
        return self._card.tape_time(trio.current_time())

    async def _audio(self, event: BidiAudioStreamEvent) -> None:
        place = Place(event.item_id or "", event.content_index or 0)
        self._card.loudspeaker.play(place, event.pcm)
        self._answer(place.item_id).arrived_s.append(self._now_s())

    def _answer(self, item_id: str) -> Answer:
        answers, speaker = self._recording.answers, self._card.loudspeaker
        if item_id not in answers:
            playing = speaker.played.setdefault(item_id, Playing(Place(item_id, 0)))
            answers[item_id] = Answer(playing)
        return answers[item_id]

    async def _transcript(self, event: BidiTranscriptStreamEvent) -> None:
        if event.role == "user":
            self._caller_words(event)
            return
        item_id = event.item_id or ""
        answer = self._answer(item_id)
        if event.is_final:
            answer.words, answer.written = event.text, True
            return
        if item_id not in self._speaking and not answer.words:
            self._speaking[item_id] = self._screen.begin(self._now_s(), "agent")
        answer.words += event.text
        if item_id in self._speaking:
            self._screen.say(self._speaking[item_id], event.text)

    def _caller_words(self, event: BidiTranscriptStreamEvent) -> None:
        if not self._unheard:
            return
        turn, entry = self._unheard[0]
        if not event.is_final:
            self._screen.say(entry, event.text)
            return
        del self._unheard[0]
        turn.heard = event.text.strip()
        note = "" if turn.said in ("", turn.heard) else f"the recording says: {turn.said}"
        self._screen.end(entry, words=turn.heard, note=note)

    async def _interruption(self, event: BidiInterruptionEvent) -> None:
        now_s = self._now_s()
        unfinished = self._card.loudspeaker.stop()
        if event.reason == "error":
            self._broken_off(unfinished)
            return
        if not self._unheard:
            self.speaks(CallerTurn(began_s=now_s, ended_s=now_s, said="", cut_in=bool(unfinished)))
        for playing in unfinished:
            place, heard_ms = playing.place, playing.heard_ms
            cut = Interruption(self._recording.turns[-1].began_s, now_s, heard_ms, playing.received_ms)
            self._recording.interruptions.append(cut)
            self._cut_off(place.item_id, cut)

    def _cut_off(self, item_id: str, cut: Interruption) -> None:
        # When somebody began who was not announced, nobody here knows.
        after = f", {cut.latency_s * 1000:.0f} ms after the caller began to speak" if cut.latency_s else ""
        heard = f"{cut.heard_ms / 1000:.1f} s heard of {cut.received_ms / 1000:.1f} s received"
        note = f"cut off about here{after}: {heard}"
        if item_id in self._speaking:
            words = self._recording.answers[item_id].heard_words
            self._screen.end(self._speaking.pop(item_id), words=words, note=note)

    def _broken_off(self, unfinished: Sequence[Playing]) -> None:
        """The connection was lost: nobody has cut in."""
        for playing in unfinished:
            entry = self._speaking.pop(playing.place.item_id, None)
            if entry is not None:
                answer = self._recording.answers[playing.place.item_id]
                self._screen.end(entry, words=answer.heard_words, note="broken off: the connection was lost")

    def _heard_out(self, item_id: str) -> None:
        playing = self._recording.answers[item_id].playing
        turn = self._recording.turn_before(playing.began_s or 0.0)
        note = ""
        if turn is not None and turn.said and playing.began_s is not None:
            note = f"first sound {playing.began_s - turn.ended_s:.2f} s after the caller's last word"
        self._screen.end(self._speaking.pop(item_id), note=note)

    async def _response_start(self, event: BidiResponseStartEvent) -> None:
        self._recording.responses[event.response_id] = Response(self._now_s())

    async def _response_complete(self, event: BidiResponseCompleteEvent) -> None:
        response = self._recording.responses.setdefault(event.response_id, Response(self._now_s()))
        response.stop_reason = event.stop_reason
        if event.stop_reason == "error":
            error = (event.details or {}).get("error") or {}
            self._went_wrong(error.get("message") or "the response failed")

    async def _usage(self, event: BidiUsageEvent) -> None:
        self._recording.usage.add(event)

    async def _tool_use(self, event: ToolUseStreamEvent) -> None:
        called_s, use = self._now_s(), event.current_tool_use
        result = self._toolbox(use["name"], use["input"])
        status = "error" if "error" in result else "success"
        told = ToolResultEvent({"toolUseId": use["toolUseId"], "status": status, "content": [{"json": result}]})
        self._log.contract("client", told, trio.current_time())
        await self._session.send(told)
        call, gave = tools.in_words(use["name"], use["input"], result)
        self._recording.tools.append(ToolUse(called_s, self._now_s(), call, gave))
        self._screen.end(self._screen.begin(called_s, "tool", f"{call} -> {gave}"))

    async def _connection(self, event: BidiConnectionWarningEvent | BidiConnectionRestartEvent) -> None:
        words = connections.in_words(event)
        if words is not None:
            self._screen.end(self._screen.begin(self._now_s(), connections.WHO, words))

    async def _error(self, event: BidiErrorEvent) -> None:
        self._went_wrong(event.message)

    def _went_wrong(self, words: str) -> None:
        self._recording.errors.append(words)
        self._screen.end(self._screen.begin(self._now_s(), "error", words))
