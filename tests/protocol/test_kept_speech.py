"""Speech without words or an answer: all of it is there for another connection, and never more than the bound."""

import base64
import json
import math
from collections.abc import Callable

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.protocol.kept_speech import KEPT_IDLE_MS, KeptSpeech
from engine.protocol.speech_marks import KEPT_MARKS

FRAME_MS = 40.0
COMMIT = '{"type":"input_audio_buffer.commit"}'


def append(number: int) -> str:
    """Make a message whose audio names it: four bytes, so that its base64 is padded."""
    audio = base64.b64encode(number.to_bytes(4, "big")).decode()
    return json.dumps({"type": "input_audio_buffer.append", "audio": audio})


def numbers_in(speech: str | None) -> list[int]:
    """Read the numbers back out of an item's audio."""
    audio = base64.b64decode(speech or "")
    return [int.from_bytes(audio[at : at + 4], "big") for at in range(0, len(audio), 4)]


def talk(kept: KeptSpeech, first: int, last: int) -> None:
    """Send messages of 40 ms: number n is from n * 40 ms on."""
    for number in range(first, last):
        kept.sent(append(number), FRAME_MS)


def again(kept: KeptSpeech, *, all: bool) -> list[int | str]:
    """Say what would be sent again: numbers, and `commit`."""
    texts = [text for text, _ in kept.open_texts(all=all)]
    return ["commit" if text == COMMIT else numbers_in(json.loads(text)["audio"])[0] for text in texts]


def spoken(kept: KeptSpeech, item_id: str, first: int, last: int) -> None:
    """Let the service hear a turn."""
    talk(kept, first, last)
    kept.began(first * FRAME_MS, item_id)
    kept.stopped(last * FRAME_MS, item_id)
    kept.committed(item_id)


def push_to_talk(max_ms: float = 30_000) -> KeptSpeech:
    return KeptSpeech(max_ms, detects_turns=False)


# --- while nobody speaks --------------------------------------------------------------------------------------------


def test_while_nobody_speaks_the_last_is_kept():
    kept = KeptSpeech(30_000, idle_ms=200)
    talk(kept, 0, 1000)

    assert again(kept, all=True) == list(range(995, 1000))
    assert (kept.held_ms, kept.is_open) == (200, False)
    assert again(kept, all=False) == []
    assert kept.statistics().dropped_ms == 0


def test_it_is_long_enough_for_a_turn_that_is_noticed_late():
    kept = KeptSpeech(30_000)
    talk(kept, 0, 1000)

    assert again(kept, all=True) == list(range(1000 - int(KEPT_IDLE_MS / FRAME_MS), 1000))


def test_audio_that_goes_out_faster_than_it_was_spoken_is_kept_until_the_service_can_have_heard_it():
    kept = KeptSpeech(30_000, idle_ms=200)
    for number in range(500):
        kept.sent(append(number), FRAME_MS, now=7.0)
    assert again(kept, all=True) == list(range(500))

    for number in range(500, 520):
        kept.sent(append(number), FRAME_MS, now=7.0 + (number - 499) * FRAME_MS / 1000)
    assert again(kept, all=True) == list(range(515, 520))
    assert kept.statistics().dropped_ms == 0


def test_audio_that_pauses_is_kept_however_long_ago_it_was():
    kept = KeptSpeech(30_000, idle_ms=200)
    for number in range(3):
        kept.sent(append(number), FRAME_MS, now=number * 100.0)

    assert again(kept, all=True) == [0, 1, 2]


def test_a_bound_that_is_shorter_holds_and_counts_no_loss_while_nobody_speaks():
    kept = KeptSpeech(100)
    talk(kept, 0, 1000)

    assert again(kept, all=True) == [998, 999]
    assert kept.statistics().dropped_ms == 0


def test_nothing_is_kept_where_nothing_is_to_be():
    kept = KeptSpeech(0, detects_turns=False)
    talk(kept, 0, 10)
    kept.committed_by_hand(COMMIT)
    kept.cleared_by_hand()
    kept.began(0, "item_1")
    kept.stopped(100, "item_1")
    kept.committed("item_1")

    assert (kept.held_ms, kept.items, kept.is_open, kept.open_texts(all=True)) == (0, 0, False, [])
    assert kept.speech("item_1") is None


# --- a turn that the service hears ----------------------------------------------------------------------------------


