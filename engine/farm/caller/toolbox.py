"""The tools of a plan: canned answers, and Python functions; made once in a process, and watched call by call."""

import importlib
import importlib.util
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import trio

from engine.errors import ConfigError
from engine.farm.caller.threads import in_thread
from engine.farm.codec import to_json
from engine.farm.plan.model import CannedTool, FunctionTool, ToolPlan
from engine.tools import CallReport, ToolHost, ToolRunner, Tools
from engine.tools.bounds import TOOL_DEADLINE_S

TOOLBOXES_MAX: Final = 64
"""Sets of tools that one process keeps; a matrix over their answers makes many."""

NO_PARAMETERS: Final[Mapping[str, Any]] = {"type": "object", "properties": {}}
"""Of a canned tool that says none: the model may still give arguments."""


class WatchedTools:
    """The tools of one session: as `session.run` takes them, with a report of each call that is over.

    Args:
        tools: Shared by sessions.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self.reports: dict[str, CallReport] = {}
        """By call."""

    @property
    def specs(self) -> Sequence[Mapping[str, Any]]:
        """How the service is told of them."""
        return self._tools.specs

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def runner(self, host: ToolHost) -> ToolRunner:
        """Begin to run in a session."""
        return self._tools.runner(host, on_report=self._note)

    def _note(self, report: CallReport) -> None:
        self.reports[report.call.call_id] = report

    @property
    def raised(self) -> CallReport | None:
        """The first call whose tool raised, or took too long."""
        return next((each for each in self.reports.values() if each.ending in {"failed", "timed_out"}), None)

    @property
    def failed(self) -> frozenset[str]:
        """Calls that gave no result."""
        return frozenset(call_id for call_id, each in self.reports.items() if each.ending != "done")


_made: OrderedDict[tuple[str, bytes], Tools] = OrderedDict()


async def toolbox(folder: str, plans: Sequence[ToolPlan]) -> WatchedTools:
    """Give a scenario's tools for one session.

    Args:
        folder: That paths start from.
        plans: The scenario's, rendered.

    Raises:
        ConfigError: A function can't be found or described, or the extra `tools` is missing.
    """
    if not plans:
        return WatchedTools(_NONE)
    key = folder, b"\0".join(type(plan).__name__.encode() + to_json(plan) for plan in plans)
    if key not in _made:
        tools = await in_thread(lambda: _make(folder, plans), leave=True)
        _made[key] = tools
        while len(_made) > TOOLBOXES_MAX:
            _made.popitem(last=False)
    return WatchedTools(_made[key])


_NONE: Final = Tools()


def _make(folder: str, plans: Sequence[ToolPlan]) -> Tools:
    tools = Tools()
    for plan in plans:
        if isinstance(plan, CannedTool):
            _add_canned(tools, plan)
        else:
            _add_function(tools, folder, plan)
    return tools


def _add_canned(tools: Tools, plan: CannedTool) -> None:
    async def answer(**_: Any) -> Any:
        await trio.sleep(plan.takes_ms / 1000)
        return plan.answer

    spec = {
        "type": "function",
        "name": plan.name,
        "description": plan.description,
        "parameters": plan.parameters or NO_PARAMETERS,
    }
    # What the plan has it take is no fault of the tool's.
    tools.add_spec(spec, answer, deadline_s=plan.takes_ms / 1000 + TOOL_DEADLINE_S)


def _add_function(tools: Tools, folder: str, plan: FunctionTool) -> None:
    tools.add(find_function(folder, plan.function))


def find_function(folder: str, named: str) -> Callable[..., Any]:
    """Find a Python function.

    Args:
        folder: That paths start from.
        named: `module:name`, or `file.py:name`.

    Raises:
        ConfigError: It can't be found, or its module raises.
    """
    place, _, name = named.rpartition(":")
    try:
        module = _of_file(Path(folder) / place) if place.endswith(".py") else importlib.import_module(place)
        function = getattr(module, name)
    except (Exception, SystemExit) as error:
        why = f"{type(error).__name__}: {error}"
        allowed = "'module:function', or 'file.py:function' beside the plan"
        message = f"the tool {named!r} can't be had: {why} | give {allowed}"
        raise ConfigError("tools.function", named, allowed, message=message) from error
    if not callable(function):
        raise ConfigError("tools.function", named, "a function")
    found: Callable[..., Any] = function
    return found


_importing: Final[dict[str, threading.Lock]] = {}
"""One a file: sessions that begin together must not see a module that another one is still running."""


def _of_file(path: Path) -> ModuleType:
    """Import a file under a name of its own; once in a process."""
    name = f"realtime_farm_tools_{path.resolve().as_posix().encode().hex()}"
    with _importing.setdefault(name, threading.Lock()):
        return sys.modules[name] if name in sys.modules else _run_file(name, path)


def _run_file(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
