"""What a person sees while the runs are made: a bar in a terminal, a line a run elsewhere."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from benchmarks.harness.plan import Step
from benchmarks.harness.records import Run
from benchmarks.harness.scenarios import SCENARIOS

Tell = Callable[[Step, Run | None], None]


def line(step: Step, run: Run | None) -> str:
    """Say how a run went."""
    where = " ".join(part for part in (step.scenario.name, step.variant.name) if part)
    return f"{where} #{step.round + 1} {step.contender.name}: {_how(run)}"


def _how(run: Run | None) -> str:
    if run is None:
        return "kept from before, or settled by an earlier run"
    if run.outcome != "measured":
        return f"{run.outcome}: {run.words}"
    metric = SCENARIOS[run.scenario].metrics[0]
    value = run.figures.get(metric.key)
    shown = f"{value * metric.scale:.{metric.digits}f} {metric.unit}" if isinstance(value, (int, float)) else value
    return f"{metric.title} {shown or 'unknown'}".rstrip() + (f" ({run.limit})" if run.limit else "")


@contextlib.contextmanager
def told(total: int) -> Iterator[tuple[Callable[[Step], None], Tell]]:
    """Give what is called before each run, and after it."""
    if not sys.stderr.isatty():
        began = time.monotonic()

        def print_it(step: Step, run: Run | None) -> None:
            print(f"[{time.monotonic() - began:6.1f} s] {line(step, run)}", file=sys.stderr, flush=True)

        yield lambda _: None, print_it
        return
    from rich.console import Console  # noqa: PLC0415 - an extra, and only a terminal needs it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=total)

        def begin(step: Step) -> None:
            bar.update(task, description=f"{step.scenario.name} {step.variant.name} {step.contender.name}")

        def end(step: Step, run: Run | None) -> None:
            bar.advance(task)
            if run is not None:
                bar.console.print(line(step, run), highlight=False)

        yield begin, end
