"""The picture of calls that hardly were. That of the story: test_demo_run.py."""

import pytest
from matplotlib.image import imread

from engine.audio.pcm import silence
from engine.demo.recording import Answer, CallerTurn, Interruption, Recording
from engine.demo.sound_card import Place, Playing, Tape
from engine.demo.timeline import draw


def turn(began_s, ended_s):
    return CallerTurn(began_s, ended_s, "words", cut_in=False)


def answer(began_s, heard_ms=1000.0, received_ms=1000.0, words="one two three four"):
    ended_s = None if began_s is None else began_s + heard_ms / 1000
    playing = Playing(Place("item", 0), received_ms, heard_ms, began_s, ended_s)
    return Answer(playing, [began_s or 0.0], words, written=True)


def cut_call():
    return Recording(
        turns=[turn(0.1, 0.5)],
        answers={"a": answer(0.8, heard_ms=500.0, received_ms=9000.0), "b": answer(None)},
        interruptions=[Interruption(1.0, 1.3, 500.0, 9000.0)],
    )


@pytest.mark.parametrize(
    ("call", "length_s"), [(Recording(), 0.0), (Recording(), 0.05), (cut_call(), 2.0), (cut_call(), 300.0)]
)
def test_a_picture_can_be_drawn_of_any_call(call, length_s, tmp_path):
    tape = Tape()
    tape.caller += silence(length_s * 1000)

    draw(call, tape, tmp_path / "picture.png")

    height, width, _ = imread(tmp_path / "picture.png").shape
    assert 600 < height < 1000
    assert 1100 < width < 3500, "the legend needs its room, also below a short call"
