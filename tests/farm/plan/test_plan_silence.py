"""A sound file in which nothing sounds is told before a run; only little is listened to for it."""

import wave

import numpy as np
import pytest
import soundfile

from engine.farm.plan import silence
from engine.farm.plan.explain import explain
from engine.farm.plan.model import Plan, Say, Scenario, Type
from engine.farm.plan.silence import silence_warnings

RATE_HZ = 8000


def write(path, *stretches):
    """Write a sound of stretches: each its length in s and its peak, from 0 to 1."""
    samples = [np.full(round(length_s * RATE_HZ), peak, "float32") for length_s, peak in stretches]
    soundfile.write(path, np.concatenate(samples), RATE_HZ)
    return path.name


def plan_of(folder, *says):
    turns = [*(Say(say=say) for say in says), Type(type="x")]
    return Plan(name="p", scenarios=[Scenario(name="s", turns=turns, deadline_s=3000)], folder=str(folder))


@pytest.mark.parametrize("suffix", ["wav", "flac"])
@pytest.mark.parametrize(("stretches", "silent"), [
    ([(1.0, 0.0)], True),
    ([(1.0, 0.0009)], True),
    ([(1.0, 0.0012)], False),
    ([(1.0, 0.0), (0.01, -0.5)], False),
])  # fmt: skip
def test_a_file_in_which_nothing_sounds_is_named(tmp_path, suffix, stretches, silent):
    name = write(tmp_path / f"a.{suffix}", *stretches)
    told = list(silence_warnings(plan_of(tmp_path, name)))
    assert [name in words and "-60 dBFS" in words for words in told] == [True] * silent


def test_it_is_a_warning_of_the_check(tmp_path):
    plan = plan_of(tmp_path, write(tmp_path / "mute.wav", (0.5, 0.0)), write(tmp_path / "loud.wav", (0.5, 0.5)))
    (told,) = explain(plan).warnings
    assert "nothing sounds in mute.wav" in told


def test_a_few_of_many_are_named(tmp_path):
    names = [write(tmp_path / f"{number}.wav", (0.1, 0.0)) for number in range(5)]
    told = list(silence_warnings(plan_of(tmp_path, *names)))
    assert len(told) == silence.NAMED_MAX + 1
    assert told[-1] == "nothing sounds in 2 more sound files"


def test_only_so_much_is_listened_to(tmp_path, monkeypatch):
    monkeypatch.setattr(silence, "LISTENED_MAX_S", 1.2)
    short, long = write(tmp_path / "short.wav", (0.5, 0.0)), write(tmp_path / "long.wav", (5.0, 0.0))
    late = write(tmp_path / "late.wav", (0.5, 0.0))
    told = list(silence_warnings(plan_of(tmp_path, short, long, late)))
    assert len(told) == 1
    assert "short.wav" in told[0]


def test_each_file_costs_something_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(silence, "LISTENED_MAX_S", 0.5)
    names = [write(tmp_path / f"{number}.wav", (0.01, 0.5)) for number in range(2)]
    assert list(silence_warnings(plan_of(tmp_path, *names, write(tmp_path / "mute.wav", (0.1, 0.0))))) == []


def test_where_nobody_can_listen_nothing_is_told(tmp_path, monkeypatch):
    plan = plan_of(tmp_path, write(tmp_path / "mute.wav", (0.5, 0.0)))
    (tmp_path / "broken.flac").write_bytes(b"no sound")
    assert list(silence_warnings(plan_of(tmp_path, "broken.flac"))) == []
    monkeypatch.setitem(__import__("sys").modules, "soundfile", None)
    assert list(silence_warnings(plan)) == []


def test_a_header_without_sound_is_silent(tmp_path):
    with wave.open(str(tmp_path / "empty.wav"), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
    assert len(list(silence_warnings(plan_of(tmp_path, "empty.wav")))) == 1
