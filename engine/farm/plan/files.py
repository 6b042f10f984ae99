"""Names the files that a plan's sessions need, for those who must bring them to other machines."""

from engine.farm.plan.model import FunctionTool, Plan, Say, Scenario
from engine.farm.plan.sounds import is_sound
from engine.farm.plan.variants import variants_of


def files_of(plan: Plan) -> tuple[str, ...]:
    """Give the paths of sounds, of tools' files and of the simulator's script; data sets are in the plan already.

    Returns:
        Paths as the plan writes them: from `plan.folder` on, or absolute.

    Raises:
        ConfigError: A text can't be rendered; a plan that was checked has none of these.
    """
    found: dict[str, None] = {}
    if plan.target.script is not None:
        found[plan.target.script] = None
    for scenario in plan.scenarios:
        found.update(dict.fromkeys(_of_scenario(scenario)))
    return tuple(found)


def _of_scenario(scenario: Scenario) -> list[str]:
    steps = (one for step in scenario.turns for one in variants_of(scenario, step, "turns"))
    sounds = [step.say for step in steps if isinstance(step, Say) and is_sound(step.say)]
    tools = (one for tool in scenario.tools for one in variants_of(scenario, tool, "tools"))
    places = [tool.function.rpartition(":")[0] for tool in tools if isinstance(tool, FunctionTool)]
    return sounds + [place for place in places if place.endswith(".py")]
