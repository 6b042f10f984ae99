"""Where a caller is: in a Trio run, in an event loop of asyncio's kind, or in neither."""

import sys
from typing import TYPE_CHECKING, Any, TypeVar, cast

import trio

from engine.errors import LocalMisuse
from engine.hosts.spawning import spawner
from engine.session import Session, Spawn, TranscriptionSession, TranslationSession
from engine.transport.base import Connector

if TYPE_CHECKING:
    from engine.config import SessionConfig, TranscriptionConfig, TranslationConfig

S = TypeVar("S", Session, TranscriptionSession, TranslationSession)


def in_event_loop() -> bool:
    """Tell whether the caller runs in an event loop of asyncio's kind, and not in Trio."""
    asyncio = sys.modules.get("asyncio")  # Who has never imported it runs no such loop.
    if asyncio is None or trio.lowlevel.in_trio_task():
        return False
    return asyncio._get_running_loop() is not None


def made(
    kind: type[S], config: "SessionConfig | TranscriptionConfig | TranslationConfig", connector: Connector | None
) -> S:
    """Make a session for the caller's host, or its stand-in there.

    Args:
        kind: Of session.
        config: What it is.
        connector: How to connect; the network when None. Whatever the host, it runs in Trio.
    """
    settings: Any = config
    if not in_event_loop():
        return kind(settings, connector)
    from engine.hosts.session import stand_in_for  # noqa: PLC0415 - who runs on Trio pays for no asyncio

    return cast("S", stand_in_for(kind, settings, connector))


def home(nursery: trio.Nursery | None) -> Spawn:
    """Choose where the facade's session runs.

    Args:
        nursery: Where, or None for a system task.

    Raises:
        LocalMisuse: There can be no nursery: the caller runs in an event loop.
    """
    if nursery is not None and in_event_loop():
        raise LocalMisuse("a nursery holds a session on Trio alone | on asyncio, leave nursery out")
    return spawner(nursery)
