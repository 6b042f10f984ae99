"""Both sides of a call, with the simulator: what the story does not show."""

import io

import pytest
import trio
from rich.console import Console

from engine.config import SessionConfig
from engine.demo.call import Call
from engine.demo.caller import ANSWER_DEADLINE_S, Caller
from engine.demo.event_log import EventLog
from engine.demo.lines import CARDS, PASSAGES
from engine.demo.recording import Recording
from engine.demo.screen import Screen
from engine.demo.service import simulated
from engine.demo.sound_card import SoundCard
from engine.demo.story import Beat
from engine.errors import DeadlinePassed
from engine.session import open_session
from engine.simulator import Fail, Say, Script, Turn

LONG = Say("This answer is long enough to be interrupted by whoever does not want to hear it to its end.")


class Stage:
    """A call with a scripted service in virtual time."""

    def __init__(self, script):
        self.script = script
        self.card = SoundCard()
        self.recording = Recording()
        self.console = Console(file=io.StringIO(), width=200, highlight=False)

    async def play(self, *story):
        async with simulated(self.script.responder, in_memory=True) as service:
            config = SessionConfig(client=service.client)
            async with open_session(config, connector=service.connector) as session:
                with Screen(self.console) as screen:
                    call = Call(session, self.card, EventLog(), screen, self.recording)
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(call.listen)
                        nursery.start_soon(call.follow_playback)
                        nursery.start_soon(self.card.run, session.send_audio)
                        await Caller(self.card, call).tell(story)
                        nursery.cancel_scope.cancel()

    @property
    def lines(self):
        return self.console.file.getvalue().splitlines()


async def test_an_answer_that_is_too_short_to_cut_into_is_heard_out(autojump_clock):
    stage = Stage(Script.of(Say("Yes."), Say("No."), transcripts=["one", "two"]))
    await stage.play(Beat(CARDS[0]), Beat(CARDS[1], cut_in_after_s=60.0))

    assert stage.recording.interruptions == []
    assert [answer.words for answer in stage.recording.answers.values()] == ["Yes.", "No."]
    assert all(answer.playing.heard_ms == answer.playing.received_ms for answer in stage.recording.answers.values())


async def test_a_cut_in_stops_the_loudspeaker_and_the_words(autojump_clock):
    stage = Stage(Script.of(LONG, Say("All right."), transcripts=["one", "two"]))
    await stage.play(Beat(CARDS[0]), Beat(CARDS[1], cut_in_after_s=1.0))

    (cut,) = stage.recording.interruptions
    first, second = stage.recording.answers.values()
    assert 1000 <= cut.heard_ms == first.playing.heard_ms < cut.received_ms
    assert 0 < cut.latency_s < 0.5
    assert first.heard_words.endswith("—")
    assert second.words == "All right."
    assert stage.recording.turns[1].cut_in


async def test_a_response_that_fails_is_shown_and_the_story_goes_on(autojump_clock):
    stage = Stage(Script.of(Fail("server_error", "It broke."), Say("Yes."), transcripts=["one", "two"]))
    await stage.play(Beat(CARDS[0]), Beat(CARDS[1]))

    assert stage.recording.errors == ["It broke."]
    assert any(line.endswith("error   It broke.") for line in stage.lines)
    assert [answer.words for answer in stage.recording.answers.values()] == ["Yes."]


async def test_an_agent_that_never_answers_is_not_waited_for_for_ever(autojump_clock):
    stage = Stage(Script((Turn([LONG], think_ms=1000 * (ANSWER_DEADLINE_S + 100)),)))
    with pytest.raises(ExceptionGroup) as caught:
        await stage.play(Beat(CARDS[0]))

    assert caught.group_contains(DeadlinePassed, match="the agent's answer")


async def test_turns_that_the_story_does_not_know_are_shown_as_well(autojump_clock):
    stage = Stage(Script.of(LONG, Say("Yes."), transcripts=["one", "two"]))

    async def somebody_else():
        await trio.sleep(5)
        stage.card.microphone.say(PASSAGES[4].read_pcm24k())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(somebody_else)
        await stage.play(Beat(CARDS[0]))

    first, second = stage.recording.turns
    assert (first.said, first.heard, first.cut_in) == (CARDS[0].transcript, "one", False)
    assert (second.said, second.cut_in) == ("", True)
    (note,) = [line for line in stage.lines if "cut off" in line]
    assert "ms after" not in note, "nobody knows when they began"
    assert sum("  caller  " in line for line in stage.lines) == 2
