"""Turns are told as they were: who said what, what was answered, and what nobody was late for."""

import struct

import pytest
import trio
from calls import CARD, LONG_ANSWER, RATE_HZ, SPEECH, called, lanes, one_call, plan_of, simulated

from engine.audio.files import read_pcm16, write_wav
from engine.audio.pcm import silence, tone
from engine.config import ClientSettings, SessionConfig
from engine.errors import ConnectionLost
from engine.farm.caller import Watch
from engine.farm.caller.ear import Ear
from engine.farm.caller.meaning import Uttered, is_forgotten, turns_of
from engine.farm.caller.mouth import Mouth
from engine.farm.caller.walk import Walk
from engine.farm.plan.model import CannedTool, FirstAudioWithin, NoError, Say, Type, Wait
from engine.metering.records import ResponseRecord, TurnRecord
from engine.session import open_session
from engine.simulator import Call
from engine.testing import in_memory

PUSH_TO_TALK = {"turn_detection": False}
WRITTEN = {"output_modalities": ["text"]}


def told(result):
    return [(turn.said, turn.answer, turn.status) for turn in result.turns]


# --- the log's turns, and what the caller did -------------------------------------------------------------------------


def answer(created_at, done_at=None, name="resp"):
    return ResponseRecord(response_id=name, created_at=created_at, done_at=done_at)


def turn(number, began, at, *responses):
    return TurnRecord(number=number, began=began, began_at=at, responses=responses)


def typed(at, after=0):
    return Uttered("typed", None, at, after)


def spoken(at, until, after=0):
    return Uttered("spoken", None, at, after, sound=0, said_at=until)


@pytest.mark.parametrize(
    ("records", "uttered", "turns"),
    [
        ([], [], []),
        ([], [typed(0)], [[]]),
        ([turn(1, "service", 0, answer(0))], [spoken(1, 2)], [[]]),
        ([turn(1, "speech", 0.3), turn(2, "speech", 1.5)], [spoken(0, 2)], [[1, 2]]),
        ([turn(1, "speech", 0.3), turn(2, "speech", 2.5)], [spoken(0, 1), spoken(2, 3)], [[1], [2]]),
        ([turn(1, "push_to_talk", 1), turn(2, "push_to_talk", 2)], [spoken(0, 1), spoken(1, 2)], [[1], [2]]),
        ([turn(1, "push_to_talk", 1)], [spoken(0, None)], [[]]),
        ([turn(1, "text", 0, answer(0.1, 0.5))], [typed(0)], [[1]]),
        ([turn(1, "text", 0)], [typed(0)], [[]]),
        # The second was typed when the first had asked already: it has an answer of its own, together with the third.
        (
            [turn(1, "text", 0, answer(0.1, 0.5)), turn(2, "request", 0.5, answer(0.6, 1))],
            [typed(0), typed(0.05), typed(0.2)],
            [[1], [2], [2]],
        ),
        ([turn(1, "text", 0, answer(0.1, 0.5))], [typed(0), typed(0.05)], [[1], []]),
        # While another answer runs, nothing is asked for at once.
        (
            [turn(1, "speech", 0, answer(0.1, 0.5)), turn(2, "text", 0.3, answer(0.6))],
            [typed(0.2), typed(0.3)],
            [[2], [2]],
        ),
        ([turn(1, "text", 0, answer(None, 0.5))], [typed(0)], [[1]]),
    ],
)
def test_turns_of_what_the_caller_did(records, uttered, turns):
    assert turns_of(records, uttered) == turns


def test_what_the_log_has_forgotten_was_not_missed():
    records = [turn(5, "text", 0, answer(0.1))]
    assert is_forgotten(typed(0, after=3), records)
    assert not is_forgotten(typed(0, after=4), records)
    assert not is_forgotten(typed(0), [])


# --- one thing after another, without waiting -------------------------------------------------------------------------


