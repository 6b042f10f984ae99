"""What a terminal is told of the connections under a session: one was lost, another carries the talk."""

from engine.events import BidiConnectionRestartEvent, BidiConnectionWarningEvent

WHO = "link"
"""Who says it, where the user and the agent have a name."""

_MS_PER_S = 1000


def in_words(event: BidiConnectionWarningEvent | BidiConnectionRestartEvent) -> str | None:
    """Tell a change of connections in a line; None for what nobody needs to see, as that a renewal begins.

    It may quote the service: show it with `printable`.
    """
    if isinstance(event, BidiConnectionRestartEvent):
        return _restarted(event)
    if event.reason == "renewal":
        return None
    return f"{event.error} | trying again for up to {event.due_s:.0f} s"


def _restarted(event: BidiConnectionRestartEvent) -> str:
    if event.reason == "renewal":
        return "renewed, as the connection's time was over"
    words = f"connected again after {event.gap_ms / _MS_PER_S:.1f} s"
    if event.dropped_audio_ms:
        words += f", {event.dropped_audio_ms / _MS_PER_S:.1f} s of the microphone were not sent"
    return words + (", and the answer is asked for again" if event.asked_again else "")
