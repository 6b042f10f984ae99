"""Our engine beside its peers: `python -m benchmarks [SCENARIO ...] [--peers a,b] [--quick]`."""

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from benchmarks.harness import compare, machine, plan, plots, progress, table
from benchmarks.harness.contenders import ENGINE, FLOOR, PEERS_FILE, SEED, Contender, chosen
from benchmarks.harness.records import Results, Run
from benchmarks.harness.runner import Stage, run_once
from benchmarks.harness.scenario import Scenario
from benchmarks.harness.scenarios import SCENARIOS
from benchmarks.harness.server import LoadServerHandle
from benchmarks.harness.venvs import DEFAULT_FOLDER, NotInstalled, is_there, python_for, server_python

ROUNDS: Final = 3
QUICK_S: Final = 150.0
"""`--quick` begins no run after this, so that it ends within three minutes."""

INTERRUPTED: Final = 130


def parser() -> argparse.ArgumentParser:
    """Make what reads the command line."""
    names = ", ".join(SCENARIOS)
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    made.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {names} (default: all)")
    made.add_argument("--loads", help="only these of several, with semicolons, as '100 sessions; 30 s queued'")
    made.add_argument("--peers", help="names of benchmarks/peers.toml with commas; engine and seed always run")
    made.add_argument("--runs", type=int, help=f"of each load (default: {ROUNDS}; 1 with --quick)")
    made.add_argument("--quick", action="store_true", help="small loads, engine, floor and seed, within 3 minutes")
    made.add_argument("--out", type=Path, default=Path("benchmarks-out"), help="for results, table and plots")
    made.add_argument("--venvs", type=Path, default=DEFAULT_FOLDER, help="of the peers' virtual environments")
    made.add_argument("--peers-file", type=Path, default=PEERS_FILE, help="another list of peers than %(default)s")
    made.add_argument("--compare", type=Path, metavar="RESULTS.json", help="show what moved since")
    made.add_argument("--resume", action="store_true", help="go on with the results in --out")
    made.add_argument("--no-plots", action="store_true", help="draw nothing")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked; what was measured before Ctrl-C is kept and shown."""
    asked = parser().parse_args(arguments)
    scenarios = with_loads(wanted_scenarios(asked.scenarios), asked.loads)
    contenders = wanted_contenders(asked)
    rounds = asked.runs or (1 if asked.quick else ROUNDS)
    before = Results.read(asked.compare) if asked.compare else None
    results = begun(asked, contenders, rounds)
    status = 0
    try:
        measure(asked, results, plan.steps(scenarios, contenders, rounds, quick=asked.quick))
    except KeyboardInterrupt:
        print("interrupted; what was measured is kept", file=sys.stderr)
        status = INTERRUPTED
    show(results, asked.out, before, draw=not asked.no_plots and status == 0)
    return status


def wanted_scenarios(names: Sequence[str]) -> list[Scenario]:
    """Give the scenarios named, or all."""
    for name in names:
        if name not in SCENARIOS:
            raise SystemExit(f"no scenario {name!r}; there are " + ", ".join(SCENARIOS))
    return [scenario for scenario in SCENARIOS.values() if not names or scenario.name in names]


def with_loads(scenarios: Sequence[Scenario], names: str | None) -> list[Scenario]:
    """Leave out loads that were not named; a scenario with one load keeps it."""
    if names is None:
        return list(scenarios)
    wanted = {name.strip() for name in names.split(";")}
    return [
        attrs.evolve(scenario, variants=[one for one in scenario.variants if not one.name or one.name in wanted])
        for scenario in scenarios
    ]


def wanted_contenders(asked: argparse.Namespace) -> list[Contender]:
    """Give who takes part; with `--quick` those that cost little to install."""
    if asked.peers is not None:
        return list(chosen([name for name in asked.peers.split(",") if name], asked.peers_file))
    return list(chosen([ENGINE, FLOOR, SEED] if asked.quick else None, asked.peers_file))


def begun(asked: argparse.Namespace, contenders: Sequence[Contender], rounds: int) -> Results:
    """Begin results, or go on with those that are there."""
    path = asked.out / "results.json"
    if asked.resume and path.exists():
        return Results.read(path)
    about: dict[str, Any] = {
        "began": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "command": "python -m benchmarks " + shlex.join(_shown_arguments(asked)),
        "commit": machine.commit(),
        "machine": machine.described() | {"niceness": machine.favoured()},
        "quick": asked.quick,
        "rounds": rounds,
        "titles": {contender.name: contender.title for contender in contenders},
        "versions": {},
    }
    return Results(about, path)


def _shown_arguments(asked: argparse.Namespace) -> list[str]:
    shown = list(asked.scenarios)
    shown += ["--loads", asked.loads] if asked.loads else []
    shown += ["--peers", asked.peers] if asked.peers is not None else []
    shown += ["--runs", str(asked.runs)] if asked.runs else []
    return shown + (["--quick"] if asked.quick else [])


def measure(asked: argparse.Namespace, results: Results, todo: Sequence[plan.Step]) -> None:
    """Make the environments, then all runs."""
    prepare(todo, results, asked.venvs)
    client_core, server_core = machine.pinned()
    began = time.monotonic()
    with (
        LoadServerHandle(server_python(asked.venvs), server_core) as server,
        progress.told(len(todo)) as (begin, end),
    ):
        stage = Stage(server, asked.venvs, client_core, asked.quick)

        def do(step: plan.Step) -> Run:
            begin(step)
            if asked.quick and time.monotonic() - began > QUICK_S:
                return plan.left_out(step, "no time left for it in a quick run")
            return run_once(stage, step.scenario, step.variant, step.contender, step.round)

        for step, run in plan.carry_out(todo, results, do):
            end(step, run)


def prepare(todo: Sequence[plan.Step], results: Results, venvs: Path) -> None:
    """Make each environment once, before anything is timed, and note its versions."""
    for contender in dict.fromkeys(step.contender.name for step in todo):
        which = next(step.contender for step in todo if step.contender.name == contender)
        if not is_there(which, venvs):
            print(f"installing {which.title} ...", file=sys.stderr, flush=True)
        try:
            results.about["versions"][contender] = machine.versions(python_for(which, venvs))
        except NotInstalled as error:
            print(f"  not installed: {error}", file=sys.stderr, flush=True)
    results.write()


def show(results: Results, folder: Path, before: Results | None, *, draw: bool) -> None:
    """Write the table and the plots."""
    page = table.markdown(results)
    if before is not None:
        page += "\n" + compare.markdown(results, before)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.md").write_text(page)
    print(page)
    if draw:
        try:
            plots.draw(results, folder)
        except ImportError:
            print("no plots: matplotlib is not installed (extra bench)", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
