"""`open_session`: a session for the length of a block."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from engine.blocks import block_nursery
from engine.config import SessionConfig
from engine.session.session import Session
from engine.transport.base import Connector


@asynccontextmanager
async def open_session(
    config: SessionConfig | None = None, *, connector: Connector | None = None
) -> AsyncIterator[Session]:
    """Open a session for the length of a block.

    Args:
        config: What the session is; the defaults and the environment when None.
        connector: How to connect; the network when None.

    Yields:
        The session, open and configured.

    Raises:
        EngineError: As `Session.start` tells.
    """
    session = Session(config or SessionConfig(), connector)
    async with block_nursery() as nursery:
        await session.start(lambda supervise: nursery.start_soon(supervise, name="engine session"))
        try:
            yield session
        finally:
            await session.stop()
