"""A simulator in a process of its own that can be asked what it saw: `python -m benchmarks.farm_server PORT`.

It prints its port; each line on its standard input is answered with a line of JSON; it ends with its standard input.
Several share one port, and the kernel deals out connections, so that one URL is enough for a plan.
"""

import json
import socket
import sys
from collections import Counter
from typing import Any, Final

import trio

from benchmarks.farm_vitals import Inside
from engine.blocks import block_nursery
from engine.farm.processes import lifeline
from engine.farm.worker.collecting import tuned_collection
from engine.simulator import Simulator, SimulatorSettings, serve

BACKLOG: Final = 4096
LOOPBACK: Final = "127.0.0.1"
FRAME: Final = "input_audio_buffer.append"
DELTA: Final = "response.output_audio.delta"


def listener(port: int) -> trio.SocketListener:
    """Listen on a port that others may listen on too; 0 takes a free one."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind((LOOPBACK, port))
    made.listen(BACKLOG)
    return trio.SocketListener(trio.socket.from_stdlib_socket(made))


def seen(server: Simulator) -> dict[str, Any]:
    """Tell what the sessions' own ledgers hold."""
    received: Counter[str] = Counter()
    sent: Counter[str] = Counter()
    for ledger in server.sessions:
        received.update(ledger.received.counts)
        sent.update(ledger.sent.counts)
    return {
        "requests": [ledger.request_id for ledger in server.sessions],
        "crashes": sum(ledger.crash is not None for ledger in server.sessions),
        "open": server.active_sessions,
        "frames": received[FRAME],
        "deltas": sent[DELTA],
        "received_messages": received.total(),
        "sent_messages": sent.total(),
        "received_bytes": sum(ledger.received.total_bytes for ledger in server.sessions),
        "sent_bytes": sum(ledger.sent.total_bytes for ledger in server.sessions),
    }


async def main(port: int) -> None:
    """Serve, and answer."""
    lifeline.hold(0)
    settings = SimulatorSettings(ledger_max_events=0, ledger_max_sessions=10**6)
    inside = Inside()
    async with block_nursery() as nursery, serve(settings, host=None) as server:
        server.listen(LOOPBACK, [listener(port)])
        nursery.start_soon(tuned_collection, lambda: server.active_sessions)
        nursery.start_soon(inside.run)
        print(server.port, flush=True)
        questions = trio.lowlevel.FdStream(0)
        while await questions.receive_some(1):
            print(json.dumps(seen(server) | inside.told()), flush=True)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]))
