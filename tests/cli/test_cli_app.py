"""What the shell sees: help, version, wrong usage, and that nothing heavy is loaded for it."""

import subprocess
import sys

import pytest

import engine
from engine.cli import exits


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_help_names_the_commands_and_the_exit_codes(command):
    shown = command("--help")

    assert shown.code == 0
    assert all(name in shown.out for name in ("demo", "talk", "simulate", "farm"))
    assert all(f"{code}: {meaning}" in shown.out for code, meaning in exits.MEANINGS.items())
    assert "--debug" in shown.out


def test_no_command_shows_the_help(command):
    assert "Commands" in command().out


@pytest.mark.parametrize("name", ["demo", "talk", "simulate"])
def test_each_command_has_help_with_examples(command, name):
    shown = command(name, "--help")

    assert shown.code == 0
    assert "For example" in shown.out
    assert f"realtime-engine {name} --" in shown.out or f"| realtime-engine {name}" in shown.out
    assert "Exit codes" in shown.out


def test_the_version_is_the_packages(command):
    assert command("--version").out.strip() == engine.__version__


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["talk", "--frobnicate"], "--frobnicate"),
        (["dance"], "dance"),
        (["simulate", "--port", "99999"], "65535"),
        (["simulate", "--port", "http"], "http"),
        (["talk", "--simulator=loud"], "loud"),
    ],
)
def test_wrong_usage_is_one_line_that_names_the_help(command, arguments, words):
    shown = command(*arguments)

    assert shown.code == exits.USAGE
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 1
    assert words in shown.err
    assert "--help" in shown.err


def test_python_m_engine_is_the_command():
    shown = subprocess.run(
        [sys.executable, "-m", "engine", "--version"], capture_output=True, text=True, timeout=60, check=True
    )

    assert shown.stdout.strip() == engine.__version__


@pytest.mark.parametrize("module", ["cyclopts", "rich"])
def test_without_the_extra_one_line_tells_what_to_install(module):
    shown = python(f"import sys; sys.modules[{module!r}] = None; from engine.__main__ import main; main()")

    assert shown.returncode == exits.USAGE
    assert shown.stderr == f"realtime-engine: {module} is not installed | pip install 'realtime-engine[cli]'\n"


def test_the_command_line_loads_no_audio_library_and_no_simulator_before_it_must():
    heavy = {"numpy", "soxr", "soundfile", "matplotlib", "pocketsphinx", "hibari", "engine.simulator"}
    heavy |= {"engine.farm", "ddsketch", "starlette", "hypercorn"}
    shown = python(f"import sys, engine.cli.app; print(sorted({heavy} & set(sys.modules)))")

    assert shown.stdout.strip() == "[]", shown.stderr


def test_ctrl_c_while_the_libraries_load_ends_in_one_line():
    program = """
import sys

class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == "cyclopts":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
from engine.__main__ import main

main()
"""
    done = python(program)
    assert (done.returncode, done.stderr) == (130, "realtime-engine: stopped\n")
