"""Requests in any order, and cancelled at any step: none is in the way of another, and nothing is left."""

import random

import pytest
import trio
from rooms import cancel_everywhere, config, simulated

from engine.events import BidiTextInputEvent
from engine.session import open_session
from engine.simulator import Say, SimulatorSettings

SCHEDULES = 150


async def talk(session, choice, done):
    """Do one thing of many, and wait for its end."""
    match choice:
        case "text":
            await session.send(BidiTextInputEvent("and?"))
        case "update":
            await session.update(instructions="x")
        case "item":
            await session.items.delete((await session.items.create(text="x")).id)
        case "cancel":
            await session.responses.cancel()
        case "give up":
            with trio.move_on_after(0.05):
                await (await session.responses.create(conversation="none")).done()
        case _:
            conversation = "none" if choice == "beside" else "auto"
            stream = await session.responses.create(conversation=conversation, metadata={"n": choice})
            response = await stream.done()
            assert (response.id, response.metadata["n"]) == (stream.id, choice)
    done.append(choice)


CHOICES = ("text", "update", "item", "cancel", "give up", "beside", "response", "response")


async def test_no_request_is_in_the_way_of_another(autojump_clock):
    random_ = random.Random(7)
    async with simulated(settings=SimulatorSettings()) as (simulator, _, connector):
        for _ in range(SCHEDULES):
            choices, done = random_.choices(CHOICES, k=random_.randint(2, 9)), []
            async with open_session(config(output_modalities="text"), connector=connector) as session:
                async with trio.open_nursery() as nursery:
                    for choice in choices:
                        nursery.start_soon(talk, session, choice, done)
                        await trio.sleep(random_.choice([0, 0, 0.01, 0.3]))
                assert sorted(done) == sorted(choices)
                assert len(session._requests) == 0
            errors = [
                message.event["error"]["code"] for message in simulator.sessions[-1].sent if message.type == "error"
            ]
            # What was to be stopped may have ended meanwhile; nothing else can go wrong.
            assert set(errors) <= {"response_cancel_not_active"}


@pytest.mark.parametrize("who", ["caller", "engine"])
async def test_whoever_is_cancelled_leaves_nothing_behind(autojump_clock, who):
    async with simulated(Say("one"), Say("two")) as (simulator, _, connector):

        async def run():
            async with open_session(config(output_modalities="text"), connector=connector) as session:
                await session.update(instructions="x")
                item = await session.items.create(text="hi")
                await session.items.delete(item.id)
                beside = await session.responses.create(conversation="none")
                async for _ in beside:
                    pass
                await (await session.responses.create()).done()
                await session.responses.cancel()

        assert await cancel_everywhere(simulator, who, run) > 15
