"""What a driver asks of a peer: one class a peer, all with the same verbs, so that scenarios are written once.

A driver is a module `peers/NAME.py` (ours is `engine_client.py`) with a class `Client` and the name of the event loop
that it needs, `BACKEND`: "trio", "asyncio" or "uvloop". It runs in the peer's own virtual environment: anyio, pybase64
and the standard library are there, nothing else of ours. Where a library's API gives or takes base64, every driver
decodes and encodes it with `pybase64`, so that figures compare libraries and not decoders.
"""

from collections.abc import AsyncIterator
from typing import Any, Literal, Protocol

Kind = Literal["audio", "text", "interrupted", "done", "call", "other"]

Told = tuple[Kind, Any]
"""`("audio", pcm)`, `("text", words)`, `("interrupted", None)`, or with the `time.monotonic_ns()` at which a peer told
by a callback, `("done", None)`: a response is over, `("call", (call_id, name))`, `("other", None)`. Made of the peer's
own typed events."""


class Client(Protocol):
    """One session of one peer.

    Args:
        url: As `ws://127.0.0.1:8000/v1`.
        **options: `ca`: file of the authority that signed the server's certificate, for `wss`. `frame_ms`: length of
            the messages that microphone audio is joined to, where the peer can. `transport`: ours only. Others are
            ignored.
    """

    def __init__(self, url: str, **options: Any) -> None: ...

    async def open(self) -> None:
        """Return when audio can be sent and events can be received."""

    async def ask(self, text: str) -> None:
        """Send a text of the user and ask for a response; the load server reads orders in it."""

    async def speak(self, pcm: bytes) -> None:
        """Send one frame of 20 ms: 480 samples, PCM16 little-endian at 24 kHz."""

    async def give(self, call_id: str, output: str) -> None:
        """Send the result of a call, and what makes the model go on, as an application would."""

    def events(self) -> AsyncIterator[Told]:
        """Iterate over what comes, until the connection is closed. Called once, or again after a loop was left."""

    async def close(self) -> None:
        """Stop by the peer's own means. It may hang: the caller bounds it."""


class CannotError(Exception):
    """A peer has no API for what a scenario asks; the text says what is missing."""
