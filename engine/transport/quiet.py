"""What websockets may log: no headers, which hold the key, and no frames, which hold speech."""

import logging
from typing import Final


class _Quiet(logging.LoggerAdapter[logging.Logger]):
    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - the standard library's name
        return level > logging.DEBUG and super().isEnabledFor(level)


LOGGER: Final = _Quiet(logging.getLogger(__name__), {})
