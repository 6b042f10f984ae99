"""Loudness: who may have begun to speak is not cut off, and noise is not listened to for ever."""

import math

import pytest

from engine.audio import g711
from engine.audio.shape import AudioShape
from engine.protocol.loudness import LOUD_DBFS, NOISE_S, Loudness

PCM = AudioShape("pcm", 24_000)


def sine(dbfs, samples=480):
    """A tone of this loudness, as PCM16."""
    peak = 32_768 * math.sqrt(2) * 10 ** (dbfs / 20)
    return b"".join(round(peak * math.sin(n / 5)).to_bytes(2, "little", signed=True) for n in range(samples))


LOUD, LOW = sine(LOUD_DBFS + 3), sine(LOUD_DBFS - 3)


@pytest.mark.parametrize(
    ("pieces", "loud"),
    [
        ([], False),
        ([b""], False),
        ([bytes(960)], False),
        ([LOW, LOW], False),
        ([LOUD], True),
        ([LOW, LOUD, bytes(960)], True),
        ([LOUD + b"x"], True),
        ([b"x"], False),
    ],
)
def test_a_single_loud_message_may_be_speech(pieces, loud):
    assert Loudness(PCM).may_be_speech(pieces, 0.0) is loud


@pytest.mark.parametrize(("encoding", "encode"), [("pcmu", g711.mu_law), ("pcma", g711.a_law)])
@pytest.mark.parametrize(("piece", "loud"), [(LOUD, True), (LOW, False)])
def test_it_is_measured_in_every_format(encoding, encode, piece, loud):
    listener = Loudness(AudioShape(encoding, 8_000))

    assert listener.may_be_speech([g711.encode(encode(), piece)], 0.0) is loud


def test_what_is_loud_for_long_is_noise():
    listener = Loudness(PCM)

    assert listener.may_be_speech([LOUD], 5.0)
    assert listener.may_be_speech([LOUD], 5.0 + NOISE_S - 0.01)
    assert not listener.may_be_speech([LOUD], 5.0 + NOISE_S)


@pytest.mark.parametrize("pause", [lambda listener: listener.may_be_speech([LOW], 6.0), Loudness.forget])
def test_after_a_pause_or_a_turn_it_may_be_speech_again(pause):
    listener = Loudness(PCM)
    listener.may_be_speech([LOUD], 5.0)
    pause(listener)

    assert listener.may_be_speech([LOUD], 5.0 + NOISE_S)
