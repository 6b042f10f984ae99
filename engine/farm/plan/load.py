"""Loads plans, from TOML and from Python, reads their data sets and checks them; errors name file, line and key."""

import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import attrs

from engine.errors import ConfigError
from engine.farm.plan.check import check_plan
from engine.farm.plan.data import with_rows
from engine.farm.plan.model import Plan
from engine.farm.plan.reader import read_plan
from engine.farm.plan.sources import Source, located, read_source

_MODULE: Final = "realtime_engine_plan"
"""Name under which a plan in Python is run."""


def load_plan(path: str | Path) -> Plan:
    """Load a plan, with its data sets, and check all that can be checked before anything connects.

    Args:
        path: A TOML file, or a Python file with `plan = Plan(...)` or `def plan() -> Plan`.

    Raises:
        ConfigError: It can't be read, or can't work. The message names file, line and key, and what is allowed.
    """
    path = Path(path)
    if path.is_dir():
        raise located(str(path), None, "a folder, not a plan | name the file, as plan.toml in it")
    return _from_python(path) if path.suffix.lower() == ".py" else _from_toml(path)


def ready(plan: Plan) -> Plan:
    """Make a plan that was put together in Python ready to run: its folder absolute, its data sets read, all checked.

    Does nothing to a plan that is ready. It reads files: in a Trio program call it in a thread.

    Raises:
        ConfigError: It can't work; `field` is the path of what is wrong, as `scenarios[0].turns[1].say`.
    """
    plan = with_rows(attrs.evolve(plan, folder=os.path.abspath(plan.folder)))  # noqa: PTH100 - it does not follow links
    check_plan(plan)
    return plan


def _from_toml(path: Path) -> Plan:
    try:
        source = read_source(path)
        with _placed(source, str(path)):
            return ready(read_plan(source.table, str(path.parent.absolute()), str(path)))
    except RecursionError as error:
        raise located(str(path), None, "tables within tables without end | a plan needs a few levels") from error


@contextmanager
def _placed(source: Source, file: str) -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        place = source.place(error.field)
        where = f"{place.file}:{place.line}" if place else file
        words = str(error).replace(f"{error.field}=", f"{error.field} = ", 1)
        message = f"{where}: {_as_written(words)}"
        raise ConfigError(_as_written(error.field), error.value, error.allowed, message=message) from error


def _as_written(words: str) -> str:
    return " ".join(words.replace("scenarios[", "scenario[").split())


def _from_python(path: Path) -> Plan:
    made = getattr(_run(path), "plan", None)
    if callable(made):
        made = _guarded(path, made)
    if not isinstance(made, Plan):
        what = "defines no `plan`" if made is None else f"has a `plan` that is a {type(made).__name__}"
        raise located(str(path), None, f"{what} | write plan = Plan(...), or def plan() that returns one")
    folder = path.parent.absolute() / made.folder
    with _placed(Source({}, {}), str(path)):
        return ready(attrs.evolve(made, folder=str(folder), source=made.source or str(path)))


def _run(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise located(str(path), None, "the plan can't be read (No such file) | check the path")
    module = importlib.util.module_from_spec(spec)
    # A plan may import what lies beside it.
    sys.path.insert(0, str(path.parent.absolute()))
    try:
        _guarded(path, lambda: spec.loader.exec_module(module))
    finally:
        sys.path.remove(str(path.parent.absolute()))
    return module


def _guarded(path: Path, run: Any) -> Any:
    """Run a plan's own code; whatever it raises is told with its line."""
    try:
        return run()
    except (Exception, SystemExit) as error:
        line, said = _told(path, error)
        why = said if isinstance(error, ConfigError) else f"{type(error).__name__}: {said}"
        field = error.field if isinstance(error, ConfigError) else str(path)
        where = f"{path}:{line}" if line else str(path)
        allowed = error.allowed if isinstance(error, ConfigError) else "Python that runs"
        raise ConfigError(field, None, allowed, message=f"{where}: {' '.join(why.split())}") from error


def _told(path: Path, error: BaseException) -> tuple[int | None, str]:
    """Say where and what is wrong; where the plan itself is no Python, Python tells the place once more."""
    if isinstance(error, SyntaxError) and error.filename in {str(path), str(path.absolute())}:
        return error.lineno, error.msg
    return _line_in(path, error), str(error)


def _line_in(path: Path, error: BaseException) -> int | None:
    """Find the last line of the plan that led to an error."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [
        frame.lineno for frame in frames if Path(frame.filename) == path.absolute() or Path(frame.filename) == path
    ]
    return lines[-1] if lines else None
