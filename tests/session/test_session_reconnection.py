"""A connection that is lost is made anew: at whichever message it breaks, the talk ends as if it had not."""

from collections import Counter

import pytest
import trio
from rooms import KEY, config
from survivors import (
    LOUD,
    MS_BYTES,
    PAUSE_MS,
    QUIET,
    SURVIVES,
    Brain,
    Break,
    Network,
    heard_by,
    item_ids,
    noise,
    received,
    settled,
    speech,
    spoken,
    surviving,
    told,
)

from engine.config import Reconnect
from engine.errors import (
    BidiModelTimeoutError,
    CertificateRefused,
    ConnectionLost,
    DeadlinePassed,
    EngineError,
    HandshakeRejected,
    ServerReported,
    SessionEnded,
)
from engine.events import (
    BidiAudioStreamEvent,
    BidiConnectionCloseEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    ToolUseStreamEvent,
)
from engine.session import open_session
from engine.simulator import SimulatorSettings, serve

# --- at any message ---------------------------------------------------------------------------------------------------


async def talk(caller):
    """Speak, type, let tools be called, interrupt, ask for something aside."""
    aside = []
    await caller.speak(1)
    await caller.answered("turn 1")
    await caller.type("typed 1")
    await caller.answered("typed 1")
    await caller.type("tool 1")
    await caller.until(lambda: any("saw tool 1" in words for words in caller.complete()))
    await caller.type("long 1")
    known = {event.response_id for event in caller.of(BidiAudioStreamEvent)}
    await caller.until(lambda: {event.response_id for event in caller.of(BidiAudioStreamEvent)} - known)
    await caller.speak(2)
    await caller.answered("turn 2")
    aside.append(await ask_aside(caller))
    await caller.type("typed 2")
    await caller.answered("typed 2")
    await settled(caller)
    return aside


async def ask_aside(caller):
    try:
        with trio.fail_after(60):
            stream = await caller.session.responses.create(conversation="none", instructions="say it")
            return (await stream.done()).status
    except EngineError as error:
        return type(error).__name__


def check_talk(caller, simulator):
    once = {"answer to turn 1": 1, "answer to typed 1": 1, "answer to turn 2": 1, "answer to typed 2": 1}
    answers = caller.complete()
    assert {words: answers[words] for words in once} == once, caller.tale()
    assert sum(count for words, count in answers.items() if "saw tool 1" in words) == 1, caller.tale()
    # A call that was cut off before it was whole is not told; those that were are answered once.
    calls = [event.current_tool_use["input"]["at"] for event in caller.of(ToolUseStreamEvent)]
    assert Counter(calls) - Counter({"tool 1 left": 1, "tool 1 right": 1}) == Counter(), caller.tale()
    assert calls, caller.tale()
    caller.check_well_formed()
    # The newest connection knows all that was said, each thing once.
    last = simulator.sessions[-1].number
    kept = [held.transcript for held in caller.session.history if getattr(held.item, "role", "") == "user"]
    for words in ("typed 1", "tool 1", "long 1", "typed 2"):
        assert kept.count(words) == 1, (words, kept)
    outputs = [
        told(event)
        for at, event in received(simulator, "conversation.item.create")
        if at == last and event["item"]["type"] == "function_call_output"
    ]
    assert sorted(outputs) == sorted(f'[{{"text": "saw {at}"}}]' for at in calls)
    check_mirror(caller, simulator)
    assert caller.error is None


def check_mirror(caller, simulator):
    """The history is what the newest connection has, in its order, but for what it was not told."""
    there = item_ids(simulator.sessions[-1])
    mirrored = [held.item.id for held in caller.session.history if held.heard_ms is None or held.heard_transcript]
    there = [item_id for item_id in there if item_id in mirrored or caller.session.history.get(item_id) is None]
    left_out = caller.restarts[-1].left_out_items if caller.restarts else 0
    assert [item_id for item_id in mirrored if item_id in there] == there
    assert len(mirrored) - len(there) <= left_out


async def broken_talk(*breaks):
    async with surviving(*breaks) as (simulator, network, caller):
        aside = await talk(caller)
        check_talk(caller, simulator)
        return aside, list(network.messages), len(caller.restarts)


