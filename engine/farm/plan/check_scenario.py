"""Checks one scenario: its names and columns, the caller's steps and their files, tools, expectations and settings."""

import ast
import importlib.util
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.config.session import SessionConfig
from engine.errors import ConfigError
from engine.farm.plan import rendering, sounds
from engine.farm.plan.checks import first_twice
from engine.farm.plan.json_values import check_json, check_schema
from engine.farm.plan.model import (
    CannedTool,
    FunctionTool,
    JsonAnswer,
    Plan,
    Push,
    Say,
    Scenario,
    Silence,
    ToolCalled,
    Type,
    Wait,
)
from engine.farm.plan.nearest import did_you_mean
from engine.farm.plan.settings import ANY_KEY, joined, session_config
from engine.farm.plan.variants import variants_of
from engine.farm.plan.wording import number_words


def check_scenario(plan: Plan, scenario: Scenario, path: str) -> None:
    """Find what would fail in a scenario's sessions.

    Args:
        plan: Whose.
        scenario: With its data set read.
        path: Of it, as `scenarios[0]`.

    Raises:
        ConfigError: Something can't work.
    """
    # What was read from a file is JSON already.
    for name in ("session", "matrix", "tools", "expect", *(() if scenario.data else ("rows",))):
        check_json(getattr(scenario, name), f"{path}.{name}")
    _check_names(scenario, path)
    _check_steps(plan, scenario, path)
    _check_tools(plan, scenario, path)
    _check_expectations(plan, scenario, path)
    _check_session(plan, scenario, path)


def _check_names(scenario: Scenario, path: str) -> None:
    """Refuse texts that ask for what no column and no matrix has."""
    columns = tuple(dict.fromkeys(name for row in scenario.rows for name in row))
    known = (*columns, *scenario.matrix)
    for at, name in rendering.names_used(scenario):
        if name not in known and name.isidentifier():
            raise rendering.unknown_name(f"{path}.{at}", name, known)
        if name in columns and name not in scenario.matrix:
            _check_column(scenario, f"{path}.{at}", name)


def _check_column(scenario: Scenario, path: str, name: str) -> None:
    for index, row in enumerate(scenario.rows):
        if name not in row:
            message = f"{path}: row {index + 1} of {scenario.data or 'the data'} has no {name!r} | give it one"
            raise ConfigError(path, f"{{{name}}}", f"rows that all have {name!r}", message=message)


def _check_steps(plan: Plan, scenario: Scenario, path: str) -> None:
    lengths_s = 0.0
    for index, step in enumerate(scenario.turns):
        at = f"{path}.turns[{index}]"
        if isinstance(step, (Say, Type)) and number_words(step, "interrupt_after_ms"):
            _check_cut_in(plan, scenario, index, f"{at}.interrupt_after_ms")
        lengths_s += max(_step_s(plan, one, at) for one in variants_of(scenario, step, at))
    # The longest of each step together: exact where one row is longest in all.
    if lengths_s > scenario.deadline_s:
        what = f"the caller alone takes {lengths_s:.0f} s"
        message = (
            f"{path}.turns: {what}, and deadline_s ends the session after {scenario.deadline_s:g} s | raise deadline_s"
        )
        raise ConfigError(f"{path}.turns", f"{lengths_s:.0f} s", f"at most {scenario.deadline_s:g} s", message=message)


def _check_cut_in(plan: Plan, scenario: Scenario, index: int, path: str) -> None:
    """Refuse a step that cuts in where no answer can sound."""
    step, before = scenario.turns[index], scenario.turns[:index]
    asking = [place for place, one in enumerate(before) if isinstance(one, (Say, Type, Push))]
    last = before[asking[-1]] if asking else None
    if not isinstance(last, (Say, Type, Push)):
        allowed = "a step before it, whose answer it cuts in on"
    elif last.await_answer and asking[-1] != index - 1:
        allowed = (
            "none here, for the answer is heard out before a wait or a silence: right after the step that is answered,"
            " or give that step await_answer = false"
        )
    elif not last.await_answer and not isinstance(last, Type) and not _answers_by_itself(plan, scenario):
        allowed = "none here, for nobody asks for an answer: such turn_detection and await_answer = false before it"
    else:
        return
    value = getattr(step, "from_values", {}).get("interrupt_after_ms", getattr(step, "interrupt_after_ms", None))
    raise ConfigError(path, value, allowed)


def _answers_by_itself(plan: Plan, scenario: Scenario) -> bool:
    """Tell whether the service answers speech that the caller does not wait for."""
    detection = joined(plan.session, scenario.session).get("turn_detection")
    return detection is not False and not (isinstance(detection, Mapping) and detection.get("create_response") is False)


def _step_s(plan: Plan, step: Any, path: str) -> float:
    """Check a rendered step, and tell how long the caller is busy with it."""
    match step:
        case Say(say=say) if sounds.is_sound(say):
            return _sound_s(Path(plan.folder) / say, f"{path}.say")
        case Say(say=say):
            return _words_s(say, f"{path}.say")
        case Wait(wait_s=wait_s):
            return wait_s
        case Silence(silence_ms=silence_ms):
            return silence_ms / 1000
        case Push(push=keys):
            return sounds.keys_s(keys)
        case _:
            return 0.0


def _sound_s(file: Path, path: str) -> float:
    with _placed(path):
        length_s = sounds.sound_s(file)
        sounds.check_length(file, length_s)
    return length_s


