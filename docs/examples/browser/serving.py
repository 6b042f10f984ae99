"""What both servers need beside a web framework: options, a port, and whom to talk to."""

import argparse
import socket
from pathlib import Path

import trio
from door import Door

from engine import ClientSettings, ConfigError, EngineSettings, SessionConfig
from engine.simulator import ResponderFactory
from engine.simulator.local_voice import LocalVoice

PAGE = Path(__file__).with_name("page")
MESSAGE_MAX_BYTES = 64 * 2**10
"""Largest message that a browser may send."""
PING_INTERVAL_S = 20
INSTRUCTIONS = "You are talking with somebody in a web browser. Be friendly and brief."
ENGINE = EngineSettings(input_overflow="drop_oldest", idle_deadline_s=600)
"""Live audio that is late is worth nothing, and a page that was forgotten open costs money."""


def options(server: str) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=f"Talk with a model in a browser; served by {server}.")
    parser.add_argument("--service", action="store_true", help="talk to the service, with the key in OPENAI_API_KEY")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (8000); 0 takes a free one")
    parser.add_argument("--origin", action="append", default=[], help="where the page comes from behind a proxy")
    parser.add_argument("--calls", type=int, default=8, help="how many may talk at a time (8)")
    return parser.parse_args()


def real_service() -> SessionConfig:
    """Talk to the service, with the key of the environment. It never leaves this process."""
    try:
        return SessionConfig(instructions=INSTRUCTIONS, engine=ENGINE)
    except ConfigError as error:
        raise SystemExit(f"{error} (without --service, a simulator answers)") from None


def simulated(base_url: str) -> SessionConfig:
    """Talk to a simulator."""
    client = ClientSettings(base_url=base_url, api_key="the-simulator-takes-any-key")
    return SessionConfig(instructions=INSTRUCTIONS, engine=ENGINE, client=client)


def voice() -> ResponderFactory | None:
    """Load what makes a simulator hear and speak on this machine; None, for tones, where that is not installed."""
    try:
        trio.run(LocalVoice().warm_up)
    except ConfigError as error:
        print(f"the simulator speaks in tones: {error}")
        return None
    return LocalVoice


def listen(asked: argparse.Namespace) -> tuple[socket.socket, Door]:
    """Take the port, say where the page is, and let in who comes from there."""
    listener = socket.create_server((asked.host, asked.port))
    port = listener.getsockname()[1]
    print(f"http://{asked.host}:{port}", flush=True)
    own = (f"http://{name}:{port}" for name in (asked.host, "127.0.0.1", "localhost"))
    return listener, Door(frozenset([*own, *asked.origin]), asked.calls)
