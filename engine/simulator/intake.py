"""What every kind of session does with a client's message: read it, check it, hand it on, or answer with an error."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from engine.simulator.catalogue import Refusal
from engine.simulator.checks import check_event, event_id_of, parse
from engine.simulator.schema import Shape
from engine.simulator.services import Emit

logger = logging.getLogger(__name__)

Json = dict[str, Any]


@attrs.frozen
class Intake:
    """The way in.

    Attributes:
        events: What each client event may hold.
        handlers: What each does.
        emit: Sends an error.
        note: Told each message's type and text as it is received.
    """

    events: Mapping[str, Shape]
    handlers: Mapping[str, Callable[[Json], None]]
    emit: Emit
    note: Callable[[str, str], None]

    def receive(self, message: str | bytes) -> None:
        """Do what a client message asks, or answer with an error; never waits."""
        event: Json = {}
        try:
            try:
                event = parse(message)
            finally:
                self.note(_named(event), message if isinstance(message, str) else "")
            self.handlers[check_event(event, self.events)](event)
        except Refusal as refusal:
            logger.debug("refused %s: %s", _named(event), refusal.code)
            self.emit("error", error=refusal.error(event_id_of(event)))


def _named(event: Json) -> str:
    """Give an event's type, if it is text: anything else may be large, or too deep to be shown."""
    kind = event.get("type")
    return kind if isinstance(kind, str) else ""
