"""The commands of `realtime-engine farm` as the shell sees them; what they do is loaded when they are called."""

from pathlib import Path
from typing import Literal

from cyclopts import App

from engine.cli.farm_library import check_installed
from engine.cli.farm_options import DEFAULTS as NO_RUN_OPTIONS
from engine.cli.farm_options import RunOptions

farm_app = App(
    name="farm",
    help="Run many sessions by plan: evaluate an agent, put load on a service, work through recordings.",
    help_format="markdown",
)


@farm_app.command(name="check")
def _check(plan: Path, /) -> None:
    """Explain a plan before it runs: what callers do, how many sessions, how long it takes, what it costs.

    Nothing connects to anything. A mistake is told with file, line, key, and what is allowed.

    For example:

    - `realtime-engine farm check plan.toml`

    Parameters
    ----------
    plan:
        The plan: TOML, or a Python file with `plan = Plan(...)`.
    """
    check_installed()
    from engine.cli.farm_check import check  # noqa: PLC0415 - what a command needs is loaded with it

    check(plan)


@farm_app.command(name="run")
def _run(plan: Path | None = None, /, *, asked: RunOptions = NO_RUN_OPTIONS) -> None:
    """Run a plan, show how it goes, and write what came of it: a ledger, the calls, a report.

    The exit code is 0 when all thresholds of the plan hold, 7 when one is crossed. The first Ctrl-C lets nothing more
    start, and sessions end within --grace-s; a second one ends them at once. Either way, and however the program is
    killed, --resume goes on: what is done is not done again.

    For example:

    - `realtime-engine farm run plan.toml` shows it on the terminal, or as plain lines where there is none.
    - `realtime-engine farm run plan.toml --workers auto --web 8080` takes all cores, and has a page in the browser.
    - `realtime-engine farm run plan.toml --on ray` runs on a Ray cluster.
    - `realtime-engine farm run plan.toml --resume --out farm-runs/evening-20260921-140312` goes on.

    Parameters
    ----------
    plan:
        The plan. With --resume it may be left out: the run knows it.
    """
    check_installed()
    from engine.cli.farm_run import farm_run  # noqa: PLC0415

    farm_run(plan, asked)


@farm_app.command(name="report")
def _report(run: Path, /, *, out: Path | None = None) -> None:
    """Write the report of a run, also while it goes on: one HTML file.

    For example:

    - `realtime-engine farm report farm-runs/evening-20260921-140312`

    Parameters
    ----------
    run:
        Folder of the run.
    out:
        File to write; report.html in the run's folder without.
    """
    check_installed()
    from engine.cli.farm_after import report  # noqa: PLC0415

    report(run, out)


@farm_app.command(name="compare")
def _compare(run: Path, other: Path, /, *, out: Path | None = None) -> None:
    """Show two runs side by side, with what changed beyond noise.

    For example:

    - `realtime-engine farm compare farm-runs/before farm-runs/after --out change.html`

    Parameters
    ----------
    run:
        Folder of the first run.
    other:
        Folder of the second.
    out:
        HTML file to write beside what is printed.
    """
    check_installed()
    from engine.cli.farm_after import compare  # noqa: PLC0415

    compare(run, other, out)


@farm_app.command(name="export")
def _export(run: Path, /, *, format: Literal["csv", "jsonl", "parquet"] = "csv", out: Path | None = None) -> None:
    """Write a run's tables as files for pandas, Polars, DuckDB or a spreadsheet, also while it goes on.

    For example:

    - `realtime-engine farm export farm-runs/evening-20260921-140312 --format parquet`

    Parameters
    ----------
    run:
        Folder of the run.
    format:
        Of the files. Parquet needs the extra parquet.
    out:
        Folder for the files; export in the run's folder without.
    """
    check_installed()
    from engine.cli.farm_after import export  # noqa: PLC0415

    export(run, format, out)
