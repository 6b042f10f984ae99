"""What a plan says: whom to call, what callers do, what is expected, how many at once, and what it may cost."""

from engine.farm.plan.model.bounds import Caps, Keep, Retries
from engine.farm.plan.model.expectations import (
    Contains,
    Expectation,
    FirstAudioWithin,
    JsonAnswer,
    Matches,
    NoError,
    ToolCalled,
    WordErrorRate,
)
from engine.farm.plan.model.loads import Load, Stage
from engine.farm.plan.model.plan import Plan, Threshold
from engine.farm.plan.model.scenario import Scenario
from engine.farm.plan.model.steps import SOUND_SUFFIXES, STEP_MAX_S, Push, Say, Silence, Step, Type, Wait
from engine.farm.plan.model.target import SERVERS_MAX, Target
from engine.farm.plan.model.tools import CannedTool, FunctionTool, ToolPlan
from engine.farm.plan.model.values import NUMBERS, Json, Values, of_numbers

__all__ = [
    "NUMBERS",
    "SERVERS_MAX",
    "SOUND_SUFFIXES",
    "STEP_MAX_S",
    "CannedTool",
    "Caps",
    "Contains",
    "Expectation",
    "FirstAudioWithin",
    "FunctionTool",
    "Json",
    "JsonAnswer",
    "Keep",
    "Load",
    "Matches",
    "NoError",
    "Plan",
    "Push",
    "Retries",
    "Say",
    "Scenario",
    "Silence",
    "Stage",
    "Step",
    "Target",
    "Threshold",
    "ToolCalled",
    "ToolPlan",
    "Type",
    "Values",
    "Wait",
    "WordErrorRate",
    "of_numbers",
]
