"""What audio is made of."""

import pytest

from engine.audio.shape import AudioShape
from engine.errors import ConfigError


@pytest.mark.parametrize(
    ("shape", "frame_bytes", "bytes_per_ms"),
    [
        (AudioShape(), 2, 48),
        (AudioShape("pcm", 44_100, 2), 4, 176.4),
        (AudioShape("pcmu", 8_000), 1, 8),
        (AudioShape("pcma", 16_000, 2), 2, 32),
    ],
)
def test_a_shape_has_its_sizes(shape, frame_bytes, bytes_per_ms):
    assert (shape.frame_bytes, shape.bytes_per_ms) == (frame_bytes, bytes_per_ms)


@pytest.mark.parametrize(
    ("given", "field", "allowed"),
    [
        (("opus", 24_000, 1), "encoding", "'pcm', 'pcmu', 'pcma'"),
        (("pcm", 7_999, 1), "rate_hz", "8000 to 48000 Hz"),
        (("pcm", 48_001, 1), "rate_hz", "8000 to 48000 Hz"),
        (("pcm", 24_000.0, 1), "rate_hz", "8000 to 48000 Hz"),
        (("pcm", True, 1), "rate_hz", "8000 to 48000 Hz"),
        (("pcm", 24_000, 0), "channels", "1 to 2"),
        (("pcm", 24_000, 3), "channels", "1 to 2"),
        (("pcm", 24_000, None), "channels", "1 to 2"),
        (("pcm", 24_000, True), "channels", "1 to 2"),
        (([], 24_000, 1), "encoding", "'pcm', 'pcmu', 'pcma'"),
    ],
)
def test_what_is_not_converted_is_no_shape(given, field, allowed):
    with pytest.raises(ConfigError) as refused:
        AudioShape(*given)
    assert (refused.value.field, refused.value.allowed) == (field, allowed)


def test_silence_is_each_encodings_zero():
    assert AudioShape("pcm", 24_000, 2).silence(3) == bytes(12)
    assert AudioShape("pcmu", 8_000).silence(3) == b"\xff\xff\xff"
    assert AudioShape("pcma", 8_000).silence(3) == b"\xd5\xd5\xd5"


def test_a_shape_is_told_in_words():
    assert str(AudioShape("pcm", 16_000, 1)) == "pcm, 16000 Hz, 1 channel"
    assert str(AudioShape("pcmu", 8_000, 2)) == "pcmu, 8000 Hz, 2 channels"
