"""Sends what an agent sends over one session: part by part, and so that one answer is asked for at the end."""

import asyncio
from collections.abc import Sequence
from typing import Final

from engine.contract import tool_output
from engine.errors import UnsupportedContent
from engine.events import BidiImageInputEvent, BidiTextInputEvent, SessionInput, ToolResultEvent
from engine.integrations.strands.requests import Requests
from engine.integrations.strands.talk import Talk
from engine.limits import ID_MAX_CHARS
from engine.session import Session

_UNTELLABLE: Final = "The tool gave a result that can't be told here: it is neither text nor JSON."


class Sending:
    """The sending side of one session.

    Args:
        session: Which.
        talk: Knows the calls that have no result yet; those there are at the beginning are of the session before.
        images_ask: A message that ends in an image asks for an answer.
    """

    def __init__(self, session: Session, talk: Talk, *, images_ask: bool) -> None:
        self._session = session
        self._talk = talk
        self._images_ask = images_ask
        self._requests = Requests()
        self._carried = set(talk.calls)
        self._giving = asyncio.Lock()

    async def send(self, parts: Sequence[SessionInput]) -> None:
        """Send the parts of a message, in their order.

        Raises:
            UnsupportedContent: It can't be sent. Nothing of it was; of a tool's result, the model is told so in its
                place.
            SessionEnded: The session is over.
        """
        *first, last = parts
        refused = [await self._add(part) for part in first]
        refused.append(await self._add(last, asks=True))
        for error in filter(None, refused):
            raise error

    async def end(self) -> None:
        """Wait for nothing any more."""
        await self._requests.end()

    async def _add(self, part: SessionInput, *, asks: bool = False) -> UnsupportedContent | None:
        if isinstance(part, ToolResultEvent):
            return await self._answer(part)
        if isinstance(part, BidiTextInputEvent) and not asks:
            await self._session.items.create(text=part.text, role=part.role)
        else:
            await self._session.send(part)
            if isinstance(part, BidiImageInputEvent) and asks and self._images_ask:
                self._requests.ask(self._session)
        return None

    async def _answer(self, result: ToolResultEvent) -> UnsupportedContent | None:
        """Give a result, or tell the model that there is one that it can't be told. A call without any holds it up."""
        call_id, error = result.tool_use_id, _refusal(result)
        if error is not None:
            result = ToolResultEvent({"toolUseId": call_id, "status": "error", "content": [{"text": _UNTELLABLE}]})
        await self._give(call_id, result)
        self._talk.calls.pop(call_id, None)
        return error

    async def _give(self, call_id: str, result: ToolResultEvent) -> None:
        """Send a result. The engine asks for an answer after the last of a response's calls.

        Calls of the session before it has never seen, so for those it would ask after each.
        """
        if call_id not in self._carried:
            await self._session.send(result)
            return
        async with self._giving:  # Results come side by side, and the last has to be the last.
            self._carried.discard(call_id)
            if self._carried and len(call_id) <= ID_MAX_CHARS:
                output = tool_output(result.tool_result.get("content"), call_id)
                await self._session.items.create({"type": "function_call_output", "call_id": call_id, "output": output})
            else:
                await self._session.send(result)


def _refusal(result: ToolResultEvent) -> UnsupportedContent | None:
    """Find out why a result can't be told, if it can't."""
    try:
        tool_output(result.tool_result.get("content"), result.tool_use_id).encode()
    except UnsupportedContent as refused:
        return refused
    except UnicodeEncodeError:
        return UnsupportedContent("a result with half a surrogate pair | content not supported; give Unicode text")
    return None
