"""A caller goes through its steps as a person would, and the result tells what came of it."""

import pytest
import trio
from calls import CARD, LONG_ANSWER, SPEECH, called, grant_of, lanes, one_call, plan_of, simulated

from engine.audio.files import read_pcm16, write_wav
from engine.audio.pcm import silence
from engine.farm.caller import Watch, run_call
from engine.farm.plan.model import (
    CannedTool,
    Contains,
    FunctionTool,
    NoError,
    Push,
    Say,
    Silence,
    Target,
    ToolCalled,
    Type,
    Wait,
)
from engine.simulator import Call, Pace, Script
from engine.simulator import Say as Answer
from engine.testing import in_memory


async def test_a_call_passes_and_is_told_whole(autojump_clock):
    plan = plan_of(Say(say=CARD), expect=(NoError(), Contains(contains="JACK of")))
    result = await one_call(plan, "Jack of hearts.", transcripts=["ten of clubs"])

    assert (result.status, result.error_kind, result.error) == ("passed", None, "")
    assert (result.attempt_id, result.job, result.scenario, result.attempt) == ("1f3a9c02-37-1", 37, "one", 1)
    assert result.session_id.startswith("sess_")
    assert result.links == 1
    assert result.tokens == result.input_tokens + result.output_tokens > 0
    assert result.cost_usd == 0.0
    assert [verdict.held for verdict in result.verdicts] == [True, True]
    (turn,) = result.turns
    assert (turn.began, turn.said, turn.heard, turn.answer) == ("speech", CARD, "ten of clubs", "Jack of hearts.")
    assert turn.status == "completed"
    assert turn.audio_ms == turn.heard_ms == result.audio_out_ms == len("Jack of hearts.") * 65
    assert turn.time_to_first_audio_ms == pytest.approx(300)


async def test_speech_is_said_in_real_time_and_the_answer_heard_out(autojump_clock):
    result = await one_call(plan_of(Say(say=CARD)), "Yes.")
    (said,), (heard,) = lanes(result, "caller"), lanes(result, "heard")

    assert said.at_ms == 0
    assert said.until_ms == pytest.approx(1095, abs=1)
    assert heard.until_ms - heard.at_ms == pytest.approx(4 * 65)
    assert result.duration_ms >= heard.until_ms


async def test_silence_is_sent_until_the_end_was_heard_and_no_longer(autojump_clock):
    result = await one_call(plan_of(Say(say=CARD), Wait(wait_s=5)), LONG_ANSWER)

    # The words end some 0.1 s before the file does, and 500 ms of silence end the turn.
    assert 1500 <= result.audio_in_ms <= 1700


async def test_with_fill_silence_it_is_sent_all_the_time(autojump_clock):
    plan = plan_of(Say(say=CARD), Wait(wait_s=2), session={"engine": {"fill_silence": True}})
    result = await one_call(plan, LONG_ANSWER)

    assert result.audio_in_ms == pytest.approx(result.duration_ms, abs=250)


async def test_the_next_step_waits_for_the_answers_end(autojump_clock):
    result = await one_call(plan_of(Say(say=CARD), Say(say=CARD)), LONG_ANSWER, "Bye.")
    first, second = lanes(result, "heard")

    assert lanes(result, "caller")[1].at_ms == pytest.approx(first.until_ms)
    assert [turn.interrupted for turn in result.turns] == [False, False]
    assert second.text == "Bye."


NOT_CUT = {"turn_detection": {"type": "server_vad", "interrupt_response": False}}


async def test_an_agent_that_nothing_cuts_is_heard_to_its_end(autojump_clock):
    plan = plan_of(Say(say=CARD), Say(say=CARD, interrupt_after_ms=1000), session=NOT_CUT)
    result = await one_call(plan, LONG_ANSWER, "All right.")
    first, second = result.turns

    assert [turn.interrupted for turn in result.turns] == [False, False]
    assert first.heard_ms == first.audio_ms > 1300
    assert second.heard_ms == second.audio_ms > 0
    assert lanes(result, "mark") == []
    assert lanes(result, "heard")[1].at_ms >= lanes(result, "heard")[0].until_ms
    assert second.asked_at_ms + second.time_to_first_audio_heard_ms == pytest.approx(
        lanes(result, "heard")[1].at_ms, abs=30
    )


async def test_an_agent_that_speech_does_not_cut_is_cut_by_words(autojump_clock):
    plan = plan_of(Type(type="Tell me all."), Type(type="Stop.", interrupt_after_ms=500), session=NOT_CUT)
    result = await one_call(plan, LONG_ANSWER, "All right.")

    assert [turn.interrupted for turn in result.turns] == [True, False]
    assert result.turns[0].heard_ms == pytest.approx(500, abs=5)
    assert [mark.text for mark in lanes(result, "mark")] == ["interrupted"]


