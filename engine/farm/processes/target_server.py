"""The program of a simulator in a process of its own, for a run: served until its parent closes stdin, or is gone."""

from contextlib import suppress

import attrs
import trio

from engine.blocks import block_nursery
from engine.errors import EngineError
from engine.farm.plan.model import Json
from engine.farm.processes.frames import Frames
from engine.farm.processes.lifeline import pipes_of_mine
from engine.farm.processes.open_files import raise_limit
from engine.farm.worker.collecting import tuned_collection
from engine.simulator import Pace, ResponderFactory, ScriptedResponder, SimulatorSettings, load_script, serve


@attrs.frozen(kw_only=True)
class Serve:
    """The first frame that a simulator hears: how to serve. `script` is a whole path."""

    voice: str = "tone"
    script: str | None = None
    pace: Json = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Serving:
    """Its answer: where, or why not."""

    base_url: str = ""
    why_not: str = ""


async def responders_of(order: Serve) -> ResponderFactory:
    """Load what answers.

    Raises:
        ConfigError: The script can't be read, or the local voice is not installed.
    """
    if order.voice == "local":
        from engine.simulator.local_voice import LocalVoice  # noqa: PLC0415 - a second, and an extra
        from engine.simulator.local_voice.scripted import scripted_voice  # noqa: PLC0415

        if order.script is not None:
            return await scripted_voice(load_script(order.script))
        voice = LocalVoice()
        await voice.warm_up()
        return lambda: voice
    return load_script(order.script).responder if order.script is not None else ScriptedResponder


async def keep_serving(frames: Frames) -> None:
    """Serve until the other end is gone."""
    order = await frames.hear(Serve)
    if order is None:
        return
    try:
        # Messages are counted, not kept: nobody looks at them here.
        settings = SimulatorSettings(pace=Pace(**order.pace), ledger_max_events=0)
        responders = await responders_of(order)
    except EngineError as error:
        await frames.tell(Serving(why_not=str(error)))
        return
    async with block_nursery() as nursery, serve(settings, responders, host="127.0.0.1") as server:
        nursery.start_soon(tuned_collection, lambda: server.active_sessions)
        await frames.tell(Serving(base_url=server.base_url))
        await frames.hear(Serve)  # Nothing more comes: this is the end of the stream.
        nursery.cancel_scope.cancel()


async def main() -> None:
    """Be a simulator."""
    raise_limit()
    with pipes_of_mine() as frames, suppress(trio.BrokenResourceError):  # The parent is gone; so are we.
        await keep_serving(frames)


if __name__ == "__main__":
    trio.run(main)
