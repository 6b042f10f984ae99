"""The speed that was asked for, row by row, and what was measured."""

from collections.abc import Sequence
from typing import Final, Literal

import attrs

from benchmarks.harness.contenders import SEED
from benchmarks.harness.records import Results
from benchmarks.harness.summary import Spread, Where, ratio, spread


@attrs.frozen
class Wanted:
    """One row: a figure, or its ratio to the seed's, of at most `most`.

    Attributes:
        what: In words.
        scenario, variant, contender, key: Which figure.
        most: The bound.
        of: `ratio` to the seed, or the figure itself.
        scale: The figure times this is shown.
        unit: Of the figure itself.
    """

    what: str
    scenario: str
    variant: str
    contender: str
    key: str
    most: float
    of: Literal["ratio", "figure"] = "ratio"
    scale: float = 1.0
    unit: str = ""

    def measured(self, results: Results) -> Spread | None:
        """Give what was measured; None where a side of it is missing."""
        where = Where(self.scenario, self.variant, self.contender, self.key)
        return ratio(results, where, SEED) if self.of == "ratio" else spread(results, where)


_HUNDRED: Final = "100 sessions"
_TLS: Final = "100 sessions, TLS"
_OWN: Final = "engine"
_JOINED: Final = "engine-100ms"

WANTED: Final[Sequence[Wanted]] = (
    Wanted("burst, CPU per delta, `websockets`", "burst", "", _OWN, "cpu_us_per_event", 0.45),
    Wanted("burst, CPU per delta, `trio-websocket`", "burst", "", "engine-trio-websocket", "cpu_us_per_event", 1.0),
    Wanted("live, 100 sessions, CPU, messages of 100 ms", "live", _HUNDRED, _JOINED, "cpu_share", 0.55),
    Wanted("live, 100 sessions, CPU, messages of 40 ms", "live", _HUNDRED, _OWN, "cpu_share", 0.85),
    Wanted("the same with TLS, 100 ms", "live", _TLS, _JOINED, "cpu_share", 0.7),
    Wanted("the same with TLS, 40 ms", "live", _TLS, _OWN, "cpu_share", 0.95),
    Wanted("live, 100 sessions, latency added, p99", "live", _HUNDRED, _OWN, "p99_ms", 1.0),
    Wanted("an idle session", "memory", _HUNDRED, _OWN, "idle_kib_a_session", 40, "figure", 1.0, "KiB"),
    Wanted("memory of a process with 1,000 idle sessions", "memory", "1000 sessions", _OWN, "process_mib", 1.5),
    Wanted("memory of a process with 1,000 live sessions", "live", "1000 sessions", _OWN, "process_mib", 1.5),
    Wanted("barge-in with 30 s queued", "barge-in", "30 s queued", _OWN, "told_ms", 0.05),
    Wanted("`stop()` with unread audio", "stop", "", _OWN, "stop_s", 0.1, "figure", 1000, "ms"),
    Wanted("churn, CPU a session", "churn", "", _OWN, "cpu_ms_a_session", 1.0),
    Wanted("churn, memory kept a session", "churn", "", _OWN, "grown_kib_a_session", 0.05, "figure", 1.0, "KiB"),
    Wanted("import of `engine`", "footprint", "", _OWN, "import_cpu_ms", 0.4),
    Wanted("import of what an application uses", "footprint", "", _OWN, "used_cpu_ms", 0.4),
)


def rows(results: Results) -> list[tuple[str, str, str, str]]:
    """Give what, the bound, what was measured, and whether it holds; rows of loads that were not run are left out."""
    return [_row(wanted, results) for wanted in WANTED if results.of(wanted.scenario, wanted.variant, wanted.contender)]


def _row(wanted: Wanted, results: Results) -> tuple[str, str, str, str]:
    bound = _shown(wanted, wanted.most)
    found = wanted.measured(results)
    if found is None:
        return wanted.what, bound, "no ratio: a side was not measured", "-"
    shown = f"{_shown(wanted, found.median)} ({_shown(wanted, found.least)} to {_shown(wanted, found.most)})"
    return wanted.what, bound, shown, "yes" if found.median <= wanted.most else "**no**"


def _shown(wanted: Wanted, value: float) -> str:
    value *= wanted.scale
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{3 if wanted.of == 'ratio' and value < 0.01 else digits}f} {wanted.unit}".rstrip()
