"""Who waits for which answer of the service: a request goes out whole or not at all, and ends in any case.

Its end is an answer, a refusal, its deadline, or the end of the session; whoever leaves earlier is forgotten.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import trio

from engine.errors import EngineError
from engine.protocol.conversation import Conversation
from engine.protocol.effects import Effect
from engine.protocol.requests import Answered
from engine.session.supervisor import Supervisor
from engine.wire.client import ClientEvent
from engine.wire.codec import encode

Make = Callable[[], ClientEvent]
"""Makes the request when there is room to send it: what it depends on may have changed while it waited."""


@attrs.define(eq=False)
class _Slot:
    """A place where an answer is put."""

    then: Callable[[Any], Any]
    value: Any = None
    error: EngineError | None = None
    filled: trio.Event = attrs.Factory(trio.Event)


class Answers:
    """The requests of one session that are waited for.

    Args:
        conversation: Matches requests and answers.
        supervisor: Sends.
    """

    __slots__ = ("_conversation", "_slots", "_supervisor")

    def __init__(self, conversation: Conversation, supervisor: Supervisor) -> None:
        self._conversation = conversation
        self._supervisor = supervisor
        self._slots: dict[int, _Slot] = {}
        supervisor.when_over(self._over)

    def __len__(self) -> int:
        return len(self._slots)

    async def ask(self, make: Make, then: Callable[[Any], Any] = lambda value: value) -> Any:
        """Send a request and wait for its answer.

        Args:
            make: Makes the request.
            then: Takes the answer at once, before any later event is looked at; gives what is returned here.

        Raises:
            ServerReported: The service refused.
            DeadlinePassed: No answer came in time.
            SessionEnded: The session is over.
        """
        slot, tickets = _Slot(then), list[int]()

        def take(now: float) -> list[Effect]:
            asked = self._conversation.ask(make(), now)
            tickets.append(asked.ticket)
            self._slots[asked.ticket] = slot
            return list(asked.effects)

        try:
            await self._supervisor.submit(take)
            await _wait(slot)
        finally:
            for ticket in tickets:
                self._leave(ticket)
        return _result(slot)

    def ask_nowait(self, event: ClientEvent) -> Callable[[], Awaitable[Any]]:
        """Send a request at once, past any bound; what it gives waits for the answer as `ask` does, and must be called.

        Raises:
            SessionEnded: The session is over.
        """
        encode(event)  # What can't be written must not count as sent.
        slot = _Slot(lambda value: value)
        asked = self._conversation.ask(event, trio.current_time())
        self._slots[asked.ticket] = slot
        self._supervisor.apply(asked.effects)

        async def answer() -> Any:
            try:
                await _wait(slot)
            finally:
                self._leave(asked.ticket)
            return _result(slot)

        return answer

    def tell(self, event: ClientEvent) -> None:
        """Send a request at once whose answer nobody waits for; nothing once the session is over or closing."""
        if self._supervisor.state in {"live", "renewing"} and not self._supervisor.ended:
            now = trio.current_time()
            asked = self._conversation.ask(event, now)
            self._supervisor.apply([*asked.effects, *self._conversation.withdraw(asked.ticket, now)])

    def _leave(self, ticket: int) -> None:
        if self._slots.pop(ticket).filled.is_set():
            return
        self._supervisor.apply(self._conversation.withdraw(ticket, trio.current_time()))

    def settle(self, effect: Answered) -> None:
        """Put an answer into its place."""
        slot = self._slots.get(effect.ticket)
        if slot is None or slot.filled.is_set():  # Its end may be the session's, and it may not have seen that yet.
            return
        slot.error = effect.error
        slot.value = slot.then(effect.value) if effect.error is None else None
        slot.filled.set()

    def _over(self) -> None:
        for slot in self._slots.values():
            if not slot.filled.is_set():
                slot.error = self._supervisor.over()
                slot.filled.set()


async def _wait(slot: _Slot) -> None:
    if not slot.filled.is_set():  # Else its checkpoint could be cancelled, and the answer lost.
        await slot.filled.wait()


def _result(slot: _Slot) -> Any:
    if slot.error is not None:
        raise slot.error
    return slot.value
