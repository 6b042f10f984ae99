"""Models that load once in a process and serve all sessions, one user at a time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """A model that is not safe to use from two threads at once.

    It is made at the first use. A lock of threads, not of Trio, guards it: an abandoned thread keeps it until its
    work is done, and several Trio runs may share it.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._model: T | None = None
        self._lock = threading.Lock()

    @contextmanager
    def use(self) -> Iterator[T]:
        """Have the model for oneself; waits, without a checkpoint, for who has it now."""
        with self._lock:
            if self._model is None:
                self._model = self._make()
            yield self._model
