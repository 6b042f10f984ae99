"""Chooses what carries the WebSocket over the network, by the setting `engine.transport`."""

from typing import Final

from engine.transport import trio_ws
from engine.transport.base import Connector

_CARRIERS: Final[dict[str, Connector]] = {"auto": trio_ws.connect, "trio-websocket": trio_ws.connect}


def network(transport: str = "auto") -> Connector:
    """Give the connector of a setting.

    Args:
        transport: See `engine.config.EngineSettings.transport`.
    """
    return _CARRIERS[transport]