@pytest.mark.parametrize("session", [{}, WRITTEN])
async def test_typed_one_right_after_the_other_each_has_its_answer(autojump_clock, session):
    plan = plan_of(Type(type="One."), Type(type="Two.", await_answer=False), Type(type="Three."), session=session)
    result = await one_call(plan, "First.", "Second.", "Third.")

    assert result.status == "passed"
    assert told(result) == [
        ("One.", "First.", "completed"),
        ("Two.", "Second.", "completed"),
        ("Three.", "Third.", "completed"),
    ]


async def test_what_was_typed_while_an_answer_ran_is_answered_together(autojump_clock):
    plan = plan_of(
        Type(type="A", await_answer=False), Wait(wait_s=0.4), Type(type="B", await_answer=False), Type(type="C")
    )
    result = await one_call(plan, LONG_ANSWER, "Both.")

    assert told(result) == [("A", LONG_ANSWER, "completed"), ("B\nC", "Both.", "completed")]


async def test_words_that_speech_cut_off_are_not_the_speech(autojump_clock):
    plan = plan_of(Type(type="A", await_answer=False), Say(say=CARD))
    result = await one_call(plan, LONG_ANSWER, "Yes.")

    assert [(turn.began, turn.said) for turn in result.turns] == [("text", "A"), ("speech", CARD)]


async def test_turns_by_hand_each_have_their_words(autojump_clock):
    plan = plan_of(Say(say=CARD, await_answer=False), Say(say=CARD), session=PUSH_TO_TALK)
    result = await one_call(plan, "Yes.", transcripts=["one", "two"])

    assert [(turn.said, turn.heard, turn.answer) for turn in result.turns] == [(CARD, "one", ""), (CARD, "two", "Yes.")]


# --- what the service takes for speech --------------------------------------------------------------------------------


def street(length_ms):
    """Make a noise that is loud for a pause, and no speech to the service."""
    count = RATE_HZ * length_ms // 1000
    return struct.pack(f"<{count}h", *(150 * (1 if i % 7 < 3 else -1) for i in range(count)))


async def test_a_noise_after_the_words_keeps_nobody_waiting(autojump_clock, tmp_path):
    write_wav(tmp_path / "street.wav", read_pcm16(SPEECH / CARD) + street(3000))
    plan = plan_of(Say(say="street.wav"), Type(type="Bye"), folder=tmp_path)
    result = await one_call(plan, "Yes.", "Bye.")

    assert (result.status, result.error) == ("passed", "")
    assert [turn.answer for turn in result.turns] == ["Yes.", "Bye."]
    assert lanes(result, "caller")[1].at_ms < 1095 + 3000 + 2500


async def test_a_tools_late_answer_is_no_answer_to_the_caller(autojump_clock):
    tools = (CannedTool(name="slow", answer=1, takes_ms=2000),)
    plan = plan_of(Type(type="A", await_answer=False), Wait(wait_s=0.5), Say(say=CARD), tools=tools)
    result = await one_call(plan, Call("slow"), "To the card.", "From the tool.")

    assert result.status == "passed"
    assert [(turn.began, turn.said) for turn in result.turns] == [("text", "A"), ("speech", CARD), ("tool", "")]
    late = result.turns[2]
    assert (late.answer, late.asked_at_ms, late.time_to_first_audio_ms, late.response_ms) == (
        "From the tool.",
        None,
        None,
        None,
    )


async def test_nobody_was_late_for_what_the_agent_said_by_itself(autojump_clock):
    detection = {"type": "server_vad", "idle_timeout_ms": 5000}
    expect = (FirstAudioWithin(first_audio_within_ms=310), NoError())
    plan = plan_of(Say(say=CARD), Wait(wait_s=8), session={"turn_detection": detection}, expect=expect)
    result = await one_call(plan, "Yes.", "Still there?")

    assert result.status == "passed"
    asked, idle = result.turns
    assert (idle.began, idle.answer) == ("idle", "Still there?")
    assert asked.time_to_first_audio_ms == pytest.approx(300)
    assert (idle.time_to_first_audio_ms, idle.time_to_first_audio_heard_ms, idle.asked_at_ms) == (None, None, None)


