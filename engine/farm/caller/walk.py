"""The caller's way through a scenario: each step in its turn, and the answer heard out before the next one."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import ClassVar, Final

import trio

from engine.errors import ConfigError, DeadlinePassed, LocalMisuse, SessionEnded
from engine.events import BidiTextInputEvent
from engine.farm.caller.attention import Attention
from engine.farm.caller.ear import Ear
from engine.farm.caller.meaning import Uttered
from engine.farm.caller.mouth import Mouth
from engine.farm.caller.speech import Speech
from engine.farm.plan.model import Push, Say, Silence, Step, Type, Wait
from engine.session import Session

HEARING_DEADLINE_S: Final = 12.0
"""How much silence a caller leaves after speech until the service has heard the end: under `semantic_vad` with low
eagerness it waits up to 8 s."""

ANSWER_DEADLINE_S: Final = 30.0
"""How long a caller waits for an answer to begin, or to go on after a tool."""

TRANSCRIPT_DEADLINE_S: Final = 3.0
"""How long a caller who is through stays for the words of what it said last."""

LAST_WORD_S: Final = 2.0
"""How long after its sound a caller leaves the service to hear a last word. What it has not taken for speech by then is
noise to it, however loud: a street, a fan."""

_LOOK_S: Final = 0.25
"""How often a caller who waits looks whether the service hears it still: nothing tells of the end of speech."""


class _Over(Exception):
    """The session ended, in order, before the caller was through."""


class Walk:
    """Goes through the steps.

    Args:
        session: Whom the caller talks to.
        ear: Of the caller.
        mouth: Of the caller.
        speeches: What is said at each step that is spoken, by the step's place.
        step_done: Called after each step.
    """

    def __init__(
        self,
        session: Session,
        ear: Ear,
        mouth: Mouth,
        speeches: Mapping[int, Speech],
        step_done: Callable[[], None],
    ) -> None:
        self._session = session
        self._ear = ear
        self._mouth = mouth
        self._speeches = speeches
        self._step_done = step_done
        self._detection = session.config.turn_detection
        self._attention = Attention(session, ear)
        self._waits_since = 0.0
        self.step = 0
        """Number of the step that is taken, from 1."""

    @property
    def uttered(self) -> Sequence[Uttered]:
        """What the caller did so far."""
        return self._attention.uttered

    async def go(self, steps: Sequence[Step]) -> bool:
        """Take the steps; False when the session ended before the last one was done.

        Raises:
            DeadlinePassed: The service did not hear the caller, or did not answer.
            EngineError: A step can't be taken.
        """
        try:
            for index, step in enumerate(steps):
                self.step = index + 1
                following = steps[index + 1] if index + 1 < len(steps) else None
                await self._STEPS[type(step)](self, index, step, getattr(following, "interrupt_after_ms", None))
                self._step_done()
        except (_Over, SessionEnded):
            return False
        with contextlib.suppress(_Over):
            await self._stay_for_words()
        return True

    # --- steps ------------------------------------------------------------------------------------------------------

    async def _say(self, index: int, step: Say | Push, cut_in_ms: float | None) -> None:
        speech = self._speeches[index]
        await self._let_it_speak(step)
        uttered = self._attention.utter(step.say if isinstance(step, Say) else step.push, speech.words)
        uttered.sound = len(self._mouth.said)
        if self._detection is None:
            await self._silence_agent()  # Where the service does not listen for turns, nobody else does.
        spoken = await self._mouth.say(speech.pcm)
        uttered.said_at = spoken.until
        if await self._end_turn(uttered, spoken.at + speech.voiced_ms / 1000, awaited=step.await_answer):
            await self._hear(uttered, cut_in_ms)

    async def _type(self, _: int, step: Type, cut_in_ms: float | None) -> None:
        await self._let_it_speak(step)
        if step.interrupt_after_ms is not None:
            await self._silence_agent()
        uttered = self._attention.utter(step.type, None)
        await self._session.send(BidiTextInputEvent(step.type))
        uttered.through_at = trio.current_time()
        if step.await_answer:
            await self._hear(uttered, cut_in_ms)

    async def _wait(self, _: int, step: Wait, __: float | None) -> None:
        with trio.move_on_after(step.wait_s):
            while True:
                self._check()  # Nothing tells of what was over before.
                await self._ear.news()

    async def _silence(self, _: int, step: Silence, __: float | None) -> None:
        until = trio.current_time() + step.silence_ms / 1000
        while trio.current_time() < until:
            await self._mouth.keep_silent()

    _STEPS: ClassVar[Mapping[type, Callable[..., Awaitable[None]]]] = {
        Say: _say,
        Push: _say,
        Type: _type,
        Wait: _wait,
        Silence: _silence,
    }

    async def _let_it_speak(self, step: Say | Push | Type) -> None:
        """Hear so much of an answer that the step before did not await, as the caller lets it say."""
        cut_in_ms = getattr(step, "interrupt_after_ms", None)
        if cut_in_ms is not None and self.uttered:
            await self._hear(self.uttered[-1], cut_in_ms)

    async def _silence_agent(self) -> None:
        if self._ear.answering or self._ear.heard.ends_at > trio.current_time():
            await self._session.interrupt()

    # --- the end of what the caller says ------------------------------------------------------------------------------

    async def _end_turn(self, uttered: Uttered, voiced_until: float, *, awaited: bool) -> bool:
        """Have the service know that the caller is through; False when there is nothing to wait for."""
        if self._detection is None:
            await self._commit(respond=awaited)
        elif not await self._be_heard(uttered, voiced_until):
            if awaited:
                raise DeadlinePassed("hearing", HEARING_DEADLINE_S, message=self._unheard())
            self._ear.mark(trio.current_time(), "the service did not hear the caller")
        uttered.through_at = trio.current_time()
        if awaited and self._detection is not None and self._detection.create_response is False:
            await self._session.responses.create()
        return awaited

    async def _commit(self, *, respond: bool) -> None:
        """Push to talk: end the turn by hand.

        Raises:
            ConfigError: The sound is shorter than the service takes.
            SessionEnded: The session is over.
        """
        try:
            await self._session.input.commit(respond=respond)
        except SessionEnded:
            raise
        except LocalMisuse as error:
            message = f"step {self.step}: {error}"
            raise ConfigError("say", self.uttered[-1].said, "a longer sound", message=message) from error

    async def _be_heard(self, uttered: Uttered, voiced_until: float) -> bool:
        """Send silence until the service has heard the end of speech; False when it has not in time."""
        waits_since = trio.current_time()
        while not self._attention.was_heard(uttered, voiced_until, max(waits_since, voiced_until) + LAST_WORD_S):
            if not self._ear.connected:
                waits_since = trio.current_time()
            elif trio.current_time() >= waits_since + HEARING_DEADLINE_S:
                return False
            await self._mouth.keep_silent()
        return True

    def _unheard(self) -> str:
        return (
            f"step {self.step}: the service did not hear the end of what the caller said within the deadline 'hearing' "
            f"of {HEARING_DEADLINE_S:g} s | listen to the sound, and see turn_detection"
        )

    # --- the answer ---------------------------------------------------------------------------------------------------

    async def _hear(self, uttered: Uttered, cut_in_ms: float | None) -> None:
        """Hear the answer out, or so much of it as the caller lets it say."""
        self._waits_since = trio.current_time()
        while not self._has_heard(uttered, cut_in_ms):
            self._be_patient(uttered)
            if self._detection is not None and self._attention.is_heard():
                await self._mouth.keep_silent()  # Its last words were a turn of their own.
                continue
            with trio.move_on_at(self._look_again_at(uttered, cut_in_ms)):
                await (self._ear.news() if cut_in_ms is None else self._ear.sounds())
            self._check()

    def _has_heard(self, uttered: Uttered, cut_in_ms: float | None) -> bool:
        now, cut_at = trio.current_time(), self._attention.cut_at(uttered, cut_in_ms)
        if cut_at is not None and cut_at <= now:
            return True
        return self._ear.heard.ends_at <= now and self._attention.is_answered(uttered)

    def _look_again_at(self, uttered: Uttered, cut_in_ms: float | None) -> float:
        now, cut_at = trio.current_time(), self._attention.cut_at(uttered, cut_in_ms)
        look_at = self._ear.heard.ends_at if self._attention.is_answered(uttered) else now + _LOOK_S
        return look_at if cut_at is None else min(look_at, cut_at)

    def _be_patient(self, uttered: Uttered) -> None:
        """Wait on as long as there is something to wait for.

        Raises:
            DeadlinePassed: There was nothing for too long.
        """
        ear, now = self._ear, trio.current_time()
        if ear.answering or not ear.connected or ear.heard.ends_at > now or self._attention.runs_tool(uttered):
            self._waits_since = now
        elif now >= self._waits_since + ANSWER_DEADLINE_S:
            raise DeadlinePassed("answer", ANSWER_DEADLINE_S, message=self._unanswered())

    def _unanswered(self) -> str:
        return f"step {self.step}: no answer began within the deadline 'answer' of {ANSWER_DEADLINE_S:g} s"

    # --- the end ----------------------------------------------------------------------------------------------------

    async def _stay_for_words(self) -> None:
        """Stay until the service has written down what the caller said."""
        if self._session.config.transcription is None:
            return
        with trio.move_on_after(TRANSCRIPT_DEADLINE_S):
            while self._attention.misses_words():
                await self._ear.news()
                self._check()

    def _check(self) -> None:
        if self._ear.over:
            raise _Over
