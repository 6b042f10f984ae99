"""The recogniser, with the real models on real speech."""

import pytest

from engine.audio.pcm import silence, tone
from engine.demo.lines import CARDS, PASSAGES
from engine.simulator.local_voice import transcriber


def wrong_words(reference, heard):
    """Count insertions, deletions and substitutions."""
    costs = list(range(len(heard) + 1))
    for row, word in enumerate(reference, 1):
        before, costs[0] = costs[0], row
        for column, other in enumerate(heard, 1):
            before, costs[column] = (
                costs[column],
                min(costs[column] + 1, costs[column - 1] + 1, before + (word != other)),
            )
    return costs[-1]


@pytest.mark.parametrize("line", CARDS, ids=lambda line: line.file)
@pytest.mark.parametrize("pad_ms", [0, 300])
def test_cards_are_written_down_without_a_mistake(line, pad_ms):
    assert transcriber.transcribe(silence(pad_ms) + line.read_pcm24k() + silence(pad_ms)) == line.transcript


@pytest.mark.peers
def test_a_quarter_of_a_novels_words_may_be_wrong():
    wrong = total = 0
    for line in PASSAGES:
        reference = line.transcript.split()
        wrong += wrong_words(reference, transcriber.transcribe(line.read_pcm24k()).split())
        total += len(reference)
    assert wrong / total < 0.25


@pytest.mark.parametrize("pcm", [b"", silence(5), silence(1000), tone(440, 500)], ids=["none", "5ms", "1s", "tone"])
def test_what_is_no_speech_is_no_card(pcm):
    assert " of " not in transcriber.transcribe(pcm)


def test_a_recogniser_that_failed_within_a_turn_hears_the_next_one():
    model = transcriber.Transcriber()
    with pytest.raises((TypeError, IndexError)):
        model._decode("cards", [None])
    assert model.transcribe(CARDS[0].read_pcm24k()) == CARDS[0].transcript


def test_the_same_turn_is_not_decoded_twice():
    pcm = CARDS[1].read_pcm24k()
    transcriber.transcribe(pcm)
    hits = transcriber.transcribe.cache_info().hits
    transcriber.transcribe(bytes(bytearray(pcm)))
    assert transcriber.transcribe.cache_info().hits == hits + 1


@pytest.mark.peers
def test_what_was_heard_before_makes_no_difference():
    model = transcriber.Transcriber()
    turns = [line.read_pcm24k() for line in (CARDS[2], PASSAGES[4])]
    first = [model.transcribe(pcm) for pcm in turns]
    model.transcribe(tone(440, 1000, level_dbfs=0))
    model.transcribe(PASSAGES[1].read_pcm24k())
    assert [model.transcribe(pcm) for pcm in turns] == first
