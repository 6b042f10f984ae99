"""Calls under way: together and in order, each with its deadline, each answered once, whatever the tools do."""

import logging
import threading
from typing import Annotated

import pytest
import trio
import trio.testing
from pydantic import AfterValidator
from tool_host import eventually, room

from engine.tools import CallReport, Deferred, ToolCall, ToolContext, Tools, bounds
from engine.tools.tool import ToolSettings


async def quick():
    return "quick"


async def slow():
    await trio.sleep(5)
    return "slow"


async def hangs():
    await trio.sleep_forever()


async def raises():
    raise LookupError("no such city")


def tools_of(*functions, **settings):
    tools = Tools()
    for function in functions:
        tools.add(**settings)(function)
    return tools


class Gate:
    """A plain function that blocks its thread until a test lets it go."""

    def __init__(self):
        self.go = threading.Event()
        self.entered = threading.Semaphore(0)

    def block(self):
        self.entered.release()
        self.go.wait(30)
        return "late"


# --- one call ---------------------------------------------------------------------------------------------------------


async def test_a_call_is_answered_with_what_its_tool_returns(autojump_clock):
    def unused():
        pass

    async with room(quick, unused) as it:
        await it.calls("quick")

        assert [each.tool_result for each in it.host.sent] == [
            {"toolUseId": "c1", "status": "success", "content": [{"text": "quick"}]}
        ]
        assert it.runner.statistics().by_tool == {"quick": {"done": 1}}


async def test_taking_a_call_does_not_wait(autojump_clock):
    async with room(hangs) as it:
        it.call("hangs")
        assert it.runner.statistics().running == 0, "it has not even begun"
        await it.quiet()
        assert it.runner.statistics().running == 1


async def test_arguments_arrive_converted_and_the_context_is_given(autojump_clock):
    got = []

    async def take(number: int, context: ToolContext):
        got.append((number, context))

    async with room(take) as it:
        it.call("take", {"number": "3"}, call_id="c9")
        await it.quiet()

    assert got == [(3, ToolContext("the session", "c9", "take", "r1"))]


async def test_a_plain_function_runs_in_a_thread_and_may_return_something_to_await():
    async def inner():
        return "awaited"

    def where():
        assert threading.current_thread() is not threading.main_thread()
        return inner()

    async with room(where) as it:
        it.call("where", response_id=None)
        await eventually(lambda: it.host.sent)

    assert it.answers == {"c1": "awaited"}


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("fly", {}, "Error: there is no tool called 'fly'. The tools are: quick, raises, add, odd, big."),
        ("raises", {}, "Error: raises failed with LookupError: no such city"),
        ("add", {"a": "x"}, "Error: the arguments of add do not fit: a: Input should be a valid integer"),
        ("add", {}, "Error: the arguments of add do not fit: a: Field required"),
        ("odd", {}, "Error: odd ran, but it returned a object, which can't be written as JSON."),
        ("big", {}, "Error: big ran, but its result has 10,485,760 bytes, over the bound of 65,536. Ask for less"),
    ],
)
async def test_what_goes_wrong_is_told_to_the_model_and_the_next_call_works(name, arguments, says, autojump_clock):
    async def add(a: int):
        return a

    async def odd():
        return object()

    async def big():
        return "x" * 10 * 2**20

    async with room(quick, raises, add, odd, big) as it:
        it.call(name, arguments)
        it.runner.response_done("r1")
        await it.quiet()
        await it.calls("quick", response_id="r2")

        assert it.answers["c1"].startswith(says)
        assert it.host.sent[0].tool_result["status"] == "error"
        assert it.answers["c2"] == "quick"


async def test_a_validator_that_breaks_is_a_failure_of_its_call(autojump_clock):
    def breaks(value):
        raise RuntimeError("no database")

    async def take(number: Annotated[int, AfterValidator(breaks)]):
        pass

    async with room(take, quick) as it:
        it.call("take", {"number": 1})
        it.runner.response_done("r1")
        await it.quiet()

        assert it.answers == {"c1": "Error: take failed with RuntimeError: no database"}


