"""Carries an event of the engine's through an agent whose Strands has no class for it."""

from strands.types._events import TypedEvent  # type: ignore[attr-defined] # where all versions have it

from engine.events import BidiOutputEvent


class EngineEvent(TypedEvent):
    """An event for which Strands has no class, as those of MCP servers; its `type` and its keys are the engine's.

    Attributes:
        engine_event: The event itself.
    """

    def __init__(self, event: BidiOutputEvent) -> None:
        super().__init__(event.as_dict())
        self.engine_event = event
