"""The story: where its lines have speech, and that it has what it must."""

from engine.audio.pcm import silence, tone
from engine.demo.story import STORY, speech_span_ms


def test_speech_is_found_between_silence():
    pcm = silence(200) + tone(440, 300) + silence(100)

    assert speech_span_ms(pcm) == (200, 500)


def test_where_all_is_quiet_the_whole_counts():
    assert speech_span_ms(silence(100)) == (0, 100)


def test_the_story_has_four_turns_and_one_of_them_cuts_in():
    assert len(STORY) >= 4
    assert sum(beat.cut_in_after_s is not None for beat in STORY) == 1
