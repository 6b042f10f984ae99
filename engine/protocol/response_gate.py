"""When `response.create` may go out: at most one request at a time, and never into an active response.

A request that can't go out at once is owed; it goes out when the way is free. Several requests that wait are one: the
answer to it sees everything that was added meanwhile. Calls of a response hold the way until each is answered, so 16
parallel calls end in one request. While the user speaks the way is held as well: the service answers the turn by
itself, and a model that is made to talk into it is of no use. Neither holds it for ever.

Responses that the application asks for by themselves, with settings of their own, wait in line: each is a request of
its own, in order, and answers nothing that is owed. Calls do not hold them: while a tool takes its time, the talk may
go on.

Who holds the way is known by `open_calls` and `spoken_turn`; what waits for it by `request_line`; what is out on it by
`request_out`.
"""

from engine.limits import TOOL_RESULT_DEADLINE_S
from engine.protocol.open_calls import OpenCalls
from engine.protocol.request_line import RequestLine
from engine.protocol.request_out import RequestOut
from engine.protocol.spoken_turn import SpokenTurn
from engine.protocol.states import GATES, Gate, GateSignal
from engine.protocol.statistics import GateStatistics
from engine.protocol.underway import Underway
from engine.protocol.wait import earliest


class ResponseGate:
    """Tells when to send `response.create`; sends nothing itself.

    Args:
        deadline_s: How long a request may stay unanswered, and the end of a spoken turn without its response.
        held_s: How long calls without a result may hold a request that is owed.
        underway: Items that the service has not seen yet, and that a response which begins now does not answer.
    """

    __slots__ = (
        "_active_id",
        "_asked_for_active",
        "_gave_up_on",
        "_is_down",
        "_line",
        "_out",
        "_presumed",
        "_refused",
        "_requested",
        "_state",
        "_unanswered",
        "_underway",
        "calls",
        "turn",
    )

    def __init__(
        self, deadline_s: float, held_s: float = TOOL_RESULT_DEADLINE_S, underway: Underway | None = None
    ) -> None:
        self.calls = OpenCalls(held_s)
        """The model's, which hold what is owed."""
        self.turn = SpokenTurn(deadline_s)
        """The user's, which holds everything."""
        self._line = RequestLine()
        self._out = RequestOut(deadline_s)
        self._underway = underway if underway is not None else Underway()
        self._is_down = False
        self._state = Gate.FREE
        self._active_id: str | None = None
        self._asked_for_active = False
        self._presumed = False
        self._gave_up_on: float | None = None
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
        return self._out.event_id if self._out.by_itself else None

    @property
    def deadline(self) -> float | None:
        """When something has waited too long: a request, what is held by calls, or the answer to a spoken turn."""
        return earliest(self._out.deadline, self.calls.deadline, self.turn.deadline)

    def statistics(self) -> GateStatistics:
        """Give a snapshot."""
        return GateStatistics(
            state=self._state.name.lower(),
            owed=self._line.owed,
            requested=self._requested,
            refused=self._refused,
            unanswered=self._unanswered,
            open_calls=len(self.calls),
            in_line=len(self._line),
        )

    # --- what is asked for, and goes out ----------------------------------------------------------------------

    def want(self) -> None:
        """Owe a response."""
        self._line.owe()

    def ready(self) -> bool:
        """Tell whether the owed request may go out now."""
        return self._line.owed_is_first and self._may_ask() and not self.calls.hold

    def ask(self, event_id: str) -> None:
        """Take a response that is asked for by itself; it waits in line."""
        self._line.join(event_id)

    def withdraw(self, event_id: str) -> None:
        """Forget one that waits in line."""
        self._line.withdraw(event_id)
        if self._line.is_empty:
            self.turn.nothing_waits()

    def next_asked(self, now: float) -> str | None:
        """Let the first in line go out, if it may; give it. What is owed for longer goes first."""
        if not self._may_ask() or self.ready():
            return None
        event_id = self._line.next()
        if event_id is not None:
            self._requested += 1
            self._send(event_id, now, by_itself=True, repeat=True)
        return event_id

    def sent(self, event_id: str | None, now: float, *, repeat: bool = True) -> None:
        """Note that a request went out.

        Args:
            event_id: Its own.
            now: When.
            repeat: False for a request that is not ours to repeat when it is refused.
        """
        if self._is_down:
            self._line.owe()
            return
        self._requested += 1
        if self._state is Gate.FREE:
            # A request by hand into a response is refused as a rule, so what is owed stays owed.
            self._line.settled()
            self._send(event_id, now, by_itself=False, repeat=repeat)

    def _send(self, event_id: str | None, now: float, *, by_itself: bool, repeat: bool) -> None:
        self._out.sent(event_id, now, by_itself=by_itself, repeat=repeat)
        self._move(GateSignal.SENT)

    def _may_ask(self) -> bool:
        return self._state is Gate.FREE and not self.turn.holds and not self._is_down

    def call_answered(self, call_id: str) -> None:
        """Note a result, and owe a response when it was the last one of its response."""
        if self.calls.answered(call_id):
            self._line.owe()

    # --- what has waited for long -----------------------------------------------------------------------------

    def hold(self, now: float) -> bool:
        """Note since when a request that is owed is held, by calls or by the user's speech; True when that changed."""
        ended_at = self.turn.unanswered(now)
        if ended_at is not None:
            self._gave_up_on = ended_at
        free = self._state is Gate.FREE
        by_calls = self.calls.watch(now, wanted=free and self._line.owed)
        by_user = self.turn.watch(now, wanted=free and not self._line.is_empty)
        return by_calls or by_user

    def expired(self, now: float) -> bool:
        """Tell whether the outstanding request was never answered, and stop waiting for it."""
        if not self._out.is_late(now):
            return False
        self._gave_up_on = None if self._out.by_itself else self._out.sent_at
        self._out.give_up()
        self._unanswered += 1
        self._move(GateSignal.UNANSWERED)
        return True

    def released(self, now: float) -> bool:
        """Tell whether calls have held a request for too long, and hold it no longer."""
        self.turn.release(now)
        return self.calls.released(now)

    # --- what the service says --------------------------------------------------------------------------------

    def talks_over(self, *, asked: bool) -> bool:
        """Tell whether a response that begins now is ours, and begins under the user's speech.

        The request crossed the beginning of the turn on its way. The service does not interrupt what begins after it,
        and refuses its own answer to the turn as long as it lasts.

        Args:
            asked: It is one that was asked for by itself. While such a one is out, any other is the service's own.
        """
        ours = self._state is Gate.REQUESTED and self._out.repeat and self._out.by_itself == asked
        return self.turn.goes_on and ours

    def talked_over(self, *, again: bool) -> None:
        """Note that such a response is cancelled, and the turn goes on.

        Args:
            again: What was asked for is owed still. Who asked for one by itself has it, cancelled, and can ask anew.
        """
        self.turn.began()
        if again:
            self._line.owe_first()

    def created(self, response_id: str | None, *, asked: bool = False) -> None:
        """Note that a response of the conversation began.

        Args:
            response_id: Which.
            asked: It is one that was asked for by itself. Any other answers all that the service had of us by then.
        """
        if asked:
            self._out.over()
            self._gave_up_on = None
        elif not self._underway:
            self._line.settled()
            self._gave_up_on = None
        self._presumed = self._state is Gate.REQUESTED and not asked
        self._out.answered()
        self.turn.passed()
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
        self._out.answered()
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
        if because_active and self._out.is_earlier(event_id):
            self._refused += 1
            if self._out.was_given_up(event_id):
                self._line.owe()
            return True
        outstanding, named = self._state is Gate.REQUESTED, self._out.is_named(event_id)
        if because_active and (named or (event_id is None and (outstanding or self._presumed))):
            self._again()
            self._presumed = False
            self._over(GateSignal.REFUSED_ACTIVE)
            return self._out.repeat
        if named and outstanding:
            self._over(GateSignal.REFUSED)
        return False

    def _again(self) -> None:
        """A request has lost a race: it goes first when the way is free."""
        if self._out.by_itself and self._out.event_id is not None:
            self._line.first_again(self._out.event_id)
        elif self._out.repeat:
            self._line.owe_first()

    def _over(self, how: GateSignal) -> None:
        self._refused += 1
        self._out.over()
        self._move(how)

    def _move(self, signal: GateSignal) -> None:
        self._state = GATES.get((self._state, signal), self._state)

    # --- from one connection to the next ----------------------------------------------------------------------

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
            self._line.owe()
        if self._state is Gate.REQUESTED:
            self._out.repeat = True
            self._again()
        elif self._cut_short() and not interrupted:
            self._line.owe_cut_off()
        for each in (self._out, self.turn, self.calls):
            each.link_down()
        self._is_down = True
        self._gave_up_on = self._active_id = None
        self._presumed = False
        self._state = Gate.FREE

    def let_be(self) -> None:
        """The user wants no more of an answer that the loss has cut off: it is not asked for again."""
        if self._is_down:
            self._line.let_be()

    def link_up(self) -> None:
        """There is a connection again."""
        self._is_down = False

    def _cut_short(self) -> bool:
        """Tell whether an answer to the talk is active that nothing else will ask for again."""
        if self._state is not Gate.ACTIVE or self._asked_for_active:
            return False
        return self._active_id is None or not self.calls.will_ask_after(self._active_id)
