"""Hearing what the user said, once a turn, for the transcript's events and for the answer."""

import logging

import trio

from engine.simulator.conversation import Entry
from engine.simulator.responder import Responder

logger = logging.getLogger(__name__)


class TranscriptionRefused(Exception):
    """A responder can't write a turn down; the session sends `…input_audio_transcription.failed`.

    Attributes:
        code: The error's code.
    """

    def __init__(self, code: str = "transcription_failed") -> None:
        super().__init__(code)
        self.code = code


class Ear:
    """Asks the responder for each spoken turn's words at most once, in the turns' order."""

    def __init__(self, responder: Responder) -> None:
        self._responder = responder
        self._lock = trio.Lock()

    async def hear(self, entry: Entry) -> str:
        """Write down what an item's audio says; its `heard` keeps it.

        Raises:
            TranscriptionRefused: The responder could not, or failed.
        """
        async with self._lock:
            if entry.heard is None:
                entry.heard = await self._transcribe(bytes(entry.audio))
            return entry.heard

    async def _transcribe(self, pcm: bytes) -> str:
        try:
            return await self._responder.transcribe(pcm)
        except TranscriptionRefused:
            raise
        except Exception as error:
            logger.exception("the responder failed to transcribe %d bytes", len(pcm))
            raise TranscriptionRefused("server_error") from error

    async def hear_all(self, entries: list[Entry]) -> None:
        """Write down every spoken turn that was not yet; one that can't be stays without words."""
        for entry in entries:
            if entry.heard is None and entry.item.get("role") == "user" and entry.audio:
                try:
                    await self.hear(entry)
                except TranscriptionRefused:
                    entry.heard = ""
