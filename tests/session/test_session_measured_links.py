"""The turn log over lost connections: at whichever message one breaks, each turn counts once, with all that it took."""

from contextlib import asynccontextmanager

import pytest
import trio
from survivors import Break, settled, spoken, surviving
from test_session_reconnection import talk as long_talk

from engine.cli.inspect_figures import Figures
from engine.errors import ConnectionLost
from engine.events import BidiAudioStreamEvent
from engine.recording import read_recording
from engine.simulator import Pace


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
    for at in range(1, whole, 3):  # The first message goes out before the session is open.
        _, figures = await measured(talk, Break(at=at, lost=at % 2 == 0), **settings)
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
    assert statuses(before.turns[3]) == ["cancelled"]
    for at in range(11, whole, 29):
        _, figures = await measured(long_talk, Break(at=at))

        assert [turn.began for turn in figures.turns] == [turn.began for turn in before.turns], at
        assert all(len(turn.responses) <= 3 and statuses(turn).count("lost") <= 1 for turn in figures.turns), at
        assert [turn.stop_reason for turn in figures.turns if turn.number != 4] == ["complete"] * 5, at
        assert figures.turns[3].interrupted_at == figures.turns[4].speech_start_at, at
        assert statuses(figures.turns[3])[-1] in {"cancelled", "lost"}, at
        assert len(figures.asides) == 1, at


@asynccontextmanager
async def lost_at(kind, *fates, record=None):
    """Talk over a connection that breaks behind the first server event of a type; the next ones meet these fates."""
    async with surviving(record=record) as (_, network, caller):

        def watch(side, event_type):
            if (side, event_type) == ("server", kind) and len(network.lines) == 1:
                network.break_at(len(network.messages) - 1, Break())

        network.watch = watch
        network.next.extend(fates)
        yield caller


async def test_the_wait_for_another_connection_is_a_part_of_the_wait_for_the_answer(autojump_clock):
    async with lost_at("response.created", ConnectionLost("nobody is there"), 5.0) as caller:
        await caller.type("typed 1")
        await caller.answered("typed 1")
        (turn,) = caller.session.statistics().turns
        (restart,) = caller.restarts

    assert (turn.began, statuses(turn)) == ("text", ["lost", "completed"])
    lost_ms = (turn.responses[0].done_at - turn.asked_at) * 1000
    assert turn.time_to_first_audio_ms == pytest.approx(lost_ms + restart.gap_ms + 300, abs=1)
    assert turn.time_to_first_audio_ms > 5000


async def test_an_answer_that_had_begun_to_speak_counts_by_its_first_sound(autojump_clock):
    async with lost_at("response.output_audio.delta", 5.0) as caller:
        await caller.type("typed 1")
        await caller.answered("typed 1")
        (turn,) = caller.session.statistics().turns

    assert statuses(turn) == ["lost", "completed"]
    assert turn.first_audio_at == turn.responses[0].first_audio_at
    assert turn.time_to_first_audio_ms < 1000


async def test_speech_that_the_next_connection_hears_anew_is_the_same_turn(autojump_clock):
    async with lost_at("input_audio_buffer.speech_started", 0.5) as caller:
        await caller.speak(30)
        await caller.answered("turn 30")
        (turn,) = caller.session.statistics().turns

    assert (turn.began, statuses(turn), len(turn.input_item_ids)) == ("speech", ["completed"], 2)
    assert turn.speech_end_at - turn.speech_start_at > 6
    assert turn.audio_start_ms < 500


@pytest.mark.parametrize(
    "kind",
    [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "response.created",
        "response.output_audio.delta",
    ],
)
async def test_a_recording_is_seen_to_have_the_same_turns(kind, tmp_path, autojump_clock):
    async with lost_at(kind, 5.0, record=tmp_path / "call.jsonl") as caller:
        await speak(caller)
        await settled(caller)
        (told,) = caller.session.statistics().turns
    (seen,) = Figures.of(read_recording(tmp_path / "call.jsonl")).turns.turns

    assert (seen.began, statuses(seen), seen.item_ids) == (told.began, statuses(told), told.item_ids)
    assert seen.time_to_first_audio_ms == pytest.approx(told.time_to_first_audio_ms, abs=1)


