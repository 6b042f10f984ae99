"""`run_call`: one session by plan, from the connection to its result."""

import time
from collections.abc import Callable, Sequence
from itertools import takewhile

import attrs
import trio

from engine.blocks import block_nursery
from engine.errors import DeadlinePassed
from engine.farm.caller.audio_file import Sound
from engine.farm.caller.call_files import CallFiles
from engine.farm.caller.ear import Ear
from engine.farm.caller.faults import CallBroken, Fault, fault_of, is_of_a_call, tool_fault
from engine.farm.caller.files import FileSink
from engine.farm.caller.judging import Findings, judge
from engine.farm.caller.measures import measured_result, priced, sound_of
from engine.farm.caller.mouth import Mouth, Spoken
from engine.farm.caller.preparing import Prepared, prepare
from engine.farm.caller.threads import in_thread
from engine.farm.caller.toolbox import WatchedTools
from engine.farm.caller.turns import Telling, turn_results, unheard_turns
from engine.farm.caller.walk import Walk
from engine.farm.caller.watch import Watch
from engine.farm.job import Grant, Result, Status, TurnResult
from engine.farm.plan.model import Plan, Scenario
from engine.session import Session, open_session
from engine.transport.base import Connector
from engine.wire.server import RateLimit


async def run_call(
    plan: Plan,
    grant: Grant,
    *,
    sink: FileSink | None = None,
    key: str | None = None,
    connector: Connector | None = None,
    watch: Watch | None = None,
    unix_time: Callable[[], float] = time.time,
) -> Result:
    """Have one session, and tell what came of it. Whatever breaks is told by the result.

    Cancelled, it leaves no files behind. It uses threads for files and sound alone.

    Args:
        plan: Of the run.
        grant: What to try.
        sink: Takes the files; None keeps none.
        key: For the service; None where the environment has it, or the target is a simulator.
        connector: How to connect; the network when None.
        watch: Told while it runs.
        unix_time: Gives Unix time in s.

    Returns:
        The result, whole but for `worker`.
    """
    files = CallFiles(sink, grant, plan.keep.format) if sink is not None else None
    call = _Call(
        plan=plan,
        grant=grant,
        files=files,
        key=key,
        connector=connector,
        watch=watch if watch is not None else Watch(),
        unix_time=unix_time,
    )
    try:
        return await call.run()
    except BaseException as error:
        taken = call.taken()
        if not isinstance(error, Exception) and call.watch.cut is not None:
            call.watch.cut(taken)
        if files is not None:
            await files.drop()
        if not isinstance(error, Exception):
            raise
        # A fault of ours, where the result is made: this call's alone.
        return attrs.evolve(taken, status="error", error_kind="crash", error=fault_of(error, opened=True).words)


