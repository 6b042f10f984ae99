"""The engine as the model of Strands' `BidiAgent`, in whichever of its versions is installed.

```python
from engine.integrations.strands import BidiOpenAIRealtimeModel

agent = BidiAgent(model=BidiOpenAIRealtimeModel(), tools=[...])
```

It is made like `engine.BidiOpenAIRealtimeModel`, and gives and takes Strands' own events. Needs the extra `strands`.

Raises:
    ImportError: Strands is not installed, or in a version that this can't work with; the text says which can.
"""

from typing import TYPE_CHECKING

from engine.integrations.strands.versions import Family, installed_family

if TYPE_CHECKING or installed_family() is Family.CURRENT:
    from engine.integrations.strands.current import BidiModelTimeoutError, BidiOpenAIRealtimeModel
else:
    from engine.integrations.strands.classic import BidiModelTimeoutError, BidiOpenAIRealtimeModel

from engine.integrations.strands.engine_event import EngineEvent

__all__ = ["BidiModelTimeoutError", "BidiOpenAIRealtimeModel", "EngineEvent"]
