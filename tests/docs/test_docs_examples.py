"""Every program of the docs runs, and prints what its page says it prints."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from engine.simulator import serve

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = DOCS / "examples"
CLIENTS = {"openai_client": "openai", "agents_client": "agents"}
"""Programs that need a server, and the library that they show."""

TESTED_OTHERWISE = {*CLIENTS, "greeter", "test_greeter"}
PROGRAMS = sorted(path.stem for path in EXAMPLES.glob("*.py") if path.stem not in TESTED_OTHERWISE)
NO_SETTINGS = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}


def run(*command: str | Path, cwd: Path) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "error", *command],
        cwd=cwd,
        env=NO_SETTINGS,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_prints_what_its_page_shows(name: str, tmp_path: Path):
    expected = (EXAMPLES / f"{name}.txt").read_text("utf-8")

    assert run(EXAMPLES / f"{name}.py", cwd=tmp_path) == expected


def test_the_tests_that_the_docs_show_pass():
    run("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_greeter.py", cwd=EXAMPLES)


@pytest.mark.parametrize("name", CLIENTS)
async def test_another_client_talks_with_the_simulator(name: str):
    if importlib.util.find_spec(CLIENTS[name]) is None:
        pytest.skip(f"{CLIENTS[name]} is not installed")
    expected = (EXAMPLES / f"{name}.txt").read_text("utf-8")
    async with serve() as simulator:
        command = [sys.executable, str(EXAMPLES / f"{name}.py"), simulator.base_url]
        with trio.fail_after(60):
            result = await trio.run_process(command, env=NO_SETTINGS, capture_stdout=True)

    assert result.stdout.decode() == expected


def test_every_program_is_shown_on_a_page():
    pages = "".join(path.read_text("utf-8") for path in DOCS.rglob("*.md") if "_build" not in path.parts)
    unseen = [path.name for path in EXAMPLES.iterdir() if path.is_file() and f"examples/{path.name}" not in pages]

    assert unseen == []
