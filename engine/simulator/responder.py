"""What the simulated service hears, thinks and says: the one interface behind which answers are made."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal, Protocol

import attrs
import orjson

from engine.wire.items import Item
from engine.wire.session import Session, TurnDetection


@attrs.frozen
class Say:
    """One assistant message: spoken when the response is audio, else written.

    Attributes:
        text: The words; the transcript of the audio.
        audio: PCM16 mono 24 kHz to say instead of what the voice would make of `text`.
    """

    text: str
    audio: bytes | None = None


def _json_text(value: str | Mapping[str, Any]) -> str:
    return value if isinstance(value, str) else orjson.dumps(dict(value)).decode()


@attrs.frozen
class Call:
    """One function call.

    Attributes:
        name: The function.
        arguments: A mapping, or JSON text, sent as it is: a script may send text that is not JSON.
        call_id: Given by the simulator when None.
    """

    name: str
    arguments: str = attrs.field(default="{}", converter=_json_text)
    call_id: str | None = None


@attrs.frozen
class Fail:
    """The response ends with status `failed`; nothing after it is sent."""

    code: str = "server_error"
    message: str = "The server had an error while processing your request."
    error_type: str = "server_error"


@attrs.frozen
class Incomplete:
    """The response ends with status `incomplete` after the parts before it."""

    reason: Literal["max_output_tokens", "content_filter"] = "max_output_tokens"


Part = Say | Call | Fail | Incomplete


@attrs.frozen
class Prompt:
    """What a responder is asked to answer.

    Attributes:
        session: The session's effective settings, those of the response laid over them.
        items: The response's context, oldest first. Spoken user items hold their transcript when one was made.
        audio: PCM16 mono 24 kHz of each spoken user item in `items`, by item id.
        trigger: Who asked: the client, the end of a spoken turn, or the idle timer.
        number: How many responses this session asked for before this one.
        out_of_band: True for a response outside the conversation.
    """

    session: Session
    items: Sequence[Item]
    audio: Mapping[str, bytes]
    trigger: Literal["client", "vad", "idle"]
    number: int
    out_of_band: bool = False


class SpeechDetector(Protocol):
    """Hears whether somebody speaks, window by window."""

    def push(self, pcm: bytes) -> Sequence[tuple[int, float]]:
        """Take the next audio.

        Args:
            pcm: PCM16 mono 24 kHz, any whole number of samples.

        Returns:
            For each window that this completed, in order: its length in samples at 24 kHz, and the probability
            from 0 to 1 that it holds speech.
        """
        ...

    def reset(self) -> None:
        """Forget what was heard, and the incomplete window."""
        ...


class Responder(Protocol):
    """Hears, answers and speaks for one session. Made anew for each session by a `ResponderFactory`."""

    def detector(self, settings: TurnDetection) -> SpeechDetector:
        """Give the ear that finds turns, for these turn-detection settings."""
        ...

    async def transcribe(self, pcm: bytes) -> str:
        """Write down what was said.

        Args:
            pcm: PCM16 mono 24 kHz of one turn.
        """
        ...

    async def answer(self, prompt: Prompt) -> Sequence[Part]:
        """Say what the model answers. May take time; a barge-in cancels it."""
        ...

    def speak(self, text: str, voice: str) -> AsyncIterator[bytes]:
        """Speak, in pieces as they are ready: PCM16 mono 24 kHz, whole samples.

        Args:
            text: The words.
            voice: The session's voice name.
        """
        ...


class ResponderFactory(Protocol):
    """Makes a `Responder` for a new session."""

    def __call__(self) -> Responder:
        """Make it."""
        ...
