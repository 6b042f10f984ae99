"""Runs with a real load server, drivers in processes of their own, and drivers that misbehave."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness_cases import CRASHING, HANGING, KILLED, RAISING, UNABLE

from benchmarks.__main__ import main
from benchmarks.harness.contenders import ENGINE, OURS, Contender
from benchmarks.harness.records import Results
from benchmarks.harness.runner import Stage, run_once
from benchmarks.harness.scenario import Variant
from benchmarks.harness.scenarios import (
    BARGE_IN,
    BURST,
    CHURN,
    EXPIRY,
    FOOTPRINT,
    LIVE,
    MEMORY,
    SCENARIOS,
    STALL,
    START,
    STOP,
    TOOLS,
    TURN,
)
from benchmarks.harness.server import LoadServerHandle
from tests.peers import environments

pytestmark = pytest.mark.peers

ROOT = Path(__file__).resolve().parents[2]
ENGINE_ITSELF = OURS[0]

TINY = {
    BURST: {"deltas": 200, "frames": 50},
    LIVE: {"sessions": 3, "seconds": 0.3},
    MEMORY: {"sessions": 4},
    TURN: {"turns": 3, "spoken_turns": 2},
    BARGE_IN: {"queued_s": 0, "rounds": 2, "round_bound_s": 5},
    CHURN: {"sessions": 20, "at_once": 4},
    TOOLS: {"calls": 3, "rounds": 2, "round_bound_s": 5},
    STOP: {"deltas": 2_000, "close_bound_s": 5},
    EXPIRY: {},
    START: {},
    STALL: {"deltas": 300, "stall_s": 0.2, "read_bound_s": 5, "ping_s": 0},
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with LoadServerHandle(sys.executable) as server:
        yield Stage(server, tmp_path_factory.mktemp("venvs"))


def tiny(scenario, bound_s=20.0, **more):
    return Variant(load=TINY[scenario], bound_s=bound_s, **more)


def driven_by(tmp_path, source):
    (tmp_path / "driver.py").write_text(source)
    return Contender(name="other", title="other", driver=str(tmp_path / "driver.py"))


SEEN = {scenario: {} for scenario in TINY} | {
    BURST: {"received": 200, "audio_bytes": 200 * 4800},
    STALL: {"delivered": 300, "ended": "connection kept"},
    STOP: {"heard": 100, "hangs": False},
}


def test_every_scenario_is_tried_here():
    assert {*TINY} == {scenario for scenario in SCENARIOS.values() if scenario.driver}


@pytest.mark.parametrize("scenario", TINY, ids=lambda scenario: scenario.name)
def test_a_scenario_gives_all_figures_that_its_table_shows_and_nothing_is_lost(stage, scenario):
    # Live over TLS: the certificate is one that only the drivers trust.
    run = run_once(stage, scenario, tiny(scenario, tls=scenario is LIVE), ENGINE_ITSELF, 0)
    assert run.words is None
    assert {metric.key for metric in scenario.metrics} <= run.figures.keys()
    for nothing in ("lost", "mic_lost_ms", "never_told", "closes_hung", "unanswered", "refused_creates"):
        assert run.figures.get(nothing, 0) == 0
    assert SEEN[scenario].items() <= run.figures.items()


@pytest.mark.parametrize("contender", OURS, ids=lambda contender: contender.name)
def test_each_variant_of_ours_plays(stage, contender):
    run = run_once(stage, TURN, tiny(TURN), contender, 0)
    assert run.words is None
    assert run.figures["loop"] == contender.options.get("loop", "trio")


def test_the_footprint_is_that_of_the_distribution_and_all_it_needs(stage):
    run = run_once(stage, FOOTPRINT, FOOTPRINT.variants[0], ENGINE_ITSELF, 0)
    assert run.words is None
    assert run.figures["used_cpu_ms"] >= run.figures["import_cpu_ms"] > 0
    assert run.figures["installed_mib"] > 1
    assert run.figures["distributions"] > 5


def test_the_end_of_a_sessions_life_is_an_error_of_its_own(stage):
    run = run_once(stage, EXPIRY, tiny(EXPIRY), ENGINE_ITSELF, 0)
    assert run.figures["told"].startswith("raises BidiModelTimeoutError")


def test_pings_are_answered_while_nobody_reads(stage):
    pinged = Variant(load={**TINY[STALL], "deltas": 2000, "stall_s": 0.7, "ping_s": 0.2}, bound_s=20)
    run = run_once(stage, STALL, pinged, ENGINE_ITSELF, 0)
    assert run.figures["pongs"] >= 1
    assert run.figures["ended"] == "connection kept"


@pytest.mark.parametrize(
    ("source", "outcome", "words"),
    [
        (CRASHING, "error", "crashed: exit status 3; no words"),
        (KILLED, "error", "crashed: killed by SIGSEGV"),
        (RAISING, "error", "ImportError: no such library here"),
        (UNABLE, "cannot", "it has no such API"),
        ("", "error", "AttributeError: module 'driver' has no attribute"),
    ],
    ids=["exits", "is killed", "can't be imported", "has no API", "is no driver"],
)
def test_a_peer_that_fails_is_a_row_that_says_so(stage, tmp_path, source, outcome, words):
    run = run_once(stage, BURST, tiny(BURST), driven_by(tmp_path, source), 0)
    assert run.outcome == outcome
    assert run.words.startswith(words)
    assert run.figures == {}


def test_a_peer_that_hangs_is_a_row_that_says_so_and_leaves_no_process(stage, tmp_path):
    run = run_once(stage, BURST, tiny(BURST, bound_s=1.0), driven_by(tmp_path, HANGING), 0)
    assert (run.outcome, run.words) == ("hang", "not done after 1 s")
    assert not running(str(tmp_path / "driver.py"))


def test_a_peer_that_does_not_install_is_a_row_that_says_so(stage, monkeypatch):
    monkeypatch.setattr(environments, "BUILD_DEADLINE_S", 0.05)
    absent = Contender(name="absent", title="absent", driver="absent", requirements=("./no/such/library",))
    run = run_once(stage, BURST, tiny(BURST), absent, 0)
    assert run.outcome == "not installed"
    assert "no/such/library" in run.words
    assert "not done after 0.05 s" in run.words


def test_what_a_peer_is_known_not_to_do_is_not_tried(stage):
    unable = Contender(name="seed", title="", driver="none", requirements=("none",), cannot={"burst": "no audio"})
    run = run_once(stage, BURST, tiny(BURST), unable, 0)
    assert (run.outcome, run.words) == ("cannot", "no audio")


def test_the_command_line_writes_results_table_and_plots(tmp_path, capsys):
    assert main(["stop", "--quick", *alone(tmp_path)]) == 0
    page = capsys.readouterr().out
    assert "| engine | " in page
    assert "*error*: crashed" in page
    assert (tmp_path / "out" / "results.md").read_text() == page.removesuffix("\n")
    assert (tmp_path / "out" / "stop.png").stat().st_size > 1000
    results = Results.read(tmp_path / "out" / "results.json")
    assert [(run.contender, run.outcome) for run in results] == [("engine", "measured"), ("crashing", "error")]
    assert results.about["versions"]["engine"]["trio"]


def test_an_interrupted_run_keeps_what_it_measured_and_goes_on_later(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "stop", "--runs", "40", "--quick", *alone(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        wait_for_runs(tmp_path / "out" / "results.json", 3)
        process.send_signal(signal.SIGINT)
        page, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    kept = list(Results.read(tmp_path / "out" / "results.json"))
    assert 3 <= len(kept) < 80
    assert "| engine | " in page
    assert not running(str(tmp_path))
    assert main(["stop", "--runs", "2", "--quick", "--resume", "--no-plots", *alone(tmp_path)]) == 0
    assert list(Results.read(tmp_path / "out" / "results.json"))[: len(kept)] == kept


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["brust"], "no scenario 'brust'; there are burst, "),
        (["--peers", "sead"], "no peer 'sead'; there are crashing"),
    ],
)
def test_a_name_that_is_not_known_is_refused_with_those_that_are(tmp_path, arguments, words):
    with pytest.raises(SystemExit, match=words):
        main([*alone(tmp_path), *arguments])


def alone(tmp_path):
    """Our engine and a peer that crashes, and nobody else."""
    (tmp_path / "crashing.py").write_text(CRASHING)
    (tmp_path / "peers.toml").write_text('[crashing]\ntitle = "crashing"\nrequirements = []\ndriver = "crashing.py"\n')
    return [
        "--peers-file",
        str(tmp_path / "peers.toml"),
        "--out",
        str(tmp_path / "out"),
        "--peers",
        f"{ENGINE},crashing",
    ]


def wait_for_runs(path, number):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if path.exists() and len(json.loads(path.read_text())["runs"]) >= number:
            return
        time.sleep(0.05)
    raise AssertionError("no results")


def running(words):
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if words in line and int(folder.name) != os.getpid():
            found.append(line)
    return found
