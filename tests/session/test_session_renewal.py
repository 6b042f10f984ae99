"""A session moves to its next connection before its time is over: at a turn's end, and nobody hears it."""

import pytest
import trio
from rooms import KEY, until
from survivors import (
    KEPT,
    QUIET,
    Brain,
    Break,
    heard,
    heard_by,
    item_ids,
    noise,
    received,
    recognised,
    settled,
    speech,
    spoken,
    surviving,
    talking,
    told,
    told_errors,
)

from engine import BidiOpenAIRealtimeModel
from engine.config import Reconnect
from engine.errors import BidiModelTimeoutError, ConnectionLost, HandshakeRejected, ServerReported
from engine.events import (
    BidiAudioStreamEvent,
    BidiConnectionRestartEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    BidiTextInputEvent,
    ToolUseStreamEvent,
)
from engine.recording.files import read_recording
from engine.simulator import Pace, SimulatorSettings, serve
from engine.testing import in_memory, replay

AT_S, DUE_S = 30.0, 50.0
"""When the next connection is prepared, and when the talk has moved at the latest."""

TIMES = {"session_max_s": 60.0, "renew_margin_s": 10.0}

LOOK_S = 0.5
"""By when the talk has moved once it may."""

TIGHT = {"session_max_s": 40.0, "renew_margin_s": 8.0}
TIGHT_DUE_S = 32.0
"""Settings with which it must move 2 s after the next connection is prepared."""

READ = {"output_modalities": ("text",)}
"""Answers that nobody has to hear out."""


def renewing(**how):
    """Open a session that is renewed 30 s after its beginning; see `surviving`."""
    return surviving(client={"timeout_s": AT_S, **how.pop("client", {})}, **{**TIMES, **how})


async def sleep_to(at_s):
    await trio.sleep_until(at_s)


async def no_restart_until(caller, at_s):
    await sleep_to(at_s)
    assert caller.restarts == []


async def moved(caller, within_s):
    """Wait for the restart, which must come within so many seconds."""
    with trio.fail_after(within_s):
        await caller.until(lambda: caller.restarts)
    return caller.restarts[0]


# --- prepared, and told -----------------------------------------------------------------------------------------------


async def test_in_a_pause_it_is_done_at_once_and_told_once(autojump_clock):
    async with renewing() as (simulator, network, caller):
        await caller.type("typed 1")
        await caller.answered("typed 1")
        began = trio.current_time()
        await no_restart_until(caller, AT_S - 0.1)
        restart = await moved(caller, LOOK_S)
        await sleep_to(AT_S + 25)
        (warning,) = caller.warnings
        assert (warning.reason, warning.due_s, warning.error) == ("renewal", pytest.approx(DUE_S - AT_S, abs=0.1), None)
        assert len(caller.restarts) == 1
        assert (restart.reason, restart.attempts, restart.asked_again) == ("renewal", 1, False)
        assert (restart.replayed_items, restart.left_out_items, restart.dropped_audio_ms) == (2, 0, 0)
        assert restart.gap_ms < 10
        assert isinstance(restart.timeout_error, BidiModelTimeoutError)
        assert restart.timeout_error.limit_s == AT_S
        assert simulator.active_sessions == 1
        assert network.lines[0].said_goodbye
        assert simulator.sessions[0].close_code == 1000
        assert began < AT_S


async def test_it_is_done_again_and_again(autojump_clock):
    async with renewing() as (simulator, _, caller):
        for number in range(1, 9):
            await caller.type(f"typed {number}")
            await caller.answered(f"typed {number}")
            await trio.sleep(14)
        await trio.sleep(20)
        assert [event.reason for event in caller.restarts] == ["renewal"] * 4
        assert len(caller.warnings) == 4
        gone = [b.received_at - a.received_at for a, b in zip(caller.restarts, caller.restarts[1:], strict=False)]
        assert gone == pytest.approx([AT_S] * 3, abs=0.5)
        assert [told(event) for number, event in received(simulator, "conversation.item.create") if number == 4][
            0::2
        ] == [f"typed {number}" for number in range(1, 9)]


