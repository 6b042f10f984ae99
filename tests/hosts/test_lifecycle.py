"""What may become of an event loop with sessions: blocked, cancelled, ended, closed, forked, interrupted."""

import asyncio
import gc
import logging
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import anyio
import pytest
import trio
from every_host import (
    LOOPS,
    accept,
    engine_threads,
    everything,
    in_trio,
    living,
    model,
    on_event_loops,
    run_on,
    settle,
    started,
    until,
)
from rooms import names, open_sockets, text_delta

from engine import (
    BidiTextInputEvent,
    ClientSettings,
    DeadlinePassed,
    LocalMisuse,
    SessionConfig,
    SessionEnded,
    open_session,
)
from engine.hosts import crossing, engine_thread
from engine.simulator import Say, Script
from engine.testing import MemoryConnector, simulator_in_thread

LEFT_OPEN = "was left open"


@pytest.fixture
def elsewhere():
    with simulator_in_thread(responder_factory=Script.of(*[Say("one two three")] * 20).responder) as simulator:
        yield simulator


def config(simulator):
    return SessionConfig(client=ClientSettings(api_key="any", base_url=simulator.base_url))


def threads():
    """Count threads, without those that Trio keeps for a while in case that there is more to do."""
    return sum(not thread.name.startswith("Trio thread") for thread in threading.enumerate())


def fds():
    return len(list(Path("/proc/self/fd").iterdir()))


def new_loop(host):
    if host == "uvloop":
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


