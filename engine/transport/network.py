"""Chooses what carries the WebSocket over the network, by the setting `engine.transport`."""

import functools
import importlib
from types import ModuleType
from typing import Any, Final, cast

import trio

from engine.errors import ConfigError
from engine.transport.base import Connector, Endpoint, Transport

_MODULES: Final = {"trio-websocket": "engine.transport.trio_ws", "websockets": "engine.transport.sansio_ws"}

WEBSOCKETS_MIN: Final = 15
"""The oldest release of websockets that the transport is tested with."""


def network(transport: str = "auto") -> Connector:
    """Give the connector of a setting.

    Args:
        transport: See `engine.config.EngineSettings.transport`; `auto` takes websockets where it is installed.

    Raises:
        ConfigError: The library is not installed.
    """
    return cast("Connector", _carrier(transport).connect)


async def wrap(
    nursery: trio.Nursery, stream: trio.abc.Stream, endpoint: Endpoint, *, transport: str = "auto"
) -> Transport:
    """Make the WebSocket handshake on a stream that leads to a server already.

    Args:
        nursery: Runs the transport's own tasks; they end by themselves when the transport is closed.
        stream: The way to the server; closed with the transport, or by the caller when this fails.
        endpoint: Whom to ask for, and with what key.
        transport: As for `network`.

    Raises:
        ConnectionLost: It failed; `HandshakeRejected` when the server said no.
        ConfigError: The library is not installed.
    """
    wrapper: Any = _carrier(transport).wrap
    return cast("Transport", await wrapper(nursery, stream, endpoint))


@functools.cache
def chosen(transport: str) -> str:
    """Say which library a setting takes.

    Raises:
        ConfigError: It is not installed.
    """
    if transport == "trio-websocket" or (transport == "auto" and not _has_websockets()):
        return "trio-websocket"
    if not _has_websockets():
        way_out = "pip install 'realtime-engine[fast]'"
        message = f"websockets, release {WEBSOCKETS_MIN} or newer, is not installed | {way_out}, or let it be 'auto'"
        raise ConfigError("engine.transport", transport, way_out, message=message)
    return "websockets"


def _carrier(transport: str) -> ModuleType:
    """Load a transport: either library costs some milliseconds, and a process needs one of them."""
    return importlib.import_module(_MODULES[chosen(transport)])


def _has_websockets() -> bool:
    try:
        from websockets.version import version  # noqa: PLC0415
    except ImportError:
        return False
    return int(version.partition(".")[0]) >= WEBSOCKETS_MIN
