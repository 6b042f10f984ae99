"""Whatever breaks a call is told by its result: what kind, in one line, and nothing of it is left behind."""

import json

import numpy as np
import pytest
import soundfile
import trio
from calls import CARD, LONG_ANSWER, ONE_SAY, SPEECH, called, grant_of, lanes, one_call, plan_of, simulated

from engine.audio.files import read_pcm16, write_wav
from engine.audio.pcm import silence, tone
from engine.errors import ConnectionLost, HandshakeRejected
from engine.farm.caller import FolderSink, Watch
from engine.farm.caller.speech import SPEECH_MAX_S
from engine.farm.caller.walk import ANSWER_DEADLINE_S, HEARING_DEADLINE_S
from engine.farm.codec import from_json, to_json
from engine.farm.job import Result
from engine.farm.plan.model import CannedTool, Contains, FunctionTool, NoError, Say, Type, Wait
from engine.metering.turn_log import TurnLog
from engine.simulator import Call, Fail, Pace, Script, TranscriptionRefused
from engine.simulator import Say as Answer
from engine.simulator.script import ScriptedResponder
from engine.testing import in_memory


def refusing(error):
    async def connect(nursery, endpoint):
        await trio.lowlevel.checkpoint()
        raise error

    return connect


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (429, "rate_limit_exceeded", "rate_limited"),
        (429, None, "rate_limited"),
        (429, "insufficient_quota", "quota"),
        (401, "invalid_api_key", "refused"),
        (403, None, "refused"),
        (503, None, "service"),
    ],
)
async def test_a_refused_handshake(autojump_clock, status, code, kind):
    body = json.dumps({"error": {"code": code, "message": "no"}}) if code else "<html>no</html>"
    result = await one_call(plan_of(*ONE_SAY), connector=refusing(HandshakeRejected(status, body, 7.0)))

    assert (result.status, result.error_kind, result.retry_after_s) == ("error", kind, 7.0)
    assert str(status) in result.error
    assert (result.connect_ms, result.links, result.turns, result.spans) == (None, 0, (), ())


async def test_no_network(autojump_clock, tmp_path):
    refused = refusing(ConnectionLost("nobody listens"))
    result = await one_call(plan_of(*ONE_SAY), connector=refused, sink=FolderSink(tmp_path))

    assert (result.status, result.error_kind, result.error) == ("error", "connection", "nobody listens")
    assert "audio" not in {file.kind for file in result.files}  # Nothing sounded.


async def test_a_wrong_key(autojump_clock):
    async with simulated(keys={"right"}) as simulator:
        result = await called(simulator, plan_of(*ONE_SAY), key="wrong-key-0123456789")

    assert (result.status, result.error_kind) == ("error", "refused")
    assert "wrong-key-0123456789" not in result.error


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("rate_limit_exceeded", "rate_limited"),
        ("insufficient_quota", "quota"),
        ("server_error", "service"),
        ("nobody_knows", "service"),
    ],
)
async def test_a_response_that_fails_ends_the_call(autojump_clock, code, kind):
    plan = plan_of(Type(type="Hi"), Type(type="Never said."), expect=(NoError(),))
    result = await one_call(plan, Fail(code, "out of it"))

    assert (result.status, result.error_kind) == ("error", kind)
    assert code in result.error
    assert [turn.status for turn in result.turns] == ["failed"]
    assert not result.verdicts[0].held
    assert any(code in mark.text for mark in lanes(result, "mark"))


async def test_settings_that_the_service_refuses(autojump_clock):
    plan = plan_of(*ONE_SAY, session={"model": "gpt-4o-nobody", "reasoning_effort": None})
    async with simulated(models={"gpt-realtime"}) as simulator:
        result = await called(simulator, plan)

    assert (result.status, result.error_kind) == ("error", "refused")


# --- waits ----------------------------------------------------------------------------------------------------------


class Deaf:
    """A connection to a service that never hears a request for a response."""

    def __init__(self, transport):
        self._transport = transport
        self.receive, self.ping = transport.receive, transport.ping
        self.close, self.statistics = transport.close, transport.statistics

    async def send(self, text):
        if '"response.create"' in text:
            await trio.lowlevel.checkpoint()
        else:
            await self._transport.send(text)


def deaf(simulator):
    async def connect(nursery, endpoint):
        return Deaf(await in_memory(simulator)(nursery, endpoint))

    return connect