def within(condition, limit_s=15):
    """Block this thread, and the loop that runs in it, until something is so."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < limit_s
        time.sleep(0.005)


def gone(simulator):
    """Wait until a simulator has no connection any more."""
    within(lambda: not simulator.active_sessions)


# --- a loop that does not run -----------------------------------------------------------------------------------------


@on_event_loops
async def test_a_blocked_loop_costs_the_session_nothing():
    connector = MemoryConnector()
    subject = model(connector, engine={"ping_interval_s": 0.1, "ping_deadline_s": 10.0})
    peer = await started(subject, connector)
    blocked = threading.Event()

    async def talk():
        while not blocked.is_set():  # noqa: ASYNC110 - the loop can't tell of it but so
            await trio.sleep(0.01)
        for n in range(20):
            await trio.sleep(0.02)
            await peer._peer.say(text_delta(str(n)))

    async with anyio.create_task_group() as group:
        group.start_soon(in_trio, talk)
        await settle(5)
        pings_before = subject.statistics().transport.pings_answered
        blocked.set()
        time.sleep(1.2)  # noqa: ASYNC251 - longer than the engine's thread waits before it looks after a loop
        within(lambda: subject.statistics().inbox.events == 21)  # it heard all while the loop was blocked
        within(lambda: subject.statistics().transport.pings_answered > pings_before + 3)
    stream = subject.receive()
    assert [(await anext(stream)).type for _ in range(21)].count("bidi_transcript_stream") == 20
    await subject.stop()


# --- cancellation -----------------------------------------------------------------------------------------------------


@on_event_loops
async def test_a_start_that_is_cancelled_at_any_time_leaves_nothing(elsewhere):
    before, sockets = living(), open_sockets()
    outcomes = []
    for n in range(40):
        subject = model(client={"base_url": elsewhere.base_url})
        task = asyncio.create_task(subject.start())
        await asyncio.sleep(n * 0.0003)
        task.cancel()
        outcomes.append((await asyncio.gather(task, return_exceptions=True))[0])
        if outcomes[-1] is None:
            await subject.stop()
        assert living() == before
        assert engine_threads() == []
    assert {type(outcome) for outcome in outcomes} <= {asyncio.CancelledError, type(None)}
    assert asyncio.CancelledError in {type(outcome) for outcome in outcomes}
    # The simulator's ends are in this process too; it waits 10 s for a handshake that does not come.
    await until(lambda: open_sockets() - elsewhere.active_sessions <= sockets)


@on_event_loops
async def test_a_whole_session_that_is_cancelled_at_any_time_leaves_nothing(elsewhere):
    before, sockets = living(), open_sockets()

    async def talk():
        async with open_session(config(elsewhere)) as session:
            await session.send(BidiTextInputEvent("hello"))
            for _ in range(10):
                await session.send_audio(bytes(960))
            async for event in session.receive():
                if event.type == "bidi_response_complete":
                    break
            await session.items.create(text="more")

    for n in range(30):
        task = asyncio.create_task(talk())
        await asyncio.sleep(n * 0.001)
        task.cancel()
        outcome = (await asyncio.gather(task, return_exceptions=True))[0]
        assert not isinstance(outcome, Exception)
        assert (living(), engine_threads()) == (before, [])
    await until(lambda: not elsewhere.active_sessions)
    assert open_sockets() <= sockets


@on_event_loops
async def test_cancelled_again_and_again_it_still_ends_in_order(elsewhere):
    subject = model(client={"base_url": elsewhere.base_url})
    await subject.start()
    task = asyncio.create_task(subject.stop())
    await asyncio.sleep(0)  # Cancelled before its first step, a task does nothing at all.
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    assert engine_threads() == []
    await until(lambda: not elsewhere.active_sessions)
    assert elsewhere.sessions[-1].close_code == 1000


@on_event_loops
async def test_asyncios_own_deadline_loses_no_event():
    connector = MemoryConnector()
    subject = model(connector)
    peer = await started(subject, connector)
    got, late = [], 0

    async def talk():
        for n in range(60):
            await peer.say(text_delta(str(n)))

    task = asyncio.create_task(talk())
    while len(got) < 61:
        try:
            async with asyncio.timeout(0.0004):
                async for event in subject.receive():
                    got.append(event)  # noqa: PERF401 - an extension would lose them
        except TimeoutError:
            late += 1
        try:
            got.append(await asyncio.wait_for(anext(subject.receive()), 0.0002))
        except TimeoutError:
            late += 1
    await task
    assert [event.text for event in got[1:]] == [str(n) for n in range(60)]
    assert late
    await subject.stop()


# --- a loop that ends -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", LOOPS)
def test_a_run_that_ends_without_stop_warns_and_closes(host, elsewhere, caplog):
    ids = []

    async def main():
        subject = model(client={"base_url": elsewhere.base_url})
        await subject.start()
        ids.append(subject.session.connection_id)
        await subject.send(BidiTextInputEvent("x"))

    run_on(host, main)
    assert [record.getMessage().count(ids[0]) for record in caplog.records if LEFT_OPEN in record.message] == [1]
    gone(elsewhere)
    assert elsewhere.sessions[-1].close_code == 1000


@pytest.mark.parametrize("host", LOOPS)
def test_a_model_that_was_left_open_starts_again_in_the_next_run(host, elsewhere):
    subject = model(client={"base_url": elsewhere.base_url})
    run_on(host, subject.start)

    async def again():
        assert names(await everything(subject))[-1] == "bidi_connection_close"
        with pytest.raises(SessionEnded):
            await subject.send(BidiTextInputEvent("late"))
        await subject.stop()
        await subject.start()
        assert (await anext(subject.receive())).type == "bidi_connection_start"
        await subject.stop()

    run_on(host, again)


@pytest.mark.parametrize("host", LOOPS)
def test_a_run_that_crashes_ends_its_sessions(host, elsewhere):
    async def main():
        subject = model(client={"base_url": elsewhere.base_url})
        await subject.start()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_on(host, main)
    gone(elsewhere)


@pytest.mark.parametrize("host", LOOPS)
def test_a_loop_that_is_closed_under_a_session_ends_it_with_a_warning(host, elsewhere, caplog):
    kept = []

    async def main():
        subject = model(client={"base_url": elsewhere.base_url})
        await subject.start()
        kept.append(subject)

    loop = new_loop(host)
    loop.run_until_complete(main())
    loop.close()
    gone(elsewhere)
    within(lambda: not engine_threads())
    assert kept[0].session.connection_id in caplog.text
    assert LEFT_OPEN in caplog.text
    assert kept[0].statistics().state == "closed"


@pytest.mark.parametrize("host", LOOPS)
def test_a_loop_that_only_rests_keeps_its_sessions(host, elsewhere):
    loop = new_loop(host)
    subject = model(client={"base_url": elsewhere.base_url})
    loop.run_until_complete(subject.start())
    time.sleep(1.2)
    loop.run_until_complete(subject.send(BidiTextInputEvent("x")))
    assert loop.run_until_complete(anext(subject.receive())).type == "bidi_connection_start"
    loop.run_until_complete(subject.stop())
    loop.close()
    assert engine_threads() == []


# --- several loops, and many sessions ---------------------------------------------------------------------------------


def test_two_loops_in_two_threads_share_one_thread_of_the_engine(elsewhere):
    both, seen, errors = threading.Barrier(2, timeout=10), [], []

    async def main():
        async with open_session(config(elsewhere)) as session:
            both.wait()
            seen.append(engine_threads())
            await session.send(BidiTextInputEvent("x"))
            async for event in session.receive():
                if event.type == "bidi_response_complete":
                    break
            both.wait()

    def run(host):
        try:
            run_on_quietly(host, main)
        except BaseException as error:  # noqa: BLE001 - shown below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(host,)) for host in LOOPS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert errors == []
    assert seen == [["realtime-engine"]] * 2
    assert engine_threads() == []


def run_on_quietly(host, main):
    options = {"use_uvloop": True} if host == "uvloop" else {}
    anyio.run(main, backend="asyncio", backend_options=options)


@on_event_loops
async def test_200_sessions_one_after_the_other_leave_nothing(elsewhere):
    async def once():
        subject = model(client={"base_url": elsewhere.base_url})
        await subject.start()
        await subject.stop()

    for _ in range(3):
        await once()
    await until(lambda: not elsewhere.active_sessions)
    before = (threads(), fds(), living())
    for _ in range(200):
        await once()
    await until(lambda: not elsewhere.active_sessions)
    gc.collect()
    assert (threads(), fds(), living()) == before
    assert engine_thread._registry.current is None


@on_event_loops
async def test_100_sessions_at_once_live_in_one_thread(elsewhere):
    async def talk():
        async with open_session(config(elsewhere)) as session:
            async for event in session.receive():
                assert event.type == "bidi_connection_start"
                break
            counts.append(len(engine_threads()))

    counts = []
    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(talk)
    assert counts == [1] * 100
    assert engine_threads() == []


# --- faults of the thread ---------------------------------------------------------------------------------------------


@on_event_loops
async def test_a_crash_of_the_thread_reaches_all_who_wait(caplog):
    caplog.set_level(logging.CRITICAL, "trio")
    connector = MemoryConnector()
    subject = model(connector)
    await started(subject, connector)

    async def crash():
        raise ZeroDivisionError

    async def read():
        assert names(await everything(subject))[-1] == "bidi_connection_close"

    async def ask():
        with pytest.raises(SessionEnded):
            await subject.session.responses.create()

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        group.start_soon(ask)
        await settle()
        subject.session._home.thread.post(trio.lowlevel.spawn_system_task, crash)
    await until(lambda: not engine_threads())
    with pytest.raises(SessionEnded):
        await subject.send(BidiTextInputEvent("x"))
    await subject.stop()
    subject = model(connector)
    await accept_all(connector)
    await started(subject, connector)
    await subject.stop()


async def accept_all(connector):
    with anyio.move_on_after(0.05):
        while True:
            await accept(connector)


@on_event_loops
async def test_a_look_at_a_session_waits_only_so_long(monkeypatch):
    connector = MemoryConnector()
    subject = model(connector)
    await started(subject, connector)
    release = threading.Event()
    subject.session._home.thread.post(release.wait, 30)
    with monkeypatch.context() as patch:
        patch.setattr(crossing, "HOP_DEADLINE_S", 0.05)
        with pytest.raises(DeadlinePassed) as caught:
            subject.statistics()
    assert caught.value.deadline == "hop"
    release.set()
    assert subject.statistics().state == "live"
    await subject.stop()


@on_event_loops
async def test_a_nursery_is_trios_own():
    with pytest.raises(LocalMisuse, match="Trio alone"):
        await model(MemoryConnector()).start(nursery=object())


# --- a process that ends, forks, is interrupted -----------------------------------------------------------------------

PROGRAM = """
import asyncio, os, signal, sys, threading, time
from engine import *
from engine.testing import simulator_in_thread
from engine.simulator.settings import INSTANT, SimulatorSettings

