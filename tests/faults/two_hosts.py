"""Two hosts on this machine, each a network namespace, and between them a link that loses and reorders packets.

The kernel's own TCP talks over it: what is lost is sent again, what overtakes is put in order. Two kinds of link:
`netem`, the kernel's (a veth pair with `tc qdisc ... netem`), and `tun`, ours, for kernels without it: the packets of
two TUN devices pass through this process, which loses, delays, doubles and damages them.

The namespaces have no name: open files hold them, so the kernel takes them away with the process, whatever ends it.
It needs Linux and the right to make them (root, or CAP_NET_ADMIN and CAP_SYS_ADMIN); `why_not` says what is missing.
"""

import ctypes
import fcntl
import os
import random
import shutil
import socket
import struct
import subprocess
import threading
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import cache
from urllib.parse import urlsplit

import attrs
import trio

from engine.transport.network import wrap

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
TUN_WITHOUT_HEADER = 0x0001 | 0x1000

SERVER, CLIENT = "10.77.0.1", "10.77.0.2"
KINDS = ("netem", "tun")
PACKET_BYTES = 65_536
UNDER_WAY_PACKETS = 2_000


@attrs.define
class Trouble:
    """What befalls the packets of a link, each way.

    Attributes:
        delay_ms: Each takes so long: the round trip is twice that.
        lost: Share that never arrives.
        overtaking: Share that does not wait, and so overtakes others.
        doubled: Share that arrives twice.
        damaged: Share with a byte that is wrong.
    """

    delay_ms: int = 50
    lost: float = 0.02
    overtaking: float = 0.05
    doubled: float = 0.01
    damaged: float = 0.005

    def netem(self):
        """Say it to `tc`."""
        parts = {"loss": self.lost, "reorder": self.overtaking, "duplicate": self.doubled, "corrupt": self.damaged}
        shares = [word for name, share in parts.items() for word in (name, f"{100 * share:g}%")]
        return ["netem", "delay", f"{self.delay_ms}ms", *shares, "limit", str(UNDER_WAY_PACKETS)]


class Host:
    """A network namespace: sockets that are made in `inside` belong to it."""

    def __init__(self):
        self._own = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.handle = -1
        thread = threading.Thread(target=self._make)
        thread.start()
        thread.join()
        if self.handle < 0:
            self.close()
            raise PermissionError("no right to make a network namespace")

    @contextmanager
    def inside(self):
        """Be there for the length of a block, which must not wait."""
        _enter(self.handle)
        try:
            yield
        finally:
            _enter(self._own)

    def run(self, *command):
        """Run a command there.

        Raises:
            RuntimeError: It failed.
        """
        with self.inside():
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")

    def listen(self, address):
        """Make a listener there."""
        with self.inside():
            sock = trio.socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock._sock.bind((address, 0))
        sock.listen()
        return trio.SocketListener(sock)

    def connector(self):
        """Make a connector that connects from there."""

        async def connect(nursery, endpoint):
            parts = urlsplit(endpoint.url)
            with self.inside():
                sock = trio.socket.socket()
            try:
                await sock.connect((parts.hostname, parts.port))
                return await wrap(nursery, trio.SocketStream(sock), endpoint)
            except BaseException:
                sock.close()
                raise

        return connect

    def close(self):
        """Let go of it: when its last socket is closed, the kernel takes it away."""
        for handle in (self.handle, self._own):
            if handle >= 0:
                os.close(handle)

    def _make(self):
        with suppress(OSError):
            _call("unshare", CLONE_NEWNET)
            self.handle = os.open("/proc/thread-self/ns/net", os.O_RDONLY)


