"""`import engine` is light, and every public name is there and says what it is."""

import ast
import inspect
import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

import engine

ROOT = Path(engine.__file__).parent.parent
NAMES: tuple[str, ...] = tuple(getattr(engine, "__all__", ()))

HEAVY = {
    *("asyncio", "anyio"),
    *("numpy", "soxr", "soundfile", "matplotlib", "cyclopts", "rich", "openai", "pydantic"),
    *("engine.simulator", "engine.testing", "engine.demo", "engine.cli", "engine.farm", "engine.integrations"),
}
"""What `import engine` leaves out: the first ones take 0.25 s and more, the last ones only some users need."""


def in_a_fresh_interpreter(code: str) -> Any:
    """Run `code` where nothing was imported before, warnings as errors; give what it printed, as JSON."""
    command = [sys.executable, "-W", "error", "-c", code]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_importing_the_engine_imports_nothing_heavy():
    loaded = in_a_fresh_interpreter("import engine, json, sys; print(json.dumps(sorted(sys.modules)))")

    assert "engine" in loaded
    assert {name for name in loaded if name in HEAVY or name.split(".")[0] in HEAVY} == set()


def test_importing_the_engine_waits_with_all_the_rest_until_it_is_asked_for():
    loaded = in_a_fresh_interpreter("import engine, json, sys; print(json.dumps(sorted(sys.modules)))")
    after = in_a_fresh_interpreter(
        "import engine, json, sys; engine.open_session; engine.BidiOpenAIRealtimeModel; "
        "print(json.dumps(sorted(sys.modules)))"
    )

    assert {"trio", "attrs", "orjson"} & set(loaded) == set()
    assert {"trio", "attrs", "orjson"} <= set(after)
    assert {"asyncio", "anyio"} & set(after) == set(), "who runs on Trio pays for no other host"


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'open_sesame'"):
        _ = engine.open_sesame

    assert set(NAMES) <= set(dir(engine))


def test_a_star_import_brings_exactly_the_public_names():
    brought = in_a_fresh_interpreter(
        "import json; before = set(globals()) | {'before'}; from engine import *; "
        "print(json.dumps(sorted(set(globals()) - before)))"
    )

    assert set(brought) == set(NAMES)


def test_the_engine_declares_its_public_names_as_soon_as_it_has_any():
    body = ast.parse(inspect.getsource(engine)).body
    if all(isinstance(node, ast.Expr) for node in body):
        pytest.skip("engine/__init__.py holds no names yet")

    assert NAMES
    assert len(NAMES) == len(set(NAMES))


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_exists_and_says_what_it_is(name: str):
    thing = getattr(engine, name)

    if isinstance(thing, type) or callable(thing) or inspect.ismodule(thing):
        # Not inspect.getdoc: a class that inherits its docstring says nothing of itself.
        assert (thing.__doc__ or "").strip(), f"engine.{name} has no docstring"


def test_the_package_tells_type_checkers_that_it_is_typed():
    assert (files("engine") / "py.typed").is_file()