async def test_a_turn_that_is_never_answered_ends_by_a_named_deadline(autojump_clock):
    async with simulated("Yes.") as simulator:
        result = await called(simulator, plan_of(Wait(wait_s=1), Type(type="Hi")), connector=deaf(simulator))

    assert (result.status, result.error_kind) == ("error", "deadline")
    assert result.error.startswith("step 2: no answer began within the deadline 'answer' of 30 s")
    assert result.duration_ms == pytest.approx(1000 + ANSWER_DEADLINE_S * 1000, abs=500)
    assert [(turn.said, turn.status) for turn in result.turns] == [("Hi", "unanswered")]


async def test_an_answer_that_stalls_ends_by_the_engines_own_deadline(autojump_clock):
    plan = plan_of(Type(type="Hi"), session={"engine": {"response_stall_deadline_s": 20}})
    result = await one_call(plan, "Yes.", pace=Pace(think_ms=1e7))

    assert (result.status, result.error_kind) == ("error", "deadline")
    assert "'response_stall' of 20 s" in result.error
    assert result.duration_ms == pytest.approx(20_000, abs=100)
    assert [turn.status for turn in result.turns] == ["lost"]
    assert result.notes == ()


async def test_a_caller_that_is_not_heard(autojump_clock, tmp_path):
    write_wav(tmp_path / "nothing.wav", silence(1000))
    result = await one_call(plan_of(Say(say="nothing.wav"), folder=tmp_path))

    assert (result.status, result.error_kind) == ("error", "deadline")
    assert "'hearing'" in result.error
    assert result.duration_ms == pytest.approx(1000 + HEARING_DEADLINE_S * 1000, abs=100)
    (turn,) = result.turns
    assert (turn.said, turn.status) == ("nothing.wav", "unanswered")


async def test_a_caller_that_need_not_be_heard_goes_on(autojump_clock, tmp_path):
    write_wav(tmp_path / "nothing.wav", silence(1000))
    plan = plan_of(Say(say="nothing.wav", await_answer=False), Type(type="Hi"), folder=tmp_path)
    result = await one_call(plan, "Hello.")

    assert result.status == "passed"
    assert [mark.text for mark in lanes(result, "mark")] == ["the service did not hear the caller"]


async def test_a_session_that_takes_too_long_ends_where_it_stands(autojump_clock):
    result = await one_call(plan_of(Say(say=CARD), Wait(wait_s=100), deadline_s=20), "Yes.")

    assert (result.status, result.error_kind) == ("error", "deadline")
    assert "deadline_s of 20 s at step 2" in result.error
    assert result.duration_ms == pytest.approx(20_000, abs=100)
    assert [turn.status for turn in result.turns] == ["completed"]


async def test_it_may_be_over_in_the_middle_of_a_word(autojump_clock):
    result = await one_call(plan_of(Say(say=CARD), deadline_s=0.5), "Yes.")

    assert result.error_kind == "deadline"
    (said,) = lanes(result, "caller")
    assert said.until_ms == pytest.approx(480, abs=1)


# --- connections ----------------------------------------------------------------------------------------------------


async def test_a_connection_that_breaks_is_made_anew_and_told(autojump_clock):
    plan = plan_of(Type(type="Hi"), Wait(wait_s=5), Type(type="Still there?"), expect=(NoError(),))
    async with simulated() as simulator, trio.open_nursery() as nursery:

        async def cut():
            await trio.sleep(5)
            await simulator.disconnect_all()

        nursery.start_soon(cut)
        result = await called(simulator, plan)

    assert result.links == 2
    assert result.turns[-1].status == "completed"
    assert (result.status, result.error_kind) == ("failed", None)
    assert "connection lost" in result.verdicts[0].found
    assert any("made anew" in mark.text for mark in lanes(result, "mark"))


async def test_a_renewal_is_no_error(autojump_clock):
    engine = {"session_max_s": 60.0, "renew_margin_s": 10.0}
    plan = plan_of(
        Type(type="Hi"),
        Wait(wait_s=60),
        Type(type="Still there?"),
        session={"engine": engine, "client": {"timeout_s": 30}},
        expect=(NoError(),),
    )
    result = await one_call(plan)

    assert result.status == "passed"
    assert result.links > 1
    assert any("renewed" in mark.text for mark in lanes(result, "mark"))


async def test_a_connection_that_can_not_be_made_anew(autojump_clock):
    plan = plan_of(Type(type="Hi"), Wait(wait_s=60), session={"engine": {"reconnect": False}})
    async with simulated() as simulator, trio.open_nursery() as nursery:

        async def cut():
            await trio.sleep(5)
            await simulator.disconnect_all()

        nursery.start_soon(cut)
        result = await called(simulator, plan)

    assert (result.status, result.error_kind) == ("error", "connection")
    assert result.duration_ms == pytest.approx(5000, abs=100)
    assert result.turns[0].status == "completed"