async def test_a_caller_cuts_in_and_the_service_hears_it(autojump_clock):
    plan = plan_of(Say(say=CARD), Say(say=CARD, interrupt_after_ms=1000))
    result = await one_call(plan, LONG_ANSWER, "All right.")
    first, second = result.turns

    begin = lanes(result, "heard")[0].at_ms
    assert lanes(result, "caller")[1].at_ms == pytest.approx(begin + 1000, abs=1)
    assert first.interrupted
    assert not second.interrupted
    assert 1000 <= first.heard_ms <= 1300 < first.audio_ms
    assert [mark.text for mark in lanes(result, "mark")] == ["interrupted"]
    assert second.answer == "All right."


async def test_a_cut_in_on_an_answer_that_is_shorter_comes_at_its_end(autojump_clock):
    plan = plan_of(Say(say=CARD), Say(say=CARD, interrupt_after_ms=60_000))
    result = await one_call(plan, "Yes.", "No.")

    assert [turn.interrupted for turn in result.turns] == [False, False]
    assert lanes(result, "caller")[1].at_ms == pytest.approx(lanes(result, "heard")[0].until_ms)


@pytest.mark.parametrize("between", [(), (Wait(wait_s=0.5),), (Silence(silence_ms=500),)])
async def test_an_answer_that_was_not_awaited_sounds_until_the_caller_cuts_in(autojump_clock, between):
    plan = plan_of(Type(type="Tell me all.", await_answer=False), *between, Type(type="Stop.", interrupt_after_ms=900))
    result = await one_call(plan, LONG_ANSWER, "Stopped.")

    assert [turn.interrupted for turn in result.turns] == [True, False]
    assert result.turns[0].heard_ms == pytest.approx(900, abs=40)
    assert result.turns[1].answer == "Stopped."


async def test_who_waited_longer_than_that_cuts_in_at_once(autojump_clock):
    plan = plan_of(Say(say=CARD, await_answer=False), Wait(wait_s=3), Say(say=CARD, interrupt_after_ms=100))
    result = await one_call(plan, LONG_ANSWER, "All right.")
    first, second = lanes(result, "caller")

    assert result.turns[0].interrupted
    assert second.at_ms - first.until_ms > 3000
    assert second.at_ms < lanes(result, "heard")[0].at_ms + result.turns[0].audio_ms
    assert result.turns[1].answer == "All right."


async def test_typed_words_cut_in_too(autojump_clock):
    plan = plan_of(Type(type="Tell me all."), Type(type="Stop.", interrupt_after_ms=500))
    result = await one_call(plan, LONG_ANSWER, "Stopped.")

    assert [turn.began for turn in result.turns] == ["text", "text"]
    assert result.turns[0].heard_ms == pytest.approx(500, abs=40)
    assert result.turns[1].answer == "Stopped."
    assert result.turns[1].heard is None


async def test_written_answers_need_no_ears(autojump_clock):
    plan = plan_of(Type(type="Hello"), session={"output_modalities": ["text"]})
    result = await one_call(plan, "Good day.")

    (turn,) = result.turns
    assert (turn.answer, turn.audio_ms, turn.status) == ("Good day.", 0.0, "completed")
    assert turn.time_to_first_text_ms is not None
    assert turn.time_to_first_audio_ms is None


async def test_without_turn_detection_the_caller_ends_its_turns(autojump_clock):
    plan = plan_of(
        Say(say=CARD), Say(say=CARD, interrupt_after_ms=500), session={"turn_detection": False}, expect=(NoError(),)
    )
    result = await one_call(plan, LONG_ANSWER, "Done.")

    assert result.status == "passed"
    assert [turn.began for turn in result.turns] == ["push_to_talk", "push_to_talk"]
    assert result.turns[0].heard_ms == pytest.approx(500, abs=40)
    assert result.turns[1].answer == "Done."


async def test_where_the_service_answers_nothing_by_itself_the_caller_asks(autojump_clock):
    detection = {"type": "server_vad", "create_response": False}
    result = await one_call(plan_of(Say(say=CARD), session={"turn_detection": detection}), "Asked for.")

    assert [turn.answer for turn in result.turns if turn.answer] == ["Asked for."]


async def test_keys_are_heard_as_a_turn(autojump_clock):
    result = await one_call(plan_of(Push(push="12#")), "Twelve.")

    (turn,) = result.turns
    assert (turn.began, turn.said, turn.answer) == ("speech", "12#", "Twelve.")


async def test_waiting_sends_nothing_and_silence_does(autojump_clock):
    waited = await one_call(plan_of(Wait(wait_s=3)))
    silent = await one_call(plan_of(Silence(silence_ms=3000)))

    assert (waited.duration_ms, waited.audio_in_ms) == (3000, 0)
    assert (silent.duration_ms, silent.audio_in_ms) == (3000, 3000)


