"""Answers of Ray's actors, awaited in Trio."""

import contextlib
import re
from concurrent.futures import Future
from typing import Any, Final

import trio


class AnswerLate(Exception):
    """An actor did not answer in time. It may answer yet, and nobody will hear it."""


class ActorGone(Exception):
    """The process that was asked is gone, or can't be reached; Ray starts another one unless it is `final`.

    Attributes:
        final: Ray does not start it again.
    """

    def __init__(self, why: str, *, final: bool) -> None:
        super().__init__(why)
        self.final = final


async def answer(ray: Any, ref: Any, *, within_s: float) -> Any:
    """Wait for what an actor's method returns.

    The answer is unpacked in Ray's own thread, so that a large one does not hold up this loop.

    Args:
        ray: The library.
        ref: What calling the method gave.
        within_s: How long to wait.

    Raises:
        AnswerLate: It took longer.
        ActorGone: The actor's process died, or can't be reached.
        Exception: What the method raised.
    """
    future: Future[Any] = ref.future()
    answered = trio.Event()
    token = trio.lowlevel.current_trio_token()

    def wake(_: Future[Any]) -> None:
        # An answer that nobody waits for may come after the run.
        with contextlib.suppress(trio.RunFinishedError):
            token.run_sync_soon(answered.set)

    future.add_done_callback(wake)
    with trio.move_on_after(within_s):
        await answered.wait()
    if not answered.is_set():
        raise AnswerLate(f"no answer in {within_s:g} s")
    return _outcome(ray, future)


def _outcome(ray: Any, future: "Future[Any]") -> Any:
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, ray.exceptions.RayTaskError):
        raise error.cause if isinstance(error.cause, Exception) else error
    if isinstance(error, (ray.exceptions.RayActorError, ray.exceptions.WorkerCrashedError)):
        raise ActorGone(_line(error), final=isinstance(error, ray.exceptions.ActorDiedError)) from error
    raise error


_FORMULA: Final = re.compile(
    r"The actor \w+ is unavailable: |The actor is temporarily unavailable: |"
    r"\.? The task may or may not have been executed on the actor\."
)
"""What Ray wraps a reason in."""


def _line(error: BaseException) -> str:
    """Give the begin of Ray's page."""
    words = " ".join(_FORMULA.sub("", str(error)).split())
    return words if len(words) <= 300 else words[:299] + "…"