async def test_one_that_breaks_while_the_caller_speaks(autojump_clock):
    plan = plan_of(Say(say=CARD), session={"engine": {"reconnect": False}})
    async with simulated() as simulator, trio.open_nursery() as nursery:

        async def cut():
            await trio.sleep(0.6)
            await simulator.disconnect_all()

        nursery.start_soon(cut)
        result = await called(simulator, plan)

    assert (result.status, result.error_kind) == ("error", "connection")
    assert lanes(result, "caller")[0].until_ms <= 640


# --- plans ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (plan_of(Say(say="missing.wav")), "missing.wav"),
        (plan_of(Type(type="{unknown}")), "unknown"),
        (plan_of(Type(type="x"), folder="/", tools=(FunctionTool(function="nowhere.py:f"),)), "nowhere.py"),
        (plan_of(Type(type="x"), tools=(FunctionTool(function="math:nothing"),)), "math:nothing"),
    ],
)
async def test_a_plan_that_can_not_be_carried_out(autojump_clock, plan, words):
    async with simulated() as simulator:
        result = await called(simulator, plan)
        assert simulator.total_sessions == 0

    assert (result.status, result.error_kind) == ("error", "caller")
    assert words in result.error
    assert "\n" not in result.error


async def test_a_sound_file_of_an_hour(autojump_clock, tmp_path):
    soundfile.write(str(tmp_path / "hour.flac"), np.zeros(3600 * 8000, dtype=np.int16), 8000)
    result = await one_call(plan_of(Say(say="hour.flac"), folder=tmp_path))

    assert (result.status, result.error_kind) == ("error", "caller")
    assert f"{SPEECH_MAX_S:g}" in result.error
    assert "cut hour.flac" in result.error


async def test_a_file_that_is_no_sound(autojump_clock, tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"RIFF, but nothing else")
    result = await one_call(plan_of(Say(say="broken.wav"), folder=tmp_path))

    assert (result.status, result.error_kind) == ("error", "caller")
    assert "broken.wav" in result.error


async def test_an_unknown_scenario(autojump_clock):
    plan = plan_of(Wait(wait_s=1))
    async with simulated() as simulator:
        grant = grant_of()
        other = grant.job.__class__(number=1, scenario="other", index=0)
        result = await called(simulator, plan, grant.__class__(attempt_id="x", job=other))

    assert (result.status, result.error_kind) == ("error", "caller")


async def test_an_expectation_that_does_not_hold(autojump_clock):
    result = await one_call(plan_of(Type(type="Hi"), expect=(Contains(contains="moon"),)), "The sun.")

    assert (result.status, result.error_kind) == ("failed", None)
    assert result.verdicts[0].found == "The sun."


# --- cancellation ---------------------------------------------------------------------------------------------------


async def test_cancelled_at_any_time_it_leaves_no_file(autojump_clock, tmp_path):
    plan = plan_of(Say(say=CARD), Say(say=CARD, interrupt_after_ms=300))
    sink = FolderSink(tmp_path)
    whole = await one_call(plan, LONG_ANSWER, "Yes.", sink=sink)
    assert len(whole.files) == 3
    ends = [step * whole.duration_ms / 1000 / 25 for step in range(25)]
    async with simulated(LONG_ANSWER, "Yes.") as simulator:
        for number, after_s in enumerate(ends, 100):
            with trio.move_on_after(after_s) as scope:
                await called(simulator, plan, grant_of(number=number), sink=sink)
            assert scope.cancelled_caught
        await trio.sleep(5)
        assert simulator.active_sessions == 0

    assert {path.name for path in tmp_path.glob("sessions/*/*")} == {"1f3a9c02-37-1"}


async def test_other_calls_go_on(autojump_clock):
    async with simulated("Yes.", transcripts=["x"]) as simulator, trio.open_nursery() as nursery:
        results = []

        async def call(number, connector):
            results.append(await called(simulator, plan_of(Say(say=CARD)), grant_of(number=number), connector))

        nursery.start_soon(call, 1, refusing(ConnectionLost("gone")))
        nursery.start_soon(call, 2, in_memory(simulator))

    assert {result.job: result.status for result in results} == {1: "error", 2: "passed"}