def test_a_turn_is_kept_from_its_beginning_on_however_long_it_is():
    kept = KeptSpeech(30_000, idle_ms=400)
    talk(kept, 0, 50)
    kept.began(45 * FRAME_MS, "item_1")
    talk(kept, 50, 500)

    assert kept.is_open
    assert again(kept, all=False) == again(kept, all=True) == list(range(45, 500))


def test_messages_come_with_their_lengths_for_they_are_sent_again():
    kept = push_to_talk()
    kept.sent(append(0), 40.0)
    kept.sent(append(1), 13.5)
    kept.committed_by_hand(COMMIT)

    assert kept.open_texts(all=True) == [(append(0), 40.0), (append(1), 13.5), (COMMIT, 0.0)]


def test_messages_at_the_edges_of_a_turn_are_taken_whole():
    kept = KeptSpeech(30_000)
    talk(kept, 0, 20)
    kept.began(130, "item_1")
    kept.stopped(410, "item_1")
    kept.committed("item_1")

    assert numbers_in(kept.speech("item_1")) == list(range(3, 11))
    assert again(kept, all=True) == list(range(10, 20)), "the one that goes on after the end stays as well"
    assert kept.held_ms == (8 + 10) * FRAME_MS


def test_a_turn_that_has_ended_is_open_until_it_is_an_item():
    kept = KeptSpeech(30_000)
    talk(kept, 0, 20)
    kept.began(0, "item_1")
    kept.stopped(800, "item_1")
    assert (kept.is_open, again(kept, all=False)) == (True, list(range(20)))

    kept.committed("item_1")
    assert (kept.is_open, again(kept, all=True)) == (False, [])
    assert numbers_in(kept.speech("item_1")) == list(range(20))


def test_the_next_turn_begins_where_the_last_one_ended():
    kept = KeptSpeech(30_000)
    spoken(kept, "item_1", 0, 20)
    spoken(kept, "item_2", 20, 30)

    assert numbers_in(kept.speech("item_1")) == list(range(20))
    assert numbers_in(kept.speech("item_2")) == list(range(20, 30))
    assert kept.items == 2


def test_a_turn_that_is_committed_by_hand_while_it_goes_on_ends_there():
    kept = KeptSpeech(30_000)
    talk(kept, 0, 10)
    kept.began(0, "item_1")
    kept.committed_by_hand(COMMIT)
    talk(kept, 10, 15)
    assert again(kept, all=False) == [*range(10), "commit", *range(10, 15)]

    kept.committed("item_1")
    assert numbers_in(kept.speech("item_1")) == list(range(10))
    assert (kept.is_open, again(kept, all=True)) == (False, list(range(10, 15)))


def test_a_commit_that_found_the_turn_just_ended_is_refused_and_forgotten():
    kept = KeptSpeech(30_000, idle_ms=200)
    talk(kept, 0, 10)
    kept.began(0, "item_1")
    kept.committed_by_hand(COMMIT)
    kept.stopped(400, "item_1")
    kept.committed("item_1")
    assert kept.is_open, "the commit is not answered yet"

    kept.commit_refused()
    talk(kept, 10, 50)
    assert (kept.is_open, again(kept, all=True)) == (False, list(range(45, 50)))


def test_a_commit_whose_refusal_nobody_heard_is_forgotten_at_the_next_turn():
    kept = KeptSpeech(30_000)
    talk(kept, 0, 10)
    kept.committed_by_hand(COMMIT)
    talk(kept, 10, 20)
    kept.began(400, "item_1")

    assert again(kept, all=False) == list(range(10, 20))


# --- turns that the application ends --------------------------------------------------------------------------------


def test_without_turn_detection_everything_is_kept_until_it_is_committed():
    kept = push_to_talk()
    talk(kept, 0, 100)
    assert (kept.is_open, again(kept, all=False)) == (True, list(range(100)))

    kept.committed_by_hand(COMMIT)
    assert (kept.is_open, again(kept, all=False)) == (True, [*range(100), "commit"])

    kept.committed("item_1")
    assert (kept.is_open, again(kept, all=True)) == (False, [])
    assert numbers_in(kept.speech("item_1")) == list(range(100))


def test_commits_on_their_way_are_answered_in_order():
    kept = push_to_talk()
    for turn in range(3):
        talk(kept, turn * 10, turn * 10 + 10)
        kept.committed_by_hand(COMMIT)
    kept.committed("item_1")
    kept.committed("item_2")

    assert numbers_in(kept.speech("item_1")) == list(range(10))
    assert numbers_in(kept.speech("item_2")) == list(range(10, 20))
    assert again(kept, all=True) == [*range(20, 30), "commit"]


