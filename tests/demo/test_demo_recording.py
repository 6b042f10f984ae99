"""What is kept of a call: waits, words, tokens."""

from engine.demo.recording import Answer, CallerTurn, Recording, Usage
from engine.demo.sound_card import Place, Playing
from engine.events import BidiUsageEvent


def turn(began_s, ended_s):
    return CallerTurn(began_s, ended_s, "words", cut_in=False)


def answer(began_s, heard_ms=1000.0, received_ms=1000.0, words="one two three four"):
    ended_s = None if began_s is None else began_s + heard_ms / 1000
    playing = Playing(Place("item", 0), received_ms, heard_ms, began_s, ended_s)
    return Answer(playing, [began_s or 0.0], words, written=True)


def test_waits_are_counted_for_turns_that_were_answered():
    recording = Recording(
        turns=[turn(1, 2), turn(5, 6), turn(9, 10)],
        answers={"a": answer(2.5), "b": answer(10.25), "never heard": answer(None, heard_ms=0.0)},
    )

    assert list(recording.waits()) == [(2, 0.5), (10, 0.25)]
    assert recording.median_wait_s() == 0.375
    assert recording.turn_before(9.5).ended_s == 6
    assert recording.turn_before(0.5) is None


def test_without_an_answer_there_is_no_median():
    assert Recording().median_wait_s() is None
    assert Recording(turns=[turn(1, 2)]).median_wait_s() is None


def test_the_words_of_an_answer_end_where_it_was_cut():
    assert answer(0.0).heard_words == "one two three four"
    assert answer(0.0, heard_ms=500.0).heard_words == "one two —"


def test_tokens_are_added_up():
    usage = Usage()
    details = [{"modality": "audio", "input_tokens": 3, "output_tokens": 5}]
    usage.add(BidiUsageEvent(3, 5, 8, details, cache_read_input_tokens=2))
    usage.add(BidiUsageEvent(3, 5, 8, details))

    assert (usage.input["audio"], usage.output["audio"], usage.cached) == (6, 10, 2)