def model():
    return BidiOpenAIRealtimeModel(client_config={"api_key": "any", "base_url": sys.argv[1]})

async def begin():
    global subject
    subject = model()
    await subject.start()
    print(subject.session.connection_id, flush=True)

"""


def run_program(code, simulator, *, interrupt=False):
    """Run a program beside a simulator; give how it ended, what it printed, and what it complained of."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM + code, simulator.base_url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        lines = [process.stdout.readline()] if interrupt else []
        if interrupt:
            process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    return process.returncode, "".join(lines) + out, err


@pytest.mark.parametrize(
    "end",
    [
        "loop = asyncio.new_event_loop(); loop.run_until_complete(begin())",
        "loop = asyncio.new_event_loop(); loop.run_until_complete(begin()); sys.exit(0)",
        "asyncio.run(begin())",
        """
async def record():
    await begin()
    await subject.session.record("/dev/null").__aenter__()
loop = asyncio.new_event_loop(); loop.run_until_complete(record())
""",
    ],
)
def test_an_interpreter_that_ends_with_a_live_session_warns_and_exits(end, elsewhere):
    code, out, err = run_program(end, elsewhere)
    assert code == 0, err
    assert LEFT_OPEN in err
    assert out.strip() in err, "the warning names the session"
    assert "Traceback" not in err
    gone(elsewhere)
    assert elsewhere.sessions[-1].close_code == 1000


