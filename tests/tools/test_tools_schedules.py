"""Random conversations with tools, each in an order of its own: no response is ever asked for into another.

The plain run takes a few hundred; `pytest tests/tools/test_tools_schedules.py --long` takes 10,000. A schedule that
fails is named by its number, and runs alone with `SCHEDULE=<number> pytest tests/tools/test_tools_schedules.py`: Trio's
own dice are part of it.
"""

import os
from random import Random

import attrs
import pytest
import trio
import trio.testing
from rooms import config
from tool_sessions import Talk, running

from engine.audio.pcm import silence, tone
from engine.events import BidiErrorEvent, BidiTextInputEvent, BidiTranscriptStreamEvent
from engine.session import open_session
from engine.simulator import Call, Pace, Say, ScriptedResponder, SimulatorSettings, serve
from engine.testing import in_memory
from engine.tools import Deferred, Tools

PLAIN, LONG = 200, 10_000
TIMES_S = (0.0, 0.0, 0.001, 0.01, 0.1, 1.0, 4.0)
FRAME = 1920


class Improviser(ScriptedResponder):
    """A model that calls tools at random, several at once, some of them wrongly; after a while it only talks."""

    def __init__(self, chance: Random):
        super().__init__()
        self.chance = chance
        self.rounds = chance.randrange(1, 6)

    async def answer(self, prompt):
        await trio.sleep(self.chance.choice(TIMES_S) / 4)
        self.rounds -= 1
        if self.rounds < 0 or self.chance.random() < 0.25:
            return (Say("so it is"),)
        calls = [self.call() for _ in range(self.chance.choice((1, 1, 2, 3, 5, 16)))]
        return (Say("one moment"), *calls) if self.chance.random() < 0.3 else calls

    def call(self):
        wait = {"seconds": self.chance.choice(TIMES_S)}
        names = ("wait", "wait", "wait", "stops", "breaks", "later", "hangs", "fly")
        name = self.chance.choice(names)
        arguments = "{no json" if self.chance.random() < 0.05 else wait
        return Call(name, arguments)


def make_tools(limit=16):
    tools = Tools(limit=limit)

    @tools.add
    async def wait(seconds: float):
        await trio.sleep(seconds)
        return {"waited": seconds}

    @tools.add(cancel_on_interruption=True)
    async def stops(seconds: float):
        await trio.sleep(seconds * 2)
        return "not stopped"

    @tools.add
    async def breaks(seconds: float):
        await trio.sleep(seconds)
        raise LookupError(seconds)

    @tools.add
    async def later(seconds: float):
        async def work():
            await trio.sleep(seconds * 3)
            return "late"

        return Deferred(work)

    @tools.add(deadline_s=2)
    async def hangs(seconds: float):
        await trio.sleep_forever()

    return tools


TOOLS = make_tools()
TURN = tone(220, 200) + silence(600)


async def user(session, chance: Random):
    """Type and speak at any moment."""
    for _ in range(chance.randrange(1, 4)):
        await session.send(BidiTextInputEvent("and now?"))
        await trio.sleep(chance.choice(TIMES_S))
        if chance.random() < 0.15:
            for at in range(0, len(TURN), FRAME):
                await session.send_audio(TURN[at : at + FRAME])
                await trio.sleep(0.04)


def pace(chance: Random):
    return Pace(
        think_ms=chance.choice((0, 0, 20, 200)),
        first_delta_ms=chance.choice((0, 50)),
        text_delta_ms=chance.choice((0, 0, 15)),
        cancel_ms=chance.choice((0, 20)),
        rate_limits_ms=0,
        transcription_ms=chance.choice((0, 150)),
        transcription_delta_ms=0,
    )


async def converse(seed: int):
    """Hold one conversation to its end, and look at all that crossed the wire."""
    chance = Random(seed)
    settings = SimulatorSettings(pace=pace(chance), seed=seed)
    wanted = config(tools=TOOLS.specs, output_modalities=("text",))
    tools = make_tools(limit=chance.choice((1, 4, 16)))
    async with (
        serve(settings, lambda: Improviser(Random(seed)), host=None) as simulator,
        open_session(wanted, connector=in_memory(simulator)) as session,
        running(session, tools) as (runner, events),
    ):
        talk = Talk(simulator, session, runner, events)
        with trio.fail_after(600):
            await user(session, Random(-seed - 1))
            while True:
                await talk.settled(2.5)
                if not runner.statistics().deferred:
                    break
        return judged(talk)


