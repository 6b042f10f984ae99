"""A command runs until it is done or a signal comes, and its cleanup runs either way."""

import os
import signal

import pytest
import trio
from trio.testing import MockClock

from engine.cli.running import SIGNALS, run


def test_a_command_runs_to_its_end():
    done = []

    async def command():
        await trio.sleep(60)
        done.append(trio.current_time())

    run(command, MockClock(autojump_threshold=0))
    assert done


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_it_after_its_cleanup(number):
    steps = []

    async def command():
        try:
            os.kill(os.getpid(), number)
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.lowlevel.checkpoint()
            steps.append("cleaned up")

    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        run(command)
    assert steps == ["cleaned up"]
    assert signal.getsignal(number) == before


def test_what_a_command_raises_comes_out():
    async def command():
        raise ValueError("mine")

    with pytest.raises(ExceptionGroup) as caught:
        run(command)
    assert caught.group_contains(ValueError, match="mine")