def test_what_is_cleared_is_not_sent_again():
    kept = push_to_talk()
    talk(kept, 0, 5)
    kept.committed_by_hand(COMMIT)
    talk(kept, 5, 10)
    kept.cleared_by_hand()
    assert again(kept, all=True) == [*range(5), "commit"]

    kept.committed("item_1")
    assert not kept.is_open
    talk(kept, 10, 12)
    assert (kept.is_open, again(kept, all=False)) == (True, [10, 11])

    kept.cleared()
    assert again(kept, all=True) == [10, 11]
    assert kept.held_ms == 7 * FRAME_MS


def test_a_clear_ends_a_turn_that_is_going_on():
    kept = KeptSpeech(30_000)
    talk(kept, 0, 10)
    kept.began(0, "item_1")
    kept.cleared_by_hand()
    kept.cleared()

    assert (kept.is_open, kept.held_ms) == (False, 0)


def test_a_commit_of_nothing_is_not_sent_again():
    kept = push_to_talk()
    kept.committed_by_hand(COMMIT)
    talk(kept, 0, 1)

    assert again(kept, all=True) == [0]


@pytest.mark.parametrize("detects", [True, False])
def test_turn_detection_that_changes_forgets_a_turn_that_is_going_on(detects):
    kept = KeptSpeech(30_000, idle_ms=200, detects_turns=detects)
    talk(kept, 0, 50)
    kept.began(0, "item_1")
    kept.detects_turns = detects
    assert (kept.detects_turns, kept.is_open) == (detects, True)

    kept.detects_turns = not detects
    talk(kept, 50, 100)
    assert kept.is_open is detects, "where nobody detects turns, all audio is one"
    assert len(again(kept, all=True)) == (55 if detects else 5)


# --- until it has words or an answer --------------------------------------------------------------------------------


@pytest.mark.parametrize("let_go", [KeptSpeech.transcribed, KeptSpeech.deleted])
def test_an_item_with_words_is_let_go_and_one_that_is_gone(let_go):
    kept = KeptSpeech(30_000)
    spoken(kept, "item_1", 0, 20)
    let_go(kept, "item_1")

    assert (kept.speech("item_1"), kept.items, kept.held_ms) == (None, 0, 0)


@pytest.mark.parametrize("end", [KeptSpeech.answered, lambda kept: kept.transcription_failed("item_1")])
def test_an_answer_without_words_is_not_enough(end):
    """Else a second connection that is lost would cost the turn, and leave an answer to nothing."""
    kept = KeptSpeech(30_000)
    spoken(kept, "item_1", 0, 20)
    kept.answering()
    kept.answered()
    end(kept)

    assert kept.speech("item_1") is not None


def test_what_has_its_answer_goes_first_when_there_is_no_room_and_is_no_loss():
    kept = KeptSpeech(30 * FRAME_MS)
    spoken(kept, "item_1", 0, 10)
    spoken(kept, "item_2", 10, 20)
    kept.answering()
    spoken(kept, "item_3", 20, 30)
    kept.answered()
    kept.began(30 * FRAME_MS, "item_4")
    talk(kept, 30, 45)

    assert numbers_in(kept.speech("item_1")) == []
    assert numbers_in(kept.speech("item_2")) == list(range(15, 20))
    assert numbers_in(kept.speech("item_3")) == list(range(20, 30)), "it was said after the answer began"
    assert kept.statistics().dropped_ms == 0

    talk(kept, 45, 60)
    assert numbers_in(kept.speech("item_2")) == []
    assert kept.statistics().dropped_ms == 10 * FRAME_MS, "the oldest of what has no answer"


def test_an_answer_whose_beginning_nobody_told_answers_all():
    kept = KeptSpeech(20 * FRAME_MS)
    spoken(kept, "item_1", 0, 10)
    spoken(kept, "item_2", 10, 20)
    kept.answered()
    kept.began(20 * FRAME_MS, "item_3")
    talk(kept, 20, 40)

    assert (kept.items, kept.statistics().dropped_ms) == (0, 0)


def test_an_answer_that_was_cut_off_leaves_its_turn_to_the_next():
    kept = KeptSpeech(20 * FRAME_MS)
    spoken(kept, "item_1", 0, 10)
    kept.answering()
    spoken(kept, "item_2", 10, 20)
    kept.answering()
    kept.answered()
    kept.began(20 * FRAME_MS, "item_3")
    talk(kept, 20, 40)

    assert (kept.items, kept.statistics().dropped_ms) == (0, 0)


