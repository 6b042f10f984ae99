"""Any server events in any order, with ids that collide, between sends and ticks: nothing raises, the gate holds.

The judge looks only at what goes in and what comes out, and knows nothing of how the conversation keeps count.
"""

from collections.abc import Sequence
from typing import Any

import attrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transcripts import Talk
from wire_strategies import records

from engine.errors import ConnectionLost, LocalMisuse, RemoteViolation, SessionEnded
from engine.events import BidiImageInputEvent, BidiTextInputEvent, ToolResultEvent, ToolUseStreamEvent
from engine.limits import TOOL_RESULT_DEADLINE_S
from engine.protocol.effects import Effect, End, Transmit
from engine.wire import server as wire
from engine.wire.client import ConversationItemCreate, ResponseCreate
from engine.wire.items import FunctionCallItem, FunctionCallOutputItem
from engine.wire.response import ErrorDetails, Response
from engine.wire.session import ResponseSettings

DEADLINE_S = 15.0
RESPONSES = st.sampled_from(["resp_1", "resp_2", "resp_3"])
ITEMS = st.sampled_from(["item_1", "item_2", "item_3"])
CALLS = st.sampled_from(["call_1", "call_2", "call_3"])
REQUESTS = st.none() | st.integers(1, 12).map("client_{}".format)
CODES = st.sampled_from(
    [
        "conversation_already_has_active_response",
        "conversation_already_has_active_response",
        "response_cancel_not_active",
        "invalid_value",
        None,
    ]
)
FATAL_CODES = st.sampled_from(["insufficient_quota", "session_expired"])

# --- server events with few ids -----------------------------------------------------------------------------------

function_calls = st.builds(
    FunctionCallItem,
    id=ITEMS,
    call_id=CALLS | st.none(),
    name=st.just("tool"),
    arguments=st.sampled_from(["{}", '{"a": 1}', '{"a"', ""]),
    status=st.sampled_from(["completed", "incomplete", "in_progress", None]),
)
responses = st.builds(
    Response,
    id=RESPONSES | st.none(),
    status=st.sampled_from(["completed", "completed", "cancelled", "failed", "incomplete", None]),
    output=st.none() | st.lists(function_calls, max_size=2).map(tuple),
    extra=st.sampled_from([{}, {}, {}, {"conversation_id": None}]),
)
places = {"response_id": RESPONSES, "item_id": ITEMS, "output_index": st.just(0)}
likely = st.one_of(
    st.builds(wire.ResponseCreated, response=responses),
    st.builds(wire.ResponseDone, response=responses),
    st.builds(wire.ResponseOutputItemAdded, response_id=RESPONSES, output_index=st.just(0), item=function_calls),
    st.builds(wire.ResponseOutputItemDone, response_id=RESPONSES, output_index=st.just(0), item=function_calls),
    st.builds(
        wire.ResponseFunctionCallArgumentsDone,
        **places,
        call_id=CALLS,
        arguments=st.sampled_from(["{}", "["]),
        name=st.just("tool") | st.none(),
    ),
    st.builds(wire.ResponseOutputAudioDelta, **places, content_index=st.just(0), delta=st.just("AAAA")),
    st.builds(wire.InputAudioBufferSpeechStarted, item_id=ITEMS, audio_start_ms=st.just(0)),
    st.builds(wire.ErrorReported, error=st.builds(ErrorDetails, code=CODES, event_id=REQUESTS)),
)
ending = st.builds(wire.ErrorReported, error=st.builds(ErrorDetails, code=FATAL_CODES))


def with_few_ids(event: Any, response_id: str, item_id: str) -> Any:
    """Let events of all types speak of the same few things."""
    names = {field.name for field in attrs.fields(type(event))}
    ids = {"response_id": response_id, "item_id": item_id, "previous_item_id": item_id}
    return attrs.evolve(event, **{name: value for name, value in ids.items() if name in names})


anything = st.builds(
    with_few_ids,
    st.sampled_from([*wire.SERVER_CLASSES.values(), wire.UnknownServerEvent]).flatmap(records),
    RESPONSES,
    ITEMS,
)

# --- what else may happen -----------------------------------------------------------------------------------------

submitted = st.one_of(
    st.builds(BidiTextInputEvent, st.just("hello"), st.sampled_from(["user", "user", "assistant", "system"])),
    st.builds(BidiImageInputEvent, st.just("iVBO"), st.just("image/png")),
    st.builds(
        lambda call_id, block: ToolResultEvent({"toolUseId": call_id, "content": [block]}),
        CALLS | st.just("x" * 40),
        st.sampled_from([{"text": "a"}, {"json": 1}, {"image": 1}]),
    ),
)
outside = st.builds(ResponseCreate, response=st.just(ResponseSettings(conversation="none")))
answered_by_hand = st.builds(
    ConversationItemCreate, item=st.builds(FunctionCallOutputItem, call_id=CALLS, output=st.just("by hand"))
)
asked_by_hand = st.builds(ResponseCreate, event_id=REQUESTS)
waits = st.floats(0, DEADLINE_S * 1.2)
lost = st.builds(
    ConnectionLost,
    st.just("gone"),
    code=st.sampled_from([1000, 1001, None]),
    reason=st.sampled_from([None, "Your session hit the maximum duration of 60 minutes."]),
)


