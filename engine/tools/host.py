"""What tools need of a session: an interface, so that they import none and run in whatever offers it."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from engine.events import ToolResultEvent


class ToolHost(Protocol):
    """A session as its tools see it."""

    @property
    def session(self) -> Any:
        """What a tool finds as `ToolContext.session`."""
        ...

    def spawn(self, task: Callable[[], Awaitable[None]], name: str) -> None:
        """Start a task in the session's nursery. What it raises is a crash of the session.

        Raises:
            LocalMisuse: The session is over.
        """
        ...

    async def invoke(self, function: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
        """Await an asynchronous function of the application's where the application runs, and give its result.

        Raises:
            LocalMisuse: The application's event loop is no more.
            BaseException: What it raised.
        """
        ...

    def notify(self, function: Callable[..., object], *args: Any) -> None:
        """Call a plain function of the application's where the application runs; nobody waits for it.

        Raises:
            BaseException: What it raised, where it was called at once.
        """
        ...

    async def send(self, result: ToolResultEvent) -> None:
        """Answer a call; the session asks for a response after the last answer of a response.

        Raises:
            LocalMisuse: The call was answered already, or the session is over.
        """
        ...

    async def tell(self, text: str) -> None:
        """Add a message to the conversation and ask for a response, as soon as the conversation is free.

        Raises:
            LocalMisuse: The session is over.
        """
        ...

    async def heard_out(self) -> None:
        """Wait until no response is owed, asked for or active, and what the model said has been heard."""
        ...

    async def end(self) -> None:
        """End the session in order. It need not return: the task may be cancelled by it."""
        ...
