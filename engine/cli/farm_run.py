"""`realtime-engine farm run`: runs a plan, shows how it goes, and tells what came of it."""

import shlex
import time
from pathlib import Path
from typing import Final

import trio

from engine.cli import exits, farm_end
from engine.cli.console import CommandConsole
from engine.cli.farm_options import DEFAULTS, RunOptions
from engine.cli.farm_paint import print_line
from engine.cli.farm_watch import Watch, console_of
from engine.errors import ConfigError
from engine.farm.backends import BackendFactory
from engine.farm.ledger import Ledger
from engine.farm.plan.load import load_plan
from engine.farm.plan.model import Plan
from engine.farm.policy.admission import ALL_DONE
from engine.farm.report.formatting import counted
from engine.farm.run import Run, RunSummary

RUNS: Final = Path("farm-runs")
"""Where runs are kept, unless `--out` says otherwise."""

LEDGER: Final = "ledger.sqlite"


def farm_run(path: Path | None, asked: RunOptions) -> None:
    """Run a plan.

    Args:
        path: The plan's; None where a run goes on that knows it.
        asked: What else was asked for.

    Raises:
        ConfigError: The plan or an option can't be used.
        FarmError: The run can't begin or go on; its ledger is whole.
        Crossed: A threshold does not hold.
        NothingWorked: Every session broke.
        Stopped: Ctrl-C ended it.
    """
    _check(path, asked)
    plan = None if path is None else load_plan(path)
    folder = _folder(asked, plan)
    run = Run(
        plan,
        out=folder,
        workers=asked.workers,
        backend=_backend(asked),
        sessions=asked.sessions,
        resume=asked.resume,
        grace_s=asked.grace_s,
    )
    console = console_of()
    shown = plan or Ledger.open(folder, write=False).plan
    watch = Watch(run, console, shown, folder, grace_s=asked.grace_s, web=asked.web, web_host=asked.web_host)
    again = resume_command(path, asked, folder)
    try:
        summary = trio.run(watch.run)
    except KeyboardInterrupt:
        if not (folder / LEDGER).exists():
            raise
        raise exits.Stopped(f"stopped | go on with: {again}") from None
    except BaseException:
        if run.snapshot().phase != "starting" and not console.quiet:
            console.print(f"go on with: {again}", markup=False, soft_wrap=True)
        raise
    _end(console, summary, asked, again, at_once=watch.at_once)


def _end(console: CommandConsole, summary: RunSummary, asked: RunOptions, again: str, *, at_once: bool) -> None:
    """Tell what came of it, and choose the exit code."""
    farm_end.tell(console, summary)
    later = shlex.join(["realtime-engine", "farm", "report", str(summary.folder)])
    stopped = f"stopped | go on with: {again}" if summary.stopped and summary.open_jobs != 0 else ""
    if not asked.no_report and not at_once:
        try:
            farm_end.tell_report(console, summary)
        except KeyboardInterrupt:
            stopped = stopped or f"stopped while the report was written; the run is whole | {later}"
    else:
        print_line(console, f"report   {later}")
    if stopped:
        raise exits.Stopped(stopped)
    crossed = [judged.threshold.text for judged in summary.thresholds if not judged.held]
    if crossed:
        number = f"{len(crossed)} of {counted(len(summary.thresholds), 'threshold')}"
        raise exits.Crossed(f"{number} crossed: {'; '.join(crossed)}")
    ended = {status for status, number in summary.done.items() if number}
    if ended and ended <= {"error", "lost"}:
        # A plan without thresholds has nothing else that would tell.
        kinds = [kind for kind, number in summary.snapshot.errors.items() if number]
        why = "" if summary.why == ALL_DONE else f": {summary.why}"
        raise exits.NothingWorked(f"every session broke{why} | why is told above, and in the report", kinds)


def _check(path: Path | None, asked: RunOptions) -> None:
    """Refuse options that do not go together."""
    if path is None and not asked.resume:
        message = "farm run needs a plan | realtime-engine farm run plan.toml"
        raise ConfigError("PLAN", None, "a file", message=message)
    if path is None and asked.out is None:
        message = "which run is to go on? | name its plan, or its folder with --out"
        raise ConfigError("--resume", None, "with PLAN or --out", message=message)
    if isinstance(asked.workers, int) and asked.workers < 1:
        message = f"--workers {asked.workers}: allowed is a number from 1, or auto"
        raise ConfigError("--workers", asked.workers, "from 1, or auto", message=message)


def _backend(asked: RunOptions) -> BackendFactory | None:
    if asked.on is None:
        return None
    if asked.on.partition(":")[0] != "ray":
        message = f"--on {asked.on}: allowed is ray, ray:local, ray:auto or ray:HOST:PORT"
        raise ConfigError("--on", asked.on, "ray, ray:local, ray:auto or ray:HOST:PORT", message=message)
    from engine.farm.backends.ray import ray_backend  # noqa: PLC0415 - ray is an extra of its own
    from engine.farm.backends.ray_library import installed  # noqa: PLC0415

    backend = ray_backend(asked.on, workers=asked.workers)
    installed()
    return backend


# --- the run's folder ---------------------------------------------------------------------------------------------


def _folder(asked: RunOptions, plan: Plan | None) -> Path:
    if asked.out is not None:
        return asked.out
    assert plan is not None  # noqa: S101 - `_check` refuses it
    return _newest(plan) if asked.resume else _new(plan)


def _new(plan: Plan) -> Path:
    """Name a folder that is not there yet."""
    name = f"{_slug(plan.name)}-{time.strftime('%Y%m%d-%H%M%S')}"
    folder, number = RUNS / name, 2
    while folder.exists():
        folder, number = RUNS / f"{name}-{number}", number + 1
    return folder


def _newest(plan: Plan) -> Path:
    folders = [path.parent for path in RUNS.glob(f"{_slug(plan.name)}-*/{LEDGER}")]
    if not folders:
        message = f"there is no run of {plan.name} in {RUNS} | name its folder with --out"
        raise ConfigError("--resume", plan.name, "a run that has begun", message=message)
    return max(folders, key=lambda folder: (folder / LEDGER).stat().st_mtime)


def _slug(name: str) -> str:
    """Make a name fit for a folder."""
    kept = "".join(letter if letter.isalnum() else "-" for letter in name.lower())
    return "-".join(filter(None, kept.split("-")))[:40] or "run"


def resume_command(path: Path | None, asked: RunOptions, folder: Path) -> str:
    """Give the command that goes on with a run."""
    options = {
        "--out": folder,
        "--sessions": asked.sessions,
        "--workers": None if asked.workers == 1 else asked.workers,
        "--on": asked.on,
        "--grace-s": None if asked.grace_s == DEFAULTS.grace_s else f"{asked.grace_s:g}",
        "--web": asked.web,
        "--web-host": None if asked.web is None or asked.web_host == DEFAULTS.web_host else asked.web_host,
    }
    words = ["realtime-engine", "farm", "run", *([str(path)] if path is not None else []), "--resume"]
    for option, value in options.items():
        words += [option, str(value)] if value is not None else []
    return shlex.join([*words, "--no-report"] if asked.no_report else words)
