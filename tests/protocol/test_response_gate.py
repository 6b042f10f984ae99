"""The response gate: one request at a time, none into an active response, none while calls wait, and none lost."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.limits import TOOL_RESULT_DEADLINE_S
from engine.protocol.open_calls import CALLS_MAX
from engine.protocol.response_gate import ResponseGate
from engine.protocol.states import Gate
from engine.protocol.statistics import GateStatistics
from engine.protocol.underway import Underway
from engine.wire.client import ConversationItemCreate
from engine.wire.items import MessageItem

DEADLINE_S = 15.0


ITEM = ConversationItemCreate(item=MessageItem(role="user", content=()), event_id="client_0")


@pytest.fixture
def underway() -> Underway:
    return Underway()


@pytest.fixture
def gate(underway) -> ResponseGate:
    return ResponseGate(DEADLINE_S, underway=underway)


def ask(gate: ResponseGate, event_id: str = "client_1", now: float = 0.0) -> None:
    """Send the owed request, as the conversation does."""
    assert gate.ready()
    gate.sent(event_id, now)


def test_nothing_is_asked_for_until_something_is_wanted(gate):
    assert not gate.ready()
    gate.want()
    assert gate.ready()


def test_a_request_that_went_out_is_owed_no_longer(gate):
    gate.want()
    ask(gate)

    assert not gate.ready()
    assert gate.state is Gate.REQUESTED


def test_what_is_wanted_while_a_request_is_outstanding_waits_for_the_end_of_its_response(gate, underway):
    gate.want()
    ask(gate)
    underway.sent(ITEM)
    gate.want()
    assert not gate.ready()
    gate.created("resp_1")
    assert not gate.ready()
    gate.done("resp_1")
    assert gate.ready()


@pytest.mark.parametrize(("proven", "owed"), [(False, True), (True, False)])
def test_a_turn_that_a_dead_connection_never_answered_is_owed_unless_the_service_had_it(gate, proven, owed):
    gate.turn.began()
    gate.turn.ended(1.0, answered=True)
    gate.hold(1.0 + DEADLINE_S)
    assert not gate.turn.awaits_answer
    if proven:
        gate.proven(2.0 + DEADLINE_S)
    gate.link_down(interrupted=False)
    gate.link_up()

    assert gate.ready() == owed


def test_an_answer_that_a_loss_has_cut_off_is_let_be_when_the_user_wants_no_more_of_it(gate):
    gate.created("resp_1")
    gate.link_down(interrupted=False)
    gate.let_be()
    gate.link_up()

    assert not gate.ready()


def test_what_is_owed_for_another_reason_is_not_let_be(gate):
    gate.created("resp_1")
    gate.link_down(interrupted=False)
    gate.want()
    gate.let_be()
    gate.link_up()
    assert gate.ready()


def test_nothing_is_let_be_while_there_is_a_connection(gate):
    gate.want()
    gate.let_be()
    assert gate.ready()


def test_a_refusal_that_comes_when_the_next_request_is_out_is_of_no_news(gate):
    """Turns in a burst, each answered by the service: the request crosses one answer, and its error the next."""
    gate.want()
    ask(gate, "client_1")
    gate.created("resp_1")
    gate.done("resp_1")
    gate.want()
    ask(gate, "client_2")

    assert gate.refused("client_1", because_active=True)
    assert gate.state is Gate.REQUESTED
    assert not gate.statistics().owed
    assert not gate.refused("client_9", because_active=True), "it is nobody's that is known here"
    assert gate.refused("client_2", because_active=True)
    assert gate.statistics().owed


def test_a_request_that_was_given_up_and_is_refused_after_all_goes_out_when_the_way_is_free(gate):
    """The connection stood still: the request came late, into the service's answer to a turn before it."""
    gate.want()
    ask(gate, "client_1", now=0.0)
    assert gate.expired(DEADLINE_S)
    gate.created("resp_1")

    assert gate.refused("client_1", because_active=True)
    assert not gate.ready()
    gate.done("resp_1")
    assert gate.ready()
    assert gate.statistics().refused == 1


