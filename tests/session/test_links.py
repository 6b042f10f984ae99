"""A session's connections as they follow on each other: what goes wrong at the switch, and what is held back there."""

from collections import Counter

import pytest
import trio
from rooms import said, speech_started
from survivors import KEPT, QUIET, Brain, Break, Network, noise, surviving, talking

from engine.errors import ConnectionLost, SessionEnded
from engine.events import BidiConnectionWarningEvent, BidiInterruptionEvent, ToolUseStreamEvent
from engine.limits import AUDIO_LANE_S
from engine.simulator import SimulatorSettings, serve
from engine.testing import in_memory
from engine.wire.client import ConversationItemRetrieve

AT_S, DUE_S = 30.0, 50.0
"""When the next connection is prepared, and when the talk has moved at the latest."""

READ = {"output_modalities": ("text",)}
"""Answers that nobody has to hear out."""


def renewing(**how):
    """Open a session that is renewed 30 s after its beginning; see `surviving`."""
    times = {"session_max_s": 60.0, "renew_margin_s": 10.0}
    return surviving(client={"timeout_s": AT_S}, **{**times, "settings": READ, **how})


async def talked(caller):
    """Talk a little, and wait until just before the time."""
    await caller.type("typed 1")
    await caller.answered("typed 1")
    await trio.sleep_until(AT_S - 0.1)


def slow_pings(line, by_s):
    """Let each answer to a ping come so much later."""
    ping = line.ping

    async def later():
        await trio.sleep(by_s)
        await ping()

    line.ping = later


# --- the next connection breaks ---------------------------------------------------------------------------------------


