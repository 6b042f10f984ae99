"""What `benchmarks.farm_capacity` finds: what was lost, and what the run took."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import attrs

from benchmarks.farm_vitals import Look, percentile
from engine.farm.job import Result
from engine.simulator import Pace

TALK_S: Final = 6.0
"""What a turn of the plan takes: 3.1 s of speech, 0.5 s of silence, 0.3 s of thought, 2 s of answer."""

PACED_MS: Final = Pace().think_ms + Pace().first_delta_ms
"""From the end of speech to the first audio as the simulator is set: what is above is added."""


@attrs.frozen(kw_only=True)
class Size:
    """How large a run is.

    Attributes:
        sessions: At a time, and in all.
        workers: Processes; there are as many simulators.
        seconds: For so long all are open.
        talking: Share of sessions that are in talk.
        starts_per_s: Sessions that start a second.
        keep: Share of sessions whose audio and events are kept. Above 0 all are recorded, for any may fail.
        frame_ms: Length of a microphone frame.
    """

    sessions: int = 2000
    workers: int = 2
    seconds: float = 60.0
    talking: float = 0.1
    starts_per_s: float = 50.0
    keep: float = 0.02
    frame_ms: int = 40

    @property
    def turns(self) -> int:
        """Turns of a session: so many that it outlives the ramp and the time when all are open."""
        return max(1, math.ceil((self.sessions / self.starts_per_s + self.seconds) / self.cycle_s))

    @property
    def cycle_s(self) -> float:
        """From one turn of a caller to its next."""
        return TALK_S / self.talking


@attrs.frozen
class Moment:
    """All processes at one moment.

    Attributes:
        at_s: Of the monotonic clock.
        active: Sessions.
        talking: Of these, in how many somebody speaks just now.
        exchanges: Of coordinator and workers so far.
        by_role: Each process, by `worker`, `simulator`, `coordinator`.
    """

    at_s: float
    active: int
    talking: int
    exchanges: int
    by_role: dict[str, list[Look]]

    def total(self, role: str, figure: str) -> float:
        """Add a figure up over the processes of a role."""
        return float(sum(getattr(each, figure) for each in self.by_role[role]))


@attrs.frozen(kw_only=True)
class Found:
    """What a run left behind."""

    size: Size
    moments: list[Moment]
    results: list[Result]
    attempts: int
    seen: list[dict[str, Any]]
    workers: list[dict[str, Any]]
    coordinator: dict[str, Any]
    looking_cpu_s: float
    exchanges: int
    ledger_bytes: int
    files_bytes: int


# --- what was lost ----------------------------------------------------------------------------------------------------


def faults_of(found: Found) -> list[str]:
    """Say what is not as wanted."""
    wanted, results = found.size.sessions, found.results
    requests = Counter(name for each in found.seen for name in each["requests"])
    turns = [turn for result in results for turn in result.turns]
    fed_ms = sum(result.audio_in_ms for result in results)
    checks = {
        f"results {Counter(result.status for result in results)}, wanted {wanted} that passed": (
            [result.status for result in results] == ["passed"] * wanted
        ),
        f"{found.attempts} attempts": found.attempts == wanted,
        f"the simulators saw {len(requests)} sessions that are not the ledger's": (
            requests == Counter(result.attempt_id for result in results)
        ),
        f"{len(turns)} turns, wanted {wanted * found.size.turns}": len(turns) == wanted * found.size.turns,
        f"turns {Counter(turn.status for turn in turns)}": all(turn.status == "completed" for turn in turns),
        "answers without sound": all(turn.audio_ms > 0 for turn in turns),
        "answers that were not heard out": all(abs(turn.heard_ms - turn.audio_ms) < 1 for turn in turns),
        f"{sum(result.audio_lost_ms for result in results):.0f} ms of audio lost": (
            not any(result.audio_lost_ms for result in results)
        ),
        f"microphone {fed_ms:.0f} ms fed, {_seen(found, 'frames')} frames received": (
            abs(fed_ms - _seen(found, "frames") * found.size.frame_ms) < 1
        ),
        f"deltas sent {_seen(found, 'deltas')}, received {sum(result.deltas for result in results)}": (
            _seen(found, "deltas") == sum(result.deltas for result in results)
        ),
        f"{_seen(found, 'crashes')} crashes, {_seen(found, 'open')} left open at the simulators": (
            not _seen(found, "crashes") and not _seen(found, "open")
        ),
        f"{most_at_a_time(results)} at a time": most_at_a_time(results) == wanted,
    }
    return [words for words, holds in checks.items() if not holds]


def _seen(found: Found, name: str) -> int:
    return sum(each[name] for each in found.seen)


def most_at_a_time(results: Sequence[Result]) -> int:
    """Count the most open sessions at any moment, by when each was open."""
    steps = [(result.began_at + (result.connect_ms or 0.0) / 1000, 1) for result in results]
    steps += [(result.began_at + result.duration_ms / 1000, -1) for result in results]
    most = active = 0
    for _, step in sorted(steps):
        active += step
        most = max(most, active)
    return most


# --- what it took -----------------------------------------------------------------------------------------------------


def figures_of(found: Found) -> dict[str, float]:
    """Reckon what the run took."""
    full = [moment for moment in found.moments if moment.active == found.size.sessions]
    empty = next(moment for moment in found.moments if len(moment.by_role["worker"]) == found.size.workers)
    if len(full) < 2:
        return {}
    first, last = full[0], full[-1]
    wall_s = last.at_s - first.at_s
    figures: dict[str, float] = {"all open (s)": wall_s}
    figures["exchanges a second while all are open"] = (last.exchanges - first.exchanges) / wall_s
    figures["in talk at a time, mean"] = sum(moment.talking for moment in full) / len(full)
    figures["in talk at a time, most"] = max(moment.talking for moment in full)
    warm = next(moment for moment in found.moments if moment.active >= max(1, found.size.sessions / 20))
    for role in first.by_role:
        figures |= _of_role(role, first, last, warm, found.size)
    return figures | _opening(found, empty, first) | _of_calls(found) | _of_coordinator(found) | _inside(found)


def _of_role(role: str, first: Moment, last: Moment, warm: Moment, size: Size) -> dict[str, float]:
    """Reckon a role's figures.

    Args:
        role: Whose.
        first: When all were open.
        last: When they still were, and each had talked.
        warm: When the first sessions were there, and with them all that is imported for them.
        size: Of the run.
    """
    wall_s = last.at_s - first.at_s

    def share(figure: str) -> float:
        return (last.total(role, figure) - first.total(role, figure)) / wall_s

    def grown(figure: str) -> float:
        return (last.total(role, figure) - warm.total(role, figure)) / (size.sessions - warm.active or 1)

    return {
        f"{role}: CPU while all are open (cores)": share("cpu_s"),
        f"{role}: of that the system's (cores)": share("system_cpu_s"),
        f"{role}: CPU a session while all are open (ms/s)": share("cpu_s") / size.sessions * 1000,
        f"{role}: memory when the first were open (MiB)": warm.total(role, "memory_bytes") / 2**20,
        f"{role}: memory at the end (MiB)": last.total(role, "memory_bytes") / 2**20,
        f"{role}: memory a session (KiB)": grown("memory_bytes") / 1024,
        f"{role}: open files a session": grown("files"),
    }


def _opening(found: Found, empty: Moment, first: Moment) -> dict[str, float]:
    """Reckon what a session's opening takes: what the ramp took above what its sessions took once they were open."""
    ramp = [moment for moment in found.moments if empty.at_s <= moment.at_s <= first.at_s]
    full = [moment for moment in found.moments if moment.active == found.size.sessions]
    open_s = sum((after.at_s - before.at_s) * (after.active + before.active) / 2 for before, after in pairwise(ramp))
    figures = {}
    for role in ("worker", "simulator"):
        wall_s = full[-1].at_s - full[0].at_s
        a_session = (full[-1].total(role, "cpu_s") - full[0].total(role, "cpu_s")) / wall_s / found.size.sessions
        taken_s = first.total(role, "cpu_s") - empty.total(role, "cpu_s") - a_session * open_s
        figures[f"{role}: CPU to open a session (ms)"] = taken_s / found.size.sessions * 1000
    return figures


