"""What the application did and got: the one of the two ledgers that stands on the user's side."""

from typing import Any
from zlib import crc32

import attrs

from engine.audio.pcm import base64_bytes
from engine.events import BidiAudioStreamEvent


@attrs.frozen
class Push:
    """Microphone audio that the session took.

    Attributes:
        at_s: When.
        first: Number of its first block.
        count: Blocks.
    """

    at_s: float
    first: int
    count: int


@attrs.frozen
class Typed:
    """Words that the session took.

    Attributes:
        at_s: When.
        words: Which.
    """

    at_s: float
    words: str


@attrs.frozen
class Heard:
    """A piece of the model's speech.

    Attributes:
        item_id: Whose.
        response_id: Whose.
        ms: Its length.
        mark: Tells it from any other.
        received_s: When it came from the service.
    """

    item_id: str
    response_id: str
    ms: float
    mark: int
    received_s: float = 0.0


@attrs.frozen
class Got:
    """What came out of `receive()`.

    Attributes:
        at_s: When.
        event: The event; of audio a `Heard`.
    """

    at_s: float
    event: Any


@attrs.frozen
class Wait:
    """Something that the application waited for.

    Attributes:
        what: The call.
        began_s: When.
        ended_s: When it came back.
        error: The class of what it raised; empty for none, `Cancelled` where the application gave up.
    """

    what: str
    began_s: float
    ended_s: float
    error: str = ""


@attrs.frozen
class Remembered:
    """An item of the conversation, as the session tells it.

    Attributes:
        id: Its id.
        kind: Its type.
        words: All its words.
        heard: Those that were heard.
        heard_ms: Where it was cut.
    """

    id: str
    kind: str
    words: str
    heard: str
    heard_ms: int | None


@attrs.define
class AppLedger:
    """One user's side of a session.

    Attributes:
        came_s: When they came.
        left_s: When all was over.
        pushes: Audio that was taken, in order.
        typed: Words that were taken, in order.
        given_up: Words whose sending was cancelled, so they were not sent.
        got: What was received, in order.
        waits: What was waited for.
        results: Calls that were answered by a tool, by their id, and how often.
        error: What the session ended with.
        spoken: When each utterance began.
        speech_blocks: Blocks that are speech.
        history: What the session says of the conversation at its rest.
        calm: The user waited until all had come to its rest.
        stopping_s: When they began to stop.
    """

    came_s: float = 0.0
    left_s: float = 0.0
    pushes: list[Push] = attrs.Factory(list)
    typed: list[Typed] = attrs.Factory(list)
    given_up: list[str] = attrs.Factory(list)
    got: list[Got] = attrs.Factory(list)
    waits: list[Wait] = attrs.Factory(list)
    results: dict[str, int] = attrs.Factory(dict)
    error: BaseException | None = None
    spoken: dict[int, float] = attrs.Factory(dict)
    speech_blocks: set[int] = attrs.Factory(set)
    history: list[Remembered] | None = None
    calm: bool = False
    stopping_s: float = float("inf")

    def hear(self, at_s: float, event: Any) -> None:
        """Take an event."""
        if isinstance(event, BidiAudioStreamEvent):
            event = Heard(
                event.item_id or "",
                event.response_id or "",
                base64_bytes(event.audio) / 48,
                crc32(event.audio.encode()),
                event.received_at or 0.0,
            )
        self.got.append(Got(at_s, event))