@pytest.mark.parametrize(
    "main",
    [
        "await begin(); await asyncio.sleep(60)",
        "await begin(); [event async for event in subject.receive()]",
        """
        async with open_session(SessionConfig(client=ClientSettings(api_key="any", base_url=sys.argv[1]))) as session:
            print(session.connection_id, flush=True)
            await asyncio.sleep(60)
        """,
    ],
    ids=["asleep", "receiving", "in a block"],
)
def test_ctrl_c_ends_an_asyncio_program_at_once(main, elsewhere):
    body = "async def main():\n        " + main.strip() + "\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code, _, err = run_program(body + "asyncio.run(main())", elsewhere, interrupt=True)
    assert code in (-signal.SIGINT, 1)
    assert "KeyboardInterrupt" in err
    assert (LEFT_OPEN in err) == ("session" not in main), "who uses a block leaves nothing open"
    gone(elsewhere)
    assert elsewhere.sessions[-1].close_code == 1000


FORK = """
import multiprocessing

async def use():
    for work in (
        lambda: subject.send(BidiTextInputEvent("x")),
        lambda: subject.session.send_audio(bytes(960)),
        lambda: anext(subject.receive()),
        lambda: subject.session.items.create(text="x"),
        lambda: asyncio.sleep(0, subject.statistics()),
    ):
        try:
            await work()
        except LocalMisuse as error:
            assert "forked" in str(error), error
        else:
            raise AssertionError("the child took the session for its own")
    assert ended.statistics().state == "closed", "it lives nowhere, and can be looked at anywhere"
    await subject.stop()
    own = model()
    await own.start()
    await own.stop()

def child():
    asyncio.run(use())

async def parent():
    global ended
    await begin()
    other = model()
    await other.start()
    ended = other.session
    await other.stop()
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    while process.is_alive():
        await asyncio.sleep(0.01)
    print("child", process.exitcode, flush=True)
    await subject.send(BidiTextInputEvent("still here"))
    async for event in subject.receive():
        if event.type == "bidi_response_complete":
            break
    await subject.stop()
    print("whole", flush=True)

asyncio.run(parent())
"""


def test_a_forked_child_has_no_session_and_harms_none(elsewhere):
    code, out, err = run_program(FORK, elsewhere)
    assert code == 0, err
    assert out.split()[1:] == ["child", "0", "whole"], out + err
    assert LEFT_OPEN not in err
    assert "Traceback" not in err


def test_a_forked_child_that_only_leaves_exits_at_once(elsewhere):
    # The child's end takes asyncio's own watch on its wake-ups away from the parent, so that uses its loop no more.
    program = """
loop = asyncio.new_event_loop()
loop.run_until_complete(begin())
if (child := os.fork()) == 0:
    sys.exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
os._exit(0)
"""
    code, out, err = run_program(program, elsewhere)
    assert (code, out.split()[1:]) == (0, ["7"]), out + err
    assert LEFT_OPEN not in err