def test_the_deadlines_leave_room():
    assert HEARING_DEADLINE_S > 8.0
    assert ANSWER_DEADLINE_S < 60.0
    assert SPEECH.is_dir()


class Refusing:
    """A connection to a service that answers each request for a response with an error."""

    def __init__(self, transport):
        self._transport = transport
        self.ping, self.close, self.statistics = transport.ping, transport.close, transport.statistics
        self._told, self._tell = trio.open_memory_channel(10)[::-1]

    async def send(self, text):
        if '"response.create"' in text:
            error = {"type": "tokens", "code": "rate_limit_exceeded", "message": "Slow down.", "param": None}
            await self._tell.send(json.dumps({"type": "error", "event_id": "event_1", "error": error}))
        else:
            await self._transport.send(text)

    async def receive(self):
        got = []
        async with trio.open_nursery() as nursery:

            async def first(receive):
                got.append(await receive())
                nursery.cancel_scope.cancel()

            nursery.start_soon(first, self._transport.receive)
            nursery.start_soon(first, self._told.receive)
        return [message for each in got for message in ([each] if isinstance(each, str) else each)]


async def test_a_rate_limit_that_is_told_beside_any_response_ends_the_call(autojump_clock):
    async with simulated("Yes.") as simulator:

        async def connect(nursery, endpoint):
            return Refusing(await in_memory(simulator)(nursery, endpoint))

        result = await called(simulator, plan_of(Type(type="Hi")), connector=connect)

    assert (result.status, result.error_kind) == ("error", "rate_limited")
    assert "Slow down." in result.error
    assert result.duration_ms < 1000


# --- far away ---------------------------------------------------------------------------------------------------------

FAR_S = 0.6


class Far:
    """A connection on which everything that the service says takes a while."""

    def __init__(self, transport, nursery):
        self._transport = transport
        self.send, self.ping = transport.send, transport.ping
        self.close, self.statistics = transport.close, transport.statistics
        self._put, self._under_way = trio.open_memory_channel(10_000)
        nursery.start_soon(self._carry)

    async def _carry(self):
        while True:
            try:
                came = await self._transport.receive()
            except ConnectionLost as error:
                came = error
            await self._put.send((trio.current_time() + FAR_S, came))
            if isinstance(came, ConnectionLost):
                return

    async def receive(self):
        at, came = await self._under_way.receive()
        await trio.sleep_until(at)
        if isinstance(came, ConnectionLost):
            raise came
        return came


async def test_a_last_word_that_is_heard_late_is_a_turn_too(autojump_clock, tmp_path):
    card = read_pcm16(SPEECH / CARD)
    write_wav(tmp_path / "late.wav", card + silence(900) + tone(300, 120))
    plan = plan_of(Say(say="late.wav"), folder=tmp_path, expect=(NoError(),))
    async with simulated("Well.", "That's all.") as simulator:

        async def connect(nursery, endpoint):
            return Far(await in_memory(simulator)(nursery, endpoint), nursery)

        result = await called(simulator, plan, connector=connect)

    assert result.status == "passed"
    assert [turn.status for turn in result.turns] == ["completed", "completed"]
    assert [turn.said for turn in result.turns] == ["late.wav", ""]
    assert result.turns[-1].answer == "That's all."


async def test_a_connection_that_breaks_while_speech_ends_is_no_silence_of_the_service(autojump_clock):
    reconnect = {"attempts": 100, "total_s": 60}
    plan = plan_of(Say(say=CARD), session={"engine": {"reconnect": reconnect}})
    gone = []
    async with simulated("Yes.", transcripts=["ten of clubs"] * 2) as simulator, trio.open_nursery() as nursery:

        async def connect(nursery, endpoint):
            if simulator.total_sessions and trio.current_time() < 25:
                gone.append(trio.current_time())
                raise ConnectionLost("nobody there")
            return await in_memory(simulator)(nursery, endpoint)

        async def cut():
            await trio.sleep(1.2)
            await simulator.disconnect_all()

        nursery.start_soon(cut)
        result = await called(simulator, plan, connector=connect)

    assert len(gone) > 1
    assert (result.status, result.error) == ("passed", "")
    assert result.duration_ms > 25_000
    assert result.turns[-1].answer == "Yes."


# --- what a model may write -------------------------------------------------------------------------------------------


class Rewriting:
    """A connection on which one text stands for another."""

    def __init__(self, transport, old, new):
        self._transport, self._old, self._new = transport, old, new
        self.send, self.ping = transport.send, transport.ping
        self.close, self.statistics = transport.close, transport.statistics

    async def receive(self):
        came = await self._transport.receive()
        if isinstance(came, str):
            return came.replace(self._old, self._new)
        return [each.replace(self._old, self._new) for each in came]


