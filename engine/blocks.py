"""A nursery for the length of a `with` block, out of which the block's own exception comes as it was raised."""

from types import TracebackType
from typing import NoReturn

import trio


class block_nursery:  # noqa: N801 - read as the function that it is called like
    """Opens a nursery whose tasks report what goes wrong by other means than raising.

    Trio wraps whatever leaves a nursery in a group. Who writes `async with open_session()` sees no nursery, and
    expects `except ConnectionLost` around it to work. A class, for a session holds one open for as long as it lives.

    Raises:
        BaseExceptionGroup: More than one exception was raised, cancellation aside.
    """

    __slots__ = ("_manager",)

    async def __aenter__(self) -> trio.Nursery:
        self._manager = trio.open_nursery()
        return await self._manager.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        try:
            return bool(await self._manager.__aexit__(kind, error, traceback))
        except BaseExceptionGroup as group:
            own = [each for each in group.exceptions if not _is_cancelled(each)] or group.exceptions
            if len(own) == 1:
                _raise_as_it_was(own[0])
            raise


def _is_cancelled(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(map(_is_cancelled, error.exceptions))
    return isinstance(error, trio.Cancelled)


def _raise_as_it_was(error: BaseException) -> NoReturn:
    """Raise without the nursery's group in the exception's history."""
    context, cause, suppressed = error.__context__, error.__cause__, error.__suppress_context__
    try:
        raise error
    finally:
        error.__context__, error.__cause__, error.__suppress_context__ = context, cause, suppressed
        del error, context, cause
