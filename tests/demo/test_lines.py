"""The caller's lines."""

import struct
from pathlib import Path

import engine.demo
from engine.audio.pcm import bytes_to_ms, level_dbfs
from engine.demo.lines import CARDS, LINES, PASSAGES, PEAK

SPEECH = Path(engine.demo.__file__).parent / "speech"


def test_every_recording_has_one_line():
    assert sorted(line.file for line in LINES) == sorted(path.name for path in SPEECH.glob("*.wav"))
    assert LINES == CARDS + PASSAGES


def test_every_line_is_audible_speech_of_some_seconds():
    for line in LINES:
        pcm = line.read_pcm24k()
        assert 1_000 < bytes_to_ms(len(pcm)) < 8_000
        assert -30 < level_dbfs(pcm) < -15


def test_every_line_has_the_same_peak_and_none_is_clipped():
    for line in LINES:
        assert max(map(abs, struct.unpack(f"<{len(line.read_pcm24k()) // 2}h", line.read_pcm24k()))) == round(
            32768 * PEAK
        )


def test_the_readme_tells_the_same_words():
    readme = (SPEECH / "README.md").read_text()
    assert all(f"| {line.file} | {line.transcript} |" in readme for line in LINES)


def test_the_licence_travels_with_the_recordings():
    assert "BSD-2" in (SPEECH / "COPYRIGHT.pocketsphinx-testdata").read_text()
