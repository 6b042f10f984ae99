"""A transcription goes on over another connection: each word that was said is written down, and once."""

from contextlib import asynccontextmanager

import pytest
import trio
from rooms import KEY, ONE_LINK, tasks
from survivors import SURVIVES, Brain, Break, Network, crashes, heard_by, noise, recognised, speech, spoken

from engine import ClientSettings, Transcription, TranscriptionConfig, open_transcription
from engine.config import EngineSettings, Reconnect
from engine.errors import BidiModelTimeoutError, ConnectionLost, SessionEnded
from engine.events import (
    BidiConnectionCloseEvent,
    BidiConnectionRestartEvent,
    BidiConnectionWarningEvent,
    BidiErrorEvent,
    SpeechCommittedEvent,
    SpeechStartedEvent,
    SpeechStoppedEvent,
    TranscriptEvent,
)
from engine.protocol.succession import WORDS_WAIT_S
from engine.simulator import Pace, SimulatorSettings, serve
from engine.wire.client import SessionUpdate
from engine.wire.session import Session

FRAME_MS, FRAME_BYTES = 40, 1920
BY_HAND = {"turn_detection": None, "transcription": Transcription(model="gpt-realtime-whisper")}


def config(*, timeout_s=3000.0, engine=None, **settings):
    client = ClientSettings(api_key=KEY, base_url="ws://localhost/v1", timeout_s=timeout_s)
    return TranscriptionConfig(client=client, engine=EngineSettings(**{**SURVIVES, **(engine or {})}), **settings)


class Dictation:
    """Speaks, and writes down what is told, as an application does that drops at a restart what has no end."""

    def __init__(self, session):
        self.session = session
        self.events, self.error = [], None
        self.turns, self.words = [], {}
        self.sent = bytearray()
        self.speech_at = {}
        self._came = trio.Event()

    async def listen(self):
        try:
            async for event in self.session.receive():
                self.events.append(event)
                self._take(event)
                self._came.set()
                self._came = trio.Event()
        except SessionEnded:
            pass
        except Exception as error:  # noqa: BLE001 - whatever it ended with is looked at
            self.error = error
        self._came.set()

    def _take(self, event):
        match event:
            case BidiConnectionRestartEvent():
                self.turns = [turn for turn in self.turns if turn in self.words]
            case SpeechCommittedEvent():
                before = event.previous_item_id
                assert before is None or before in self.turns, "the turn before is one that counts"
                self.turns.insert(self.turns.index(before) + 1 if before else 0, event.item_id)
            case TranscriptEvent(is_final=True):
                assert event.item_id not in self.words
                self.words[event.item_id] = event.transcript

    async def play(self, pcm):
        for at in range(0, len(pcm), FRAME_BYTES):
            await self.session.send_audio(pcm[at : at + FRAME_BYTES])
            self.sent += pcm[at : at + FRAME_BYTES]
            await trio.sleep(FRAME_MS / 1000)

    async def speak(self, number, pause_ms=1000):
        self.speech_at[f"turn {number}"] = len(self.sent) / 48
        await self.play(spoken(number, pause_ms))

    async def until(self, holds, within_s=120):
        with trio.move_on_after(within_s):
            while not holds():
                if self.error is not None:
                    raise self.error
                await self._came.wait()
            return
        raise AssertionError(f"did not come to pass in {within_s} s: {self.events}")

    async def written(self, count):
        await self.until(lambda: len(self.words) >= count)

    def of(self, cls):
        return [event for event in self.events if isinstance(event, cls)]

    @property
    def text(self):
        return [self.words[turn] for turn in self.turns if turn in self.words]

    @property
    def restarts(self):
        return self.of(BidiConnectionRestartEvent)


@asynccontextmanager
async def dictating(*breaks, service=None, settings=None, responder=Brain, timeout_s=3000.0, **engine):
    """Serve, and dictate over a network that breaks; at the end nothing is left."""
    kept = {"ledger_max_sessions": 40, **(service or {})}
    async with serve(SimulatorSettings(**kept), responder, host=None) as simulator:
        living = tasks()
        network = Network(simulator, *breaks)
        made = config(timeout_s=timeout_s, engine=engine, **(settings or {}))
        async with open_transcription(made, connector=network.connect) as session, trio.open_nursery() as nursery:
            dictation = Dictation(session)
            nursery.start_soon(dictation.listen)
            yield simulator, network, dictation
            nursery.cancel_scope.cancel()
        await trio.sleep(11)
        assert (tasks(), simulator.active_sessions) == (living, 0)
        assert crashes(simulator) == []