async def test_a_contracts_error_result_counts_as_a_failure(autojump_clock):
    async def says_no():
        return {"toolUseId": "?", "status": "error", "content": [{"text": "no"}]}

    async with room(says_no) as it:
        await it.calls("says_no")

        assert it.host.sent[0].tool_result == {"toolUseId": "c1", "status": "error", "content": [{"text": "no"}]}
        assert it.runner.statistics().failed == 1


async def test_the_exception_goes_to_the_application_and_not_to_the_log(autojump_clock, caplog):
    caplog.set_level(logging.DEBUG)
    reports = []
    tools = Tools([raises], on_report=reports.append)

    async with room(tools=tools, on_report=reports.append) as it:
        await it.calls("raises")

    assert isinstance(it.host.sent[0].exception, LookupError)
    assert [report.exception.args for report in reports] == [("no such city",)] * 2
    assert "LookupError" in caplog.text
    assert "no such city" not in caplog.text


async def test_a_listener_that_raises_stops_nothing(autojump_clock, caplog):
    def listen(report: CallReport):
        raise ValueError("secret")

    async with room(tools=Tools([quick], on_report=listen)) as it:
        await it.calls("quick", "quick")
        assert len(it.host.sent) == 2

    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text


async def test_a_report_says_what_happened_and_when(autojump_clock):
    reports = []
    async with room(slow, on_report=reports.append) as it:
        begun = trio.current_time()
        it.call("slow", {})
        await trio.sleep(6)

    assert reports == [
        CallReport(
            call=ToolCall("c1", "slow", {}, "r1"),
            ending="done",
            began_at=begun,
            took_s=5,
            deferred=False,
            exception=None,
        )
    ]


async def test_what_is_no_exception_passes(autojump_clock):
    async def exits():
        raise SystemExit(3)

    with pytest.RaisesGroup(SystemExit, flatten_subgroups=True):
        async with room(exits) as it:
            await it.calls("exits")


# --- deadlines --------------------------------------------------------------------------------------------------------


async def test_a_tool_that_hangs_is_stopped_at_its_deadline(autojump_clock):
    async with room(tools=tools_of(hangs, deadline_s=7)) as it:
        it.call("hangs")
        it.runner.response_done("r1")
        begun = trio.current_time()
        await trio.sleep(7.001)

        assert it.host.sent_at["c1"] - begun == pytest.approx(7)
        assert it.answers["c1"].startswith("Error: hangs gave no result within 7 s and was stopped.")
        assert it.runner.statistics().timed_out == 1


async def test_the_default_deadline_is_below_the_engines_own():
    from engine.limits import TOOL_RESULT_DEADLINE_S

    assert ToolSettings().answer_s + bounds.TOOL_HOLD_S < TOOL_RESULT_DEADLINE_S


async def test_a_plain_function_that_hangs_keeps_a_thread_and_stops_nobody():
    gate = Gate()

    def also_plain():
        return "fine"

    tools = tools_of(gate.block, deadline_s=0.05)
    tools.add(also_plain)
    async with room(tools=tools) as it:
        it.call("block", response_id=None)
        await eventually(lambda: "c1" in it.answers)
        assert "was stopped" in it.answers["c1"]
        assert it.runner.statistics().hung_threads == 1
        it.call("also_plain", response_id=None)
        await eventually(lambda: "c2" in it.answers)
        assert it.answers["c2"] == "fine"
        gate.go.set()
        await eventually(lambda: not (it.runner.statistics().hung_threads))
        assert len(it.host.sent) == 2, "the late result is lost"


async def test_the_time_for_a_place_counts_too(autojump_clock):
    async with room(tools=tools_of(hangs, deadline_s=7), limit=1) as it:
        it.call("hangs")
        it.call("hangs")
        it.runner.response_done("r1")
        await trio.sleep(7.001)

        assert it.runner.statistics().timed_out == 2


# --- how many ---------------------------------------------------------------------------------------------------------


async def test_no_more_than_the_limit_run_at_once_and_the_rest_wait(autojump_clock):
    running = most = 0

    async def count():
        nonlocal running, most
        running += 1
        most = max(most, running)
        await trio.sleep(1)
        running -= 1

    async with room(count, limit=3) as it:
        await it.calls(*["count"] * 10)
        figures = it.runner.statistics()
        assert (figures.running, figures.waiting) == (3, 7)
        await trio.sleep(5)

        assert most == 3
        assert it.order == [f"c{number}" for number in range(1, 11)]


