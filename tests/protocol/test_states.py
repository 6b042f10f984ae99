"""The tables are whole: each cell does what it says, each state can be reached, and a missing cell changes nothing."""

from collections.abc import Mapping
from enum import Enum
from itertools import product
from typing import Any

import pytest
from transcripts import Talk

from engine.protocol.response_gate import ResponseGate
from engine.protocol.states import (
    GATES,
    PHASES,
    SPEECHES,
    Gate,
    GateSignal,
    Phase,
    PhaseSignal,
    Speech,
    SpeechSignal,
)

Table = Mapping[tuple[Any, Any], Any]
TABLES: list[tuple[Table, type[Enum], type[Enum], Enum]] = [
    (PHASES, Phase, PhaseSignal, Phase.OPENING),
    (GATES, Gate, GateSignal, Gate.FREE),
    (SPEECHES, Speech, SpeechSignal, Speech.SILENT),
]
by_name = pytest.mark.parametrize(
    ("table", "states", "signals", "first"), TABLES, ids=[states.__name__ for _, states, _, _ in TABLES]
)


@by_name
def test_a_table_speaks_of_its_own_states_and_signals_only(table, states, signals, first):
    assert {state for state, _ in table} | set(table.values()) <= set(states)
    assert {signal for _, signal in table} == set(signals)


@by_name
def test_every_state_can_be_reached(table, states, signals, first):
    reached, frontier = {first}, [first]
    while frontier:
        here = frontier.pop()
        following = {after for (state, _), after in table.items() if state is here} - reached
        reached |= following
        frontier += following

    assert reached == set(states)


def test_no_cell_leads_out_of_the_end():
    assert all(state is not Phase.ENDED for state, _ in PHASES)


GATE_SIGNALS = {
    GateSignal.SENT: lambda gate: gate.sent("client_1", 0.0),
    GateSignal.CREATED: lambda gate: gate.created("resp_1"),
    GateSignal.DONE: lambda gate: gate.done("resp_1"),
    GateSignal.REFUSED_ACTIVE: lambda gate: gate.refused("client_1", because_active=True),
    GateSignal.REFUSED: lambda gate: gate.refused("client_1", because_active=False),
    GateSignal.UNANSWERED: lambda gate: gate.expired(99.0),
}
GATE_STATES = {Gate.FREE: [], Gate.REQUESTED: [GateSignal.SENT], Gate.ACTIVE: [GateSignal.CREATED]}


@pytest.mark.parametrize(("state", "signal"), list(product(Gate, GateSignal)))
def test_the_gate_moves_as_its_table_says_and_stays_where_it_says_nothing(state, signal):
    gate = ResponseGate(deadline_s=15.0)
    for way in GATE_STATES[state]:
        GATE_SIGNALS[way](gate)
    assert gate.state is state

    GATE_SIGNALS[signal](gate)

    assert gate.state is GATES.get((state, signal), state)


PHASE_SIGNALS = {
    PhaseSignal.SESSION_CREATED: "session_created",
    PhaseSignal.FATAL_ERROR: "error invalid_api_key",
    PhaseSignal.LINK_ENDED: "link_ended code=1006",
}
PHASE_STATES = {Phase.OPENING: [], Phase.LIVE: ["session_created"], Phase.ENDED: ["link_ended"]}


@pytest.mark.parametrize(("state", "signal"), list(product(Phase, PhaseSignal)))
def test_a_session_moves_as_its_table_says_and_stays_where_it_says_nothing(state, signal):
    talk = Talk(opening=True)
    for way in PHASE_STATES[state]:
        talk.says(way)
    assert talk.conversation.phase is state

    talk.says(PHASE_SIGNALS[signal])

    assert talk.conversation.phase is PHASES.get((state, signal), state)


SPEECH_SIGNALS = {
    SpeechSignal.STARTED: "speech_started item_1",
    SpeechSignal.STOPPED: "speech_stopped item_1",
    SpeechSignal.CLEARED: "cleared",
}
SPEECH_STATES = {Speech.SILENT: [], Speech.SPEAKING: ["speech_started item_1"]}


@pytest.mark.parametrize(("state", "signal"), list(product(Speech, SpeechSignal)))
def test_the_users_speech_moves_as_its_table_says_and_stays_where_it_says_nothing(state, signal):
    talk = Talk()
    for way in SPEECH_STATES[state]:
        talk.says(way)

    talk.says(SPEECH_SIGNALS[signal])

    after = SPEECHES.get((state, signal), state)
    assert talk.conversation.statistics().user_speaks is (after is Speech.SPEAKING)
