"""A nursery for the length of a `with` block, out of which the block's own exception comes as it was raised."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

import trio


@asynccontextmanager
async def block_nursery() -> AsyncIterator[trio.Nursery]:
    """Open a nursery whose tasks report what goes wrong by other means than raising.

    Trio wraps whatever leaves a nursery in a group. Who writes `async with open_session()` sees no nursery, and
    expects `except ConnectionLost` around it to work.

    Raises:
        BaseExceptionGroup: More than one exception was raised, cancellation aside.
    """
    try:
        async with trio.open_nursery() as nursery:
            yield nursery
    except BaseExceptionGroup as group:
        own = [error for error in group.exceptions if not _is_cancelled(error)] or group.exceptions
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
