"""A responder that hears and speaks with the local voice, and answers by a script."""

from collections.abc import Sequence

import attrs

from engine.simulator.local_voice import LocalVoice
from engine.simulator.responder import Interpreter, Part, Prompt
from engine.simulator.script import Script, ScriptedResponder


class ScriptedVoice(LocalVoice):
    """A `Responder` for one session: real ears, a real voice, and answers that are known beforehand.

    The script's `transcripts` are heard first, whatever was said; after the last one turns are heard as they were said.

    Args:
        script: What is answered.
        threads: As in `LocalVoice`.
    """

    def __init__(self, script: Script, *, threads: bool = True) -> None:
        super().__init__(threads=threads)
        self._scripted = ScriptedResponder(script)
        self._told_left = len(script.transcripts)

    async def transcribe(self, pcm: bytes) -> str:
        """Give the script's next transcript; after the last one, write down what was said.

        Raises:
            TranscriptionRefused: The script says so.
        """
        if not self._told_left:
            return await super().transcribe(pcm)
        self._told_left -= 1
        return await self._scripted.transcribe(pcm)

    async def answer(self, prompt: Prompt) -> Sequence[Part]:
        """Take the first of the script's turns that fits what was said, or echo."""
        return await self._scripted.answer(prompt)

    def interpreter(self) -> Interpreter:
        """Give an interpreter that follows the script's translations."""
        return self._scripted.interpreter()


@attrs.frozen
class ScriptedVoices:
    """A `ResponderFactory`: each session begins the script anew.

    Attributes:
        script: What is answered.
        threads: As in `LocalVoice`.
    """

    script: Script
    threads: bool = attrs.field(default=True, kw_only=True)

    def __call__(self) -> ScriptedVoice:
        """Make a session's responder."""
        return ScriptedVoice(self.script, threads=self.threads)


async def scripted_voice(script: Script, *, threads: bool = True) -> ScriptedVoices:
    """Load the local voice, and make what gives each session a responder that follows a script.

    Args:
        script: What is answered.
        threads: As in `LocalVoice`.

    Raises:
        ConfigError: A model's library is not installed: `pip install 'realtime-engine[local]'`.
    """
    await LocalVoice(threads=threads).warm_up()
    return ScriptedVoices(script, threads=threads)