def _of_calls(found: Found) -> dict[str, float]:
    results = found.results
    first_ms = [turn.time_to_first_audio_ms or 0.0 for result in results for turn in result.turns]
    connect_ms = [result.connect_ms or 0.0 for result in results]
    lived_s = sum(result.duration_ms for result in results) / 1000
    long_ms = [result.duration_ms - found.size.turns * found.size.cycle_s * 1000 for result in results]
    return {
        "turns": len(first_ms),
        "sessions' length, mean (s)": lived_s / len(results),
        "sessions longer than their steps, p50 (ms)": percentile(long_ms, 50),
        "sessions longer than their steps, most (ms)": max(long_ms),
        "first audio, added, p50 (ms)": percentile(first_ms, 50) - PACED_MS,
        "first audio, added, p95 (ms)": percentile(first_ms, 95) - PACED_MS,
        "first audio, added, p99 (ms)": percentile(first_ms, 99) - PACED_MS,
        "first audio, added, most (ms)": max(first_ms) - PACED_MS,
        "connect, p50 (ms)": percentile(connect_ms, 50),
        "connect, p99 (ms)": percentile(connect_ms, 99),
        "bytes a session sends a second": _seen(found, "received_bytes") / lived_s,
        "bytes a session receives a second": _seen(found, "sent_bytes") / lived_s,
        "messages a session a second": (_seen(found, "received_messages") + _seen(found, "sent_messages")) / lived_s,
        "ledger a session (bytes)": found.ledger_bytes / len(results),
        "kept files, all (bytes)": found.files_bytes,
        "kept files, sessions": sum(bool(result.files) for result in results),
    }


def _of_coordinator(found: Found) -> dict[str, float]:
    own_s = found.coordinator["cpu_s"] - found.looking_cpu_s
    run_s = found.moments[-1].at_s - found.moments[0].at_s
    return {
        "coordinator: CPU of the run (s)": own_s,
        "coordinator: CPU a session, all of it (ms)": own_s / found.size.sessions * 1000,
        "coordinator: exchanges": found.exchanges,
        "coordinator: exchanges a second": found.exchanges / run_s,
        "coordinator: CPU an exchange, all of it (ms)": own_s / found.exchanges * 1000,
    }


def _inside(found: Found) -> dict[str, float]:
    """Give the worst process of each role."""
    roles = {"worker": found.workers, "simulator": found.seen, "coordinator": [found.coordinator]}
    names = {
        "loop late, p50 (ms)": "lag_p50_ms",
        "loop late, p99 (ms)": "lag_p99_ms",
        "loop late, most (ms)": "lag_max_ms",
        "longest collection (ms)": "gc_longest_ms",
        "collections, together (ms)": "gc_total_ms",
    }
    return {
        f"{role}: {words}": max((each[name] for each in told), default=0.0)
        for role, told in roles.items()
        for words, name in names.items()
    }
