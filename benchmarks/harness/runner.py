"""One run: a driver in a process of its own, with a time bound, on its own core."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from benchmarks.harness.contenders import ENGINE, FOLDER, Contender
from benchmarks.harness.records import Outcome, Run
from benchmarks.harness.scenario import Scenario, Variant
from benchmarks.harness.server import LoadServerHandle
from benchmarks.harness.venvs import NotInstalled, python_for

GRACE_S: Final = 15.0
"""A driver ends itself at its bound; one that can't is killed after this much more."""

SHOWN: Final = 300
ENGINE_DISTRIBUTION: Final = "realtime-engine[fast]"

# What a developer's shell may hold and a peer would read.
_UNWANTED: Final = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "PYTHONPATH", "HTTPS_PROXY", "ALL_PROXY", "PYTEST_ADDOPTS")


@attrs.frozen
class Stage:
    """Where runs take place.

    Attributes:
        server: The load server.
        venvs: Folder of the virtual environments.
        core: Core of the clients; None for any.
        quick: Smaller loads.
    """

    server: LoadServerHandle
    venvs: Path
    core: int | None = None
    quick: bool = False

    def load(self, variant: Variant) -> dict[str, Any]:
        """Give a variant's load, as large as asked."""
        return {**variant.load, **(variant.quick_load if self.quick else {})}


def run_once(stage: Stage, scenario: Scenario, variant: Variant, contender: Contender, round: int) -> Run:
    """Run it once, and give what came of it, whatever that was."""
    began = time.monotonic()
    outcome, words, figures, limit = _tried(stage, scenario, variant, contender)
    return Run(
        scenario=scenario.name,
        variant=variant.name,
        contender=contender.name,
        round=round,
        outcome=outcome,
        words=words,
        figures=figures,
        limit=limit,
        seconds=round_to_ms(time.monotonic() - began),
    )


def round_to_ms(seconds: float) -> float:
    """Leave out what nobody reads."""
    return round(seconds, 3)


_Tried = tuple[Outcome, str | None, dict[str, Any], str | None]


def _tried(stage: Stage, scenario: Scenario, variant: Variant, contender: Contender) -> _Tried:
    if scenario.name in contender.cannot:
        return "cannot", contender.cannot[scenario.name], {}, None
    try:
        python = python_for(contender, stage.venvs)
    except NotInstalled as error:
        return "not installed", str(error), {}, None
    if scenario.driver is None:
        return _footprint(stage, python, variant, contender)
    stage.server.ask("reset")
    told = drive(python, contender.driver, scenario.driver, request(stage, variant, contender), stage.core)
    for outcome in ("error", "hang", "cannot"):
        if outcome in told:
            return outcome, told[outcome], {}, None
    report = stage.server.ask("report")
    return "measured", None, scenario.settle(told, report), report["limit"]


def request(stage: Stage, variant: Variant, contender: Contender) -> dict[str, Any]:
    """Make what a driver is given."""
    options = dict(contender.options)
    if variant.tls:
        options["ca"] = stage.server.ca
    return {
        **stage.load(variant),
        "url": stage.server.url(tls=variant.tls),
        "bound_s": variant.bound_s,
        "core": stage.core,
        "loop": options.pop("loop", None),
        "options": options,
    }


def drive(python: str, driver: str, scenario: str, load: Mapping[str, Any], core: int | None = None) -> dict[str, Any]:
    """Run a driver; what it says, or what became of it."""
    command = [python, str(FOLDER / "drivers" / "run.py"), driver, scenario, json.dumps({**load, "core": core})]
    return said(command, load["bound_s"] + GRACE_S)


def said(command: list[str], bound_s: float) -> dict[str, Any]:
    """Run a command in a process group of its own, and read the line of JSON that it ends with."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        cwd=FOLDER.parent,
        env={name: value for name, value in os.environ.items() if name not in _UNWANTED},
        start_new_session=True,
    )
    try:
        output, complaints = process.communicate(timeout=bound_s)
    except subprocess.TimeoutExpired:
        return {"hang": f"killed after {bound_s:g} s"}
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # A driver that was interrupted, and whatever it has started.
        process.wait()
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()
    return _last_line(output) or {"error": _died(process.returncode, complaints)}


def _last_line(output: str) -> dict[str, Any] | None:
    for line in reversed(output.splitlines()):
        if line.startswith("{"):
            with contextlib.suppress(ValueError):
                told: dict[str, Any] = json.loads(line)
                return told
    return None


def _died(status: int, complaints: str) -> str:
    how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    lines = [line for line in complaints.splitlines() if line.strip()]
    return f"crashed: {how}; {lines[-1].strip() if lines else 'no words'}"[:SHOWN]


def _footprint(stage: Stage, python: str, variant: Variant, contender: Contender) -> _Tried:
    if contender.module is None:
        return "cannot", "there is nothing that an application would import", {}, None
    wanted = [ENGINE_DISTRIBUTION] if contender.name == ENGINE else list(contender.requirements)
    command = [python, str(FOLDER / "drivers" / "footprint.py"), contender.module, *wanted]
    if stage.core is not None:
        command = ["taskset", "-c", str(stage.core), *command] if Path("/usr/bin/taskset").exists() else command
    told = said(command, variant.bound_s)
    for outcome in ("error", "hang"):
        if outcome in told:
            return outcome, told[outcome], {}, None
    return "measured", None, told, None