def check_well_formed(dictation):
    """Each turn begins, ends and is written in this order, under one id, on one side of each restart."""
    places = {SpeechStartedEvent: 0, SpeechStoppedEvent: 1, SpeechCommittedEvent: 2, TranscriptEvent: 3}
    reached = {}
    for event in dictation.events:
        if isinstance(event, BidiConnectionRestartEvent):
            reached = dict.fromkeys(reached, 4)  # Nothing more may come.
        if type(event) in places:
            place = places[type(event)]
            assert reached.get(event.item_id, 0) <= place, event
            reached[event.item_id] = 4 if getattr(event, "is_final", False) else place


def check_places(dictation):
    """A turn is told where it was in all that the application sent, whichever connection heard it."""
    for event in dictation.of(SpeechStartedEvent):
        if event.item_id in dictation.words:
            at_ms = dictation.speech_at[dictation.words[event.item_id]]
            assert at_ms - 400 <= event.audio_start_ms <= at_ms + 100
    for event in dictation.of(SpeechStoppedEvent):
        if event.item_id in dictation.words:
            words = dictation.words[event.item_id]
            at_ms = dictation.speech_at[words] + len(speech(int(words.split()[1]))) / 48
            assert at_ms <= event.audio_end_ms <= at_ms + 800


# --- at any message ---------------------------------------------------------------------------------------------------


async def talk(dictation):
    for number in (1, 2, 3):
        await dictation.speak(number)
    await dictation.written(3)


async def talk_by_hand(dictation):
    for number in (1, 2, 3):
        await dictation.speak(number, 200)
        await dictation.session.commit()
    await dictation.written(3)


async def broken_talk(how, *breaks, settings=None):
    async with dictating(*breaks, settings=settings) as (_, network, dictation):
        await how(dictation)
        assert dictation.text == ["turn 1", "turn 2", "turn 3"], dictation.events
        check_well_formed(dictation)
        if settings is None:
            check_places(dictation)
        assert dictation.error is None
        assert bool(breaks) <= len(dictation.restarts) <= len(breaks)  # One may break before it has taken over.
        return list(network.messages)


@pytest.mark.parametrize(("how", "settings"), [(talk, None), (talk_by_hand, BY_HAND)], ids=["heard", "by hand"])
@pytest.mark.parametrize(("breaks", "stride"), [("reset", 9), (1011, 17), ("expired", 19)])
async def test_a_dictation_that_breaks_at_some_message_is_written_down_whole(
    how, settings, breaks, stride, autojump_clock
):
    messages = await broken_talk(how, settings=settings)
    assert len(messages) > 60
    for at in range(3, len(messages) - 2, stride):
        lost = messages[at][0] == "client" and at % 2 == 0
        await broken_talk(how, Break(breaks, at, lost=lost), settings=settings)


@pytest.mark.parametrize(("how", "settings"), [(talk, None), (talk_by_hand, BY_HAND)], ids=["heard", "by hand"])
async def test_a_connection_that_breaks_before_it_has_heard_all_again_costs_no_word_either(
    how, settings, autojump_clock
):
    for at in range(30, 75, 13):
        for after in (1, 3, 9):  # The settings, some of the audio, most of it.
            breaks = Break("reset", at), Break("eof", at + after, lost=True)
            await broken_talk(how, *breaks, settings=settings)


# --- renewal ----------------------------------------------------------------------------------------------------------


async def test_a_renewal_waits_for_a_turn_and_its_words_and_no_word_is_cut(autojump_clock):
    async with dictating(timeout_s=6.2) as (simulator, _, dictation):
        for number in range(1, 10):
            await dictation.speak(number)
        await dictation.written(9)
        assert dictation.text == [f"turn {number}" for number in range(1, 10)], dictation.events
        assert {event.reason for event in dictation.restarts} == {"renewal"}
        assert len(dictation.restarts) >= 2
        told = {(event.asked_again, event.replayed_items, event.left_out_items) for event in dictation.restarts}
        assert told == {(False, 0, 0)}
        check_heard(simulator, bytes(dictation.sent))
        check_well_formed(dictation)
        check_places(dictation)
        warnings = dictation.of(BidiConnectionWarningEvent)
        assert [event.reason for event in warnings] == ["renewal"] * len(warnings)