async def test_a_step_without_an_answer_goes_on_at_once(autojump_clock):
    plan = plan_of(Type(type="One.", await_answer=False), Wait(wait_s=0.25))
    result = await one_call(plan, LONG_ANSWER)

    assert result.duration_ms == pytest.approx(250, abs=1)
    assert result.turns[0].status == "cancelled"


async def test_speech_with_a_pause_is_one_thing_to_say(autojump_clock, tmp_path):
    card = read_pcm16(SPEECH / CARD)
    write_wav(tmp_path / "pause.wav", card + silence(1500) + card)
    plan = plan_of(Say(say="pause.wav"), folder=tmp_path)
    result = await one_call(plan, LONG_ANSWER, "That's all.", transcripts=["ten of", "clubs"])

    first, second = result.turns
    assert (first.said, second.said) == ("pause.wav", "")
    assert first.interrupted
    assert second.answer == "That's all."
    assert lanes(result, "heard")[-1].text == "That's all."
    assert len(lanes(result, "caller")) == 1


# --- tools ----------------------------------------------------------------------------------------------------------


async def test_a_canned_tool_answers(autojump_clock):
    plan = plan_of(
        Type(type="Weather?"),
        tools=(CannedTool(name="weather", answer={"rain": True}, takes_ms=700),),
        expect=(ToolCalled(tool_called="weather", arguments={"city": "Oslo"}), Contains(contains="rains")),
    )
    result = await one_call(plan, Call("weather", {"city": "Oslo", "days": 1}), "It rains.")

    assert result.status == "passed"
    (turn,) = result.turns
    (use,) = turn.tools
    assert (use.name, use.arguments, use.result) == ("weather", '{"city":"Oslo","days":1}', '{"rain":true}')
    assert use.duration_ms == pytest.approx(700)
    assert not use.failed
    (bar,) = lanes(result, "tool")
    assert bar.until_ms - bar.at_ms == pytest.approx(700)


TOOLS = '''
"""Tools of a test."""

def shout(word: str) -> str:
    """Shout."""
    return word.upper()

async def fail() -> str:
    """Fail."""
    raise OSError("no such card")


async def leave() -> str:
    """End the program."""
    raise SystemExit(4)
'''


@pytest.fixture
def tool_file(tmp_path):
    (tmp_path / "my_tools.py").write_text(TOOLS)
    (tmp_path / CARD).write_bytes((SPEECH / CARD).read_bytes())
    return tmp_path


@pytest.mark.parametrize("takes_ms", [45_000, 90_000])
async def test_a_canned_tool_takes_as_long_as_the_plan_says(autojump_clock, takes_ms):
    tools = (CannedTool(name="slow", answer="done at last", takes_ms=takes_ms),)
    plan = plan_of(Type(type="Look."), tools=tools, expect=(NoError(), Contains(contains="that was long")))
    result = await one_call(plan, Call("slow"), "That was long.")

    assert (result.status, result.error) == ("passed", "")
    assert result.turns[0].tools[0].result == "done at last"


async def test_a_python_function_beside_the_plan_is_a_tool(autojump_clock, tool_file):
    plan = plan_of(Type(type="Shout."), folder=tool_file, tools=(FunctionTool(function="my_tools.py:shout"),))
    result = await one_call(plan, Call("shout", {"word": "hey"}), "HEY!")

    assert result.turns[0].tools[0].result == "HEY"
    assert result.status == "passed"


async def test_a_tool_that_raises_is_told_and_the_talk_goes_on(autojump_clock, tool_file):
    plan = plan_of(
        Type(type="Fail."),
        Type(type="Again?"),
        folder=tool_file,
        tools=(FunctionTool(function="my_tools.py:fail"),),
        expect=(NoError(),),
    )
    result = await one_call(plan, Call("fail"), "It failed.", "No.")

    assert (result.status, result.error_kind) == ("error", "tool")
    assert "no such card" in result.error
    assert result.turns[0].tools[0].failed
    assert result.turns[1].answer == "No."
    assert [verdict.held for verdict in result.verdicts] == [False]


async def test_a_tool_that_ends_the_program_breaks_its_call_alone_which_tells_what_it_took(autojump_clock, tool_file):
    plan = plan_of(
        Type(type="Hello."),
        Type(type="Leave."),
        folder=tool_file,
        tools=(FunctionTool(function="my_tools.py:leave"),),
        expect=(NoError(),),
    )
    result = await one_call(plan, "Hello.", Call("leave"))

    assert (result.status, result.error_kind) == ("error", "tool")
    assert result.error == "a tool ended the program: SystemExit(4) | raise another exception"
    assert result.turns[0].answer == "Hello."
    assert result.tokens
    assert [verdict.held for verdict in result.verdicts] == [False]


