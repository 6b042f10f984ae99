"""A translation goes on over another connection: no word comes twice, and at a boundary none is lost."""

import re
from collections import Counter
from contextlib import asynccontextmanager

import pybase64
import pytest
import trio
from rooms import KEY, ONE_LINK, Peer, said, tasks
from survivors import LOUD, QUIET, SURVIVES, Break, Network, crashes, noise

from engine import AudioSettings, ClientSettings, TranslationConfig, open_translation
from engine.audio.pcm import tone
from engine.config import EngineSettings, Reconnect
from engine.config.listening import TRANSLATION_FRAME_MS
from engine.errors import BidiModelTimeoutError, ConnectionLost, ServerReported, SessionEnded
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


@pytest.mark.parametrize(("breaks", "stride"), [("reset", 4), (1011, 9), ("expired", 11)])
async def test_a_connection_that_breaks_costs_no_more_than_the_service_lags_behind(breaks, stride, autojump_clock):
    messages, words, _ = await broken_talk()
    assert words == ALL
    for at in range(3, len(messages) - 1, stride):
        lost = messages[at][0] == "client" and at % 2 == 0
        _, words, restarts = await broken_talk(Break(breaks, at, lost=lost))
        assert len(ALL) - len(words) <= LAG_STEPS, (at, messages[at], words)
        assert len(restarts) == 1


async def test_what_was_said_before_and_after_an_outage_is_translated(autojump_clock):
    async with translating() as (_, network, listener):
        await listener.play(sentence(1, 2000))
        network.next.append(3.0)
        network.line.end(Break())
        await listener.play(sentence(2))  # Nobody hears it yet.
        await listener.play(sentence(3))
        await listener.finished()
        assert listener.words() == ALL
        (restart,) = listener.restarts
        assert restart.gap_ms == pytest.approx(3000, abs=1)
        check_well_formed(listener)


async def test_words_of_which_nothing_was_said_yet_are_heard_again(autojump_clock):
    async with translating() as (_, network, listener):
        await listener.play(sentence(1, 2000))
        await listener.play(sentence(2)[: 2 * STEP_BYTES])
        network.line.end(Break())
        await listener.play(sentence(2)[2 * STEP_BYTES :])
        await listener.finished()
        assert listener.words() == ALL[:6]


async def test_a_connection_that_is_dead_without_a_word_costs_nothing_of_what_it_never_heard(autojump_clock):
    async with translating(ping_interval_s=2, ping_deadline_s=2) as (_, network, listener):
        await listener.play(sentence(1, 3000))
        network.line.silent = True
        await listener.play(sentence(2))
        await listener.play(sentence(3))
        await listener.finished()
        assert listener.words() == ALL
        assert listener.restarts[0].reason == "connection_lost"


# --- renewal ----------------------------------------------------------------------------------------------------------


async def test_a_renewal_waits_until_neither_side_speaks_and_costs_no_word(autojump_clock):
    async with translating(timeout_s=4) as (_, _, listener):
        for number in (1, 2, 3):
            await listener.play(sentence(number))
        assert not listener.restarts  # Pauses of a second are none.
        await trio.sleep(3)
        assert [event.reason for event in listener.restarts] == ["renewal"]
        for number in (4, 5, 6):
            await listener.play(sentence(number))
        await listener.finished()
        assert listener.words() == [f"{number}{part}" for number in range(1, 7) for part in "abc"]
        check_well_formed(listener)
        restart = listener.restarts[0]
        last = [event for event in listener.of(TranslationTextEvent) if event.received_at < restart.received_at][-1]
        assert restart.received_at - last.received_at == pytest.approx(QUIET_S, abs=0.3)


