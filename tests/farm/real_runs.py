"""Runs against real simulators, in real processes, short ones: typed sessions of a fraction of a second."""

from benchmarks.farm_kills import alive, children_of, send
from engine.farm.plan.model import Caps, Keep, Plan, Retries, Scenario, Target, Type, Wait

PACE = {
    "think_ms": 1,
    "first_delta_ms": 1,
    "text_delta_ms": 1,
    "audio_speed": 1e6,
    "rate_limits_ms": 1,
    "transcription_ms": 1,
}


def typed_plan(folder, jobs=8, *, sessions=8, wait_s=0.0, url=None, **more):
    turns = (Type(type="hello"), Wait(wait_s=wait_s)) if wait_s else (Type(type="hello"),)
    target = Target(kind="url", url=url) if url else Target(pace=PACE)
    return Plan(
        name="typed",
        folder=str(folder),
        target=target,
        session=more.pop("session", {"output_modalities": ["text"]}),
        scenarios=(Scenario(name="typed", turns=turns, repeat=jobs, **more),),
        caps=Caps(sessions=sessions, starts_per_s=200.0),
        retries=Retries(attempts=10, wait_s=0.1, wait_max_s=0.2),
        keep=Keep(audio=0.0, events=0.0),
    )


__all__ = ["alive", "children_of", "send", "typed_plan"]