async def test_a_call_of_a_tool_that_nobody_has_is_answered(autojump_clock):
    result = await one_call(plan_of(Type(type="Go.")), Call("nothing"), "I can't.")

    assert result.turns[0].answer == "I can't."
    assert result.turns[0].tools[0].failed


# --- what the worker sees -------------------------------------------------------------------------------------------


async def test_the_worker_sees_turns_limits_and_who_talks(autojump_clock):
    told = []
    watch = Watch(turn_ended=told.append)
    seen = {}
    async with simulated("Yes.", LONG_ANSWER) as simulator, trio.open_nursery() as nursery:

        async def look():
            await trio.sleep(0.5)
            seen["speaking"] = watch.talking, watch.calls
            await trio.sleep(0.9)
            seen["between"] = watch.talking, watch.calls
            await trio.sleep(0.6)
            seen["answered"] = watch.talking, watch.calls

        nursery.start_soon(look)
        result = await called(simulator, plan_of(Say(say=CARD), Type(type="More.")), watch=watch)

    assert seen == {"speaking": (1, 1), "between": (0, 1), "answered": (1, 1)}
    assert watch.calls == watch.talking == 0
    assert tuple(turn.number for turn in told) == tuple(turn.number for turn in result.turns) == (1, 2)
    assert watch.rate_limit.limit == 15_000_000
    assert watch.rate_limit.remaining < watch.rate_limit.limit


async def test_the_service_is_told_the_attempts_name(autojump_clock):
    async with simulated("Yes.") as simulator:
        await called(simulator, plan_of(Type(type="Hi")), grant_of(number=5, attempt=2))
        (ledger,) = simulator.sessions

    assert ledger.request_id == "1f3a9c02-5-2"
    assert ledger.close_code == 1000


async def test_a_jobs_values_stand_in_its_texts(autojump_clock):
    async with simulated() as simulator:
        plan = plan_of(Type(type="I am {name}."), expect=(Contains(contains="am {name}"),))
        result = await called(simulator, plan, grant_of(values={"name": "Ada"}))

    assert result.turns[0].said == "I am Ada."
    assert result.status == "passed"


async def test_calls_side_by_side_leave_nothing_behind(autojump_clock):
    async with simulated() as simulator, trio.open_nursery() as nursery:
        before = len(nursery.child_tasks)
        for number in range(20):
            nursery.start_soon(called, simulator, plan_of(Say(say=CARD)), grant_of(number=number))
        await trio.sleep(30)
        assert len(nursery.child_tasks) == before
        assert simulator.total_sessions == 20
        assert simulator.active_sessions == 0


async def test_what_was_heard_is_measured_against_known_words(autojump_clock):
    pytest.importorskip("hibari", reason="needs the extra `local`")
    plan = plan_of(Say(say="Ten of clubs."))
    result = await one_call(plan, "Yes.", transcripts=["ten of hearts"])

    assert result.turns[0].word_error_rate == pytest.approx(1 / 3)


async def test_a_slow_transcript_is_waited_for(autojump_clock):
    script = Script.of(Answer("Yes."), transcripts=["ten of clubs"])
    pace = Pace(transcription_ms=2000)
    plan = plan_of(Say(say=CARD), session={"output_modalities": ["text"]})
    result = await one_call(plan, responders=script.responder, pace=pace)

    assert result.turns[0].heard == "ten of clubs"


# --- what it cost ---------------------------------------------------------------------------------------------------


async def costing(model):
    async with simulated("Yes.") as simulator:
        target = Target(kind="url", url=simulator.base_url)
        plan = plan_of(Type(type="Hi"), session={"model": model}, plan={"target": target})
        return await called(simulator, plan, key="any")


async def test_a_service_costs_by_the_price_table(autojump_clock):
    result = await costing("gpt-realtime")
    assert result.cost_usd > 0
    assert result.notes == ()


async def test_what_has_no_price_has_no_cost(autojump_clock):
    result = await costing("gpt-nobody-knows")
    assert result.status == "passed"
    assert result.cost_usd is None


async def test_a_caller_without_a_worker_needs_nothing_more(autojump_clock):
    async with simulated("Yes.") as simulator:
        plan = plan_of(Type(type="Hi"))
        result = await run_call(plan, grant_of(), connector=in_memory(simulator), unix_time=lambda: 1_700_000_000.0)

    assert (result.status, result.began_at, result.files) == ("passed", 1_700_000_000.0, ())


async def test_what_it_has_taken_is_told_as_each_response_ends(autojump_clock):
    told = []
    plan = plan_of(Type(type="one"), Type(type="two"))

    result = await one_call(plan, "First.", "Second.", watch=Watch(took=lambda *each: told.append(each)))

    assert [attempt_id for attempt_id, _ in told] == [grant_of().attempt_id] * 2
    assert 0 < told[0][1] < told[1][1] == result.tokens
