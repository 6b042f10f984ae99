"""From a plan to what its policy goes by."""

from engine.farm.plan.estimate import expected
from engine.farm.plan.model import Load, Plan
from engine.farm.policy import Rules


def rules_of(plan: Plan) -> Rules:
    """Make a policy's rules."""
    reckoned = expected(plan)
    return Rules(
        load=plan.load,
        caps=plan.caps,
        retries=plan.retries,
        weights={scenario.name: scenario.weight for scenario in plan.scenarios},
        expected_tokens={name: each.tokens for name, each in reckoned.items()},
        expected_life_s={name: each.life_s for name, each in reckoned.items()},
        expected_usd={name: each.usd for name, each in reckoned.items() if each.usd is not None},
    )


def lasts_s(load: Load) -> float | None:
    """Say how long a load lasts by its own time; None where it ends with its jobs."""
    if load.shape == "once":
        return None
    return sum(stage.duration_s for stage in load.stages) if load.stages else load.duration_s
