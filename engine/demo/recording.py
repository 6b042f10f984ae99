"""What happened in a call, for the transcript, the picture and the figures."""

import math
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest
from statistics import median

import attrs

from engine.demo.sound_card import Playing
from engine.events import BidiUsageEvent


@attrs.define
class CallerTurn:
    """One turn of the caller. Times are seconds on the tape.

    Attributes:
        began_s: The first word.
        ended_s: The end of the last word.
        said: The words.
        heard: What the service wrote down.
        cut_in: Said into the agent's answer.
    """

    began_s: float
    ended_s: float
    said: str
    cut_in: bool
    heard: str | None = None


@attrs.define
class Response:
    """One response of the service.

    Attributes:
        began_s: When the engine told its start.
        stop_reason: Empty until it is over.
    """

    began_s: float
    stop_reason: str = ""


@attrs.define
class Answer:
    """One spoken message of the agent.

    Attributes:
        playing: What was received and heard of it.
        arrived_s: When its pieces of audio came.
        words: Its transcript.
        written: True when the transcript is whole.
    """

    playing: Playing
    arrived_s: list[float] = attrs.field(factory=list)
    words: str = ""
    written: bool = False

    @property
    def heard_words(self) -> str:
        """The words that were heard, about: the share of the words is taken to be that of the audio."""
        playing = self.playing
        if playing.heard_ms >= playing.received_ms:
            return self.words
        at = int(len(self.words) * playing.heard_ms / playing.received_ms)
        return self.words[:at].rpartition(" ")[0] + " —"


@attrs.frozen
class ToolUse:
    """One call of a tool.

    Attributes:
        called_s: When the engine told it.
        answered_s: When its result was sent.
        call: It in words.
        result: Its result in words.
    """

    called_s: float
    answered_s: float
    call: str
    result: str


@attrs.frozen
class Interruption:
    """The caller cut in.

    Attributes:
        spoke_s: The first sound of the caller.
        silent_s: When the loudspeaker fell silent.
        heard_ms: What was heard of the answer.
        received_ms: What had come of it by then.
    """

    spoke_s: float
    silent_s: float
    heard_ms: float
    received_ms: float

    @property
    def latency_s(self) -> float:
        """From the caller's first sound to silence."""
        return self.silent_s - self.spoke_s


@attrs.define
class Usage:
    """Tokens of all responses.

    Attributes:
        input: By modality.
        output: By modality.
        cached: Those of the input that came from the cache.
    """

    input: Counter[str] = attrs.field(factory=Counter)
    output: Counter[str] = attrs.field(factory=Counter)
    cached: int = 0

    def add(self, event: BidiUsageEvent) -> None:
        """Add those of one response."""
        for details in event.modality_details:
            self.input[details["modality"]] += details["input_tokens"]
            self.output[details["modality"]] += details["output_tokens"]
        self.cached += event.cache_read_input_tokens or 0


@attrs.define
class Recording:
    """A whole call.

    Attributes:
        turns: The caller's, in order.
        responses: By id, in order.
        answers: By item id, in order.
        tools: In order.
        interruptions: In order.
        errors: What went wrong, in words.
        usage: Tokens.
    """

    turns: list[CallerTurn] = attrs.field(factory=list)
    responses: dict[str, Response] = attrs.field(factory=dict)
    answers: dict[str, Answer] = attrs.field(factory=dict)
    tools: list[ToolUse] = attrs.field(factory=list)
    interruptions: list[Interruption] = attrs.field(factory=list)
    errors: list[str] = attrs.field(factory=list)
    usage: Usage = attrs.field(factory=Usage)

    def turn_before(self, at_s: float) -> CallerTurn | None:
        """Give the caller's last turn that was over by then."""
        over = [turn for turn in self.turns if turn.ended_s <= at_s]
        return over[-1] if over else None

    def waits(self) -> Iterator[tuple[float, float]]:
        """Give, for each turn that was answered, when it ended and how long the answer's first sound took."""
        for turn, following in zip_longest(self.turns, self.turns[1:]):
            until_s = following.began_s if following else math.inf
            began = (answer.playing.began_s for answer in self.answers.values())
            answered = [at_s for at_s in began if at_s is not None and turn.ended_s <= at_s < until_s]
            if answered:
                yield turn.ended_s, min(answered) - turn.ended_s

    def median_wait_s(self) -> float | None:
        """Give the median of these waits; None when nothing was answered."""
        waits = [wait_s for _, wait_s in self.waits()]
        return median(waits) if waits else None
