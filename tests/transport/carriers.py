"""What carries the WebSocket over the network, one and the other: a test module that calls `each()` runs with both."""

import pytest

from engine.transport import network

NAMES = ("trio-websocket", "websockets")


class Carrier:
    """The one that the running test is to use."""

    name = NAMES[0]

    async def connect(self, nursery, endpoint):
        return await network.network(self.name)(nursery, endpoint)

    async def wrap(self, nursery, stream, endpoint):
        return await network.wrap(nursery, stream, endpoint, transport=self.name)


carrier = Carrier()


def each():
    """Make a fixture that runs every test of a module once with each."""

    @pytest.fixture(autouse=True, params=NAMES)
    def carried(request):
        carrier.name = request.param
        yield request.param
        carrier.name = NAMES[0]

    return carried
