"""What the service says that the engine does not know: counted, and never a reason to fail."""

from typing import Final

from engine.counting import NameCounts
from engine.wire import server as wire
from engine.wire.record import is_odd, misfit_keys, unknown_keys


class Oddities:
    """Counts events of unknown types, and fields that are unknown or of another type than they should be."""

    __slots__ = ("events", "fields", "misfits")

    def __init__(self) -> None:
        self.events = NameCounts()
        """Events of unknown type, by type."""
        self.fields = NameCounts()
        """Unknown fields, by `type:path`."""
        self.misfits = NameCounts()
        """Optional fields whose value was not used, by `type:path`."""

    def note(self, event: wire.ServerEvent) -> None:
        """Look at an event."""
        if isinstance(event, wire.UnknownServerEvent):
            self.events.add(event.type)
            return
        if not is_odd(event):
            return
        for path in unknown_keys(event):
            self.fields.add(f"{event.tag}:{path}")
        for path in misfit_keys(event):
            self.misfits.add(f"{event.tag}:{path}")


LOOKED_INTO: Final = frozenset(
    {
        wire.UnknownServerEvent,
        wire.SessionCreated,
        wire.SessionUpdated,
        wire.ErrorReported,
        wire.RateLimitsUpdated,
        wire.ConversationItemAdded,
        wire.ConversationItemDone,
        wire.ConversationItemCreated,
        wire.ConversationItemRetrieved,
        wire.ConversationItemInputAudioTranscriptionCompleted,
        wire.ConversationItemInputAudioTranscriptionFailed,
        wire.ResponseCreated,
        wire.ResponseDone,
        wire.ResponseOutputItemAdded,
        wire.ResponseOutputItemDone,
        wire.ResponseContentPartAdded,
        wire.ResponseContentPartDone,
    }
)
"""Events that hold records, whose unknown fields are looked for inside as well; and those that are unknown whole."""
