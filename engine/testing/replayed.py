"""A recording as a service in memory: a call that went wrong becomes a test."""

import math
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import attrs

from engine.errors import ConfigError
from engine.recording.files import read_recording
from engine.recording.format import Entry, LinkRecord, Recording
from engine.recording.reduction import restored
from engine.simulator.replay.differences import Difference
from engine.simulator.replay.plan import Ending, Pace, Plan, Recorded
from engine.simulator.replay.server import ReplayServer, sendable, serve_replay
from engine.simulator.replay.session import Manner
from engine.testing.streams import in_memory
from engine.transport.base import Connector

PATIENCE_S: Final = 30.0
"""How long a replay in a test waits for what the recorded client did, before it goes on without."""

_SILENCE: Final = {"audio/pcm": b"\0", "audio/pcmu": b"\xff", "audio/pcma": b"\xd5"}
"""One byte of silence (ITU-T G.711)."""


@attrs.frozen
class Replay:
    """A recording that is being played.

    Attributes:
        recording: It.
        connector: Leads a session to it.
        server: Serves it; has ledgers of what went over the wire.
    """

    recording: Recording = attrs.field(repr=False)
    connector: Connector
    server: ReplayServer

    @property
    def differences(self) -> tuple[Difference, ...]:
        """What the client did otherwise than the recorded one; `str` says it in words.

        What did not come at all is told once the session is over.
        """
        return self.server.differences


@asynccontextmanager
async def replay(
    path: str | Path | Recording, *, pace: Pace = "recorded", patience_s: float = PATIENCE_S
) -> AsyncIterator[Replay]:
    """Play a recording to the sessions of a test, in memory.

    Each server message waits until the client has done what came before it in the recording. Events are matched by
    type and count, appended audio by its length. Ids that the client has chosen stand in the place of the recorded
    ones. The second connection gets the recording's second, and so on round.

    Args:
        path: The recording; of the engine, or one JSON object `{"dir": ..., "event": ...}` a line.
        pace: `recorded` keeps the recording's times, `at_once` does not wait for anything but the client.
        patience_s: How long it waits for what the recorded client did, in seconds of Trio's clock; then it goes on
            without, and `Replay.differences` tells. For settings, truncations and cancellations at most 2 s.

    Yields:
        The replay; its `connector` goes to `open_session`.

    Raises:
        ConfigError: The recording can't be read, or has no server messages.
    """
    recording = path if isinstance(path, Recording) else read_recording(path)
    manner = manner_of(pace, patience_s)
    async with serve_replay(plans_of(recording), manner, host=None) as server:
        yield Replay(recording, in_memory(server), server)


def manner_of(pace: Pace, patience_s: float = math.inf) -> Manner:
    """Make the manner of a replay.

    Raises:
        ConfigError: There is no such pace.
    """
    if pace not in ("recorded", "at_once"):
        raise ConfigError("pace", pace, "recorded, at_once")
    return Manner(pace, patience_s)


def plans_of(recording: Recording) -> list[Plan]:
    """Give what is to be played, one plan for each connection of the recording that could be had."""
    messages: dict[int, list[Recorded]] = defaultdict(list)
    for number, message in _messages(recording):
        messages[number].append(message)
    told = {link.number: link for link in recording.links if not link.failed}
    numbers = sorted({*messages, *told})
    links = [told.get(number) or LinkRecord(number=number) for number in numbers]
    ends = [_ending(recording, link, is_last=link is links[-1]) for link in links]
    return [Plan.of(messages[link.number], end, link.opened_s) for link, end in zip(links, ends, strict=True)]


def _ending(recording: Recording, link: LinkRecord, *, is_last: bool) -> Ending | None:
    if link.closed_s is not None:
        loss = link.loss
        return None if loss is None else Ending(link.closed_s, sendable(loss.code), loss.reason or "")
    end = recording.end
    if not is_last or end is None or not end.lost:
        return None
    return Ending(end.at_s or 0.0, sendable(end.code))


def _messages(recording: Recording) -> Iterator[tuple[int, Recorded]]:
    """Give the messages with the number of their connection, with silence for audio that was left out."""
    silence = _Silence()
    timed = recording.timed
    for entry in recording.entries:
        silence.look(entry)
        at_s = entry.at_s if timed and entry.at_s is not None else 0.0
        event = entry.event and restored(entry.event, silence.of(entry))
        message = entry.data if entry.event is None and entry.text is None else entry.text
        yield entry.link, Recorded(entry.direction, at_s, message, event)


class _Silence:
    """Knows what silence is in a session, each way."""

    def __init__(self) -> None:
        self._formats = {"client": "audio/pcm", "server": "audio/pcm"}

    def look(self, entry: Entry) -> None:
        """Take the formats out of a session's settings."""
        for direction, way in (("client", "input"), ("server", "output")):
            value: Any = entry.event
            for key in ("session", "audio", way, "format", "type"):
                value = value.get(key) if isinstance(value, dict) else None
            if isinstance(value, str):
                self._formats[direction] = value

    def of(self, entry: Entry) -> bytes:
        """Give a byte of silence for the audio of a message."""
        return _SILENCE.get(self._formats[entry.direction], b"\0")
