"""Faults that are put into the engine, each of which the checks must find: what proves that they bite."""

import functools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import attrs
import trio

from engine.inbox import Inbox
from engine.lane import Lane
from engine.protocol.calls import Calls
from engine.protocol.effects import Transmit
from engine.protocol.history import History, HistoryItem
from engine.protocol.interruptions import Interruptions
from engine.protocol.kept_speech import KeptSpeech
from engine.protocol.replay import Replay
from engine.protocol.response_gate import ResponseGate
from engine.protocol.succession import Succession
from engine.protocol.underway import Underway
from engine.session.link import Link
from engine.session.link_maker import LinkMaker
from engine.session.supervisor import Supervisor
from engine.transport.sansio_ws import SansioWebSocket
from engine.transport.trio_ws import TrioWebSocket
from engine.wire.client import ConversationItemCreate
from engine.wire.items import FunctionCallItem, FunctionCallOutputItem

from .run import alone
from .scenario import draw, trial

Change = Callable[[Callable[..., Any]], Any]
"""Takes a function of the engine and gives what is put in its place."""


@attrs.frozen
class Place:
    """A function of the engine, and what is put in its place."""

    cls: type
    method: str
    change: Change = attrs.field(repr=False)


@attrs.frozen
class Mutation:
    """A fault of the engine.

    Attributes:
        name: What it does wrong.
        places: Where.
        trials: Users by whom it shows: the number of a trial, or the seed of any user.
    """

    name: str
    places: tuple[Place, ...]
    trials: tuple[int | str, ...]


def one(name: str, cls: type, method: str, change: Change, *trials: int | str) -> Mutation:
    """Make a mutation of one function."""
    return Mutation(name, (Place(cls, method, change),), trials)


@contextmanager
def mutated(mutation: Mutation) -> Iterator[None]:
    """Let the engine be wrong for a while."""
    with ExitStack() as stack:
        for place in mutation.places:
            stack.enter_context(_replaced(place))
        yield


@contextmanager
def _replaced(place: Place) -> Iterator[None]:
    before = vars(place.cls)[place.method]
    function = before.fget if isinstance(before, property) else before
    after = place.change(function)
    table = vars(place.cls).get("HANDLES", {})
    handled = [kind for kind, handle in table.items() if handle is before]
    setattr(place.cls, place.method, property(after) if isinstance(before, property) else after)
    table.update(dict.fromkeys(handled, after))
    try:
        yield
    finally:
        setattr(place.cls, place.method, before)
        table.update(dict.fromkeys(handled, before))


def caught(mutation: Mutation) -> list[str]:
    """Give what the checks find, with the first of its users by whom they find something."""
    for number in mutation.trials:
        with mutated(mutation):
            found = alone(trial(number) if isinstance(number, int) else draw(number))
        if found:
            return found
    return []


# --- ways to be wrong ---------------------------------------------------------------------------------------------


def gives(value: Any) -> Change:
    """Give always the same."""
    return lambda _: lambda *_, **__: value


def awaits_nothing(_: Callable[..., Any]) -> Callable[..., Awaitable[None]]:
    """Do nothing, where something was to be awaited."""

    async def nothing(*_: Any, **__: Any) -> None:
        await trio.lowlevel.checkpoint()

    return nothing


