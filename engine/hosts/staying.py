"""A session of an event loop for the length of a block."""

from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Generic, TypeVar, cast

from engine.session.opening import RecordTo

S = TypeVar("S")


class Staying(AbstractAsyncContextManager[S], Generic[S]):
    """Starts a session, and stops it.

    Args:
        session: A session's stand-in.
        record: Where its messages go.
    """

    def __init__(self, session: S, record: RecordTo | None) -> None:
        self._session = cast("Any", session)
        self._recording = None if record is None else self._session.record(record)

    async def __aenter__(self) -> S:
        if self._recording is not None:
            await self._recording.__aenter__()
        try:
            await self._session.start()
        except BaseException:
            await self._end_recording()
            raise
        return cast("S", self._session)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._session.stop()
        finally:
            await self._end_recording()

    async def _end_recording(self) -> None:
        if self._recording is not None:
            await self._recording.__aexit__(None, None, None)
