"""The turn log over lost connections: at whichever message one breaks, each turn counts once, with all that it took."""

import pytest
import trio
from survivors import SPEECH_MS, Break, settled, spoken, surviving

from engine.events import BidiConnectionRestartEvent

KINDS = {"speak": "speech", "hold": "push_to_talk", "type": "text", "call": "text"}


async def speak(caller):
    await caller.speak(1)
    await caller.answered("turn 1")


async def hold(caller):
    await caller.play(spoken(1, 0))
    await caller.session.commit()
    await caller.answered("turn 1")


async def type_(caller):
    await caller.type("typed 1")
    await caller.answered("typed 1")


async def call(caller):
    await caller.type("tool 1")
    await caller.until(lambda: any("saw tool 1" in words for words in caller.complete()))


TALKS = {"speak": speak, "hold": hold, "type": type_, "call": call}


async def talked(kind, *breaks):
    settings = {"turn_detection": None} if kind == "hold" else {}
    async with surviving(*breaks, settings=settings) as (_, network, caller):
        await TALKS[kind](caller)
        await settled(caller)
        await caller.session.playback.heard_out()
        return len(network.messages), caller, caller.session.statistics()


@pytest.mark.parametrize("kind", TALKS)
async def test_a_turn_over_any_loss_is_one(kind, autojump_clock):
    whole, _, before = await talked(kind)
    for at in range(whole):
        _, caller, after = await talked(kind, Break(at=at, lost=bool(at % 2)))
        t=after.turns
        print(kind, at, [(x.began, [r.status for r in x.responses], len(x.input_item_ids), x.time_to_first_audio_ms) for x in t], after.totals.responses, after.links.reconnections)
