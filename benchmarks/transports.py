"""What a transport costs for each message, in CPU time of this process: `python -m benchmarks.transports`.

A server in a process of its own, on plain blocking sockets, sends 100 ms deltas (6.5 KB) as fast as they are read, or
one by one to many connections, or takes what is sent. Every row is measured in turns with the others; the median and
the spread are shown.
"""

import argparse
import base64
import gc
import hashlib
import importlib.util
import re
import socket
import ssl
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import trio
import trustme

from engine.errors import ConnectionLost
from engine.transport.base import Endpoint, Transport
from engine.transport.network import network

DELTA_CHARS = 6_500
FRAME_CHARS = {20: 1_360, 100: 6_480}
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(text: bytes) -> bytes:
    """Write a server's text frame."""
    size = len(text)
    return (b"\x81" + bytes([size]) if size < 126 else b"\x81\x7e" + size.to_bytes(2)) + text


DELTA = b'{"type":"response.output_audio.delta","event_id":"event_1","delta":"' + b"A" * (DELTA_CHARS - 70) + b'"}'

# --- the server -----------------------------------------------------------------------------------------------------


def serve() -> None:
    """Serve until the standard input ends: the address of a listening socket is the first line of the output."""
    context = None
    if len(sys.argv) > 2:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(sys.argv[2])
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=accept, args=(listener, context), daemon=True).start()
    sys.stdin.read()


def accept(listener: socket.socket, context: ssl.SSLContext | None) -> None:
    paced = Paced()
    threading.Thread(target=paced.run, daemon=True).start()
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=answer, args=(connection, context, paced), daemon=True).start()


def answer(connection: socket.socket, context: ssl.SSLContext | None, paced: "Paced") -> None:
    if context is not None:
        connection = context.wrap_socket(connection, server_side=True)
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(4096)
    key = re.search(rb"Sec-WebSocket-Key: (\S+)", head, re.IGNORECASE)[1]
    accepted = base64.b64encode(hashlib.sha1(key + GUID).digest())
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accepted + b"\r\n\r\n"
    )
    task, count = re.match(rb"GET /(\w+)/(\d+)", head).groups()
    try:
        if task == b"live":
            paced.add(connection, int(count))
        elif task == b"burst":
            burst(connection, int(count))
        while connection.recv(2**16):
            pass
    except OSError:
        pass


