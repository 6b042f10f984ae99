"""Tests of `greeter.py`: no network, no key, and a minute passes in no time."""

from greeter import PATIENCE_S, greet

from engine import ClientSettings, SessionConfig
from engine.simulator import Say, Script, Turn, serve
from engine.testing import in_memory

CONFIG = SessionConfig(client=ClientSettings(api_key="any-text"))


async def test_it_gives_the_models_answer(autojump_clock):
    script = Script.of(Say("Good morning."))
    async with serve(responder_factory=script.responder, host=None) as simulator:
        assert await greet(CONFIG, in_memory(simulator)) == "Good morning."

    received = simulator.sessions[0].received
    assert received.types == ["session.update", "conversation.item.create", "response.create"]
    assert autojump_clock.current_time() < PATIENCE_S


async def test_it_gives_up_on_a_model_that_thinks_too_long(autojump_clock):
    script = Script(turns=[Turn([Say("Good morning.")], think_ms=PATIENCE_S * 2000)])
    async with serve(responder_factory=script.responder, host=None) as simulator:
        assert await greet(CONFIG, in_memory(simulator)) == ""
    assert PATIENCE_S <= autojump_clock.current_time() < PATIENCE_S + 5
