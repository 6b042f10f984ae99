"""Every program of the docs runs, and prints what its page says it prints."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import trio

from engine.simulator import serve

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = DOCS / "examples"
TESTED_OTHERWISE = {"openai_client", "agents_client", "devices", "greeter", "test_greeter"}
PROGRAMS = sorted(path.stem for path in EXAMPLES.glob("*.py") if path.stem not in TESTED_OTHERWISE)
AHEAD = 2
NO_SETTINGS = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}


def run(*command: str | Path, cwd: Path) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "error", *command],
        cwd=cwd,
        env=NO_SETTINGS,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def printed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """What a program prints. As they mostly sleep, the next ones are begun then: no more, for where tests are shared
    among processes each would run them all."""
    mine = [item for item in request.session.items if item.module is request.module and hasattr(item, "callspec")]
    names = [item.callspec.params["name"] for item in mine]
    begun: dict[str, Future[str]] = {}
    with ThreadPoolExecutor(1 + AHEAD) as pool:

        def result_of(name: str) -> str:
            at = names.index(name)
            for each in names[at : at + 1 + AHEAD]:
                if each not in begun:
                    begun[each] = pool.submit(run, EXAMPLES / f"{each}.py", cwd=tmp_path_factory.mktemp(each))
            return begun[name].result()

        yield result_of


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_prints_what_its_page_shows(name: str, printed: Callable[[str], str]):
    expected = (EXAMPLES / f"{name}.txt").read_text("utf-8")

    assert printed(name) == expected


def test_the_tests_that_the_docs_show_pass():
    run("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_greeter.py", cwd=EXAMPLES)


async def join_the_simulator(python: str | Path, name: str) -> None:
    """Run a client's program against a server of ours, and check what it prints."""
    async with serve() as simulator:
        command = [str(python), str(EXAMPLES / f"{name}.py"), simulator.base_url]
        with trio.fail_after(60):
            result = await trio.run_process(command, env=NO_SETTINGS, capture_stdout=True)

    assert result.stdout.decode() == (EXAMPLES / f"{name}.txt").read_text("utf-8")


async def test_openai_python_talks_with_the_simulator():
    await join_the_simulator(sys.executable, "openai_client")


@pytest.mark.peers
async def test_openai_agents_talks_with_the_simulator(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "peers")
    from environments import AGENTS, python_of

    await join_the_simulator(python_of(AGENTS), "agents_client")


def test_every_program_is_shown_on_a_page():
    pages = "".join(path.read_text("utf-8") for path in DOCS.rglob("*.md") if "_build" not in path.parts)
    unseen = [path.name for path in EXAMPLES.iterdir() if path.is_file() and f"examples/{path.name}" not in pages]

    assert unseen == []
