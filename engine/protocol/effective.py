"""The settings in effect, as the service tells them, and what they mean for the conversation."""

from collections.abc import Sequence

from engine.config import SessionConfig
from engine.config.changes import Standing
from engine.protocol.pairs import changed_fields
from engine.wire.client import SessionUpdate
from engine.wire.server import SessionCreated, SessionUpdated
from engine.wire.session import Session


class Effective:
    """What the session is now.

    Args:
        config: What was asked for.
    """

    __slots__ = ("_config", "_updates", "answers", "detects_turns", "interrupts", "session", "speaks", "transcribes")

    def __init__(self, config: SessionConfig) -> None:
        self._config = config
        self.session: Session | None = None
        """As the service told it last; None until then."""
        self._updates: list[SessionUpdate] = []
        self.detects_turns = config.turn_detection is not None
        """The service finds the ends of spoken turns."""
        self.transcribes = config.transcription is not None
        """The service writes down what the user says."""
        self.speaks = "audio" in config.output_modalities
        """The service speaks; else it writes."""
        self.interrupts = True
        """The service stops its answer when the user speaks."""
        self.answers = True
        """The service answers a spoken turn by itself."""

    def accepted(self, update: SessionUpdate) -> None:
        """Take a change that the service has taken; it stands in place of older ones of which it says all anew."""
        fields = changed_fields(update.session)
        self._updates = [each for each in self._updates if not changed_fields(each.session) <= fields]
        self._updates.append(update)

    @property
    def updates(self) -> Sequence[Session]:
        """The changes since the session began, for another connection to be told after what it began with."""
        return [each.session for each in self._updates]

    def told(self, event: SessionCreated | SessionUpdated) -> None:
        """Take what the service says."""
        self.session = event.session
        audio = event.session.audio
        turns = audio.input.turn_detection if audio and audio.input else None
        if isinstance(event, SessionUpdated):
            self.detects_turns = turns is not None
        if isinstance(event, SessionUpdated):
            self.transcribes = audio is not None and audio.input is not None and audio.input.transcription is not None
        if event.session.output_modalities is not None:
            self.speaks = "audio" in event.session.output_modalities
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
