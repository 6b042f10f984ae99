"""Where a connection leads, and as whom: settings become an `Endpoint`, the key fetched and the proxy found."""

import inspect
from collections.abc import Awaitable, Callable
from typing import cast

import trio

from engine.config import ClientSettings
from engine.errors import ConnectionLost, EngineError
from engine.threads import in_thread
from engine.transport.base import Endpoint


async def endpoint_of(
    client: ClientSettings, model: str | None = None, *, intent: str | None = None, path: str = "/realtime"
) -> Endpoint:
    """Say where a session connects. See `ClientSettings.url` for the arguments.

    Raises:
        ConfigError: The key or the environment's proxy can't be used.
        ConnectionLost: The function that gives the key failed.
    """
    url = client.url(model, intent=intent, path=path)
    return Endpoint(
        url=url,
        headers=await sign(client),
        ssl_context=client.ssl_context,
        proxy=client.proxy_to(url),
    )


async def sign(client: ClientSettings) -> list[tuple[str, str]]:
    """Build the headers that say who calls, with the key as it is now.

    Raises:
        ConfigError: The key can't be sent.
        ConnectionLost: The function that gives the key failed; its exception is chained, its words are not repeated.
    """
    if not callable(client.api_key):
        await trio.lowlevel.checkpoint()
        return client.headers()
    try:
        key = await _ask(client.api_key)
    except EngineError:
        raise
    except Exception as error:
        message = f"no key to connect with: api_key() raised {type(error).__name__}"
        raise ConnectionLost(message, reason="api_key() failed") from error
    return client.headers(key or "")


async def _ask(function: Callable[[], str | Awaitable[str]]) -> str:
    if inspect.iscoroutinefunction(function):
        return cast("str", await function())
    # It may ask the network, as the token providers of cloud libraries do. A deadline leaves its thread behind.
    # In a list, for Trio takes no awaitable from a thread, and a plain function may well give one.
    [given] = await in_thread(lambda: [function()], leave=True)
    return await given if inspect.isawaitable(given) else given
