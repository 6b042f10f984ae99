"""Work in a thread, on a clock that leaps and on one that does not."""

import threading
import time

import pytest
import trio
from trio.testing import MockClock

from engine import threads
from engine.threads import in_thread


async def test_it_gives_what_the_work_gives_and_raises_what_it_raises():
    assert await in_thread(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)


async def test_no_deadline_passes_while_threads_work_on_a_clock_that_leaps(autojump_clock):
    began = trio.current_time()
    with trio.fail_after(0.001):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(in_thread, lambda: time.sleep(0.01))
            nursery.start_soon(in_thread, lambda: time.sleep(0.1))

    assert trio.current_time() == began
    await trio.sleep(3600)
    assert trio.current_time() == began + 3600


async def test_a_thread_that_does_not_end_stops_a_leaping_clock_for_a_bounded_time(autojump_clock, monkeypatch):
    monkeypatch.setattr(threads, "PATIENCE_S", 0.05)
    go = threading.Event()
    with trio.move_on_after(3600) as scope:
        await in_thread(go.wait, leave=True)
    assert scope.cancelled_caught
    go.set()

    await trio.sleep(3600)
    assert trio.current_time() == 7200


async def test_what_the_clock_was_set_to_is_what_it_is_set_to_afterwards(autojump_clock):
    autojump_clock.autojump_threshold = 7.5
    await in_thread(lambda: None)
    assert autojump_clock.autojump_threshold == 7.5
    autojump_clock.autojump_threshold = 0


def test_a_clock_that_is_led_by_hand_stays_as_it_is():
    clock = MockClock()

    assert trio.run(in_thread, lambda: clock.autojump_threshold, clock=clock) == float("inf")
    assert clock.autojump_threshold == float("inf")


async def test_cancelled_it_waits_for_work_that_must_not_be_left():
    done = []
    with trio.move_on_after(0.01) as scope:
        await in_thread(lambda: (time.sleep(0.1), done.append(True)))

    assert done == [True]
    assert not scope.cancelled_caught


async def test_a_limiter_bounds_how_many_work_at_once():
    limiter, most, now, lock = trio.CapacityLimiter(2), 0, 0, threading.Lock()

    def work():
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.02)
        with lock:
            now -= 1

    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(lambda: in_thread(work, limiter=limiter))

    assert most == 2
