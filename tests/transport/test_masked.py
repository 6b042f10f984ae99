"""A connection that lets no secret in, over transports of either kind."""

import pytest
import trio
from rooms import KEY

from engine.errors import ConnectionLost
from engine.secrets import NOT_SHOWN
from engine.transport.base import Endpoint
from engine.transport.masked import masking
from engine.transport.memory import memory_pair

ENDPOINT = Endpoint(url="ws://127.0.0.1/v1", headers=[("Authorization", f"Bearer {KEY}")])
CLEAN = ['{"type":"response.done"}', b"binary", '{"type":"response.output_audio.delta","delta":"' + KEY + '"}']


class Prompt:
    """A transport that can write at once, until it is lost."""

    def __init__(self, batch=()):
        self.sent, self.batch, self.lost = [], batch, False

    def send_nowait(self, text):
        if self.lost:
            raise ConnectionLost(f"no key {KEY} is known", reason=KEY)
        self.sent.append(text)
        return True

    async def send_many(self, texts):
        for text in texts:
            self.send_nowait(text)

    async def receive(self):
        return self.batch


async def over(transport):
    async def connect(nursery, endpoint):
        return transport

    async with trio.open_nursery() as nursery:
        return await masking(connect)(nursery, ENDPOINT)


async def test_a_batch_without_secrets_is_given_as_it_is():
    batch = tuple(CLEAN)
    assert await (await over(Prompt(batch))).receive() is batch


async def test_in_a_batch_with_a_secret_that_alone_is_replaced():
    transport = await over(Prompt([*CLEAN, f"said {KEY}"]))
    assert await transport.receive() == [*CLEAN, f"said {NOT_SHOWN}"]


async def test_what_can_write_at_once_still_can():
    inner = Prompt()
    transport = await over(inner)
    assert transport.send_nowait("one")
    await transport.send_many(["two", "three"])
    assert inner.sent == ["one", "two", "three"]


async def test_errors_of_such_writes_hold_no_secret():
    inner = Prompt()
    transport = await over(inner)
    inner.lost = True
    with pytest.raises(ConnectionLost) as one:
        transport.send_nowait("x")
    with pytest.raises(ConnectionLost) as many:
        await transport.send_many(["x"])
    for caught in (one, many):
        assert KEY not in repr(caught.value) + str(vars(caught.value))


async def test_what_can_not_does_not_say_it_can():
    ours, _ = memory_pair()
    assert not hasattr(await over(ours), "send_nowait")