@attrs.define(eq=False, kw_only=True)
class _Call:
    """One try."""

    plan: Plan
    grant: Grant
    files: CallFiles | None
    key: str | None
    connector: Connector | None
    watch: Watch
    unix_time: Callable[[], float]
    _session: Session | None = None
    _ear: Ear = attrs.field(factory=Ear)
    _mouth: Mouth | None = None
    _walk: Walk | None = None
    _tools: WatchedTools | None = None
    _began_at: float = attrs.field(factory=trio.current_time)
    _began_unix: float = 0.0
    _opened_at: float | None = None
    _hung_up_at: float | None = None
    _told: int = 0
    _limits: tuple[RateLimit, ...] = ()

    async def run(self) -> Result:
        """Have it."""
        fault, scenario = None, None
        self._began_unix = self.unix_time()
        try:
            prepared = await prepare(self.plan, self.grant, self.key)
            scenario = prepared.scenario
            await self._talk_in_time(prepared)
        except BaseException as error:
            if not is_of_a_call(error):
                raise
            fault = fault_of(error, opened=self._opened_at is not None)
        return await self._tell(scenario, fault)

    def taken(self) -> Result:
        """Tell what a call took that has no result of its own: it was spent."""
        outline = self._outline()
        try:
            return attrs.evolve(self._with_figures(outline), spans=())
        except Exception:  # noqa: BLE001 - what is told of a fault or a cancellation must not take its place
            return outline

    def _outline(self) -> Result:
        return Result(
            attempt_id=self.grant.attempt_id,
            job=self.grant.job.number,
            scenario=self.grant.job.scenario,
            attempt=self.grant.attempt,
            began_at=self._began_unix,
            duration_ms=self._ms(trio.current_time()),
            connect_ms=None if self._opened_at is None else self._ms(self._opened_at),
        )

    # --- the talk ---------------------------------------------------------------------------------------------------

    async def _talk_in_time(self, prepared: Prepared) -> None:
        limit_s = prepared.scenario.deadline_s
        if self.files is not None:
            await self.files.begin()
        self._began_at, self._began_unix = trio.current_time(), self.unix_time()
        self._ear, self._tools = self._make_ear(), prepared.tools
        with self.watch.call(self._talks), trio.move_on_after(limit_s) as scope:
            await self._talk(prepared)
        if scope.cancelled_caught:
            where = f" at step {self._walk.step}" if self._walk is not None else ""
            words = f"the session took longer than the scenario's deadline_s of {limit_s:g} s{where}"
            raise DeadlinePassed("deadline_s", limit_s, message=words)

    async def _talk(self, prepared: Prepared) -> None:
        recorder = self.files.recorder if self.files is not None else None
        async with open_session(prepared.config, connector=self.connector, record=recorder) as session:
            self._session, self._opened_at = session, trio.current_time()
            self._mouth = Mouth(session, prepared.config.engine.input_frame_ms)
            self._walk = Walk(session, self._ear, self._mouth, prepared.speeches, self._step_done)
            async with block_nursery() as nursery:
                nursery.start_soon(self._ear.listen, session, session.run(prepared.tools))
                if await self._walk.go(prepared.scenario.turns):
                    self._hung_up_at = trio.current_time()
                    nursery.cancel_scope.cancel()
            if self._hung_up_at is None:  # The ear has heard the end, and raises nothing: it was in order.
                where = f"step {self._walk.step} of {len(prepared.scenario.turns)}"
                raise CallBroken(Fault("connection", f"the service ended the session at {where}"))
            self._ear.heard.hung_up(trio.current_time())

    def _make_ear(self) -> Ear:
        spool = self.files.spool if self.files is not None else None
        return Ear(spool, self._tell_tokens if self.watch.took is not None else None)

    def _tell_tokens(self) -> None:
        if self.watch.took is not None and self._session is not None:
            self.watch.took(self.grant.attempt_id, self._session.statistics().totals.tokens.total)

    def _talks(self, now: float) -> bool:
        return (self._mouth is not None and self._mouth.speaking) or self._ear.heard.ends_at > now

    def _step_done(self) -> None:
        """Tell the worker of what is new."""
        self._tell_limits()
        if self.watch.turn_ended is not None and not self._ear.answering:
            over = takewhile(lambda turn: turn.status != "unanswered", self._turns(after=self._told))
            self._tell_turns(tuple(over))

    def _tell_limits(self) -> None:
        """Tell what the service said of the account, once: later it holds no more."""
        limits = self._session.rate_limits if self._session is not None else ()
        if limits is not self._limits:
            self._limits = limits
            self.watch.told_limits(limits)

    def _tell_turns(self, turns: tuple[TurnResult, ...]) -> None:
        for turn in turns:
            if self.watch.turn_ended is not None and turn.number > self._told:
                self.watch.turn_ended(turn)
                self._told = turn.number

    # --- after ------------------------------------------------------------------------------------------------------

    async def _tell(self, scenario: Scenario | None, fault: Fault | None) -> Result:
        self._ear.heard.hung_up(trio.current_time())
        turns = self._all_turns()
        self._tell_limits()
        self._tell_turns(turns)
        fault, outline = fault or tool_fault(self._tools.raised if self._tools is not None else None), self._outline()
        errors = [*self._ear.errors, *([fault.words] if fault is not None else [])]
        findings = Findings(turns=turns, errors=errors)
        expected = scenario.expect if scenario is not None else ()
        verdicts = await in_thread(lambda: judge(expected, findings)) if expected else ()
        passed = fault is None and all(verdict.held for verdict in verdicts)
        status: Status = "passed" if passed else "failed" if fault is None else "error"
        result = attrs.evolve(outline, status=status, turns=turns, verdicts=verdicts)
        if fault is not None:
            result = attrs.evolve(result, error_kind=fault.kind, error=fault.words, retry_after_s=fault.retry_after_s)
        return await self._with_files(self._with_figures(result), passed=passed)

    def _turns(self, *, after: int = 0) -> tuple[TurnResult, ...]:
        if self._session is None or self._walk is None or self._tools is None:
            return ()
        return turn_results(self._session, self._telling(), after)

    def _all_turns(self) -> tuple[TurnResult, ...]:
        turns = self._turns()
        return turns + unheard_turns(self._session, self._telling()) if self._session is not None else turns

    def _telling(self) -> Telling:
        uttered = self._walk.uttered if self._walk is not None else []
        tools = self._tools
        if tools is None:
            raise AssertionError("a call that has turns has tools")
        return Telling(self._began_at, self._ear, uttered, tools, trio.current_time(), self._hung_up_at)

    def _with_figures(self, result: Result) -> Result:
        if self._session is None or self._tools is None:
            return result
        result = measured_result(result, self._session, self._telling(), self._said)
        return priced(result, self._session, self.plan.target)

    async def _with_files(self, result: Result, *, passed: bool) -> Result:
        if self.files is None:
            return result
        files = await self.files.finish(self._sound(result), result.turns, passed=passed)
        return attrs.evolve(result, files=files, notes=(*result.notes, *self.files.notes))

    def _sound(self, result: Result) -> Sound:
        spool = self.files.spool if self.files is not None else None
        if self._tools is None or spool is None:
            return Sound((), (), None, 0)
        return sound_of(result, self._telling(), self._said, spool)

    @property
    def _said(self) -> Sequence[Spoken]:
        return self._mouth.said if self._mouth is not None else ()

    def _ms(self, at: float) -> float:
        return round((at - self._began_at) * 1000, 3)
