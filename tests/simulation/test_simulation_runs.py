"""Whole sessions with faults in virtual time: no invariant is broken, and the same seed is the same run.

`python -m tests.simulation --hours 10000 --seed 1` runs as long as one likes; one that fails is told, and runs alone.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .cli import main
from .figures import Figures
from .run import alone, judge, run, run_world, users_of
from .scenario import trial
from .world import Jump, fingerprint, live

ROOT = Path(__file__).parents[2]
HOURS, LONG_HOURS = 30, 2_000


def test_no_invariant_is_broken_in_hours_of_talk():
    figures = run("ci", HOURS, count=20)

    assert figures.wrong == []
    assert figures.hours >= HOURS
    assert figures.fewest_turns_an_hour >= 20
    assert figures.renewals > HOURS / 2
    assert figures.reconnections > HOURS / 4
    assert len(figures.faults) > 5


@pytest.mark.long
def test_no_invariant_is_broken_in_thousands_of_hours(capsys):
    figures = run("long", LONG_HOURS)

    with capsys.disabled():
        print("\n" + "\n".join(figures.lines(0.0)))
    assert figures.wrong == []


@pytest.mark.parametrize("number", range(4))
def test_no_invariant_is_broken_where_no_connection_lasts_and_nobody_stops_talking(number):
    assert alone(trial(number)) == []


def test_no_invariant_is_broken_on_a_machine_that_sleeps():
    figures = Figures()
    jumps = tuple(Jump(at_s, 200.0) for at_s in (100.0, 1000.0, 2990.0))
    judge(live(users_of("sleepy:0", 6), "sleepy", jumps), figures)

    assert figures.wrong == []


def test_the_same_seed_is_the_same_run():
    users = [trial(number) for number in (0, 1)]
    first, again, other = (fingerprint(live(users, seed)) for seed in ("a", "a", "b"))

    assert first == again != other


def test_the_same_seed_is_the_same_run_in_another_process():
    code = (
        "from tests.simulation.scenario import trial; from tests.simulation.world import fingerprint, live;"
        "print(fingerprint(live([trial(0)], 'a')))"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]

    assert runs[0] == runs[1] != ""


def test_the_command_line_tells_figures(capsys):
    assert main(["--hours", "2", "--seed", "cli", "--users", "2", "--quiet"]) == 0

    told = capsys.readouterr().out
    assert "session-hours" in told
    assert "0 broken" in told


def test_the_command_line_runs_one_user_or_one_world(capsys):
    assert main(["--seed", "cli", "--only", "0:1"]) == 0
    assert main(["--seed", "cli", "--only", "0", "--users", "2"]) == 0
    assert capsys.readouterr().out == "no invariant was broken\n" * 2


def test_a_world_is_as_large_as_asked():
    figures = Figures()
    run_world("small:0", figures, 2)

    assert figures.sessions == 2
