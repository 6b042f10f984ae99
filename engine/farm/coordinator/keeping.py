"""Which sessions' files are kept: a sample that is the same each time, and a bound on the bytes of all together."""

from hashlib import blake2b
from typing import Final

import attrs

from engine.farm.job import Job, KeepFiles, Result
from engine.farm.plan.model import Keep

ROOM_MIN_BYTES: Final = 256 * 2**10
"""A session that could keep less than this keeps nothing: some seconds of sound, cut short, help nobody."""

NOTHING: Final = KeepFiles(audio=False, events=False, max_bytes=0)


class Keeping:
    """Gives each session room for its files, out of what is left for all.

    Room is set aside before a session starts, so the bound holds whatever sessions do, and given back when it ended.

    Args:
        keep: The plan's.
        kept_bytes: Of files that are there.
        at_a_time: How many sessions share the room that is left.
    """

    def __init__(self, keep: Keep, *, kept_bytes: int, at_a_time: int) -> None:
        self._keep = keep
        self._at_a_time = max(1, at_a_time)
        self._largest_bytes = 0
        self._aside: dict[str, int] = {}
        self._aside_bytes = 0
        self.kept_bytes = kept_bytes
        self.refused = 0
        """Sessions for which there was no room."""

    def room_for(self, attempt_id: str, job: Job) -> KeepFiles:
        """Say what a session keeps, and set room aside for it."""
        wanted = sampled(self._keep, job.number)
        if not any((wanted.audio, wanted.events, wanted.audio_of_failed, wanted.events_of_failed)):
            return NOTHING
        left = self._keep.max_bytes - self.kept_bytes - self._aside_bytes
        # Twice the largest so far: a session is seldom much longer than all before it.
        room = min(wanted.max_bytes, left, max(left // self._at_a_time, 2 * self._largest_bytes, ROOM_MIN_BYTES))
        if room < min(ROOM_MIN_BYTES, wanted.max_bytes):
            self.refused += 1
            return NOTHING
        self._aside[attempt_id] = room
        self._aside_bytes += room
        return attrs.evolve(wanted, max_bytes=room)

    def ended(self, attempt_id: str, result: Result | None) -> None:
        """Give room back, and count what was kept; nothing of a session that did not begin."""
        self._aside_bytes -= self._aside.pop(attempt_id, 0)
        size_bytes = sum(file.size_bytes for file in result.files) if result is not None else 0
        self.kept_bytes += size_bytes
        self._largest_bytes = max(self._largest_bytes, size_bytes)


def sampled(keep: Keep, number: int) -> KeepFiles:
    """Say what a job keeps by the plan's shares; the same each time, and on each machine."""
    drawn = int.from_bytes(blake2b(b"%d" % number, digest_size=8).digest(), "big") / 2**64
    return KeepFiles(
        audio=drawn < keep.audio,
        events=drawn < keep.events,
        audio_of_failed=keep.audio > 0,
        events_of_failed=keep.events > 0,
        max_bytes=keep.session_max_bytes,
    )


__all__ = ["NOTHING", "ROOM_MIN_BYTES", "Keeping", "sampled"]
