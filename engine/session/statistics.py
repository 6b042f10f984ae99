"""What a session's figures are: one frozen snapshot."""

from collections.abc import Mapping

import attrs

from engine.actors.audio_pump import AudioPumpStatistics
from engine.counting import ToolStatistics
from engine.inbox import InboxStatistics
from engine.lane import LaneStatistics
from engine.metering.cost import Cost
from engine.metering.records import ResponseRecord, TurnRecord, TurnTotals
from engine.protocol.statistics import ConversationStatistics
from engine.transport.base import TransportStatistics


@attrs.frozen(kw_only=True)
class SessionStatistics:
    """A snapshot of a session.

    Attributes:
        connection_id: As in the session's first event.
        state: `new`, `connecting`, `live`, `closing` or `closed`.
        age_s: Seconds since the connection was begun, until the session's end.
        messages_received: Server messages, those that could not be read included.
        events_received: Server events by type.
        audio_fed_ms: Microphone audio taken.
        microphone: More of it: silence that was filled in, changes of shape.
        audio_received_ms: The model's audio received.
        inbox: What waits for `receive()`.
        control_lane: Control messages that wait for the socket; weights are messages.
        audio_lane: Audio that waits for the socket; weights are ms.
        conversation: The conversation's own figures.
        transport: Bytes, once connected.
        turns: The newest turns with their times, oldest first.
        asides: The newest responses outside the conversation, oldest first.
        totals: Sums over all turns: tokens, latencies, interruptions, responses by status, errors by code.
        cost: By our price table; None where that does not know the model.
        tools: What tools did; None where none were run.
    """

    connection_id: str
    state: str
    age_s: float
    messages_received: int
    events_received: Mapping[str, int]
    audio_fed_ms: float
    microphone: AudioPumpStatistics
    audio_received_ms: float
    inbox: InboxStatistics
    control_lane: LaneStatistics
    audio_lane: LaneStatistics
    conversation: ConversationStatistics
    transport: TransportStatistics | None
    turns: tuple[TurnRecord, ...]
    asides: tuple[ResponseRecord, ...]
    totals: TurnTotals
    cost: Cost | None
    tools: ToolStatistics | None
