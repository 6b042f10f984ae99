"""The browser example's relay: one browser's WebSocket and one session, on virtual time and without a browser."""

import json
from contextlib import asynccontextmanager

import pytest
import trio
from door import Door
from outbox import AHEAD_MS, MAX_BYTES, Outbox, Outgoing
from relay import HERE_DEADLINE_S, MICROPHONE_MAX_BYTES, SEND_DEADLINE_S, Gone, Relay, relay

from engine import ClientSettings, EngineSettings, SessionConfig, open_session
from engine.audio.pcm import silence, tone
from engine.simulator import Fail, Say, Script, serve
from engine.testing import in_memory

LONG = Say("Once upon a time there was a princess who had a golden ball and a well to play at. " * 4)
NOWHERE = SessionConfig(client=ClientSettings(api_key="any", base_url="ws://127.0.0.1:9/v1"))
MS = b"\0\0" * 24


class Browser:
    """The browser's end of a socket: `say` and `hear` are what its page does."""

    def __init__(self):
        self._to_server, self._from_browser = trio.open_memory_channel(0)
        self._to_browser, self._from_server = trio.open_memory_channel(0)
        self.heard = []

    # The server's end, as `relay` needs it.

    async def receive(self):
        try:
            return await self._from_browser.receive()
        except trio.EndOfChannel:
            raise Gone from None

    async def send(self, message):
        await self._to_browser.send(message)

    # The page.

    async def say(self, message):
        await self._to_server.send(message if isinstance(message, bytes | str) else json.dumps(message))

    async def hear(self):
        message = await self._from_server.receive()
        self.heard.append(message if isinstance(message, bytes) else json.loads(message))
        return self.heard[-1]

    async def hear_until(self, kind, **fields):
        while True:
            message = await self.hear()
            if not isinstance(message, bytes) and {"type": kind, **fields}.items() <= message.items():
                return message

    async def hear_all_for(self, seconds):
        with trio.move_on_after(seconds):
            while True:
                await self.hear()

    def leave(self):
        self._to_server.close()

    @property
    def speech_ms(self):
        return sum(len(message) for message in self.heard if isinstance(message, bytes)) / len(MS)


@asynccontextmanager
async def calling(*answers, transcripts=(), engine=None):
    """A browser that talks with a scripted service; the session's ledger at the service."""
    settings = {"on_timeout": "raise", "reconnect": None, **(engine or {})}
    config = SessionConfig(client=ClientSettings(api_key="any"), engine=EngineSettings(**settings))
    script = Script.of(*answers, transcripts=transcripts)
    async with serve(responder_factory=script.responder, host=None) as simulator, trio.open_nursery() as nursery:
        browser = Browser()
        browser.over = trio.Event()

        async def hold():
            async with open_session(config, connector=in_memory(simulator)) as session:
                browser.session = session
                await Relay(browser, session).run()
            browser.over.set()

        nursery.start_soon(hold)
        await browser.hear_until("open")
        yield browser, simulator
        nursery.cancel_scope.cancel()


def told_to_service(simulator, kind):
    return [message.event for message in simulator.sessions[0].received if message.type == kind]


async def test_what_the_microphone_hears_and_what_the_model_says_are_written_for_both(autojump_clock):
    async with calling(Say("Nine to five."), transcripts=["When are you open?"]) as (browser, _):
        for _ in range(30):
            await browser.say(tone(200, 40))
        for _ in range(30):
            await browser.say(silence(40))

        user = await browser.hear_until("words", role="user", final=True)
        model = await browser.hear_until("words", role="assistant", final=True)

    assert (user["text"], model["text"]) == ("When are you open?", "Nine to five.")


async def test_speech_goes_as_bytes_after_the_answer_that_it_belongs_to(autojump_clock):
    async with calling(Say("Nine to five.")) as (browser, _):
        await browser.say({"type": "text", "text": "When are you open?"})
        speech = await browser.hear_until("speech")
        words = await browser.hear_until("words", role="assistant", final=True)
        await browser.hear_all_for(5)

        assert speech["item"] == words["item"]
        assert browser.speech_ms == browser.session.playback.received_ms(words["item"]) > 0


