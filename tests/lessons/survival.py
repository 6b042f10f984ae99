"""Talks over lines that can be cut, by sessions that survive it."""

from contextlib import asynccontextmanager

import trio
from rooms import config
from talks import Talk, listening, over

from engine import ConnectionLost, open_session
from engine.config import Reconnect
from engine.simulator import Script, ScriptedResponder, SimulatorSettings, serve
from engine.testing import in_memory


class SurvivingTalk(Talk):
    """A talk with its lines."""

    def __init__(self, simulator, session, lines):
        super().__init__(simulator, session)
        self.lines, self.back_at = lines, -1.0

    def away(self, wait_s):
        """Let nobody connect for so long."""
        self.back_at = trio.current_time() + wait_s


def line_of(talk):
    """Give the line that carries the talk."""
    return talk.lines[-1]


def lost(talk):
    """Cut it."""
    line_of(talk).cut()


@asynccontextmanager
async def surviving_talk(*turns, engine=None):
    """Open a session with the defaults of `open_session` (that is: it survives), and listen."""
    script = Script(turns)
    lines, talks = [], []

    def line(connector):
        worse = over(lines)(connector)

        async def connect(nursery, endpoint):
            await trio.lowlevel.checkpoint()
            if talks and trio.current_time() < talks[0].back_at:
                raise ConnectionLost("connection refused")
            return await worse(nursery, endpoint)

        return connect

    defaults = {"on_timeout": "renew", "reconnect": Reconnect(attempts=1000)}
    settings = SimulatorSettings(ledger_max_sessions=10)
    async with serve(settings, lambda: ScriptedResponder(script), host=None) as simulator:
        made = config(engine={**defaults, **(engine or {})})
        async with open_session(made, connector=line(in_memory(simulator))) as session:
            talk = SurvivingTalk(simulator, session, lines)
            talks.append(talk)
            async with listening(talk):
                yield talk
