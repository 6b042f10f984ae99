"""Many sessions by plan: on one core, on all cores, or on a cluster; counted once, resumed, and shown.

`engine.farm.plan` says what to run, `policy` when, `caller` how one session goes, `coordinator` who may start where. A
`worker` has sessions, `backends` place workers, and `processes` start them; `ledger` keeps what came of it, `live` and
`report` show it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from engine.farm.ledger import Ledger, export
    from engine.farm.plan.load import load_plan, ready
    from engine.farm.plan.model import (
        CannedTool,
        Caps,
        Contains,
        FirstAudioWithin,
        FunctionTool,
        JsonAnswer,
        Keep,
        Load,
        Matches,
        NoError,
        Plan,
        Push,
        Retries,
        Say,
        Scenario,
        Silence,
        Stage,
        Target,
        ToolCalled,
        Type,
        Wait,
        WordErrorRate,
    )
    from engine.farm.plan.thresholds import read_threshold
    from engine.farm.report import compare, write_report
    from engine.farm.run import Run, RunSummary, run_plan
    from engine.farm.snapshot import RunSnapshot

_WHERE: Final = {
    "Ledger": "engine.farm.ledger",
    "export": "engine.farm.ledger",
    "load_plan": "engine.farm.plan.load",
    "ready": "engine.farm.plan.load",
    "CannedTool": "engine.farm.plan.model",
    "Caps": "engine.farm.plan.model",
    "Contains": "engine.farm.plan.model",
    "FirstAudioWithin": "engine.farm.plan.model",
    "FunctionTool": "engine.farm.plan.model",
    "JsonAnswer": "engine.farm.plan.model",
    "Keep": "engine.farm.plan.model",
    "Load": "engine.farm.plan.model",
    "Matches": "engine.farm.plan.model",
    "NoError": "engine.farm.plan.model",
    "Plan": "engine.farm.plan.model",
    "Push": "engine.farm.plan.model",
    "Retries": "engine.farm.plan.model",
    "Say": "engine.farm.plan.model",
    "Scenario": "engine.farm.plan.model",
    "Silence": "engine.farm.plan.model",
    "Stage": "engine.farm.plan.model",
    "Target": "engine.farm.plan.model",
    "ToolCalled": "engine.farm.plan.model",
    "Type": "engine.farm.plan.model",
    "Wait": "engine.farm.plan.model",
    "WordErrorRate": "engine.farm.plan.model",
    "read_threshold": "engine.farm.plan.thresholds",
    "compare": "engine.farm.report",
    "write_report": "engine.farm.report",
    "Run": "engine.farm.run",
    "RunSummary": "engine.farm.run",
    "run_plan": "engine.farm.run",
    "RunSnapshot": "engine.farm.snapshot",
}
"""Where each name is made; loaded when it is first asked for, as `engine`'s own are."""

__all__ = [
    "CannedTool",
    "Caps",
    "Contains",
    "FirstAudioWithin",
    "FunctionTool",
    "JsonAnswer",
    "Keep",
    "Ledger",
    "Load",
    "Matches",
    "NoError",
    "Plan",
    "Push",
    "Retries",
    "Run",
    "RunSnapshot",
    "RunSummary",
    "Say",
    "Scenario",
    "Silence",
    "Stage",
    "Target",
    "ToolCalled",
    "Type",
    "Wait",
    "WordErrorRate",
    "compare",
    "export",
    "load_plan",
    "read_threshold",
    "ready",
    "run_plan",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)
