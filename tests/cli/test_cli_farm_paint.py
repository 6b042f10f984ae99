"""A run is drawn in a thread: whatever becomes of the terminal, the run goes on."""

import errno
import io
import threading

import pytest
import trio

from engine.cli import farm_paint
from engine.cli.console import CommandConsole
from engine.cli.farm_paint import Painter


class Slow:
    """A terminal on which nothing is drawn until it is let go."""

    def __init__(self):
        self.drawing, self.go, self.drawn = threading.Event(), threading.Event(), []

    def show(self, snapshot):
        self.drawing.set()
        assert self.go.wait(20)
        self.drawn.append(snapshot)


class Faulty:
    def __init__(self, error):
        self.error, self.asked = error, 0

    def show(self, _):
        self.asked += 1
        raise self.error


@pytest.fixture
def console():
    return CommandConsole(file=io.StringIO(), width=200)


async def until(condition):
    with trio.fail_after(20):
        while not condition():  # noqa: ASYNC110 - a thread does it
            await trio.sleep(0.001)


async def test_a_terminal_that_is_stopped_keeps_nobody_waiting_and_gets_the_newest_picture(console):
    slow = Slow()
    painter = Painter(console, slow)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(painter.run)
        painter.show(1)
        await until(slow.drawing.is_set)
        for number in (2, 3, 4):
            painter.show(number)
            painter.tell(f"line {number}")
        assert slow.drawn == []
        slow.go.set()
        await until(lambda: slow.drawn == [1, 4] and console.file.getvalue().endswith("line 4\n"))
        nursery.cancel_scope.cancel()

    assert console.file.getvalue() == "line 2\nline 3\nline 4\n"


async def test_the_end_draws_what_is_left_after_the_thread_that_was_at_it(console):
    slow = Slow()
    painter = Painter(console, slow)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(painter.run)
        painter.show(1)
        await until(slow.drawing.is_set)
        nursery.cancel_scope.cancel()
    painter.show(2)
    painter.tell("the last words")
    slow.go.set()
    await painter.last()

    assert slow.drawn == [1, 2]
    assert console.file.getvalue() == "the last words\n"


async def test_the_end_waits_for_a_stopped_terminal_no_longer_than_its_bound(console, autojump_clock):
    slow = Slow()
    painter = Painter(console, slow)
    painter.show(1)
    began = trio.current_time()
    await painter.last()

    assert trio.current_time() - began == pytest.approx(farm_paint.LAST_S)
    slow.go.set()


@pytest.mark.parametrize("error", [OSError(errno.EIO, "gone"), OSError(errno.ENOSPC, "full"), ZeroDivisionError()])
async def test_what_can_not_be_drawn_does_not_end_the_run(console, error):
    viewer = Faulty(error)
    painter = Painter(console, viewer)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(painter.run)
        for number in (1, 2):
            painter.show(number)
            await until(lambda number=number: viewer.asked == number)
        nursery.cancel_scope.cancel()

    assert console.quiet == isinstance(error, OSError)


async def test_a_pipe_that_nobody_reads_ends_it(console):
    painter = Painter(console, Faulty(BrokenPipeError()))
    painter.show(1)
    with pytest.raises(BrokenPipeError):
        await painter.run()
