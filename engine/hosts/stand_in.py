"""What stands in for an object of a session in an event loop: the same members, each called where the session lives."""

import functools
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from engine.hosts.home import Home

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class StandIn(Generic[T]):
    """Stands in for an object.

    Args:
        it: The object.
        home: Where it lives.
    """

    def __init__(self, it: T, home: Home) -> None:
        self._it = it
        self._home = home

    def __repr__(self) -> str:
        return repr(self._it)


def crossed(
    method: Callable[Concatenate[Any, P], Awaitable[R]],
) -> Callable[Concatenate[StandIn[Any], P], Coroutine[Any, Any, R]]:
    """Make the stand-in's method of an asynchronous one: awaited here, it runs there, and is cancelled with this."""

    @functools.wraps(method)
    async def call(self: StandIn[Any], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._home.cross(partial(method, self._it, *args, **kwargs))

    return call


def hopped(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[StandIn[Any], P], R]:
    """Make the stand-in's method of a plain one, which is a short look or a touch: the caller waits, but not long."""

    @functools.wraps(method)
    def call(self: StandIn[Any], /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._home.hop(partial(method, self._it, *args, **kwargs))

    return call


def seen(name: str, copy: Callable[[Any], Any] = lambda value: value) -> Any:
    """Make the stand-in's attribute of one that the session changes.

    Args:
        name: Of the attribute.
        copy: Makes of its value what does not change any more.
    """

    def look(self: StandIn[Any]) -> Any:
        return self._home.hop(lambda: copy(getattr(self._it, name)))

    return property(look)
