"""The command line: `python -m tests.simulation --hours 100 --seed 1`."""

import argparse
import gc
import sys
import time
from collections.abc import Sequence

import attrs

from .carriers import CARRIERS
from .figures import Figures
from .run import USERS, alone, run, run_world
from .scenario import Scenario, draw
from .shrink import shrink


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; give the exit code: 0 when all invariants held, 1 when one did not."""
    options = _parser().parse_args(arguments)
    gc.set_threshold(50_000, 20, 50)  # Worlds come and go as a whole.
    if options.only is not None:
        seed = f"{options.seed}:{options.only}"
        if ":" in options.only:
            return _one(draw(seed, carrier=options.carrier), small=options.shrink)
        return _world(seed, options.users, options.carrier)
    began = time.process_time()

    def told(figures: Figures) -> None:
        if not options.quiet:
            spent = time.process_time() - began
            line = f"{figures.hours:8.1f} h  {figures.turns} turns  {len(figures.wrong)} broken  {spent:.0f} s CPU"
            print(line, file=sys.stderr, flush=True)

    figures = run(str(options.seed), options.hours, count=options.users, carrier=options.carrier, told=told)
    print("\n".join(figures.lines(time.process_time() - began)))
    return _tell_wrong(str(options.seed), figures, options.carrier)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--hours", type=float, default=100.0, help="session-hours to run")
    parser.add_argument("--seed", default="1", help="of everything")
    parser.add_argument("--users", type=int, default=USERS, help="that talk at once")
    parser.add_argument("--carrier", choices=CARRIERS, help="of all connections; without it each user's is drawn")
    parser.add_argument("--only", help="one world, or one of its users alone as WORLD:USER")
    parser.add_argument("--shrink", action="store_true", help="with --only: find the smallest scenario that fails")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    return parser


def _tell_wrong(seed: str, figures: Figures, carrier: str | None) -> int:
    for user, what in figures.wrong:
        print(f"{user}: {what}")
    if figures.wrong:
        first = figures.wrong[0][0].removeprefix(f"{seed}:")
        world = first.partition(":")[0]
        again = f"python -m tests.simulation --seed {seed}" + (f" --carrier {carrier}" if carrier else "")
        print(f"again: {again} --only {first} [--shrink]")
        print(f"   or with all of its world: {again} --only {world}")
    return bool(figures.wrong)


def _world(seed: str, count: int, carrier: str | None) -> int:
    figures = Figures()
    run_world(seed, figures, count, carrier)
    print("\n".join(f"{user}: {what}" for user, what in figures.wrong) or "no invariant was broken")
    return bool(figures.wrong)


def _one(scenario: Scenario, *, small: bool) -> int:
    found = alone(scenario)
    print("\n".join(found) or "no invariant was broken")
    if found and small:
        kinds = {what.partition(":")[0] for what in found}
        smallest = shrink(scenario, lambda each: any(what.partition(":")[0] in kinds for what in alone(each)))
        _show(smallest)
        print("\n".join(alone(smallest)))
    return bool(found)


def _show(scenario: Scenario) -> None:
    print(attrs.evolve(scenario, deeds=(), faults=()))
    for each in sorted((*scenario.deeds, *scenario.faults), key=lambda thing: thing.at_s):
        print("  ", each)