async def test_the_next_connection_is_prepared_while_this_one_talks(autojump_clock):
    async with renewing() as (simulator, network, caller):
        network.next.append(6.0)
        await sleep_to(AT_S + 1)
        assert caller.session.statistics().state == "renewing"
        await caller.speak(1)
        await caller.answered("turn 1")
        assert trio.current_time() < AT_S + 6
        assert caller.restarts == []
        await moved(caller, 8)
        assert caller.session.statistics().state == "live"
        assert speech(1) in heard_by(simulator.sessions[0])
        assert heard_by(simulator.sessions[1]) == b""
        await caller.speak(2)
        await caller.answered("turn 2")
        assert heard_by(simulator.sessions[1]) == spoken(2)


# --- only at a boundary -----------------------------------------------------------------------------------------------


async def test_not_while_a_response_is_active(autojump_clock):
    pace = Pace(text_delta_ms=200)
    async with renewing(settings=READ, service={"pace": pace}) as (_, _, caller):
        await sleep_to(AT_S - 0.5)
        await caller.type("long 1")
        await no_restart_until(caller, AT_S + 4)
        assert caller.of(BidiResponseCompleteEvent) == []
        await caller.wait_for(BidiResponseCompleteEvent)
        await moved(caller, LOOK_S)
        assert caller.of(BidiInterruptionEvent) == []


async def test_not_while_the_user_speaks(autojump_clock):
    async with renewing(settings={**READ, "transcription": None}) as (simulator, _, caller):
        await sleep_to(AT_S - 0.5)
        await caller.play(speech(30))
        assert caller.restarts == []
        await caller.play(noise("pause", 1000, QUIET))
        await caller.wait_for(BidiResponseCompleteEvent)
        await moved(caller, LOOK_S)
        assert heard_by(simulator.sessions[0]) == bytes(caller.sent_audio)


async def test_not_while_a_call_is_open(autojump_clock):
    async with renewing(settings=READ) as (_, _, caller):
        caller.answers_calls = False
        await caller.type("tool 1")
        await caller.until(lambda: len(caller.of(ToolUseStreamEvent)) == 2)
        await no_restart_until(caller, AT_S + 10)
        for call in caller.of(ToolUseStreamEvent):
            await caller.answer(call)
        await moved(caller, 3)
        assert caller.restarts[0].received_at > AT_S + 10
        assert [event.stop_reason for event in caller.of(BidiResponseCompleteEvent)] == ["tool_use", "complete"]


async def test_not_while_a_request_is_pending(autojump_clock):
    async with renewing() as (simulator, network, caller):
        made = await caller.session.items.create(text="a note")
        await sleep_to(AT_S - 0.5)
        network.line.hold()
        got = []
        async with trio.open_nursery() as nursery:

            async def ask():
                got.append(await caller.session.items.retrieve(made.id))

            nursery.start_soon(ask)
            await no_restart_until(caller, AT_S + 5)
            network.lines[0].release()
        await moved(caller, LOOK_S)
        assert got[0].id == made.id
        assert simulator.sessions[1].received.counts["conversation.item.retrieve"] == 0


async def test_not_while_a_typed_item_is_on_its_way(autojump_clock):
    async with renewing() as (simulator, network, caller):
        await sleep_to(AT_S - 0.5)
        network.line.hold()
        await caller.session.send(BidiTextInputEvent("a note", role="assistant"))
        await no_restart_until(caller, AT_S + 5)
        network.lines[0].release()
        await moved(caller, LOOK_S)
        await trio.sleep(1)
        assert len(item_ids(simulator.sessions[1])) == 1


async def test_not_while_an_answer_is_still_heard(autojump_clock):
    async with renewing() as (_, _, caller):
        await sleep_to(AT_S - 3)
        await caller.type("long 1")
        await caller.wait_for(BidiResponseCompleteEvent)
        over_at = trio.current_time()
        assert over_at < AT_S
        await no_restart_until(caller, AT_S + 5)
        assert caller.session.playback.playing
        await caller.session.playback.heard_out()
        await moved(caller, LOOK_S)


async def test_not_while_the_words_of_a_spoken_turn_are_still_to_come(autojump_clock):
    pace = Pace(transcription_ms=9000)
    async with renewing(settings=READ, service={"pace": pace}) as (simulator, _, caller):
        await sleep_to(AT_S - 3)
        await caller.speak(1)
        await caller.wait_for(BidiResponseCompleteEvent)
        await no_restart_until(caller, AT_S + 4)
        await moved(caller, 5)
        assert heard_by(simulator.sessions[1]) == b""
        assert [held.item.id for held in caller.session.history] == item_ids(simulator.sessions[1])


