"""The meter: whose processor time counts."""

import time

import trio

from engine.demo.meter import Meter


async def test_the_meter_counts_the_engines_tasks_and_no_others():
    meter = Meter()

    async def work():
        deadline = time.thread_time() + 0.02
        while time.thread_time() < deadline:
            pass

    trio.lowlevel.add_instrument(meter)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(work, name="engine receiver")
        nursery.start_soon(work, name="engine.simulator.connection.Connection.serve")
        nursery.start_soon(work, name="trio_websocket._impl.WebSocketConnection._reader_task")
        nursery.start_soon(work, name="trio-websocket reader")
    trio.lowlevel.remove_instrument(meter)

    assert 0.04 <= meter.engine_s < 0.055
    assert meter.steps == 2
