"""Runs the model's calls in a session: all at once up to a limit, each with its deadline, each answered once."""

import logging
from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING, Final

import attrs
import trio

from engine.counting import ToolStatistics
from engine.errors import LocalMisuse
from engine.events import ToolResultEvent, ToolUseStreamEvent
from engine.tools import bounds, results
from engine.tools.batches import Batch, Batches
from engine.tools.call import CallReport, Deferred, Outcome, ToolCall, ToolContext
from engine.tools.host import ToolHost
from engine.tools.running import Workers, contained, run_call, run_later
from engine.tools.statistics import Tally
from engine.tools.tool import Tool

if TYPE_CHECKING:
    from engine.tools.registry import Tools

logger = logging.getLogger(__name__)

_REMEMBERED_CALLS: Final = 1024
"""Ids that are kept, so that a call that is told twice runs once."""


@attrs.define(eq=False)
class _Job:
    """A call under way.

    Attributes:
        interrupted: The user cut in, and the tool was cancelled for it.
        has_outcome: The model's answer stands; the call takes no place any more.
    """

    call: ToolCall
    tool: Tool | None
    batch: Batch
    began_at: float
    scope: trio.CancelScope
    interrupted: bool = False
    has_outcome: bool = False

    @property
    def cancels(self) -> bool:
        return self.tool is not None and self.tool.settings.cancel_on_interruption