def _words_s(words: str, path: str) -> float:
    with _placed(path):
        length_s = sounds.words_s(words)
    need_voice(path)
    return length_s


@contextmanager
def _placed(path: str) -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise ConfigError(path, error.value, error.allowed, message=f"{path}: {error}") from error


def _check_tools(plan: Plan, scenario: Scenario, path: str) -> None:
    for index, tool in enumerate(scenario.tools):
        at = f"{path}.tools[{index}]"
        for one in variants_of(scenario, tool, at):
            if isinstance(one, FunctionTool):
                _check_function(one.function, Path(plan.folder), f"{at}.function")
            elif one.parameters is not None:
                check_schema(one.parameters, f"{at}.parameters")
    if found := first_twice(map(tool_name, scenario.tools)):
        message = f"{path}.tools: two tools are called {found[1]!r} | give each a name of its own"
        raise ConfigError(f"{path}.tools[{found[0]}]", found[1], "another name", message=message)


def tool_name(tool: CannedTool | FunctionTool) -> str:
    """Tell how the model calls a tool."""
    return tool.name if isinstance(tool, CannedTool) else tool.function.rpartition(":")[2]


def _check_function(function: str, folder: Path, path: str) -> None:
    """Look for a function without running anything."""
    place, _, name = function.rpartition(":")
    if not place.endswith(".py"):
        _check_module(function, place, path)
        return
    file = folder / place
    if not file.is_file():
        message = f"{path}: {file} is not there | paths start from the plan's folder"
        raise ConfigError(path, function, "'file.py:name' or 'module:name'", message=message)
    try:
        defined = tuple(_defined(ast.parse(file.read_bytes())))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        message = f"{path}: {file}:{line} is no Python: {getattr(error, 'msg', error)}"
        raise ConfigError(path, function, "a Python file", message=message) from error
    if name not in defined:
        allowed = "what the file defines: " + (", ".join(defined) or "nothing")
        message = f"{path}: {file} defines no {name!r}{did_you_mean(name, defined)}; allowed: {allowed}"
        raise ConfigError(path, function, allowed, message=message)


def _check_module(function: str, module: str, path: str) -> None:
    """Look for an installed module; what lies in a package is found when it is imported."""
    try:
        found = importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        found = None
    if found is None:
        message = f"{path}: there is no module {module!r} | install it, or give 'file.py:name' beside the plan"
        raise ConfigError(path, function, "'module:name' or 'file.py:name'", message=message)


def _defined(module: ast.Module) -> Iterator[str]:
    for statement in ast.walk(module):
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from ((alias.asname or alias.name).partition(".")[0] for alias in names)


def _check_expectations(plan: Plan, scenario: Scenario, path: str) -> None:
    tools = tuple(map(tool_name, scenario.tools))
    has_others = bool({**plan.session, **scenario.session}.get("tools"))
    for index, expectation in enumerate(scenario.expect):
        at = f"{path}.expect[{index}]"
        for one in variants_of(scenario, expectation, at):
            if isinstance(one, JsonAnswer) and isinstance(one.json_answer, Mapping):
                check_schema(one.json_answer, f"{at}.json_answer")
            if isinstance(one, ToolCalled) and one.tool_called not in tools and not has_others:
                allowed = "the scenario's tools " + ", ".join(tools) if tools else "none: the scenario has no tools"
                why = f"{at}.tool_called: there is no tool {one.tool_called!r}{did_you_mean(one.tool_called, tools)}"
                raise ConfigError(f"{at}.tool_called", one.tool_called, allowed, message=f"{why}; allowed: {allowed}")


def _check_session(plan: Plan, scenario: Scenario, path: str) -> None:
    for settings in variants_of(scenario, scenario.session, f"{path}.session"):
        try:
            config = session_config(plan, _with_session(scenario, settings), key=ANY_KEY)
        except ConfigError as error:
            raise _of_session(error, scenario, path) from error
        _check_price(plan, config, path)


def _with_session(scenario: Scenario, settings: Mapping[str, Any]) -> Scenario:
    return Scenario(name=scenario.name, turns=scenario.turns, session=settings)


def _of_session(error: ConfigError, scenario: Scenario, path: str) -> ConfigError:
    """Say whether the plan's settings or the scenario's are wrong."""
    if error.field == "session.client.base_url":
        field = "target.url"
    else:
        first = re.split(r"[.\[]", error.field)[1] if "." in error.field else ""
        field = f"{path}.{error.field}" if first in scenario.session else error.field
    return ConfigError(field, error.value, error.allowed, message=str(error).replace(error.field, field, 1))


def _check_price(plan: Plan, config: SessionConfig, path: str) -> None:
    if plan.caps.budget_usd is None or plan.target.kind == "simulator":
        return
    from engine.metering.prices import Prices  # noqa: PLC0415 - late: most plans have no budget in money

    if Prices.builtin().of(config.model) is None:
        message = (
            f"caps.budget_usd can't be kept in {path}: nobody knows what the model {config.model!r} costs"
            " | give budget_tokens instead"
        )
        raise ConfigError("caps.budget_usd", plan.caps.budget_usd, "budget_tokens", message=message)


def need_voice(path: str) -> None:
    """Refuse what needs the local voice where it is not installed.

    Raises:
        ConfigError: It is not.
    """
    if not sounds.local_voice_is_there():
        way_out = "pip install 'realtime-engine[local]'"
        message = f"{path} needs the local voice, which is not installed | {way_out}, or say sound files"
        raise ConfigError(path, "local", way_out, message=message)
