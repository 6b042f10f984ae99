"""The warning of a reader that takes nothing: once, after its time, with numbers only."""

import logging
import re

import pytest
import trio
import trio.testing
from rooms import audio_event, text_event

from engine.actors.unread import watch_reader
from engine.actors.watchdog import Watchdog
from engine.events import BidiConnectionCloseEvent
from engine.inbox import Inbox

LIMIT_S = 30


@pytest.fixture
async def watched(autojump_clock, nursery, caplog):
    """Give an inbox that is watched, and the log."""
    caplog.set_level(logging.WARNING)
    inbox, watchdog = Inbox(10**6, "drop_oldest_audio"), Watchdog()
    nursery.start_soon(watchdog.run)
    watch_reader(watchdog.set, inbox, LIMIT_S, "session_1")
    await trio.testing.wait_all_tasks_blocked()
    return inbox, caplog


async def test_a_reader_that_takes_nothing_is_warned_of_once_and_on_time(watched, autojump_clock):
    inbox, log = watched
    await trio.sleep(100)
    for _ in range(3):
        inbox.put(text_event("secret words"))
    await trio.sleep(LIMIT_S - 0.01)
    assert log.messages == []
    await trio.sleep(0.02)
    [words] = log.messages
    assert re.match(rf"session session_1: 3 events of {inbox.statistics().bytes} bytes wait, .* for 30\.0 s \| ", words)
    assert "receive()" in words
    assert "engine.reader_deadline_s=None" in words
    assert "secret" not in words
    await inbox.get()
    await trio.sleep(1000)
    assert len(log.messages) == 1


async def test_a_reader_that_is_slow_but_reads_is_not_warned_of(watched, autojump_clock):
    inbox, log = watched
    for _ in range(100):
        inbox.put(audio_event())
    for _ in range(50):
        await trio.sleep(LIMIT_S - 1)
        await inbox.get()
    assert log.messages == []
    await trio.sleep(LIMIT_S + 1)
    assert len(log.messages) == 1, "now it has stopped"


async def test_a_reader_for_whom_nothing_waits_is_not_warned_of(watched, nursery, autojump_clock):
    inbox, log = watched

    async def read():
        while await inbox.get():
            pass

    nursery.start_soon(read)
    for _ in range(20):
        await trio.sleep(LIMIT_S * 2)
        inbox.put(text_event())
    inbox.close(last=BidiConnectionCloseEvent("session_1", "client_disconnect"))
    await trio.sleep(LIMIT_S * 3)
    assert log.messages == []


async def test_the_warning_can_be_switched_off(autojump_clock, nursery, caplog):
    inbox, watchdog = Inbox(10**6, "fail"), Watchdog()
    nursery.start_soon(watchdog.run)
    watch_reader(watchdog.set, inbox, None, "session_1")
    inbox.put(text_event())
    await trio.sleep(10_000)
    assert caplog.messages == []
