"""One call of a plan against a simulator in memory, on whatever clock the test has."""

from contextlib import asynccontextmanager
from pathlib import Path

from engine.demo import lines
from engine.farm.caller import run_call
from engine.farm.job import Grant, Job, KeepFiles
from engine.farm.plan.model import Plan, Say, Scenario
from engine.simulator import Say as Answer
from engine.simulator import Script, SimulatorSettings, serve
from engine.testing import in_memory

SPEECH = Path(lines.__file__).parent / "speech"

CARD = "cards-001.wav"
"""1.1 s: ten of clubs."""

RATE_HZ = 24_000

LONG_ANSWER = "I will now talk for a rather long time so that somebody can cut in on me."

ONE_SAY = (Say(say=CARD),)


def plan_of(*turns, folder=SPEECH, plan=None, **scenario):
    """Make a plan of one scenario, `one`."""
    return Plan(
        name="test", folder=str(folder), scenarios=(Scenario(name="one", turns=turns, **scenario),), **(plan or {})
    )


def grant_of(number=37, attempt=1, values=None, **keep):
    return Grant(
        attempt_id=f"1f3a9c02-{number}-{attempt}",
        job=Job(number=number, scenario="one", index=number, values=values or {}),
        attempt=attempt,
        keep=KeepFiles(**keep),
    )


@asynccontextmanager
async def simulated(*answers, transcripts=(), responders=None, **settings):
    """Serve in memory; each answer is words, a part, or a list of parts."""
    parts = [Answer(each) if isinstance(each, str) else each for each in answers]
    script = Script.of(*parts, transcripts=transcripts)
    async with serve(SimulatorSettings(**settings), responders or script.responder, host=None) as simulator:
        yield simulator


async def called(simulator, plan, grant=None, connector=None, **how):
    """Have a call with a simulator."""
    return await run_call(plan, grant or grant_of(), connector=connector or in_memory(simulator), **how)


async def one_call(plan, *answers, grant=None, sink=None, watch=None, connector=None, **service):
    """Have a call with a simulator of its own."""
    async with simulated(*answers, **service) as simulator:
        return await called(simulator, plan, grant, sink=sink, watch=watch, connector=connector)


def lanes(result, lane):
    return [span for span in result.spans if span.lane == lane]