# --- at the latest ----------------------------------------------------------------------------------------------------


async def test_at_the_latest_in_mid_speech_which_is_whole_for_the_next_connection(autojump_clock):
    async with renewing(**TIGHT) as (simulator, _, caller):
        await sleep_to(TIGHT_DUE_S - 3)
        await caller.speak(30)
        assert caller.restarts[0].received_at == pytest.approx(TIGHT_DUE_S, abs=0.1)
        await caller.answered("turn 30")
        await settled(caller)
        assert sum(caller.complete().values()) == 1
        assert speech(30) in heard_by(simulator.sessions[1])
        assert not caller.restarts[0].asked_again
        caller.check_well_formed()


async def test_at_the_latest_in_mid_answer_which_is_asked_for_again(autojump_clock):
    async with renewing(**TIGHT, service={"pace": Pace(audio_speed=1.0)}) as (simulator, _, caller):
        await sleep_to(TIGHT_DUE_S - 4)
        await caller.type("long 1")
        await caller.until(lambda: any(words.startswith("long 1") for words in caller.complete()))
        (restart,) = caller.restarts
        assert restart.received_at == pytest.approx(TIGHT_DUE_S, abs=0.1)
        assert restart.asked_again
        assert [event.stop_reason for event in caller.of(BidiResponseCompleteEvent)] == ["interrupted", "complete"]
        assert [event.reason for event in caller.of(BidiInterruptionEvent)] == ["error"]
        assert simulator.sessions[1].received.counts["response.create"] == 1
        caller.check_well_formed()


async def test_at_the_latest_in_an_answer_that_only_plays_which_plays_on(autojump_clock):
    async with renewing(**TIGHT) as (simulator, _, caller):
        await sleep_to(TIGHT_DUE_S - 4)
        await caller.type("long 1")
        await caller.wait_for(BidiResponseCompleteEvent)
        assert trio.current_time() < TIGHT_DUE_S
        await moved(caller, 5)
        await sleep_to(TIGHT_DUE_S + 20)
        assert not caller.restarts[0].asked_again
        assert caller.of(BidiInterruptionEvent) == []
        assert simulator.sessions[1].received.counts["response.create"] == 0
        assert len(caller.of(BidiResponseStartEvent)) == 1


async def test_at_the_latest_with_an_open_call_whose_result_goes_to_the_next_connection(autojump_clock):
    async with renewing(**TIGHT, settings=READ) as (simulator, _, caller):
        caller.answers_calls = False
        await caller.type("tool 1")
        await caller.until(lambda: len(caller.of(ToolUseStreamEvent)) == 2)
        first, second = caller.of(ToolUseStreamEvent)
        await caller.answer(first)
        await moved(caller, TIGHT_DUE_S)
        assert not caller.restarts[0].asked_again
        await caller.answer(second)
        await settled(caller)
        outputs = [(number, told(event)) for number, event in received(simulator, "conversation.item.create")]
        assert outputs[-1] == (1, '[{"text": "saw tool 1 right"}]')
        assert outputs.count((1, '[{"text": "saw tool 1 left"}]')) == 1
        assert [event.stop_reason for event in caller.of(BidiResponseCompleteEvent)] == ["tool_use", "complete"]
        assert not any(message.type == "error" for message in simulator.sessions[1].sent)


# --- what is said around it -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ms", [20, 40, 70])
async def test_each_sample_of_the_microphone_is_on_one_connection_and_in_order(ms, autojump_clock):
    async with renewing(input_frame_ms=40) as (simulator, _, caller):
        number = 0
        while len(caller.restarts) < 3:
            number += 1
            await caller.play(speech(number % 9 + 1) + noise(f"pause {number}", 4000, QUIET), ms)
        await trio.sleep(1)
        assert heard(simulator) == bytes(caller.sent_audio)
        assert all(heard_by(ledger) for ledger in simulator.sessions)
        answers = sum(caller.complete().values())
        assert answers == number
        caller.check_well_formed()


HANDOVER = 12
"""Messages of a handover of two items: session.created, two settings and items and their echoes."""


