"""When `response.create` may go out: at most one request at a time, and never into an active response.

A request that can't go out at once is owed; it goes out when the way is free. Several requests that wait are one: the
answer to it sees everything that was added meanwhile. Calls of a response hold the way until each is answered, so 16
parallel calls end in one request. While the user speaks the way is held as well: the service answers the turn by
itself, and a model that is made to talk into it is of no use. Neither holds it for ever.

Responses that the application asks for by themselves, with settings of their own, wait in line: each is a request of
its own, in order, and answers nothing that is owed. Calls do not hold them: while a tool takes its time, the talk may
go on.
"""

from typing import Final, TypeVar

from engine.limits import TOOL_RESULT_DEADLINE_S
from engine.protocol.states import GATES, Gate, GateSignal
from engine.protocol.statistics import GateStatistics
from engine.protocol.underway import Underway

CALLS_MAX: Final = 1024
"""Calls without a result, and answered ones, that are kept in mind; the oldest is forgotten past it, and holds the
way no longer. An hour has hundreds."""

REMEMBERED_REQUESTS: Final = 16
"""Requests of our own whose refusal may come late: another is on its way by then, or has its answer."""

V = TypeVar("V")


class ResponseGate:
    """Tells when to send `response.create`; sends nothing itself.

    Args:
        deadline_s: How long a request may stay unanswered, and the end of a spoken turn without its response.
        held_s: How long calls without a result may hold a request that is owed.
        underway: Items that the service has not seen yet, and that a response which begins now does not answer.
    """

    __slots__ = (
        "_active_id",
        "_answered",
        "_asked_at",
        "_asked_for_active",
        "_calls",
        "_deadline_s",
        "_earlier",
        "_gave_up_on",
        "_given_up_id",
        "_held_s",
        "_held_since",
        "_holding",
        "_is_down",
        "_line",
        "_owed",
        "_owed_behind",
        "_owed_is_cut_off",
        "_polite_since",
        "_presumed",
        "_refused",
        "_repeat",
        "_request_id",
        "_request_is_asked",
        "_requested",
        "_state",
        "_turn_ended_at",
        "_unanswered",
        "_underway",
        "_user_speaks",
    )

    def __init__(
        self, deadline_s: float, held_s: float = TOOL_RESULT_DEADLINE_S, underway: Underway | None = None
    ) -> None:
        self._deadline_s = deadline_s
        self._held_s = held_s
        self._held_since: float | None = None
        self._underway = underway if underway is not None else Underway()
        self._is_down = False
        self._gave_up_on: float | None = None
        self._given_up_id: str | None = None
        self._user_speaks = False
        self._turn_ended_at: float | None = None
        self._polite_since: float | None = None
        self._state = Gate.FREE
        self._owed = False
        self._owed_is_cut_off = False
        self._line: list[str] = []
        self._owed_behind = 0
        self._request_id: str | None = None
        self._request_is_asked = False
        self._repeat = True
        self._asked_at: float | None = None
        self._active_id: str | None = None
        self._asked_for_active = False
        self._presumed = False
        self._earlier: tuple[str, ...] = ()
        self._calls: dict[str, str] = {}
        self._answered: dict[str, None] = {}
        self._holding: str | None = None
        self._requested = 0
        self._refused = 0
        self._unanswered = 0

    @property
    def state(self) -> Gate:
        """Where the gate stands."""
        return self._state

    @property
    def active_id(self) -> str | None:
        """The active response, where one is known."""
        return self._active_id

    @property
    def asked_id(self) -> str | None:
        """The outstanding request, where it is one that was asked for by itself."""
        return self._request_id if self._request_is_asked else None

    @property
    def deadline(self) -> float | None:
        """When something has waited too long: a request, what is held by calls, or the answer to a spoken turn."""
        waits = (
            (self._asked_at, self._deadline_s),
            (self._held_since, self._held_s),
            (self._polite_since, self._deadline_s),
        )
        return min((since + limit_s for since, limit_s in waits if since is not None), default=None)

    def statistics(self) -> GateStatistics:
        """Give a snapshot."""
        return GateStatistics(
            state=self._state.name.lower(),
            owed=self._owed,
            requested=self._requested,
            refused=self._refused,
            unanswered=self._unanswered,
            open_calls=len(self._calls),
            in_line=len(self._line),
        )

    def want(self) -> None:
        """Owe a response."""
        self._owe()

    def ready(self) -> bool:
        """Tell whether the owed request may go out now."""
        return self._owed and self._may_ask() and not self._held() and not self._owed_behind

    def ask(self, event_id: str) -> None:
        """Take a response that is asked for by itself; it waits in line."""
        self._line.append(event_id)

    def withdraw(self, event_id: str) -> None:
        """Forget one that waits in line."""
        if event_id in self._line:
            self._owed_behind -= self._line.index(event_id) < self._owed_behind
            self._line.remove(event_id)
        if not self._owed and not self._line:
            self._polite_since = None  # Nothing waits for the user's turn any more.

    def next_asked(self, now: float) -> str | None:
        """Let the first in line go out, if it may; give it. What is owed for longer goes first."""
        if not self._line or not self._may_ask() or self.ready():
            return None
        event_id = self._line.pop(0)
        self._owed_behind = max(0, self._owed_behind - 1)
        self._requested += 1
        self._outstanding(event_id, now, asked=True, repeat=True)
        return event_id

    def hold(self, now: float) -> bool:
        """Note since when a request that is owed is held, by calls or by the user's speech; True when that changed."""
        if _over(self._turn_ended_at, self._deadline_s, now):
            self._gave_up_on = self._turn_ended_at
            self.turn_ended(now, answered=False)
        before = self._held_since, self._polite_since
        free = self._state is Gate.FREE
        waits = self._owed or bool(self._line)
        self._held_since = _since(self._held_since, now, holds=free and self._owed and self._held())
        self._polite_since = _since(self._polite_since, now, holds=free and waits and self._user_speaks)
        return (self._held_since, self._polite_since) != before

    def turn_began(self) -> None:
        """Note that the user speaks."""
        self._user_speaks = True
        self._turn_ended_at = None

    def turn_ended(self, now: float, *, answered: bool) -> None:
        """Note that the user has stopped; when the service answers by itself, its response is waited for."""
        self._user_speaks = self._user_speaks and answered
        self._turn_ended_at = now if self._user_speaks else None

    def sent(self, event_id: str | None, now: float, *, repeat: bool = True) -> None:
        """Note that a request went out.

        Args:
            event_id: Its own.
            now: When.
            repeat: False for a request that is not ours to repeat when it is refused.
        """
        if self._is_down:
            self._owe()
            return
        self._requested += 1
        if self._state is Gate.FREE:
            # A request by hand into a response is refused as a rule, so what is owed stays owed.
            self._owed = False
            self._outstanding(event_id, now, asked=False, repeat=repeat)
        else:
            self._move(GateSignal.SENT)

    def _outstanding(self, event_id: str | None, now: float, *, asked: bool, repeat: bool) -> None:
        if not asked:
            self._given_up_id = None  # This one stands for it.
        if event_id is not None and repeat and not asked:
            self._earlier = (*self._earlier, event_id)[-REMEMBERED_REQUESTS:]
        self._request_id = event_id
        self._request_is_asked = asked
        self._repeat = repeat
        self._asked_at = now
        self._move(GateSignal.SENT)

    def talks_over(self, *, asked: bool) -> bool:
        """Tell whether a response that begins now is ours, and begins under the user's speech.

        The request crossed the beginning of the turn on its way. The service does not interrupt what begins after it,
        and refuses its own answer to the turn as long as it lasts.

        Args:
            asked: It is one that was asked for by itself. While such a one is out, any other is the service's own.
        """
        speaking = self._user_speaks and self._turn_ended_at is None
        ours = self._state is Gate.REQUESTED and self._repeat and self._request_is_asked == asked
        return speaking and ours

    def talked_over(self, *, again: bool) -> None:
        """Note that such a response is cancelled, and the turn goes on.

        Args:
            again: What was asked for is owed still. Who asked for one by itself has it, cancelled, and can ask anew.
        """
        self._user_speaks = True
        self._owed = self._owed or again

    def created(self, response_id: str | None, *, asked: bool = False) -> None:
        """Note that a response of the conversation began.

        Args:
            response_id: Which.
            asked: It is one that was asked for by itself. Any other answers all that the service had of us by then.
        """
        if asked:
            self._forget_request()
            self._gave_up_on = None
        elif not self._underway:
            self._owed = False
            self._gave_up_on = None
        self._presumed = self._state is Gate.REQUESTED and not asked
        self._asked_at = None
        self._user_speaks = False
        self._turn_ended_at = None
        self._active_id = response_id
        self._asked_for_active = asked
        self._move(GateSignal.CREATED)

    def done(self, response_id: str | None) -> None:
        """Note that a response of the conversation ended."""
        if self._active_id is not None and response_id != self._active_id:
            return
        # In REQUESTED the beginning could not be read.
        self._active_id = None
        self._presumed = False
        self._asked_at = None
        self._move(GateSignal.DONE)

    def fell_silent(self, response_id: str, now: float) -> None:
        """Note that a response does not go on: it has ended, and is owed if the connection turns out to be dead."""
        if response_id == self._active_id and self._cut_short():
            self._gave_up_on = now
        self.done(response_id)

    def none_active(self) -> None:
        """Note that the active response has ended, by what the service says or by an end that could not be read."""
        if self._state is Gate.ACTIVE:
            self.done(self._active_id)

    def refused(self, event_id: str | None, *, because_active: bool) -> bool:
        """Note that the service refused something.

        Args:
            event_id: The client event that the error names; the service often leaves it out.
            because_active: The error says that a response is active already.

        Returns:
            True when it was our request that was refused: it is owed again, or a later one is on its way for it. One
            that was given up is owed again as well: it was late, and so is its refusal.
        """
        outstanding = self._state is Gate.REQUESTED
        named = event_id is not None and event_id == self._request_id
        if because_active and not named and event_id in self._earlier:
            self._refused += 1
            if event_id == self._given_up_id:
                self._given_up_id = None
                self._owe()
            return True
        if because_active and (named or (event_id is None and (outstanding or self._presumed))):
            self._again()
            self._refused += 1
            self._presumed = False
            self._forget_request()
            self._move(GateSignal.REFUSED_ACTIVE)
            return self._repeat
        if named and outstanding:
            self._refused += 1
            self._forget_request()
            self._move(GateSignal.REFUSED)
        return False

    def _again(self) -> None:
        """A request has lost a race: it goes first when the way is free."""
        if self._request_is_asked and self._request_id is not None:
            self._line.insert(0, self._request_id)
            self._owed_behind += self._owed
        elif self._repeat:
            self._owe()

    def _forget_request(self) -> None:
        self._request_id = None
        self._request_is_asked = False
        self._asked_at = None

    def expired(self, now: float) -> bool:
        """Tell whether the outstanding request was never answered, and stop waiting for it."""
        if not _over(self._asked_at, self._deadline_s, now):
            return False
        if self._request_is_asked:
            self._gave_up_on = None
        else:
            self._gave_up_on, self._given_up_id = self._asked_at, self._request_id
        self._forget_request()
        self._unanswered += 1
        self._move(GateSignal.UNANSWERED)
        return True

    def released(self, now: float) -> bool:
        """Tell whether calls have held a request for too long, and hold it no longer."""
        if _over(self._polite_since, self._deadline_s, now):
            # A microphone that was switched off in mid-sentence never ends its turn.
            self.turn_ended(now, answered=False)
        if not _over(self._held_since, self._held_s, now):
            return False
        self._holding = None
        self._held_since = None
        return True

    def call_opened(self, call_id: str, response_id: str) -> None:
        """Note a call that waits for a result; it holds the way for its response."""
        if call_id in self._answered:
            return
        _keep(self._calls, call_id, response_id)
        self._holding = response_id

    def is_open(self, call_id: str) -> bool:
        """Tell whether a call waits for a result."""
        return call_id in self._calls

    def was_answered(self, call_id: str) -> bool:
        """Tell whether a call has its result already."""
        return call_id in self._answered

    def answered_unseen(self, call_id: str) -> None:
        """Note a result that the application sent by hand for a call that was not told of yet."""
        _keep(self._answered, call_id, None)

    def call_answered(self, call_id: str) -> None:
        """Note a result, and owe a response when it was the last one of its response."""
        response_id = self._calls.pop(call_id, None)
        _keep(self._answered, call_id, None)
        if response_id is None or response_id not in self._calls.values():
            self._owe()

    def turn_passed(self, response_id: str | None) -> None:
        """Note that a response of the conversation ended: calls of older ones hold the way no longer."""
        if response_id != self._holding:
            self._holding = None

    # --- from one connection to the next ----------------------------------------------------------------------

    @property
    def awaits_answer(self) -> bool:
        """Tell whether a spoken turn is over that the service is to answer by itself, and has not begun to."""
        return self._turn_ended_at is not None

    def proven(self, sent_before: float) -> None:
        """Note that the service has what was sent before a time: a request among it that has no answer gets none."""
        if self._gave_up_on is not None and self._gave_up_on < sent_before:
            self._gave_up_on = None

    def link_down(self, *, interrupted: bool) -> None:
        """There is no connection any more: what was under way on it is owed anew, once there is another.

        That is a request without an answer; and an answer without an end, unless the results of its calls will ask for
        one. Who has asked for a response by itself, and has its beginning, can ask anew.

        Args:
            interrupted: The active response was to end, for the user has cut in.
        """
        if self._gave_up_on is not None:
            # A connection that is dead without a word answers no request, and is found out later.
            self._owe()
        if self._state is Gate.REQUESTED:
            self._repeat = True
            self._again()
        elif self._cut_short() and not interrupted:
            nothing_else = not self._owed
            self._owe()
            self._owed_is_cut_off = nothing_else
        self._forget_request()
        self._gave_up_on = self._given_up_id = None
        self._is_down = True
        self._active_id = None
        self._presumed = self._user_speaks = False
        self._turn_ended_at = self._held_since = self._polite_since = None
        self._state = Gate.FREE

    def let_be(self) -> None:
        """The user wants no more of an answer that the loss has cut off: it is not asked for again."""
        if self._is_down and self._owed_is_cut_off:
            self._owed = False

    def link_up(self) -> None:
        """There is a connection again."""
        self._is_down = False

    def _cut_short(self) -> bool:
        """Tell whether an answer to the talk is active that nothing else will ask for again."""
        if self._state is not Gate.ACTIVE or self._asked_for_active:
            return False
        return self._active_id is None or self._active_id not in {*self._calls.values(), self._holding}

    def _owe(self) -> None:
        self._owed_is_cut_off = False
        if not self._owed:
            self._owed = True
            self._owed_behind = len(self._line)

    def _may_ask(self) -> bool:
        return self._state is Gate.FREE and not self._user_speaks and not self._is_down

    def _held(self) -> bool:
        return self._holding is not None and self._holding in self._calls.values()

    def _move(self, signal: GateSignal) -> None:
        self._state = GATES.get((self._state, signal), self._state)


def _keep(kept: dict[str, V], key: str, value: V) -> None:
    kept[key] = value
    if len(kept) > CALLS_MAX:
        del kept[next(iter(kept))]


def _since(before: float | None, now: float, *, holds: bool) -> float | None:
    return (now if before is None else before) if holds else None


def _over(since: float | None, limit_s: float, now: float) -> bool:
    return since is not None and now >= since + limit_s