def check_heard(simulator, sent):
    """Each connection heard one piece of what was sent, and all of them heard all; what two heard holds no word."""
    end = 0
    for ledger in simulator.sessions:
        pcm = heard_by(ledger)
        start = sent.index(pcm)
        assert start <= end
        assert recognised(sent[start:end]) == "nothing"
        end = start + len(pcm)
    assert end == len(sent)


@pytest.mark.parametrize("before_ms", range(40, 480, 80))
async def test_a_word_that_begins_as_the_connection_changes_is_heard_whole(before_ms, autojump_clock):
    async with dictating(timeout_s=3) as (_, network, dictation):
        await dictation.play(noise("before", 3000 - before_ms, 16))  # The renewal comes 3 s after the first packet.
        network.line.hold()  # The service is far away: it has heard the word, and nobody knows yet.
        await dictation.speak(1)
        await dictation.written(1)
        assert dictation.text == ["turn 1"]
        assert not dictation.restarts[0].asked_again
        check_places(dictation)


async def test_at_the_bound_a_turn_moves_over_with_all_that_was_said_of_it(autojump_clock):
    async with dictating(timeout_s=3, session_max_s=8, renew_margin_s=4) as (_, _, dictation):
        await dictation.speak(30)  # 6 s, so that the bound comes in the middle.
        await dictation.written(1)
        assert dictation.text == ["turn 30"]
        restart = dictation.restarts[0]
        assert (restart.reason, restart.asked_again) == ("renewal", True)
        check_well_formed(dictation)
        check_places(dictation)


async def test_words_that_do_not_come_are_not_waited_for_long_and_their_turn_is_said_again(autojump_clock):
    first = []

    class SlowOnce(Brain):
        async def transcribe(self, pcm):
            if not first:
                first.append(trio.current_time())
                await trio.sleep(600)
            return await super().transcribe(pcm)

    async with dictating(timeout_s=3, responder=SlowOnce) as (_, _, dictation):
        await dictation.speak(1)
        await dictation.written(1)
        restart = dictation.restarts[0]
        assert (restart.replayed_items, restart.asked_again) == (1, True)
        old, new = dictation.of(SpeechCommittedEvent)
        assert old.item_id != new.item_id
        assert restart.received_at - first[0] == pytest.approx(WORDS_WAIT_S + 1, abs=1.5)


async def test_audio_that_was_not_committed_moves_over_with_its_commit(autojump_clock):
    async with dictating(timeout_s=3, session_max_s=8, renew_margin_s=4, settings=BY_HAND) as (_, _, dictation):
        await dictation.speak(30)
        await dictation.session.commit()
        await dictation.written(1)
        assert dictation.text == ["turn 30"]
        assert dictation.restarts[0].asked_again


async def test_words_of_a_turn_that_was_torn_never_become_final(autojump_clock):
    slow = {"pace": Pace(transcription_delta_ms=400)}
    async with dictating(service=slow) as (_, network, dictation):
        await dictation.speak(1)
        await dictation.until(lambda: dictation.of(TranscriptEvent))
        network.line.end(Break())
        await dictation.written(1)
        assert dictation.text == ["turn 1"]
        torn = dictation.of(TranscriptEvent)[0].item_id
        assert torn not in dictation.words
        assert torn not in dictation.turns


# --- settings ---------------------------------------------------------------------------------------------------------


def inputs(ledger):
    return [message.event["session"] for message in ledger.received if message.type == "session.update"]


async def test_another_connection_is_told_all_settings_before_it_hears_anything(autojump_clock):
    async with dictating(settings={"noise_reduction": "far_field"}) as (simulator, network, dictation):
        await dictation.session.update(noise_reduction="near_field")
        await dictation.session.update(include=["item.input_audio_transcription.logprobs"])
        await dictation.session.update(include=None)
        await trio.sleep(1)
        network.line.end(Break())
        await dictation.speak(1)
        await dictation.written(1)
        first, second = simulator.sessions
        assert [message.type for message in second.received][:4] == ["session.update"] * 3 + [
            "input_audio_buffer.append"
        ]
        told = [message.event["session"] for message in second.sent if message.type == "session.updated"][-1]
        assert told["audio"]["input"]["noise_reduction"] == {"type": "near_field"}
        assert told["include"] is None
        assert told == {
            **[m.event["session"] for m in first.sent if m.type == "session.updated"][-1],
            "id": told["id"],
        } | {"expires_at": told["expires_at"]}


