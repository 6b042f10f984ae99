"""The states of a conversation and the tables of what moves them; data only.

Each table maps `(state, signal)` to the next state. A cell that is missing leaves the state as it is: a server that
repeats itself or leaves something out must not break the conversation. The diagrams in the docs are drawn from these
tables, and a test visits every cell.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final


class Phase(Enum):
    """Where a session stands."""

    OPENING = auto()
    LIVE = auto()
    ENDED = auto()


class PhaseSignal(Enum):
    """What moves a session on."""

    SESSION_CREATED = auto()
    FATAL_ERROR = auto()
    LINK_ENDED = auto()


PHASES: Final[Mapping[tuple[Phase, PhaseSignal], Phase]] = {
    (Phase.OPENING, PhaseSignal.SESSION_CREATED): Phase.LIVE,
    (Phase.OPENING, PhaseSignal.FATAL_ERROR): Phase.ENDED,
    (Phase.OPENING, PhaseSignal.LINK_ENDED): Phase.ENDED,
    (Phase.LIVE, PhaseSignal.FATAL_ERROR): Phase.ENDED,
    (Phase.LIVE, PhaseSignal.LINK_ENDED): Phase.ENDED,
}


class Gate(Enum):
    """Whether a response may be asked for.

    The service runs one response at a time in the conversation and refuses a second request. It also starts
    responses by itself at the end of a spoken turn, so a request can lose a race that nobody could see coming.
    """

    FREE = auto()
    REQUESTED = auto()
    ACTIVE = auto()


class GateSignal(Enum):
    """What moves the gate."""

    SENT = auto()
    CREATED = auto()
    DONE = auto()
    REFUSED_ACTIVE = auto()
    REFUSED = auto()
    UNANSWERED = auto()


GATES: Final[Mapping[tuple[Gate, GateSignal], Gate]] = {
    (Gate.FREE, GateSignal.SENT): Gate.REQUESTED,
    (Gate.FREE, GateSignal.CREATED): Gate.ACTIVE,
    (Gate.REQUESTED, GateSignal.CREATED): Gate.ACTIVE,
    (Gate.REQUESTED, GateSignal.REFUSED_ACTIVE): Gate.ACTIVE,
    (Gate.REQUESTED, GateSignal.REFUSED): Gate.FREE,
    (Gate.REQUESTED, GateSignal.UNANSWERED): Gate.FREE,
    (Gate.REQUESTED, GateSignal.DONE): Gate.FREE,
    (Gate.ACTIVE, GateSignal.DONE): Gate.FREE,
}


class Speech(Enum):
    """Whether the user speaks, as the service hears it."""

    SILENT = auto()
    SPEAKING = auto()


class SpeechSignal(Enum):
    """What the service says of the user's speech."""

    STARTED = auto()
    STOPPED = auto()
    CLEARED = auto()


SPEECHES: Final[Mapping[tuple[Speech, SpeechSignal], Speech]] = {
    (Speech.SILENT, SpeechSignal.STARTED): Speech.SPEAKING,
    (Speech.SPEAKING, SpeechSignal.STOPPED): Speech.SILENT,
    (Speech.SPEAKING, SpeechSignal.CLEARED): Speech.SILENT,
}
