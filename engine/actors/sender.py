"""The sender: the only task that writes the transport. Control has a lane of its own and never waits behind audio.

Audio waits for control where its lane says so (`Lane.follow`), never the other way round: neither can hold up both.
"""

from collections.abc import Awaitable, Callable

import trio

from engine.errors import ConnectionLost
from engine.lane import Lane
from engine.transport.base import Transport


async def sender(
    transport: Transport,
    control: Lane,
    audio: Lane,
    *,
    on_sent: Callable[[str], None],
    on_lost: Callable[[ConnectionLost], Awaitable[None]],
) -> None:
    """Write both lanes until they are closed and empty, or the connection is lost.

    Each lane has its task, so a control message waits at most for the audio frame that is being written: the
    transport's own lock is fair.
    """
    async with trio.open_nursery() as nursery:
        for name, lane in (("control", control), ("audio", audio)):
            nursery.start_soon(_write, transport, lane, on_sent, on_lost, name=f"engine sender, {name} lane")


@trio.lowlevel.enable_ki_protection
async def _write(
    transport: Transport,
    lane: Lane,
    on_sent: Callable[[str], None],
    on_lost: Callable[[ConnectionLost], Awaitable[None]],
) -> None:
    try:
        while True:
            message = await lane.next()
            await lane.turn(message)
            await transport.send(message.text)
            lane.sent(message)
            on_sent(message.text)
    except trio.EndOfChannel:
        return
    except ConnectionLost as lost:
        lane.lose()
        await on_lost(lost)