class Link:
    """A link between two hosts.

    Attributes:
        is_down: True to lose everything; a test may change it. Of a `tun` link only.
        counts: What befell packets, of a `tun` link only.
    """

    def __init__(self, trouble, rng):
        self.is_down = False
        self.counts = dict.fromkeys(("passed", "lost", "overtaking", "doubled", "damaged"), 0)
        self._trouble = trouble
        self._random = rng
        self._under_way = 0

    async def relay(self, source, sink, nursery):
        """Carry the packets of one way."""
        while True:
            await trio.lowlevel.wait_readable(source)
            with suppress(BlockingIOError):
                self._carry(os.read(source, PACKET_BYTES), sink, nursery)

    def _carry(self, packet, sink, nursery):
        trouble = self._trouble
        if self.is_down or self._happens("lost", trouble.lost) or self._under_way >= UNDER_WAY_PACKETS:
            return
        if self._happens("damaged", trouble.damaged):
            at = self._random.randrange(len(packet))
            packet = packet[:at] + bytes([packet[at] ^ 0xFF]) + packet[at + 1 :]
        delay_s = 0.0 if self._happens("overtaking", trouble.overtaking) else trouble.delay_ms / 1000
        for _ in range(1 + self._happens("doubled", trouble.doubled)):
            self._under_way += 1
            nursery.start_soon(self._deliver, packet, sink, delay_s)

    async def _deliver(self, packet, sink, delay_s):
        await trio.sleep(delay_s)
        self._under_way -= 1
        if self.is_down:
            return
        with suppress(OSError):  # A damaged head is no packet: the kernel won't take it.
            os.write(sink, packet)
            self.counts["passed"] += 1

    def _happens(self, what, share):
        happens = self._random.random() < share
        self.counts[what] += happens
        return happens


@asynccontextmanager
async def two_hosts(kind, trouble=None, *, seed=0):
    """Give the server's host, the client's host, and the link between them, for the length of the block.

    Args:
        kind: `netem` or `tun`.
        trouble: What befalls packets.
        seed: Of which packets they are, on a `tun` link.
    """
    trouble = trouble or Trouble()
    link = Link(trouble, random.Random(seed))
    hosts, devices = [], []
    try:
        hosts += [Host(), Host()]
        async with trio.open_nursery() as nursery:
            if kind == "netem":
                _veth_pair(*hosts, trouble)
            else:
                devices += [_tun(host, address) for host, address in zip(hosts, (SERVER, CLIENT), strict=True)]
                for source, sink in (devices, devices[::-1]):
                    nursery.start_soon(link.relay, source, sink, nursery)
            yield *hosts, link
            nursery.cancel_scope.cancel()
    finally:
        for device in devices:
            os.close(device)
        for host in hosts:
            host.close()


@cache
def why_not(kind):
    """Say why this machine can't have such a link, or None if it can."""
    missing = [tool for tool in ("ip", "tc") if shutil.which(tool) is None]
    if missing:
        return f"needs {' and '.join(missing)} (iproute2)"
    try:
        host = Host()
    except OSError as error:
        return f"needs the right to make network namespaces: {error}"
    try:
        if kind == "tun":
            os.close(_tun(host, SERVER))
        else:
            host.run("ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1")
            host.run("tc", "qdisc", "add", "dev", "probe0", "root", *Trouble().netem())
    except (OSError, RuntimeError) as error:
        return f"the kernel has no {kind}: {error}"
    finally:
        host.close()
    return None


def _veth_pair(server, client, trouble):
    other = f"/proc/{os.getpid()}/fd/{client.handle}"
    server.run("ip", "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", other)
    for host, address in ((server, SERVER), (client, CLIENT)):
        host.run("ip", "address", "add", f"{address}/24", "dev", "veth0")
        host.run("ip", "link", "set", "veth0", "up")
        host.run("tc", "qdisc", "add", "dev", "veth0", "root", *trouble.netem())


def _tun(host, address):
    """Make a TUN device there, and give its file."""
    with host.inside():
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", b"tun0", TUN_WITHOUT_HEADER))
        host.run("ip", "address", "add", f"{address}/24", "dev", "tun0")
        host.run("ip", "link", "set", "tun0", "up")
    except BaseException:
        os.close(device)
        raise
    return device


def _enter(handle):
    _call("setns", handle, CLONE_NEWNET)


def _call(name, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
