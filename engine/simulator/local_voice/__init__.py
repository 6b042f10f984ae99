"""A responder that hears, thinks and speaks on this machine: pip install 'realtime-engine[local]'."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeVar

import trio

from engine.simulator.local_voice import dialog, speech, transcriber
from engine.simulator.local_voice.ear import SileroEar
from engine.simulator.responder import Part, Prompt, SpeechDetector
from engine.threads import in_thread
from engine.wire.session import TurnDetection

__all__ = ["LocalVoice"]

WORKERS = 4
"""Threads that all sessions of one Trio run use. The models take one user at a time, so more would only wait."""

T = TypeVar("T")

_workers: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar("local_voice_workers")


def _limiter() -> trio.CapacityLimiter:
    try:
        return _workers.get()
    except LookupError:
        limiter = trio.CapacityLimiter(WORKERS)
        _workers.set(limiter)
        return limiter


class LocalVoice:
    """A `Responder` with real models: Silero's ear, pocketsphinx' recogniser, hibari's voice and a table of answers.

    The class is a `ResponderFactory`. Models load at first use, once in a process, and are shared by its sessions;
    call `warm_up` before the first one where a second matters.

    Args:
        threads: True runs the models in worker threads, so that other sessions go on meanwhile. False runs them inline,
            which is deterministic under `trio.testing.MockClock`.
    """

    def __init__(self, *, threads: bool = True) -> None:
        self._threads = threads

    async def warm_up(self) -> None:
        """Load all models, about 1 s.

        Raises:
            ConfigError: A model's library is not installed: `pip install 'realtime-engine[local]'`.
        """
        await self._run(_load_all)

    def detector(self, settings: TurnDetection) -> SpeechDetector:  # noqa: ARG002 - the simulator applies them
        """Give the ear that finds turns; see `Responder.detector`."""
        return SileroEar()

    async def transcribe(self, pcm: bytes) -> str:
        """Write down one turn; see `Responder.transcribe`. Takes about 0.15 s for a second of speech."""
        return await self._run(lambda: transcriber.transcribe(pcm))

    async def answer(self, prompt: Prompt) -> Sequence[Part]:
        """Answer; see `Responder.answer`. A spoken message without a transcript is written down first."""
        message = dialog.last_user_message(prompt.items)
        heard: dict[str, str] = {}
        if message and message.id and message.id in prompt.audio and not dialog.words_in(message):
            heard[message.id] = await self.transcribe(prompt.audio[message.id])
        return dialog.reply(prompt, heard)

    async def speak(self, text: str, voice: str) -> AsyncIterator[bytes]:  # noqa: ARG002 - there is one voice
        """Speak, sentence by sentence; see `Responder.speak`. All voice names have the same voice."""
        sentences = speech.speak(text)
        while sentence := await self._run(lambda: next(sentences, b"")):
            yield sentence

    async def _run(self, work: Callable[[], T]) -> T:
        if self._threads:
            # An abandoned thread ends its piece of work and then gives the model back.
            return await in_thread(work, leave=True, limiter=_limiter())
        await trio.lowlevel.checkpoint()
        return work()


def _load_all() -> None:
    SileroEar()
    transcriber.warm_up()
    speech.warm_up()
