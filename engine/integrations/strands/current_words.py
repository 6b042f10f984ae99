"""What the engine tells in the events of `strands.bidi`, and what its agents send in the engine's.

Pure but for the clock that `Words` is given.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import pybase64
from strands.bidi.models import ConnectionTimeoutError
from strands.bidi.types import AudioDelta, BidiMessage
from strands.bidi.types import events as strands
from strands.types.content import TextBlock
from strands.types.media import ImageBlock
from strands.types.tools import ToolResultBlock

from engine import errors
from engine.config import AudioSettings
from engine.errors import UnsupportedContent
from engine.events import (
    BidiAudioInputEvent,
    BidiAudioStreamEvent,
    BidiConnectionCloseEvent,
    BidiConnectionRestartEvent,
    BidiConnectionStartEvent,
    BidiConnectionWarningEvent,
    BidiImageInputEvent,
    BidiInterruptionEvent,
    BidiOutputEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    BidiUsageEvent,
    SessionInput,
    ToolResultEvent,
    ToolUseStreamEvent,
)
from engine.integrations.strands.engine_event import EngineEvent
from engine.integrations.strands.streams import Streams
from engine.integrations.strands.talk import STOPPED_HERE


class BidiModelTimeoutError(errors.BidiModelTimeoutError, ConnectionTimeoutError):
    """The session's lifetime is over: the engine's error and Strands', so that an agent starts it anew."""


def timeout(error: errors.BidiModelTimeoutError) -> BidiModelTimeoutError:
    """Give the error that an agent knows for one of the engine's."""
    known = BidiModelTimeoutError(str(error), **error.restart_config)
    known.limit_s = error.limit_s
    return known


