"""From one connection to the next: when the talk may move on, what it takes along, and what it leaves behind.

The conversation is one, over however many connections. `handover` makes what the next one begins with while this one
still talks; `link_down` ends all that was under way here; `link_up` gives what the next one is told when it takes over.
"""

import math
from collections.abc import Sequence
from typing import Final

import attrs

from engine.audio.playback import Cut
from engine.config import SessionConfig
from engine.errors import EngineError
from engine.events import BidiInterruptionEvent, BidiResponseCompleteEvent
from engine.protocol.composer import Composer
from engine.protocol.effective import Effective
from engine.protocol.effects import AllBut, Effect, PurgeAudio, Rearm, Transmit
from engine.protocol.handover import Handover
from engine.protocol.history import History
from engine.protocol.kept_speech import KeptSpeech
from engine.protocol.life import Life
from engine.protocol.loudness import LISTEN_S, Loudness
from engine.protocol.mcp_listener import McpListener
from engine.protocol.quiet import Quiet
from engine.protocol.replay import Replay
from engine.protocol.retelling import wire_id
from engine.protocol.speech_listener import SpeechListener
from engine.protocol.states import Gate
from engine.protocol.turns import Turns
from engine.protocol.utterances import Utterances
from engine.wire.client import (
    ClientEvent,
    ConversationItemDelete,
    ConversationItemTruncate,
    SessionUpdate,
)
from engine.wire.server import ServerEvent, SessionUpdated
from engine.wire.translation import TranslationClientEvent

WORDS_WAIT_S: Final = 10.0
"""How long a boundary waits for the transcript of a turn: some 0.5 to 2 s in recordings."""


@attrs.frozen(kw_only=True)
class Takeover:
    """What a connection is told when it takes over, and what it took along.

    Attributes:
        events: What the talk has gained since its handover, for it to hear before all else.
        speech: Audio that is sent again.
        effects: What is to be done once those are on their way.
        replayed_items: Items of the talk that it was told.
        left_out_items: Items that it was not.
        asked_again: An answer was cut off or had not begun, and is asked for again.
    """

    events: Sequence[ClientEvent | TranslationClientEvent]
    speech: Sequence[tuple[str, float]]
    effects: Sequence[Effect]
    replayed_items: int
    left_out_items: int
    asked_again: bool


