"""What is done about events of each class: tables that classes of listeners have once, bound to a session's at need.

A session knows some sixty kinds of events and meets a dozen: a table of bound methods for each session would cost more
memory than all that an idle one keeps in mind.
"""

from collections.abc import Callable, Mapping
from types import MethodType
from typing import Any, ClassVar, Protocol


class Handles(Protocol):
    """A listener whose class says which of its methods takes which events."""

    HANDLES: ClassVar[Mapping[type, Callable[..., Any]]]


class Dispatch(dict[type, Callable[..., Any] | None]):
    """Gives the handler of a class of events, or None: `dispatch[type(event)]`. Asked again, it is a plain dictionary.

    Args:
        listeners: Who handles them; the first that handles a class is given.
    """

    __slots__ = ("_listeners",)

    def __init__(self, *listeners: Handles) -> None:
        self._listeners = listeners
        self.clear()  # Room for eight, which a subclass of `dict` begins with, is given back until there is one.

    def __missing__(self, cls: type) -> Callable[..., Any] | None:
        self[cls] = handler = self._bound(cls)
        return handler

    def _bound(self, cls: type) -> Callable[..., Any] | None:
        for listener in self._listeners:
            method = listener.HANDLES.get(cls)
            if method is not None:
                return MethodType(method, listener)
        return None