@attrs.frozen
class Figures:
    calls: int
    responses: int
    requests: int
    turns: int


def judged(talk: Talk) -> Figures:
    """Hold a conversation that is over against the rules."""
    assert {error["code"] for error in talk.errors()} <= {"response_cancel_not_active"}  # benign: it had ended
    bad_arguments = {"invalid_function_arguments"}
    assert {each.code for each in talk.events if isinstance(each, BidiErrorEvent)} <= bad_arguments
    assert len(talk.outputs) == len(talk.called), "a call without exactly one answer"
    assert {call_id for call_id, _ in talk.outputs} == set(talk.called)
    assert in_call_order(talk)
    assert last_response_has_seen_all(talk)
    sent, received = talk.ledger.sent.counts, talk.ledger.received.counts
    turns = sent["input_audio_buffer.speech_stopped"]
    rounds = sum(
        any(item["type"] == "function_call" for item in each.event["response"]["output"])
        for each in talk.ledger.sent
        if each.type == "response.done"
    )
    asked = sum(each.type == "conversation.item.create" for each in talk.ledger.received) - len(talk.outputs)
    assert received["response.create"] <= rounds + asked, "more requests than there was to answer"
    assert sent["response.created"] == received["response.create"] + turns
    assert any(isinstance(each, BidiTranscriptStreamEvent) for each in talk.events) or turns
    return Figures(len(talk.called), sent["response.created"], received["response.create"], turns)


def in_call_order(talk: Talk) -> bool:
    """Tell whether the results of each response went out in the order of its calls.

    Calls whose arguments are no JSON are answered by the conversation itself, and at once.
    """
    order = {call_id: number for number, call_id in enumerate(talk.called)}
    response_of = {}
    for each in talk.ledger.sent:
        if each.type == "response.output_item.done" and each.event["item"]["type"] == "function_call":
            response_of[each.event["item"]["call_id"]] = each.event["response_id"]
    by_tools = [call_id for call_id, output in talk.outputs if "not a JSON object" not in output]
    mine: dict[str, list[int]] = {}
    for call_id in by_tools:
        mine.setdefault(response_of[call_id], []).append(order[call_id])
    return all(numbers == sorted(numbers) for numbers in mine.values())


def last_response_has_seen_all(talk: Talk) -> bool:
    """Tell whether the service began a response after the last that we told it."""
    last_item = max(each.at_s for each in talk.ledger.received if each.type == "conversation.item.create")
    last_response = max(each.at_s for each in talk.ledger.sent if each.type == "response.created")
    return last_response >= last_item


@pytest.fixture
def dice(monkeypatch):
    """Trio's choice of the next task, which is random as well; public only as what Hypothesis uses."""
    monkeypatch.setattr(trio._core._run, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
    dice = Random()
    monkeypatch.setattr(trio._core._run, "_r", dice)
    return dice


def run(numbers, dice) -> dict[str, int]:
    """Hold the conversations; give the sums of their figures."""
    figures = []
    for number in numbers:
        dice.seed(number)
        try:
            figures.append(trio.run(converse, number, clock=trio.testing.MockClock(autojump_threshold=0)))
        except BaseException as error:
            error.add_note(f"schedule {number}")
            raise
    return {name: sum(getattr(each, name) for each in figures) for name in attrs.fields_dict(Figures)}


def test_no_response_is_asked_for_into_another_in_random_schedules(dice):
    if "SCHEDULE" in os.environ:
        run([int(os.environ["SCHEDULE"])], dice)
        return

    totals = run(range(PLAIN), dice)

    assert totals["calls"] > 3 * PLAIN
    assert totals["turns"] > PLAIN / 20


@pytest.mark.long
def test_no_response_is_asked_for_into_another_in_ten_thousand_schedules(dice, capsys):
    totals = run(range(LONG), dice)

    with capsys.disabled():
        print(f"\n{LONG} schedules: {totals}")