async def test_text_typed_while_there_is_no_connection_is_what_the_answer_counts_for(autojump_clock):
    async with lost_at("response.created", 5.0) as caller:
        await caller.type("typed 1")
        await caller.until(lambda: caller.warnings)
        await trio.sleep(2)
        await caller.type("typed 2")
        await caller.answered("typed 2")
        await settled(caller)
        first, second = caller.session.statistics().turns

    assert (first.began, statuses(first)) == ("text", ["lost"])
    assert (second.began, statuses(second)) == ("text", ["completed"])
    assert second.asked_at - first.asked_at == 2
    assert 3000 < second.time_to_first_audio_ms < 4000


async def test_an_answer_that_was_stopped_by_hand_is_cut_off_and_not_waited_for(autojump_clock):
    async with surviving() as (_, network, caller):
        await caller.type("long 1")
        await caller.wait_for(BidiAudioStreamEvent)
        network.line.hold()
        await caller.session.interrupt()
        stopped_at = trio.current_time()
        await trio.sleep(0.1)
        network.line.end(Break())
        await caller.until(lambda: caller.restarts)
        await caller.type("typed 1")
        await caller.answered("typed 1")
        await settled(caller)
        figures = caller.session.statistics()

    assert [(turn.began, statuses(turn)) for turn in figures.turns] == [("text", ["lost"]), ("text", ["completed"])]
    assert (figures.totals.interruptions, figures.turns[0].interrupted_at) == (1, stopped_at)


async def test_a_response_that_was_asked_for_by_itself_ends_with_its_connection(autojump_clock):
    async with lost_at("response.output_audio.delta") as caller:
        stream = await caller.session.responses.create(instructions="say it")
        with pytest.raises(ConnectionLost):
            await stream.done()
        await caller.until(lambda: caller.restarts)
        await (await caller.session.responses.create(instructions="say it")).done()
        turns = caller.session.statistics().turns

    assert [(turn.began, statuses(turn)) for turn in turns] == [("request", ["lost"]), ("request", ["completed"])]


async def test_a_response_asked_for_by_itself_that_had_not_begun_counts_from_the_first_request(autojump_clock):
    async with surviving() as (_, network, caller):

        def watch(side, event_type):
            if (side, event_type) == ("client", "response.create") and len(network.lines) == 1:
                network.break_at(len(network.messages) - 1, Break(lost=True))

        network.watch = watch
        network.next.append(5.0)
        asked_at = trio.current_time()
        await (await caller.session.responses.create(instructions="say it")).done()
        (turn,) = caller.session.statistics().turns

    assert (turn.began, statuses(turn), turn.asked_at) == ("request", ["completed"], asked_at)
    assert turn.time_to_first_audio_ms > 5000


async def test_an_answer_in_which_the_session_must_be_renewed_is_one_turn(autojump_clock):
    times = {"client": {"timeout_s": 30.0}, "session_max_s": 40.0, "renew_margin_s": 8.0}
    async with surviving(service={"pace": Pace(audio_speed=1.0)}, **times) as (_, _, caller):
        await trio.sleep(28)
        await caller.type("long 1")
        await caller.until(lambda: any(words.startswith("long 1") for words in caller.complete()))
        (turn,) = caller.session.statistics().turns
        (restart,) = caller.restarts

    assert (restart.reason, restart.asked_again) == ("renewal", True)
    assert (turn.began, statuses(turn)) == ("text", ["lost", "completed"])


async def test_a_session_that_ends_with_its_connection_keeps_what_it_had(autojump_clock):
    async with surviving(reconnect=None) as (_, network, caller):
        await caller.type("long 1")
        await caller.wait_for(BidiAudioStreamEvent)
        network.line.end(Break())
        await trio.sleep(1)
        figures = caller.session.statistics()

    assert isinstance(caller.error, ConnectionLost)
    assert [(turn.began, statuses(turn), turn.stop_reason) for turn in figures.turns] == [("text", ["lost"], "error")]
