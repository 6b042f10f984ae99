"""What a call needs before it begins: its scenario with the job's values, settings, sounds and tools."""

import attrs

from engine.config import SessionConfig
from engine.errors import ConfigError
from engine.farm.caller.speech import Speech, measured, speech_of
from engine.farm.caller.tones import pushed
from engine.farm.caller.toolbox import WatchedTools, toolbox
from engine.farm.job import Grant
from engine.farm.plan.model import Plan, Push, Say, Scenario
from engine.farm.plan.rendering import render
from engine.farm.plan.settings import session_config


@attrs.frozen
class Prepared:
    """What a call needs.

    Attributes:
        scenario: Rendered.
        config: Of its session, its tools in it.
        speeches: What is said at each step that is spoken, by the step's place.
        tools: Of its session.
    """

    scenario: Scenario
    config: SessionConfig
    speeches: dict[int, Speech]
    tools: WatchedTools


async def prepare(plan: Plan, grant: Grant, key: str | None) -> Prepared:
    """Prepare a call.

    Args:
        plan: Of the run.
        grant: What to try.
        key: For the service; None where the environment has it, or the target is a simulator.

    Raises:
        ConfigError: The plan can't be carried out: a value, a file or a tool is missing, or a setting is not possible.
        UnsupportedContent: A sound file holds no sound that can be read.
        LimitExceeded: A sound file is too long.
    """
    scenario = render(scenario_of(plan, grant.job.scenario), grant.job.values)
    tools = await toolbox(plan.folder, scenario.tools)
    config = session_config(plan, scenario, base_url=grant.base_url, attempt_id=grant.attempt_id, key=key)
    config = attrs.evolve(config, tools=(*config.tools, *tools.specs))
    return Prepared(scenario, config, await _speeches(plan.folder, scenario), tools)


def scenario_of(plan: Plan, name: str) -> Scenario:
    """Find a scenario.

    Raises:
        ConfigError: The plan has none of that name.
    """
    found = next((each for each in plan.scenarios if each.name == name), None)
    if found is None:
        raise ConfigError("scenario", name, ", ".join(each.name for each in plan.scenarios))
    return found


async def _speeches(folder: str, scenario: Scenario) -> dict[int, Speech]:
    found: dict[int, Speech] = {}
    for index, step in enumerate(scenario.turns):
        if isinstance(step, Say):
            found[index] = await speech_of(folder, step.say)
        elif isinstance(step, Push):
            found[index] = measured(pushed(step.push))
    return found
