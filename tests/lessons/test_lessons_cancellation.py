"""A cancel that is swallowed elsewhere: here it comes through at every step, and leaves nothing behind."""

import pytest
import trio
from rooms import cancel_everywhere, config, simulated
from talks import LONG, TURN, over, talking

from engine import (
    BidiAudioStreamEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    open_session,
)
from engine.simulator import Call, Say
from engine.tools import Tools

LAG_S = 0.1
ANSWER_S = 2 * LAG_S
"""From a request to its answer, over a line with this lag."""


async def first(events, cls):
    async for event in events:
        if isinstance(event, cls):
            return event
    raise AssertionError("the session ended")


async def work(session, tools):
    """A bit of everything that waits."""
    events = session.run(tools)
    await session.send(BidiTextInputEvent("what time is it?"))
    while (await first(events, BidiResponseCompleteEvent)).stop_reason != "complete":
        pass
    item = await session.items.create(text="by the way")
    await session.items.delete(item.id)
    await session.update(instructions="Be brief.")
    aside = await session.responses.create(conversation="none", input=[])
    await first(aside, BidiAudioStreamEvent)
    await aside.done()
    out = session.audio_out()
    await session.send(BidiTextInputEvent("go on"))
    await anext(out)
    await session.send_audio(TURN[: 48 * 200])
    await first(events, BidiInterruptionEvent)
    await session.interrupt()
    out.close()
    await session.stop()


@pytest.mark.parametrize(("who", "stride"), [("user", 1), ("engine", 3)])
async def test_cancelled_at_any_step_a_talk_ends_at_once_and_leaves_nothing(who, stride, autojump_clock):
    """docket PR #456, litellm PR #14370: `asyncio.wait_for` swallowed a cancel that came with the result."""
    tools = Tools()

    @tools.add
    async def clock():
        await trio.sleep(0.5)
        return "noon"

    async with simulated(Call("clock"), Say("noon"), Say("aside"), Say(LONG)) as (simulator, client, connector):
        settings = config(client=client, tools=tools.specs, engine={"input_frame_ms": 200})

        async def run():
            async with open_session(settings, connector=connector) as session:
                await work(session, tools)

        assert await cancel_everywhere(simulator, who, run, stride=stride) > 25


WAITS = {
    "send": lambda session: session.send(BidiTextInputEvent("x")),
    "an item": lambda session: session.items.create(text="x"),
    "settings": lambda session: session.update(instructions="x"),
    "a response": lambda session: session.responses.create(conversation="none"),
    "the end of a response": lambda session: session.responses.cancel(),
    "an interruption": lambda session: session.interrupt(),
    "an event": lambda session: anext(session.receive()),
    "a frame": lambda session: anext(session.audio_out()),
    "silence": lambda session: session.playback.heard_out(),
    "the end": lambda session: session.stop(),
}
ASKED = ("an item", "settings", "a response", "the end of a response")
"""Those that take a round trip."""


@pytest.mark.parametrize("after_s", [0.0, ANSWER_S - 1e-6, ANSWER_S, ANSWER_S + 1e-6])
@pytest.mark.parametrize("what", WAITS)
async def test_a_cancel_that_comes_with_the_answer_is_not_swallowed(what, after_s, autojump_clock):
    """docket PR #456: the cancel and the result came in the same moment, and the task ran on."""
    async with talking(Say(LONG), line=over(lag_s=LAG_S)) as talk:
        answered = False
        with trio.move_on_after(after_s) as scope:
            await WAITS[what](talk.session)
            answered = True
            await trio.sleep_until(scope.deadline)
            await trio.lowlevel.checkpoint()
        assert scope.cancelled_caught
        if what in ASKED and after_s != ANSWER_S:
            assert answered is (after_s > ANSWER_S), "no answer is made up, and none is lost"

        await trio.sleep(10)
        if what == "the end":
            assert talk.session.statistics().state == "closed"
        else:
            await talk.say("still there?")
            await talk.settled()
            assert talk.endings[-1] == "complete"
            assert talk.told == []
