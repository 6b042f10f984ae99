"""Answers from a script: the simulator's default responder, which always says the same to the same."""

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final

import attrs
import trio

from engine.audio.pcm import bytes_to_ms
from engine.errors import ConfigError
from engine.simulator.ear import TranscriptionRefused
from engine.simulator.responder import Interpreter, Part, Prompt, Say, SpeechDetector
from engine.simulator.scripted_interpreter import ScriptedInterpreter, Translation
from engine.simulator.voice import EnergyDetector, ToneVoice
from engine.wire.items import FunctionCallOutputItem, Item, MessageItem
from engine.wire.session import TurnDetection

ECHO: Final = "You said: {text}"
NOTHING_SAID: Final = "Hello, how can I help you?"


@attrs.frozen
class Unheard:
    """In place of a transcript: the transcription fails.

    Attributes:
        code: The error's code.
    """

    code: str = "transcription_failed"


def _pattern(value: str | None) -> re.Pattern[str] | None:
    if value is None:
        return None
    try:
        return re.compile(value, re.IGNORECASE)
    except re.error as error:
        raise ConfigError("when", value, f"a regular expression ({error})") from error


def _parts(value: Iterable[Part]) -> tuple[Part, ...]:
    return tuple(value)


@attrs.frozen
class Turn:
    """One answer of a script.

    Attributes:
        parts: What the response is made of.
        when: Regular expression, upper and lower case alike, that must be found in what was said last: the user's
            text or transcript, or a function's output. None fits anything.
        repeat: How many times it answers; None for any number.
        think_ms: What it takes, beside the server's own pace.
    """

    parts: tuple[Part, ...] = attrs.field(converter=_parts)
    when: re.Pattern[str] | None = attrs.field(default=None, converter=_pattern)
    repeat: int | None = 1
    think_ms: float = 0.0


def _turns(value: Iterable[Turn]) -> tuple[Turn, ...]:
    return tuple(value)


def _translations(value: Iterable[Translation]) -> tuple[Translation, ...]:
    return tuple(value)


def _transcripts(value: Iterable[str | Unheard]) -> tuple[str | Unheard, ...]:
    return tuple(value)


@attrs.frozen
class Script:
    """What a scripted service says and hears.

    Attributes:
        turns: Answers. The first that is not used up and fits what was said is taken, so those without `when`
            come one after the other.
        transcripts: What it hears in spoken turns, in their order. After the last, a turn is heard as its length.
        echo: What it answers when no turn fits; `{text}` stands for what was said.
        translations: What a translation session hears and says, utterance by utterance.
    """

    turns: tuple[Turn, ...] = attrs.field(default=(), converter=_turns)
    transcripts: tuple[str | Unheard, ...] = attrs.field(default=(), converter=_transcripts)
    echo: str = ECHO
    translations: tuple[Translation, ...] = attrs.field(default=(), converter=_translations)

    @classmethod
    def of(cls, *answers: Sequence[Part] | Part, transcripts: Sequence[str | Unheard] = ()) -> "Script":
        """Make a script of answers that come one after the other, each a part or several."""
        turns = tuple(Turn(answer if isinstance(answer, Sequence) else (answer,)) for answer in answers)
        return cls(turns, tuple(transcripts))

    def responder(self) -> "ScriptedResponder":
        """Make a responder for one session; `serve(settings, script.responder)`."""
        return ScriptedResponder(self)


class ScriptedResponder:
    """Follows a script, from its start in each session; speaks in tones, and hears turns by loudness."""

    def __init__(self, script: Script | None = None) -> None:
        self._script = script or Script()
        self._used = [0] * len(self._script.turns)
        self._heard = 0
        self._voice = ToneVoice()

    def detector(self, settings: TurnDetection) -> SpeechDetector:  # noqa: ARG002 - the interface's
        """Give the ear that finds turns by loudness."""
        return EnergyDetector()

    async def transcribe(self, pcm: bytes) -> str:
        """Give the script's next transcript, or say how long the turn was.

        Raises:
            TranscriptionRefused: The script says so.
        """
        number, self._heard = self._heard, self._heard + 1
        if number >= len(self._script.transcripts):
            return f"spoken turn of {bytes_to_ms(len(pcm)) / 1000:.1f} s"
        heard = self._script.transcripts[number]
        if isinstance(heard, Unheard):
            raise TranscriptionRefused(heard.code)
        return heard

    async def answer(self, prompt: Prompt) -> Sequence[Part]:
        """Take the first turn that fits, or echo."""
        text = last_words(prompt.items)
        for index, turn in enumerate(self._script.turns):
            used_up = turn.repeat is not None and self._used[index] >= turn.repeat
            if not used_up and (turn.when is None or turn.when.search(text)):
                self._used[index] += 1
                await trio.sleep(turn.think_ms / 1000)
                return turn.parts
        return (Say(self._script.echo.replace("{text}", text) if text else NOTHING_SAID),)

    def speak(self, text: str, voice: str) -> AsyncIterator[bytes]:
        """Say a tone for each letter."""
        return self._voice.speak(text, voice)

    def interpreter(self) -> Interpreter:
        """Give an interpreter that follows the script's translations."""
        return ScriptedInterpreter(self._script.translations, self._voice)


def last_words(items: Sequence[Item]) -> str:
    """Find what was said last: the user's text or transcript, or a function's output; empty where nothing was."""
    for item in reversed(items):
        if isinstance(item, FunctionCallOutputItem):
            return item.output
        if isinstance(item, MessageItem) and item.role == "user":
            words: list[Any] = [part.text or part.transcript for part in item.content]
            return " ".join(word for word in words if word)
    return ""
