"""Fuzz targets: the bytes of a connection. A server's to our transport, and a client's to the simulator.

`%ACCEPT%` in a server's bytes stands for the answer to the key that the client has sent, which a good handshake needs.
All runs in virtual time: what hangs is found at once.
"""

import base64
import hashlib
import re
from contextlib import suppress

import trio
import trio.testing

from engine.config import ClientSettings, EngineSettings, SessionConfig
from engine.errors import ConnectionLost
from engine.session import open_session
from engine.simulator import INSTANT, SimulatorSettings, serve
from engine.testing import in_memory
from engine.transport.base import Endpoint
from engine.transport.network import wrap

ENDPOINT = Endpoint(url="ws://127.0.0.1/v1/realtime?model=m", message_hard_max_bytes=2**16)
CARRIERS = ("trio-websocket", "websockets")
BROKEN = (trio.BrokenResourceError, trio.ClosedResourceError)

GREETING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %ACCEPT%\r\n\r\n"
)
REQUEST = (
    b"GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-fuzz\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)

SILENCE_S = 30.0
CLOSE_S = 2.0
QUICK = SimulatorSettings(pace=INSTANT, message_max_bytes=2**13, outbox_max_bytes=2**16, close_grace_s=1.0)


def frame(data, opcode=1, *, fin=True, mask=None):
    """Write a WebSocket frame; a client's has a mask, of four bytes."""
    head = bytes([opcode | (0x80 if fin else 0)])
    bit = 0 if mask is None else 0x80
    size = len(data)
    if size < 126:
        head += bytes([bit | size])
    elif size < 2**16:
        head += bytes([bit | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + size.to_bytes(8, "big")
    if mask is None:
        return head + data
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))


def check_transport(data):
    """Let a server say this, and nothing after it; once it hangs up then, once it stays, once it comes in pieces.

    Each transport hears it.

    Raises:
        AssertionError: Something else than a lost connection came of it, or it took too long.
    """
    for carrier in CARRIERS:
        for hangs_up, piece in ((True, None), (False, None), (True, 3)):
            trio.run(_hear, data, hangs_up, piece, carrier, clock=trio.testing.MockClock(autojump_threshold=0))


async def _hear(data, hangs_up, piece, carrier):
    before = trio.lowlevel.current_statistics().tasks_living
    ours, theirs = trio.testing.memory_stream_pair()
    with trio.fail_after(SILENCE_S + 2 * CLOSE_S):
        async with trio.open_nursery() as server:
            server.start_soon(_say, theirs, data, hangs_up, piece)
            async with trio.open_nursery() as nursery:
                await _listen(nursery, ours, carrier)
            server.cancel_scope.cancel()
    assert trio.lowlevel.current_statistics().tasks_living == before, "a task is left"


async def _say(stream, data, hangs_up, piece):
    request = b""
    with suppress(*BROKEN):
        while b"\r\n\r\n" not in request:
            request += await stream.receive_some()
        key = re.search(rb"Sec-WebSocket-Key: (\S+)", request, re.IGNORECASE)[1]
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        whole = data.replace(b"%ACCEPT%", accept)
        size = piece or max(1, len(whole))
        for at in range(0, len(whole), size):
            await stream.send_all(whole[at : at + size])
        if hangs_up:
            await stream.aclose()
            return
        while await stream.receive_some():
            pass


async def _listen(nursery, stream, carrier):
    """Connect, read to the end, close. A silence is waited out for a while, as the session's deadlines would do."""
    try:
        with trio.move_on_after(SILENCE_S):
            transport = await wrap(nursery, stream, ENDPOINT, transport=carrier)
            try:
                while True:
                    for message in await transport.receive():
                        assert isinstance(message, (str, bytes))
                        assert len(message) <= ENDPOINT.message_hard_max_bytes
            finally:
                with trio.CancelScope(shield=True):
                    await transport.close(CLOSE_S)
    except ConnectionLost as lost:
        repr(lost)
    finally:
        await trio.aclose_forcefully(stream)


def check_server(data):
    """Let a client say this to a simulator, which must bear it, and then serve another client.

    Raises:
        AssertionError: It does not.
    """
    trio.run(_bear, data, clock=trio.testing.MockClock(autojump_threshold=0))


async def _bear(data):
    async with serve(QUICK, host=None) as simulator:
        stream = simulator.connect_stream()
        with trio.move_on_after(SILENCE_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_drain, stream)
                with suppress(*BROKEN):
                    await stream.send_all(data)
                await trio.sleep(15)
                nursery.cancel_scope.cancel()
        await stream.aclose()
        await serves_on(simulator)


async def _drain(stream):
    with suppress(*BROKEN):
        while await stream.receive_some():
            pass


async def serves_on(simulator):
    """Check that no session crashed, none is left, and a new client gets in."""
    with trio.fail_after(60):
        while simulator.active_sessions:  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.1)
        client = ClientSettings(api_key="sk-fuzz", base_url="ws://localhost/v1", organization="", project="")
        engine = EngineSettings(on_timeout="raise", reconnect=None)
        async with open_session(SessionConfig(client=client, engine=engine), connector=in_memory(simulator)):
            pass
    for ledger in simulator.sessions:
        assert ledger.crash is None, repr(ledger.crash)
