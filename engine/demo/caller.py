"""The other side of the call: says the story's lines into the microphone, each when its time has come."""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import trio

from engine.demo.call import Call
from engine.demo.recording import CallerTurn
from engine.demo.sound_card import FRAME_MS, SoundCard
from engine.demo.story import Beat, speech_span_ms
from engine.errors import DeadlinePassed

BREATH_S: Final = 0.8
"""From the end of an answer to the caller's next line; also before the first."""

ANSWER_DEADLINE_S: Final = 60.0
"""The longest that the caller waits for an answer and its end."""


class Caller:
    """Somebody who follows a story.

    Args:
        card: Has the microphone.
        call: Knows what the agent does.
    """

    def __init__(self, card: SoundCard, call: Call) -> None:
        self._card = card
        self._call = call
        self._last: CallerTurn | None = None

    async def tell(self, story: Iterable[Beat]) -> None:
        """Say all lines, and hear the last answer out.

        Raises:
            DeadlinePassed: The agent did not answer.
        """
        for beat in story:
            if beat.cut_in_after_s is None:
                await self._hear_out()
                await trio.sleep(BREATH_S)
            else:
                await self._hear(beat.cut_in_after_s)
            self._say(beat)
        await self._hear_out()

    def _say(self, beat: Beat) -> None:
        pcm = beat.line.read_pcm24k()
        first_ms, last_ms = speech_span_ms(pcm)
        now_s = self._card.tape.caller_s
        self._last = CallerTurn(
            began_s=now_s + first_ms / 1000,
            ended_s=now_s + last_ms / 1000,
            said=beat.line.transcript,
            cut_in=beat.cut_in_after_s is not None,
        )
        self._card.microphone.say(pcm)
        self._call.speaks(self._last)

    async def _hear_out(self) -> None:
        """Wait until the agent has answered, and has been heard to the end."""
        await self._hear(math.inf)

    async def _hear(self, at_least_s: float) -> None:
        """Wait until so much of an answer was heard; an answer that is shorter is heard out."""
        with _patience():
            while True:
                if self._has_heard(at_least_s):
                    return
                await trio.sleep(FRAME_MS / 1000)

    def _has_heard(self, at_least_s: float) -> bool:
        playing = self._card.loudspeaker.now_playing
        if playing is not None and playing.heard_ms >= at_least_s * 1000:
            return True
        return self._last is None or self._call.heard_out(self._last)


@contextmanager
def _patience() -> Iterator[None]:
    try:
        with trio.fail_after(ANSWER_DEADLINE_S):
            yield
    except trio.TooSlowError as error:
        raise DeadlinePassed("the agent's answer", ANSWER_DEADLINE_S) from error