async def test_past_the_bound_on_waiting_a_call_is_refused(autojump_clock):
    async with room(slow, limit=2, waiting_limit=3) as it:
        await it.calls(*["slow"] * 7)
        await trio.sleep(20)

        refused = [call_id for call_id, text in it.answers.items() if "not run: 3 calls are waiting" in text]
        assert refused == ["c6", "c7"]
        await it.calls("slow", response_id="r2")
        await trio.sleep(6)
        assert it.answers["c8"] == "slow"


# --- together ---------------------------------------------------------------------------------------------------------


async def test_results_go_out_together_in_call_order_when_the_last_is_ready(autojump_clock):
    async with room(quick, slow) as it:
        await it.calls("slow", "quick", "fly")
        assert it.host.sent == []
        assert it.runner.statistics().held == 2
        await trio.sleep(6)

        assert it.order == ["c1", "c2", "c3"]
        assert len(set(it.host.sent_at.values())) == 1
        assert it.runner.statistics().held == 0


async def test_results_wait_for_the_end_of_their_response(autojump_clock):
    async with room(quick) as it:
        it.call("quick")
        await it.quiet()
        it.call("quick")
        await it.quiet()
        assert it.host.sent == []
        it.runner.response_done("other")
        await it.quiet()
        assert it.host.sent == []
        it.runner.response_done("r1")
        await it.quiet()
        assert it.order == ["c1", "c2"]


async def test_an_end_that_never_comes_is_waited_for_with_a_bound(autojump_clock):
    async with room(quick, hangs) as it:
        it.call("quick")
        await trio.sleep(bounds.TOOL_HOLD_S - 0.001)
        assert it.host.sent == []
        await trio.sleep(0.002)
        assert it.order == ["c1"]
        it.call("quick")
        await trio.sleep(bounds.TOOL_HOLD_S + 0.001)
        assert it.order == ["c1", "c2"]


async def test_a_call_that_comes_while_the_end_is_waited_for_is_waited_for_too(autojump_clock):
    async with room(quick, slow) as it:
        it.call("quick")
        await it.quiet()
        it.call("slow")
        it.runner.response_done("r1")
        await trio.sleep(1)
        assert it.host.sent == []
        await trio.sleep(5)
        assert it.order == ["c1", "c2"]


async def test_a_call_after_the_end_of_its_response_is_answered_on_its_own(autojump_clock):
    async with room(quick) as it:
        await it.calls("quick")
        it.call("quick")
        await it.quiet()
        assert it.order == ["c1", "c2"]


async def test_ends_of_many_responses_are_not_kept_for_ever(autojump_clock):
    async with room(quick) as it:
        for number in range(1100):
            await it.calls("quick", response_id=f"r{number}")
        assert len(it.host.sent) == 1100
        assert len(it.runner._batches._over) == 64
        assert it.runner._batches._batches == {}
        assert it.runner._jobs == {}
        assert len(it.runner._seen) == 1024


async def test_a_call_that_is_told_twice_runs_once(autojump_clock):
    ran = []

    async def once():
        ran.append(1)

    async with room(once) as it:
        it.call("once", call_id="same")
        it.call("once", call_id="same")
        it.runner.response_done("r1")
        await it.quiet()
        it.call("once", call_id="same")
        await it.quiet()

        assert ran == [1]
        assert it.order == ["same"]
        assert it.runner.statistics().repeated == 2


async def test_a_result_that_nobody_can_take_is_dropped_and_counted(autojump_clock):
    async with room(quick, slow) as it:
        it.call("slow")
        it.call("quick", response_id="r2", call_id="by hand")
        it.host.sent_at["by hand"] = 0
        it.runner.response_done("r1")
        it.runner.response_done("r2")
        await it.quiet()
        assert it.runner.statistics().dropped == 1, "the application answered it"
        it.host.is_over = True
        await trio.sleep(6)

        assert it.host.sent == []
        assert it.runner.statistics().dropped == 2


