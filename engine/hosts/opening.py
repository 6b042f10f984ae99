"""`open_session` and its like, on any host: a session for the length of a block."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from types import TracebackType
from typing import Generic, TypeVar, cast

from engine.config import SessionConfig
from engine.config.listening import TranscriptionConfig, TranslationConfig
from engine.hosts.place import in_event_loop, made
from engine.session import Session, TranscriptionSession, TranslationSession
from engine.session.base import BaseSession
from engine.session.opening import RecordTo, opened
from engine.transport.base import Connector

S = TypeVar("S", bound=BaseSession)


def open_session(
    config: SessionConfig | None = None,
    *,
    connector: Connector | None = None,
    record: RecordTo | None = None,
) -> AbstractAsyncContextManager[Session]:
    """Open a session for the length of a block, on Trio, anyio or asyncio.

    It outlives its connections: it moves to a new one before `client.timeout_s` is over, and makes a lost one anew
    (`engine.on_timeout`, `engine.reconnect`). What it does is told by events, and the talk goes on.

    On Trio it lives in the caller's task tree. In an event loop of asyncio's kind it lives in a Trio thread, and the
    block gets what stands in for it, with the same members.

    Args:
        config: What the session is; the defaults and the environment when None.
        connector: How to connect; the network when None. Whatever the host, it runs in Trio.
        record: File that every message goes into, from the first one on, or a recorder of your own, which can be
            asked how it went; see `Session.record`.

    Raises:
        EngineError: As `Session.start` tells, on entering.
        ConfigError: The recording can't be written.
    """
    return Opening(partial(made, Session, config or SessionConfig(), connector), record)


def open_transcription(
    config: TranscriptionConfig | None = None,
    *,
    connector: Connector | None = None,
    record: RecordTo | None = None,
) -> AbstractAsyncContextManager[TranscriptionSession]:
    """Open a transcription session for the length of a block: speech in, its words out, no answers.

    Args:
        config: What the session is; the defaults and the environment when None.
        connector: How to connect; the network when None. Whatever the host, it runs in Trio.
        record: File or recorder that every message goes into, from the first one on.

    Raises:
        EngineError: As `Session.start` tells, on entering.
        ConfigError: The recording can't be written.
    """
    return Opening(partial(made, TranscriptionSession, config or TranscriptionConfig(), connector), record)


def open_translation(
    config: TranslationConfig, *, connector: Connector | None = None, record: RecordTo | None = None
) -> AbstractAsyncContextManager[TranslationSession]:
    """Open a translation session for the length of a block: speech in, the same in another language out.

    Args:
        config: What the session is.
        connector: How to connect; the network when None. Whatever the host, it runs in Trio.
        record: File or recorder that every message goes into, from the first one on.

    Raises:
        EngineError: As `Session.start` tells, on entering.
        ConfigError: The recording can't be written.
    """
    return Opening(partial(made, TranslationSession, config, connector), record)


class Opening(AbstractAsyncContextManager[S], Generic[S]):
    """A session to be opened.

    Args:
        make: Makes it for the host where it is called. Called at once, too, where nothing runs: what is wrong is
            raised where it was said.
        record: Where its messages go.
    """

    def __init__(self, make: Callable[[], S], record: RecordTo | None) -> None:
        self._make = make
        self._record = record
        self._hosted = in_event_loop()
        self._session = make()
        self._manager: AbstractAsyncContextManager[S] | None = None

    async def __aenter__(self) -> S:
        hosted = in_event_loop()
        if hosted != self._hosted:
            self._session = self._make()
        self._manager = _in_event_loop(self._session, self._record) if hosted else opened(self._session, self._record)
        return await self._manager.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        manager = cast("AbstractAsyncContextManager[S]", self._manager)
        return await manager.__aexit__(kind, error, traceback)


def _in_event_loop(session: S, record: RecordTo | None) -> AbstractAsyncContextManager[S]:
    from engine.hosts.staying import Staying  # noqa: PLC0415 - who runs on Trio pays for no asyncio

    return Staying(session, record)
