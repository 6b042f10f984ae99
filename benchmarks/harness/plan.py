"""What is run in which order: A B A B, lightest loads first, and what a peer can't keep up with is not made heavier."""

from collections.abc import Callable, Iterator, Sequence

import attrs

from benchmarks.harness.contenders import Contender
from benchmarks.harness.records import Results, Run, measured
from benchmarks.harness.scenario import Scenario, Variant


@attrs.frozen
class Step:
    """One run that is to be made."""

    scenario: Scenario
    variant: Variant
    contender: Contender
    round: int

    @property
    def key(self) -> tuple[str, str, str, int]:
        """Tell steps apart, as `Run.key`."""
        return self.scenario.name, self.variant.name, self.contender.name, self.round


def steps(scenarios: Sequence[Scenario], contenders: Sequence[Contender], rounds: int, *, quick: bool) -> list[Step]:
    """Order all runs: within a load, each round has every contender once."""
    return [
        Step(scenario, variant, contender, number)
        for scenario in scenarios
        for variant in scenario.variants
        if variant.quick or not quick
        for number in range(rounds)
        for contender in contenders
        if contender.plays(scenario.name)
    ]


def skipped(step: Step, results: Results) -> str | None:
    """Say why a run is not worth its time, or None."""
    name = step.scenario.name
    earlier = results.of(name, step.variant.needs, step.contender.name) if step.variant.needs else []
    kept_up = any(run.figures.get("in_time") for run in measured(earlier))
    return f"did not keep real time with {step.variant.needs}" if earlier and not kept_up else None


def carry_out(todo: Sequence[Step], results: Results, do: Callable[[Step], Run]) -> Iterator[tuple[Step, Run | None]]:
    """Make each run that is not there yet and is worth its time; gives it, or None for one that was left out."""
    for step in todo:
        made = None
        if step.key not in results and not _settled(step, results):
            why = skipped(step, results)
            made = left_out(step, why) if why else do(step)
            results.add(made)
        yield step, made


def _settled(step: Step, results: Results) -> bool:
    return any(run.is_final for run in results.of(step.scenario.name, step.variant.name, step.contender.name))


def left_out(step: Step, why: str) -> Run:
    """Make the row of a run that was not made."""
    scenario, variant, contender, number = step.key
    return Run(scenario=scenario, variant=variant, contender=contender, round=number, outcome="skipped", words=why)