class ToolRunner:
    """Takes the calls of one session and sends their results. Made by `Tools.runner`.

    A session tells it of calls, of the ends of responses and of interruptions; none of these waits.

    Args:
        tools: What the model may call. A tool that is added later can be called at once.
        host: The session.
        on_report: Told of each call that is over, after `Tools.on_report`.
    """

    def __init__(
        self,
        tools: "Tools",
        host: ToolHost,
        *,
        on_report: Callable[[CallReport], None] | None = None,
    ) -> None:
        self._tools = tools
        self._host = host
        self._most = tools.limit + tools.waiting_limit
        self._listeners = [listen for listen in (tools.on_report, on_report) if listen is not None]
        self._places = trio.CapacityLimiter(tools.limit)
        self._workers = Workers(host.invoke)
        self._batches = Batches()
        self._tally = Tally()
        self._jobs: dict[str, _Job] = {}
        self._seen: dict[str, None] = {}
        self._deferred = 0
        self._is_ending = False

    def statistics(self) -> ToolStatistics:
        """Give a snapshot."""
        places = self._places.statistics()
        return ToolStatistics(
            running=places.borrowed_tokens,
            waiting=places.tasks_waiting,
            deferred=self._deferred,
            held=self._batches.held,
            hung_threads=self._workers.hung,
            done=self._tally.total("done"),
            failed=self._tally.total("failed"),
            timed_out=self._tally.total("timed_out"),
            interrupted=self._tally.total("interrupted"),
            refused=self._tally.total("refused"),
            repeated=self._tally.repeated,
            dropped=self._tally.dropped,
            by_tool=self._tally.by_tool(),
        )

    # --- what the session tells --------------------------------------------------------------------------------

    def call(self, event: ToolUseStreamEvent) -> None:
        """Take a call, the moment it arrives, and start it."""
        call = ToolCall.of(event)
        if call.call_id in self._seen:
            self._tally.repeated += 1
            return
        self._remember(call.call_id)
        job = self._job(call)
        is_one_too_many = sum(not each.has_outcome for each in self._jobs.values()) >= self._most
        self._jobs[call.call_id] = job
        name = job.tool.name if job.tool else "(unknown)"
        self._host.spawn(partial(self._live, job, is_one_too_many), f"engine tool {name}")

    def response_done(self, response_id: str) -> None:
        """Take note that a response is over: its results go out when all are there."""
        self._batches.response_done(response_id)

    def interrupted(self, response_ids: Collection[str] | None = None) -> None:
        """Cancel the calls whose tools ask for it; the others go on.

        Args:
            response_ids: The responses that were interrupted; None for whatever runs.
        """
        for job in self._jobs.values():
            if job.cancels and (response_ids is None or job.call.response_id in response_ids):
                job.interrupted = True
                job.scope.cancel()

    # --- a call ------------------------------------------------------------------------------------------------

    def _remember(self, call_id: str) -> None:
        self._seen[call_id] = None
        if len(self._seen) > _REMEMBERED_CALLS:
            del self._seen[next(iter(self._seen))]

    def _job(self, call: ToolCall) -> _Job:
        tool, now = self._tools.get(call.name), trio.current_time()
        limit_s = tool.settings.answer_s if tool else bounds.TOOL_DEADLINE_S
        batch = self._batches.open(call.call_id, call.response_id)
        return _Job(call, tool, batch, now, trio.CancelScope(deadline=now + limit_s))

    async def _live(self, job: _Job, is_one_too_many: bool) -> None:
        try:
            outcome = await self._outcome(job, is_one_too_many)
            self._answer(job, outcome)
            later = outcome.later
            if job.tool is not None and later is not None:
                outcome = await self._work_on(job, job.tool, later)
            self._report(job, outcome, deferred=later is not None)
        finally:
            del self._jobs[job.call.call_id]
        if job.tool is not None and job.tool.settings.ends_session and outcome.ending == "done":
            await self._end_after(job.batch)

    async def _outcome(self, job: _Job, is_one_too_many: bool) -> Outcome:
        call, tool = job.call, job.tool
        if tool is None:
            return Outcome("refused", results.unknown(call.name, self._tools.names))
        if is_one_too_many:
            return Outcome("refused", results.too_many(tool.name, self._tools.waiting_limit))
        context = ToolContext(self._host.session, call.call_id, tool.name, call.response_id)
        raised: list[Exception] = []
        with job.scope, contained(raised):
            async with self._places:
                outcome = await run_call(tool, call, context, self._workers)
            return self._checked(tool, outcome)
        error = raised[0] if raised else None
        if job.interrupted:
            return Outcome("interrupted", results.interrupted(tool.name), error)
        return Outcome("timed_out", results.timed_out(tool.name, tool.settings.answer_s), error)

    def _checked(self, tool: Tool, outcome: Outcome) -> Outcome:
        """Take deferred work on, if there is room for it."""
        if outcome.later is None:
            return outcome
        if self._deferred >= bounds.DEFERRED_AT_ONCE:
            return Outcome("refused", results.too_many(tool.name, bounds.DEFERRED_AT_ONCE))
        self._deferred += 1
        return outcome

    def _answer(self, job: _Job, outcome: Outcome) -> None:
        """Put the answer to the others of its response."""
        job.has_outcome = True
        status = "success" if outcome.ending == "done" else "error"
        result = {"toolUseId": job.call.call_id, "status": status, "content": outcome.content}
        job.batch.results[job.call.call_id] = ToolResultEvent(result, outcome.exception)
        if job.batch.is_whole:
            try:
                self._host.spawn(partial(self._send_all, job.batch), "engine tool results")
            except LocalMisuse as error:  # The session is over, but for what it still sends.
                self._drop(error, len(self._batches.take(job.batch)))

    async def _send_all(self, batch: Batch) -> None:
        """Send a response's results, once it is over. A later call of it makes the batch wait again."""
        with trio.move_on_after(bounds.TOOL_HOLD_S):
            await batch.over.wait()
        answers = self._batches.take(batch)
        for answer in answers:
            try:
                await self._host.send(answer)
            except LocalMisuse as error:
                self._drop(error)
        if answers:
            batch.sent.set()

    def _drop(self, error: LocalMisuse, count: int = 1) -> None:
        self._tally.dropped += count
        logger.info("results of tools were dropped: %d (%s)", count, type(error).__name__)

    # --- afterwards --------------------------------------------------------------------------------------------

    async def _work_on(self, job: _Job, tool: Tool, later: Deferred) -> Outcome:
        """Do deferred work and tell the model its result."""
        limit_s = later.deadline_s or tool.settings.work_s
        raised: list[Exception] = []
        outcome: Outcome | None = None
        try:
            with trio.move_on_after(limit_s), contained(raised):
                outcome = await run_later(tool, later, self._workers)
        finally:
            self._deferred -= 1
        if outcome is None:
            outcome = Outcome("timed_out", results.timed_out(tool.name, limit_s), raised[0] if raised else None)
        await job.batch.sent.wait()
        try:
            await self._host.tell(
                f"Result of {tool.name} (call {job.call.call_id}): {results.as_text(outcome.content)}"
            )
        except LocalMisuse as error:
            self._drop(error)
        return outcome

    async def _end_after(self, batch: Batch) -> None:
        """End the session, once the model has read the result and said its goodbye."""
        await batch.sent.wait()
        if self._is_ending:
            return
        self._is_ending = True
        with trio.move_on_after(bounds.GOODBYE_DEADLINE_S):
            await self._host.heard_out()
        await self._host.end()

    def _report(self, job: _Job, outcome: Outcome, *, deferred: bool) -> None:
        self._tally.ended(job.tool.name if job.tool else None, outcome.ending)
        took_s = trio.current_time() - job.began_at
        kind = "" if outcome.exception is None else f" ({type(outcome.exception).__name__})"
        logger.info("call %s: %s%s after %.3f s", job.call.call_id, outcome.ending, kind, took_s)
        report = CallReport(
            call=job.call,
            ending=outcome.ending,
            began_at=job.began_at,
            took_s=took_s,
            deferred=deferred,
            exception=outcome.exception,
        )
        for listen in self._listeners:
            try:
                self._host.notify(listen, report)
            except Exception as error:  # noqa: BLE001 - a listener is no part of the conversation
                logger.warning("a listener to tool reports raised %s", type(error).__name__)