def test_the_late_refusal_of_one_that_was_given_up_counts_once_and_not_when_another_stood_for_it(gate):
    gate.want()
    ask(gate, "client_1", now=0.0)
    assert gate.expired(DEADLINE_S)
    gate.want()
    ask(gate, "client_2", now=20.0)
    assert gate.refused("client_1", because_active=True)
    assert not gate.statistics().owed, "the second is on its way"

    assert gate.expired(20.0 + DEADLINE_S)
    assert gate.refused("client_2", because_active=True)
    ask(gate, "client_3", now=40.0)
    assert gate.refused("client_2", because_active=True)
    assert not gate.statistics().owed, "the error came twice"


def test_several_wants_are_one_request(gate):
    gate.created("resp_1")
    gate.want()
    gate.want()
    gate.done("resp_1")
    ask(gate)
    gate.created("resp_2")
    gate.done("resp_2")

    assert not gate.ready()


def test_a_response_of_the_services_own_is_waited_for_too(gate):
    gate.created("resp_vad")
    gate.want()

    assert not gate.ready()
    assert gate.active_id == "resp_vad"


def test_the_end_of_another_response_does_not_free_the_gate(gate):
    gate.created("resp_1")
    gate.want()
    gate.done("resp_0")

    assert gate.state is Gate.ACTIVE
    assert not gate.ready()


def test_a_response_that_ends_without_having_begun_answers_the_request(gate):
    """Its beginning could not be read; to wait for it would hold the talk until the deadline."""
    gate.want()
    ask(gate)
    gate.done("resp_1")

    assert gate.state is Gate.FREE
    assert gate.deadline is None


def test_nothing_is_asked_while_the_user_speaks_or_the_service_is_about_to_answer(gate):
    gate.turn.began()
    gate.want()
    assert not gate.ready()
    gate.turn.ended(1.0, answered=True)
    assert not gate.ready()
    gate.created("resp_1")
    gate.done("resp_1")
    assert not gate.ready(), "the response saw what it was owed for"


def test_a_turn_that_the_service_does_not_answer_frees_the_way_at_its_end(gate):
    gate.turn.began()
    gate.want()
    gate.turn.ended(1.0, answered=False)

    assert gate.ready()


def test_an_answer_that_never_comes_holds_nothing_for_ever(gate):
    gate.turn.began()
    gate.turn.ended(1.0, answered=True)
    gate.want()
    gate.hold(1.0 + DEADLINE_S)

    assert gate.ready()


def test_a_turn_that_never_ends_holds_nothing_for_ever(gate):
    """A microphone that is switched off in mid-sentence sends no silence that would end the turn."""
    gate.turn.began()
    gate.want()
    assert gate.hold(5.0)
    assert not gate.hold(6.0)
    assert gate.deadline == 5.0 + DEADLINE_S
    assert not gate.released(5.0 + DEADLINE_S)
    assert gate.ready()


def test_a_response_that_began_before_our_item_came_leaves_it_owed(gate, underway):
    underway.sent(ITEM)
    gate.want()
    gate.created("resp_1")
    underway.seen(None, is_ours=True)
    gate.done("resp_1")

    assert gate.ready()


def test_calls_without_a_result_hold_a_request_for_a_while_only(gate):
    gate.created("resp_1")
    gate.calls.opened("call_1", "resp_1")
    gate.done("resp_1")
    gate.want()
    assert gate.hold(10.0)
    assert gate.deadline == 10.0 + TOOL_RESULT_DEADLINE_S
    assert not gate.released(10.0)
    assert gate.released(10.0 + TOOL_RESULT_DEADLINE_S)
    assert gate.ready()


@pytest.mark.parametrize("event_id", ["client_1", None], ids=["named", "nameless"])
def test_a_request_refused_because_a_response_is_active_goes_out_after_it(gate, event_id):
    gate.want()
    ask(gate)

    assert gate.refused(event_id, because_active=True)
    assert gate.state is Gate.ACTIVE
    assert not gate.ready()
    gate.done("resp_vad")
    assert gate.ready()


@pytest.mark.parametrize("event_id", ["client_1", None], ids=["named", "nameless"])
def test_a_refusal_counts_when_the_winning_response_was_taken_for_the_answer(gate, event_id):
    gate.want()
    ask(gate)
    gate.created("resp_vad")

    assert gate.refused(event_id, because_active=True)
    gate.done("resp_vad")
    assert gate.ready()


def test_a_nameless_refusal_is_not_ours_when_we_asked_for_nothing(gate):
    gate.created("resp_vad")

    assert not gate.refused(None, because_active=True)
    gate.done("resp_vad")
    assert not gate.ready()