async def test_next_connections_that_break_at_once_are_not_made_without_end(autojump_clock):
    async with renewing() as (_, network, caller):
        caller.answers_calls = False
        await caller.type("tool 1")
        await caller.until(lambda: len(caller.of(ToolUseStreamEvent)) == 2)

        async def break_them():
            while True:
                await trio.sleep(0.001)
                if len(network.lines) > 1 and network.line.received >= 3:
                    network.line.end(Break("reset"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(break_them)
            await trio.sleep_until(AT_S + 10)
            nursery.cancel_scope.cancel()
        assert 3 <= len(network.attempts) <= 12
        for call in caller.of(ToolUseStreamEvent):
            await caller.answer(call)
        await caller.until(lambda: caller.restarts)
        assert [event.reason for event in caller.restarts] == ["renewal"]


async def test_both_connections_may_break_at_the_switch(autojump_clock):
    async with renewing() as (_, network, caller):
        await talked(caller)
        network.line.silent = True
        await trio.sleep_until(AT_S + 1)
        assert len(network.lines) == 2
        network.line.end(Break("reset"))
        await trio.sleep_until(AT_S + 20)
        assert caller.error is None
        assert [event.reason for event in caller.restarts] == ["connection_lost"]
        await caller.type("typed 2")
        await caller.answered("typed 2")


async def test_a_connection_that_is_lost_as_its_time_is_over_is_replaced_once(autojump_clock):
    async with renewing() as (_, network, caller):
        receive = network.line.receive

        async def until_its_time():
            with trio.move_on_at(AT_S):
                return await receive()
            raise ConnectionLost("the connection was reset")

        network.line.receive = until_its_time
        await talked(caller)
        await trio.sleep_until(AT_S + 5)
        assert [event.reason for event in caller.restarts] == ["connection_lost"]
        assert [event.reason for event in caller.of(BidiConnectionWarningEvent)] == ["connection_lost"]


# --- what is being written --------------------------------------------------------------------------------------------


def slow_audio(network, by_s):
    """Let each audio message take so long to be written, and note when all of it is."""
    written, line = [], network.line
    send = line.send

    async def later(text):
        if "append" in text:
            await trio.sleep(by_s)
            written.append(text)
        await send(text)

    line.send = later
    return written


@pytest.mark.parametrize("by_s", [0.05, 0.15])
async def test_what_is_being_written_as_the_session_ends_in_a_switch_is_written_once(by_s, autojump_clock):
    async with renewing() as (_, network, caller):
        await talked(caller)
        written = slow_audio(network, by_s)
        await trio.sleep_until(AT_S - 0.01)
        for number in range(3):
            await caller.session.send_audio(noise(f"piece {number}", 40, QUIET))
        await trio.sleep_until(AT_S + by_s / 2)
        assert caller.session.statistics().state == "renewing"
        await caller.session.stop()
        assert list(Counter(written).values()) == [1, 1, 1]


async def test_where_a_message_was_torn_nothing_more_is_written(autojump_clock):
    async with renewing() as (_, network, caller):
        await talked(caller)
        written, old = slow_audio(network, 0.5), network.line
        before = old.sent
        await trio.sleep_until(AT_S - 0.01)
        pieces = [noise(f"piece {number}", 40, QUIET) for number in range(3)]
        for piece in pieces:
            await caller.session.send_audio(piece)
        await caller.until(lambda: caller.restarts)
        await trio.sleep(1)
        assert written == []
        assert old.sent == before
        assert [event.reason for event in caller.restarts] == ["connection_lost"]
        assert caller.session.statistics().audio_lane.waiting == 0


async def test_a_message_may_be_torn_while_the_next_connection_breaks(autojump_clock):
    async with renewing() as (_, network, caller):
        await talked(caller)
        slow_audio(network, 0.5)
        await trio.sleep_until(AT_S - 0.01)
        await caller.session.send_audio(noise("piece", 40, QUIET))
        await trio.sleep_until(AT_S + 0.1)
        assert len(network.lines) == 2
        network.line.end(Break("reset"))
        await caller.type("typed 2")
        await caller.answered("typed 2")
        assert trio.current_time() < AT_S + 2
        assert [event.reason for event in caller.restarts] == ["connection_lost"]
        assert caller.error is None


async def test_all_audio_that_an_outage_costs_is_counted(autojump_clock):
    async with surviving(ping_interval_s=None) as (_, network, caller):
        await caller.type("typed 1")
        await caller.answered("typed 1")
        network.line.silent = True
        with trio.move_on_after(40):
            await caller.play(noise("a long speech", 40_000, QUIET))
        lane = caller.session.statistics().audio_lane
        assert (lane.waiting, lane.dropped) == (AUDIO_LANE_S * 1000, 0)
        network.line.silent = False
        network.line.end(Break("reset"))
        await caller.until(lambda: caller.restarts)
        dropped = caller.session.statistics().audio_lane.dropped
        assert dropped > 0
        assert caller.restarts[0].dropped_audio_ms == dropped


# --- what is held back ------------------------------------------------------------------------------------------------


async def test_what_is_sent_by_hand_during_the_switch_goes_to_the_next_connection(autojump_clock):
    async with renewing() as (_, network, caller):
        await talked(caller)
        slow_pings(network.line, 1.0)
        await trio.sleep_until(AT_S + 0.5)
        assert (caller.session.statistics().state, caller.restarts) == ("renewing", [])
        item = next(iter(caller.session.history)).item
        at = len(network.messages)
        await caller.session.raw.send(ConversationItemRetrieve(item_id=item.id))
        assert len(caller.restarts) == 1
        await trio.sleep(1)
        assert network.messages[at:].count(("client", "conversation.item.retrieve")) == 1


async def test_the_end_of_the_session_ends_a_wait_for_the_switch(autojump_clock):
    async with renewing() as (_, network, caller):
        await talked(caller)
        slow_pings(network.line, 1.0)
        await trio.sleep_until(AT_S + 0.5)
        async with trio.open_nursery() as nursery:

            async def send():
                with pytest.raises(SessionEnded):
                    await caller.session.raw.send(ConversationItemRetrieve(item_id="item_1"))

            nursery.start_soon(send)
            await trio.sleep(0.1)
            await caller.session.stop()


class OneByOne:
    """A connection whose messages stand in line, as on a socket, and whose answer to a ping does not.

    Args:
        inner: The connection.
        nursery: Runs its reader.
        last_words: Messages that come before the answer to the first ping after `AT_S`.
    """

    def __init__(self, inner, nursery, last_words):
        self._inner, self._words = inner, last_words
        self._put, self._take = trio.open_memory_channel(1000)
        self.send, self.close, self.statistics = inner.send, inner.close, inner.statistics
        self._lost = None
        nursery.start_soon(self._read)

    async def _read(self):
        try:
            while True:
                for text in await self._inner.receive():
                    await self._put.send(text)
        except Exception as error:  # noqa: BLE001 - told to who receives
            self._lost = error
            self._put.close()

    async def receive(self):
        try:
            return [await self._take.receive()]
        except trio.EndOfChannel:
            raise self._lost from None

    async def ping(self):
        await self._inner.ping()
        if trio.current_time() >= AT_S:
            words, self._words = self._words, []
            for text in words:
                self._put.send_nowait(text)


async def test_what_the_service_said_before_its_answer_to_a_ping_is_heard_before_the_switch(autojump_clock):
    words = [*(said("rate_limits.updated", rate_limits=[]) for _ in range(20)), speech_started()]
    lines = []

    async with serve(SimulatorSettings(**KEPT), Brain, host=None) as simulator:
        connect = in_memory(simulator)

        async def one_by_one(nursery, endpoint):
            lines.append(OneByOne(await connect(nursery, endpoint), nursery, [] if lines else words))
            return lines[-1]

        # No other ping is answered just then.
        times = {"client": {"timeout_s": AT_S}, "session_max_s": 60.0, "renew_margin_s": 10.0, "ping_interval_s": 7.0}
        async with talking(one_by_one, settings=READ, **times) as caller:
            await talked(caller)
            await trio.sleep_until(AT_S + 5)
            assert caller.of(BidiInterruptionEvent)
            assert (len(lines), caller.restarts) == (2, [])
            await trio.sleep_until(DUE_S + 1)
            assert [event.reason for event in caller.restarts] == ["renewal"]


# --- Ctrl-C -----------------------------------------------------------------------------------------------------------


async def test_no_task_of_a_connection_can_be_hit_by_ctrl_c(autojump_clock):
    exposed = set()

    async def connect(nursery, endpoint):
        line = await network.connect(nursery, endpoint)
        for name in ("send", "receive", "ping", "close"):
            setattr(line, name, watched(name, getattr(line, name)))
        return line

    def watched(name, do):
        async def call(*args):
            if not trio.lowlevel.currently_ki_protected():
                exposed.add((name, trio.lowlevel.current_task().name))
            return await do(*args)

        return call

    async with serve(SimulatorSettings(**KEPT), Brain, host=None) as simulator:
        network = Network(simulator)
        times = {"client": {"timeout_s": AT_S}, "session_max_s": 60.0, "renew_margin_s": 10.0}
        async with talking(connect, settings=READ, **times) as caller:
            await talked(caller)
            await caller.until(lambda: caller.restarts)
            await trio.sleep(7)
            network.line.end(Break("reset"))
            await caller.until(lambda: len(caller.restarts) == 2)
            await caller.session.send_audio(noise("piece", 40, QUIET))
            await caller.type("typed 2")
            await caller.answered("typed 2")
    assert exposed == set()
