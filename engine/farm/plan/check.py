"""Checks a plan as a whole, its files too, before anything connects: what can't work is told with its path."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from engine.config.checks import plain
from engine.errors import ConfigError
from engine.farm.plan.check_scenario import check_scenario, need_voice
from engine.farm.plan.checks import JOBS_MAX
from engine.farm.plan.jobs import jobs_in_cycle
from engine.farm.plan.json_values import check_json
from engine.farm.plan.model import Plan, Target
from engine.farm.plan.nearest import did_you_mean


def check_plan(plan: Plan) -> None:
    """Find what would fail, as a user wants to know it before the first session.

    Args:
        plan: With its data sets read (`engine.farm.plan.load.ready` does both).

    Raises:
        ConfigError: Something can't work; `field` is its path, as `scenarios[0].turns[1].say`.
    """
    check_json(plan.session, "session")
    _check_target(plan.target, Path(plan.folder))
    check_load(plan)
    _check_thresholds(plan)
    for index, scenario in enumerate(plan.scenarios):
        check_scenario(plan, scenario, f"scenarios[{index}]")


def check_load(plan: Plan) -> None:
    """Refuse a load that asks for more than the caps give.

    Raises:
        ConfigError: It does.
    """
    load, caps = plan.load, plan.caps
    at_once = "caps.sessions", caps.sessions, "sessions at a time"
    a_second = "caps.starts_per_s", caps.starts_per_s, "starts a second"
    asked: list[tuple[str, float, tuple[str, float, str]]] = []
    if load.sessions is not None:
        asked.append(("load.sessions", load.sessions, at_once))
    if load.rate_per_s is not None:
        asked.append(("load.rate_per_s", load.rate_per_s, a_second))
    bound = at_once if load.shape == "ramp" else a_second
    asked += [(f"load.stages[{index}].to", stage.to, bound) for index, stage in enumerate(load.stages)]
    for path, value, (cap, most, unit) in asked:
        if value > most:
            why = f"{path} asks for {plain(value)} {unit}, and {cap} allows {plain(most)}"
            message = f"{why} | raise {cap}, or lower {path}"
            raise ConfigError(path, value, f"at most {plain(most)} {unit}", message=message)
    total = sum(map(jobs_in_cycle, plan.scenarios))
    if total > JOBS_MAX:
        message = (
            f"the plan has {total} sessions, over the bound JOBS_MAX of {JOBS_MAX} | lower repeat, or split the plan"
        )
        raise ConfigError("scenarios", total, f"at most {JOBS_MAX} sessions", message=message)


def _check_thresholds(plan: Plan) -> None:
    names = tuple(scenario.name for scenario in plan.scenarios)
    tags = tuple(dict.fromkeys(tag for scenario in plan.scenarios for tag in scenario.tags))
    for index, threshold in enumerate(plan.thresholds):
        for kind, given, known in (("scenario", threshold.scenario, names), ("tag", threshold.tag, tags)):
            if given is not None and given not in known:
                allowed = f"the {kind}s " + ", ".join(known) if known else f"no {kind}: the plan has none"
                why = f"there is no {kind} {given!r}{did_you_mean(given, known)}"
                message = f"threshold {threshold.text!r}: {why}; allowed: {allowed}"
                raise ConfigError(f"thresholds[{index}]", threshold.text, allowed, message=message)


def _check_target(target: Target, folder: Path) -> None:
    if target.voice == "local":
        need_voice("target.voice")
    if target.script is not None:
        from engine.simulator.script_file import load_script  # noqa: PLC0415 - late: few plans have a script

        file = folder / target.script
        if not file.is_file():
            allowed = "a script of answers, its path from the plan's folder on"
            message = f"target.script: {file} is not there; allowed: {allowed}"
            raise ConfigError("target.script", target.script, allowed, message=message)
        try:
            load_script(file)
        except ConfigError as error:
            raise ConfigError("target.script", target.script, error.allowed, message=str(error)) from error
    if target.pace:
        _check_pace(target.pace)


def _check_pace(given: Mapping[str, Any]) -> None:
    from engine.simulator.settings import Pace  # noqa: PLC0415 - late, as above

    known = tuple(field.name for field in attrs.fields(Pace))
    for name, value in given.items():
        path = f"target.pace.{name}"
        if name not in known:
            allowed = "the keys " + ", ".join(known)
            message = f"{path} is not known{did_you_mean(name, known)}; allowed: {allowed}"
            raise ConfigError(path, "(not known)", allowed, message=message)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ConfigError(path, value, "a number")
        try:
            Pace(**{name: value})
        except ConfigError as error:
            raise ConfigError(path, value, error.allowed) from error
