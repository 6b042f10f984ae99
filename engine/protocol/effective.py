"""The settings in effect, as the service tells them, and what they mean for the conversation."""

from engine.config import SessionConfig
from engine.config.changes import Standing
from engine.wire.server import SessionCreated, SessionUpdated
from engine.wire.session import Session


class Effective:
    """What the session is now.

    Args:
        config: What was asked for.
    """

    def __init__(self, config: SessionConfig) -> None:
        self._config = config
        self.session: Session | None = None
        """As the service told it last; None until then."""
        self.detects_turns = config.turn_detection is not None
        """The service finds the ends of spoken turns."""
        self.interrupts = True
        """The service stops its answer when the user speaks."""
        self.answers = True
        """The service answers a spoken turn by itself."""

    def told(self, event: SessionCreated | SessionUpdated) -> None:
        """Take what the service says."""
        self.session = event.session
        audio = event.session.audio
        turns = audio.input.turn_detection if audio and audio.input else None
        if isinstance(event, SessionUpdated):
            self.detects_turns = turns is not None
        self.interrupts = turns is None or turns.interrupt_response is not False
        self.answers = turns is None or turns.create_response is not False

    def standing(self, *, has_spoken: bool, response_active: bool) -> Standing:
        """Tell what decides which changes are possible now."""
        told = self.session
        output = told.audio.output if told is not None and told.audio is not None else None
        voice = output.voice if output is not None else None
        return Standing(
            model=self._config.model,
            voice=self._config.spoken_voice if voice is None else voice,
            has_spoken=has_spoken,
            tracing=None if told is None else told.tracing,
            response_active=response_active,
        )
