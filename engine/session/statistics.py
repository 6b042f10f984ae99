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
class LinksStatistics:
    """A snapshot of a session's connections, one after another.

    Attributes:
        carried: How many have carried the talk.
        renewals: How often it moved on before a connection's time was over.
        reconnections: How often a lost one was made anew.
        failed_attempts: Connections that were tried and could not be had.
        last_gap_ms: How long there was none, when it moved on last.
        longest_gap_ms: The longest of these.
        dropped_audio_ms: Microphone audio that found no room while there was none.
    """

    carried: int = 0
    renewals: int = 0
    reconnections: int = 0
    failed_attempts: int = 0
    last_gap_ms: float = 0.0
    longest_gap_ms: float = 0.0
    dropped_audio_ms: float = 0.0


@attrs.frozen(kw_only=True)
class SessionStatistics:
    """A snapshot of a session.

    Attributes:
        connection_id: As in the session's first event.
        state: `new`, `connecting`, `live`, `renewing`, `reconnecting`, `closing` or `closed`.
        age_s: Seconds since the session was begun, until its end.
        messages_received: Server messages, those that could not be read included.
        events_received: Server events by type.
        audio_fed_ms: Microphone audio taken.
        microphone: More of it: silence that was filled in, changes of shape.
        audio_received_ms: The model's audio received.
        inbox: What waits for `receive()`.
        control_lane: Control messages that wait for the socket; weights are messages.
        audio_lane: Audio that waits for the socket; weights are ms.
        conversation: The conversation's own figures.
        transport: Bytes of the connection there is, and how far away the service is, once connected.
        links: The session's connections.
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
    links: LinksStatistics
    turns: tuple[TurnRecord, ...]
    asides: tuple[ResponseRecord, ...]
    totals: TurnTotals
    cost: Cost | None
    tools: ToolStatistics | None
