"""The voice, with the real model; the recogniser listens to it."""

import struct

import pytest

from engine.audio.pcm import bytes_to_ms, level_dbfs
from engine.simulator.local_voice import results, speech, transcriber


def said(text):
    return b"".join(speech.speak(text))


@pytest.mark.parametrize("words", ["seven of clubs", "what is the weather like today"])
def test_what_is_said_is_understood_by_the_recogniser(words):
    assert transcriber.transcribe(said(words)) == words


def test_speech_is_as_loud_as_a_caller_and_does_not_clip():
    pcm = said("Your hand is eight of spades, four of clubs and seven of hearts. It scores 19 points.")
    samples = struct.unpack(f"<{len(pcm) // 2}h", pcm)
    assert -24 < level_dbfs(pcm) < -17
    assert max(map(abs, samples)) < 32_767


def test_a_sentence_comes_at_a_time():
    pieces = list(speech.speak("One sentence. Another sentence! A third?"))
    assert len(pieces) == 3
    assert all(bytes_to_ms(len(piece)) > 400 for piece in pieces)


def test_a_sentence_starts_at_once_and_ends_with_a_short_pause():
    for piece in speech.speak("One sentence. Another sentence!"):
        loud = [at for at, (sample,) in enumerate(struct.iter_unpack("<h", piece)) if abs(sample) > 400]
        assert loud[0] / 24 < 100
        assert 200 < (len(piece) / 2 - loud[-1]) / 24 < 300


def test_the_same_text_is_the_same_audio():
    assert said("Ten of clubs.") == said("Ten of clubs.")


@pytest.mark.parametrize("text", ["", "  ", "?", "\n\n", "[x](/\u2603/)"])
def test_text_without_a_sound_is_no_audio(text):
    assert list(speech.speak(text)) == []


@pytest.mark.parametrize("talk", [results.GENERAL_TALK, *results.TALKS.values()], ids=lambda talk: talk[:20])
def test_a_talk_leaves_15_seconds_to_cut_in(talk):
    pcm = said(talk)
    assert bytes_to_ms(len(pcm)) > 15_000
    assert max(map(abs, struct.unpack(f"<{len(pcm) // 2}h", pcm))) < 32_767