async def test_the_end_of_the_session_cancels_what_runs(autojump_clock):
    cleaned = []

    async def works():
        try:
            await trio.sleep_forever()
        finally:
            cleaned.append("works")

    async with room(works) as it:
        await it.calls("works", "works")

    assert cleaned == ["works"] * 2
    assert it.host.sent == []
    assert it.runner.statistics().running == 0


# --- barge-in ---------------------------------------------------------------------------------------------------------


async def stops():
    await trio.sleep_forever()


def with_a_tool_that_stops(*others):
    tools = tools_of(stops, cancel_on_interruption=True)
    for other in others:
        tools.add(other)
    return tools


@pytest.mark.parametrize("which", [None, {"r1"}, frozenset({"r0", "r1"})])
async def test_an_interruption_cancels_tools_that_ask_for_it_and_no_others(which, autojump_clock):
    async with room(tools=with_a_tool_that_stops(slow)) as it:
        await it.calls("stops", "slow", "stops")
        it.runner.interrupted(which)
        await it.quiet()
        figures = it.runner.statistics()
        assert (figures.interrupted, figures.running) == (2, 1)
        await trio.sleep(6)

        assert it.order == ["c1", "c2", "c3"]
        assert it.answers["c1"].startswith("Error: stops was interrupted by the user")
        assert it.answers["c2"] == "slow"


async def test_an_interruption_of_another_response_cancels_nothing(autojump_clock):
    async with room(tools=with_a_tool_that_stops()) as it:
        await it.calls("stops")
        it.runner.interrupted({"r2"})
        it.runner.interrupted(set())
        await it.quiet()
        assert it.runner.statistics().running == 1


async def test_an_interruption_reaches_a_call_that_waits_or_has_not_begun(autojump_clock):
    async with room(tools=with_a_tool_that_stops(), limit=1) as it:
        await it.calls("stops", "stops")
        it.call("stops", response_id="r2")
        it.runner.response_done("r2")
        it.runner.interrupted(None)
        await it.quiet()

        assert sorted(it.order) == ["c1", "c2", "c3"]
        assert it.runner.statistics().interrupted == 3


async def test_an_interruption_after_the_answer_changes_nothing(autojump_clock):
    async def brief():
        return "brief"

    tools = tools_of(brief, cancel_on_interruption=True)
    tools.add(slow)
    async with room(tools=tools) as it:
        await it.calls("brief", "slow")
        it.runner.interrupted(None)
        await trio.sleep(6)
        it.runner.interrupted(None)

        assert it.answers == {"c1": "brief", "c2": "slow"}


async def test_a_cancelled_tool_may_clean_up_and_even_finish(autojump_clock):
    async def careful():
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(2)

    async def stubborn():
        with trio.CancelScope(shield=True):
            await trio.sleep(2)
        return "done all the same"

    async with room(tools=tools_of(careful, stubborn, cancel_on_interruption=True)) as it:
        await it.calls("careful", "stubborn")
        it.runner.interrupted(None)
        await trio.sleep(3)

        assert it.answers["c1"].startswith("Error: careful was interrupted")
        assert it.answers["c2"] == "done all the same"


# --- approval ---------------------------------------------------------------------------------------------------------


async def test_a_call_is_approved_with_its_arguments_and_only_when_they_fit(autojump_clock):
    asked = []

    async def approve(call: ToolCall):
        asked.append((call.name, dict(call.arguments), call.call_id))
        return True

    tools = Tools()

    @tools.add(approve=approve)
    async def pay(amount: int):
        return amount

    async with room(tools=tools) as it:
        it.call("pay", {"amount": "many"})
        it.call("pay", {"amount": 5})
        it.runner.response_done("r1")
        await it.quiet()

        assert asked == [("pay", {"amount": 5}, "c2")]
        assert it.answers["c2"] == 5


class NoError(Exception):
    pass


def _raises(call):
    raise NoError("secret")