class Succession:
    """Moves one conversation from connection to connection.

    Args:
        config: The session's settings.
        composer: Makes client events.
        effective: Knows what has been changed since.
        history: The talk.
        turns: The model's side.
        speech: The user's.
        kept: What the user said that has no words yet.
        utterances: What is being said.
        mcp: What the service calls.
        quiet: Listens for silence.
        life: Says whether the session is over: then nothing is owed, and nothing told.
    """

    __slots__ = (
        "_composer",
        "_config",
        "_effective",
        "_history",
        "_is_down",
        "_kept",
        "_left_behind",
        "_life",
        "_loudness",
        "_mcp",
        "_owed",
        "_quiet",
        "_replay",
        "_speech",
        "_turns",
        "_utterances",
        "_words_due",
    )

    def __init__(
        self,
        config: SessionConfig,
        *,
        composer: Composer,
        effective: Effective,
        history: History,
        turns: Turns,
        speech: SpeechListener,
        kept: KeptSpeech,
        utterances: Utterances,
        mcp: McpListener,
        quiet: Quiet,
        life: Life,
    ) -> None:
        self._life = life
        self._quiet = quiet
        self._config = config
        self._composer = composer
        self._effective = effective
        self._history = history
        self._turns = turns
        self._speech = speech
        self._kept = kept
        self._utterances = utterances
        self._mcp = mcp
        turns.interruptions.tell_again = self._tell_again
        self._loudness = Loudness(config.audio.wire_shape)
        self._words_due = math.inf
        self._replay: Replay | None = None
        self._owed = False
        self._is_down = False
        self._left_behind: frozenset[str] = frozenset()

    # --- while the old one talks ------------------------------------------------------------------------------

    def at_boundary(self, now: float) -> bool:
        """Tell whether nothing is under way that would be torn: no turn of either side, no call, no request."""
        gate = self._turns.gate.statistics()
        quiet = self._turns.gate.state is Gate.FREE and not (gate.owed or gate.in_line or gate.open_calls)
        turn_over = not self._speech.user_speaks and not self._turns.gate.turn.awaits_answer and not self._kept.is_open
        nothing_asked = not len(self._turns.requests) and not self._turns.underway and not self._mcp.is_busy
        over = quiet and turn_over and nothing_asked and not self._awaits_words(now) and not self._playing(now)
        if not over:
            self._loudness.forget()
        return over and not self._loudness.may_be_speech(self._kept.since(now - LISTEN_S), now)

    def _awaits_words(self, now: float) -> bool:
        """Tell whether a turn is still being written down; it can be told as sound, so it is not waited for long."""
        if not self._kept.awaits_words:
            self._words_due = math.inf
            return False
        self._words_due = min(self._words_due, now + WORDS_WAIT_S)
        return now < self._words_due

    def _playing(self, now: float) -> bool:
        return self._turns.playback.playing(now)

    def handover(self) -> tuple[Handover, Replay]:
        """Make what the next connection begins with: the settings, and the talk so far."""
        engine = self._config.engine
        settings = [self._config.to_wire(), *self._effective.updates]
        replay = Replay(
            engine.replay_max_tokens,
            engine.replay_max_items,
            speech_bytes_per_ms=self._config.audio.bytes_per_ms,
            next_event_id=self._composer.next_event_id,
        )
        items = replay.first(self._history, speech=self._kept.speech)
        updates = [SessionUpdate(session=each, event_id=self._composer.next_event_id()) for each in settings]
        return Handover(updates, items), replay

    # --- when it is gone --------------------------------------------------------------------------------------

    def link_down(self, now: float, error: EngineError) -> list[Effect]:
        """End all that was under way on a connection that is no more, and keep in mind what is owed."""
        if self._life.end is not None:
            return []
        self._is_down = True
        gate = self._turns.gate
        cut_off, asked = gate.active_id, gate.asked_id
        given_up = self._turns.requests.is_abandoned(asked)
        silenced = cut_off is not None and self._turns.is_silenced(cut_off)
        interrupted = silenced or (cut_off is not None and self._turns.requests.is_stopped(cut_off, None))
        unanswered = gate.turn.awaits_answer and self._speech.turn_item
        moot, answers = self._turns.requests.link_down()
        asides = [_cut_short(response_id, now) for response_id in self._turns.link_down()]
        told: list[Effect] = [*answers, *asides, *self._turns.asking.link_down(error), *self._mcp.link_down(now)]
        self._utterances.link_down()
        self._quiet.link_down(now)
        gate.link_down(interrupted=interrupted)
        if given_up and asked is not None:
            gate.withdraw(asked)
        if unanswered and self._is_known(unanswered):
            gate.want()
        self._owed = gate.statistics().owed
        self._speech.link_down()
        self._settle(moot)
        self._settle_cuts(self._turns.interruptions.link_down())
        if cut_off is not None:
            told += self._tell_cut_off(cut_off, now, heard=silenced)
        self._history.end_unfinished(self._was_heard, self._turns.untold_calls())
        return told

    def _was_heard(self, item_id: str) -> bool:
        """Tell whether anything of an answer that came in part was heard; of one in text, whether anything came."""
        if self._effective.speaks:
            return self._turns.playback.received_ms(item_id) > 0
        held = self._history.get(item_id)
        return held is not None and bool(held.heard_words)

    def _is_known(self, item_id: str) -> bool:
        """Tell whether a turn's words, or its audio, can be told to another connection."""
        held = self._history.get(item_id)
        return (held is not None and bool(held.transcript)) or self._kept.speech(item_id) is not None

    def _tell_cut_off(self, response_id: str, now: float, *, heard: bool) -> list[Effect]:
        """The answer will not go on: what waits of it is stale; what was heard of it stays in the talk."""
        self._settle_cuts(self._turns.playback.cut_response(response_id, now))
        self._turns.forget(response_id)
        done = _cut_short(response_id, now)
        if heard:  # Its interruption was told when the user cut in.
            return [done]
        told = BidiInterruptionEvent("error", response_id=None, received_at=now)
        return [PurgeAudio(AllBut(response_id), by_user=False), told, done]

    def _settle(self, moot: Sequence[ClientEvent]) -> None:
        """Do to the mirror what the service may not have done any more: the next one is told it so."""
        for event in moot:
            match event:
                case ConversationItemTruncate(item_id=item_id, audio_end_ms=heard_ms):
                    self._truncated(item_id, heard_ms)
                case ConversationItemDelete(item_id=item_id):
                    self._history.deleted(item_id)

    def _settle_cuts(self, cuts: Sequence[Cut]) -> None:
        for cut in cuts:
            if cut.heard_ms > 0:
                self._truncated(cut.item_id, cut.heard_ms)
            else:
                self._history.deleted(cut.item_id)

    def _truncated(self, item_id: str, heard_ms: int) -> None:
        received_ms = self._turns.playback.received_ms(item_id)
        if received_ms > 0:
            self._history.received(item_id, received_ms)
        self._history.truncated(item_id, heard_ms)

    # --- when the next one takes over -------------------------------------------------------------------------

    def link_up(self, handover: Handover, replay: Replay, now: float, *, broken: bool) -> Takeover:
        """Take over: give what the connection is to be told, and what is owed.

        Args:
            handover: What it began with.
            replay: What that told of the talk.
            now: When.
            broken: The one before was lost, so that what it had may not have been understood.
        """
        self._replay, self._is_down = replay, False
        for item_id in handover.refused_items:
            replay.refused(item_id)
        moot, answers = self._turns.requests.moot(self._is_moot)
        self._settle(moot)
        updates = self._changed_since(handover)
        events = [*updates, *replay.rest(self._history, speech=self._kept.speech)]
        self._left_behind = frozenset(held.id for held in self._history if self._place(held.id) is None)
        speech = self._kept.open_texts(all=broken)
        self._kept.relinked()
        if handover.session is not None:
            self._effective.told(SessionUpdated(session=handover.session))
        self._turns.requests.link_up(now, updates)
        self._turns.gate.link_up()
        self._quiet.link_up(now)
        self._loudness.forget()
        owed, self._owed = self._owed and self._turns.gate.statistics().owed, False
        again = [Transmit(each, again=True) for each in self._turns.underway.again(self._place)]
        due = self._turns.asking.due(now)
        effects = [*answers, *again, *due, *self._turns.settle(now), Rearm()]
        return Takeover(
            events=events,
            speech=speech,
            effects=effects if self._life.end is None else [],
            replayed_items=replay.replayed,
            left_out_items=replay.left_out,
            asked_again=owed,
        )

    def is_echo(self, event: ServerEvent) -> bool:
        """Tell whether an event only answers what this connection was told of the talk: the mirror has it better."""
        return self._replay is not None and self._replay.hear(event)

    def _changed_since(self, handover: Handover) -> list[SessionUpdate]:
        """Make the changes of settings that the service took while the next connection was being prepared."""
        begun = [event.session for event in handover.begin() if isinstance(event, SessionUpdate)]
        since = [each for each in self._effective.updates if not any(each is known for known in begun)]
        return [SessionUpdate(session=each, event_id=self._composer.next_event_id()) for each in since]

    def _is_moot(self, item_id: str | None) -> bool:
        """Tell whether a wish of the time without a connection is granted by telling the next one what holds now."""
        return item_id is None or self._history.get(item_id) is not None

    def _place(self, item_id: str) -> str | None:
        """Give the id under which this connection was told an item; None when it was not."""
        told_id = wire_id(item_id)
        return told_id if self._replay is not None and self._replay.is_replayed(told_id) else None

    def _tell_again(self, cut: Cut) -> list[Transmit] | None:
        """The user cut in on an answer of an older connection, of which this one has at most the words.

        What was heard is told in their place; while there is no connection, the next one is told no more than that.
        """
        replay = self._replay
        replayed = self._place(cut.item_id) is not None
        if not (self._is_down or replayed or cut.item_id in self._left_behind):
            return None
        self._settle_cuts([cut])
        if self._is_down or replay is None or not replayed:
            return []
        held = self._history.get(cut.item_id)
        if held is None:
            return [Transmit(event) for event in replay.forget(cut.item_id)]
        return [Transmit(event) for event in replay.again(held, speech=self._kept.speech)]


def _cut_short(response_id: str, now: float) -> BidiResponseCompleteEvent:
    details = {"status": "cancelled", "reason": "connection_lost"}
    return BidiResponseCompleteEvent(response_id, "interrupted", details=details, received_at=now)