# --- another connection ---------------------------------------------------------------------------------------------


def test_another_connection_counts_anew_and_items_stay():
    kept = KeptSpeech(30_000)
    spoken(kept, "item_1", 0, 20)
    talk(kept, 20, 30)
    kept.began(800, "item_2")
    owed = kept.open_texts(all=True)
    kept.relinked()
    assert (kept.is_open, kept.open_texts(all=True), kept.held_ms) == (False, [], 800)

    for text, length_ms in owed:
        kept.sent(text, length_ms)
    kept.began(0, "item_3")
    kept.stopped(400, "item_3")
    kept.committed("item_3")
    assert numbers_in(kept.speech("item_1")) == list(range(20))
    assert numbers_in(kept.speech("item_3")) == list(range(20, 30))


def test_audio_that_is_none_is_passed_over():
    kept = push_to_talk()
    for text in (append(1), "no JSON", '{"type":"x","audio":"A"}', '{"type":"x","audio":7}', '{"type":"x"}', append(2)):
        kept.sent(text, FRAME_MS)
    kept.committed_by_hand(COMMIT)
    kept.committed("item_1")

    assert numbers_in(kept.speech("item_1")) == [1, 2]


# --- bounds ---------------------------------------------------------------------------------------------------------


def test_past_the_bound_the_oldest_goes_and_is_counted():
    kept = KeptSpeech(1000)
    talk(kept, 0, 10)
    kept.began(0, "item_1")
    talk(kept, 10, 100)

    assert again(kept, all=True) == list(range(75, 100))
    assert kept.statistics() == attrs.evolve(kept.statistics(), held_ms=1000, items=0, dropped_ms=75 * FRAME_MS)


def test_an_item_of_which_a_part_went_is_given_as_what_is_left():
    kept = KeptSpeech(1000)
    spoken(kept, "item_1", 0, 20)
    talk(kept, 20, 30)
    kept.began(800, "item_2")
    assert numbers_in(kept.speech("item_1")) == list(range(5, 20))

    talk(kept, 30, 45)
    assert (kept.speech("item_1"), kept.items) == (None, 0)
    assert again(kept, all=True) == list(range(20, 45))


def test_nothing_weighs_nothing_however_odd_the_lengths_were():
    kept = push_to_talk()
    for number in range(1000):
        kept.sent(append(number), 0.1 + number / 7)
    kept.committed_by_hand(COMMIT)
    kept.committed("item_1")
    kept.transcribed("item_1")

    assert kept.held_ms == 0.0


def test_messages_of_next_to_nothing_fill_no_memory():
    kept = push_to_talk(100)
    for _ in range(10_000):
        kept.sent(append(0), 1 / 24)
        kept.sent(append(1), 0.0)

    assert len(kept.open_texts(all=True)) == 100


def test_commits_that_nobody_answers_fill_no_memory():
    kept = push_to_talk(10**6)
    for number in range(2 * KEPT_MARKS):
        talk(kept, number, number + 1)
        kept.committed_by_hand(COMMIT)

    assert again(kept, all=True).count("commit") == KEPT_MARKS


# --- nonsense -------------------------------------------------------------------------------------------------------

NONSENSE: dict[str, Callable[[KeptSpeech], None]] = {
    "an end without a beginning": lambda kept: kept.stopped(100, "item_9"),
    "an item that nobody knows": lambda kept: kept.committed("item_9"),
    "a refusal of nothing": KeptSpeech.commit_refused,
    "a clear that nobody asked for": KeptSpeech.cleared,
    "words of an item that nobody knows": lambda kept: kept.transcribed("item_9"),
    "no words of an item that nobody knows": lambda kept: kept.transcription_failed("item_9"),
    "an item gone that nobody knows": lambda kept: kept.deleted("item_9"),
    "an answer to nothing": KeptSpeech.answered,
    "a beginning said again": lambda kept: kept.began(0, "item_1"),
    "an end said again": lambda kept: kept.stopped(800, "item_1"),
    "an item said again": lambda kept: kept.committed("item_1"),
}


@pytest.mark.parametrize("say", NONSENSE.values(), ids=NONSENSE.keys())
def test_nonsense_changes_nothing(say):
    kept = KeptSpeech(30_000)
    spoken(kept, "item_1", 0, 20)
    talk(kept, 20, 30)
    before = kept.statistics(), kept.is_open, again(kept, all=True), kept.speech("item_1")
    say(kept)

    assert (kept.statistics(), kept.is_open, again(kept, all=True), kept.speech("item_1")) == before