async def test_the_browser_gets_speech_no_more_than_three_seconds_ahead_of_what_it_reports(autojump_clock):
    async with calling(LONG) as (browser, _):
        await browser.say({"type": "text", "text": "Tell me a tale"})
        item = (await browser.hear_until("speech"))["item"]
        await browser.hear_all_for(60)
        before = browser.speech_ms
        await browser.say({"type": "played", "item": item, "ms": 1000, "over_ms": 1000})
        await browser.hear_all_for(60)

        assert AHEAD_MS <= before < AHEAD_MS + 250
        assert before + 900 <= browser.speech_ms <= before + 1200
        assert browser.session.playback.received_ms(item) > 2 * browser.speech_ms


async def test_an_interruption_overtakes_what_waits_and_the_service_is_told_what_the_browser_played(autojump_clock):
    async with calling(LONG, Say("Yes?")) as (browser, simulator):
        await browser.say({"type": "text", "text": "Tell me a tale"})
        item = (await browser.hear_until("speech"))["item"]
        await browser.hear_all_for(2)
        await browser.say({"type": "played", "item": item, "ms": 1234.5, "over_ms": 1234.5})
        await browser.hear_all_for(2)
        for _ in range(10):
            await browser.say(tone(200, 40))
        interrupted = await browser.hear_until("interrupted")
        ahead = browser.speech_ms
        await browser.hear_all_for(2)

        assert interrupted["cut"] == {item: 1234}
        assert browser.speech_ms == ahead
        assert [event["audio_end_ms"] for event in told_to_service(simulator, "conversation.item.truncate")] == [1234]


async def test_what_was_not_reported_was_not_heard(autojump_clock):
    async with calling(LONG) as (browser, simulator):
        await browser.say({"type": "text", "text": "Tell me a tale"})
        item = (await browser.hear_until("speech"))["item"]
        await browser.hear_all_for(30)
        await browser.say({"type": "interrupt"})
        interrupted = await browser.hear_until("interrupted")
        await browser.hear_all_for(1)

        assert interrupted["cut"] == {item: 0}
        assert [event["item_id"] for event in told_to_service(simulator, "conversation.item.delete")] == [item]


async def test_an_answer_that_was_heard_to_its_end_is_not_cut(autojump_clock):
    async with calling(Say("Yes.")) as (browser, simulator):
        await browser.say({"type": "text", "text": "Are you there?"})
        item = (await browser.hear_until("speech"))["item"]
        await browser.hear_all_for(5)
        await browser.say({"type": "played", "item": item, "ms": browser.speech_ms, "over_ms": browser.speech_ms})
        await browser.say({"type": "interrupt"})
        await browser.hear_all_for(1)

        assert told_to_service(simulator, "conversation.item.truncate") == []
        assert [message["cut"] for message in browser.heard if isinstance(message, dict) and "cut" in message] == [{}]


@pytest.mark.parametrize(
    "nonsense",
    [
        "no JSON",
        "[]",
        "NaN",
        {"type": "played", "item": 7, "ms": 1, "over_ms": 1},
        {"type": "played", "item": "i", "ms": "1", "over_ms": 1},
        {"type": "text", "text": ""},
        {"type": "text", "text": "x" * 5000},
        {"type": "session.update"},
        b"\0" * (MICROPHONE_MAX_BYTES + 2),
        b"\0" * 3,
    ],
    ids=repr,
)
async def test_what_the_page_never_sends_ends_the_call(autojump_clock, nonsense):
    async with calling() as (browser, simulator):
        await browser.say(nonsense)
        over = await browser.hear_until("over")
        await browser.over.wait()

        assert over["message"]
        assert simulator.active_sessions == 0