@pytest.mark.parametrize("before_s", [0.1, 0.3, 0.5])
async def test_a_sentence_that_begins_as_the_connection_changes_is_translated_whole(before_s, autojump_clock):
    async with translating(timeout_s=6) as (_, _, listener):
        await listener.play(sentence(1))
        await trio.sleep(6 - 1.6 - before_s)
        await listener.play(sentence(2))
        await listener.finished()
        assert listener.restarts
        assert listener.words() == ALL[:6]


async def test_at_the_bound_it_moves_on_though_somebody_speaks(autojump_clock):
    async with translating(timeout_s=2, session_max_s=8, renew_margin_s=4) as (_, _, listener):
        for number in range(1, 8):
            await listener.play(sentence(number, 200))
        await listener.finished()
        words = listener.words()
        assert listener.restarts[0].reason == "renewal"
        assert max(Counter(words).values()) == 1
        assert 21 - len(words) <= LAG_STEPS * len(listener.restarts)


async def test_one_that_is_about_to_end_is_not_renewed(autojump_clock):
    async with by_hand(timeout_s=5) as (listener, peers):
        await trio.sleep(4)
        await listener.session.finish()
        for _ in range(10):
            await trio.sleep(10)
            await peers[0].say(said("session.output_transcript.delta", delta="still here"))
        await peers[0].say(said("session.closed"))
        await listener.until(lambda: listener.of(BidiConnectionCloseEvent))
        assert not listener.restarts


# --- the end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outage_s", [0.0, 40.0])
async def test_an_end_that_was_asked_for_is_asked_for_again(outage_s, autojump_clock):
    async with translating() as (simulator, network, listener):
        await listener.play(sentence(1, 0))
        await listener.session.finish()
        network.next.append(outage_s)
        network.line.end(Break())
        await listener.until(lambda: listener.of(BidiConnectionCloseEvent))
        assert listener.events[-1].reason == "complete"
        assert simulator.sessions[-1].received.types[-1] == "session.close"


async def test_an_end_can_be_asked_for_while_there_is_no_connection(autojump_clock):
    async with translating() as (simulator, network, listener):
        network.next.append(3.0)
        network.line.end(Break())
        await listener.play(sentence(1, 0))
        await listener.finished()
        assert listener.words() == ALL[:3]
        assert simulator.sessions[-1].received.types.count("session.close") == 1


async def test_a_service_that_never_finishes_after_a_restart_is_not_waited_for(autojump_clock):
    async with by_hand() as (listener, peers):
        await listener.session.finish()
        await trio.sleep(20)
        peers[0].transport.hang_up(1006, "gone")
        await trio.sleep(29)
        assert listener.restarts
        assert listener.error is None
        await trio.sleep(2)
        assert "session.close" in str(listener.error)


# --- the sound --------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def by_hand(timeout_s=3000.0, refuses=False, **settings):
    """Translate with a service written by hand, which may refuse another's settings; give who listens, and its ends."""
    connector, peers = MemoryConnector(), []
    async with trio.open_nursery() as nursery:

        async def answer():
            while True:
                peer = Peer(await connector.accept())
                peers.append(peer)
                session = {"type": "translation", "id": f"sess_{len(peers)}"}
                await peer.say(said("session.created", session=session))
                if refuses and len(peers) > 1:
                    await peer.say(
                        said("error", error={"type": "invalid_request_error", "message": "no such language"})
                    )
                else:
                    await peer.say(said("session.updated", session=session))

        nursery.start_soon(answer)
        async with open_translation(config(timeout_s=timeout_s, **settings), connector=connector) as session:
            listener = Listener(session)
            nursery.start_soon(listener.listen)
            yield listener, peers
        nursery.cancel_scope.cancel()


def speech_delta(pcm):
    return said("session.output_audio.delta", delta=pybase64.b64encode(pcm).decode(), elapsed_ms=200)


