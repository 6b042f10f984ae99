"""What the simulated service hears, thinks and says: the one interface behind which answers are made."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, Literal, Protocol, runtime_checkable

import attrs
import orjson

from engine.wire.items import Item
from engine.wire.session import Session, TurnDetection

STEP_MS: Final = 200
"""One step of the translation model's time (API reference)."""


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
class McpCall:
    """One call of an MCP tool, which the service makes itself. Left out where the tool can't be called.

    Attributes:
        server_label: The server, by the session's label.
        name: The tool.
        arguments: A mapping, or JSON text.
    """

    server_label: str
    name: str
    arguments: str = attrs.field(default="{}", converter=_json_text)


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


Part = Say | Call | McpCall | Fail | Incomplete


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


@attrs.frozen
class Interpreted:
    """What an interpreter has to say at one step of 200 ms.

    Attributes:
        heard: More of the words that were said, to append as they are.
        said: More of the translation's words, to append as they are.
        audio: More of the translation's speech, PCM16 mono 24 kHz, of any length.
    """

    heard: str = ""
    said: str = ""
    audio: bytes = attrs.field(default=b"", repr=False)


class Interpreter(Protocol):
    """Translates one session's speech as it comes, 200 ms at a time."""

    async def step(self, pcm: bytes, language: str) -> Interpreted:
        """Hear the next 200 ms.

        Args:
            pcm: PCM16 mono 24 kHz.
            language: To translate into, as in `es`.
        """
        ...

    async def rest(self, language: str) -> Sequence[Interpreted]:
        """Say what is left to say, as nothing more will be heard; one for each 200 ms."""
        ...


@runtime_checkable
class Interpreting(Protocol):
    """A responder that can translate too; for one that can't, the translation endpoint speaks in tones."""

    def interpreter(self) -> Interpreter:
        """Give the session's interpreter."""
        ...


class ResponderFactory(Protocol):
    """Makes a `Responder` for a new session."""

    def __call__(self) -> Responder:
        """Make it."""
        ...