class Words:
    """What Strands calls what the engine tells.

    Args:
        written: Answers are text, not speech.
        transcribes: What the user says is written down.
        interrupts: The model stops when the user speaks.
        clock: Tells the time in seconds.
    """

    def __init__(
        self, *, written: bool, transcribes: bool, interrupts: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._streams = Streams(written=written)
        self._transcribes = transcribes
        self._interrupts = interrupts
        self._clock = clock
        self._active: set[str] = set()
        self._plays_until_s = 0.0
        self._tell: Final[dict[type, Callable[[Any], Iterator[Any]]]] = {
            BidiConnectionStartEvent: self._begun,
            BidiConnectionWarningEvent: self._warned,
            BidiConnectionRestartEvent: self._restarted,
            BidiConnectionCloseEvent: self._closed,
            BidiResponseStartEvent: self._response_began,
            BidiAudioStreamEvent: self._heard,
            BidiTranscriptStreamEvent: self._streams.words,
            BidiInterruptionEvent: self._interrupted,
            ToolUseStreamEvent: self._called,
            BidiResponseCompleteEvent: self._response_over,
            BidiUsageEvent: self._used,
        }

    def told(self, event: BidiOutputEvent) -> Sequence[Any]:
        """Give Strands' events for one of the engine's, perhaps none."""
        tell = self._tell.get(type(event))
        made = [EngineEvent(event)] if tell is None else list(tell(event))
        for one in made:
            one.engine_event = event
        return made

    def timeout(self, error: errors.BidiModelTimeoutError) -> Exception:
        """Give Strands' error."""
        return timeout(error)

    # --- the connection ---------------------------------------------------------------------------------------

    def _begun(self, event: BidiConnectionStartEvent) -> Iterator[Any]:
        yield strands.BidiConnectionStartEvent(event.connection_id, event.model)

    def _warned(self, event: BidiConnectionWarningEvent) -> Iterator[Any]:
        yield strands.BidiConnectionWarningEvent(event.due_s)

    def _restarted(self, event: BidiConnectionRestartEvent) -> Iterator[Any]:
        error = event.timeout_error
        yield strands.BidiConnectionRestartEvent(
            "scheduled" if event.reason == "renewal" else "timeout",
            timeout(error) if isinstance(error, errors.BidiModelTimeoutError) else None,
            turn_interrupted=event.asked_again,
        )

    def _closed(self, event: BidiConnectionCloseEvent) -> Iterator[Any]:
        if event.reason == STOPPED_HERE:
            yield strands.BidiConnectionStopEvent(event.connection_id, "user_request")

    # --- answers ----------------------------------------------------------------------------------------------

    def _response_began(self, event: BidiResponseStartEvent) -> Iterator[Any]:
        self._active.add(event.response_id)
        yield strands.BidiResponseStartEvent(event.response_id)

    def _heard(self, event: BidiAudioStreamEvent) -> Iterator[Any]:
        self._plays_until_s = max(self._plays_until_s, self._clock()) + _duration_s(event)
        yield from self._streams.audio(event)

    def _interrupted(self, event: BidiInterruptionEvent) -> Iterator[Any]:
        """Strands knows an interruption of what is said or still plays; the engine tells each turn of the user's."""
        by_turn = event.item_id is not None
        speaks = bool(self._active) or self._clock() < self._plays_until_s
        if (self._interrupts and speaks) if by_turn else True:
            self._plays_until_s = 0.0
            yield strands.BidiBargeInEvent()
        if self._transcribes and event.item_id is not None:
            yield from self._streams.user_speaks(event.item_id)

    def _called(self, event: ToolUseStreamEvent) -> Iterator[Any]:
        yield strands.BidiToolUseBlocksEvent([dict(event.current_tool_use)])  # type: ignore[list-item]

    def _response_over(self, event: BidiResponseCompleteEvent) -> Iterator[Any]:
        self._active.discard(event.response_id)
        yield from self._streams.response_over(event.response_id)
        yield strands.BidiResponseStopEvent(event.response_id)

    def _used(self, event: BidiUsageEvent) -> Iterator[Any]:
        taken: Any = {each["modality"]: each["input_tokens"] for each in event.modality_details}
        given: Any = {each["modality"]: each["output_tokens"] for each in event.modality_details}
        if event.cache_read_input_tokens is not None:
            taken["cache_read"] = event.cache_read_input_tokens
        yield strands.BidiUsageEvent(
            event.input_tokens, event.output_tokens, event.total_tokens, taken or None, given or None
        )


def _duration_s(event: BidiAudioStreamEvent) -> float:
    sample_bytes = 2 if event.format == "pcm" else 1
    return len(event.audio) * 3 / 4 / (event.sample_rate * event.channels * sample_bytes)


# --- what agents send -------------------------------------------------------------------------------------------

_OURS: Final = (BidiTextInputEvent, BidiAudioInputEvent, BidiImageInputEvent, ToolResultEvent)


def to_inputs(content: Any, audio: AudioSettings) -> list[SessionInput]:
    """Give the engine's events for what an agent sends.

    Args:
        content: A `BidiMessage`, an `AudioDelta`, or an input event of the engine's.
        audio: The session's, as Strands does not say with each piece how to read it.

    Raises:
        UnsupportedContent: Something of it can't be sent; the text says what can.
    """
    match content:
        case BidiMessage(content=[_, *_]):
            return [_part(block) for block in content.content]
        case AudioDelta():
            data = _bytes(content.source, "audio")
            encoded = pybase64.b64encode(data).decode("ascii")
            return [BidiAudioInputEvent(encoded, content.format, audio.input_rate, audio.channels)]
        case _ if isinstance(content, _OURS):
            return [content]
        case _:
            raise UnsupportedContent(
                f"content_type={type(content).__name__} | content not supported; "
                f"send an AudioDelta, or a BidiMessage with at least one block"
            )


def _part(block: Any) -> SessionInput:
    match block:
        case TextBlock():
            return BidiTextInputEvent(block.text)
        case ImageBlock():
            encoded = pybase64.b64encode(_bytes(block.source, "image")).decode("ascii")
            return BidiImageInputEvent(encoded, f"image/{block.format}")
        case ToolResultBlock():
            return ToolResultEvent(block.to_dict()["toolResult"])
        case _:
            raise UnsupportedContent(
                f"{type(block).__name__} in a message | content not supported; "
                f"send TextBlock, ImageBlock or ToolResultBlock"
            )


def _bytes(source: Any, kind: str) -> bytes:
    data = source.get("bytes") if isinstance(source, dict) else None
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise UnsupportedContent(f"{kind} whose source holds no bytes | content not supported; give {{'bytes': ...}}")
    return bytes(data)
