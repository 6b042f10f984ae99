"""Runs a command under Trio until it is done or somebody presses Ctrl-C; either way its cleanup runs."""

import signal
from collections.abc import Awaitable, Callable
from typing import Final

import trio

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def run(command: Callable[[], Awaitable[None]], clock: trio.abc.Clock | None = None) -> None:
    """Run it.

    Args:
        command: What to run; cancelled by the first signal.
        clock: For virtual time.

    Raises:
        KeyboardInterrupt: A signal ended it, after its cleanup.
    """
    if trio.run(_until_signal, command, clock=clock):
        raise KeyboardInterrupt


async def _until_signal(command: Callable[[], Awaitable[None]]) -> bool:
    stopped = False
    # Opened here, so that a signal in the cleanup waits for its end.
    with trio.open_signal_receiver(*SIGNALS) as signals:
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                nonlocal stopped
                await anext(signals)
                stopped = True
                nursery.cancel_scope.cancel()

            nursery.start_soon(watch, name="command signals")
            await command()
            nursery.cancel_scope.cancel()
    return stopped
