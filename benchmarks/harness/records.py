"""The results of a benchmark as they are kept: one record a run, written after each, so that nothing gets lost."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Literal

import attrs

Outcome = Literal["measured", "error", "hang", "cannot", "not installed", "skipped"]

FORMAT: Final = 1
_NOT_REPEATED: Final = ("hang", "cannot", "not installed", "skipped")


@attrs.frozen(kw_only=True)
class Run:
    """One run of one contender, or why there is none.

    Attributes:
        scenario: Its name.
        variant: The load's name.
        contender: Its name.
        round: From 0; the runs of a round follow each other.
        outcome: `measured`, or what went wrong.
        words: What went wrong, in a line.
        figures: By metric.
        limit: Why the load server was the limit; None when it was not.
        seconds: How long the run took.
    """

    scenario: str
    variant: str
    contender: str
    round: int
    outcome: Outcome
    words: str | None = None
    figures: dict[str, Any] = attrs.field(factory=dict)
    limit: str | None = None
    seconds: float = 0.0

    @property
    def key(self) -> tuple[str, str, str, int]:
        """Tell runs apart."""
        return self.scenario, self.variant, self.contender, self.round

    @property
    def is_final(self) -> bool:
        """Tell whether to run it once more would tell nothing new."""
        return self.outcome in _NOT_REPEATED


class Results:
    """All runs of a benchmark, with what they were made on and with.

    Args:
        about: The machine, versions, the commit, what was asked.
        path: File that they are kept in; None for memory only.
    """

    def __init__(self, about: dict[str, Any], path: Path | None = None) -> None:
        self.about = about
        self._path = path
        self._runs: dict[tuple[str, str, str, int], Run] = {}

    @classmethod
    def read(cls, path: Path) -> "Results":
        """Read what was kept, to go on with it or to compare.

        Raises:
            SystemExit: The file holds something else.
        """
        try:
            kept = json.loads(path.read_text())
            results = cls(kept["about"], path)
            runs = [Run(**run) for run in kept["runs"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SystemExit(f"{path} holds no results of a benchmark: {error}") from error
        for run in runs:
            results._runs[run.key] = run
        return results

    def add(self, run: Run) -> None:
        """Keep a run, on disk at once."""
        self._runs[run.key] = run
        self.write()

    def write(self) -> None:
        """Write the file, whole or not at all."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        kept = {"format": FORMAT, "about": self.about, "runs": [attrs.asdict(run) for run in self._runs.values()]}
        beside = self._path.with_suffix(".part")
        beside.write_text(json.dumps(kept, indent=1) + "\n")
        beside.replace(self._path)

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs.values())

    def __contains__(self, key: object) -> bool:
        return key in self._runs

    def of(self, scenario: str, variant: str | None = None, contender: str | None = None) -> list[Run]:
        """Give the runs of a scenario, of one load or contender where it is named, in order of rounds."""
        found = (
            run
            for run in self
            if run.scenario == scenario and variant in (None, run.variant) and contender in (None, run.contender)
        )
        return sorted(found, key=lambda run: run.round)

    def contenders(self, scenario: str) -> list[str]:
        """Give who has rows in a scenario."""
        return list(dict.fromkeys(run.contender for run in self if run.scenario == scenario))


def measured(runs: Iterable[Run]) -> list[Run]:
    """Leave out what was not measured."""
    return [run for run in runs if run.outcome == "measured"]