@pytest.mark.parametrize(
    ("approve", "says"),
    [
        (lambda call: False, "Error: pay was not run: it was declined."),
        (lambda call: "over the limit", "Error: pay was not run: it was declined: over the limit"),
        (lambda call: "", "Error: pay was not run: it was declined."),
        (lambda call: None, "Error: pay was not run: it was declined."),
        (lambda call: 1, "Error: pay was not run: it was declined."),
        (_raises, "Error: pay was not run: it was declined: approval could not be asked for"),
    ],
)
async def test_anything_but_true_is_a_no(approve, says, autojump_clock):
    ran = []

    async def later(call):
        return approve(call)

    tools = Tools()

    @tools.add(approve=later)
    async def pay():
        ran.append(1)

    async with room(tools=tools) as it:
        await it.calls("pay")

        assert it.answers == {"c1": says}
        assert ran == []
        assert it.runner.statistics().refused == 1


async def test_a_plain_approval_may_block():
    gate = Gate()

    def approve(call):
        gate.block()
        return True

    async with room(tools=tools_of(quick, approve=approve)) as it:
        it.call("quick", response_id=None)
        with trio.fail_after(10):
            await trio.to_thread.run_sync(gate.entered.acquire)
            assert it.runner.statistics().running == 1
            assert it.runner.statistics().hung_threads == 0
            gate.go.set()
        await eventually(lambda: it.host.sent)
    assert it.answers == {"c1": "quick"}


async def test_an_approval_that_does_not_come_is_bounded_by_the_deadline(autojump_clock):
    async def approve(call):
        await trio.sleep_forever()

    async with room(tools=tools_of(quick, approve=approve, deadline_s=7)) as it:
        await it.calls("quick")
        await trio.sleep(8)

        assert "within 7 s" in it.answers["c1"]


# --- deferred ---------------------------------------------------------------------------------------------------------


async def test_a_deferred_tool_is_answered_at_once_and_told_later(autojump_clock):
    reports = []
    async with room(tools=tools_of(slow, raises, deferred=True), on_report=reports.append) as it:
        await it.calls("slow", "raises")
        assert it.answers["c1"].startswith("slow has been started and is not done yet.")
        assert it.host.sent[0].tool_result["status"] == "success"
        assert it.host.told == ["Result of raises (call c2): Error: raises failed with LookupError: no such city"]
        assert it.runner.statistics().deferred == 1
        await trio.sleep(6)

        assert it.host.told[1:] == ["Result of slow (call c1): slow"]
        assert it.host.log == ["result", "result", "told", "told"]
        assert [(each.call.name, each.ending, each.took_s, each.deferred) for each in reports] == [
            ("raises", "failed", 0, True),
            ("slow", "done", 5, True),
        ]


async def test_a_tool_may_decide_to_defer_with_a_note_of_its_own(autojump_clock):
    async def order(pizzas: int):
        async def bake():
            await trio.sleep(pizzas * 60)
            return {"baked": pizzas}

        return Deferred(bake, note="In the oven.") if pizzas > 1 else "here"

    async with room(order) as it:
        it.call("order", {"pizzas": 1})
        it.call("order", {"pizzas": 3})
        it.runner.response_done("r1")
        await it.quiet()
        assert it.answers == {"c1": "here", "c2": "In the oven."}
        await trio.sleep(181)

        assert it.host.told == ['Result of order (call c2): {"baked": 3}']


async def test_deferred_work_has_a_deadline_and_no_interruption_touches_it(autojump_clock):
    def lazy():
        return Deferred(hangs, deadline_s=100)

    async def as_coroutine():
        return lazy()

    tools = tools_of(hangs, deferred=True, deadline_s=50, cancel_on_interruption=True)
    tools.add(name="lazy", cancel_on_interruption=True)(as_coroutine)
    async with room(tools=tools) as it:
        await it.calls("hangs", "lazy")
        it.runner.interrupted(None)
        await trio.sleep(50.001)
        assert it.host.told[0].startswith("Result of hangs (call c1): Error: hangs gave no result within 50 s")
        await trio.sleep(50)
        assert it.host.told[1].startswith("Result of lazy (call c2): Error: lazy gave no result within 100 s")
        assert it.runner.statistics().timed_out == 2
        assert it.runner.statistics().deferred == 0


