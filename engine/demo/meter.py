"""Measures what the engine costs: the processor time of its own tasks, and of no others in the same process."""

import time
from typing import Final

import trio

ENGINE_TASKS: Final = ("engine ", "trio-websocket reader")
"""How the names of the engine's tasks begin. A simulator's tasks have names of functions, as in `engine.simulator…`."""


class Meter(trio.abc.Instrument):
    """Adds up the time that the engine's tasks run on the processor.

    Attributes:
        engine_s: So far, in seconds.
        steps: How often one of them was woken.
    """

    def __init__(self) -> None:
        self.engine_s = 0.0
        self.steps = 0
        self._since: float | None = None

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Start the watch when it is one of ours."""
        if task.name.startswith(ENGINE_TASKS):
            self._since = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002 - the instrument's interface
        """Stop it."""
        if self._since is not None:
            self.engine_s += time.thread_time() - self._since
            self.steps += 1
            self._since = None
