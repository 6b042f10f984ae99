"""`realtime-engine simulate`: a Realtime server on this machine, for any client, until Ctrl-C."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Final, Literal

import trio
from rich.console import Console

from engine.cli.console import CommandConsole
from engine.cli.running import run
from engine.config import is_loopback
from engine.demo.printable import one_line
from engine.demo.service import ANY_KEY, local_voice
from engine.errors import ConfigError
from engine.recording import read_recording
from engine.simulator import (
    ResponderFactory,
    Script,
    ScriptedResponder,
    SessionLedger,
    Simulator,
    SimulatorSettings,
    load_script,
    serve,
)
from engine.simulator.replay import ReplayServer, serve_replay
from engine.testing.replayed import manner_of, plans_of

LOOK_EVERY_S: Final = 0.2

COUNTS_ONLY: Final = SimulatorSettings(ledger_max_events=0)
"""Messages are counted and not kept: nobody looks at them here, and a server may run for long."""

Voice = Literal["tone", "local"]


def simulate(
    *,
    host: str,
    port: int,
    script: Path | None,
    voice: Voice | None,
    replay: Path | None = None,
    at_once: bool = False,
) -> None:
    """Serve until a signal comes.

    Raises:
        ConfigError: The script or the recording can't be used, or the port or the host can't be listened on.
    """
    _check(script, voice, replay, at_once=at_once)
    console = CommandConsole(highlight=False, soft_wrap=True)
    if replay is not None:
        _run(console, partial(_keep_replaying, console, host, port, replay, at_once=at_once))
        return
    read = load_script(script) if script is not None else None

    async def command() -> None:
        await keep_serving(console, host, port, _says(script, voice), await _responders(read, voice))

    _run(console, command)


def _says(script: Path | None, voice: Voice | None) -> str:
    if script is None:
        return f"voice {voice or 'tone'}"
    return f"script {script}, voice local" if voice == "local" else f"script {script}"


async def _responders(script: Script | None, voice: Voice | None) -> ResponderFactory:
    if voice != "local":
        return script.responder if script is not None else ScriptedResponder
    if script is None:
        return await local_voice()
    from engine.simulator.local_voice.scripted import scripted_voice  # noqa: PLC0415 - its models are an extra

    return await scripted_voice(script)


def _check(script: Path | None, voice: Voice | None, replay: Path | None, *, at_once: bool) -> None:
    """Refuse options that do not go together."""
    if replay is not None and (script is not None or voice is not None):
        message = "a recording says by itself what is answered | leave out --script and --voice, or --replay"
        raise ConfigError("--replay", str(replay), "nothing with --script or --voice", message=message)
    if at_once and replay is None:
        message = "--at-once tells how a recording is played | give one with --replay"
        raise ConfigError("--at-once", at_once, "with --replay", message=message)


def _run(console: Console, command: Callable[[], Awaitable[None]]) -> None:
    try:
        run(command)
    except KeyboardInterrupt:
        console.print("stopped")


async def keep_serving(console: Console, host: str, port: int, says: str, responders: ResponderFactory) -> None:
    """Serve until cancelled, and print who comes and goes.

    Args:
        console: Where to.
        host: Address to listen on.
        port: Port to listen on.
        says: What answers, in words.
        responders: What answers.

    Raises:
        ConfigError: The host or the port can't be listened on.
    """
    await _follow(_SessionLog(console), serve(COUNTS_ONLY, responders, host=host, port=port), says)


async def _keep_replaying(console: Console, host: str, port: int, path: Path, *, at_once: bool) -> None:
    recording = read_recording(path)
    manner = manner_of("at_once" if at_once else "recorded")
    serving = serve_replay(plans_of(recording), manner, settings=COUNTS_ONLY, host=host, port=port)
    pace = "in its own times" if recording.timed and not at_once else "at once"
    await _follow(_ReplayLog(console), serving, f"recording {path} {pace}")


async def _follow(log: "_SessionLog", serving: AbstractAsyncContextManager[Simulator], says: str) -> None:
    server = None
    try:
        async with serving as server:
            _welcome(log.console, server, says)
            await log.follow(server)
    finally:
        # Once more when the connections were closed.
        if server is not None:
            log.look(server)


def _welcome(console: Console, server: Simulator, says: str) -> None:
    url = server.base_url
    console.print(f"A simulated Realtime service at {url}, {says}.\n")
    for client, way in (
        ("realtime-engine", f"realtime-engine talk --base-url {url}"),
        ("this engine", f'engine.ClientSettings(base_url="{url}", api_key="{ANY_KEY}")'),
        ("openai-python", f'openai.AsyncOpenAI(websocket_base_url="{url}", api_key="{ANY_KEY}")'),
        ("anything else", f"{server.url}?model=gpt-realtime, with any key"),
    ):
        console.print(f"  {client:<16} {way}")
    if not is_loopback(server.host or ""):
        console.print("\nOthers can reach it, and it takes any key: listen on 127.0.0.1 unless they should.")
    console.print("\nCtrl-C ends it.")


class _SessionLog:
    """Prints who comes and goes.

    Args:
        console: Where to.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._known: dict[int, bool] = {}

    async def follow(self, server: Simulator) -> None:
        """Look again and again."""
        while True:
            await trio.sleep(LOOK_EVERY_S)
            self.look(server)

    def look(self, server: Simulator) -> None:
        """Print what changed since the last look."""
        ledgers = server.sessions
        for ledger in ledgers:
            for line in self.news(server, ledger):
                self.console.print(one_line(line), markup=False)
        # Sessions that the server has forgotten do not come back.
        self._known = {ledger.number: ledger.open for ledger in ledgers}

    def news(self, server: Simulator, ledger: SessionLedger) -> Iterator[str]:  # noqa: ARG002 - see `_ReplayLog`
        """Say what is new of a connection."""
        number, name = ledger.number, ledger.session_id or "no session"
        if number not in self._known:
            yield f"connection {number + 1}: {name}"
        if self._known.get(number, True) and not ledger.open:
            code = f"close code {ledger.close_code}" if ledger.close_code else "no close frame"
            counts = f"{ledger.received.counts.total():,} events received, {ledger.sent.counts.total():,} sent"
            yield f"connection {number + 1}: over, {code}, {counts}"


class _ReplayLog(_SessionLog):
    """Prints also what a client did otherwise than the recorded one."""

    def news(self, server: Simulator, ledger: SessionLedger) -> Iterator[str]:
        """Say what is new of a connection."""
        was_open = self._known.get(ledger.number, True)
        yield from super().news(server, ledger)
        if was_open and not ledger.open and isinstance(server, ReplayServer):
            for difference in server.differences_of(ledger):
                yield f"connection {ledger.number + 1}: {difference}"