def steps(*extra: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.one_of(likely, likely, likely, anything, submitted, waits, outside, *extra), max_size=40)


class Judge:
    """Plays steps and checks what comes out against what went in."""

    def __init__(self) -> None:
        self.talk = Talk(opening=True)
        self.conversation = self.talk.conversation
        self.now = 0.0
        self.over = False
        self.requests: list[tuple[str, float]] = []
        """Requests that nothing has answered yet: event id and when they went out."""
        self.told: list[str] = []

    def play(self, step: Any) -> Sequence[Effect]:
        if isinstance(step, float):
            self.now += step
            effects = self.conversation.tick(self.now)
            self.requests = [(name, at) for name, at in self.requests if self.now < at + DEADLINE_S]
        elif isinstance(step, ConnectionLost):
            effects = self.conversation.link_ended(step)
        elif isinstance(step, RemoteViolation):
            effects = self.conversation.violated(step, step.problem, self.now)
        elif isinstance(step, wire.ServerEventBase):
            self.answered(step)
            effects = self.conversation.receive(step, self.now)
        else:
            effects = self.sent(step)
        self.check(step, effects)
        return effects

    def sent(self, step: Any) -> Sequence[Effect]:
        try:
            if isinstance(step, ResponseCreate | ConversationItemCreate):
                return self.conversation.sent_by_hand(step, self.now)
            return self.conversation.submit(step, self.now)
        except SessionEnded:
            assert self.over
            return ()
        except LocalMisuse:
            return ()

    def answered(self, event: Any) -> None:
        """Take out the request that the service's event answers, one way or another."""
        match event:
            case wire.ResponseCreated(response=response) if "conversation_id" not in response.extra:
                self.requests = []
            case wire.ResponseDone():  # of a response whose beginning could not be read, for all that is known
                self.requests = []
            case wire.ErrorReported(error=error):
                conflict = error.code == "conversation_already_has_active_response" and error.event_id is None
                self.requests = [one for one in self.requests if not conflict and one[0] != error.event_id]

    def check(self, step: Any, effects: Sequence[Effect]) -> None:
        assert not (self.over and effects), "something came out after the end"
        for place, effect in enumerate(effects):
            if isinstance(effect, End):
                assert place == len(effects) - 1
                self.over = True
            elif isinstance(effect, ToolUseStreamEvent):
                self.told.append(effect.current_tool_use["toolUseId"])
            elif isinstance(effect, Transmit) and isinstance(effect.event, ResponseCreate) and effect.event != step:
                assert not self.requests, "a second request went out before the first was answered"
                assert effect.event.event_id is not None
                self.requests.append((effect.event.event_id, self.now))
        assert len(self.told) == len(set(self.told)), "a call was told twice"
        statistics = self.conversation.statistics()
        assert statistics.history_items == len(list(self.conversation.history))
        assert statistics.phase == "ended" or not self.over
        latest = self.now + max(DEADLINE_S, TOOL_RESULT_DEADLINE_S)
        assert self.over or self.conversation.deadline is None or self.conversation.deadline <= latest


a_search = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example])


@a_search
@given(steps(answered_by_hand))
def test_in_any_order_there_is_one_request_and_each_call_is_told_once(sequence):
    judge = Judge()
    for step in sequence:
        judge.play(step)


@a_search
@given(steps(ending, lost, st.just(RemoteViolation("invalid_json", "no JSON"))), steps(lost))
def test_after_the_end_nothing_comes_out_whatever_goes_in(before, after):
    judge = Judge()
    for step in before:
        judge.play(step)
    judge.play(ConnectionLost("gone"))
    assert judge.over
    for step in after:
        judge.play(step)


@a_search
@given(steps(asked_by_hand, answered_by_hand))
def test_with_requests_by_hand_between_them_nothing_raises(sequence):
    judge = Judge()
    for step in sequence:
        judge.requests = []
        judge.play(step)


@a_search
@given(steps())
def test_when_all_responses_are_over_and_all_calls_answered_nothing_stays_owed(sequence):
    judge = Judge()
    for step in sequence:
        judge.play(step)
    for call_id in dict.fromkeys(judge.told):
        judge.play(ToolResultEvent({"toolUseId": call_id, "content": [{"text": "a"}]}))
    judge.play(DEADLINE_S)
    for number in range(3):
        judge.play(wire.ResponseCreated(response=Response(id=f"resp_new_{number}")))
        judge.play(wire.ResponseDone(response=Response(id=f"resp_new_{number}", status="completed")))
        judge.play(DEADLINE_S)

    gate = judge.conversation.statistics().gate
    assert (gate.state, gate.owed) == ("free", False)
