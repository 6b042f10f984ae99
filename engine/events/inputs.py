"""What an application sends to a session."""

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs
import pybase64

from engine.errors import UnsupportedContent
from engine.events.view import DictView, call_only
from engine.events.words import Role


def class_only(error: object) -> str:
    """Show what was raised by its class: the text may quote a tool's input."""
    return "None" if error is None else type(error).__name__


@attrs.frozen
class BidiTextInputEvent(DictView):
    """Text for the model; a response is asked for.

    Attributes:
        text: The words.
        role: Who says them.
    """

    type: ClassVar[str] = "bidi_text_input"
    text: str = attrs.field(repr=False)
    role: Role = "user"

    def _fields(self) -> dict[str, Any]:
        return {"text": self.text, "role": self.role}


@attrs.frozen
class BidiAudioInputEvent(DictView):
    """A piece of the user's speech.

    Attributes:
        audio: Base64 text.
        format: Encoding of the bytes; see `engine.config.AudioSettings`.
        sample_rate: Samples a second.
        channels: 1 or 2.
    """

    type: ClassVar[str] = "bidi_audio_input"
    audio: str = attrs.field(repr=False)
    format: str
    sample_rate: int
    channels: int

    def _fields(self) -> dict[str, Any]:
        return {
            "audio": self.audio,
            "format": self.format,
            "sample_rate": self.sample_rate,
            "channels": self.channels,
        }

    @classmethod
    def from_pcm(cls, pcm: bytes, sample_rate: int = 24_000, channels: int = 1) -> "BidiAudioInputEvent":
        """Wrap PCM16 little-endian samples."""
        return cls(pybase64.b64encode(pcm).decode("ascii"), "pcm", sample_rate, channels)


@attrs.frozen
class BidiImageInputEvent(DictView):
    """An image for the model; needs `provider_config={"image_input": True}`.

    Attributes:
        image: Base64 text.
        mime_type: `image/png` or `image/jpeg`.
    """

    type: ClassVar[str] = "bidi_image_input"
    image: str = attrs.field(repr=False)
    mime_type: str

    def _fields(self) -> dict[str, Any]:
        return {"image": self.image, "mime_type": self.mime_type}


@attrs.frozen
class ToolResultEvent(DictView):
    """What a tool gave.

    Attributes:
        tool_result: `{"toolUseId": ..., "status": "success" | "error", "content": [{"text": ...} | {"json": ...}]}`.
        exception: What the tool raised, for the application's own use.
    """

    type: ClassVar[str] = "tool_result"
    tool_result: Mapping[str, Any] = attrs.field(repr=call_only)
    exception: Exception | None = attrs.field(default=None, eq=False, repr=class_only)

    def _fields(self) -> dict[str, Any]:
        return {"tool_result": self.tool_result}

    @property
    def tool_use_id(self) -> str:
        """The call that this answers.

        Raises:
            UnsupportedContent: The result does not say it, in text.
        """
        call_id = self.tool_result.get("toolUseId") if isinstance(self.tool_result, Mapping) else None
        if not isinstance(call_id, str) or not call_id:
            raise UnsupportedContent(
                f"a tool result without 'toolUseId' as text ({type(call_id).__name__}) | content not supported; "
                f"say whose result it is"
            )
        return call_id


BidiInputEvent = BidiTextInputEvent | BidiAudioInputEvent | BidiImageInputEvent
SessionInput = BidiInputEvent | ToolResultEvent