def test_a_nameless_refusal_is_taken_once(gate):
    gate.want()
    ask(gate)
    gate.created("resp_vad")

    assert gate.refused(None, because_active=True)
    assert not gate.refused(None, because_active=True)


def test_a_refusal_of_something_else_is_not_ours(gate):
    gate.want()
    ask(gate)

    assert not gate.refused("client_7", because_active=True)
    assert not gate.refused("client_7", because_active=False)
    assert not gate.refused(None, because_active=False)
    assert gate.state is Gate.REQUESTED


def test_a_request_refused_for_good_frees_the_gate_and_is_not_repeated(gate):
    gate.want()
    ask(gate)

    assert not gate.refused("client_1", because_active=False)
    assert gate.state is Gate.FREE
    assert not gate.ready()
    assert gate.deadline is None


def test_an_error_that_names_an_answered_request_changes_nothing(gate):
    gate.want()
    ask(gate)
    gate.created("resp_1")

    assert not gate.refused("client_1", because_active=False)
    assert gate.state is Gate.ACTIVE


def test_an_unanswered_request_expires_at_its_deadline_and_not_before(gate):
    gate.want()
    ask(gate, now=100.0)

    assert gate.deadline == 115.0
    assert not gate.expired(114.999)
    assert gate.expired(115.0)
    assert gate.state is Gate.FREE
    assert not gate.expired(1000.0)


def test_what_was_wanted_meanwhile_goes_out_when_a_request_has_expired(gate):
    gate.want()
    ask(gate)
    gate.want()
    gate.expired(DEADLINE_S)

    assert gate.ready()


def test_an_answered_request_has_no_deadline(gate):
    gate.want()
    ask(gate)
    gate.created("resp_1")

    assert gate.deadline is None
    assert not gate.expired(1e9)


def test_a_request_by_hand_stands_for_the_owed_one_when_the_way_is_free(gate):
    gate.want()
    gate.sent(None, 0.0)

    assert gate.state is Gate.REQUESTED
    gate.created("resp_1")
    gate.done("resp_1")
    assert not gate.ready()


@pytest.mark.parametrize("event_id", ["by_hand", None], ids=["named", "nameless"])
def test_a_request_by_hand_into_a_response_leaves_what_is_owed(gate, event_id):
    gate.created("resp_1")
    gate.want()
    gate.sent(event_id, 0.0)
    gate.refused(event_id, because_active=True)

    assert gate.state is Gate.ACTIVE
    assert gate.deadline is None
    gate.done("resp_1")
    assert gate.ready()


def test_a_call_holds_the_way_until_it_is_answered(gate):
    gate.created("resp_1")
    gate.calls.opened("call_1", "resp_1")
    gate.done("resp_1")
    gate.want()
    assert not gate.ready()
    assert gate.calls.is_open("call_1")

    gate.call_answered("call_1")

    assert gate.ready()
    assert gate.calls.was_answered("call_1")
    assert not gate.calls.is_open("call_1")


def test_sixteen_parallel_results_end_in_one_request(gate):
    gate.created("resp_1")
    for number in range(16):
        gate.calls.opened(f"call_{number}", "resp_1")
    gate.done("resp_1")
    for number in range(16):
        assert not gate.ready()
        gate.call_answered(f"call_{number}")
    ask(gate)

    assert not gate.ready()
    assert gate.statistics().requested == 1


def test_results_that_come_before_the_end_of_the_response_wait_for_it(gate):
    gate.created("resp_1")
    gate.calls.opened("call_1", "resp_1")
    gate.call_answered("call_1")
    assert not gate.ready()

    gate.done("resp_1")

    assert gate.ready()


def test_the_end_of_a_later_response_lets_the_way_free(gate, underway):
    gate.created("resp_1")
    gate.calls.opened("call_1", "resp_1")
    gate.done("resp_1")
    underway.sent(ITEM)
    gate.want()
    gate.created("resp_2")
    gate.done("resp_2")
    gate.calls.response_ended("resp_2")

    assert gate.ready()


def test_a_later_response_with_calls_takes_over_the_way(gate):
    gate.calls.opened("call_1", "resp_1")
    gate.calls.opened("call_2", "resp_2")
    gate.call_answered("call_2")

    assert gate.ready()
    assert gate.calls.is_open("call_1")


