"""A plan with some of everything, for runs that must come out the same wherever they run; and their results' table."""

import shutil
from pathlib import Path

from engine.farm.ledger import Ledger
from engine.farm.plan.model import (
    Caps,
    Contains,
    FunctionTool,
    Keep,
    NoError,
    Plan,
    Say,
    Scenario,
    Target,
    ToolCalled,
    Type,
    Wait,
)

SPEECH = Path(__file__).parents[2] / "engine" / "demo" / "speech"

TOOLS = '''"""Tools of a shop."""


def price_of(what: str) -> str:
    """Tell a price."""
    return f"{len(what)} euros"
'''

SCRIPT = """
transcripts = ["what is the price of clubs"]

[[turn]]
when = "price"
parts = [{ call = "price_of", arguments = { what = "clubs" } }]

[[turn]]
when = "likes milk"
repeat = true
say = "Tea is for the others."
"""

FAST = {"think_ms": 20, "first_delta_ms": 10, "audio_speed": 20, "transcription_ms": 20}


def one_plan(folder, *, url=None, repeat=1, sessions=6, keep=None):
    """Write the plan's files into a folder, and give the plan."""
    shutil.copy(SPEECH / "cards-001.wav", folder / "ten.wav")
    shutil.copy(SPEECH / "cards-003.wav", folder / "seven.wav")
    (folder / "tools.py").write_text(TOOLS)
    (folder / "script.toml").write_text(SCRIPT)
    target = Target(pace=FAST, script="script.toml") if url is None else Target(kind="url", url=url)
    typed = Scenario(
        name="typed",
        turns=(Type(type="my name is {name}"), Wait(wait_s=0.05), Type(type="and {name} likes {drink}")),
        rows=({"name": "Ada"}, {"name": "Grace"}),
        matrix={"drink": ("tea", "milk")},
        expect=(Contains(contains="likes tea"), NoError()),
        repeat=repeat,
    )
    spoken = Scenario(
        name="spoken",
        turns=(Say(say="{file}"),),
        rows=({"file": "ten.wav"}, {"file": str(folder / "seven.wav")}),
        tools=(FunctionTool(function="tools.py:price_of"),),
        expect=(ToolCalled(tool_called="price_of"),),
        repeat=repeat,
    )
    return Plan(
        name="one plan",
        scenarios=(typed, spoken),
        target=target,
        caps=Caps(sessions=sessions, starts_per_s=50.0),
        keep=keep or Keep(),
        folder=str(folder),
    )


def table_of(folder):
    """Give what must be the same in all runs: all that does not depend on the moment, the run or the worker."""
    ledger = Ledger.open(folder, write=False)
    return [
        (
            result.job,
            result.scenario,
            result.status,
            result.error_kind,
            result.error,
            result.attempt,
            result.links,
            tuple((verdict.expected, verdict.held, verdict.found) for verdict in result.verdicts),
            tuple(
                (turn.number, turn.began, turn.said, turn.heard, turn.answer, turn.status, turn.audio_ms)
                for turn in result.turns
            ),
            tuple((use.name, use.arguments, use.result) for turn in result.turns for use in turn.tools),
            tuple(sorted((file.kind, Path(file.path).suffix) for file in result.files)),
            tuple((span.lane, span.text) for span in result.spans if span.lane in {"caller", "tool"}),
            result.tokens,
        )
        for result in ledger.results()
    ]
