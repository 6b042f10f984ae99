"""How a bug is told in the log: by its type and the lines that it came through, never by its words."""

import traceback
from collections.abc import Iterator


def places(error: BaseException) -> Iterator[str]:
    """Tell an exception, or each of a group, by its type and where it was raised, innermost frame last."""
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from places(part)
        return
    frames = (f"{frame.f_code.co_filename}:{line}" for frame, line in traceback.walk_tb(error.__traceback__))
    yield f"{type(error).__name__} at {' > '.join(frames)}"