def test_a_response_does_not_release_its_own_calls(gate):
    gate.calls.opened("call_1", "resp_1")
    gate.want()
    gate.calls.response_ended("resp_1")

    assert not gate.ready()


def test_a_result_of_a_call_that_nobody_saw_is_asked_about(gate):
    gate.call_answered("call_from_before")

    assert gate.ready()


def test_a_call_that_was_answered_before_it_was_told_holds_nothing(gate):
    gate.calls.answered_unseen("call_1")
    assert not gate.ready()
    gate.calls.opened("call_1", "resp_1")
    gate.want()

    assert gate.ready()
    assert gate.calls.was_answered("call_1")


def test_statistics_are_a_snapshot(gate):
    gate.want()
    before = gate.statistics()
    ask(gate)
    gate.calls.opened("call_1", "resp_1")
    gate.refused("client_1", because_active=True)

    assert before == GateStatistics("free", owed=True, requested=0, refused=0, unanswered=0, open_calls=0)
    assert gate.statistics() == GateStatistics("active", owed=True, requested=1, refused=1, unanswered=0, open_calls=1)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        before.owed = False  # type: ignore[misc]


# --- responses that are asked for by themselves ---------------------------------------------------------------------


def test_those_in_line_go_one_by_one_in_order(gate):
    for event_id in ("ask_1", "ask_2"):
        gate.ask(event_id)
    gone = []
    for response_id in ("resp_1", "resp_2"):
        gone.append(gate.next_asked(0.0))
        assert gate.asked_id == gone[-1]
        assert gate.next_asked(0.0) is None, "one at a time"
        gate.created(response_id, asked=True)
        assert gate.asked_id is None
        assert gate.next_asked(0.0) is None, "none into an active response"
        gate.done(response_id)

    assert gone == ["ask_1", "ask_2"]
    assert gate.next_asked(0.0) is None
    assert gate.statistics().requested == 2


def test_one_in_line_answers_nothing_that_is_owed(gate):
    gate.ask("ask_1")
    gate.want()
    assert gate.next_asked(0.0) == "ask_1"
    gate.created("resp_1", asked=True)
    gate.done("resp_1")

    assert gate.ready()


def test_what_is_owed_for_longer_goes_first(gate):
    gate.want()
    gate.ask("ask_1")

    assert gate.next_asked(0.0) is None
    ask(gate)
    gate.created("resp_1")
    gate.done("resp_1")
    assert gate.next_asked(0.0) == "ask_1"


def test_a_request_that_lost_a_race_goes_before_what_was_asked_for_since(gate):
    gate.want()
    ask(gate, "client_1")
    gate.ask("ask_1")
    assert gate.refused("client_1", because_active=True)
    gate.done(None)

    assert gate.next_asked(0.0) is None
    assert gate.ready()


def test_so_does_one_that_was_cancelled_for_the_users_turn_whatever_was_wanted_since(gate):
    gate.want()
    ask(gate, "client_1")
    gate.ask("ask_1")
    gate.want()
    gate.turn.began()
    gate.created("resp_1")
    gate.talked_over(again=True)
    gate.turn.ended(1.0, answered=False)
    gate.done("resp_1")

    assert gate.next_asked(1.0) is None
    assert gate.ready()


@pytest.mark.parametrize("begun", [False, True])
def test_so_does_what_a_lost_connection_left_without_an_answer(gate, begun):
    gate.want()
    ask(gate, "client_1")
    if begun:
        gate.created("resp_1")
    gate.ask("ask_1")
    gate.link_down(interrupted=False)
    gate.link_up()

    assert gate.next_asked(0.0) is None
    assert gate.ready()


def test_what_is_owed_later_waits_for_the_line_it_found(gate):
    gate.created("resp_0")
    gate.ask("ask_1")
    gate.want()
    gate.ask("ask_2")
    gate.done("resp_0")

    assert not gate.ready()
    assert gate.next_asked(0.0) == "ask_1"
    gate.created("resp_1", asked=True)
    gate.done("resp_1")
    assert gate.ready()
    assert gate.next_asked(0.0) is None


def test_calls_that_wait_for_a_result_do_not_hold_the_line(gate):
    gate.created("resp_1")
    gate.calls.opened("call_1", "resp_1")
    gate.want()
    gate.done("resp_1")
    gate.ask("ask_1")

    assert not gate.ready()
    assert gate.next_asked(0.0) == "ask_1"


