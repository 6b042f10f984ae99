"""`open_session` and its like on Trio: a session for the length of a block, in the caller's task tree."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from engine.blocks import block_nursery
from engine.config import SessionConfig
from engine.config.listening import TranscriptionConfig, TranslationConfig
from engine.recording import Recorder
from engine.session.base import BaseSession
from engine.session.session import Session
from engine.session.transcription import TranscriptionSession
from engine.session.translation import TranslationSession
from engine.transport.base import Connector

S = TypeVar("S", bound=BaseSession)

RecordTo = str | Path | Recorder
"""A file, or a recorder with settings of its own."""


def open_session(
    config: SessionConfig | None = None,
    *,
    connector: Connector | None = None,
    record: RecordTo | None = None,
) -> AbstractAsyncContextManager[Session]:
    """Open a session for the length of a block.

    It outlives its connections: it moves to a new one before `client.timeout_s` is over, and makes a lost one anew
    (`engine.on_timeout`, `engine.reconnect`). What it does is told by events, and the talk goes on.

    Args:
        config: What the session is; the defaults and the environment when None.
        connector: How to connect; the network when None.
        record: File that every message goes into, from the first one on, or a recorder of your own, which can be
            asked how it went; see `Session.record`.

    Raises:
        EngineError: As `Session.start` tells, on entering.
        ConfigError: The recording can't be written.
    """
    return opened(Session(config or SessionConfig(), connector), record)


def open_transcription(
    config: TranscriptionConfig | None = None,
    *,
    connector: Connector | None = None,
    record: RecordTo | None = None,
) -> AbstractAsyncContextManager[TranscriptionSession]:
    """Open a transcription session for the length of a block: speech in, its words out, no answers.

    Args:
        config: What the session is; the defaults and the environment when None.
        connector: How to connect; the network when None.
        record: File or recorder that every message goes into, from the first one on.

    Raises:
        EngineError: As `Session.start` tells, on entering.
        ConfigError: The recording can't be written.
    """
    return opened(TranscriptionSession(config or TranscriptionConfig(), connector), record)


def open_translation(
    config: TranslationConfig, *, connector: Connector | None = None, record: RecordTo | None = None
) -> AbstractAsyncContextManager[TranslationSession]:
    """Open a translation session for the length of a block: speech in, the same in another language out.

    Args:
        config: What the session is.
        connector: How to connect; the network when None.
        record: File or recorder that every message goes into, from the first one on.

    Raises:
        EngineError: As `Session.start` tells, on entering.
        ConfigError: The recording can't be written.
    """
    return opened(TranslationSession(config, connector), record)


def opened(session: S, record: RecordTo | None) -> AbstractAsyncContextManager[S]:
    """Hold a session open for the length of a block."""
    return _Held(session) if record is None else _recorded(session, record)


class _Held(AbstractAsyncContextManager[S]):
    """Holds a session open. A class, for a generator would stay in memory as long as the session lives."""

    __slots__ = ("_block", "_session")

    def __init__(self, session: S) -> None:
        self._session = session
        self._block = block_nursery()

    async def __aenter__(self) -> S:
        nursery = await self._block.__aenter__()
        try:
            await self._session.start(lambda supervise: nursery.start_soon(supervise, name="engine session"))
        except BaseException as error:
            await self._block.__aexit__(type(error), error, error.__traceback__)
            raise
        return self._session

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        try:
            await self._session.stop()
        except BaseException as own:
            await self._block.__aexit__(type(own), own, own.__traceback__)
            raise
        return await self._block.__aexit__(kind, error, traceback)


@asynccontextmanager
async def _recorded(session: S, record: RecordTo) -> AsyncIterator[S]:
    async with session.record(record), _Held(session):
        yield session
