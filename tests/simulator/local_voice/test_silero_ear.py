"""The ear, with the real model on real speech."""

import random
import struct

import pytest

from engine.audio.pcm import silence
from engine.demo.lines import LINES
from engine.simulator.local_voice.ear import WINDOW_SAMPLES, SileroEar


def probabilities(ear, pcm):
    return [probability for _, probability in ear.push(pcm)]


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.file)
def test_recorded_speech_is_heard_and_the_silence_around_it_is_not(line):
    speech = line.read_pcm24k()
    heard = [value >= 0.5 for value in probabilities(SileroEar(), silence(512) + speech + silence(1024))]
    during = heard[16 : 16 + len(speech) // (2 * WINDOW_SAMPLES)]
    assert not any(heard[:16])
    assert not any(heard[-16:])
    assert sum(during) > 0.7 * len(during)
    assert "0" * 14 not in "".join("01"[flag] for flag in during).strip("0"), "a pause would end the turn"


def test_loud_noise_is_not_speech():
    noise = random.Random(0)
    pcm = struct.pack("<24000h", *(noise.randint(-8000, 8000) for _ in range(24_000)))
    assert max(probabilities(SileroEar(), pcm)) < 0.5


def test_windows_are_32_ms_and_none_is_lost():
    ear = SileroEar()
    windows = [window for _ in range(100) for window in ear.push(silence(20))]
    assert {samples for samples, _ in windows} == {768}
    assert 2000 / 32 - 2 < len(windows) <= 2000 / 32


def test_reset_starts_as_a_new_ear_does():
    pcm = LINES[0].read_pcm24k()
    ear = SileroEar()
    first = probabilities(ear, pcm)
    ear.reset()
    assert probabilities(ear, pcm) == first
