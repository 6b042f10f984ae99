"""The transcript of a talk by microphone: turns as the service heard them, answers as far as they sounded."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from engine.demo import connections
from engine.demo.recording import Answer
from engine.demo.screen import Entry, Screen
from engine.demo.sound_card import Place, Playing
from engine.demo.tools import in_words
from engine.events import (
    BidiConnectionRestartEvent,
    BidiConnectionWarningEvent,
    BidiErrorEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiTranscriptStreamEvent,
)
from engine.session import Session

UNHEARD_S: Final = 10.0
"""After so long a noise that the service took for speech, and found no words in, is given up."""


@attrs.define
class _Spoken:
    """An answer on the screen, as long as it sounds."""

    entry: Entry
    answer: Answer


class MicTranscript:
    """Takes a session's events.

    Args:
        session: The session, which knows what was heard.
        screen: Where to.
        now_s: Gives the seconds from the beginning.

    Attributes:
        turns: How many turns of the user were heard.
    """

    def __init__(self, session: Session, screen: Screen, now_s: Callable[[], float]) -> None:
        self._playback = session.playback
        self._screen = screen
        self._now_s = now_s
        self._unheard: deque[Entry] = deque()
        self._heard: dict[str, Entry] = {}
        self._spoken: dict[str, _Spoken] = {}
        self._told: set[str] = set()
        self._by_key = 0
        self.turns = 0
        self._handlers: dict[type, Callable[[Any], None]] = {
            BidiTranscriptStreamEvent: self._words,
            BidiInterruptionEvent: self._interruption,
            BidiResponseCompleteEvent: self._complete,
            BidiErrorEvent: self._error,
            BidiConnectionWarningEvent: self._connection,
            BidiConnectionRestartEvent: self._connection,
        }

    def take(self, event: object) -> None:
        """Take an event; those that say nothing to the reader are passed over."""
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)

    def interrupted_by_key(self) -> None:
        """The next interruption is no turn of the user."""
        self._by_key += 1

    def tool(self, use: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Show a call and its result."""
        call, gave = in_words(use["name"], use["input"], result)
        self._line("tool", f"{call} -> {gave}")

    def end_what_is_over(self) -> None:
        """End each answer whose last sound was heard, and each turn in which no words were found."""
        for item_id in [item_id for item_id, spoken in self._spoken.items() if self._is_over(item_id, spoken)]:
            self._screen.end(self._spoken.pop(item_id).entry)
        while self._unheard and self._now_s() - self._unheard[0].at_s > UNHEARD_S:
            self._screen.end(self._unheard.popleft(), words="(no words)")

    def _is_over(self, item_id: str, spoken: _Spoken) -> bool:
        playback = self._playback
        return spoken.answer.written and playback.heard_ms(item_id) >= playback.received_ms(item_id)

    # --- events -------------------------------------------------------------------------------------------------

    def _words(self, event: BidiTranscriptStreamEvent) -> None:
        item_id = event.item_id or ""
        if event.role == "user":
            self._user(item_id, event)
        else:
            self._agent(item_id, event)

    def _user(self, item_id: str, event: BidiTranscriptStreamEvent) -> None:
        if item_id not in self._heard:
            self.turns += 1
            self._heard[item_id] = self._unheard.popleft() if self._unheard else self._begin("you")
        if not event.is_final:
            self._screen.say(self._heard[item_id], event.text)
            return
        self._screen.end(self._heard.pop(item_id), words=event.text.strip() or "(no words)")

    def _agent(self, item_id: str, event: BidiTranscriptStreamEvent) -> None:
        spoken = self._spoken.get(item_id)
        if event.is_final:
            if spoken is not None:
                spoken.answer.words, spoken.answer.written = event.text, True
            return
        if spoken is None:
            if item_id in self._told:
                return  # Words of an answer that was cut off may still come.
            self._told.add(item_id)
            spoken = self._spoken[item_id] = _Spoken(self._begin("agent"), Answer(Playing(Place(item_id, 0))))
        spoken.answer.words += event.text
        self._screen.say(spoken.entry, event.text)

    def _interruption(self, event: BidiInterruptionEvent) -> None:
        for item_id, spoken in list(self._spoken.items()):
            self._cut_off(item_id, spoken)
        if event.reason == "error":
            return  # The connection was lost: nobody spoke.
        if self._by_key:
            self._by_key -= 1
        else:
            self._unheard.append(self._begin("you"))

    def _cut_off(self, item_id: str, spoken: _Spoken) -> None:
        if self._is_over(item_id, spoken):
            return
        playing = spoken.answer.playing
        playing.heard_ms, playing.received_ms = self._playback.heard_ms(item_id), self._playback.received_ms(item_id)
        note = (
            f"cut off about here: {playing.heard_ms / 1000:.1f} s heard of {playing.received_ms / 1000:.1f} s received"
        )
        self._screen.end(self._spoken.pop(item_id).entry, words=spoken.answer.heard_words, note=note)

    def _complete(self, event: BidiResponseCompleteEvent) -> None:
        if event.stop_reason == "error":
            error = (event.details or {}).get("error") or {}
            self._line("error", error.get("message") or "the response failed")

    def _error(self, event: BidiErrorEvent) -> None:
        self._line("error", event.message)

    def _connection(self, event: BidiConnectionWarningEvent | BidiConnectionRestartEvent) -> None:
        words = connections.in_words(event)
        if words is not None:
            self._line(connections.WHO, words)

    # --- inside -------------------------------------------------------------------------------------------------

    def _begin(self, who: str) -> Entry:
        return self._screen.begin(self._now_s(), who)

    def _line(self, who: str, words: str) -> None:
        self._screen.end(self._screen.begin(self._now_s(), who, words))
