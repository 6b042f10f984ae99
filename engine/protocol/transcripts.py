"""Utterances as they grow: the text so far of each piece of content."""

from engine.events import BidiTranscriptStreamEvent, Role

Place = tuple[str, int]
"""Item id and content index."""


class Transcripts:
    """Joins deltas to the text so far, for both sides of the conversation."""

    def __init__(self) -> None:
        self._so_far: dict[Place, str] = {}

    def __len__(self) -> int:
        return len(self._so_far)

    def grow(self, place: Place, delta: str) -> str:
        """Add a delta and give all of it."""
        text = self._so_far.get(place, "") + delta
        self._so_far[place] = text
        return text

    def finish(self, place: Place) -> None:
        """The utterance is final; forget it."""
        self._so_far.pop(place, None)


def transcript_event(
    text: str, role: Role, *, is_final: bool, so_far: str, item_id: str, content_index: int, event_id: str | None,
    received_at: float, response_id: str | None = None,
) -> BidiTranscriptStreamEvent:  # fmt: skip
    """Make the contract's event of an utterance's new words."""
    return BidiTranscriptStreamEvent(
        delta={"text": text},
        text=text,
        role=role,
        is_final=is_final,
        current_transcript=so_far,
        response_id=response_id,
        item_id=item_id,
        content_index=content_index,
        event_id=event_id,
        received_at=received_at,
    )