def after(do: Callable[..., None]) -> Change:
    """Do it, and then something else."""

    def change(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def both(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            do(*args)
            return result

        return both

    return change


def filtered(keep: Callable[[Any], bool]) -> Change:
    """Give only some of what it gives."""

    def change(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **kwargs: [each for each in function(*args, **kwargs) if keep(each)]

    return change


def _asks_always(self: ResponseGate) -> bool:
    return self._line.owed


def _never_done(function: Callable[..., Any]) -> Callable[..., Any]:
    """A request has its response, and stays owed once more."""

    def created(self: ResponseGate, *args: Any, **kwargs: Any) -> None:
        asked = self._out.sent_at is not None
        function(self, *args, **kwargs)
        self._line.owed = self._line.owed or asked

    return created


def _drop_first_control(self: Link, *_: Any) -> None:
    _throw_away(self._out.control)


def _drop_first_audio(self: Link, *_: Any) -> None:
    _throw_away(self._out.audio)


def _throw_away(lane: Lane) -> None:
    lane.sent(lane.take(0))


def _remember(self: Lane, taken: Any) -> None:
    for message in taken:
        if message.text.startswith('{"type":"input_audio_buffer.append"'):
            _last[id(self)] = message


_last: dict[int, Any] = {}
"""Audio that each lane sent last."""


def _resends_the_last(function: Callable[..., Any]) -> Callable[..., Any]:
    """The new connection begins with the audio that the old one got last."""

    def take_over(self: Link, *args: Any) -> None:
        last = _last.get(id(self._out.audio))
        if last is not None:
            self._out.audio.put(last.text, last.weight)
        function(self, *args)

    return take_over


def _every_third(forget: Callable[[Any], bool]) -> Change:
    """Do it, but not each third time."""

    def change(function: Callable[..., Any]) -> Callable[..., Any]:
        count = iter(range(10**9))

        def some(self: Any, effect: Any) -> None:
            if not (forget(effect) and next(count) % 3 == 2):
                function(self, effect)

        return some

    return change


def _is_result(effect: Transmit) -> bool:
    event = effect.event
    return isinstance(event, ConversationItemCreate) and isinstance(event.item, FunctionCallOutputItem)


def _results_twice(function: Callable[..., Any]) -> Callable[..., Any]:
    def transmit(self: Supervisor, effect: Transmit) -> None:
        function(self, effect)
        if _is_result(effect):
            function(self, effect)

    return transmit


def _without_calls(event: Any) -> bool:
    return not isinstance(getattr(event, "item", None), (FunctionCallItem, FunctionCallOutputItem))


def _takeover(**wrong: Any) -> Change:
    """The next connection is told something wrong of what is owed."""

    def change(function: Callable[..., Any]) -> Callable[..., Any]:
        def link_up(self: Succession, *args: Any, **kwargs: Any) -> Any:
            takeover = function(self, *args, **kwargs)
            return attrs.evolve(takeover, **{name: make(takeover) for name, make in wrong.items()})

        return link_up

    return change


def _all_words(self: HistoryItem) -> list[str]:
    return [text for _, text in self.words if text]


def _forget_owed(self: Succession, *_: Any) -> None:
    self._turns.gate._line.owed = self._owed = False


def _asks_twice(takeover: Any) -> list[Any]:
    return [*takeover.effects, *(each for each in takeover.effects if _asks(each))]


def _asks(effect: Any) -> bool:
    return isinstance(effect, Transmit) and effect.event.tag == "response.create"


def _sends_though_cancelled(function: Callable[..., Any]) -> Callable[..., Awaitable[None]]:
    """Who gives up has sent it all the same."""

    async def submit(self: Supervisor, content: Any, event: Any = None) -> None:
        try:
            await function(self, content, event)
        except trio.Cancelled:
            self.apply(content(trio.current_time()))
            raise

    return submit


def _sends_all_audio_though_cancelled(function: Callable[..., Any]) -> Callable[..., Awaitable[None]]:
    async def feed(self: Any, audio: bytes, shape: Any = None) -> None:
        try:
            await function(self, audio, shape)
        except trio.Cancelled:
            self._out.pump.feed(audio, shape)
            raise

    return feed


def _slow_close(function: Callable[..., Any]) -> Callable[..., Awaitable[None]]:
    async def close(self: SansioWebSocket | TrioWebSocket, deadline_s: float) -> None:
        await trio.sleep(4 * deadline_s)
        await function(self, deadline_s)

    return close


def _newest_first(function: Callable[..., Any]) -> Callable[..., Any]:
    def take_all(self: Lane) -> list[Any]:
        return list(reversed(function(self)))

    return take_all


def _loses_half(function: Callable[..., Any]) -> Callable[..., Any]:
    def take_all(self: Lane) -> list[Any]:
        return function(self)[::2]

    return take_all


MUTATIONS: Final = (
    one("asks into an active response", ResponseGate, "ready", lambda _: _asks_always, 0, 1),
    one("asks again and again", ResponseGate, "created", _never_done, 1, 2),
    one("owes nothing for typed words", ResponseGate, "want", gives(None), 10, 12),
    one("loses the first message after a move", Link, "take_over", after(_drop_first_control), 6, 14),
    one("loses the first audio after a move", Link, "take_over", after(_drop_first_audio), 0, 1),
    Mutation(
        "sends the last audio again after a move",
        (Place(Lane, "sent", after(_remember)), Place(Link, "take_over", _resends_the_last)),
        (0, 1),
    ),
    one("forgets to truncate", Interruptions, "cut_in", gives([]), 2, 3),
    one("drops a tool's result", Supervisor, "_transmit", _every_third(_is_result), 0, 1),
    one("answers a call twice", Supervisor, "_transmit", _results_twice, 0, 1),
    one("tells a call twice", Calls, "_tell", lambda f: lambda self, *a: (self._told.clear(), f(self, *a))[1], 0, 1),
    one("replays no calls", Replay, "_create", filtered(_without_calls), 0, 1),
    one("replays what was not heard", HistoryItem, "heard_words", lambda _: _all_words, 2, 3),
    one("replays nothing", Replay, "_choose", gives({}), 0, 1),
    one("hears the old connection after a move", Link, "fence_off", gives(None), 3, 18),
    one("asks twice after a loss", Succession, "link_up", _takeover(effects=_asks_twice), 0, 2),
    one("does not ask after a loss", Succession, "link_down", after(_forget_owed), "m:20", "m:14"),
    one("forgets to ping", Link, "_stay_alive", awaits_nothing, 3, 1),
    one("sends what was given up", Supervisor, "submit", _sends_though_cancelled, 0, 3),
    one("leaves the old connection open", LinkMaker, "retire", gives(None), 0, 1),
    one("loses words under way", Underway, "again", gives([]), 0, 4),
    one("keeps no speech", KeptSpeech, "open_texts", gives([]), 3, 4),
    one("keeps speech that was answered", KeptSpeech, "committed", gives(None), 0, 1),
    one("loses audio that waited", Lane, "take_all", _loses_half, 0, 3),
    one("turns round what waited", Lane, "take_all", _newest_first, 0, 3),
    one("forgets where it was cut", History, "truncated", gives(None), 2, 3),
    one("forgets what was deleted", History, "deleted", gives(None), 3, 9),
    one("plays on when the user cuts in", Inbox, "purge_audio", gives(0), 34, 11, 38),
    Mutation(
        "closes too slowly",
        tuple(Place(cls, "close", _slow_close) for cls in (SansioWebSocket, TrioWebSocket)),
        (0, 1),
    ),
)
"""All of them."""

__all__ = ["MUTATIONS", "Mutation", "caught", "mutated"]
