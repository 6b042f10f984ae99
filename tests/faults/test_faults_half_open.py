"""Peers' fault: a connection that is dead without a word is found by the kernel, after minutes. Ours finds it itself.

The server is a process of its own that is stopped: its machine still takes what we send, as long as it has room for it,
and nobody answers.
"""

import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from engine.actors.liveness import pulse
from engine.errors import ConnectionLost, DeadlinePassed
from engine.transport.base import Endpoint
from engine.transport.network import network

ROOT = Path(__file__).resolve().parents[2]
INTERVAL_S, DEADLINE_S = 0.2, 0.3
WITHIN_S = 20.0
"""What is allowed on a machine that has other things to do as well."""
PATIENCE_S = 30.0
"""Bounds what is not measured."""


@pytest.fixture(params=["trio-websocket", "websockets"])
def carrier(request):
    return request.param


@asynccontextmanager
async def served_elsewhere(carrier):
    """Run the load server as a process; give a transport to it, and the process."""
    command = [sys.executable, "-m", "benchmarks.fault_server", "{}"]
    async with trio.open_nursery() as nursery:
        process = await nursery.start(partial(trio.run_process, command, stdout=subprocess.PIPE, cwd=ROOT, check=False))
        try:
            with trio.fail_after(30):
                url = (await process.stdout.receive_some(100)).decode().strip()
                transport = await network(carrier)(nursery, Endpoint(url=url))
            yield transport, process
            await transport.close(0.1)
        finally:
            os.kill(process.pid, signal.SIGCONT)
            process.kill()


class Heard:
    """What liveness tells, and how long that takes."""

    def __init__(self, deadline_s=DEADLINE_S):
        self.deadline_s = deadline_s
        self.dead, self.ended = [], trio.Event()

    async def watch(self, transport):
        lives = True
        while lives and not self.dead:
            await trio.sleep(INTERVAL_S)
            try:
                lives = await pulse(transport, deadline_s=self.deadline_s, look_s=INTERVAL_S, reading=lambda: True)
            except DeadlinePassed as error:
                self.dead.append(error)
        self.ended.set()


async def read(transport):
    with pytest.raises(ConnectionLost):  # noqa: PT012 - at the end
        while True:
            await transport.receive()


async def answered(transport, pings):
    """Wait until so many pings are answered, and none is under way; give the figures."""
    with trio.fail_after(PATIENCE_S):
        while not pings <= (figures := transport.statistics()).pings_answered == figures.pings_sent:  # noqa: ASYNC110
            await trio.sleep(0.01)
    return figures


async def test_a_server_that_is_stopped_is_found_dead(carrier):
    async with served_elsewhere(carrier) as (transport, process), trio.open_nursery() as nursery:
        heard = Heard(deadline_s=PATIENCE_S)
        nursery.start_soon(read, transport)
        nursery.start_soon(heard.watch, transport)
        before = await answered(transport, 2)
        assert not heard.dead
        assert 0 < before.round_trip_min_s <= before.round_trip_s < PATIENCE_S

        heard.deadline_s = DEADLINE_S
        os.kill(process.pid, signal.SIGSTOP)
        with trio.fail_after(WITHIN_S):
            await heard.ended.wait()
        [error] = heard.dead
        assert (error.deadline, error.limit_s) == ("ping", DEADLINE_S)
        nursery.cancel_scope.cancel()


async def test_it_is_found_dead_though_not_even_the_ping_can_be_written(carrier):
    async with served_elsewhere(carrier) as (transport, process), trio.open_nursery() as nursery:
        os.kill(process.pid, signal.SIGSTOP)
        nursery.start_soon(transport.send, "x" * 2**26)  # more than the kernel holds
        before = -1
        while transport.statistics().bytes_sent > before:
            before = transport.statistics().bytes_sent
            await trio.sleep(0.3)
        heard = Heard()
        nursery.start_soon(heard.watch, transport)
        with trio.fail_after(WITHIN_S):
            await heard.ended.wait()
        assert len(heard.dead) == 1
        assert transport.statistics().pings_sent == 0
        nursery.cancel_scope.cancel()


async def test_a_server_that_stumbles_and_goes_on_is_not_taken_for_dead(carrier):
    async with served_elsewhere(carrier) as (transport, process), trio.open_nursery() as nursery:
        heard = Heard(deadline_s=PATIENCE_S)
        nursery.start_soon(read, transport)
        nursery.start_soon(heard.watch, transport)
        os.kill(process.pid, signal.SIGSTOP)
        await trio.sleep(3 * INTERVAL_S)
        with trio.fail_after(PATIENCE_S):
            while not transport.statistics().pings_sent:  # noqa: ASYNC110 - no event
                await trio.sleep(0.01)
        waiting = transport.statistics()
        assert (waiting.pings_sent, waiting.pings_answered) == (1, 0)
        os.kill(process.pid, signal.SIGCONT)
        await answered(transport, 3)
        assert heard.dead == []
        nursery.cancel_scope.cancel()