def test_the_line_waits_while_the_user_speaks_but_not_for_ever(gate):
    gate.turn.began()
    gate.ask("ask_1")
    assert gate.next_asked(0.0) is None
    assert gate.hold(0.0)
    assert gate.deadline == DEADLINE_S
    gate.released(DEADLINE_S)

    assert gate.next_asked(DEADLINE_S) == "ask_1"


def test_one_that_lost_a_race_is_first_again(gate):
    gate.ask("ask_1")
    gate.ask("ask_2")
    gate.next_asked(0.0)
    gate.want()
    gate.created("resp_vad")
    assert gate.refused(None, because_active=True)
    assert gate.statistics().in_line == 2
    gate.done("resp_vad")

    assert gate.next_asked(0.0) == "ask_1"


def test_one_that_is_refused_for_itself_is_not_sent_again(gate):
    gate.ask("ask_1")
    gate.next_asked(0.0)

    assert not gate.refused("ask_1", because_active=False)
    assert gate.state is Gate.FREE
    assert gate.next_asked(0.0) is None


def test_one_that_nobody_answers_lets_the_next_one_go(gate):
    gate.ask("ask_1")
    gate.ask("ask_2")
    gate.next_asked(0.0)

    assert gate.expired(DEADLINE_S)
    assert gate.next_asked(DEADLINE_S) == "ask_2"


def test_one_that_nobody_wants_any_more_leaves_the_line(gate):
    gate.created("resp_1")
    for event_id in ("ask_1", "ask_2"):
        gate.ask(event_id)
    gate.want()
    gate.withdraw("ask_1")
    gate.withdraw("ask_1")
    gate.ask("ask_3")
    gate.withdraw("ask_3")
    gate.done("resp_1")

    assert gate.next_asked(0.0) == "ask_2"
    gate.created("resp_2", asked=True)
    gate.done("resp_2")
    assert gate.ready()


# --- any signals --------------------------------------------------------------------------------------------------

response_ids = st.sampled_from(["resp_1", "resp_2", None])
call_ids = st.integers(1, 9).map("call_{}".format)
seconds = st.floats(0, 2 * DEADLINE_S)