async def type_words(caller, _):
    await caller.type("typed 9")
    await caller.answered("typed 9")


async def add_item(caller, _):
    made = await caller.session.items.create(text="a note")
    assert made.id in {held.item.id for held in caller.session.history}


async def delete_item(caller, old):
    await caller.session.items.delete(old)
    assert old not in {held.item.id for held in caller.session.history}


async def ask_for_a_response(caller, _):
    stream = await caller.session.responses.create(instructions="go on")
    assert (await stream.done()).status == "completed"


async def change_settings(caller, _):
    settings = await caller.session.update(instructions="be brief")
    assert settings.instructions == "be brief"


async def say_something(caller, _):
    await caller.speak(9)
    await caller.answered("turn 9")


async def cut_in(caller, _):
    await caller.session.interrupt()


DEEDS = {
    type_words: ("conversation.item.create", "typed 9"),
    add_item: ("conversation.item.create", "a note"),
    delete_item: ("conversation.item.delete", None),
    ask_for_a_response: ("response.create", None),
    change_settings: ("session.update", None),
    say_something: (None, None),
    cut_in: (None, None),
}


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
async def test_what_is_done_at_any_moment_of_it_is_done_once(deed, autojump_clock):
    reached = 0
    for at in range(HANDOVER):
        reached += await done_at(deed, at)
    assert reached > HANDOVER / 2


async def done_at(deed, at):
    """Do something as this message of the handover goes by, counted from the next connection's first."""
    began_at = trio.current_time()
    async with renewing() as (simulator, network, caller):
        await caller.type("typed 1")
        await caller.answered("typed 1")
        await sleep_to(began_at + AT_S - 1)
        old = next(iter(caller.session.history)).item.id
        now, first = trio.Event(), len(network.messages)

        def watch(side, event_type):
            del side, event_type
            if len(network.messages) - first == at + 1:
                now.set()

        network.watch = watch
        with trio.move_on_after(10):
            await now.wait()
        network.watch = lambda side, event_type: None
        with trio.fail_after(60):
            await deed(caller, old)
        await settled(caller)
        await sleep_to(began_at + DUE_S + 1)
        assert len(caller.restarts) >= 1
        check_done_once(deed, simulator, caller, old)
        caller.check_well_formed()
        return now.is_set()


def check_done_once(deed, simulator, caller, old):
    event_type, words = DEEDS[deed]
    events = received(simulator, event_type) if event_type else []
    if words is not None:
        fresh = [(number, event) for number, event in events if told(event) == words]
        # What is replayed has an id that the service gave; what is sent for the first time may have one of ours.
        by_connection = [number for number, _ in fresh]
        assert len(by_connection) == len(set(by_connection)), by_connection
        kept = [held.transcript for held in caller.session.history]
        assert kept.count(words) == 1, kept
    if deed is delete_item:
        by_connection = [number for number, event in events if event["item_id"] == old]
        assert len(by_connection) == len(set(by_connection)), by_connection
    there = item_ids(simulator.sessions[-1])
    assert [held.item.id for held in caller.session.history] == there
    assert told_errors(caller) == []
    if deed is say_something:
        assert recognised(heard(simulator)).endswith("turn 9")
        assert caller.complete()["answer to turn 9"] == 1


# --- what goes on -----------------------------------------------------------------------------------------------------

TOOL = {"name": "look", "description": "Looks.", "inputSchema": {"json": {"type": "object"}}}


