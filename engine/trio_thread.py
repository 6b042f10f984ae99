"""A Trio run in a thread of its own, for callers who live elsewhere: jobs go in by order, and its end is bounded."""

import logging
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

import trio

logger = logging.getLogger(__name__)

Main = Callable[[trio.Event], Awaitable[None]]
"""What the run is for. It gets an event that says when to end; when it returns, the run is over."""


class SteadyClock(trio.abc.Clock):
    """Real time, the same in each run that has it, where Trio's own clocks each begin at another figure.

    What lived in a run that is over may be asked again, in the next one or in none: its times must go on.
    """

    def start_clock(self) -> None:
        """Begin nothing: it goes."""

    def current_time(self) -> float:
        """Give the time, in seconds; from any thread."""
        return time.perf_counter()

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Give how long it is until then, in seconds."""
        return deadline - time.perf_counter()


CLOCK: Final = SteadyClock()
"""The clock of all these threads."""


class TrioThread:
    """A daemon thread with a Trio run. Makes nothing before `start`.

    Args:
        name: Of the thread.
        main: The run's main task.
        ended: Called in the thread, as its last act; gets what ended the run, if an error did.
    """

    def __init__(self, name: str, main: Main, ended: Callable[[BaseException | None], None] = lambda _: None) -> None:
        self._main = main
        self._tell_ended = ended
        self._jobs: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._called = True  # Until the run has begun, which looks for jobs by itself.
        self._over = trio.Event()
        self._token: trio.lowlevel.TrioToken | None = None
        # A daemon, as the interpreter waits for other threads before it tells anybody that it ends.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread. Does not wait for the run: what is posted meanwhile is done when it has begun.

        Raises:
            RuntimeError: The system gives no thread.
        """
        self._thread.start()

    @property
    def is_current(self) -> bool:
        """Tell whether the caller is in this thread."""
        return self._thread is threading.current_thread()

    @property
    def is_alive(self) -> bool:
        """Tell whether the thread lives."""
        return self._thread.is_alive()

    def post(self, do: Callable[..., object], *args: Any) -> None:
        """Have a function called in the run, after those that were posted before. From any thread; never waits.

        It must not raise; if it does, that is logged. Nothing is called any more once the run is over.
        """
        self._jobs.append((do, args))
        if not self._called:
            # One call for all that comes until it is answered: each wakes the run, which costs more than the job.
            self._called = True
            self._call()

    def note(self, do: Callable[..., object], *args: Any) -> None:
        """As `post`, for what need not be done at once: in its order, but it does not wake the run. See `work`."""
        self._jobs.append((do, args))

    def end(self) -> None:
        """Tell the main task to end. From any thread; may be repeated."""
        self.post(self._over.set)

    def join(self, limit_s: float) -> bool:
        """Wait for the end of the thread; tell whether it came in time."""
        self._thread.join(limit_s)
        return not self._thread.is_alive()

    def _call(self) -> None:
        try:
            if self._token is not None:
                self._token.run_sync_soon(self.work)
        except trio.RunFinishedError:
            self._jobs.clear()
            self._called = False  # The next one, too, is to find out.

    def work(self) -> None:
        """Do what waits, in the run: for a task that has been woken by something else."""
        # Before the jobs: one that is added from here on calls again, if it need not.
        self._called = False
        jobs = self._jobs
        for _ in range(len(jobs)):
            do, args = jobs.popleft()
            try:
                do(*args)
            except Exception as bug:  # noqa: BLE001 - one caller's bug must not take the others' jobs with it
                self._log(bug)
        if jobs and not self._called:
            self._called = True
            self._call()

    def _log(self, bug: Exception) -> None:
        # Not what it says: that may quote what somebody said.
        logger.error("a job in thread %s raised %s", self._thread.name, type(bug).__name__)

    async def _live(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self.work()
        await self._main(self._over)

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            trio.run(self._live, clock=CLOCK)
        except BaseException as raised:  # noqa: BLE001 - told to those who wait for the run
            error = raised
        self._tell_ended(error)