async def rewritten(plan, old, new, *answers, **service):
    async with simulated(*answers, **service) as simulator:

        async def connect(nursery, endpoint):
            return Rewriting(await in_memory(simulator)(nursery, endpoint), old, new)

        return await called(simulator, plan, connector=connect)


BIG = "1" + "0" * 30


@pytest.mark.parametrize(
    ("written", "told"),
    [(BIG, f'{{"n": {BIG}}}'), (r"\"\\ud800\"", r'{"n": "\ud800"}')],
)
async def test_arguments_that_are_no_common_json(autojump_clock, written, told):
    plan = plan_of(Type(type="Go"), tools=(CannedTool(name="f", answer=1),))
    result = await rewritten(plan, r"\"ODD\"", written, Call("f", {"n": "ODD"}), "Done.")

    assert (result.status, result.error) == ("passed", "")
    assert result.turns[0].tools[0].arguments == told


class HardOfHearing(ScriptedResponder):
    async def transcribe(self, pcm):
        raise TranscriptionRefused("insufficient_quota")


async def test_words_that_could_not_be_written_down_do_not_end_the_call(autojump_clock):
    script = Script.of(Answer("Yes."))
    result = await one_call(plan_of(Say(say=CARD)), responders=lambda: HardOfHearing(script))

    assert (result.status, result.turns[0].answer, result.turns[0].heard) == ("passed", "Yes.", None)
    assert any("insufficient_quota" in mark.text for mark in lanes(result, "mark"))


async def test_a_module_that_never_ends_its_import_can_be_left(tmp_path):
    began, go_on = tmp_path / "began", tmp_path / "go on"
    (tmp_path / "slow.py").write_text(
        "import time\nfrom pathlib import Path\n"
        f"Path({str(began)!r}).touch()\n"
        f"while not Path({str(go_on)!r}).exists():\n    time.sleep(0.01)\n"
    )
    plan = plan_of(Type(type="x"), folder=tmp_path, tools=(FunctionTool(function="slow.py:f"),))
    try:
        with trio.fail_after(60):
            async with simulated() as simulator, trio.open_nursery() as nursery:
                nursery.start_soon(called, simulator, plan)
                while not began.exists():  # noqa: ASYNC110 - a thread imports
                    await trio.sleep(0.01)
                nursery.cancel_scope.cancel()
    finally:
        go_on.touch()


async def test_turns_that_the_log_forgot_are_told_and_not_taken_for_unanswered(autojump_clock, monkeypatch):
    monkeypatch.setattr(TurnLog.__init__, "__defaults__", (5, None))
    steps = [Type(type=f"{number}") for number in range(1, 9)]
    result = await one_call(plan_of(*steps))

    assert result.status == "passed"
    assert result.notes == ("its first 3 turns are left out: the log keeps the newest",)
    assert [(turn.number, turn.said) for turn in result.turns] == [(number, f"{number}") for number in range(4, 9)]


async def test_what_a_call_took_is_told_when_it_is_cancelled(autojump_clock):
    told = []
    watch = Watch(cut=told.append)
    with trio.move_on_after(5):
        await one_call(plan_of(Type(type="Hi"), Wait(wait_s=60)), "Yes.", watch=watch)

    (result,) = told
    assert (result.attempt_id, result.links, result.turns, result.files, result.spans) == (
        "1f3a9c02-37-1",
        1,
        (),
        (),
        (),
    )
    assert result.tokens > 0
    assert result.duration_ms == pytest.approx(5000)


async def test_a_fault_of_the_farms_own_is_one_calls_and_what_it_took_is_told(autojump_clock, tmp_path):
    def refuse(turn):
        raise RuntimeError("a bug")

    watch = Watch(turn_ended=refuse)
    result = await one_call(plan_of(Type(type="Hi")), "Yes.", watch=watch, sink=FolderSink(tmp_path))

    assert (result.status, result.error_kind, result.error) == ("error", "crash", "RuntimeError: a bug")
    assert result.tokens > 0
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("turn", [Say(say="no \udcff.wav"), Type(type="half \ud800")])
async def test_what_is_no_text_can_be_told_all_the_same(autojump_clock, turn):
    result = await one_call(plan_of(turn))

    assert (result.status, result.error_kind) == ("error", "caller")
    assert from_json(to_json(result), Result) == result
