"""The turn log over lost connections: at whichever message one breaks, each turn counts once, with all that it took."""

import pytest
import trio
from survivors import Break, settled, speech, spoken, surviving
from test_session_reconnection import talk as long_talk

from engine.errors import ConnectionLost
from engine.events import BidiAudioStreamEvent

TIMES = {"session_max_s": 60.0, "renew_margin_s": 10.0}


async def speak(caller):
    await caller.speak(1)
    await caller.answered("turn 1")


async def push_to_talk(caller):
    await caller.play(spoken(1, 0))
    await caller.session.input.commit()
    await caller.answered("turn 1")


async def write(caller):
    await caller.type("typed 1")
    await caller.answered("typed 1")


async def call(caller):
    await caller.type("tool 1")
    await caller.until(lambda: any("saw tool 1" in words for words in caller.complete()))


TALKS = {speak: "speech", push_to_talk: "push_to_talk", write: "text", call: "text"}


async def measured(talk, *breaks, **settings):
    """Have a talk over a network that breaks; give how many messages it took, and the session's figures."""
    async with surviving(*breaks, settings=settings) as (_, network, caller):
        await talk(caller)
        await settled(caller)
        await caller.session.playback.heard_out()
        return len(network.messages), caller.session.statistics()


def statuses(turn):
    return [response.status for response in turn.responses]


@pytest.mark.parametrize("talk", TALKS)
async def test_a_turn_counts_once_at_whichever_message_the_connection_breaks(talk, autojump_clock):
    settings = {"turn_detection": None} if talk is push_to_talk else {}
    whole, before = await measured(talk, **settings)
    for at in range(0, whole, 2):
        _, figures = await measured(talk, Break(at=at, lost=at % 4 == 0), **settings)
        (turn,) = figures.turns

        assert (figures.links.reconnections, turn.began) == (1, TALKS[talk]), at
        assert set(statuses(turn)) <= {"completed", "lost"}, at
        assert statuses(turn)[-1] == "completed", at
        assert statuses(turn).count("lost") <= 1, at
        assert (figures.totals.turns, figures.totals.interruptions) == (1, 0), at
        assert figures.totals.time_to_first_audio.count == figures.totals.time_to_first_audio_heard.count == 1, at
        assert turn.time_to_first_audio_ms >= before.totals.time_to_first_audio.max_ms * 0.75, at
        assert turn.tokens == figures.totals.tokens, at


async def test_a_long_talk_has_the_same_turns_whatever_breaks(autojump_clock):
    whole, before = await measured(long_talk)
    assert [turn.began for turn in before.turns] == ["speech", "text", "text", "text", "speech", "text"]
    for at in range(11, whole, 23):
        _, figures = await measured(long_talk, Break(at=at))

        assert [turn.began for turn in figures.turns] == [turn.began for turn in before.turns], at
        assert [len(turn.responses) - statuses(turn).count("lost") for turn in figures.turns if turn.number != 4] == [
            len(turn.responses) for turn in before.turns if turn.number != 4
        ], at
        assert len(figures.asides) == len(before.asides) == 1, at
        assert figures.totals.interruptions == before.totals.interruptions == 1, at


async def test_the_wait_for_another_connection_is_a_part_of_the_wait_for_the_answer(autojump_clock):
    async with surviving() as (_, network, caller):

        def watch(side, kind):
            if kind == "response.created" and len(network.lines) == 1:
                network.break_at(len(network.messages) - 1, Break())

        network.watch = watch
        network.next.extend([ConnectionLost("nobody is there"), 5.0])
        await caller.type("typed 1")
        await caller.answered("typed 1")
        (turn,) = caller.session.statistics().turns

    assert (turn.began, statuses(turn)) == ("text", ["lost", "completed"])
    assert turn.time_to_first_audio_ms == pytest.approx(
        caller.restarts[0].gap_ms + 300 + (turn.responses[0].done_at - turn.asked_at) * 1000, abs=1
    )
    assert turn.time_to_first_audio_ms > 5000