async def test_a_talk_over_one_connection(autojump_clock):
    aside, messages, restarts = await broken_talk()
    assert (aside, restarts) == (["completed"], 0)
    assert len(messages) > 100


STRIDES = {"reset": 11, "eof": 43, 1001: 47, 1011: 53, 1012: 59, "expired": 37}
"""How many messages lie between two breaks, by how the connection ends; with `--long` each message is one."""


def points(messages, stride, offset):
    """Give what to break at: each message that the service said, and each of the client's, lost or not."""
    for at, (side, _) in list(enumerate(messages))[offset::stride]:
        yield at, False
        if side == "client":
            yield at, True


@pytest.mark.parametrize("how", STRIDES)
async def test_a_talk_that_breaks_at_some_message_ends_the_same_way(how, autojump_clock):
    _, messages, _ = await broken_talk()
    for at, lost in points(messages, STRIDES[how], STRIDES[how] // 3):
        await broken_once(how, at, lost)


@pytest.mark.long
@pytest.mark.parametrize("how", STRIDES)
async def test_a_talk_that_breaks_at_any_message_ends_the_same_way(how, autojump_clock):
    _, messages, _ = await broken_talk()
    for at, lost in points(messages, 1, 0):
        await broken_once(how, at, lost)


async def broken_once(how, at, lost):
    try:
        aside, _, restarts = await broken_talk(Break(how, at, lost=lost))
    except BaseException as error:
        error.add_note(f"broken by {how} at message {at}{', which was lost' if lost else ''}")
        raise
    assert (at, restarts) == (at, 1)
    assert aside in (["completed"], ["ConnectionLost"], ["BidiModelTimeoutError"], ["ServerReported"])


# --- policies ---------------------------------------------------------------------------------------------------------


def refused():
    return ConnectionLost("connection refused")


async def test_attempts_are_bounded_and_the_error_that_began_it_is_raised(autojump_clock):
    policy = Reconnect(attempts=3, total_s=100)
    async with surviving(reconnect=policy) as (_, network, caller):
        network.next.extend(refused() for _ in range(10))
        network.line.end(Break("reset"))
        await caller.until(lambda: caller.error is not None)
        assert isinstance(caller.error, ConnectionLost)
        assert "was reset" in str(caller.error)
        assert "attempts to connect again: 3" in caller.error.__notes__[0]
        assert len(network.attempts) == 1 + 3
        await caller.session.stop()
        assert caller.session.statistics().state == "closed"
        with pytest.raises(SessionEnded):
            await caller.type("too late")


async def test_an_outage_is_bounded_in_time(autojump_clock):
    async with surviving(reconnect=Reconnect(attempts=1000, total_s=20)) as (_, network, caller):
        network.next.extend(refused() for _ in range(2000))
        before = trio.current_time()
        network.line.end(Break("reset"))
        await caller.until(lambda: caller.error is not None)
        assert trio.current_time() - before <= 20 + 0.01
        assert isinstance(caller.error, ConnectionLost)


async def test_an_attempt_that_hangs_ends_with_the_outage(autojump_clock):
    async with surviving(reconnect=Reconnect(total_s=7)) as (_, network, caller):
        network.next.append(1000.0)
        before = trio.current_time()
        network.line.end(Break("reset"))
        await caller.until(lambda: caller.error is not None)
        assert trio.current_time() - before == pytest.approx(7, abs=0.01)


async def test_a_server_that_says_when_to_come_back_is_not_asked_earlier(autojump_clock):
    async with surviving() as (_, network, caller):
        network.next.append(HandshakeRejected(429, "slow down", 17.0))
        before = trio.current_time()
        network.line.end(Break(1012))
        await caller.until(lambda: caller.restarts)
        assert network.attempts[-1] - before >= 17.0
        assert caller.restarts[0].attempts == 2
        assert caller.restarts[0].gap_ms == pytest.approx((network.attempts[-1] - before) * 1000, abs=5)


@pytest.mark.parametrize(
    "permanent",
    [
        HandshakeRejected(401, "bad key"),
        HandshakeRejected(429, '{"error": {"code": "insufficient_quota"}}'),
        HandshakeRejected(404, "no such model"),
        CertificateRefused("of another host", reason="of another host"),
    ],
    ids=["key", "quota", "model", "certificate"],
)
async def test_what_can_not_get_better_is_not_tried_again(permanent, autojump_clock):
    async with surviving() as (_, network, caller):
        network.next.append(permanent)
        network.line.end(Break("reset"))
        await caller.until(lambda: caller.error is not None)
        assert caller.error is permanent
        assert len(network.attempts) == 2
        assert network.attempts[1] - network.attempts[0] < 0.1


async def test_a_key_that_is_taken_back_in_between_ends_the_session(autojump_clock):
    async with surviving(service={"keys": KEYS}) as (_, network, caller):
        KEYS.clear()
        try:
            network.line.end(Break("reset"))
            await caller.until(lambda: caller.error is not None)
        finally:
            KEYS.append(KEY)
        assert isinstance(caller.error, ServerReported)
        assert caller.error.code == "invalid_api_key"
        assert len(network.attempts) == 2


KEYS = [KEY]


async def test_an_end_in_order_is_no_outage(autojump_clock):
    async with surviving() as (_, network, caller):
        network.line.end(Break(1000))
        await caller.until(lambda: caller.session.statistics().state == "closed" or caller.error is not None, 10)
        assert len(network.attempts) == 1
        assert caller.restarts == []


@pytest.mark.parametrize("how", ["reset", "eof", 1001, 1011, 1012])
async def test_without_a_policy_the_error_reaches_who_receives(how, autojump_clock):
    async with surviving(reconnect=None) as (_, network, caller):
        network.line.end(Break(how))
        await caller.until(lambda: caller.error is not None)
        assert isinstance(caller.error, ConnectionLost)
        assert caller.error.code == Break(how).error.code
        assert (caller.warnings, caller.restarts, len(network.attempts)) == ([], [], 1)


async def test_a_session_that_raises_at_its_end_of_time_reconnects_all_the_same(autojump_clock):
    async with surviving(on_timeout="raise") as (_, network, caller):
        network.line.end(Break("reset"))
        await caller.until(lambda: caller.restarts)
        network.line.end(Break("expired"))
        await caller.until(lambda: caller.error is not None)
        assert isinstance(caller.error, BidiModelTimeoutError)
        assert len(network.attempts) == 2


async def test_a_server_that_drops_each_connection_is_not_asked_for_ever(autojump_clock):
    async with surviving(reconnect=Reconnect(attempts=4, total_s=1000)) as (_, network, caller):
        for count in range(1, 5):
            network.line.end(Break("reset"))
            await caller.until(lambda count=count: len(caller.restarts) == count)
        network.line.end(Break("reset"))
        await caller.until(lambda: caller.error is not None)
        assert len(network.attempts) == 5


async def test_a_first_connection_that_can_not_be_made_is_told_at_once(autojump_clock):
    async with serve(SimulatorSettings(), Brain, host=None) as simulator:
        network = Network(simulator)
        network.next.append(refused())
        with pytest.raises(ConnectionLost, match="refused"):
            async with open_session(config(engine=SURVIVES), connector=network.connect):
                raise AssertionError("it opened")
        assert len(network.attempts) == 1


async def test_a_busy_server_is_waited_for_from_the_first_connection_on(autojump_clock):
    async with serve(SimulatorSettings(), Brain, host=None) as simulator:
        network = Network(simulator)
        network.next.append(HandshakeRejected(503, "busy", 4.0))
        async with open_session(config(engine=SURVIVES), connector=network.connect) as session:
            assert network.attempts[1] - network.attempts[0] >= 4.0
            await session.update(instructions="be brief")
            assert session.statistics().state == "live"


# --- meanwhile --------------------------------------------------------------------------------------------------------


async def test_audio_of_an_outage_reaches_the_next_connection(autojump_clock):
    async with surviving() as (simulator, network, caller):
        await caller.play(noise("before", 400, LOUD))
        network.next.append(8.0)
        network.line.end(Break("reset"))
        await caller.speak(1)
        assert caller.session.statistics().state == "reconnecting"
        await caller.answered("turn 1")
        last = simulator.sessions[-1]
        assert speech(1) in b"".join(audio for number, audio in audio_by_connection(simulator) if number == last.number)
        assert caller.restarts[0].dropped_audio_ms == 0
        assert caller.restarts[0].gap_ms == pytest.approx(8000, abs=1000)


def audio_by_connection(simulator):
    for ledger in simulator.sessions:
        yield ledger.number, heard_by(ledger)


async def test_of_a_long_outage_the_newest_half_minute_of_audio_is_kept_and_the_rest_counted(autojump_clock):
    async with surviving() as (simulator, network, caller):
        network.next.append(HandshakeRejected(503, "busy", 40.0))
        network.line.end(Break("reset"))
        before = trio.current_time()
        said = b"".join(spoken(number) for number in range(1, 24))  # 36.8 s
        await caller.play(said)
        assert trio.current_time() - before == pytest.approx(len(said) / 48_000, abs=0.1)
        await caller.until(lambda: caller.restarts)
        await trio.sleep(1)
        dropped_ms = caller.restarts[0].dropped_audio_ms
        # The lane holds 30 s; up to a message of the microphone's is in the making.
        assert dropped_ms == pytest.approx(len(said) / 48 - 30_000, abs=100)
        got = heard_by(simulator.sessions[-1])
        assert said.endswith(got[-48_000 * 29 :])
        assert len(got) / 48 + dropped_ms == pytest.approx(len(said) / 48, abs=1)


async def test_nothing_that_is_sent_in_an_outage_waits(autojump_clock):
    async with surviving() as (simulator, network, caller):
        caller.answers_calls = False
        await caller.type("tool 1")
        await caller.until(lambda: len(caller.of(ToolUseStreamEvent)) == 2)
        await settled_but_for_calls(caller)
        network.next.append(6.0)
        network.line.end(Break("reset"))
        await trio.sleep(1)
        before = trio.current_time()
        for call in caller.of(ToolUseStreamEvent):
            await caller.answer(call)
        await caller.type("typed 1")
        await caller.session.send_audio(spoken(1)[: 48 * 100])
        assert trio.current_time() == before
        await caller.until(lambda: caller.restarts)
        await settled(caller)
        created = [told(event) for number, event in received(simulator, "conversation.item.create") if number == 1]
        assert created[-3:] == ['[{"text": "saw tool 1 left"}]', '[{"text": "saw tool 1 right"}]', "typed 1"]
        assert sum(caller.complete().values()) == 1
        caller.check_well_formed()


async def settled_but_for_calls(caller):
    while caller.session.statistics().conversation.gate.state != "free":  # noqa: ASYNC110 - a snapshot sets no event
        await trio.sleep(0.1)


async def test_requests_of_an_outage_are_answered_after_it(autojump_clock):
    async with surviving(request_deadline_s=5.0) as (simulator, network, caller):
        network.next.append(8.0)
        network.line.end(Break("reset"))
        await trio.sleep(0.5)
        made = await caller.session.items.create(text="a note")
        assert len(caller.restarts) == 1
        assert item_ids(simulator.sessions[-1]) == [made.id]
        with pytest.raises(ServerReported):
            await caller.session.items.delete("item_of_nobody")


async def test_requests_of_an_outage_without_an_end_end_with_the_session(autojump_clock):
    async with surviving(reconnect=Reconnect(total_s=6)) as (_, network, caller):
        network.next.append(100.0)
        network.line.end(Break("reset"))
        await trio.sleep(0.5)
        with pytest.raises(SessionEnded), trio.fail_after(6):
            await caller.session.items.create(text="a note")


async def test_settings_that_are_changed_in_an_outage_hold_after_it(autojump_clock):
    async with surviving() as (_, network, caller):
        network.next.append(3.0)
        network.line.end(Break("reset"))
        await trio.sleep(0.5)
        settings = await caller.session.update(instructions="be brief")
        assert settings.instructions == "be brief"
        assert caller.restarts


async def test_the_session_can_be_stopped_in_an_outage(autojump_clock):
    async with surviving() as (_, network, caller):
        network.next.append(100.0)
        network.line.end(Break("reset"))
        await trio.sleep(1)
        before = trio.current_time()
        await caller.session.stop()
        assert trio.current_time() - before < 0.01
        assert isinstance(caller.events[-1], BidiConnectionCloseEvent)


async def test_a_silent_peer_is_found_by_ping_and_replaced(autojump_clock):
    async with surviving(ping_interval_s=20.0, ping_deadline_s=10.0) as (_, network, caller):
        await caller.type("typed 1")
        await caller.answered("typed 1")
        network.line.silent = True
        before = trio.current_time()
        await caller.until(lambda: caller.restarts)
        assert trio.current_time() - before <= 33  # The server's own ping, which came before, is a sign of life.
        error = caller.restarts[0].timeout_error
        assert isinstance(error, DeadlinePassed)
        assert (error.deadline, error.limit_s) == ("ping", 10.0)
        await caller.type("typed 2")
        await caller.answered("typed 2")


class Thin:
    """A connection that takes many messages in one write, and brings them over one by one."""

    def __init__(self, inner):
        self._inner = inner

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def send_nowait(self, _):
        return False

    async def send_many(self, texts):
        for place, text in enumerate(texts):
            await trio.sleep(0.1 if place else 0.0)
            await self._inner.send(text)


async def test_speech_that_is_answered_while_more_of_it_is_being_written_is_not_sent_again(autojump_clock):
    async with surviving(through=Thin) as (simulator, network, caller):
        network.next.append(3.0)
        network.line.end(Break("reset"))
        await caller.play(speech(1)[: 200 * MS_BYTES] + noise("pause 1", PAUSE_MS, QUIET))
        await caller.answered("part of turn 1")
        await settled(caller)
        network.line.end(Break("reset"))
        await caller.until(lambda: len(caller.restarts) == 2)
        await settled(caller)

        assert caller.complete()["answer to part of turn 1"] == 1, caller.tale()
        assert heard_by(simulator.sessions[-1]).find(speech(1)[: 60 * MS_BYTES]) < 0


async def test_an_answer_that_is_cut_off_is_told_so_and_asked_for_again(autojump_clock):
    async with surviving() as (_, network, caller):
        await caller.type("long 1")
        await caller.until(lambda: caller.of(BidiAudioStreamEvent))
        network.next.append(2.0)
        network.line.end(Break("reset"))
        await caller.until(lambda: any(words.startswith("long 1") for words in caller.complete()))
        first, second = caller.of(BidiResponseStartEvent)
        cut, whole = caller.of(BidiResponseCompleteEvent)
        assert [event.reason for event in caller.of(BidiInterruptionEvent)] == ["error"]
        assert (cut.response_id, cut.stop_reason) == (first.response_id, "interrupted")
        assert (whole.response_id, whole.stop_reason) == (second.response_id, "complete")
        assert caller.restarts[0].asked_again
        caller.check_well_formed()


async def test_an_answer_that_had_ended_is_not_asked_for_again(autojump_clock):
    async with surviving() as (simulator, network, caller):
        await caller.type("typed 1")
        await caller.answered("typed 1")
        network.line.end(Break("reset"))
        await caller.until(lambda: caller.restarts)
        await trio.sleep(20)
        assert not caller.restarts[0].asked_again
        assert simulator.sessions[-1].received.counts["response.create"] == 0
        assert sum(caller.complete().values()) == 1


async def test_a_turn_that_was_told_as_sound_is_told_so_again(autojump_clock):
    async with surviving() as (simulator, network, caller):
        committed = trio.Event()
        network.watch = lambda _, event_type: committed.set() if event_type == "conversation.item.done" else None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(caller.speak, 1)
            await committed.wait()
            network.line.end(Break("reset"))  # Before it has words.
        await caller.answered("turn 1")
        await trio.sleep(3)
        network.line.end(Break("reset"))
        await caller.until(lambda: len(caller.restarts) == 2)
        await trio.sleep(1)
        assert [event.left_out_items for event in caller.restarts] == [0, 0]
        assert [held.item.id for held in caller.session.history] == item_ids(simulator.sessions[-1])
        assert sum(caller.complete().values()) == 1