async def test_a_change_during_an_outage_reaches_the_next_connection(autojump_clock):
    async with dictating() as (simulator, network, dictation):
        network.next.append(3.0)
        network.line.end(Break())
        await trio.sleep(1)
        await dictation.session.update(noise_reduction="near_field")
        await dictation.speak(1)
        await dictation.written(1)
        assert inputs(simulator.sessions[-1])[-1]["audio"]["input"] == {"noise_reduction": {"type": "near_field"}}
        assert dictation.text == ["turn 1"]


async def test_a_change_while_the_next_connection_is_made_reaches_it_as_well(autojump_clock):
    async with dictating(timeout_s=2) as (simulator, network, dictation):
        network.next.append(3.0)
        await trio.sleep(3)
        await dictation.session.update(noise_reduction="near_field")
        await dictation.until(lambda: dictation.restarts)
        await trio.sleep(1)
        assert inputs(simulator.sessions[1])[-1]["audio"]["input"] == {"noise_reduction": {"type": "near_field"}}


async def test_a_change_that_was_refused_is_not_told_again(autojump_clock):
    async with dictating() as (simulator, network, dictation):
        await dictation.session.raw.send(SessionUpdate(session=Session(type="transcription", instructions="Answer.")))
        await dictation.until(lambda: dictation.of(BidiErrorEvent))
        network.line.end(Break())
        await dictation.speak(1)
        await dictation.written(1)
        assert len(inputs(simulator.sessions[0])) == 2
        assert len(inputs(simulator.sessions[1])) == 1


# --- policies ---------------------------------------------------------------------------------------------------------


async def test_without_a_policy_a_lost_connection_ends_it(autojump_clock):
    async with dictating(**ONE_LINK) as (_, network, dictation):
        await dictation.speak(1)
        network.line.end(Break("eof"))
        with pytest.raises(ConnectionLost):
            await dictation.until(lambda: False)
        assert dictation.text == ["turn 1"]
        assert not dictation.of(BidiConnectionWarningEvent)


async def test_without_a_policy_its_time_ends_it(autojump_clock):
    async with dictating(timeout_s=3, **ONE_LINK) as (_, _, dictation):
        with pytest.raises(BidiModelTimeoutError):
            await dictation.until(lambda: False)


async def test_an_outage_that_lasts_too_long_ends_it_with_what_began_it(autojump_clock):
    async with dictating(reconnect=Reconnect(attempts=3)) as (_, network, dictation):
        network.next.extend(ConnectionLost("no route") for _ in range(10))
        network.line.end(Break("eof"))
        with pytest.raises(ConnectionLost, match="without a close frame"):
            await dictation.until(lambda: False)
        (warning,) = dictation.of(BidiConnectionWarningEvent)
        assert warning.reason == "connection_lost"


async def test_a_service_that_closes_in_order_ends_it_in_order(autojump_clock):
    async with dictating() as (_, network, dictation):
        network.line.end(Break(1000))
        await dictation.until(lambda: dictation.of(BidiConnectionCloseEvent))
        assert dictation.of(BidiConnectionCloseEvent)[0].reason == "complete"


async def test_what_is_not_kept_is_told_as_left_out(autojump_clock):
    async with dictating(service={"pace": Pace(transcription_ms=3000)}, kept_speech_s=0) as (_, network, dictation):
        await dictation.speak(1)
        await dictation.until(lambda: dictation.of(SpeechCommittedEvent))
        network.line.end(Break())
        await dictation.until(lambda: dictation.restarts)
        (restart,) = dictation.restarts
        assert (restart.replayed_items, restart.left_out_items, restart.asked_again) == (0, 1, False)
        await dictation.speak(2)
        await dictation.written(1)
        assert dictation.text == ["turn 2"]


async def test_what_is_said_while_there_is_no_connection_is_written_down(autojump_clock):
    async with dictating() as (_, network, dictation):
        network.next.append(4.0)
        await dictation.speak(1)
        network.line.end(Break())
        await dictation.speak(2)
        await dictation.speak(3)
        await dictation.written(3)
        assert dictation.text == ["turn 1", "turn 2", "turn 3"]
        check_places(dictation)


def test_it_survives_by_default():
    engine = TranscriptionConfig(client=ClientSettings(api_key=KEY)).engine
    assert (engine.on_timeout, engine.reconnect) == ("renew", Reconnect())
