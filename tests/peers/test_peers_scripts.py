"""The scripts of the comparison by themselves: they are what the service sends, and our facade plays them all."""

import copy

import pytest
import trio
from drivers.steps import play
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from ours import Ours
from pydantic import TypeAdapter
from scenarios import SCENARIOS, events_in
from scripted_server import serve_script

CLIENT_EVENTS = TypeAdapter(RealtimeClientEvent)
SERVER_EVENTS = TypeAdapter(RealtimeServerEvent)
UNKNOWN_ON_PURPOSE = "response.thought.delta"
NOTHING_TO_SEE = {"bad_key"}
SLOW = {"lifetime_over"}


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_ORGANIZATION", "OPENAI_PROJECT", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", SCENARIOS)
def test_script_is_what_the_service_might_send(name):
    events = events_in(SCENARIOS[name].connections)
    for event in events:
        if event["type"] != UNKNOWN_ON_PURPOSE:
            SERVER_EVENTS.validate_python(event)
    assert events


@pytest.mark.parametrize("name", sorted(SCENARIOS.keys() - SLOW))
async def test_facade_sees_all_that_it_waits_for_with_messages_that_the_service_takes(name):
    scenario = SCENARIOS[name]
    with trio.fail_after(10):
        async with serve_script(copy.deepcopy(scenario.connections)) as server:
            job = {"url": server.base_url, "steps": scenario.steps, "patience_s": scenario.patience_s}
            played = await play(Ours, job)
            await server.all_ended()
    for message in server.ledger.messages:
        CLIENT_EVENTS.validate_python(message)
    waits = [outcome["seen"] for outcome in played["outcomes"] if "seen" in outcome]
    assert name in NOTHING_TO_SEE or all(waits)
