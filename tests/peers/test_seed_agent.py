"""Strands' own `BidiAgent`, on asyncio in environments of its own: the seed's with our model, and both with theirs."""

import sys
from pathlib import Path

import pytest
import trio
from environments import STRANDS, STRANDS_NEWEST
from processes import PeerProcess
from scripted_server import serve_script

sys.path.insert(0, str(Path(__file__).parents[1] / "integrations"))

from strands_checks import CASES, LEAVING, TALK_OF, blocks, clean, kinds, received, service_left, types

from engine import simulator

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def seed_agent():
    with PeerProcess(STRANDS, deadline_s=60.0) as process:
        yield process


@pytest.fixture(scope="module")
def newest_agent():
    with PeerProcess(STRANDS_NEWEST, deadline_s=60.0) as process:
        yield process


async def hold(process, name, side, **more):
    """Give what the agent saw, and the ledgers."""
    case = CASES[name]
    async with simulator.serve(case.settings, case.script.responder) as server:
        job = {"name": TALK_OF.get(name, name), "side": side, "url": server.base_url, **case.model, **more}
        seen = await process.ask(job)
        if side == "ours":
            with trio.fail_after(5):
                while server.active_sessions:  # noqa: ASYNC110 - it has no event for this
                    await trio.sleep(0.005)
        return seen, server.sessions


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.only != "current"])
async def test_seed_s_agent_talks_with_our_model(seed_agent, name):
    seen, ledgers = await hold(seed_agent, name, "ours")
    clean(seen, ledgers)
    CASES[name].check(seen, ledgers)


async def test_seed_s_agent_is_told_when_the_service_leaves(seed_agent):
    async with serve_script(LEAVING) as server:
        service_left(await seed_agent.ask({"name": "service_leaves", "side": "ours", "url": server.base_url}))


@pytest.mark.parametrize("agent", ["seed_agent", "newest_agent"])
@pytest.mark.parametrize("name", ["two_tools", "spoken"])
async def test_events_of_ours_have_the_keys_and_the_sound_of_theirs(request, agent, name):
    sides = [(await hold(request.getfixturevalue(agent), name, side))[0] for side in ("ours", "theirs")]
    ours, theirs = ({each.get("type"): each.keys() for each in seen["events"]} for seen in sides)
    assert ours == theirs
    assert heard_s(sides[0]) == heard_s(sides[1]) > 0


# --- what `docs/how-to/use-with-strands.md` says of Strands' own models -------------------------------------------


def errors(ledgers):
    return [message.event["error"]["code"] for each in ledgers for message in each.sent if message.type == "error"]


def heard_s(seen):
    return sum(event["audio"] for event in seen["events"] if "audio" in event) / 48_000


async def test_seed_s_model_asks_after_each_result(seed_agent):
    _, ledgers = await hold(seed_agent, "two_tools", "theirs")
    told = kinds(received(ledgers)[0])
    results = told.count("function_call_output")
    assert told.count("response.create") == 1 + results
    # It tells two results at once; on a machine that is busy the first answer may be over before the second.
    assert set(errors(ledgers)) <= {"conversation_already_has_active_response"}


@pytest.mark.parametrize("agent", ["seed_agent", "newest_agent"])
async def test_their_models_hang_in_stop_under_unread_audio(request, agent):
    seen, _ = await hold(request.getfixturevalue(agent), "stop_under_audio", "theirs")
    assert "TimeoutError" in seen["failure"]["classes"]
    assert seen["tasks_left"]


async def test_seed_s_model_lets_all_audio_out_before_it_tells_of_an_interruption(seed_agent):
    seen, ledgers = await hold(seed_agent, "late_interruption", "theirs", patience_s=7)
    assert seen["failure"] is None
    assert heard_s(seen) > 30
    assert "conversation.item.truncate" not in kinds(received(ledgers)[0])


async def test_newest_model_tells_no_interruption_of_what_still_plays(newest_agent):
    seen, ledgers = await hold(newest_agent, "late_interruption", "theirs", patience_s=7)
    assert "TimeoutError" in seen["failure"]["classes"]
    assert heard_s(seen) > 30
    assert "bidi_barge_in" not in types(seen)
    assert "conversation.item.truncate" not in kinds(received(ledgers)[0])


async def test_newest_model_answers_no_turn_after_a_result_that_cannot_be_told(newest_agent):
    seen, _ = await hold(newest_agent, "wrong_result", "theirs", patience_s=3)
    assert "TimeoutError" in seen["failure"]["classes"]
    assert seen["said"] == []


@pytest.mark.parametrize("agent", ["seed_agent", "newest_agent"])
async def test_their_models_send_what_the_service_refuses(request, agent):
    seen, ledgers = await hold(request.getfixturevalue(agent), "wrong_input", "theirs")
    assert seen["raised"]["half a sample"] is None
    assert errors(ledgers)


@pytest.mark.long
async def test_seed_s_model_loses_a_result_over_a_restart(seed_agent):
    seen, ledgers = await hold(seed_agent, "restart_under_tools", "theirs", timeout_s=2, patience_s=25)
    assert "invalid_value" in errors(ledgers)
    assert kinds(received(ledgers)[1]).count("function_call") == 1
    assert len(blocks(seen, "toolUse")) == 2


@pytest.mark.long
async def test_newest_model_tells_each_result_twice_over_a_restart(newest_agent):
    _, ledgers = await hold(newest_agent, "restart_under_tools", "theirs", timeout_s=2, patience_s=25)
    assert kinds(received(ledgers)[1]).count("function_call_output") == 4
