"""The ear and the voice without extras."""

import pytest

from engine.audio.pcm import level_dbfs, silence, tone
from engine.demo.lines import LINES
from engine.simulator.voice import LETTER_MS, PITCHES_HZ, WINDOW_SAMPLES, EnergyDetector, ToneVoice, speech_probability


async def spoken(text, voice="alloy"):
    return [piece async for piece in ToneVoice().speak(text, voice)]


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.file)
def test_recorded_speech_is_heard_and_the_silence_around_it_is_not(line):
    speech = line.read_pcm24k()
    speech = speech[: len(speech) // 960 * 960]
    windows = EnergyDetector().push(silence(300) + speech + silence(500))
    heard = [probability >= 0.5 for _, probability in windows]
    during = heard[15:-25]
    assert not any(heard[:15])
    assert not any(heard[-25:])
    assert sum(during) > 0.7 * len(during)
    assert "0" * 20 not in "".join("01"[flag] for flag in during), "a pause within the line would end the turn"


def test_every_window_is_told_with_its_length():
    detector = EnergyDetector()
    assert detector.push(silence(19)) == []
    assert detector.push(silence(2)) == [(WINDOW_SAMPLES, 0.0)]
    assert detector.push(tone(440, 59, fade_ms=0)) == [(WINDOW_SAMPLES, 1.0)] * 3


def test_how_audio_is_cut_makes_no_difference():
    pcm = LINES[0].read_pcm24k()
    at_once = EnergyDetector()
    piecewise = EnergyDetector()
    pieces = [window for at in range(0, len(pcm), 334) for window in piecewise.push(pcm[at : at + 334])]
    assert pieces == at_once.push(pcm)


def test_reset_forgets_the_incomplete_window():
    detector = EnergyDetector()
    detector.push(tone(440, 19))
    detector.reset()
    assert detector.push(silence(20)) == [(WINDOW_SAMPLES, 0.0)]


@pytest.mark.parametrize(("level", "probability"), [(-90, 0), (-55, 0), (-45, 0.5), (-35, 1), (-3, 1)])
def test_loudness_becomes_a_probability(level, probability):
    assert speech_probability(level) == probability


async def test_speech_is_as_long_as_its_text():
    assert len(b"".join(await spoken("hello there"))) == 11 * LETTER_MS * 48


async def test_pieces_are_about_200_ms():
    sizes = [len(piece) / 48 for piece in await spoken("a longer sentence")]
    assert sizes[:-1] == [195] * (len(sizes) - 1)
    assert 0 < sizes[-1] <= 195


async def test_the_same_words_sound_the_same_and_voices_differ():
    assert await spoken("hello", "alloy") == await spoken("hello", "alloy")
    assert len({(await spoken("a", voice))[0] for voice in ("alloy", "ash", "coral", "sage")}) > 1


async def test_spaces_are_silent_and_letters_are_not():
    (piece,) = await spoken("a b")
    letter_bytes = LETTER_MS * 48
    assert level_dbfs(piece[:letter_bytes]) > -25
    assert piece[letter_bytes : 2 * letter_bytes] == bytes(letter_bytes)


async def test_no_text_is_no_audio():
    assert await spoken("") == []


async def test_the_ear_hears_the_voice():
    windows = EnergyDetector().push(b"".join(await spoken("hello")))
    assert sum(probability >= 0.5 for _, probability in windows) / len(windows) > 0.8


def test_a_letter_holds_whole_periods_of_each_pitch():
    assert all(
        (pitch_hz * LETTER_MS / 1000) == pytest.approx(round(pitch_hz * LETTER_MS / 1000)) for pitch_hz in PITCHES_HZ
    )
