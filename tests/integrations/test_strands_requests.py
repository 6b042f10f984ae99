"""Requests for answers that nobody waits for."""

from every_host import on_event_loops, simulated

from engine import BidiTextInputEvent, ClientSettings, SessionConfig, open_session
from engine.integrations.strands.requests import Requests
from engine.simulator import Say


@on_event_loops
async def test_what_is_asked_while_one_waits_is_asked_once():
    requests = Requests()
    async with simulated(*[Say("one")] * 30) as (simulator, client):
        settings = SessionConfig(client=ClientSettings(api_key="any", **client))
        async with open_session(settings) as session:
            await session.send(BidiTextInputEvent("hello"))
            for _ in range(20):
                requests.ask(session)
            answers = 0
            async for event in session.receive():
                answers += event.type == "bidi_response_complete"
                if answers == 3:
                    break
            await requests.end()
    assert simulator.sessions[0].received.counts["response.create"] == 3, "one for the text, two for what was asked"
