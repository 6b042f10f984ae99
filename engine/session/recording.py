"""`session.record`: every message both ways goes into a file, from now on or from the first one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from engine.errors import ConnectionLost, EngineError, HandshakeRejected
from engine.recording import Loss, Recorder
from engine.session.supervisor import Supervisor
from engine.traffic import LinkChange


@asynccontextmanager
async def recorded(supervisor: Supervisor, recorder: Recorder) -> AsyncIterator[Recorder]:
    """Record what goes by for the length of a block.

    Raises:
        ConfigError: The file can't be written.
    """
    async with recorder.recording():
        began = trio.current_time()
        traffic = supervisor.traffic

        def note(change: LinkChange) -> None:
            recorder.linked(change.number, change.did, change.at, loss=_loss(change.error))

        if supervisor.state != "new":
            recorder.linked(traffic.carrier, "took_over", began)
        traffic.watch(recorder.observe)
        traffic.watch_links(note)
        try:
            yield recorder
        finally:
            traffic.unwatch(recorder.observe)
            traffic.unwatch_links(note)
            if supervisor.ended:
                # Not before: after its end a session still sends what waits.
                _mark_end(supervisor, recorder, max(began, supervisor.closed_at or trio.current_time()))
            else:
                recorder.ended("stopped", trio.current_time())


def _mark_end(supervisor: Supervisor, recorder: Recorder, at: float) -> None:
    loss = _loss(supervisor.lost)
    recorder.ended(supervisor.reason, at, lost=loss is not None, code=None if loss is None else loss.code)


def _loss(error: EngineError | None) -> Loss | None:
    """Tell how a connection was lost; None where it was not."""
    if error is None:
        return None
    status = error.status if isinstance(error, HandshakeRejected) else None
    if isinstance(error, ConnectionLost):
        return Loss(code=error.code, reason=error.reason, status=status)
    return Loss(status=status)
