"""A WebSocket server that is written by hand, to do what no library lets it."""

import base64
import hashlib
import re
import struct
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from carriers import carrier
from rooms import KEY

from engine.transport.base import Endpoint

HEADERS = [("Authorization", f"Bearer {KEY}")]
OK = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n"


def endpoint(url="ws://127.0.0.1/v1/realtime?model=gpt-realtime", **options):
    return Endpoint(url=url, headers=HEADERS, **options)


async def read_request(stream):
    """Read an upgrade request to its end."""
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        request += await stream.receive_some(1) or pytest.fail("no whole request")
    return request


def accept_key(request):
    key = re.search(rb"Sec-WebSocket-Key: (.*)\r\n", request, re.IGNORECASE)[1]
    return base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())


def frame(data, opcode=1, *, fin=True):
    """Write a server's frame by hand."""
    size = len(data)
    length = bytes([size]) if size < 126 else b"\x7e" + struct.pack("!H", size) if size < 65536 else b""
    return bytes([opcode | (0x80 if fin else 0)]) + (length or b"\x7f" + struct.pack("!Q", size)) + data


def close_frame(code, reason=""):
    return frame(struct.pack("!H", code) + reason.encode(), 8)


@asynccontextmanager
async def by_hand(answer=b"", pair=trio.testing.memory_stream_pair, *, wrap=carrier.wrap, close_s=1, **options):
    """Connect to a server written by hand; give our transport and its stream, which tells what was asked for."""
    ours, theirs = pair()
    got = {}
    async with trio.open_nursery() as nursery:

        async def shake():
            got["request"] = await read_request(theirs)
            await theirs.send_all(OK % accept_key(got["request"]) + b"\r\n" + answer)

        async with trio.open_nursery() as shaking:
            shaking.start_soon(shake)
            transport = await wrap(nursery, ours, endpoint(**options))
        theirs.request = got["request"]
        yield transport, theirs
        await transport.close(close_s)
        await theirs.aclose()


async def read_ping(server):
    """Read one of our pings; give its payload."""
    head = await read_exactly(server, 6)
    assert head[0] == 0x89
    size, mask = head[1] & 0x7F, head[2:6]
    return bytes(byte ^ mask[at % 4] for at, byte in enumerate(await read_exactly(server, size)))


async def read_exactly(stream, count):
    data = b""
    while len(data) < count:
        data += await stream.receive_some(count - len(data)) or pytest.fail("the stream has ended")
    return data
