"""Translates by script: each utterance has its words in both languages, which come as fast as they are spoken."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

import attrs

from engine.audio.pcm import ms_to_bytes, silence
from engine.simulator.responder import STEP_MS, Interpreted
from engine.simulator.speaking import Words
from engine.simulator.voice import EnergyDetector, ToneVoice

LAG_MS: Final = 600
"""How far the translation follows behind what is heard."""

PAUSE_MS: Final = 600
"""Silence after which speech is another utterance."""

_STEP_BYTES: Final = ms_to_bytes(STEP_MS)


@attrs.frozen
class Translation:
    """One utterance.

    Attributes:
        heard: What is said.
        said: What it is in the other language; `{language}` stands for the language that the session asks for.
    """

    heard: str
    said: str


ECHO_TRANSLATION: Final = Translation("something", "({language}) something")


class ScriptedInterpreter:
    """Gives each utterance the script's next translation; after the last, one that only names the language.

    Args:
        translations: In the order of the utterances.
        voice: Says them.
    """

    def __init__(self, translations: Sequence[Translation], voice: ToneVoice) -> None:
        self._translations = translations
        self._voice = voice
        self._ear = EnergyDetector()
        self._begun = 0
        self._quiet_ms = float(PAUSE_MS)
        self._heard = _Line()
        self._said = _Line()
        self._audio = b""

    async def step(self, pcm: bytes, language: str) -> Interpreted:
        """Hear 200 ms; see `Interpreter.step`."""
        if any(probability > 0.5 for _, probability in self._ear.push(pcm)):
            if self._quiet_ms >= PAUSE_MS:
                await self._begin(language)
            self._quiet_ms = 0
        else:
            self._quiet_ms += STEP_MS
        return self._advance()

    async def rest(self, language: str) -> Sequence[Interpreted]:  # noqa: ARG002 - the interface's
        """Say what is left; see `Interpreter.rest`."""
        left = []
        while self._heard.waiting or self._said.waiting or self._audio:
            left.append(self._advance())
        return left

    async def _begin(self, language: str) -> None:
        number, self._begun = self._begun, self._begun + 1
        script = self._translations
        translation = script[number] if number < len(script) else ECHO_TRANSLATION
        words = translation.said.replace("{language}", language)
        self._heard.add(translation.heard, 0)
        lag_ms = 0 if self._audio else LAG_MS
        self._said.add(words, lag_ms)
        self._audio += silence(lag_ms)
        self._audio += await _all(self._voice.speak(words, language))

    def _advance(self) -> Interpreted:
        audio, self._audio = self._audio[:_STEP_BYTES], self._audio[_STEP_BYTES:]
        return Interpreted(self._heard.next(), self._said.next(), audio if any(audio) else b"")


class _Line:
    """Words that come as time goes on, one utterance after the other."""

    def __init__(self) -> None:
        self._utterances: list[Words] = []
        self._at_ms = 0
        self._delay_ms = 0
        self._first = True

    @property
    def waiting(self) -> bool:
        """Tell whether there are words left."""
        return bool(self._utterances)

    def add(self, text: str, delay_ms: int) -> None:
        """Add an utterance that begins `delay_ms` from now, or after those before it; a space goes between them."""
        if not self._utterances:
            self._at_ms, self._delay_ms = 0, delay_ms
        self._utterances.append(Words(text if self._first else f" {text}"))
        self._first = False

    def next(self) -> str:
        """Go on by one step, and give the words that it reaches."""
        if self._delay_ms > 0:
            self._delay_ms -= STEP_MS
            return ""
        if not self._utterances:
            return ""
        self._at_ms += STEP_MS
        words = "".join(self._utterances[0].until(self._at_ms))
        if self._utterances[0].over:
            self._utterances.pop(0)
            self._at_ms = 0
        return words


async def _all(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])
