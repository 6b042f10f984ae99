"""A whole plan, and the thresholds that decide what a run is worth."""

import attrs

from engine.config.checks import instance_of
from engine.errors import ConfigError
from engine.farm.plan import checks
from engine.farm.plan.checks import items, label, mapping, text, to_tuple
from engine.farm.plan.model.bounds import Caps, Keep, Retries
from engine.farm.plan.model.loads import Load
from engine.farm.plan.model.scenario import Scenario
from engine.farm.plan.model.target import Target
from engine.farm.plan.model.values import Json


@attrs.frozen(kw_only=True)
class Threshold:
    """What must hold over the whole run, as `p95(time_to_first_audio) < 800ms`.

    Attributes:
        text: As it was written.
        statistic: `p50` (any percentile), `avg`, `min`, `max`, `count` (of values), `total` (their sum), `rate` (the
            share of a metric of kind `rate`).
        metric: A name of `engine.farm.metrics.METRICS`.
        below: True where the figure must be below the bound, False where above.
        inclusive: `<=` and `>=`.
        bound: In the metric's own unit (ms, share, count, USD).
        scenario: Of this scenario alone; None for all.
        tag: Of sessions with this tag alone; None for all.
    """

    text: str
    statistic: str
    metric: str
    below: bool
    inclusive: bool
    bound: float
    scenario: str | None = None
    tag: str | None = None


@attrs.frozen(kw_only=True)
class Plan:
    """Everything that a run needs to know; made by `load_plan`, or in Python.

    Attributes:
        name: Told everywhere.
        target: Whom the sessions talk to.
        session: Settings of `SessionConfig`, by name.
        scenarios: What callers do.
        load: How many at a time.
        caps: What must never be exceeded.
        retries: How often a job is tried.
        keep: What files are kept.
        thresholds: What decides the exit code.
        folder: Absolute path of the folder that paths in the plan start from.
        source: File that it was read from, for messages.
    """

    name: str = attrs.field(validator=label(""))
    scenarios: tuple[Scenario, ...] = attrs.field(
        converter=to_tuple, validator=items("", Scenario, "scenarios, at least one")
    )
    target: Target = attrs.field(factory=Target, validator=instance_of("", Target, "a Target"))
    session: Json = attrs.field(factory=dict, validator=mapping(""))
    load: Load = attrs.field(factory=Load, validator=instance_of("", Load, "a Load"))
    caps: Caps = attrs.field(factory=Caps, validator=instance_of("", Caps, "Caps"))
    retries: Retries = attrs.field(factory=Retries, validator=instance_of("", Retries, "Retries"))
    keep: Keep = attrs.field(factory=Keep, validator=instance_of("", Keep, "a Keep"))
    thresholds: tuple[Threshold, ...] = attrs.field(
        default=(), converter=to_tuple, validator=items("", Threshold, "thresholds, made by read_threshold")
    )
    folder: str = attrs.field(default=".", validator=text("", empty=False))
    source: str | None = None

    def __attrs_post_init__(self) -> None:
        if not self.scenarios:
            raise ConfigError("scenario", "(none)", "at least one [[scenario]]: what a caller does")
        if found := checks.first_twice(scenario.name for scenario in self.scenarios):
            raise ConfigError(f"scenarios[{found[0]}].name", found[1], "a name that no other scenario has")
