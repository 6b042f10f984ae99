"""A simulator in a thread of its own, for tests and programs that run no Trio: asyncio's, or plain ones."""

import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from types import TracebackType
from typing import Concatenate, Final, ParamSpec, Self, TypeVar

import anyio
import anyio.to_thread
import trio

from engine.errors import DeadlinePassed, LocalMisuse
from engine.simulator import ResponderFactory, SessionLedger, Simulator, SimulatorSettings, serve
from engine.trio_thread import TrioThread

P = ParamSpec("P")
T = TypeVar("T")

BEGIN_DEADLINE_S: Final = 10.0
"""How long the simulator may take to listen."""

CALL_DEADLINE_S: Final = 10.0
"""How long a call in its thread may take."""

END_DEADLINE_S: Final = 15.0
"""How long its end may take: its clients have `close_grace_s` to answer."""


class SimulatorThread(AbstractContextManager["SimulatorThread"], AbstractAsyncContextManager["SimulatorThread"]):
    """A simulator that listens on this machine. Made by `simulator_in_thread`; use it with `with` or `async with`."""

    def __init__(
        self, settings: SimulatorSettings | None, responder_factory: ResponderFactory | None, host: str, port: int
    ) -> None:
        self._serve = partial(serve, settings, responder_factory, host=host, port=port)
        self._thread = TrioThread("realtime-simulator", self._main, self._ended)
        self._ready = threading.Event()
        self._simulator: Simulator | None = None
        self._error: BaseException | None = None

    @property
    def base_url(self) -> str:
        """What clients take as their base URL, as in `ws://127.0.0.1:8123/v1`."""
        return self._running().base_url

    @property
    def url(self) -> str:
        """The URL of the realtime endpoint, without a model."""
        return self._running().url

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._running().port

    @property
    def sessions(self) -> list[SessionLedger]:
        """The ledgers of all connections that are kept. A live one's goes on to grow."""
        return self.run(lambda simulator: simulator.sessions)

    @property
    def active_sessions(self) -> int:
        """How many connections are open."""
        return self.run(lambda simulator: simulator.active_sessions)

    def run(self, function: Callable[Concatenate[Simulator, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a plain function in the simulator's thread, with the simulator as its first argument.

        Raises:
            DeadlinePassed: It took more than `CALL_DEADLINE_S`.
            LocalMisuse: The simulator does not run.
            BaseException: What it raised.
        """
        simulator = self._running()
        if not self._thread.is_alive:
            return function(simulator, *args, **kwargs)  # Nobody else has it in hands any more.
        done = threading.Event()
        box: list[T] = []
        errors: list[BaseException] = []

        def call() -> None:
            try:
                box.append(function(simulator, *args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - raised where it was called
                errors.append(error)
            done.set()

        self._thread.post(call)
        if not done.wait(CALL_DEADLINE_S):
            raise DeadlinePassed("simulator call", CALL_DEADLINE_S)
        if errors:
            raise errors[0]
        return box[0]

    # --- its life ---------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(BEGIN_DEADLINE_S):
            self._thread.end()
            raise DeadlinePassed("simulator begin", BEGIN_DEADLINE_S)
        if self._error is not None:
            self._thread.join(END_DEADLINE_S)
            raise self._error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._thread.end()
        if not self._thread.join(END_DEADLINE_S):
            raise DeadlinePassed("simulator end", END_DEADLINE_S)
        if self._error is not None and error is None:
            raise self._error

    async def __aenter__(self) -> Self:
        with anyio.CancelScope(shield=True):  # It takes a moment, and somebody has to end it.
            await anyio.to_thread.run_sync(self.__enter__)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self.__exit__, kind, error, traceback)

    def _running(self) -> Simulator:
        if self._simulator is None:
            raise LocalMisuse("the simulator does not run yet | enter it with `with` or `async with`")
        return self._simulator

    async def _main(self, over: trio.Event) -> None:
        async with self._serve() as self._simulator:
            self._ready.set()
            await over.wait()

    def _ended(self, error: BaseException | None) -> None:
        self._error = error
        self._ready.set()


def simulator_in_thread(
    settings: SimulatorSettings | None = None,
    responder_factory: ResponderFactory | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
) -> SimulatorThread:
    """Run a simulated service in a thread of its own for the time of a block, on any host.

    ```python
    async with simulator_in_thread() as simulator:  # or `with`
        client = ClientSettings(api_key="any", base_url=simulator.base_url)
    ```

    Args:
        settings: How it behaves; None for the defaults.
        responder_factory: Makes what hears and answers, one for each session, in that thread; None for one that repeats
            what it hears.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.

    Returns:
        What to enter. Its end is bounded: clients that do not answer are dropped after `settings.close_grace_s`.

    Raises:
        ConfigError: On entering: the port is in use or not allowed, or the address is none of this machine's.
    """
    return SimulatorThread(settings, responder_factory, host, port)
