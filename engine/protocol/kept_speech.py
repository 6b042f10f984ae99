"""Speech that is kept until it has words or an answer, so that a lost connection loses none of it.

The service counts the user's audio in ms since its connection began, and says in these positions where turns begin
and end. What it says may be nonsense, late, or said twice: then a little more is kept, never without bound.
"""

import base64
import math
from collections import deque
from typing import Final

import attrs

from engine.protocol.speech_marks import SpeechMarks, commit
from engine.protocol.speech_store import Frame, KeptSpeechStatistics, SpeechStore, sized
from engine.wire.client import InputAudioBufferCommit
from engine.wire.codec import encode

KEPT_IDLE_MS: Final = 2_000
"""Speech that is kept while the service hears nobody: it hears a turn some 0.4 s after it began."""

_COMMIT: Final = encode(InputAudioBufferCommit())


@attrs.define
class _Turn:
    """A turn that the service heard, and has not made an item of."""

    item_id: str
    start_ms: float
    end_ms: float | None = None


class KeptSpeech:
    """The user's audio, on one connection after the other, as far as it may be needed again.

    Args:
        max_ms: The most that is kept; past it the oldest goes, and is counted. 0 keeps nothing.
        idle_ms: What is kept of it while turns are detected and nobody speaks.
        detects_turns: The service finds the ends of spoken turns.
        wants_proof: Keep more than `idle_ms` of what may not have arrived, until `proven` says that it did: on a dead
            connection the service hears nobody either.
    """

    __slots__ = (
        "_asked",
        "_detects_turns",
        "_idle_ms",
        "_keeps",
        "_last_id",
        "_marks",
        "_serial",
        "_store",
        "_turn",
        "_wants_proof",
        "transcribes",
    )

    def __init__(
        self, max_ms: float, idle_ms: float = KEPT_IDLE_MS, *, detects_turns: bool = True, wants_proof: bool = False
    ) -> None:
        self._keeps = max_ms > 0
        self._idle_ms = idle_ms
        self._detects_turns = detects_turns
        self.transcribes = True
        """The service writes the user's speech down."""
        self._store = SpeechStore(max_ms)
        self._marks = SpeechMarks()
        self._turn: _Turn | None = None
        self._last_id = ""
        self._serial = 0
        self._asked: int | None = None
        self._wants_proof = wants_proof
        self._forget_proof()
        self._settle()

    @property
    def detects_turns(self) -> bool:
        """Tell whether the service finds the ends of turns. Where that changes, it forgets a turn that is going on."""
        return self._detects_turns

    @detects_turns.setter
    def detects_turns(self, on: bool) -> None:
        self._turn = self._turn if on is self._detects_turns else None
        self._detects_turns = on
        self._settle()

    @property
    def is_open(self) -> bool:
        """Tell whether there is speech that has not become an item, as far as the service or the application knows."""
        if self._turn is not None or self._marks.commits:
            return True
        frames = self._store.frames
        return not self._detects_turns and bool(frames) and frames[-1][2] > self._marks.last_ms

    @property
    def items(self) -> int:
        """Tell how many items are kept."""
        return len(self._store.items)

    @property
    def awaits_words(self) -> bool:
        """Tell whether the service is still to write down a turn."""
        return self.transcribes and any(not item.wordless for item in self._store.items.values())

    @property
    def held_ms(self) -> float:
        """Tell how much is kept."""
        return self._store.held_ms

    # --- what goes out ---------------------------------------------------------------------------------------------

    def sent(self, text: str, length_ms: float, now: float = math.inf) -> None:
        """Keep an append that is on the socket.

        Args:
            text: The whole message.
            length_ms: How long its audio is.
            now: When, in seconds. Where nobody says so, audio counts as sent at the pace at which it was spoken.
        """
        if self._keeps:
            self._store.add(text, length_ms, now)

    def proven(self, sent_before: float) -> None:
        """Note that the service has what was sent before a time, as its answer to a later ping shows."""
        self._store.proven_at = sent_before

    def committed_by_hand(self, text: str) -> None:
        """Note that a commit is on the socket."""
        self._mark(text)

    def cleared_by_hand(self) -> None:
        """Note that a clear is on the socket: what was not committed before it is not sent again."""
        self._mark(None)

    # --- what the service says -------------------------------------------------------------------------------------

    def began(self, audio_start_ms: float | None, item_id: str) -> None:
        """Hear that a turn began: from there on all of it is kept, and what was before is not needed."""
        if not self._keeps or self._is_repeated(item_id):
            return
        # A position that can't be is none: then the turn may have begun with whatever is kept.
        start_ms = _within(0.0, audio_start_ms, self._store.sent_ms, 0.0)
        self._turn = _Turn(item_id, start_ms)
        self._store.drop_up_to(start_ms)
        self._marks.passed(start_ms)
        self._settle()

    def stopped(self, audio_end_ms: float | None, item_id: str) -> None:
        """Hear that the turn ended."""
        turn, sent_ms = self._turn, self._store.sent_ms
        if turn is not None and turn.item_id == item_id:
            turn.end_ms = _within(turn.start_ms, audio_end_ms, sent_ms, sent_ms)

    def committed(self, item_id: str) -> None:
        """Hear that a turn, or what was committed by hand, became an item."""
        end_ms = None if item_id == self._last_id or item_id in self._store.items else self._end_of(item_id)
        if end_ms is None:
            return
        self._last_id = item_id
        self._serial += 1
        self._store.make_item(item_id, end_ms, self._serial)
        self._settle()

    def commit_refused(self) -> None:
        """Hear that the service refused a commit, as one of too short a turn: the audio stays as it was."""
        self._marks.answered(commits=True)
        self._settle()

    def cleared(self) -> None:
        """Hear that the service threw away what was not committed."""
        self._turn = None
        mark = self._marks.answered(commits=False)
        if mark is not None:
            self._store.drop_up_to(mark.at_ms)
        self._settle()

    def transcribed(self, item_id: str) -> None:
        """Hear that an item has words: its audio is let go."""
        self._store.forget(item_id)

    def transcription_failed(self, item_id: str) -> None:
        """Hear that an item will have no words: another connection can only be told its audio."""
        if (item := self._store.items.get(item_id)) is not None:
            item.wordless = True

    def said(self) -> None:
        """Hear that the service has said what it heard, where nothing is an item: what was sent is let go."""
        self._store.drop_up_to(self._store.sent_ms)

    def deleted(self, item_id: str) -> None:
        """Hear that an item is gone."""
        self._store.forget(item_id)

    def answering(self) -> None:
        """Hear that a response began: it answers what is committed by now, and nothing that comes after."""
        self._asked = self._serial

    def answered(self) -> None:
        """Hear that the response is complete: the items that it answers are the first to go when there is no room.

        Not before: without their words another connection would be told of an answer to nothing.

        It speaks of what was there at `answering`, or of all where that was not told. Not to be called for a response
        that was cut off or failed, nor for one out of band.
        """
        last, self._asked = self._serial if self._asked is None else self._asked, None
        for item in self._store.items.values():
            item.answered |= item.serial <= last

    # --- what another connection needs -----------------------------------------------------------------------------

    def speech(self, item_id: str) -> str | None:
        """Give an item's audio as base64, as far as it is kept; None when there is none."""
        return base64.b64encode(self._store.audio(item_id)).decode("ascii") or None

    def open_texts(self, *, all: bool) -> list[tuple[str, float]]:
        """Give the messages that have not become an item, in order, to be sent again over a new connection.

        Args:
            all: With the last of the audio in which the service heard nobody, for it may not have noticed a beginning:
                after a lost connection. Without, a new one is told only of speech that `is_open`.

        Returns:
            Each message with the length of its audio in ms: 0.0 for a commit.
        """
        return sized(self._open(self._store.frames, all=all))

    def unwritten(self, *, all: bool) -> list[Frame]:
        """Give also the turns before that have no words yet: for a session in which speech can't be told as an item.

        Args:
            all: As in `open_texts`.

        Returns:
            Messages in order, each once, though two turns may share one. A commit has no length; where the service does
            not find the ends of turns, each turn has one.
        """
        messages, last = list[Frame](), None
        for item in self._store.items.values():
            messages += [frame for frame in item.frames if frame is not last]
            last = item.frames[-1]
            if not self._detects_turns:
                messages.append(commit(_COMMIT, last))
        frames = deque(self._store.frames)
        if frames and frames[0] is last:
            frames.popleft()
        return messages + self._open(frames, all=all)

    def _open(self, frames: deque[Frame], *, all: bool) -> list[Frame]:
        return self._marks.owed(frames) if all or self.is_open else []

    def since(self, at: float) -> list[bytes]:
        """Give the audio of each message that is no item and was sent since then, as far as it is kept."""
        return self._store.since(at)

    def relinked(self) -> None:
        """Begin anew on another connection: items stay, and what was open is forgotten, for it is `sent` again.

        The service writes down no speech that comes as an item, so the items that are told again will have no words.
        """
        self._store.begin_anew()
        self._forget_proof()
        for item in self._store.items.values():
            item.wordless = True
        self._marks.clear()
        self._turn = self._asked = None
        self._settle()

    def begun_anew(self) -> None:
        """Begin anew on another connection to which all of it is `sent` again, so that nothing stays."""
        for item_id in list(self._store.items):
            self._store.forget(item_id)
        self._last_id = ""
        self.relinked()

    def statistics(self) -> KeptSpeechStatistics:
        """Give a snapshot."""
        return self._store.statistics()

    # --- what it means ---------------------------------------------------------------------------------------------

    def _forget_proof(self) -> None:
        if self._wants_proof:
            self._store.proven_at = -math.inf

    def _mark(self, commit: str | None) -> None:
        if self._keeps:
            self._marks.add(self._store.sent_ms, commit)
            self._settle()

    def _is_repeated(self, item_id: str) -> bool:
        going_on = self._turn is not None and self._turn.item_id == item_id
        return going_on or item_id == self._last_id or item_id in self._store.items

    def _end_of(self, item_id: str) -> float | None:
        """Say where an item ends that was just made: at its turn's end, or where it was committed by hand."""
        turn = self._turn
        own = turn is not None and turn.item_id == item_id
        if turn is not None and own and turn.end_ms is not None:
            self._turn = None
            return turn.end_ms
        mark = self._marks.answered(commits=True)
        if mark is None and not own:
            return None
        end_ms = self._store.sent_ms if mark is None else mark.at_ms
        if turn is not None and (own or turn.start_ms < end_ms):
            self._turn = None
        return end_ms

    def _settle(self) -> None:
        """Keep no more than is needed now: the last of it, or all."""
        idle = self._detects_turns and self._turn is None and not self._marks
        self._store.keep_last(self._idle_ms if idle else math.inf)


def _within(low_ms: float, position_ms: float | None, high_ms: float, otherwise_ms: float) -> float:
    return position_ms if position_ms is not None and low_ms <= position_ms <= high_ms else otherwise_ms