def burst(connection: socket.socket, count: int) -> None:
    ten = frame(DELTA) * 10
    for _ in range(count // 10):
        connection.sendall(ten)


class Paced:
    """Sends to all connections in turn, with a pause between two, so that each read finds one message."""

    def __init__(self) -> None:
        self.left: dict[socket.socket, int] = {}

    def add(self, connection: socket.socket, count: int) -> None:
        self.left[connection] = count

    def run(self) -> None:
        data = frame(DELTA)
        while True:
            time.sleep(0.0005)
            for connection in list(self.left):
                try:
                    connection.sendall(data)
                except OSError:
                    self.left[connection] = 1
                self.left[connection] -= 1
                if not self.left[connection]:
                    del self.left[connection]
                time.sleep(0.0005)


# --- the client -----------------------------------------------------------------------------------------------------


async def receive_all(transport: Transport, count: int) -> None:
    while count > 0:
        count -= len(await transport.receive())


async def burst_us(url: str, connector, context, count: int = 20_000) -> float:
    """CPU in microseconds for each received delta of a burst."""
    async with trio.open_nursery() as nursery:
        transport = await connector(nursery, Endpoint(url=f"{url}/burst/{count}", ssl_context=context))
        began = time.process_time()
        await receive_all(transport, count)
        took = time.process_time() - began
        await transport.close(0)
    return took / count * 1e6


async def live_us(url: str, connector, context, connections: int = 20, count: int = 100) -> float:
    """CPU in microseconds for each received delta, when each comes alone."""
    async with trio.open_nursery() as nursery:
        endpoint = Endpoint(url=f"{url}/live/{count}", ssl_context=context)
        transports = [await connector(nursery, endpoint) for _ in range(connections)]
        began = time.process_time()
        async with trio.open_nursery() as readers:
            for transport in transports:
                readers.start_soon(receive_all, transport, count)
        took = time.process_time() - began
        for transport in transports:
            await transport.close(0)
    return took / count / connections * 1e6


def sending_us(frame_ms: int, *, nowait: bool) -> Callable[..., object]:
    async def run(url: str, connector, context, count: int = 2_000) -> float | None:
        """CPU in microseconds for each frame that is sent."""
        text = '{"type":"input_audio_buffer.append","audio":"' + "A" * (FRAME_CHARS[frame_ms] - 47) + '"}'
        async with trio.open_nursery() as nursery:
            transport = await connector(nursery, Endpoint(url=f"{url}/sink/0", ssl_context=context))
            if nowait and not hasattr(transport, "send_nowait"):
                await transport.close(0)
                return None
            began = time.process_time()
            for _ in range(count):
                if not nowait or not transport.send_nowait(text):
                    await transport.send(text)
            took = time.process_time() - began
            await transport.close(0)
        return took / count * 1e6

    return run


async def memory_kib(url: str, connector, context, connections: int = 100) -> float:
    """What an idle connection holds, in KiB, by the allocator of Python and by the process: the latter."""
    async with trio.open_nursery() as nursery:
        endpoint = Endpoint(url=f"{url}/burst/200", ssl_context=context)
        first = await connector(nursery, endpoint)
        await receive_all(first, 200)
        gc.collect()
        before = resident_kib()
        transports = []
        for _ in range(connections):
            transport = await connector(nursery, endpoint)
            await receive_all(transport, 200)
            transports.append(transport)
            nursery.start_soon(until_lost, transport)
        await trio.sleep(0.1)
        gc.collect()
        held = resident_kib() - before
        for transport in [first, *transports]:
            await transport.close(0)
    return held / connections


async def until_lost(transport: Transport) -> None:
    with suppress(ConnectionLost):
        await transport.receive()


def resident_kib() -> float:
    """Memory that only this process has."""
    rollup = Path("/proc/self/smaps_rollup").read_text()
    return sum(int(size) for size in re.findall(r"Private_\w+:\s+(\d+) kB", rollup))


MEASURES: dict[str, tuple[str, Callable[..., object]]] = {
    "burst": ("received, many a read", burst_us),
    "live": ("received, one a read", live_us),
    "send20": ("sent, 20 ms, one by one", sending_us(20, nowait=False)),
    "nowait20": ("sent, 20 ms, no wait", sending_us(20, nowait=True)),
    "send100": ("sent, 100 ms, one by one", sending_us(100, nowait=False)),
    "nowait100": ("sent, 100 ms, no wait", sending_us(100, nowait=True)),
    "memory": ("idle connection, KiB", memory_kib),
}


@contextmanager
def server(certificate: str | None = None) -> Iterator[int]:
    command = [sys.executable, "-m", "benchmarks.transports", "serve", *([certificate] if certificate else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measures", nargs="*", metavar="|".join(MEASURES), help="all of them, if none is named")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    authority = trustme.CA()
    with TemporaryDirectory() as folder:
        certificate, trusted = Path(folder, "server.pem"), Path(folder, "ca.pem")
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
        authority.cert_pem.write_to_path(trusted)
        with server() as plain, server(str(certificate)) as secure:
            show(options, {"ws": f"ws://127.0.0.1:{plain}", "wss": f"wss://127.0.0.1:{secure}"}, trusted)


def show(options: argparse.Namespace, urls: dict[str, str], trusted: Path) -> None:
    names = ["trio-websocket"] + ["websockets"] * (importlib.util.find_spec("websockets") is not None)
    print(f"{'':28}" + "".join(f"{f'{name} {scheme}':>24}" for scheme in urls for name in names))
    for measure in options.measures or MEASURES:
        figures = {(name, scheme): [] for scheme in urls for name in names}
        for _ in range(options.runs):
            for (name, scheme), column in figures.items():
                took = measured(measure, name, urls[scheme], trusted)
                if took is not None:
                    column.append(took)
        cells = "".join(f"{cell(column):>24}" for column in figures.values())
        print(f"{MEASURES[measure][0]:28}{cells}", flush=True)


def measured(measure: str, name: str, url: str, trusted: Path) -> float | None:
    """Measure once, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.transports", "one", measure, name, url, str(trusted)]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return None if told.strip() == "None" else float(told)


def one(measure: str, name: str, url: str, trusted: str) -> None:
    context = ssl.create_default_context(cafile=trusted) if url.startswith("wss") else None
    print(trio.run(MEASURES[measure][1], url, network(name), context))


def cell(figures: list[float]) -> str:
    if not figures:
        return "-"
    return f"{statistics.median(figures):.1f} ({min(figures):.1f}..{max(figures):.1f})"


if __name__ == "__main__":
    match sys.argv[1:2]:
        case ["serve"]:
            serve()
        case ["one"]:
            one(*sys.argv[2:])
        case _:
            main()