async def test_settings_that_were_changed_hold_on_the_next_connection(autojump_clock):
    async with renewing() as (simulator, _, caller):
        session = caller.session
        await session.update(instructions="be brief", voice="cedar", tools=[TOOL])
        await session.update(turn_detection={"type": "server_vad", "silence_duration_ms": 900})
        before = session.settings
        await moved(caller, 60)
        last = [message.event for message in simulator.sessions[1].sent if message.type == "session.updated"][-1]
        there = last["session"]
        assert there["instructions"] == "be brief"
        assert there["audio"]["output"]["voice"] == "cedar"
        assert [tool["name"] for tool in there["tools"]] == ["look"]
        assert there["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 900
        assert (session.settings.instructions, session.settings.tools) == (before.instructions, before.tools)


async def test_ids_of_items_stay_valid(autojump_clock):
    async with renewing() as (simulator, _, caller):
        await caller.speak(1)
        await caller.answered("turn 1")
        await caller.type("typed 1")
        await caller.answered("typed 1")
        before = [held.item.id for held in caller.session.history]
        await moved(caller, 60)
        assert item_ids(simulator.sessions[1]) == before
        await caller.session.items.delete(before[0])
        got = await caller.session.items.retrieve(before[2])
        assert got.id == before[2]
        assert [held.item.id for held in caller.session.history] == before[1:]
        assert item_ids(simulator.sessions[1]) == before[1:]


async def test_the_history_goes_on(autojump_clock):
    async with renewing() as (simulator, _, caller):
        await caller.speak(1)
        await caller.answered("turn 1")
        await caller.type("tool 1")
        await caller.until(lambda: sum(caller.complete().values()) == 2)
        before = caller.session.history.messages()
        await moved(caller, 60)
        assert caller.session.history.messages() == before
        await caller.type("typed 2")
        await caller.answered("typed 2")
        after = caller.session.history.messages()
        assert after[: len(before)] == before
        assert [held.item.id for held in caller.session.history] == item_ids(simulator.sessions[1])


async def test_what_was_cut_is_told_to_the_next_connection_as_it_was_heard(autojump_clock):
    async with renewing() as (simulator, _, caller):
        await caller.type("long 1")
        await caller.until(lambda: caller.of(BidiAudioStreamEvent))
        await trio.sleep(1.5)
        await caller.speak(1)
        await caller.answered("turn 1")
        words = [held.heard_transcript for held in caller.session.history]
        await moved(caller, 60)
        assert "long 1" in words[0]
        assert 0 < len(words[1]) < len("long 1: a long answer, a long answer")
        replayed = [told(event) for number, event in received(simulator, "conversation.item.create") if number == 1]
        assert replayed == words


async def test_sound_goes_on(autojump_clock):
    async with renewing(**TIGHT) as (_, _, caller):
        played = []

        async def play():
            async for frame in caller.session.audio_out(20):
                played.append(frame)  # noqa: PERF401 - it never ends

        async with trio.open_nursery() as nursery:
            nursery.start_soon(play)
            await sleep_to(TIGHT_DUE_S - 4)
            await caller.type("long 1")
            await sleep_to(TIGHT_DUE_S + 15)
            await caller.type("typed 1")
            await caller.answered("typed 1")
            await caller.session.playback.heard_out()
            assert caller.restarts[0].received_at == pytest.approx(TIGHT_DUE_S, abs=0.1)
            nursery.cancel_scope.cancel()
        sound_ms = 20 * sum(any(frame) for frame in played)
        letters = [len(words.replace(" ", "")) for words in caller.complete()]
        assert sound_ms == pytest.approx(65 * sum(letters), rel=0.1)


async def test_a_recording_shows_both_connections_and_can_be_played_again(tmp_path, autojump_clock):
    path = tmp_path / "call.jsonl"
    async with renewing(record=path) as (_, _, caller):
        await caller.speak(1)
        await caller.answered("turn 1")
        await moved(caller, 60)
        await caller.type("typed 1")
        await caller.answered("typed 1")
        await caller.session.playback.heard_out()
    entries = read_recording(path).entries
    assert {entry.link for entry in entries} == {1, 2}
    assert [entry.link for entry in entries if (entry.event or {}).get("type") == "session.created"] == [1, 2]
    async with replay(path) as served:
        times = {"client": {"timeout_s": AT_S}, **TIMES}
        async with talking(served.connector, **times) as caller:
            await caller.speak(1)
            await caller.answered("turn 1")
            await moved(caller, 60)
            await caller.type("typed 1")
            await caller.answered("typed 1")
            await caller.session.playback.heard_out()
        assert served.differences == ()


async def test_figures_and_costs_go_on(autojump_clock):
    async with renewing() as (_, _, caller):
        await caller.type("typed 1")
        await caller.answered("typed 1")
        before, cost = caller.session.statistics(), caller.session.cost()
        await moved(caller, 60)
        await caller.type("typed 2")
        await caller.answered("typed 2")
        after = caller.session.statistics()
        assert (len(before.turns), len(after.turns)) == (1, 2)
        assert after.totals.tokens.total > before.totals.tokens.total
        assert caller.session.cost().total > cost.total
        assert after.age_s > AT_S
        assert after.messages_received > before.messages_received


# --- where it is not wanted, or fails ---------------------------------------------------------------------------------


async def test_the_facade_raises_at_its_time_and_tells_how_to_go_on(autojump_clock):
    async with serve(SimulatorSettings(), Brain, host=None) as simulator:
        model = BidiOpenAIRealtimeModel(
            client_config={"api_key": KEY, "timeout_s": AT_S, "base_url": "ws://localhost/v1"},
            connector=in_memory(simulator),
        )
        await model.start()
        with pytest.raises(BidiModelTimeoutError) as raised:
            async for _ in model.receive():
                pass
        assert trio.current_time() == pytest.approx(AT_S, abs=0.1)
        assert "history" in raised.value.restart_config
        await model.stop()
        assert simulator.total_sessions == 1


async def test_the_facade_renews_when_asked_to(autojump_clock):
    async with serve(SimulatorSettings(), Brain, host=None) as simulator:
        model = BidiOpenAIRealtimeModel(
            provider_config={"engine": {"on_timeout": "renew", **TIMES}},
            client_config={"api_key": KEY, "timeout_s": AT_S, "base_url": "ws://localhost/v1"},
            connector=in_memory(simulator),
        )
        await model.start()
        restart = await until(model.receive(), BidiConnectionRestartEvent)
        assert restart.reason == "renewal"
        assert isinstance(restart.timeout_error, BidiModelTimeoutError)
        await model.send(BidiTextInputEvent("typed 1"))
        assert (await until(model.receive(), BidiResponseCompleteEvent)).stop_reason == "complete"
        await model.stop()
        assert simulator.total_sessions == 2


@pytest.mark.parametrize(
    ("fate", "least_s"),
    [
        (HandshakeRejected(429, "slow down", 7.0), 7.0),
        (ConnectionLost("connection refused"), 0.0),
        (20.0, 15.0),
    ],
    ids=["busy", "refused", "slow"],
)
async def test_a_next_connection_that_fails_is_tried_again_while_this_one_talks(fate, least_s, autojump_clock):
    async with renewing() as (simulator, network, caller):
        network.next.extend([fate, None])
        await sleep_to(AT_S + 0.01)
        await caller.speak(1)
        await caller.answered("turn 1")
        restart = await moved(caller, 30)
        assert restart.received_at >= AT_S + least_s
        assert len(network.attempts) == 3
        assert told_errors(caller) == []
        assert (len(caller.warnings), restart.reason) == (1, "renewal")
        assert speech(1) in heard(simulator)
        await caller.type("typed 2")
        await caller.answered("typed 2")
        assert sum(caller.complete().values()) == 2


@pytest.mark.parametrize("at", range(8))
async def test_a_next_connection_that_breaks_in_the_handover_is_made_again(at, autojump_clock):
    async with renewing() as (simulator, network, caller):
        await caller.type("typed 1")
        await caller.answered("typed 1")
        await sleep_to(AT_S - 1)
        network.break_at(len(network.messages) + at, Break("reset"))
        restart = await moved(caller, 20)
        await trio.sleep(1)
        assert simulator.total_sessions == 3
        assert restart.reason == "renewal"
        assert told_errors(caller) == []
        await caller.type("typed 2")
        await caller.answered("typed 2")
        assert [held.item.id for held in caller.session.history] == item_ids(simulator.sessions[-1])


async def test_a_next_connection_that_breaks_while_it_waits_for_the_boundary_is_made_again(autojump_clock):
    async with renewing(settings=READ) as (simulator, network, caller):
        caller.answers_calls = False
        await caller.type("tool 1")
        await caller.until(lambda: len(caller.of(ToolUseStreamEvent)) == 2)
        await sleep_to(AT_S + 5)
        assert len(network.lines) == 2
        network.line.end(Break("reset"))
        await trio.sleep(8)
        assert len(network.lines) == 3
        for call in caller.of(ToolUseStreamEvent):
            await caller.answer(call)
        await moved(caller, 5)
        await settled(caller)
        assert caller.restarts[0].reason == "renewal"
        assert [held.item.id for held in caller.session.history] == item_ids(simulator.sessions[-1])


async def test_where_no_next_connection_can_be_had_it_is_told_and_this_one_talks_to_its_end(autojump_clock):
    service = {"session_max_s": 60.0}
    async with renewing(service=service, reconnect=Reconnect(total_s=5)) as (_, network, caller):
        refusal = HandshakeRejected(401, "the key was taken back")
        network.next.extend([refusal] * 50)
        await sleep_to(AT_S + 1)
        assert told_errors(caller) == [refusal]
        assert caller.session.statistics().state == "live"
        await caller.speak(1)
        await caller.answered("turn 1")
        await sleep_to(59)
        assert caller.error is None
        await caller.until(lambda: caller.error is not None)
        assert trio.current_time() == pytest.approx(60, abs=1)
        assert isinstance(caller.error, (HandshakeRejected, BidiModelTimeoutError, ServerReported))


async def test_this_connection_may_break_while_the_next_one_is_prepared(autojump_clock):
    async with renewing() as (simulator, network, caller):
        await caller.type("typed 1")
        await caller.answered("typed 1")
        network.next.append(4.0)
        await sleep_to(AT_S + 1)
        await caller.type("typed 2")
        network.lines[0].end(Break("reset"))
        await caller.answered("typed 2")
        await trio.sleep(5)
        assert len(caller.restarts) == 1
        assert [event.reason for event in caller.restarts] == ["connection_lost"]
        assert simulator.active_sessions == 1
        assert caller.complete() == {"answer to typed 1": 1, "answer to typed 2": 1}
        assert [held.item.id for held in caller.session.history] == item_ids(simulator.sessions[-1])
        caller.check_well_formed()


async def test_this_connection_may_break_while_the_next_one_waits_for_the_boundary(autojump_clock):
    async with renewing(settings=READ) as (simulator, network, caller):
        caller.answers_calls = False
        await caller.type("tool 1")
        await caller.until(lambda: len(caller.of(ToolUseStreamEvent)) == 2)
        await sleep_to(AT_S + 5)
        network.lines[0].end(Break("reset"))
        restart = await moved(caller, 1)
        assert restart.reason == "connection_lost"
        assert len(network.lines) == 2
        for call in caller.of(ToolUseStreamEvent):
            await caller.answer(call)
        await settled(caller)
        assert [held.item.id for held in caller.session.history] == item_ids(simulator.sessions[-1])


# --- two hundred in the same minute -----------------------------------------------------------------------------------


@pytest.mark.parametrize("sessions", [40, pytest.param(200, marks=pytest.mark.long)])
async def test_many_talks_are_renewed_in_the_same_minute(sessions, autojump_clock):
    sent, gaps = {}, []

    async def one(number, simulator):
        who = f"caller {number}"
        await trio.sleep(number * 0.02)
        times = {"client": {"timeout_s": 6.0}, "session_max_s": 20.0, "renew_margin_s": 5.0, "input_frame_ms": 200}
        async with talking(in_memory(simulator), settings={"instructions": who}, **times) as caller:
            for turn in (1, 2, 3):
                await caller.play(spoken(turn), ms=200)
                await caller.answered(f"turn {turn}")
                await trio.sleep(number % 7 * 0.3)
            await caller.until(lambda: caller.restarts)
            await caller.type("typed 4")
            await caller.answered("typed 4")
            assert sum(caller.complete().values()) == 4
            words = [held.transcript for held in caller.session.history]
            assert words == [
                each for it in ("turn 1", "turn 2", "turn 3", "typed 4") for each in (it, f"answer to {it}")
            ]
            gaps.append(caller.restarts[0].gap_ms)
            sent[who] = bytes(caller.sent_audio)

    async with serve(SimulatorSettings(**{**KEPT, "ledger_max_sessions": 2 * sessions}), Brain, host=None) as simulator:
        async with trio.open_nursery() as nursery:
            for number in range(sessions):
                nursery.start_soon(one, number, simulator)
        await trio.sleep(1)
        got = {}
        for ledger in simulator.sessions:
            who = next(iter(ledger.received)).event["session"]["instructions"]
            got[who] = got.get(who, b"") + heard_by(ledger)
        assert got == sent
        assert simulator.total_sessions == 2 * sessions
        assert len(sent) == sessions
        assert max(gaps) < 250
