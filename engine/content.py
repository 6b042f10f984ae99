"""What an application may send: checked before the session takes any of it, so that it goes whole or not at all."""

import pybase64

from engine.config import WIRE_FORMATS, AudioSettings
from engine.contract import tool_output
from engine.errors import UnsupportedContent
from engine.events import BidiAudioInputEvent, BidiImageInputEvent, BidiTextInputEvent, ToolResultEvent


def audio_bytes(content: BidiAudioInputEvent, audio: AudioSettings) -> bytes:
    """Give the bytes of an audio event.

    Raises:
        UnsupportedContent: It is in another format than the session's, or no base64 text.
    """
    given = (content.format, content.sample_rate, content.channels)
    wanted = (audio.format, WIRE_FORMATS[audio.format][1], 1)
    if given != wanted:
        got, takes = ("format={!r}, sample_rate={}, channels={}".format(*each) for each in (given, wanted))
        raise UnsupportedContent(f"audio of {got} | content not supported; this session takes {takes}")
    try:
        return pybase64.b64decode(content.audio, validate=True)
    except ValueError as error:
        raise UnsupportedContent("audio is not base64 text | content not supported") from error


def check_whole_samples(audio: bytes, settings: AudioSettings) -> None:
    """Make sure that audio does not end inside a sample.

    Raises:
        UnsupportedContent: It does.
    """
    if settings.format == "pcm" and len(audio) % 2:
        raise UnsupportedContent(f"{len(audio)} bytes of PCM16 end inside a sample | content not supported")


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
