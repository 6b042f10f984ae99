"""Marked audio: who finds it anywhere knows which it is; the service's ear hears speech and silence in it."""

from hypothesis import given
from hypothesis import strategies as st

from engine.simulator.voice import EnergyDetector

from . import marks


def heard(pcm):
    return [probability for _, probability in EnergyDetector().push(pcm)]


def test_speech_is_loud_and_silence_is_silent_though_it_is_marked():
    assert set(heard(marks.blocks(70_000, 5, utterance=7))) == {1.0}
    assert set(heard(marks.blocks(70_000, 5))) == {0.0}


def test_blocks_tell_their_numbers_and_utterances():
    found = marks.find(marks.blocks(70_000, 3, 7) + marks.blocks(70_003, 2) + marks.blocks(70_005, 1, 8))

    assert found.numbers == (70_000, 70_001, 70_002, 70_003, 70_004, 70_005)
    assert found.utterances == (7, 8)
    assert found.torn_bytes == 0


@given(st.integers(0, 3 * marks.BLOCK_BYTES // 2), st.integers(0, marks.BLOCK_BYTES))
def test_whole_blocks_are_found_wherever_audio_is_torn(first, last):
    pcm = marks.blocks(100, 5, 1)
    torn = pcm[2 * first : len(pcm) - 2 * last]
    begins, ends = 2 * first / marks.BLOCK_BYTES, 5 - 2 * last / marks.BLOCK_BYTES

    found = marks.find(torn)

    assert found.numbers == tuple(number + 100 for number in range(5) if begins <= number and number + 1 <= ends)
    assert found.torn_bytes == len(torn) - len(found.numbers) * marks.BLOCK_BYTES


def test_audio_without_marks_is_torn():
    assert marks.find(bytes(5000)) == marks.Found((), (), 5000)


def test_gaps_are_where_numbers_do_not_go_on():
    assert marks.gaps([1, 2, 4, 4, 3]) == [(2, 4), (4, 4), (4, 3)]
