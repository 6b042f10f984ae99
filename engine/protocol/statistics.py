"""The figures of a conversation and of its response gate."""

from collections.abc import Mapping

import attrs

from engine.protocol.speech_store import KeptSpeechStatistics


@attrs.frozen
class GateStatistics:
    """A snapshot of the gate.

    Attributes:
        state: Name of the state.
        owed: True when a request waits.
        requested: Requests sent.
        refused: Requests that lost a race against a response of the service's own.
        unanswered: Requests that the service never answered.
        open_calls: Calls that wait for a result.
        in_line: Responses that the application asked for by themselves and that wait for their turn.
    """

    state: str
    owed: bool
    requested: int
    refused: int
    unanswered: int
    open_calls: int
    in_line: int = 0


@attrs.frozen
class ConversationStatistics:
    """A snapshot of the conversation.

    Attributes:
        phase: Name of the session's phase.
        user_speaks: What the service heard last.
        gate: The response gate.
        history_items: Items that the mirror holds.
        unknown_events: Events of unknown type, by type.
        unknown_fields: Unknown fields, by `type:path`.
        misfit_fields: Optional fields whose value had another type and was not used, by `type:path`.
        out_of_order: Events that came where the protocol has no place for them, by type.
        violations: Messages that could not be read, by problem.
        silenced_audio: Audio events of interrupted responses that were not handed on.
        truncated: Items that the service was told to cut or delete, as they were not heard to their end.
        truncations_refused: Those that it did not.
        history_forgotten: Items that the mirror dropped at its bounds.
        kept_speech: The user's speech that is kept for another connection.
        playback_forgotten: Items of which it is not known any more what was heard.
    """

    phase: str
    user_speaks: bool
    gate: GateStatistics
    history_items: int
    unknown_events: Mapping[str, int]
    unknown_fields: Mapping[str, int]
    misfit_fields: Mapping[str, int]
    out_of_order: Mapping[str, int]
    violations: Mapping[str, int]
    silenced_audio: int
    truncated: int
    truncations_refused: int
    history_forgotten: int
    playback_forgotten: int
    kept_speech: KeptSpeechStatistics
