"""Liveness: a peer that is dead is found in time, and one that lives is left alone, however late its answer is."""

import math
from functools import partial

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.actors.liveness import pulse
from engine.errors import DeadlinePassed
from engine.transport.base import TransportStatistics
from engine.transport.memory import memory_pair

INTERVAL_S, DEADLINE_S = 20.0, 10.0


async def liveness(transport, *, interval_s, deadline_s, reading, on_dead):
    """Ping at each interval, as a link does."""
    lives = True
    while lives:
        await trio.sleep(interval_s)
        try:
            lives = await pulse(transport, deadline_s=deadline_s, look_s=interval_s, reading=reading)
        except DeadlinePassed as error:
            on_dead(error)
            return


class Watched:
    """A pair whose one end is watched."""

    def __init__(self, nursery, interval_s=INTERVAL_S, deadline_s=DEADLINE_S):
        self.here, self.there = memory_pair()
        self.reads, self.dead, self.ended = True, [], trio.Event()
        self._bounds = {"interval_s": interval_s, "deadline_s": deadline_s}
        nursery.start_soon(self._run)

    async def _run(self):
        await liveness(self.here, reading=lambda: self.reads, on_dead=self._note, **self._bounds)
        self.ended.set()

    def _note(self, error):
        self.dead.append((trio.current_time(), error))


@pytest.fixture
async def watched(autojump_clock, nursery):
    return Watched(nursery)


async def test_a_peer_that_answers_is_pinged_at_each_interval_and_its_round_trip_is_known(watched, autojump_clock):
    watched.there.pong_delay_s = 0.25
    await trio.sleep(105)
    watched.there.pong_delay_s = 0.5
    await trio.sleep(20)
    figures = watched.here.statistics()
    assert (figures.pings_sent, figures.pings_answered) == (6, 6)
    assert (figures.round_trip_s, figures.round_trip_min_s) == (pytest.approx(0.5), pytest.approx(0.25))
    assert watched.dead == []


async def test_a_dead_peer_is_found_within_the_sum_and_told_once(watched, nursery, autojump_clock):
    await trio.sleep(50)  # The second ping was at 40.
    watched.there.pong_delay_s = math.inf
    await trio.sleep(500)
    [(when, error)] = watched.dead
    assert when == pytest.approx(70)
    assert (error.deadline, error.limit_s) == ("ping", DEADLINE_S)
    assert watched.ended.is_set()
    assert not nursery.child_tasks


async def test_an_answer_at_the_last_moment_is_one(watched, autojump_clock):
    watched.there.pong_delay_s = DEADLINE_S - 0.001
    await trio.sleep(500)
    assert watched.dead == []


async def test_a_peer_that_talks_lives_though_its_answer_is_late(watched, autojump_clock):
    watched.there.pong_delay_s = math.inf
    for _ in range(20):
        await watched.there.send("a delta")
        await watched.here.receive()
        await trio.sleep(9)
    assert watched.dead == []
    silent_since = trio.current_time() - 9
    await trio.sleep(500)
    assert [when for when, _ in watched.dead] == [pytest.approx(silent_since + DEADLINE_S, abs=DEADLINE_S / 4)]


async def test_time_in_which_we_do_not_read_is_not_counted(watched, autojump_clock):
    watched.there.pong_delay_s = math.inf
    watched.reads = False
    await trio.sleep(1000)
    assert watched.dead == []
    watched.reads = True
    await trio.sleep(12.6)
    assert len(watched.dead) == 1


async def test_the_end_of_the_connection_is_left_to_the_receiver(watched, nursery, autojump_clock):
    watched.there.pong_delay_s = math.inf
    await trio.sleep(22)
    watched.there.hang_up(1001, None)
    await trio.sleep(100)
    assert watched.dead == []
    assert watched.ended.is_set()
    assert not nursery.child_tasks


async def test_cancelled_it_leaves_no_task(autojump_clock, nursery):
    for after_s in (0, 5, 20, 25, 30):
        async with trio.open_nursery() as inner:
            watched = Watched(inner)
            watched.there.pong_delay_s = math.inf
            await trio.sleep(after_s)
            inner.cancel_scope.cancel()
    assert not nursery.child_tasks


class Slow:
    """A transport that never answers, and writes a long message, of which the socket takes a piece each second."""

    def __init__(self, takes_until):
        self.takes_until = takes_until

    async def ping(self):
        await trio.sleep_forever()

    def statistics(self):
        return TransportStatistics(0, 0, pieces_sent=int(min(trio.current_time(), self.takes_until)))


async def dead_at(transport):
    dead = []
    with trio.move_on_after(10_000):
        await liveness(
            transport,
            interval_s=INTERVAL_S,
            deadline_s=DEADLINE_S,
            reading=lambda: True,
            on_dead=lambda _: dead.append(trio.current_time()),
        )
    return dead


async def test_a_peer_has_its_time_when_it_has_taken_a_long_message(autojump_clock):
    assert await dead_at(Slow(takes_until=200)) == [pytest.approx(200 + DEADLINE_S, abs=DEADLINE_S / 4)]


async def test_a_long_message_of_which_the_peer_takes_on_is_not_cut(autojump_clock):
    assert await dead_at(Slow(takes_until=math.inf)) == []


async def test_a_ping_that_can_not_be_written_for_the_peer_takes_nothing_finds_it_dead(autojump_clock):
    assert await dead_at(Slow(takes_until=0)) == [INTERVAL_S + DEADLINE_S]


async def test_a_clock_that_jumps_while_the_machine_sleeps_kills_nobody(mock_clock):
    async with trio.open_nursery() as nursery:
        watched = Watched(nursery)
        watched.there.pong_delay_s = 0.1
        for jump_s in (20, 3600, 3600):
            mock_clock.jump(jump_s)
            await trio.testing.wait_all_tasks_blocked()
        assert watched.dead == []
        nursery.cancel_scope.cancel()


@given(
    interval_s=st.floats(0.1, 60),
    deadline_s=st.floats(0.1, 60),
    dies_at=st.floats(0, 200),
    last_words=st.lists(st.floats(0, 200), max_size=20),
)
@settings(max_examples=60, deadline=None)
def test_a_peer_is_found_dead_within_the_sum_of_both_bounds(interval_s, deadline_s, dies_at, last_words):
    said = sorted(at for at in last_words if at < dies_at)
    answers_until = max([0.0, *said])

    async def run():
        async with trio.open_nursery() as nursery:
            watched = Watched(nursery, interval_s, deadline_s)
            nursery.start_soon(partial(speak, watched, said))
            await trio.sleep_until(answers_until)
            watched.there.pong_delay_s = math.inf
            await watched.ended.wait()
        [(when, _)] = watched.dead
        assert answers_until + deadline_s * 0.75 - 1e-6 <= when <= answers_until + interval_s + deadline_s + 1e-6

    trio.run(run, clock=trio.testing.MockClock(autojump_threshold=0))


async def speak(watched, times):
    for at in times:
        await trio.sleep_until(at)
        await watched.there.send("x")
        await watched.here.receive()