class AnySignals(RuleBasedStateMachine):
    """A gate under any signals, beside a model that knows only what went out, what began and what ended."""

    @initialize()
    def begin(self) -> None:
        self.gate = ResponseGate(DEADLINE_S)
        self.now = 0.0
        self.sent = 0
        self.outstanding: str | None = None
        self.raced: str | None = None
        self.asked = 0
        self.line: list[str] = []
        self.active = self.speaks = False
        self.calls: dict[str, str] = {}
        self.newest: str | None = None

    @rule()
    def want(self) -> None:
        self.gate.want()

    @precondition(lambda self: self.gate.ready())
    @rule()
    def ask(self) -> None:
        assert self.outstanding is None, "two requests outstanding"
        assert not self.active, "asked into an active response"
        assert not self.speaks, "asked while the user speaks"
        assert not self._calls_wait(), "asked while calls of the newest calling response wait"
        self.sent += 1
        self.outstanding = f"client_{self.sent}"
        self.gate.sent(self.outstanding, self.now)

    @rule()
    def ask_by_itself(self) -> None:
        self.asked += 1
        self.line.append(f"ask_{self.asked}")
        self.gate.ask(self.line[-1])

    @rule()
    def next_asked(self) -> None:
        free = self.outstanding is None and not self.active and not self.speaks
        expected = self.line[0] if self.line and free and not self.gate.ready() else None
        assert self.gate.next_asked(self.now) == expected
        if expected is not None:
            self.outstanding = self.line.pop(0)
            self.sent += 1

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        event_id = data.draw(st.sampled_from(self.line))
        self.line.remove(event_id)
        self.gate.withdraw(event_id)

    @rule(response_id=response_ids)
    def created(self, response_id: str | None) -> None:
        owed = self.gate.statistics().owed
        asked = self.gate.asked_id is not None and response_id == "resp_1"
        self.gate.created(response_id, asked=asked)
        self.raced = None if asked or self.active else self.gate.asked_id
        self.outstanding, self.active, self.speaks = None, True, False
        assert not asked or self.gate.statistics().owed == owed, "it answers nothing that is owed"

    @rule(response_id=response_ids)
    def done(self, response_id: str | None) -> None:
        ours = self.gate.active_id is None or response_id == self.gate.active_id
        self.gate.done(response_id)
        if ours:
            self.outstanding, self.active, self.raced = None, False, None

    @rule()
    def speech_starts(self) -> None:
        self.gate.turn.began()
        self.speaks = True

    @rule(answered=st.booleans())
    def speech_ends(self, answered: bool) -> None:
        self.gate.turn.ended(self.now, answered=answered)
        self.speaks = self.speaks and answered

    @rule(data=st.data(), because_active=st.booleans())
    def refused(self, data: st.DataObject, because_active: bool) -> None:
        event_id = data.draw(st.sampled_from([None, self.outstanding, "client_0"]))
        was_outstanding = self.outstanding is not None
        asked = self.raced or (self.outstanding if self.outstanding == self.gate.asked_id else None)
        ours = self.gate.refused(event_id, because_active=because_active)
        if was_outstanding and (ours or (event_id == self.outstanding and event_id is not None)):
            self.outstanding = None
            self.active = self.active or because_active
        if ours and asked is not None:
            self.line.insert(0, asked)
            self.raced = None
        elif ours:
            assert self.gate.statistics().owed, "a request refused by a race is lost"

    @rule(passed_s=seconds)
    def wait(self, passed_s: float) -> None:
        self.now += passed_s
        if self.gate.expired(self.now):
            assert self.outstanding is not None
            self.outstanding = None

    @rule(call_id=call_ids, response_id=st.sampled_from(["resp_1", "resp_2"]))
    def call_opened(self, call_id: str, response_id: str) -> None:
        self.gate.calls.opened(call_id, response_id)
        if not self.gate.calls.was_answered(call_id):
            self.calls[call_id], self.newest = response_id, response_id

    @rule(call_id=call_ids)
    def answered_unseen(self, call_id: str) -> None:
        if not self.gate.calls.is_open(call_id):
            self.gate.calls.answered_unseen(call_id)

    @rule(call_id=call_ids)
    def call_answered(self, call_id: str) -> None:
        self.gate.call_answered(call_id)
        self.calls.pop(call_id, None)

    @rule(response_id=response_ids)
    def turn_passed(self, response_id: str | None) -> None:
        self.gate.calls.response_ended(response_id)
        self.newest = self.newest if response_id == self.newest else None

    @rule()
    def all_is_done(self) -> None:
        """When nothing is outstanding, active or open any more, what is owed is ready to go."""
        for call_id in list(self.calls):
            self.call_answered(call_id)
        self.wait(DEADLINE_S)
        self.speech_ends(answered=False)
        self.done(self.gate.active_id)
        assert self.gate.state is Gate.FREE
        while self.line:
            if self.gate.ready():
                self.ask()
            else:
                self.next_asked()
            self.created("resp_1")
            self.done("resp_1")
        assert self.gate.ready() == self.gate.statistics().owed

    @invariant()
    def the_state_is_the_models(self) -> None:
        expected = Gate.ACTIVE if self.active else Gate.REQUESTED if self.outstanding else Gate.FREE
        assert self.gate.state is expected
        assert (self.gate.deadline is not None) == (self.outstanding is not None)
        assert self.gate.statistics().open_calls == len(self.calls)
        assert self.gate.statistics().requested == self.sent
        assert self.gate.statistics().in_line == len(self.line)

    def _calls_wait(self) -> bool:
        return self.newest is not None and self.newest in self.calls.values()


TestAnySignals = AnySignals.TestCase


@given(st.integers(1, 20), st.randoms(use_true_random=False))
def test_results_in_any_order_end_in_one_request(number, random):
    gate = ResponseGate(DEADLINE_S)
    calls = [f"call_{index}" for index in range(number)]
    gate.created("resp_1")
    for call_id in calls:
        gate.calls.opened(call_id, "resp_1")
    gate.done("resp_1")
    random.shuffle(calls)
    ready = []
    for call_id in calls:
        gate.call_answered(call_id)
        ready.append(gate.ready())

    assert ready == [False] * (number - 1) + [True]


# --- from one connection to the next ----------------------------------------------------------------------------------


@pytest.fixture
def asked(gate):
    """A gate whose request is out since the time 10."""
    gate.want()
    ask(gate, now=10.0)
    return gate


