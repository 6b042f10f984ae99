"""Single keys from a terminal: as they are pressed, unseen, and the terminal as before whatever happens."""

import os
import pty
import sys
import termios
from contextlib import aclosing
from pathlib import Path

import pytest
import trio

from engine.cli.keys import can_read_keys, keys, single_keys

SHOWN = termios.ICANON | termios.ECHO


@pytest.fixture
def terminal(monkeypatch):
    """Make the standard input a terminal, and give its other end."""
    master, slave = pty.openpty()
    with os.fdopen(slave) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield master
    os.close(master)


def modes():
    return termios.tcgetattr(sys.stdin.fileno())


async def test_each_key_comes_at_once(terminal):
    with trio.fail_after(5), single_keys():
        async with aclosing(keys()) as pressed:
            os.write(terminal, b"m")
            assert await anext(pressed) == "m"
            os.write(terminal, " \u00fc".encode())
            assert [await anext(pressed), await anext(pressed)] == [" ", "\u00fc"]


async def test_waiting_for_a_key_can_be_cancelled(terminal, autojump_clock):
    async with aclosing(keys()) as pressed:
        with trio.move_on_after(1) as scope:
            await anext(pressed)

    assert scope.cancelled_caught


def test_the_terminal_is_as_before_also_after_a_failure(terminal):
    before = modes()
    within = []

    def fails():
        with single_keys():
            within.extend(modes())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert not within[3] & SHOWN
    assert within[3] & termios.ISIG
    assert modes() == before


async def test_a_terminal_that_is_closed_ends_the_keys(terminal):
    other = os.dup(terminal)
    async with aclosing(keys()) as pressed:
        os.write(terminal, b"\x04")
        with trio.fail_after(5), pytest.raises(StopAsyncIteration):
            await anext(pressed)
    os.close(other)


def test_a_pipe_or_a_terminal_of_another_program_has_no_keys(terminal, monkeypatch):
    assert not can_read_keys()  # It is not the terminal that this program runs in.
    monkeypatch.setattr("sys.stdin", None)
    assert not can_read_keys()
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        assert not can_read_keys()