@pytest.mark.parametrize("played", [{"ms": 1, "over_ms": 1}, {"ms": 1e300, "over_ms": float("inf")}])
async def test_a_position_in_an_answer_that_is_not_known_changes_nothing(autojump_clock, played):
    async with calling(Say("Yes.")) as (browser, _):
        await browser.say({"type": "played", "item": "item_never", **played})
        await browser.say({"type": "text", "text": "Are you there?"})

        assert (await browser.hear_until("words", final=True))["text"] == "Yes."


async def test_the_session_ends_with_the_socket(autojump_clock):
    async with calling(LONG) as (browser, simulator):
        await browser.say({"type": "text", "text": "Tell me a tale"})
        await browser.hear_until("speech")
        browser.leave()
        await browser.over.wait()

        assert simulator.active_sessions == 0


async def test_a_browser_that_takes_nothing_is_given_up(autojump_clock):
    async with calling(LONG) as (browser, simulator):
        await browser.say({"type": "text", "text": "Tell me a tale"})
        began = trio.current_time()
        await browser.over.wait()

        assert SEND_DEADLINE_S <= trio.current_time() - began < SEND_DEADLINE_S + 5
        assert simulator.active_sessions == 0


async def test_a_browser_that_says_nothing_any_more_is_given_up(autojump_clock):
    async with calling() as (browser, simulator):
        for _ in range(5):
            await trio.sleep(HERE_DEADLINE_S - 1)
            await browser.say({"type": "here"})
        assert simulator.active_sessions == 1
        await browser.over.wait()

        assert trio.current_time() == pytest.approx(5 * (HERE_DEADLINE_S - 1) + HERE_DEADLINE_S, abs=5)
        assert simulator.active_sessions == 0


async def test_the_browser_is_told_why_a_session_ended(autojump_clock):
    async with calling() as (browser, simulator):
        await simulator.disconnect_all()
        over = await browser.hear_until("over")
        await browser.over.wait()

        assert "1001" in over["message"]


async def test_an_error_of_the_service_is_told_and_the_talk_goes_on(autojump_clock):
    async with calling(Fail("server_error", "Something broke."), Say("Here again.")) as (browser, _):
        await browser.say({"type": "text", "text": "Hello"})
        await browser.hear_until("answered", reason="error")
        await browser.say({"type": "text", "text": "Hello?"})

        assert (await browser.hear_until("words", final=True))["text"] == "Here again."


async def test_a_session_that_can_not_be_opened_is_told(nursery):
    browser = Browser()
    nursery.start_soon(relay, browser, NOWHERE, Door(frozenset(), 1))

    assert "127.0.0.1:9" in (await browser.hear_until("over"))["message"]


async def test_who_finds_no_place_is_told_so(nursery):
    browser = Browser()
    nursery.start_soon(relay, browser, NOWHERE, Door(frozenset(), 0))

    assert "taken" in (await browser.hear_until("over"))["message"]


async def test_past_its_bound_the_outbox_makes_the_session_wait(autojump_clock):
    outbox = Outbox()
    outbox.put(Outgoing(bytes(MAX_BYTES), "i"))
    await outbox.room()
    outbox.put(Outgoing(b"\0\0", "i"))
    with trio.move_on_after(60) as waits:
        await outbox.room()
    outbox.drop_answer()
    await outbox.room()

    assert waits.cancelled_caught


async def test_after_its_end_the_outbox_gives_all_it_has(autojump_clock):
    outbox = Outbox()
    for _ in range(10):
        outbox.put(Outgoing(1000 * MS, "i"))
    outbox.end(Outgoing("{}"))

    assert [len((await outbox.take()).body) for _ in range(11)] == [1000 * len(MS)] * 10 + [2]
    assert await outbox.take() is None


def test_only_our_own_page_may_come_in():
    door = Door(frozenset({"http://localhost:8000"}), 1)

    assert door.admits("http://localhost:8000")
    assert not any(door.admits(origin) for origin in ("http://evil.example", "http://localhost:8001", "null", "", None))


def test_no_more_may_talk_than_there_are_places():
    door = Door(frozenset(), 1)

    with door.place() as first, door.place() as second:
        assert (first, second) == (True, False)
    with door.place() as third:
        assert third
