"""What Prometheus and OpenTelemetry are told of a run: one table of figures, names and units for both."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Literal, get_args

import attrs

from engine.farm.job import ErrorKind
from engine.farm.metrics import METRICS
from engine.farm.snapshot import RunSnapshot

Kind = Literal["gauge", "updown", "counter"]
Labels = Mapping[str, str]
Point = tuple[float, Labels]


FINAL: Final = ("passed", "failed", "error", "lost")
"""How a job may have ended."""


@attrs.frozen
class Exported:
    """A figure.

    Attributes:
        kind: `counter` only goes up; `updown` goes up and down, and adds up over runs and workers; `gauge` does not.
        unit: As OpenTelemetry writes it.
        about: What it is.
        read: Its values with their labels.
    """

    kind: Kind
    unit: str
    about: str
    read: Callable[[RunSnapshot], Iterator[Point]]


def _one(read: Callable[[RunSnapshot], float]) -> Callable[[RunSnapshot], Iterator[Point]]:
    return lambda snapshot: iter([(float(read(snapshot)), {})])


def _each(
    name: str, labels: Sequence[str], read: Callable[[RunSnapshot], Mapping[str, int]]
) -> Callable[[RunSnapshot], Iterator[Point]]:
    """Give a figure for each label, from the begin on: who asks for a rate would not see the first otherwise."""
    none = dict.fromkeys(labels, 0)
    return lambda snapshot: ((float(number), {name: label}) for label, number in {**none, **read(snapshot)}.items())


def _worker(attribute: str, per: float = 1.0) -> Callable[[RunSnapshot], Iterator[Point]]:
    return lambda snapshot: ((getattr(worker, attribute) / per, {"worker": worker.name}) for worker in snapshot.workers)


def _up(snapshot: RunSnapshot) -> Iterator[Point]:
    return ((float(worker.state == "up"), {"worker": worker.name}) for worker in snapshot.workers)


EXPORTED: Final[Mapping[str, Exported]] = {
    "realtime.farm.elapsed": Exported("gauge", "s", "Since the run began.", _one(lambda s: s.elapsed_s)),
    "realtime.farm.over": Exported("gauge", "{run}", "1 when the run is over.", _one(lambda s: s.phase == "over")),
    "realtime.farm.jobs": Exported(
        "updown",
        "{session}",
        "Sessions that the plan asks for; nothing where its load repeats them.",
        lambda s: iter([] if s.jobs is None else [(float(s.jobs), {})]),
    ),
    "realtime.farm.sessions.active": Exported("updown", "{session}", "Sessions that run.", _one(lambda s: s.active)),
    "realtime.farm.sessions.waiting": Exported(
        "updown", "{session}", "Sessions that wait for a further try.", _one(lambda s: s.waiting)
    ),
    "realtime.farm.sessions.done": Exported(
        "counter", "{session}", "Sessions with a final result.", _each("status", FINAL, lambda s: s.done)
    ),
    "realtime.farm.retries": Exported("counter", "{try}", "Tries that were not the last.", _one(lambda s: s.retried)),
    "realtime.farm.errors": Exported(
        "counter", "{try}", "Tries that broke.", _each("kind", get_args(ErrorKind), lambda s: s.errors)
    ),
    "realtime.farm.dropped": Exported(
        "counter", "{session}", "Starts that the caps left no room for.", _one(lambda s: s.dropped)
    ),
    "realtime.farm.start_rate": Exported("gauge", "{session}/s", "Starts, lately.", _one(lambda s: s.starts_per_s)),
    "realtime.farm.pace": Exported("gauge", "{session}/s", "Starts that are allowed.", _one(lambda s: s.pace_per_s)),
    "realtime.farm.tokens": Exported("counter", "{token}", "Tokens of all tries.", _one(lambda s: s.tokens)),
    "realtime.farm.cost": Exported("counter", "USD", "Cost of all tries.", _one(lambda s: s.cost_usd)),
    "realtime.farm.kept": Exported("updown", "By", "Size of the sessions' files.", _one(lambda s: s.kept_bytes)),
    "realtime.farm.worker.up": Exported("gauge", "{worker}", "1 while the worker is heard of.", _up),
    "realtime.farm.worker.active": Exported("updown", "{session}", "Sessions of the worker.", _worker("active")),
    "realtime.farm.worker.lost": Exported("counter", "{session}", "Sessions lost with it.", _worker("lost")),
    "realtime.farm.worker.starts": Exported("counter", "{start}", "Times it was started.", _worker("starts")),
    "realtime.farm.worker.memory": Exported("updown", "By", "Resident memory of the worker.", _worker("memory_bytes")),
    "realtime.farm.worker.cpu.utilization": Exported(
        "gauge", "1", "CPU of the worker, as a share of one core, lately.", _worker("cpu_share")
    ),
    "realtime.farm.worker.lag": Exported("gauge", "s", "Its event loop came late by so much.", _worker("lag_ms", 1000)),
}
"""By OpenTelemetry's name."""


def trends() -> Iterator[str]:
    """Name the metrics that are distributions."""
    return (name for name, metric in METRICS.items() if metric.kind == "trend")