def moved(gate, *, interrupted=False):
    """Tell whether a response is asked for on the next connection."""
    gate.link_down(interrupted=interrupted)
    assert (gate.state, gate.active_id, gate.asked_id, gate.deadline) == (Gate.FREE, None, None, None)
    assert not gate.ready(), "nobody hears it"
    gate.link_up()
    return gate.ready()


def test_a_request_without_an_answer_is_owed_on_the_next_connection(asked):
    assert moved(asked)


@pytest.mark.parametrize("interrupted", [False, True])
def test_an_answer_without_an_end_is_owed_unless_the_user_has_cut_in(asked, interrupted):
    asked.created("resp_1")

    assert moved(asked, interrupted=interrupted) is not interrupted


def test_an_answer_that_has_ended_is_not_owed(asked):
    asked.created("resp_1")
    asked.done("resp_1")

    assert not moved(asked)


def test_an_answer_without_a_name_is_owed_as_well(asked):
    asked.created(None)

    assert moved(asked)


@pytest.mark.parametrize("answered", [False, True])
def test_an_answer_with_calls_is_owed_by_their_results(asked, answered):
    asked.created("resp_1")
    asked.calls.opened("call_1", "resp_1")
    if answered:
        asked.call_answered("call_1")
    assert moved(asked) is answered
    asked.call_answered("call_1")

    assert asked.ready()


def test_what_is_wanted_or_sent_by_hand_while_there_is_no_connection_is_owed(gate):
    gate.link_down(interrupted=False)
    gate.sent("mine", 1.0, repeat=False)
    assert (gate.state, gate.statistics().requested, gate.ready()) == (Gate.FREE, 0, False)
    gate.link_up()

    assert gate.ready()


def test_one_that_was_asked_for_by_itself_waits_in_line_again_before_all_others(gate):
    gate.ask("a")
    gate.ask("b")
    assert gate.next_asked(1.0) == "a"
    gate.link_down(interrupted=False)
    assert gate.next_asked(2.0) is None
    gate.link_up()

    assert gate.next_asked(3.0) == "a"


def test_one_that_was_asked_for_by_itself_and_has_begun_is_not_owed(gate):
    gate.ask("a")
    gate.next_asked(1.0)
    gate.created("resp_1", asked=True)

    assert not moved(gate)
    assert gate.next_asked(2.0) is None


def test_the_users_turn_on_the_old_connection_holds_nothing_up_on_the_next(gate):
    gate.turn.began()
    gate.turn.ended(1.0, answered=True)
    gate.want()
    assert gate.turn.awaits_answer

    assert moved(gate)
    assert not gate.turn.awaits_answer


def given_up(gate):
    assert gate.expired(10.0 + DEADLINE_S)
    return gate


def test_a_request_that_was_given_up_is_owed_as_its_connection_may_have_been_dead_by_then(asked):
    assert moved(given_up(asked))
    asked.sent("client_2", 30.0)
    asked.created("resp_1")
    asked.done("resp_1")

    assert not moved(asked), "once"


@pytest.mark.parametrize(("sent_before", "owed"), [(9.0, True), (10.0, True), (10.5, False)])
def test_it_is_not_owed_where_the_service_is_known_to_have_had_it(asked, sent_before, owed):
    given_up(asked).proven(sent_before)

    assert moved(asked) is owed


def test_nor_where_a_response_has_begun_since(asked):
    given_up(asked).created("resp_1")
    asked.done("resp_1")

    assert not moved(asked)


def test_it_is_owed_where_the_response_began_before_our_item_came(asked, underway):
    underway.sent(ITEM)
    given_up(asked).created("resp_1")
    asked.done("resp_1")

    assert moved(asked)


def test_nor_is_one_that_was_asked_for_by_itself_whose_end_was_told(gate):
    gate.ask("a")
    gate.next_asked(10.0)
    given_up(gate).proven(99.0)

    assert not moved(gate)
    assert gate.next_asked(30.0) is None


def test_only_so_many_calls_are_kept_in_mind_and_the_oldest_holds_nothing_up(gate):
    for number in range(CALLS_MAX + 1):
        gate.calls.opened(f"call_{number}", "resp_1")

    assert not gate.calls.is_open("call_0")
    assert gate.statistics().open_calls == CALLS_MAX
