"""A translation goes on over another connection: no word comes twice, and at a boundary none is lost."""

import math
import re
from collections import Counter
from contextlib import asynccontextmanager

import pytest
import trio
from rooms import KEY, ONE_LINK, Peer, said, tasks
from survivors import LOUD, QUIET, SURVIVES, Break, Network, crashes, heard_by, noise

from engine import AudioSettings, ClientSettings, TranslationConfig, open_translation
from engine.audio.pcm import tone
from engine.config import EngineSettings, Reconnect
from engine.config.listening import TRANSLATION_FRAME_MS
from engine.errors import BidiModelTimeoutError, ConnectionLost, SessionEnded
from engine.events import (
    BidiConnectionCloseEvent,
    BidiConnectionRestartEvent,
    BidiConnectionWarningEvent,
    BidiErrorEvent,
    TranslatedAudioEvent,
    TranslationTextEvent,
)
from engine.protocol.translation_succession import QUIET_S
from engine.simulator import Script, SimulatorSettings, serve
from engine.simulator.responder import Interpreted
from engine.testing import MemoryConnector

STEP_MS, STEP_BYTES = 200, 9600
LAG_STEPS = 3
WORDS = 3
PERIOD_MS = 600 + 1000


def word(number, part):
    """Give the sound of a word: 200 ms that are found nowhere else."""
    return noise(f"word {number}{part}", STEP_MS, LOUD)


def sentence(number, pause_ms=1000):
    return b"".join(word(number, part) for part in "abc") + noise(f"pause {number}", pause_ms, QUIET)


class Interpreter:
    """Knows each word once it has heard all of it, and says it some steps later."""

    def __init__(self):
        self._pcm = b""
        self._steps = 0
        self._due = []

    async def step(self, pcm, language):
        self._pcm = (self._pcm + pcm)[-3 * STEP_BYTES :]
        heard = ""
        for name, sound in SOUNDS.items():
            at = self._pcm.find(sound)
            if at >= 0:
                self._pcm = self._pcm[at + len(sound) :]
                heard = f"{name} "
                self._due.append((self._steps + LAG_STEPS, heard))
        return self._say(heard)

    async def rest(self, language):
        left = []
        while self._due:
            left.append(self._say(""))
        return left

    def _say(self, heard):
        self._steps += 1
        if self._due and self._due[0][0] < self._steps:
            return Interpreted(heard, self._due.pop(0)[1], tone(220, STEP_MS))
        return Interpreted(heard)


SOUNDS = {f"{number}{part}": word(number, part) for number in range(1, 8) for part in "abc"}
ALL = [f"{number}{part}" for number in (1, 2, 3) for part in "abc"]


class Responder:
    """Translates so; the rest is the script's."""

    def __new__(cls):
        responder = Script().responder()
        responder.interpreter = Interpreter
        return responder


class Listener:
    """Speaks, and takes down what is told."""

    def __init__(self, session):
        self.session = session
        self.events, self.error = [], None
        self.sent = bytearray()
        self._came = trio.Event()

    async def listen(self):
        try:
            async for event in self.session.receive():
                self.events.append(event)
                self._came.set()
                self._came = trio.Event()
        except SessionEnded:
            pass
        except Exception as error:  # noqa: BLE001 - whatever it ended with is looked at
            self.error = error
        self._came.set()

    async def play(self, pcm):
        for at in range(0, len(pcm), STEP_BYTES):
            await self.session.send_audio(pcm[at : at + STEP_BYTES])
            self.sent += pcm[at : at + STEP_BYTES]
            await trio.sleep(STEP_MS / 1000)

    async def until(self, holds, within_s=120):
        with trio.move_on_after(within_s):
            while not holds():
                if self.error is not None:
                    raise self.error
                await self._came.wait()
            return
        raise AssertionError(f"did not come to pass in {within_s} s: {self.events}")

    async def finished(self):
        await self.session.finish()
        await self.until(lambda: self.of(BidiConnectionCloseEvent))
        assert self.events[-1].reason == "complete"

    def of(self, cls):
        return [event for event in self.events if isinstance(event, cls)]

    def words(self, of="translation"):
        text = "".join(event.text for event in self.of(TranslationTextEvent) if event.of == of)
        return re.findall(r"\d[abc]", text)

    @property
    def restarts(self):
        return self.of(BidiConnectionRestartEvent)


def config(*, timeout_s=3000.0, engine=None, **settings):
    client = ClientSettings(api_key=KEY, base_url="ws://localhost/v1", timeout_s=timeout_s)
    steady = {"fill_silence": True, "input_frame_ms": TRANSLATION_FRAME_MS, **SURVIVES}
    made = EngineSettings(**{**steady, **(engine or {})})
    return TranslationConfig(**{"language": "es", "client": client, "engine": made, **settings})


@asynccontextmanager
async def translating(*breaks, settings=None, timeout_s=3000.0, **engine):
    """Serve, and speak over a network that breaks; at the end nothing is left."""
    async with serve(SimulatorSettings(ledger_max_sessions=40), Responder, host=None) as simulator:
        living = tasks()
        network = Network(simulator, *breaks)
        made = config(timeout_s=timeout_s, engine=engine, **(settings or {}))
        async with open_translation(made, connector=network.connect) as session, trio.open_nursery() as nursery:
            listener = Listener(session)
            nursery.start_soon(listener.listen)
            yield simulator, network, listener
            nursery.cancel_scope.cancel()
        await trio.sleep(11)
        assert (tasks(), simulator.active_sessions) == (living, 0)
        assert crashes(simulator) == []


def check_well_formed(listener):
    times = [event.elapsed_ms for event in listener.events if getattr(event, "elapsed_ms", None) is not None]
    assert times == sorted(times)
    for restart in listener.restarts:
        assert (restart.asked_again, restart.replayed_items, restart.left_out_items) == (False, 0, 0)


# --- at any message ---------------------------------------------------------------------------------------------------


async def broken_talk(*breaks):
    async with translating(*breaks) as (_, network, listener):
        for number in (1, 2, 3):
            await listener.play(sentence(number))
        await listener.finished()
        words = listener.words()
        assert words == sorted(words)
        assert Counter(words) <= Counter(ALL)
        check_well_formed(listener)
        assert listener.error is None
        return list(network.messages), words, listener.restarts


@pytest.mark.parametrize(("breaks", "stride"), [("reset", 3), (1011, 7), ("expired", 11)])
async def test_a_connection_that_breaks_costs_no_more_than_the_service_lags_behind(breaks, stride, autojump_clock):
    messages, words, _ = await broken_talk()
    assert words == ALL
    for at in range(3, len(messages) - 1, stride):
        lost = messages[at][0] == "client" and at % 2 == 0
        _, words, restarts = await broken_talk(Break(breaks, at, lost=lost))
        assert len(ALL) - len(words) <= LAG_STEPS, (at, messages[at], words)
        assert len(restarts) == 1
