"""For tests of applications: sessions that talk with a simulated service in memory, on whatever clock the test has.

```python
async def test_my_application(autojump_clock):
    async with serve(host=None) as simulator, open_session(config, connector=in_memory(simulator)) as session:
        ...


async def test_the_call_that_went_wrong(autojump_clock):
    async with replay("call.jsonl") as served, open_session(config, connector=served.connector) as session:
        ...
    assert served.differences == ()
```
"""

from engine.testing.replayed import Replay, replay
from engine.testing.streams import in_memory
from engine.transport.memory import MemoryConnector, MemoryTransport, memory_pair

__all__ = ["MemoryConnector", "MemoryTransport", "Replay", "in_memory", "memory_pair", "replay"]
