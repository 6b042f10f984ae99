"""What an application may send: checked before the session takes any of it, so that it goes whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

import pybase64

from engine.audio.converter import check_convertible
from engine.audio.shape import CHANNELS_MAX, ENCODINGS, RATE_MAX_HZ, RATE_MIN_HZ, AudioShape
from engine.audio.wav import read_wav
from engine.config import AudioSettings
from engine.contract import tool_output
from engine.errors import ConfigError, LimitExceeded, UnsupportedContent
from engine.events import BidiAudioInputEvent, BidiImageInputEvent, BidiTextInputEvent, ToolResultEvent
from engine.limits import APPEND_MAX_BYTES

_TAKES: Final = (
    f"{', '.join(map(repr, ENCODINGS))} of {RATE_MIN_HZ} to {RATE_MAX_HZ} Hz and 1 or {CHANNELS_MAX} channels, or 'wav'"
)


def audio_input(content: BidiAudioInputEvent, audio: AudioSettings) -> tuple[bytes, AudioShape | None]:
    """Give the bytes of an audio event, and how to read them.

    Returns:
        Whole samples, perhaps none, and their shape; None for the session's own. A WAV file is taken apart: its own
        header says what it holds, whatever the event says.

    Raises:
        UnsupportedContent: It can't be converted, is no base64 text, or ends inside a sample; the text says what can be
            sent.
        LimitExceeded: It is over `limits.APPEND_MAX_BYTES`; send it in pieces.
    """
    data = _decoded(content.audio)
    if content.format == "wav":
        return _wav(data, audio)
    own = content.format == audio.format and content.sample_rate == audio.input_rate
    shape = None if own and content.channels == audio.channels else _shape(content)
    check_audio(data, audio, shape)
    return data, shape


def check_audio(data: bytes, audio: AudioSettings, shape: AudioShape | None = None) -> None:
    """Make sure that audio can be taken whole.

    Args:
        data: What is to be sent: bytes, or a `bytearray` or `memoryview` of bytes.
        audio: The session's settings.
        shape: How to read it; the session's when None.

    Raises:
        UnsupportedContent: It is no bytes, ends inside a sample, or needs a library that is not installed.
        LimitExceeded: It is over `limits.APPEND_MAX_BYTES`; send it in pieces.
    """
    size_bytes = _check_size(data)
    if shape is None:
        frame_bytes = audio.input_shape.frame_bytes
    else:
        frame_bytes = shape.frame_bytes
        with _missing_is_unsupported():
            check_convertible(shape, audio.wire_shape)
    if size_bytes % frame_bytes:
        given = audio.input_shape if shape is None else shape
        raise UnsupportedContent(
            f"{size_bytes} bytes of audio ({given}) end inside a sample | content not supported; "
            f"send whole samples, {frame_bytes} bytes each"
        )


def _check_size(data: bytes | bytearray | memoryview) -> int:
    if not isinstance(data, (bytes, bytearray)) and not (isinstance(data, memoryview) and data.itemsize == 1):
        raise UnsupportedContent(
            f"audio of type {type(data).__name__} | content not supported; send bytes, as tobytes() gives"
        )
    size_bytes = len(data)
    if size_bytes > APPEND_MAX_BYTES:
        raise LimitExceeded("APPEND_MAX_BYTES", APPEND_MAX_BYTES, size_bytes, "send the audio in pieces")
    return size_bytes


def _decoded(text: Any) -> bytes:
    try:
        return pybase64.b64decode(text, validate=True)
    except (TypeError, ValueError) as error:
        raise UnsupportedContent("audio is not base64 text | content not supported") from error


def _shape(content: BidiAudioInputEvent) -> AudioShape:
    try:
        return AudioShape(cast("Any", content.format), content.sample_rate, content.channels)
    except ConfigError as error:
        got = f"format={content.format!r}, sample_rate={content.sample_rate!r}, channels={content.channels!r}"
        raise UnsupportedContent(f"audio of {got} | content not supported; send {_TAKES}") from error


def _wav(data: bytes, audio: AudioSettings) -> tuple[bytes, AudioShape]:
    _check_size(data)
    with _missing_is_unsupported():
        pcm, shape = read_wav(data)
        check_convertible(shape, audio.wire_shape)
    return pcm, shape


@contextmanager
def _missing_is_unsupported() -> Iterator[None]:
    """A library that is not installed is the session's `ConfigError` at its begin, and a refusal after it."""
    try:
        yield
    except ConfigError as missing:
        raise UnsupportedContent(f"{missing} | content not supported without it") from missing


def _words(content: BidiTextInputEvent | BidiImageInputEvent | ToolResultEvent) -> object:
    if isinstance(content, ToolResultEvent):
        call_id = content.tool_use_id
        return call_id + tool_output(content.tool_result.get("content"), call_id)
    return content.text if isinstance(content, BidiTextInputEvent) else content.image


def check_text(content: BidiTextInputEvent | BidiImageInputEvent | ToolResultEvent) -> None:
    """Refuse what UTF-8 can't carry before the conversation takes it, so that it is sent whole or not at all.

    Raises:
        UnsupportedContent: It can't be sent.
    """
    words = _words(content)
    if not isinstance(words, str):
        raise UnsupportedContent(f"text of type {type(words).__name__} | content not supported; send str")
    try:
        words.encode()
    except UnicodeEncodeError as error:
        raise UnsupportedContent(
            "text with half a surrogate pair | content not supported; send Unicode text"
        ) from error
