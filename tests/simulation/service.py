"""The simulated service of one user, the way to it through links that fail, and the ledger of what it got and sent."""

from collections import Counter, deque
from collections.abc import Sequence
from random import Random
from typing import Any, Final

import attrs
import trio

from engine.errors import ConnectionLost
from engine.simulator import Call, Pace, Say, ScriptedResponder, SessionLedger, SimulatorSettings
from engine.simulator.account import Account
from engine.simulator.connection import Connection
from engine.simulator.ledger import Lane, Message
from engine.transport.base import Endpoint, Transport
from engine.wire.items import FunctionCallOutputItem, Item, MessageItem

from . import marks
from .carriers import carry
from .link import FATAL, Fault, FaultyLink, refuse
from .scenario import Scenario

ANSWER: Final = "re"
HOLD: Final = "hold"
"""First words of an answer, and all words before a call."""

FLOOD_MESSAGES: Final = 8_000
"""More than any user needs: what goes in circles must end."""

ANSWERS_MS: Final = (200, 400, 400, 1000, 3000)
THINKING_S: Final = (0.0, 0.0, 0.0, 0.1, 0.8, 3.0)
CALL_S: Final = (0.0, 0.0, 0.2, 2.0, 8.0)


@attrs.frozen
class Entry:
    """A message that crossed the wire, as the service saw it.

    Attributes:
        at_s: When.
        up: From the client.
        type: The event's.
        text: The message.
    """

    at_s: float
    up: bool
    type: str
    text: str = attrs.field(repr=False)


class _Lane(Lane):
    """Keeps both ways in one order."""

    def __init__(self, entries: list[Entry], *, up: bool) -> None:
        super().__init__(0, 0)
        self._entries = entries
        self._up = up

    def add(self, message: Message) -> None:
        if len(self._entries) >= FLOOD_MESSAGES:
            raise RuntimeError(f"more than {FLOOD_MESSAGES} messages over one connection: somebody repeats himself")
        self._entries.append(Entry(message.at_s, self._up, message.type, message.text))


@attrs.define(eq=False)
class Served:
    """A connection as the service knows it.

    Attributes:
        link: What it went over.
        opened_s: When the client asked for it.
        entries: All that crossed it.
        ledger: The simulator's own, without messages.
        met: What it met at its beginning: `refuse`, `slow`, `none` or `silent`.
    """

    link: FaultyLink
    opened_s: float
    entries: list[Entry] = attrs.Factory(list)
    ledger: SessionLedger | None = None
    met: str = ""