def test_an_item_said_again_after_it_was_let_go_takes_no_other_turn():
    kept = push_to_talk()
    for turn in range(2):
        talk(kept, turn * 10, turn * 10 + 10)
        kept.committed_by_hand(COMMIT)
    kept.committed("item_1")
    kept.transcribed("item_1")
    kept.committed("item_1")

    assert again(kept, all=True) == [*range(10, 20), "commit"]


@pytest.mark.parametrize("position_ms", [-1, 10**9, math.nan, None])
def test_a_position_that_can_not_be_takes_all_that_is_kept(position_ms):
    kept = KeptSpeech(30_000)
    talk(kept, 0, 20)
    kept.began(position_ms, "item_1")
    kept.stopped(position_ms, "item_1")
    kept.committed("item_1")

    assert numbers_in(kept.speech("item_1")) == list(range(20))


def test_an_end_before_the_beginning_is_none():
    kept = KeptSpeech(30_000)
    talk(kept, 0, 20)
    kept.began(400, "item_1")
    kept.stopped(200, "item_1")
    kept.committed("item_1")

    assert numbers_in(kept.speech("item_1")) == list(range(10, 20))


def test_a_turn_that_nobody_ended_ends_with_its_item():
    kept = KeptSpeech(30_000)
    talk(kept, 0, 20)
    kept.began(400, "item_1")
    kept.committed("item_1")

    assert (kept.is_open, numbers_in(kept.speech("item_1"))) == (False, list(range(10, 20)))


def test_a_turn_that_came_to_nothing_gives_way_to_the_next():
    kept = KeptSpeech(30_000)
    talk(kept, 0, 20)
    kept.began(0, "item_1")
    kept.began(400, "item_2")

    assert again(kept, all=False) == list(range(10, 20))


def test_an_item_by_hand_leaves_a_turn_that_began_after_it():
    kept = KeptSpeech(30_000)
    talk(kept, 0, 10)
    kept.began(0, "item_1")
    kept.committed_by_hand(COMMIT)
    kept.committed("item_9")
    assert not kept.is_open, "the turn is in it"

    talk(kept, 10, 20)
    kept.committed_by_hand(COMMIT)
    talk(kept, 20, 30)
    kept.began(810, "item_2")
    kept.began(790, "item_3")
    assert numbers_in(kept.speech("item_9")) == list(range(10))
    assert kept.is_open


# --- any order, against a model of lists -----------------------------------------------------------------------------

MAX_MS, IDLE_MS = 1000.0, 200.0
IDS = st.sampled_from(["item_1", "item_2", "item_3", "item_4"])
POSITIONS = st.one_of(st.none(), st.integers(-100, 3000), st.just(math.nan))


def weigh(frames: list[tuple[int, float, float]]) -> float:
    return sum(max(end - start, 1.0) for _, start, end in frames)


@attrs.define
class Turn:
    item_id: str
    start: float
    end: float | None = None