async def test_deferred_work_without_a_deadline_of_its_own_has_ours(autojump_clock):
    async with room(tools=tools_of(hangs, deferred=True)) as it:
        await it.calls("hangs")
        await trio.sleep(bounds.DEFERRED_DEADLINE_S + 0.001)
        assert len(it.host.told) == 1


async def test_a_deferred_tool_checks_and_asks_before_it_starts(autojump_clock):
    async def no(call):
        return "no"

    tools = Tools()

    @tools.add(deferred=True, approve=no)
    async def take(number: int):
        raise AssertionError("it runs")

    async with room(tools=tools) as it:
        it.call("take", {"number": "x"})
        it.call("take", {"number": 1})
        it.runner.response_done("r1")
        await it.quiet()

        assert "do not fit" in it.answers["c1"]
        assert it.answers["c2"].endswith("declined: no")
        assert it.host.told == []


async def test_deferred_work_takes_no_place_and_has_a_bound_of_its_own(autojump_clock):
    tools = tools_of(hangs, deferred=True)
    tools.add(quick)
    async with room(tools=tools, limit=1) as it:
        await it.calls(*["hangs"] * (bounds.DEFERRED_AT_ONCE + 2), "quick")

        assert it.runner.statistics().deferred == bounds.DEFERRED_AT_ONCE
        assert sum("was not run" in text for text in it.answers.values()) == 2
        assert it.answers[it.order[-1]] == "quick"


async def test_a_deferred_result_is_told_after_the_first_answer_was_sent(autojump_clock):
    tools = tools_of(quick, deferred=True)
    tools.add(slow)
    async with room(tools=tools) as it:
        await it.calls("quick", "slow")
        assert it.host.log == []
        await trio.sleep(6)
        assert it.host.log == ["result", "result", "told"]


async def test_a_deferred_result_for_a_session_that_is_over_is_dropped(autojump_clock):
    async with room(tools=tools_of(slow, deferred=True)) as it:
        await it.calls("slow")
        it.host.is_over = True
        await trio.sleep(6)
        assert it.runner.statistics().dropped == 1


# --- the end ----------------------------------------------------------------------------------------------------------


async def test_a_tool_that_ends_the_session_lets_the_model_say_goodbye(autojump_clock):
    async with room(tools=tools_of(quick, ends_session=True)) as it:
        await it.calls("quick", "quick")
        assert it.host.log == ["result", "result", "goodbye"]
        it.host.heard.set()
        await it.quiet()

    assert it.host.log == ["result", "result", "goodbye", "end"]


async def test_a_goodbye_that_does_not_come_is_not_waited_for_for_ever(autojump_clock):
    async with room(tools=tools_of(quick, ends_session=True)) as it:
        begun = trio.current_time()
        await it.calls("quick")
        await trio.sleep_forever()

    assert trio.current_time() - begun == bounds.GOODBYE_DEADLINE_S
    assert it.host.log[-1] == "end"


async def test_a_failed_call_ends_nothing(autojump_clock):
    async with room(tools=tools_of(raises, ends_session=True)) as it:
        await it.calls("raises")
        await trio.sleep(60)

    assert it.host.log == ["result"]


async def test_a_deferred_tool_ends_the_session_when_its_result_was_told(autojump_clock):
    async with room(tools=tools_of(slow, ends_session=True, deferred=True)) as it:
        it.host.heard.set()
        await it.calls("slow")
        assert it.host.log == ["result"]
        await trio.sleep(6)

    assert it.host.log == ["result", "told", "goodbye", "end"]


# --- cancelled anywhere -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", range(60))
async def test_cancelled_at_any_step_nothing_is_left_and_nothing_is_sent_twice(step, autojump_clock):
    async def steps():
        for _ in range(3):
            await trio.sleep(0.01)
        return "done"

    tools = tools_of(steps, deferred=step % 2 == 0)
    async with room(tools=tools) as it:
        for number in range(4):
            it.call("steps", response_id=f"r{number % 2}")
        it.runner.response_done("r0")
        it.runner.response_done("r1")
        for _ in range(step):
            await trio.lowlevel.checkpoint()

    assert it.runner._jobs == {}
    assert it.runner.statistics().running == it.runner.statistics().deferred == 0
    assert len(it.order) == len(set(it.order))