class Improviser(ScriptedResponder):
    """A model that answers with the words that it was asked, calls tools before, and takes its time."""

    def __init__(self, scenario: Scenario, number: int) -> None:
        super().__init__()
        self._chance = Random(f"{scenario.seed}:model:{number}")
        self._scenario = scenario
        self._number = number
        self._said = 0

    async def transcribe(self, pcm: bytes) -> str:
        return words_of(pcm)

    async def answer(self, prompt: Any) -> Sequence[Any]:
        chance = self._chance
        await trio.sleep(chance.choice(THINKING_S))
        if prompt.out_of_band:
            return (self._say("aside"),)
        words, results = asked(prompt.items)
        if results < 3 and words and chance.random() < self._scenario.chatty:
            calls = tuple(self._call() for _ in range(chance.choice((1, 1, 1, 2, 3))))
            return (self._say(HOLD), *calls) if chance.random() < 0.3 else calls
        return (self._say(" ".join((ANSWER, *words))),)

    def _say(self, text: str) -> Say:
        self._said += 1
        if not self._scenario.audio:
            return Say(text)
        first = (self._number * 1000 + self._said) * 200
        return Say(text, marks.blocks(first, self._chance.choice(ANSWERS_MS) // marks.BLOCK_MS))

    def _call(self) -> Call:
        how = self._chance.choice(("well", "well", "well", "badly", "never"))
        self._said += 1
        takes_ms = round(self._chance.choice(CALL_S) * 1000)
        return Call("work", {"n": f"c{self._number}_{self._said}_{takes_ms}_{how}"})


def words_of(pcm: bytes) -> str:
    """Write down speech: the utterances that are in it."""
    return " ".join(f"u{number}" for number in marks.find(pcm).utterances)


def asked(items: Sequence[Item]) -> tuple[list[str], int]:
    """Find the words that no answer names, or else those of the last turn, as somebody asks for an answer to something.

    Returns:
        The words, and how many results of calls came since the last of the user's.
    """
    words: dict[str, None] = {}
    answered: set[str] = set()
    last: list[str] = []
    results = fresh = 0
    for item in items:
        if isinstance(item, FunctionCallOutputItem):
            results, fresh = results + 1, fresh + 1
        if not isinstance(item, MessageItem):
            continue
        said = " ".join(part.text or part.transcript or "" for part in item.content).split()
        if item.role == "assistant":
            fresh = 0
            answered.update(said)
        elif item.role == "user":
            results, last = 0, said
            words.update(dict.fromkeys(said))
    # A result that came after an answer is told as such: it asks for no words again.
    return [word for word in words if word not in answered] or ([] if fresh else last), results


class Service:
    """One user's service.

    Args:
        scenario: What it is like.
        nursery: Where it serves.
    """

    def __init__(self, scenario: Scenario, nursery: trio.Nursery) -> None:
        self._scenario = scenario
        self._nursery = nursery
        self._chance = Random(f"{scenario.seed}:link")
        self._met: deque[Fault] = deque()
        settings = SimulatorSettings(
            seed=Random(scenario.seed).randrange(2**32),
            pace=Pace(**scenario.pace),
            session_max_s=scenario.session_max_s,
            ping_interval_s=scenario.server_ping_s,
            epoch_s=1_700_000_000,
        )
        self._account = Account(settings, self._model)
        self._models = 0
        self.connections: list[Served] = []
        self.happened: Counter[str] = Counter()

    def _model(self) -> Improviser:
        self._models += 1
        return Improviser(self._scenario, self._models)

    # --- faults -----------------------------------------------------------------------------------------------------

    async def suffer(self) -> None:
        """Let the scenario's faults happen."""
        began = trio.current_time()
        for fault in self._scenario.faults:
            await trio.sleep_until(began + fault.at_s)
            live = [
                served.link for served in self.connections if not served.link.dead and not served.link.client.closed
            ]
            if live:
                self._chance.choice(live).inflict(fault)

    def _fault(self, fault: Fault) -> None:
        self.happened[fault.kind] += 1
        if fault.then and fault.kind in FATAL:
            self._met.extend([fault] * fault.then_number)

    # --- connections ------------------------------------------------------------------------------------------------

    async def connect(self, nursery: trio.Nursery, endpoint: Endpoint) -> Transport:
        """Connect, as a connector of the engine does."""
        link = FaultyLink(Random(self._chance.random()), self._scenario.weather, self._fault)
        served = Served(link, trio.current_time())
        self.connections.append(served)
        fault = self._met.popleft() if self._met else None
        if fault is not None:
            served.met = fault.then
            self.happened[fault.then] += 1
        try:
            await self._answer(served, fault)
            return await carry(self._scenario.carrier, nursery, link.client, endpoint)
        except BaseException:
            await trio.aclose_forcefully(link.client)
            raise

    async def _answer(self, served: Served, fault: Fault | None) -> None:
        match served.met:
            case "none":
                await trio.sleep(0.02)
                raise ConnectionLost("could not connect: no route to host")
            case "refuse" if fault is not None:
                self._nursery.start_soon(_gently, refuse, served.link.server, fault.then_status, fault.then_seconds)
            case "silent":
                pass
            case _:
                slow_s = fault.then_seconds if fault is not None else 0.0
                self._nursery.start_soon(self._serve, served, slow_s, name="simulated service")

    async def _serve(self, served: Served, slow_s: float) -> None:
        if slow_s:
            await trio.sleep(slow_s)
        entries = served.entries
        number = self.connections.index(served)
        served.ledger = SessionLedger(number, _Lane(entries, up=True), _Lane(entries, up=False))
        try:
            await Connection(self._account, served.ledger).serve(served.link.server)
        finally:
            await trio.aclose_forcefully(served.link.server)


async def _gently(do: Any, *args: Any) -> None:
    try:
        await do(*args)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return
