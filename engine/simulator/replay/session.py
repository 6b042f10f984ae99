"""One client's session with a recording: takes what the client sends, and sends what was sent."""

import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import attrs
import orjson
import trio

from engine.simulator.ledger import Lane, Message, SessionLedger
from engine.simulator.outbox import Outbox
from engine.simulator.replay.differences import Comparison, Difference
from engine.simulator.replay.plan import AUDIO, Cue, Pace, Plan, Recorded

logger = logging.getLogger(__name__)

ASIDE_PATIENCE_S: Final = 2.0
"""How long a replay waits for what a client may as well not do: settings, truncations, cancellations."""

_INITIATIVES: Final = frozenset(
    {AUDIO, "conversation.item.create", "response.create", "input_audio_buffer.commit", "session.close"}
)
"""What the service answers to: without these there is nothing to say."""

NORMAL: Final = 1000


@attrs.frozen
class Manner:
    """How a recording is played.

    Attributes:
        pace: In its own times or at once.
        patience_s: How long to wait for what the service answered to; then it goes on without.
    """

    pace: Pace = "recorded"
    patience_s: float = math.inf

    def patience_with(self, cue: Cue) -> float:
        """Tell how long to wait for this."""
        return self.patience_s if cue.type in _INITIATIVES else min(ASIDE_PATIENCE_S, self.patience_s)


class ReplaySession:
    """Plays one plan to one client.

    Args:
        plan: What is played.
        manner: How.
        outbox: What goes to the client.
        ledger: Takes note of all messages.
        close: Closes the connection with a code.
        drop: Breaks the connection.

    Attributes:
        closing: Never: the recording says when it is over.
    """

    closing = False

    def __init__(
        self,
        plan: Plan,
        manner: Manner,
        outbox: Outbox,
        ledger: SessionLedger,
        *,
        close: Callable[[int, str], Awaitable[None]],
        drop: Callable[[], None],
    ) -> None:
        self._plan = plan
        self._manner = manner
        self._outbox = outbox
        self._ledger = ledger
        self._close = close
        self._drop = drop
        self._comparison = Comparison(plan)
        self._came = trio.lowlevel.ParkingLot()

    @property
    def differences(self) -> tuple[Difference, ...]:
        """What the client did otherwise; what is missing at the end is known when the connection is over."""
        found = tuple(self._comparison.found)
        return found if self._ledger.open else (*found, *self._comparison.missing())

    def begin(self) -> None:
        """Do nothing: the recording has the first event."""

    def receive(self, message: str | bytes) -> None:
        """Take a client message; never waits."""
        event = _object(message)
        text = message if isinstance(message, str) else ""
        self._note(self._ledger.received, event, text)
        self._comparison.take(event)
        self._came.unpark_all()

    async def ready(self) -> None:
        """Wait until the client has read enough of what it was sent."""
        await self._outbox.room()

    async def drain(self) -> None:
        """Do nothing: there is nothing to finish."""

    async def play(self) -> None:
        """Send what was sent, and end the connection as it was ended."""
        for step in self._plan.steps:
            await self._wait(step.cues, step.gap_s)
            await self._outbox.room()
            self._send(step.message)
        await self._outbox.flushed()
        await self._end()

    async def _wait(self, cues: Sequence[Cue], gap_s: float) -> None:
        for cue in cues:
            with trio.move_on_after(self._manner.patience_with(cue)):
                while not self._comparison.met(cue):
                    await self._came.park()
            if not self._comparison.met(cue):
                self._comparison.skip(cue)
        await trio.sleep(gap_s if self._manner.pace == "recorded" else 0)

    def _send(self, recorded: Recorded) -> None:
        event = recorded.event
        if event is None:
            # The outbox only counts what it holds, and the socket takes bytes as well.
            self._outbox.put(recorded.message)  # type: ignore[arg-type]
            return
        self._comparison.server_said(event)
        text = orjson.dumps(self._comparison.renamed(event)).decode()
        self._note(self._ledger.sent, event, text)
        self._outbox.put(text)

    async def _end(self) -> None:
        ending = self._plan.ending
        if ending is None:
            if "session.close" in self._plan.expected:
                await self._close(NORMAL, "")
            return
        await self._wait(self._plan.ending_cues, self._plan.ending_gap_s)
        if ending.code is None:
            self._drop()
        else:
            await self._close(ending.code, ending.reason)

    def _note(self, lane: Lane, event: dict[str, Any] | None, text: str) -> None:
        kind = (event or {}).get("type")
        lane.add(Message(trio.current_time(), kind if isinstance(kind, str) else "", text))


def _object(message: str | bytes) -> dict[str, Any] | None:
    if isinstance(message, bytes):
        return None
    try:
        value = orjson.loads(message)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
