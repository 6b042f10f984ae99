"""A fresh process until its first session is open."""

import time
from collections.abc import Callable
from typing import Any

from client import Client
from figures import process_mib


async def play(make: Callable[[], Client], _: dict[str, Any]) -> dict[str, Any]:
    """Open a session, and tell what the process has used so far."""
    client = make()
    await client.open()
    return {"cpu_ms": 1000 * time.process_time(), "process_mib": process_mib()}