@pytest.mark.parametrize("rate", [24_000, 48_000])
async def test_half_a_sample_of_a_broken_connection_spoils_nothing(rate, autojump_clock):
    async with by_hand(audio=AudioSettings(output_rate=rate)) as (listener, peers):
        first, second = tone(220, 300), tone(330, 300)
        phone = listener.session.audio_out(20)
        await peers[0].say(speech_delta(first[:-1]))
        peers[0].transport.hang_up(1006, "gone")
        await listener.until(lambda: listener.restarts)
        await peers[1].say(speech_delta(second))
        await trio.sleep(1)
        heard = b"".join([await anext(phone) for _ in range(60)])
        assert first[:-2] in heard
        assert second in heard
        pieces = listener.of(TranslatedAudioEvent)
        assert {event.item_id: event.elapsed_ms for event in pieces} == {"translation": 200, "translation_2": 400}
        ms = sum(len(event.pcm) for event in pieces if event.item_id == "translation") / 2 / rate * 1000
        assert ms == pytest.approx(300, abs=0.1)  # The whole of it: nothing is held back for what will not come.


# --- settings and policies --------------------------------------------------------------------------------------------


def told(ledger):
    return [message.event["session"]["audio"] for message in ledger.received if message.type == "session.update"]


async def test_another_connection_is_told_all_settings_before_it_hears_anything(autojump_clock):
    async with translating(settings={"noise_reduction": "near_field"}) as (simulator, network, listener):
        await listener.session.update(language="fr")
        await listener.session.update(language="de")
        await trio.sleep(1)
        network.line.end(Break())
        await trio.sleep(1)
        second = simulator.sessions[1]
        assert told(second) == [
            {"input": {"noise_reduction": {"type": "near_field"}}, "output": {"language": "es"}},
            {"output": {"language": "de"}},
        ]
        assert second.received.types[2] == "session.input_audio_buffer.append"


async def test_a_change_during_an_outage_reaches_the_next_connection(autojump_clock):
    async with translating() as (simulator, network, listener):
        network.next.append(3.0)
        network.line.end(Break())
        await trio.sleep(1)
        await listener.session.update(language="fr")
        await trio.sleep(5)
        assert told(simulator.sessions[-1])[-1] == {"output": {"language": "fr"}}


async def test_a_change_that_another_connection_refuses_is_told(autojump_clock):
    async with by_hand() as (listener, peers):
        await listener.session.update(language="xx")
        peers[0].transport.hang_up(1006, "gone")
        await listener.until(lambda: listener.restarts)
        details = {"type": "invalid_request_error", "code": "invalid_value", "message": "no", "event_id": "client_2"}
        await peers[1].say(said("error", error=details))
        await listener.until(lambda: listener.of(BidiErrorEvent))
        peers[1].transport.hang_up(1006, "gone")
        await listener.until(lambda: len(listener.restarts) == 2)
        await trio.sleep(1)
        updates = [event for event in [await peers[2].hear() for _ in range(3)] if event["type"] == "session.update"]
        assert len(updates) == 1


async def test_settings_that_another_connection_refuses_end_it_with_its_word(autojump_clock):
    async with by_hand(refuses=True) as (listener, peers):
        peers[0].transport.hang_up(1006, "gone")
        with pytest.raises(ServerReported, match="no such language"):
            await listener.until(lambda: False)


async def test_without_a_policy_a_lost_connection_ends_it(autojump_clock):
    async with translating(**ONE_LINK) as (_, network, listener):
        network.line.end(Break("eof"))
        with pytest.raises(ConnectionLost):
            await listener.until(lambda: False)
        assert not listener.of(BidiConnectionWarningEvent)


async def test_without_a_policy_its_time_ends_it(autojump_clock):
    async with translating(timeout_s=3, **ONE_LINK) as (_, _, listener):
        with pytest.raises(BidiModelTimeoutError):
            await listener.until(lambda: False)


def test_it_survives_by_default():
    engine = TranslationConfig(language="es", client=ClientSettings(api_key=KEY)).engine
    assert (engine.on_timeout, engine.reconnect, engine.fill_silence) == ("renew", Reconnect(), True)
