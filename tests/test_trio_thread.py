"""A Trio run in a thread: jobs in order, one call for many, an end that is told, and nothing that a bug takes along."""

import threading

import pytest
import trio

from engine.trio_thread import CLOCK, TrioThread


async def until_over(over):
    await over.wait()


@pytest.fixture
def thread():
    made = TrioThread("test-trio", until_over)
    made.start()
    yield made
    made.end()
    assert made.join(5)


def done(thread):
    """Wait until a thread has done what was posted before."""
    reached = threading.Event()
    thread.post(reached.set)
    assert reached.wait(5)


def test_jobs_are_done_in_order_in_the_thread(thread):
    seen = []
    for n in range(1000):
        thread.post(seen.append, n)
    thread.post(lambda: seen.append(thread.is_current))
    done(thread)
    assert seen == [*range(1000), True]
    assert not thread.is_current


def test_jobs_may_be_posted_before_the_run_has_begun_and_from_jobs():
    seen = []
    thread = TrioThread("test-trio", until_over)
    thread.post(lambda: thread.post(seen.append, "again"))
    assert not thread.is_alive
    thread.start()
    done(thread)
    done(thread)
    assert seen == ["again"]
    thread.end()
    assert thread.join(5)


def test_jobs_of_many_threads_are_all_done(thread):
    seen = []

    def post():
        for _ in range(2000):
            thread.post(seen.append, None)

    posters = [threading.Thread(target=post) for _ in range(4)]
    for poster in posters:
        poster.start()
    for poster in posters:
        poster.join()
    done(thread)
    assert len(seen) == 8000


def test_many_jobs_wake_the_run_once():
    calls = []
    go = threading.Event()
    thread = TrioThread("test-trio", until_over)
    thread.start()
    done(thread)
    run_soon = thread._token.run_sync_soon

    class Token:
        def run_sync_soon(self, do):
            calls.append(do)
            run_soon(do)

    thread._token = Token()
    thread.post(go.wait, 5)
    for _ in range(100):
        thread.post(int)
    go.set()
    done(thread)
    assert len(calls) <= 3
    thread.end()
    assert thread.join(5)


def test_a_bug_in_a_job_is_logged_without_its_words_and_the_next_job_is_done(thread, caplog):
    thread.post(lambda: {}["what somebody said"])
    done(thread)
    assert "KeyError" in caplog.text
    assert "somebody" not in caplog.text


def test_the_end_is_told_with_its_error():
    ends = []

    async def crash(over):
        raise ZeroDivisionError

    thread = TrioThread("test-trio", crash, ends.append)
    thread.start()
    assert thread.join(5)
    assert [type(error) for error in ends] == [ZeroDivisionError]
    thread.post(ends.append, "never")
    thread.end()
    assert len(ends) == 1


def test_the_clock_is_the_runs(thread):
    times = []
    done(thread)
    thread.post(lambda: times.append(trio.current_time()))
    done(thread)
    assert times[0] <= CLOCK.current_time() < times[0] + 5