async def test_a_sound_that_is_too_short_for_a_turn_is_the_plans_fault(autojump_clock, tmp_path):
    write_wav(tmp_path / "short.wav", tone(400, 50))
    result = await one_call(plan_of(Say(say="short.wav"), folder=tmp_path, session=PUSH_TO_TALK))

    assert (result.status, result.error_kind) == ("error", "caller")
    assert result.error.startswith("step 1: ")
    assert "100 ms" in result.error


@pytest.mark.parametrize("at_s", [0.3 * n for n in range(1, 12)])
@pytest.mark.parametrize("session", [{}, PUSH_TO_TALK])
async def test_a_connection_that_breaks_at_any_time_leaves_the_same_turns(autojump_clock, at_s, session):
    plan = plan_of(Say(say=CARD), Say(say=CARD, interrupt_after_ms=800), session=session)
    async with simulated(LONG_ANSWER, "Yes.", "Yes.") as simulator, trio.open_nursery() as nursery:

        async def connect(nursery, endpoint):
            await trio.sleep(0.3 if simulator.total_sessions else 0)
            return await in_memory(simulator)(nursery, endpoint)

        async def cut():
            await trio.sleep(at_s)
            await simulator.disconnect_all()

        nursery.start_soon(cut)
        result = await called(simulator, plan, connector=connect)
        nursery.cancel_scope.cancel()

    assert (result.status, result.links) == ("passed", 2)
    assert [turn.said for turn in result.turns if turn.said] == [CARD, CARD]
    assert "unanswered" not in {turn.status for turn in result.turns}
    assert result.turns[-1].status == "completed"


# --- who ended it -----------------------------------------------------------------------------------------------------


class Closing:
    """A connection that the service ends in order, after a while."""

    def __init__(self, transport, after_s):
        self._transport = transport
        self._ends_at = trio.current_time() + after_s
        self.send, self.ping = transport.send, transport.ping
        self.close, self.statistics = transport.close, transport.statistics

    async def receive(self):
        with trio.move_on_at(self._ends_at):
            return await self._transport.receive()
        raise ConnectionLost("the connection ended with close code 1000", code=1000)


async def test_a_service_that_hangs_up_before_the_last_step_broke_the_call(autojump_clock):
    plan = plan_of(Type(type="A"), Wait(wait_s=10), Type(type="B"))
    async with simulated("Yes.") as simulator:

        async def connect(nursery, endpoint):
            return Closing(await in_memory(simulator)(nursery, endpoint), 5)

        result = await called(simulator, plan, connector=connect)

    assert (result.status, result.error_kind) == ("error", "connection")
    assert result.error == "the service ended the session at step 2 of 3"
    assert told(result) == [("A", "Yes.", "completed")]


async def test_a_caller_waits_for_nobody_when_the_session_is_over(autojump_clock):
    async with simulated() as simulator:
        config = SessionConfig(client=ClientSettings(api_key="any"))
        async with open_session(config, connector=in_memory(simulator)) as session:
            ear = Ear()
            ear.over = True
            walk = Walk(session, ear, Mouth(session, 20), {}, lambda: None)

            assert not await walk.go([Wait(wait_s=10)])


async def test_the_accounts_limits_are_told_once(autojump_clock):
    watch, seen = Watch(), []
    async with simulated("Yes.", "No.") as simulator, trio.open_nursery() as nursery:

        async def take():
            while True:
                await trio.sleep(1)
                seen.append(watch.rate_limit is not None)
                watch.rate_limit = None

        nursery.start_soon(take)
        steps = (Type(type="A"), *[Wait(wait_s=1)] * 5)
        await called(simulator, plan_of(*steps), watch=watch)
        nursery.cancel_scope.cancel()

    assert seen[0]
    assert not any(seen[1:])
    assert watch.rate_limit is None


async def test_a_pause_after_all_words_needs_no_grace(autojump_clock, tmp_path):
    write_wav(tmp_path / "quiet.wav", read_pcm16(SPEECH / CARD) + silence(3000))
    result = await one_call(plan_of(Say(say="quiet.wav"), folder=tmp_path), "Yes.")

    assert result.duration_ms == pytest.approx(1095 + 3000, abs=100)
