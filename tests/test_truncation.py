"""A thousand interruptions: what the service is told was heard is what was handed out, by the service's own ledger."""

import random
import struct
from collections import Counter

import attrs
import pybase64
import pytest
import trio
from rooms import config

from engine.audio.pcm import silence, tone
from engine.events import BidiInterruptionEvent, BidiResponseStartEvent, BidiTextInputEvent
from engine.session import open_session
from engine.simulator import Pace, Say, Script, ScriptedResponder, SimulatorSettings, serve
from engine.testing import in_memory

FRAME_MS = 20
RATE_HZ = 24_000
CUTS_A_SESSION = 50
SPOKEN = tone(220, 200) + silence(560)


class CountingVoice(ScriptedResponder):
    """Each answer is of one sample value of its own, so that who hears a sample knows whose it is."""

    def __init__(self, dice):
        super().__init__(Script(echo="Yes."))
        self.dice = dice
        self.answers = 0

    async def speak(self, text, voice):
        self.answers += 1
        for _ in range(self.dice.randint(1, 10)):
            yield struct.pack("<h", self.answers) * self.dice.randint(1200, 4800)


@attrs.define
class Said:
    """What the service knows of one item, from its ledger."""

    mark: int
    sent_samples: int = 0


async def listen(frames, handed):
    """Play: count the samples of each answer as they are handed out."""
    async for frame in frames:
        assert len(frame) == FRAME_MS * 48
        handed.update(struct.unpack(f"<{len(frame) // 2}h", frame))


async def talk(session, dice, handed):
    """Cut into one answer after the other, by voice or by key, at any time from before it begins to after its end."""
    events = session.receive()
    for _ in range(CUTS_A_SESSION):
        await session.send_audio(SPOKEN)
        async for event in events:
            if isinstance(event, BidiResponseStartEvent):
                break
        await trio.sleep(dice.uniform(0, 0.6))
        if dice.random() < 0.5:
            await session.interrupt()
            await trio.sleep(dice.uniform(0, 0.1))


def items_sent(ledger):
    """Read what was sent of each item."""
    items: dict[str, Said] = {}
    for message in ledger.sent:
        if message.type == "response.output_audio.delta":
            event = message.event
            audio = pybase64.b64decode(event["delta"])
            item = items.setdefault(event["item_id"], Said(struct.unpack("<h", audio[:2])[0]))
            item.sent_samples += len(audio) // 2
    return items


def told(ledger, event_type):
    return [message.event for message in ledger.received if message.type == event_type]


async def converse(seed):
    """Talk for a session; give its ledger, and the samples that were handed out of each answer."""
    dice, handed = random.Random(seed), Counter()
    pace = Pace(
        audio_speed=dice.choice([0.9, 2, 6, 50]), audio_delta_ms=dice.choice([80, 240]), think_ms=20, first_delta_ms=20
    )
    settings = SimulatorSettings(pace=pace, ledger_max_bytes=2**30, ledger_max_events=10**6)
    async with serve(settings, lambda: CountingVoice(dice), host=None) as simulator:
        async with (
            open_session(config(engine={"input_frame_ms": 200}), connector=in_memory(simulator)) as session,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(listen, session.audio_out(FRAME_MS), handed)
            await talk(session, dice, handed)
            nursery.cancel_scope.cancel()
        (ledger,) = simulator.sessions
        assert ledger.crash is None
    return ledger, handed


@pytest.mark.parametrize("seed", range(1000 // CUTS_A_SESSION))
async def test_what_the_service_is_told_was_heard_is_what_was_handed_out(seed, autojump_clock):
    ledger, handed = await converse(seed)
    items = items_sent(ledger)
    truncated = told(ledger, "conversation.item.truncate")
    deleted = told(ledger, "conversation.item.delete")
    ids = [event["item_id"] for event in truncated + deleted]
    assert len(ids) == len(set(ids)), "once an item"
    assert len(truncated) > CUTS_A_SESSION / 2
    assert ledger.sent.counts["error"] == 0
    for event in truncated:
        item = items[event["item_id"]]
        assert event["content_index"] == 0
        # Far under a frame: the millisecond is rounded down, and nothing else.
        assert event["audio_end_ms"] == handed[item.mark] * 1000 // RATE_HZ
        assert 0 < event["audio_end_ms"] < item.sent_samples * 1000 / RATE_HZ
    assert [handed[items[event["item_id"]].mark] for event in deleted] == [0] * len(deleted)
    *before, _ = items  # The last one still plays when the session ends.
    untold = [items[item_id] for item_id in before if item_id not in ids]
    assert [item for item in untold if item.sent_samples != handed[item.mark]] == []


async def test_with_half_a_minute_queued_an_interruption_silences_the_very_next_frame(autojump_clock):
    script = Script.of(Say("a" * 480), Say("Yes?"))
    frames, events = {}, {}
    settings = SimulatorSettings(pace=Pace(audio_speed=1000))
    async with (
        serve(settings, script.responder, host=None) as simulator,
        open_session(config(), connector=in_memory(simulator)) as session,
        trio.open_nursery() as nursery,
    ):

        async def note(stream, told):
            async for each in stream:
                told[trio.current_time(), len(told)] = each

        out = session.audio_out(FRAME_MS)
        nursery.start_soon(note, out, frames)
        nursery.start_soon(note, session.receive(), events)
        await session.send(BidiTextInputEvent("Say a."))
        await trio.sleep(1.507)
        waiting_ms = out.statistics().waiting_ms
        await session.send_audio(SPOKEN[: 48 * 200])
        await trio.sleep(5)
        nursery.cancel_scope.cancel()
    (said,) = (message for message in simulator.sessions[0].sent if message.type == "input_audio_buffer.speech_started")
    assert waiting_ms > 29_000
    interrupted = [at for (at, _), event in events.items() if isinstance(event, BidiInterruptionEvent)]
    assert interrupted == [pytest.approx(said.at_s, abs=0.005)]
    assert [any(frame) for (at, _), frame in frames.items() if said.at_s - 1 < at <= said.at_s] == [True] * 50
    assert not any(any(frame) for (at, _), frame in frames.items() if at > said.at_s)