class AnyOrder(RuleBasedStateMachine):
    """The same, of plain lists that are gone through from the beginning each time."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = KeptSpeech(MAX_MS, IDLE_MS)
        self.detects = self.transcribes = True
        self.number = 0
        self.position = self.dropped = self.now = 0.0
        self.sent_at: dict[int, float] = {}
        self.frames: list[tuple[int, float, float]] = []
        self.items: dict[str, list[tuple[int, float, float]]] = {}
        self.marks: list[tuple[float, str]] = []
        self.turn: Turn | None = None
        self.made: list[str] = []
        self.asked: list[str] | None = None
        self.had_answer: set[str] = set()

    @property
    def idle(self) -> bool:
        return self.detects and self.turn is None and not self.marks

    def bound(self) -> None:
        if self.idle:
            while self.frames and self.is_past(self.frames[0]):
                del self.frames[0]
        while weigh(self.frames) + sum(map(weigh, self.items.values())) > MAX_MS:
            answered = (frames for item_id, frames in self.items.items() if item_id in self.had_answer)
            spare = next(answered, None)
            place = spare or next(iter(self.items.values()), self.frames)
            if spare is None and (place is not self.frames or not self.idle):
                self.dropped += place[0][2] - place[0][1]
            del place[0]
            self.items = {item_id: frames for item_id, frames in self.items.items() if frames}

    def is_past(self, frame: tuple[int, float, float]) -> bool:
        return frame[2] <= self.position - IDLE_MS and self.sent_at[frame[0]] <= self.now - IDLE_MS / 1000

    def answer(self, kind: str) -> float | None:
        kinds = [each for _, each in self.marks]
        if kind not in kinds:
            return None
        index = kinds.index(kind)
        at = self.marks[index][0]
        self.marks = self.marks[index + 1 :]
        return at

    @rule(length_ms=st.sampled_from([40.0, 20.0, 0.5, 0.0, 333.3, 2000.0]), pace=st.sampled_from([0.0, 0.5, 1.0, 9.0]))
    def send(self, length_ms: float, pace: float) -> None:
        self.number += 1
        self.now += length_ms * pace / 1000
        self.sent_at[self.number] = self.now
        self.kept.sent(append(self.number), length_ms, self.now)
        self.frames.append((self.number, self.position, self.position + length_ms))
        self.position += length_ms
        self.bound()

    @rule(kind=st.sampled_from(["commit", "clear"]))
    def by_hand(self, kind: str) -> None:
        self.kept.committed_by_hand(COMMIT) if kind == "commit" else self.kept.cleared_by_hand()
        self.marks.append((self.position, kind))

    @rule(at=POSITIONS, item_id=IDS)
    def begin(self, at: float | None, item_id: str) -> None:
        self.kept.began(at, item_id)
        if (self.turn and self.turn.item_id == item_id) or item_id in self.items or item_id in self.made[-1:]:
            return
        start = at if at is not None and 0 <= at <= self.position else 0.0
        self.turn = Turn(item_id, start)
        self.frames = [frame for frame in self.frames if frame[2] > start]
        self.marks = [mark for mark in self.marks if mark[0] > start]

    @rule(ago=st.floats(0, 300), item_id=IDS)
    def begin_lately(self, ago: float, item_id: str) -> None:
        self.begin(max(self.position - ago, 0), item_id)

    @rule(at=POSITIONS, item_id=IDS)
    def stop(self, at: float | None, item_id: str) -> None:
        self.kept.stopped(at, item_id)
        if self.turn and self.turn.item_id == item_id:
            self.turn.end = at if at is not None and self.turn.start <= at <= self.position else self.position

    @rule(item_id=IDS)
    def commit(self, item_id: str) -> None:
        self.kept.committed(item_id)
        if item_id in self.items or item_id in self.made[-1:]:
            return
        own = self.turn is not None and self.turn.item_id == item_id
        if own and self.turn.end is not None:
            end = self.turn.end
        else:
            end = self.answer("commit")
            if end is None and not own:
                return
            end = self.position if end is None else end
        if own or (self.turn and self.turn.start < end):
            self.turn = None
        taken = [frame for frame in self.frames if frame[1] < end]
        # What begins at the end and has no length is not in it, nor is anything after that.
        taken = taken[: next((n for n, frame in enumerate(self.frames) if frame[1] >= end), len(self.frames))]
        self.frames = [frame for frame in self.frames if frame not in taken or (frame is taken[-1] and frame[2] > end)]
        self.made.append(item_id)
        self.had_answer.discard(item_id)
        if taken:
            self.items[item_id] = taken
        self.bound()

    @rule()
    def refuse(self) -> None:
        self.kept.commit_refused()
        self.answer("commit")
        self.bound()

    @rule()
    def clear(self) -> None:
        self.kept.cleared()
        self.turn = None
        at = self.answer("clear")
        self.frames = [frame for frame in self.frames if at is None or frame[2] > at]
        self.bound()

    @rule(item_id=IDS, end=st.sampled_from(["transcribed", "deleted"]))
    def forget(self, item_id: str, end: str) -> None:
        getattr(self.kept, end)(item_id)
        self.items.pop(item_id, None)

    @rule(item_id=IDS)
    def fail_to_write(self, item_id: str) -> None:
        self.kept.transcription_failed(item_id)

    @rule()
    def begin_answer(self) -> None:
        self.kept.answering()
        self.asked = list(self.items)

    @rule()
    def answer_all(self) -> None:
        self.kept.answered()
        self.had_answer |= set(self.items if self.asked is None else self.asked)
        self.asked = None

    @rule(detects=st.booleans())
    def detect(self, detects: bool) -> None:
        self.kept.detects_turns = detects
        if detects is not self.detects:
            self.turn = None
        self.detects = detects
        self.bound()

    @rule(transcribes=st.booleans())
    def write_down(self, transcribes: bool) -> None:
        self.kept.transcribes = self.transcribes = transcribes

    @precondition(lambda self: self.number)
    @rule()
    def relink(self) -> None:
        self.kept.relinked()
        self.frames, self.marks, self.turn, self.asked, self.position = [], [], None, None, 0.0

    @invariant()
    def the_same_would_be_sent_again(self) -> None:
        owed: list[int | str] = []
        rest = list(self.frames)
        for at, kind in self.marks:
            before = [frame for frame in rest if frame[2] <= at]
            rest = rest[len(before) :]
            if kind == "commit" and before:
                owed += [*(number for number, _, _ in before), "commit"]
        owed += [number for number, _, _ in rest]
        assert again(self.kept, all=True) == owed
        assert again(self.kept, all=False) == (owed if self.kept.is_open else [])

    @invariant()
    def what_is_open_is_told(self) -> None:
        cleared = self.marks[-1][0] if self.marks else 0.0
        uncommitted = not self.detects and any(end > cleared for _, _, end in self.frames)
        commits = any(kind == "commit" for _, kind in self.marks)
        assert self.kept.is_open == (self.turn is not None or commits or uncommitted)

    @invariant()
    def items_have_the_same_audio(self) -> None:
        assert self.kept.items == len(self.items)
        for item_id in ("item_1", "item_2", "item_3", "item_4"):
            numbers = [number for number, _, _ in self.items.get(item_id, [])]
            assert numbers_in(self.kept.speech(item_id)) == numbers

    @invariant()
    def the_bound_holds_and_the_sums_are_right(self) -> None:
        statistics = self.kept.statistics()
        assert statistics.held_ms <= MAX_MS
        assert statistics.held_ms == self.kept.held_ms
        held = weigh(self.frames) + sum(map(weigh, self.items.values()))
        assert statistics.held_ms == pytest.approx(held, abs=1e-6)
        assert statistics.dropped_ms == pytest.approx(self.dropped, abs=1e-6)


TestAnyOrder = AnyOrder.TestCase


# --- a service that behaves ------------------------------------------------------------------------------------------


@given(
    frames_ms=st.lists(st.floats(20, 200), min_size=1, max_size=120),
    turns=st.lists(st.tuples(st.floats(0, 1500), st.floats(200, 3000)), max_size=6),
    late_ms=st.floats(0, 1200),
    cut=st.floats(0, 1),
    pace=st.sampled_from([1, 10, 1000]),
)
def test_wherever_the_connection_breaks_no_speech_is_lost(frames_ms, turns, late_ms, cut, pace):
    """Every ms of a turn is in its item or is sent again, in order, and nothing twice but what lies at an edge.

    The service hears a turn late, by as much audio as was sent meanwhile: at ten times the pace, ten times as much.
    """
    late_ms *= pace
    spans, at = [], 0.0
    for number, (silence_ms, length_ms) in enumerate(turns):
        spans.append((f"item_{number}", at + silence_ms, at + silence_ms + length_ms))
        at += silence_ms + length_ms
    kept = KeptSpeech(10**6)
    position, ends, told, made = 0.0, [], set(), []
    for number, length_ms in enumerate(frames_ms[: math.ceil(cut * len(frames_ms))]):
        position += length_ms
        kept.sent(append(number), length_ms, now=position / 1000 / pace)
        ends.append(position)
        for item_id, start_ms, end_ms in spans:
            if position >= start_ms + late_ms and item_id not in told and position < end_ms + late_ms:
                kept.began(start_ms, item_id)
                told.add(item_id)
            if position >= end_ms and item_id in told and item_id not in made:
                kept.stopped(end_ms, item_id)
                kept.committed(item_id)
                made.append(item_id)

    open_again = again(kept, all=True)
    for item_id, start_ms, end_ms in spans:
        inside = {n for n, end in enumerate(ends) if end > start_ms and end - frames_ms[n] < end_ms}
        if item_id in made:
            assert set(numbers_in(kept.speech(item_id))) == inside
        elif item_id in told or start_ms < position < start_ms + late_ms:
            assert inside <= set(open_again)
    assert open_again == sorted(set(open_again))
    assert not any(ends[n] <= end_ms for n in open_again for item_id, _, end_ms in spans if item_id in made)


# --- what the service really says -------------------------------------------------------------------------------------


def test_every_turn_of_a_recording_is_kept_until_it_has_words(recording):
    """Recordings hold messages of 100 ms, whose audio was cut; most were sent all at once."""
    kept = KeptSpeech(30_000)
    sent, turns = 0, 0
    for line in recording.read_text().splitlines():
        event = json.loads(line)["event"]
        match event["type"]:
            case "input_audio_buffer.append":
                kept.sent(append(sent), 100.0, now=0.0)
                sent += 1
            case "input_audio_buffer.speech_started":
                began_ms = event["audio_start_ms"]
                kept.began(began_ms, event["item_id"])
                assert again(kept, all=False)[0] == int(began_ms // 100)
            case "input_audio_buffer.speech_stopped":
                ended_ms = event["audio_end_ms"]
                kept.stopped(ended_ms, event["item_id"])
            case "input_audio_buffer.committed":
                kept.committed(event["item_id"])
                numbers = numbers_in(kept.speech(event["item_id"]))
                assert numbers == list(range(int(began_ms // 100), math.ceil(ended_ms / 100)))
                turns += 1
            case "conversation.item.input_audio_transcription.completed":
                kept.transcribed(event["item_id"])
                turns -= 1
            case "conversation.item.input_audio_transcription.failed":
                kept.transcription_failed(event["item_id"])
            case "response.created":
                kept.answering()
            case "response.done" if event["response"]["status"] == "completed":
                kept.answered()

    failed = "input_audio_transcription.failed" in recording.read_text()
    assert turns == int(failed)
    assert (kept.items, kept.is_open) == (int(failed), False), "what has no words is kept"


# --- where speech can't be told as an item --------------------------------------------------------------------------


def unwritten(kept: KeptSpeech, *, all: bool = True) -> list[int | str]:
    """Say what would be sent again of what nobody has written down."""
    frames = kept.unwritten(all=all)
    assert all_in_order(frames)
    return ["commit" if frame[0] == COMMIT else numbers_in(json.loads(frame[0])["audio"])[0] for frame in frames]


def all_in_order(frames) -> bool:
    places = [(start_ms, end_ms) for _, start_ms, end_ms, _ in frames]
    return places == sorted(places) and all(start_ms <= end_ms for start_ms, end_ms in places)


def test_turns_without_words_come_before_what_is_open():
    kept = KeptSpeech(30_000)
    spoken(kept, "a", 0, 10)
    talk(kept, 10, 40)
    spoken(kept, "b", 40, 50)
    talk(kept, 50, 80)
    kept.began(70 * FRAME_MS, "c")

    assert unwritten(kept) == [*range(10), *range(40, 50), *range(70, 80)]
    kept.transcribed("a")
    assert unwritten(kept, all=False) == [*range(40, 50), *range(70, 80)]


def test_a_message_that_two_turns_share_comes_once():
    kept = KeptSpeech(30_000)
    talk(kept, 0, 30)
    for item_id, start_ms, end_ms in (("a", 0.0, 410.0), ("b", 411.0, 850.0)):
        kept.began(start_ms, item_id)
        kept.stopped(end_ms, item_id)
        kept.committed(item_id)

    assert unwritten(kept) == list(range(30))
    kept.transcribed("b")
    assert unwritten(kept) == [*range(11), *range(21, 30)]
    kept.transcribed("a")
    assert unwritten(kept) == list(range(21, 30))


def test_turns_by_hand_come_with_their_commits():
    kept = push_to_talk()
    talk(kept, 0, 5)
    kept.committed_by_hand(COMMIT)
    kept.committed("a")
    talk(kept, 5, 8)
    kept.committed_by_hand(COMMIT)
    talk(kept, 8, 10)

    assert unwritten(kept) == [*range(5), "commit", *range(5, 8), "commit", 8, 9]


def test_a_connection_that_is_sent_all_of_it_again_begins_with_nothing():
    kept = KeptSpeech(30_000)
    spoken(kept, "a", 0, 10)
    kept.began(400.0, "b")
    kept.begun_anew()

    assert (kept.held_ms, kept.items, kept.is_open, unwritten(kept)) == (0, 0, False, [])
    spoken(kept, "a", 0, 5)
    assert (kept.items, unwritten(kept)) == (1, list(range(5)))


def test_what_the_service_has_spoken_of_is_let_go():
    kept = KeptSpeech(30_000, idle_ms=2000)
    talk(kept, 0, 20)
    kept.said()
    talk(kept, 20, 23)

    assert again(kept, all=True) == [20, 21, 22]
