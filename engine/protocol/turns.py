"""The model's turns: responses from begin to end, their audio and calls, and when the next one is asked for."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Final, cast

from engine.audio.pcm import base64_bytes
from engine.audio.playback import Playback
from engine.config import SessionConfig
from engine.contract import tool_output
from engine.counting import NameCounts
from engine.errors import EngineError, LocalMisuse, ServerReported, UnsupportedContent
from engine.events import (
    BidiErrorEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    ToolResultEvent,
    ToolUseStreamEvent,
)
from engine.events.speech import speech_event
from engine.protocol.asking import Asking
from engine.protocol.call_ids import CallIds
from engine.protocol.calls import Call, Calls
from engine.protocol.composer import Composer
from engine.protocol.effects import Apart, AudioDone, Effect, PurgeAudio, Rearm, Transmit
from engine.protocol.interruptions import Interruptions
from engine.protocol.outcomes import NO_ID, complete_event, usage_event
from engine.protocol.requests import Requests
from engine.protocol.response_gate import ResponseGate
from engine.protocol.underway import Underway
from engine.wire import server as wire
from engine.wire.client import ClientEvent, ConversationItemCreate, ResponseCreate
from engine.wire.items import FunctionCallItem, FunctionCallOutputItem
from engine.wire.response import Response

_NOTHING: Final[Sequence[Effect]] = ()
_REMEMBERED_RESPONSES: Final = 64
"""Ids that are kept: of ended responses, to know a repeated event from a new one; of interrupted ones, whose audio may
come late; and of those outside the conversation, whose audio may wait for the application long after their end."""


class Turns:
    """Handles the events of responses, and owns the gate that asks for them.

    Args:
        config: The session's settings.
        composer: Makes client events.
        ids: Maps call ids.
        out_of_order: Counts events that come where they have no place.
    """

    __slots__ = (
        "_apart",
        "_aside",
        "_calls",
        "_composer",
        "_ended",
        "_ids",
        "_open_asides",
        "_out_of_order",
        "_sample_bytes",
        "_shape",
        "_silenced",
        "asking",
        "cuts",
        "gate",
        "has_spoken",
        "interruptions",
        "playback",
        "requests",
        "silenced_audio",
        "underway",
    )

    def __init__(self, config: SessionConfig, composer: Composer, ids: CallIds, out_of_order: NameCounts) -> None:
        self._composer = composer
        self._ids = ids
        self._out_of_order = out_of_order
        self._shape = config.audio.wire_shape
        self._sample_bytes = self._shape.frame_bytes
        self._calls = Calls()
        self.playback = Playback(self._shape.rate_hz)
        """What the user has heard."""
        self.interruptions = Interruptions(self.playback, composer)
        """What the service is told of it."""
        self._silenced: dict[str, None] = {}
        self._aside: dict[str, None] = {}
        self._ended: dict[str, None] = {}
        self._open_asides: dict[str, None] = {}
        limits = config.engine
        self.underway = Underway()
        """Items on their way."""
        self.gate = ResponseGate(limits.response_request_deadline_s, limits.tool_result_deadline_s, self.underway)
        """When a response may be asked for."""
        self.requests = Requests(limits.request_deadline_s, limits.response_request_deadline_s)
        """What the application has asked for by itself."""
        self.asking = Asking(composer, self.gate, self.requests, self.underway)
        """How it does."""
        self._apart = self.asking.apart
        self.has_spoken = False
        """The conversation holds speech of the model's."""
        self.cuts = True
        """Does the user's speech interrupt?"""
        self.silenced_audio = 0
        """Audio events of interrupted responses that were not handed on."""

    # --- the application's side -------------------------------------------------------------------------------

    def answer(self, result: ToolResultEvent) -> Transmit:
        """Take a tool's result.

        Raises:
            UnsupportedContent: The service can't take it.
            LocalMisuse: The call has one already.
        """
        if not isinstance(result.tool_result, Mapping) or "toolUseId" not in result.tool_result:
            raise UnsupportedContent(
                "a tool result without 'toolUseId' | content not supported; say whose result it is"
            )
        call_id = self._ids.to_wire(result.tool_use_id)
        output = tool_output(result.tool_result.get("content"), result.tool_use_id)
        if self.gate.calls.was_answered(call_id):
            raise LocalMisuse(f"call {result.tool_use_id!r} has its result already; each call takes exactly one")
        return self._answer(call_id, output)

    def settle(self, now: float) -> list[Effect]:
        """Ask for the response that is owed or next in line, if the way is free."""
        changed: list[Effect] = [Rearm()] if self.gate.hold(now) else []
        asked = self.gate.next_asked(now)
        event = self.requests.sent(asked, now)
        if event is not None:
            return [Transmit(event), Rearm()]
        if not self.gate.ready():
            return changed
        event_id = self._composer.next_event_id()
        self.gate.sent(event_id, now)
        return [self._composer.ask(event_id), Rearm()]

    def sent_by_hand(self, event: ClientEvent, now: float) -> None:
        """Take note of what the application sends by itself."""
        match event:
            case ResponseCreate(response=settings) if settings is None or settings.conversation != "none":
                self.gate.sent(event.event_id, now, repeat=False)
            case ConversationItemCreate():
                self.asking.item_sent(event)
        self.requests.note(event, now)

    def interrupt(self, now: float, told: Effect, *, cancelled: bool = False) -> list[Effect]:
        """The user cuts in: nothing more of what the model was saying, but for responses outside the conversation.

        Args:
            now: When.
            told: The event that tells the application, past all audio that waits.
            cancelled: The active response is cancelled by us, not by the service that heard the user.
        """
        if self.gate.active_id is not None:
            _remember(self._silenced, self.gate.active_id)
        kept = frozenset(self._aside)
        cancelling = self.gate.active_id if cancelled else None
        return [PurgeAudio(kept), told, *self.interruptions.cut_in(now, kept, cancelling)]

    def is_silenced(self, response_id: str) -> bool:
        """Tell whether the user has cut in on a response."""
        return response_id in self._silenced

    def link_down(self) -> list[str]:
        """The connection is gone. Gives the responses outside the conversation whose end must still be told to all."""
        told = [response_id for response_id in self._open_asides if response_id not in self._apart]
        for response_id in self._open_asides:
            self.forget(response_id)
        self._open_asides.clear()
        return told

    def untold_calls(self) -> frozenset[str]:
        """The connection is gone. Gives the calls that had begun on it and that the application will not be told of."""
        return self._calls.link_down()

    def forget(self, response_id: str) -> None:
        """A response will not end: it counts as ended, and what it was about to call is forgotten."""
        self._calls.response_done(response_id, (), completed=False)
        if response_id != NO_ID:
            _remember(self._ended, response_id)

    def given_up(self, response_id: str, now: float, error: EngineError) -> list[Effect]:
        """A response has fallen silent: it is over, and what may still come of it is not handed on."""
        _remember(self._silenced, response_id)
        self.forget(response_id)
        if not self.is_aside(response_id):
            self.gate.fell_silent(response_id, now)
        done = BidiResponseCompleteEvent(
            response_id, "error", details={"status": "failed", "reason": "response_stall"}, received_at=now
        )
        told: list[Effect] = [done]
        if response_id in self._apart:
            told = [Apart(response_id, done)]
            del self._apart[response_id]
        return [*told, *self.asking.end_unread(response_id, error)]

    def cancel(self, now: float) -> list[Effect]:
        """Stop the active response, if there is one."""
        if self.gate.active_id is None:
            return []
        effect = self._composer.cancel(self.asking.active_id)
        self.requests.note(cast("ClientEvent", effect.event), now)
        return [effect]

    # --- the service's side -----------------------------------------------------------------------------------

    def created(self, event: wire.ResponseCreated, now: float) -> Sequence[Effect]:
        """A response begins."""
        response_id = event.response.id or NO_ID
        known = response_id in self._ended or response_id in self._aside or response_id == self.gate.active_id
        if known and response_id != NO_ID:
            self._out_of_order.add("response.created")
            return _NOTHING
        aside = self._stands_aside(event.response)
        answers = self.asking.began(event.response, now)
        start = BidiResponseStartEvent(response_id, event_id=event.event_id, received_at=now)
        if aside:
            _remember(self._open_asides, response_id)
            return (*answers, start)
        return (*answers, start, *self._begin(response_id, now, asked=bool(answers)))

    def _begin(self, response_id: str, now: float, *, asked: bool) -> list[Effect]:
        """A response of the conversation begins; one that is ours does not begin under the user's speech."""
        talks_over = self.cuts and self.gate.talks_over(asked=asked)
        self.gate.created(response_id, asked=asked)
        if not talks_over:
            return []
        self.gate.talked_over(again=not asked)
        _remember(self._silenced, response_id)
        return self.cancel(now)

    def _stands_aside(self, response: Response) -> bool:
        aside = self.asking.is_aside(response)
        if aside and response.id is not None:
            _remember(self._aside, response.id)
        return aside or self.is_aside(response.id)

    def is_aside(self, response_id: str | None) -> bool:
        """Tell whether a response that has begun stands outside the conversation."""
        return response_id in self._aside

    def done(self, event: wire.ResponseDone, now: float) -> Sequence[Effect]:
        """A response has ended."""
        response = event.response
        response_id = response.id or NO_ID
        if response_id in self._ended:
            self._out_of_order.add("response.done")
            return _NOTHING
        # A response may end without a beginning, as in a race with an interruption (reported by LiveKit).
        aside = self._stands_aside(response)
        told = self.asking.began(response, now) + self._late_calls(response, response_id, event.event_id, now)
        has_calls = self._calls.in_response(response_id)
        self._finish(response_id, aside=aside)
        told.append(complete_event(response, has_calls=has_calls, event_id=event.event_id, received_at=now))
        usage = usage_event(response, event_id=event.event_id, received_at=now)
        if usage is not None:
            told.append(usage)
        late = self.interruptions.response_over(response_id, now) if response_id in self._silenced else _NOTHING
        return [*told, *late, *self.asking.ended(event, now), *self.settle(now)]

    def _finish(self, response_id: str, *, aside: bool) -> None:
        self._open_asides.pop(response_id, None)
        if not aside:
            self.gate.done(response_id)
            self.gate.calls.response_ended(response_id)
        if response_id != NO_ID:
            _remember(self._ended, response_id)

    def _audio(self, event: wire.ResponseOutputAudioDelta, now: float) -> Sequence[Effect]:
        if event.response_id in self._silenced:
            self.silenced_audio += 1
            self._received(event)  # Nobody hears it: when the response is over, the service is told.
            return _NOTHING
        if not self._apart or event.response_id not in self._apart:
            self._received(event)
        return (
            speech_event(
                event.delta,
                self._shape.encoding,
                self._shape.rate_hz,
                now,
                response_id=event.response_id,
                item_id=event.item_id,
                content_index=event.content_index,
                event_id=event.event_id,
            ),
        )

    def _audio_done(self, event: wire.ResponseOutputAudioDone, _: float) -> Sequence[Effect]:
        self.has_spoken = self.has_spoken or event.response_id not in self._aside
        return (AudioDone(event.item_id),)

    def _part_added(self, event: wire.ResponseContentPartAdded, _: float) -> Sequence[Effect]:
        speaks = event.part.type == "audio" and event.response_id not in self._aside
        self.has_spoken = self.has_spoken or speaks
        return _NOTHING

    def _received(self, event: wire.ResponseOutputAudioDelta) -> None:
        samples = base64_bytes(event.delta) // self._sample_bytes
        self.playback.received(event.item_id, event.content_index, samples, event.response_id)

    # --- calls ------------------------------------------------------------------------------------------------

    def item(self, event: wire.ResponseOutputItemAdded | wire.ResponseOutputItemDone, now: float) -> Sequence[Effect]:
        """An item of a response begins, or is done."""
        if isinstance(event, wire.ResponseOutputItemDone):
            return self._item_done(event, now)
        if isinstance(event.item, FunctionCallItem):
            self._calls.begun(event.item)
        return _NOTHING

    def _item_done(self, event: wire.ResponseOutputItemDone, now: float) -> Sequence[Effect]:
        if not isinstance(event.item, FunctionCallItem):
            return _NOTHING
        call = self._calls.item_done(event.item, event.response_id)
        return self._tell(call, event.response_id, event.event_id, now) if call is not None else _NOTHING

    def _arguments_done(self, event: wire.ResponseFunctionCallArgumentsDone, _: float) -> Sequence[Effect]:
        self._calls.arguments_done(event)
        return _NOTHING

    def _late_calls(self, response: Response, response_id: str, event_id: str | None, now: float) -> list[Effect]:
        """Tell calls that only the finished response shows."""
        items = [item for item in response.output or () if isinstance(item, FunctionCallItem)]
        completed = response.status in {None, "completed"}
        calls = self._calls.response_done(response_id, items, completed=completed)
        told = (self._tell(call, response_id, event_id, now) for call in calls)
        return [effect for effects in told for effect in effects]

    def _tell(self, call: Call, response_id: str, event_id: str | None, now: float) -> Sequence[Effect]:
        if response_id not in self._aside:
            self.gate.calls.opened(call.call_id, response_id)
        if call.arguments is None:
            return self._refuse(call, response_id, now)
        use = {"toolUseId": self._ids.to_application(call.call_id), "name": call.name, "input": call.arguments}
        return (
            ToolUseStreamEvent(
                delta={"toolUse": use},
                current_tool_use=dict(use),
                response_id=response_id,
                item_id=call.item_id,
                event_id=event_id,
                received_at=now,
            ),
        )

    def _refuse(self, call: Call, response_id: str, now: float) -> Sequence[Effect]:
        """Tell both sides that the arguments can't be used, so that the talk goes on."""
        text = f"The arguments of {call.name} are not a JSON object. Call it again with a JSON object."
        error = ServerReported(text, code="invalid_function_arguments", error_type="model_error")
        details = {"toolUseId": self._ids.to_application(call.call_id), "name": call.name}
        told = BidiErrorEvent(error, details, response_id=response_id, item_id=call.item_id, received_at=now)
        answer = self._answer(call.call_id, tool_output([{"text": text}], call.call_id))
        self.underway.sent(answer.event)
        return (told, answer, *self.settle(now))

    def _answer(self, call_id: str, output: str) -> Transmit:
        self.gate.call_answered(call_id)
        return self._composer.add(FunctionCallOutputItem(call_id=call_id, output=output))

    HANDLES: ClassVar[Mapping[type, Callable[..., Sequence[Effect]]]] = {
        wire.ResponseOutputAudioDelta: _audio,
        wire.ResponseOutputAudioDone: _audio_done,
        wire.ResponseContentPartAdded: _part_added,
        wire.ResponseFunctionCallArgumentsDone: _arguments_done,
    }
    """Methods by the class of events that they take; see `engine.dispatch`. `response_listener` hands on others."""


def _remember(ids: dict[str, None], response_id: str) -> None:
    ids[response_id] = None
    if len(ids) > _REMEMBERED_RESPONSES:
        del ids[next(iter(ids))]
