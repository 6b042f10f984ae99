"""For tests of applications: sessions that talk with a simulated service in memory, on whatever clock the test has.

```python
async def test_my_application(autojump_clock):
    async with serve(host=None) as simulator, open_session(config, connector=in_memory(simulator)) as session:
        ...


async def test_the_call_that_went_wrong(autojump_clock):
    async with replay("call.jsonl") as served, open_session(config, connector=served.connector) as session:
        ...
    assert served.differences == ()


async def test_my_asyncio_application():
    async with simulator_in_thread() as simulator:
        client = ClientSettings(api_key="any", base_url=simulator.base_url)
        async with open_session(SessionConfig(client=client)) as session:
            ...
```
"""

from engine.testing.replayed import Replay, replay
from engine.testing.simulator_thread import SimulatorThread, simulator_in_thread
from engine.testing.streams import in_memory
from engine.transport.memory import MemoryConnector, MemoryTransport, memory_pair

__all__ = [
    "MemoryConnector",
    "MemoryTransport",
    "Replay",
    "SimulatorThread",
    "in_memory",
    "memory_pair",
    "replay",
    "simulator_in_thread",
]
