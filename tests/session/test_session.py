"""A session as a whole: it opens or says why not, loses nothing, ends in bounded time, and leaves nothing behind."""

import json
import logging
import re
import signal
import warnings

import attrs
import pybase64
import pytest
import trio
import trio.lowlevel
import trio.testing
from rooms import (
    ANSWERS,
    KEY,
    MS,
    Broken,
    Peer,
    audio_delta,
    call_done,
    cancel_everywhere,
    config,
    converse,
    error,
    live,
    names,
    open_sockets,
    response_created,
    response_done,
    rest,
    said,
    session_created,
    simulated,
    speech_started,
    take,
    tasks,
    text_delta,
    until,
)

from engine import limits
from engine.config import AudioSettings
from engine.errors import (
    BidiModelTimeoutError,
    ConnectionLost,
    DeadlinePassed,
    EngineError,
    HandshakeRejected,
    LimitExceeded,
    LocalMisuse,
    NotStarted,
    RemoteViolation,
    ServerReported,
    SessionEnded,
    UnsupportedContent,
)
from engine.events import (
    BidiAudioInputEvent,
    BidiAudioStreamEvent,
    BidiConnectionCloseEvent,
    BidiConnectionStartEvent,
    BidiErrorEvent,
    BidiImageInputEvent,
    BidiInterruptionEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    ToolResultEvent,
    ToolUseStreamEvent,
)
from engine.session import Session, open_session
from engine.simulator import SimulatorSettings
from engine.testing import MemoryConnector
from engine.transport.memory import memory_pair

CANARY = "canary-4711"


class Narrow(MemoryConnector):
    """Connections that take one frame, as to a server that does not read."""

    async def __call__(self, nursery, endpoint):
        client, server = memory_pair(max_frames=1)
        await self._send.send(server)
        return client


async def collect_into(got, session):
    """Receive to the end, which may raise."""
    async for event in session.receive():
        got.append(event)


async def ended(session):
    """Receive to the end; give what is raised there."""
    try:
        await rest(session)
    except EngineError as error:
        return error
    return None


async def crash(session):
    """Receive to the end; give the type of what is raised there."""
    with pytest.raises(Exception) as caught:
        await rest(session)
    return caught.type


# --- opening --------------------------------------------------------------------------------------------------------


async def test_settings_go_first_then_history_then_text(autojump_clock):
    history = [{"role": "user", "content": [{"text": "before"}]}, {"role": "assistant", "content": [{"text": "yes"}]}]
    async with live(config(history=history, instructions="be brief")) as (session, peer):
        await session.send(BidiTextInputEvent("now"))
        events = [await peer.hear() for _ in range(5)]
        items = ["conversation.item.create"] * 3
        assert [event["type"] for event in events] == ["session.update", *items, "response.create"]
        assert events[0]["session"]["instructions"] == "be brief"
        assert [event["item"]["content"][0]["text"] for event in events[1:4]] == ["before", "yes", "now"]
        assert names(await take(session, 1)) == ["bidi_connection_start"]
        assert session.statistics().state == "live"


async def test_a_long_history_is_no_overflow(autojump_clock):
    history = [{"role": "user", "content": [{"text": "x"}]}] * 5000
    async with live(config(history=history)) as (_, peer):
        got = 0
        while got < 5001:
            got += len(await peer.transport.receive())


async def test_statistics_are_frozen_snapshots_and_right(autojump_clock):
    async with live() as (session, peer):
        await trio.sleep(5)
        await peer.say(response_created(), audio_delta(b"\0" * 4800), "garbage", text_delta("hi"))
        await session.send_audio(MS * 70)
        await session.send(BidiTextInputEvent("x"))
        await take(session, 3)
        seen = session.statistics()
        assert (seen.connection_id, seen.state, seen.age_s) == (session.connection_id, "live", 5)
        assert seen.messages_received == 5
        assert seen.events_received == {
            "session.created": 1,
            "response.created": 1,
            "response.output_audio.delta": 1,
            "response.output_text.delta": 1,
        }
        assert (seen.audio_fed_ms, seen.audio_received_ms) == (70, 100)
        assert (seen.inbox.events, seen.inbox.delivered) == (2, 3)
        assert seen.conversation.violations == {"invalid_json": 1}
        assert seen.transport.bytes_received > 0
        assert seen.audio_lane.most == 40
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            seen.state = "other"
        await session.stop()
        assert seen.state == "live"
        assert session.statistics().state == "closed"
    new = Session(config())
    assert (new.statistics().state, new.statistics().age_s, new.statistics().transport) == ("new", 0, None)


async def test_a_refused_key_is_told_by_its_code(autojump_clock, caplog):
    caplog.set_level(logging.DEBUG)
    async with simulated(keys=["another"]) as (simulator, client, connector):
        with pytest.raises(ServerReported) as caught:
            async with open_session(config(client=client), connector=connector):
                pytest.fail("it is not open")
        assert (caught.value.code, caught.value.fatal) == ("invalid_api_key", True)
        assert KEY not in caplog.text + str(caught.value) + repr(caught.value)
        assert simulator.active_sessions == 0


async def test_a_connection_refused_and_an_unknown_address():
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    before = open_sockets()
    with pytest.raises(ConnectionLost, match="refused"):
        async with open_session(config(client={"base_url": f"ws://127.0.0.1:{port}/v1"})):
            pytest.fail("it is not open")
    async with simulated(tcp=True) as (_, client, __):
        with pytest.raises(HandshakeRejected) as caught:
            async with open_session(config(client={"base_url": client["base_url"] + "?call_id=x"})):
                pytest.fail("it is not open")
        assert caught.value.status == 404
    await trio.testing.wait_all_tasks_blocked()
    assert open_sockets() == before


async def test_a_silent_server_is_waited_for_as_long_as_the_deadline_says(autojump_clock):
    with pytest.raises(DeadlinePassed) as caught:
        async with open_session(config(engine={"connect_deadline_s": 1.5}), connector=MemoryConnector()):
            pytest.fail("it is not open")
    assert (caught.value.deadline, caught.value.limit_s) == ("connect", 1.5)
    assert trio.current_time() == pytest.approx(1.5)


async def test_a_server_that_hangs_up_before_it_opens(autojump_clock):
    connector = MemoryConnector()
    async with trio.open_nursery() as nursery:

        async def serve_one():
            (await connector.accept()).hang_up(1013, "try again later")

        nursery.start_soon(serve_one)
        with pytest.raises(ConnectionLost) as caught:
            async with open_session(config(), connector=connector):
                pytest.fail("it is not open")
    assert caught.value.code == 1013


@pytest.mark.parametrize(
    "content",
    [
        [{"text": "half \ud800"}],
        [
            {"toolUse": {"toolUseId": "a", "name": "n", "input": {}}},
            {"toolResult": {"toolUseId": "a", "content": [{"image": 1}]}},
        ],
    ],
)
async def test_a_history_that_can_not_be_sent_fails_before_connecting(content, autojump_clock):
    connector = MemoryConnector()
    with pytest.raises(UnsupportedContent):
        async with open_session(config(history=[{"role": "user", "content": content}]), connector=connector):
            pytest.fail("it is not open")
    assert connector.endpoints == []


async def test_nothing_is_sent_before_it_is_open(autojump_clock):
    connector = MemoryConnector()
    session = Session(config(), connector)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(session.start, nursery.start_soon)
        peer = Peer(await connector.accept())
        await trio.testing.wait_all_tasks_blocked()
        for content in (BidiTextInputEvent("x"), BidiAudioInputEvent.from_pcm(MS)):
            with pytest.raises(NotStarted, match="call start before sending"):
                await session.send(content)
        await peer.say(session_created())
        await trio.testing.wait_all_tasks_blocked()
        await session.send(BidiTextInputEvent("x"))
        assert (await peer.hear())["type"] == "session.update"
        await session.stop()


async def test_a_session_that_could_not_be_spawned_can_be_stopped(autojump_clock):
    async with trio.open_nursery() as closed:
        pass
    session = Session(config(), MemoryConnector())
    with pytest.raises(RuntimeError):
        await session.start(closed.start_soon)
    await session.stop()
    assert session.statistics().state == "closed"


async def test_a_session_is_for_one_connection(autojump_clock):
    async with live() as (session, peer), trio.open_nursery() as nursery:
        with pytest.raises(LocalMisuse, match="make another"):
            await session.start(nursery.start_soon)
        await session.send(BidiTextInputEvent("it lives"))
        await peer.hear("response.create")
        await session.stop()
        with pytest.raises(SessionEnded):
            await session.start(nursery.start_soon)


# --- bugs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["connect", "receive", "send"])
async def test_a_bug_ends_the_session_with_its_exception(where, autojump_clock):
    bug, before = ZeroDivisionError(where), tasks()
    connector = Broken(where, bug)
    with pytest.raises(ZeroDivisionError) as caught:  # noqa: PT012 - opening, sending or receiving raises it
        async with open_session(config(), connector=connector) as session:
            await session.send(BidiTextInputEvent("x"))
            with pytest.raises(SessionEnded) as sending:  # noqa: PT012 - some time later
                while True:
                    await trio.sleep(0.1)
                    await session.send(BidiTextInputEvent("x"))
            assert sending.value.__cause__ is bug
            await rest(session)
    assert caught.value is bug
    assert connector.closed == (where != "connect")
    assert tasks() == before


async def test_a_bug_in_closing_is_kept_from_the_application(autojump_clock, caplog):
    async with open_session(config(), connector=Broken("close", ZeroDivisionError())) as session:
        await session.stop()
        assert names(await rest(session)) == ["bidi_connection_start", "bidi_connection_close"]
    assert "crashed" in caplog.text


async def test_a_bug_is_logged_by_its_type_and_place_and_not_by_what_it_says(autojump_clock, caplog):
    bugs = ExceptionGroup(CANARY, [ZeroDivisionError(CANARY), ExceptionGroup(CANARY, [KeyError(CANARY)])])
    bugs.__cause__ = ValueError(CANARY)
    async with open_session(config(), connector=Broken("receive", bugs)) as session:
        with pytest.raises(ExceptionGroup, match=CANARY) as caught:
            await rest(session)
    assert caught.value.__cause__ is bugs.__cause__, "the reader gets it whole"
    assert CANARY not in caplog.text
    assert "ZeroDivisionError at" in caplog.text
    assert "KeyError at" in caplog.text


async def test_a_bug_is_logged_with_each_line_that_it_came_through(autojump_clock, caplog):
    async with open_session(config(), connector=Broken("receive", ZeroDivisionError(CANARY))) as session:
        assert await crash(session) is ZeroDivisionError
    [crashed] = [record.message for record in caplog.records if "crashed" in record.message]
    ways = ("link", "receiver", "masked", "rooms")
    assert re.search("ZeroDivisionError at " + " > ".join(rf"\S+{way}\.py:\d+" for way in ways), crashed)
    assert CANARY not in caplog.text


async def test_a_bug_in_one_who_is_told_of_the_end_keeps_it_from_nobody(autojump_clock, caplog):
    told = []
    async with live() as (session, _):
        session._supervisor.when_over(lambda: 1 / 0)
        session._supervisor.when_over(lambda: told.append("over"))
        await session.stop()
        assert (await rest(session))[-1].reason == "client_disconnect"
    assert told == ["over"]
    assert "crashed: ZeroDivisionError at" in caplog.text


async def test_several_bugs_at_once_are_a_group(autojump_clock):
    group = ExceptionGroup("both", [ZeroDivisionError(), KeyError()])
    with pytest.raises(ExceptionGroup, match="both") as caught:
        async with open_session(config(), connector=Broken("connect", group)):
            pytest.fail("it is not open")
    assert caught.value.exceptions == group.exceptions


@pytest.mark.parametrize("strict", [True, False])
def test_what_a_loose_run_does_to_groups_does_not_matter(strict):
    async def main():
        with pytest.raises(ZeroDivisionError):
            async with open_session(config(), connector=Broken("receive", ZeroDivisionError())) as session:
                await rest(session)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", trio.TrioDeprecationWarning)
        trio.run(main, strict_exception_groups=strict)


def test_ctrl_c_in_an_actor_goes_to_the_main_task():
    class Interrupted(Broken):
        async def fail(self, where):
            await trio.lowlevel.checkpoint()
            if where == "receive":
                signal.raise_signal(signal.SIGINT)

    connector = Interrupted("", None)

    async def main():
        async with open_session(config(), connector=connector):
            await trio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        trio.run(main)
    assert connector.closed


async def test_the_blocks_own_exception_comes_as_it_was(autojump_clock):
    async def fail(session):
        try:
            {}["key"]
        except KeyError:
            raise ValueError("mine")  # noqa: B904

    with pytest.raises(ValueError, match="mine") as caught:
        async with open_session(config(), connector=Broken("", None)) as session:
            await fail(session)
    assert isinstance(caught.value.__context__, KeyError)
    assert caught.value.__cause__ is None
    assert not caught.value.__suppress_context__
    with trio.CancelScope() as scope, pytest.raises(ValueError, match="mine"):  # noqa: PT012 - the block is the test
        async with open_session(config(), connector=Broken("", None)) as session:
            scope.cancel()
            await fail(session)
    with pytest.raises(ExceptionGroup, match="two"):
        async with open_session(config(), connector=Broken("", None)):
            raise ExceptionGroup("two", [ValueError(), KeyError()])


# --- sending --------------------------------------------------------------------------------------------------------


async def test_content_that_can_not_be_sent_changes_nothing(autojump_clock):
    async with live() as (session, peer):
        await peer.say(response_created(), call_done(), response_done(output=[]))
        await until(session.receive(), ToolUseStreamEvent)
        result = {"toolUseId": "call_1", "content": [{"text": "\udcff"}]}
        for bad in (
            BidiTextInputEvent("\ud800"),
            BidiTextInputEvent(5),
            BidiImageInputEvent("x", "image/png"),
            ToolResultEvent(result),
            ToolResultEvent({}),
            ToolResultEvent(None),
            ToolResultEvent({"toolUseId": "call_1", "content": [{"image": "x"}]}),
            BidiAudioInputEvent("?", "pcm", 24000, 1),
            BidiAudioInputEvent("", "opus", 24000, 1),
            BidiAudioInputEvent("", "pcm", 96000, 1),
            BidiAudioInputEvent("AAAA", "pcm", 24000, 1),
            "plain text",
            None,
        ):
            with pytest.raises(UnsupportedContent):
                await session.send(bad)
        assert session.statistics().conversation.gate.requested == 0
        await session.send(ToolResultEvent({**result, "content": [{"text": "ok"}]}))
        assert (await peer.hear("conversation.item.create"))["item"]["call_id"] == "call_1"
        await peer.hear("response.create")


async def test_a_cancelled_send_sends_all_or_nothing(autojump_clock):
    async with live() as (session, peer):
        await peer.hear("session.update")
        with trio.CancelScope() as scope:
            scope.cancel()
            await session.send(BidiTextInputEvent("cancelled"))
        assert scope.cancelled_caught
        with trio.CancelScope() as scope:
            scope.cancel()
            await session.send(BidiAudioInputEvent.from_pcm(MS * 40))
        assert scope.cancelled_caught
        assert session.statistics().audio_fed_ms == 0
        await session.send(BidiTextInputEvent("sent"))
        assert (await peer.hear())["item"]["content"][0]["text"] == "sent"


async def test_a_loop_over_a_recording_lets_others_run(autojump_clock):
    turns = 0
    async with live() as (session, _), trio.open_nursery() as nursery:

        async def other():
            nonlocal turns
            while True:
                await trio.lowlevel.checkpoint()
                turns += 1

        nursery.start_soon(other)
        for _ in range(160):
            await session.send_audio(MS * 20)
        nursery.cancel_scope.cancel()
    assert turns >= 8


async def test_control_does_not_wait_behind_audio(autojump_clock):
    async with live(connector=Narrow()) as (session, peer):
        await peer.hear("session.update")
        await session.send_audio(MS * 20_000)
        await session.send(BidiTextInputEvent("now"))
        kinds = [(await peer.hear())["type"] for _ in range(6)]
        assert "response.create" in kinds


def fill_s(session):
    return session.statistics().audio_lane.waiting / 1000


async def test_input_overflow_wait(autojump_clock):
    async with live(connector=Narrow()) as (session, peer):
        await peer.hear("session.update")
        fed = 0
        with trio.move_on_after(1):
            while True:
                await session.send_audio(MS * 40)
                fed += 1
        assert limits.AUDIO_LANE_S <= fill_s(session) < limits.AUDIO_LANE_S + 0.05
        assert session.statistics().audio_fed_ms == fed * 40
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.send_audio, MS * 40)
            await trio.testing.wait_all_tasks_blocked()
            for _ in range(3):
                await peer.hear("input_audio_buffer.append")
            await trio.testing.wait_all_tasks_blocked()
            assert not nursery.child_tasks
        assert session.statistics().audio_lane.dropped == 0


async def test_input_overflow_drop_oldest(autojump_clock):
    settings = config(engine={"input_overflow": "drop_oldest", "close_deadline_s": 0.1})
    async with live(settings, Narrow()) as (session, peer):
        await peer.hear("session.update")
        for _ in range(1000):
            await session.send_audio(MS * 40)
        await trio.testing.wait_all_tasks_blocked()
        lane = session.statistics().audio_lane
        assert lane.waiting == 30_000
        assert lane.dropped + lane.waiting <= 40_000
        assert lane.dropped >= 40_000 - 30_000 - 80


async def test_input_overflow_fail(autojump_clock):
    settings = config(engine={"input_overflow": "fail", "close_deadline_s": 0.1})
    async with live(settings, Narrow()) as (session, _):
        with pytest.raises(LimitExceeded, match="AUDIO_LANE_S"):  # noqa: PT012 - at some time
            for _ in range(1000):
                await session.send_audio(MS * 40)
        assert fill_s(session) >= limits.AUDIO_LANE_S
        assert session.statistics().state == "live"


@pytest.mark.parametrize("what", ["audio", "text"])
async def test_whoever_waits_for_room_is_told_when_the_session_ends(what, autojump_clock):
    settings = config(engine={"close_deadline_s": 0.1})
    async with live(settings, Narrow()) as (session, _), trio.open_nursery() as nursery:

        async def send():
            content = BidiAudioInputEvent.from_pcm(MS * 40) if what == "audio" else BidiTextInputEvent("x", "assistant")
            with pytest.raises(SessionEnded):  # noqa: PT012 - at some time
                while True:
                    await session.send(content)

        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        await session.stop()


async def test_what_the_server_calls_for_and_does_not_read_is_bounded(autojump_clock):
    async with live(connector=Narrow()) as (session, peer):
        for n in range(3 * limits.CONTROL_LANE_MESSAGES):
            await peer.say(call_done(f"call_{n}", arguments="no JSON"))
        with pytest.raises(LimitExceeded, match="CONTROL_LANE_MESSAGES"):
            await rest(session)
        assert session.statistics().control_lane.most <= 2 * limits.CONTROL_LANE_MESSAGES + 2


# --- receiving ------------------------------------------------------------------------------------------------------


async def test_a_cancelled_receive_loses_nothing(autojump_clock):
    count = 200
    async with live() as (session, peer), trio.open_nursery() as nursery:

        async def talk():
            for n in range(count):
                await peer.say(text_delta(f"{n} "))
                if n % 3 == 0:
                    await trio.sleep(0.001)

        nursery.start_soon(talk)
        got = []
        for n in range(10_000):
            with trio.CancelScope(deadline=trio.current_time() + 0.0005) as scope:
                if n % 2:
                    scope.cancel()
                async for event in session.receive():
                    got.append(event)
                    if n % 5 == 0:
                        break
            if len(got) == count + 1:
                break
        assert "".join(event.text for event in got[1:]) == "".join(f"{n} " for n in range(count))


BAD = [
    "{", "[]", "5", '{"x": 1}', b"binary", b"", "\0",
    said("response.output_text.delta"),
    said("response.output_text.delta", response_id=5, item_id=[], output_index="x", content_index=None, delta=CANARY),
    said("response.done", response=[CANARY]),
    said("session.created"),
    json.dumps({"type": [CANARY]}),
    '{"type": "response.created", "response": {"id": "canary-4711", "object": ',
    text_delta(CANARY * 400),
]  # fmt: skip
ODD = [
    said("canary.unknown", text=CANARY),
    session_created(),
    response_done("never began"),
    response_created("twice"),
    response_created("twice"),
    response_done("twice"),
    response_done("twice"),
    said("conversation.item.deleted", item_id="no such"),
    said("conversation.item.truncated", item_id="no such", content_index=0, audio_end_ms=5),
    said("input_audio_buffer.speech_stopped", item_id="x", audio_end_ms=5),
    call_done("call_x", arguments="no JSON"),
    error("some_error", CANARY),
    error("response_cancel_not_active"),
]


async def test_bad_and_odd_input_loses_no_other_event(autojump_clock, caplog):
    caplog.set_level(logging.DEBUG)
    async with live(config(engine={"message_max_bytes": 2048})) as (session, peer):
        mixed = [message for pair in zip(BAD, [*ODD, BAD[0]], strict=True) for message in pair]
        for n, message in enumerate(mixed):
            await peer.say(text_delta(f"{n} "), message)
        await peer.say(text_delta("last"))
        got = []
        async for event in session.receive():
            got.append(event)
            if isinstance(event, BidiTranscriptStreamEvent) and event.text == "last":
                break
        words = [event.text for event in got if isinstance(event, BidiTranscriptStreamEvent)]
        assert words == [f"{n} " for n in range(len(mixed))] + ["last"]
        unread = [
            event.error
            for event in got
            if isinstance(event, BidiErrorEvent) and isinstance(event.error, (RemoteViolation, LimitExceeded))
        ]
        assert len(unread) == len(BAD) + 1
        statistics = session.statistics()
        assert sum(statistics.conversation.violations.values()) == len(BAD) + 1
        assert statistics.messages_received == 2 + 2 * len(mixed)
        assert statistics.conversation.unknown_events == {"canary.unknown": 1}
        assert sum(statistics.conversation.out_of_order.values()) >= 2
        assert statistics.state == "live"
        assert not any(CANARY in f"{each}{each!r}" for each in unread)
    assert CANARY not in caplog.text
    assert KEY not in caplog.text


async def test_a_type_of_any_length_is_kept_short(autojump_clock):
    async with live() as (session, peer):
        await peer.say(said("x" * 100_000), text_delta("after"))
        await take(session, 2)
        assert max(map(len, session.statistics().events_received)) == limits.COUNTED_NAME_CHARS


async def test_an_interruption_overtakes_half_a_minute_of_audio(autojump_clock):
    async with live() as (session, peer):
        await peer.say(response_created())
        for _ in range(300):
            await peer.say(audio_delta(MS * 100))
        events = session.receive()
        await until(events, BidiAudioStreamEvent)
        await trio.sleep(1)
        await peer.say(speech_started(), audio_delta(), text_delta("x"))
        await trio.testing.wait_all_tasks_blocked()
        assert isinstance(await anext(events), BidiInterruptionEvent)
        assert isinstance(await anext(events), BidiTranscriptStreamEvent)
        statistics = session.statistics()
        assert statistics.inbox.purged_audio == 299
        assert statistics.conversation.silenced_audio == 1


async def test_inbox_overflow_wait_holds_the_server_back_and_goes_on(autojump_clock):
    settings = config(engine={"inbox_overflow": "wait", "inbox_max_bytes": 2**16})
    async with live(settings, Narrow()) as (session, peer), trio.open_nursery() as nursery:
        sent = 0

        async def talk():
            nonlocal sent
            for n in range(500):
                await peer.say(text_delta(f"{n} "))
                sent += 1

        nursery.start_soon(talk)
        await trio.sleep(1)
        assert sent < 300
        assert session.statistics().inbox.bytes <= 2**16 + 2000
        got = await take(session, 501)
        assert "".join(event.text for event in got[1:]) == "".join(f"{n} " for n in range(500))


async def test_inbox_overflow_fail_ends_the_session_after_what_is_there(autojump_clock):
    settings = config(engine={"inbox_overflow": "fail", "inbox_max_bytes": 2**16})
    async with live(settings) as (session, peer):
        for _ in range(20):
            peer.transport._outgoing.send_nowait(audio_delta(MS * 100))
        got = []
        with pytest.raises(LimitExceeded, match="inbox_max_bytes"):
            await collect_into(got, session)
        assert len(got) > 10
        await trio.testing.wait_all_tasks_blocked()
        assert session.statistics().state == "closed"


async def test_inbox_overflow_drop_keeps_control_and_the_connection(autojump_clock):
    async with live(config(engine={"inbox_max_bytes": 2**16})) as (session, peer):
        for n in range(200):
            await peer.say(audio_delta(MS * 100), *([text_delta(f"{n} ")] if n % 10 == 0 else []))
        await trio.testing.wait_all_tasks_blocked()
        await session.stop()
        statistics = session.statistics().inbox
        got = await rest(session)
        told = [event for event in got if isinstance(event, BidiErrorEvent)]
        assert len(told) == 1
        assert "".join(event.text for event in got if isinstance(event, BidiTranscriptStreamEvent)).split() == [
            str(n) for n in range(0, 200, 10)
        ]
        assert statistics.dropped_audio + statistics.purged_audio == 200


@pytest.mark.parametrize("policy", ["drop_oldest_audio", "fail"])
@pytest.mark.parametrize("how", ["stop", "server"])
async def test_the_close_event_fits_into_a_full_inbox(policy, how, autojump_clock):
    settings = config(engine={"inbox_overflow": policy, "inbox_max_bytes": 2**16})
    async with live(settings) as (session, peer):
        used = session.statistics().inbox.bytes
        while (left := 2**16 - used) > 2 * limits.INBOX_EVENT_BYTES:
            size = min(1000, left) // 2 - limits.INBOX_EVENT_BYTES // 2
            await peer.say(
                said(
                    "conversation.item.input_audio_transcription.delta",
                    item_id=f"i{used}",
                    content_index=0,
                    delta="x" * size,
                )
            )
            await trio.testing.wait_all_tasks_blocked()
            used = session.statistics().inbox.bytes
        assert 2**16 - used < 2 * limits.INBOX_EVENT_BYTES
        for _ in range(2**16 - used >= limits.INBOX_EVENT_BYTES):
            await peer.say(speech_started())
        await trio.testing.wait_all_tasks_blocked()
        assert 2**16 - session.statistics().inbox.bytes < limits.INBOX_EVENT_BYTES
        with trio.fail_after(5):
            if how == "stop":
                await session.stop()
            else:
                peer.transport.hang_up(1000, None)
            assert (await rest(session))[-1].reason == ("client_disconnect" if how == "stop" else "complete")


# --- the end --------------------------------------------------------------------------------------------------------


async def test_what_came_before_the_end_is_read_though_sending_fails_first(autojump_clock):
    for _ in range(20):  # Trio shuffles its tasks.
        async with live() as (session, peer):
            await trio.testing.wait_all_tasks_blocked()
            await peer.say(*[text_delta(f"{n}") for n in range(5)])
            peer.transport.hang_up(1001, "Your session hit the maximum duration of 60 minutes.")
            await session.send_audio(MS * 40)
            await session.send(BidiTextInputEvent("x"))
            got = []
            with pytest.raises(BidiModelTimeoutError):
                await collect_into(got, session)
            assert len(got) == 6


async def test_a_connection_that_can_only_not_send_is_lost_all_the_same(autojump_clock):
    connector = Broken("send", ConnectionLost("half broken"))
    async with open_session(config(engine={"close_deadline_s": 3}), connector=connector) as session:
        with pytest.raises(ConnectionLost, match="half broken"):
            await rest(session)
    assert trio.current_time() == pytest.approx(3)


async def test_the_lifetime_ends_to_the_millisecond(autojump_clock):
    async with live(config(client={"timeout_s": 123.456})) as (session, _):
        with pytest.raises(BidiModelTimeoutError, match=r"123\.456") as caught:
            await rest(session)
        assert caught.value.limit_s == 123.456
        assert trio.current_time() == pytest.approx(123.456, abs=0.0005)
        with pytest.raises(SessionEnded, match="timeout"):
            await session.send(BidiTextInputEvent("late"))


@pytest.mark.parametrize("way", ["event", "close"])
async def test_the_services_own_cap_is_a_timeout(way, autojump_clock):
    words = "Your session hit the maximum duration of 60 minutes."
    async with live() as (session, peer):
        if way == "event":
            await peer.say(error("session_expired", words))
        peer.transport.hang_up(1001, words)
        with pytest.raises(BidiModelTimeoutError, match="60 minutes"):
            await rest(session)


async def test_the_simulators_own_cap_is_a_timeout(autojump_clock):
    settings = SimulatorSettings(session_max_s=60)
    async with simulated(settings=settings) as (_, client, connector):
        async with open_session(config(client=client), connector=connector) as session:
            with pytest.raises(BidiModelTimeoutError):
                await rest(session)
        assert trio.current_time() == pytest.approx(60, abs=1)


async def test_a_request_that_is_never_answered_is_told_on_time(autojump_clock):
    async with live(config(engine={"response_request_deadline_s": 7})) as (session, _):
        await session.send(BidiTextInputEvent("x"))
        told = await until(session.receive(), BidiErrorEvent)
        assert told.error.deadline == "response_request"
        assert trio.current_time() == pytest.approx(7)


async def test_stop_sends_what_waits_first(autojump_clock):
    async with live(connector=Narrow()) as (session, peer):
        await session.send_audio(MS * 50)
        await session.send(BidiTextInputEvent("last words"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.stop)
            kinds = [(await peer.hear())["type"] for _ in range(5)]
    assert sorted(kinds) == sorted(
        ["session.update", "conversation.item.create", "response.create"] + ["input_audio_buffer.append"] * 2
    )


async def test_stop_twice_and_from_other_tasks(autojump_clock):
    async with live() as (session, _), trio.open_nursery() as nursery:
        got = []

        async def read():
            got.extend(await rest(session))

        nursery.start_soon(read)
        for _ in range(3):
            nursery.start_soon(session.stop)
        await session.stop()
        await session.stop()
    assert names(got) == ["bidi_connection_start", "bidi_connection_close"]
    assert got[-1].reason == "client_disconnect"


async def test_stop_before_start(autojump_clock):
    session = Session(config(), MemoryConnector())
    with session.raw.listen() as tap:
        await session.stop()
        assert [event async for event in tap] == []
    assert names(await rest(session)) == ["bidi_connection_close"]
    async with trio.open_nursery() as nursery:
        with pytest.raises(SessionEnded):
            await session.start(nursery.start_soon)
    assert session.statistics().state == "closed"


async def test_stop_in_a_task_of_the_session_as_a_tool_is(autojump_clock):
    steps = []
    async with live() as (session, _):

        async def hang_up():
            steps.append("stops")
            try:
                await session.stop()
            finally:
                steps.append(session.statistics().state)

        session._supervisor.spawn(hang_up, "a tool")
        with trio.fail_after(5):
            assert (await rest(session))[-1].reason == "client_disconnect"
    assert steps == ["stops", "closing"]
    assert session.statistics().state == "closed"


@pytest.mark.parametrize("answered", [True, False])
async def test_stop_while_connecting(answered, autojump_clock):
    for _ in range(10):
        connector = MemoryConnector()
        session = Session(config(), connector)
        async with trio.open_nursery() as nursery:
            opened = []

            async def start(session=session, nursery=nursery, opened=opened):
                try:
                    await session.start(nursery.start_soon)
                except SessionEnded:
                    return
                opened.append(True)

            nursery.start_soon(start)
            peer = Peer(await connector.accept())
            await trio.testing.wait_all_tasks_blocked()
            async with trio.open_nursery() as both:
                both.start_soon(session.stop)
                if answered:  # in the same breath
                    peer.transport._outgoing.send_nowait(session_created())
        got = await rest(session)
        assert got[-1].reason == "client_disconnect"
        assert len(got) == 1 + len(opened), "what was told as open has its first event"
        assert answered or not opened


async def test_stop_inside_a_cancelled_scope(autojump_clock):
    async with simulated() as (simulator, client, connector):
        session = Session(config(client=client), connector)
        async with trio.open_nursery() as nursery:
            await session.start(nursery.start_soon)
            with trio.CancelScope() as scope:
                scope.cancel()
                await session.stop()
            assert session.statistics().state == "closed"
        await trio.lowlevel.checkpoint()
        assert simulator.sessions[0].close_code == 1000


async def test_stop_with_a_dead_peer_takes_the_close_deadline(autojump_clock):
    class Dead(Broken):
        async def close(self, deadline_s):
            with trio.move_on_after(deadline_s):
                await trio.sleep_forever()

        async def send(self, text):
            await trio.sleep_forever()

    async with open_session(config(), connector=Dead("", None)) as session:
        await session.send(BidiTextInputEvent("x"))
        started = trio.current_time()
        await session.stop()
        assert trio.current_time() - started == pytest.approx(limits.CLOSE_DEADLINE_S)


async def test_stop_with_20000_unread_deltas_waits_for_nothing(autojump_clock):
    async with live(config(), MemoryConnector()) as (session, peer):
        for n in range(20_000):
            await peer.say(audio_delta(b"\0" * 96))
            if n == 100:
                await take(session, 100)
        started = trio.current_time()
        await session.stop()
        assert trio.current_time() == started
        inbox = session.statistics().inbox
        assert inbox.purged_audio + inbox.dropped_audio > 15_000
        assert (await rest(session))[-1].reason == "client_disconnect"


async def test_a_rest_of_audio_that_is_due_while_it_closes_is_no_crash(autojump_clock, caplog):
    class Slow(Broken):
        async def close(self, deadline_s):
            await trio.sleep(deadline_s)

    async with open_session(config(), connector=Slow("", None)) as session:
        await session.send_audio(MS * 10)
        session._supervisor._links._mover.current._lost(ConnectionLost("gone", code=1006))
        await trio.sleep(5)
        assert isinstance(await ended(session), ConnectionLost)
    assert "crashed" not in caplog.text


async def test_a_cancelled_session_does_not_wait_for_what_it_can_not_send(autojump_clock):
    async with simulated() as (simulator, client, connector):
        with trio.CancelScope() as scope:
            async with open_session(config(client=client), connector=connector) as session:
                await session.send_audio(MS * 1000)
                started = trio.current_time()
                scope.cancel()
                await trio.sleep_forever()
        assert trio.current_time() == started
        await trio.sleep(0.1)
        assert simulator.sessions[0].close_code == 1000


@pytest.mark.parametrize("what", ["text", "audio", "interrupt"])
async def test_last_words_of_a_cancelled_block_are_refused_by_name(what, autojump_clock):
    class Slow(Broken):
        async def close(self, deadline_s):
            await trio.sleep(deadline_s)

    with trio.CancelScope() as scope:
        async with open_session(config(), connector=Slow("", None)) as session:
            scope.cancel()
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True), pytest.raises(SessionEnded):  # noqa: PT012 - some way to send
                    await trio.sleep(0.1)
                    if what == "text":
                        await session.send(BidiTextInputEvent("last words"))
                    elif what == "audio":
                        await session.send_audio(MS * 100)
                    else:
                        await session.interrupt()


async def test_what_follows_a_turns_end_waits_for_room_like_all_else(autojump_clock):
    async with live(config(turn_detection=None), Narrow()) as (session, peer):
        await peer.hear("session.update")
        await session.send_audio(MS * 500)
        await session.input.commit()
        sent = 0
        with trio.move_on_after(1) as scope:
            while True:
                await session.send(BidiTextInputEvent("x", "assistant"))
                sent += 1
        assert scope.cancelled_caught
        assert sent <= limits.CONTROL_LANE_MESSAGES
        assert session.statistics().state == "live"


async def test_what_the_server_calls_for_behind_a_turns_end_is_bounded_too(autojump_clock):
    async with live(config(turn_detection=None, engine={"close_deadline_s": 0.1}), Narrow()) as (session, peer):
        await peer.hear("session.update")
        await session.send_audio(MS * 500)
        await session.input.commit()
        for n in range(3 * limits.CONTROL_LANE_MESSAGES):
            await peer.say(call_done(f"call_{n}", arguments="no JSON"))
        assert isinstance(await ended(session), LimitExceeded)


async def test_no_silence_is_filled_in_while_it_closes(autojump_clock):
    settings = config(engine={"fill_silence": True, "close_deadline_s": 4})
    async with live(settings, Narrow()) as (session, _), trio.open_nursery() as nursery:
        await trio.sleep(1)
        await trio.testing.wait_all_tasks_blocked()
        waiting = session.statistics().audio_lane.waiting
        nursery.start_soon(session.stop)
        await trio.sleep(1)
        assert 0 < session.statistics().audio_lane.waiting <= waiting
        assert session.statistics().state == "live", "it still waits for the socket"


# --- cancelled everywhere -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("who", ["user", "engine"])
async def test_cancelled_at_every_checkpoint_it_leaves_nothing(tcp, who, autojump_clock):
    async with simulated(*ANSWERS, tcp=tcp) as (simulator, client, connector):
        settings = config(client=client, engine={"input_frame_ms": 200})

        async def run():
            async with open_session(settings, connector=connector) as session:
                await converse(session)

        assert await cancel_everywhere(simulator, who, run) > 15


async def test_nothing_shows_the_key(autojump_clock, caplog):
    caplog.set_level(logging.DEBUG)
    async with simulated(*ANSWERS) as (_, client, connector):
        settings = config(client=client)
        async with open_session(settings, connector=connector) as session:
            shown = [repr(settings), repr(session), repr(session.statistics()), repr(session.__dict__)]
            await converse(session)
            shown += [repr(session.statistics()), repr(session.history), repr(session.raw)]
            with pytest.raises(SessionEnded) as caught:
                await session.send(BidiTextInputEvent("x"))
            shown.append(repr(caught.value))
    assert caplog.records
    for text in [*shown, caplog.text]:
        assert KEY not in text


async def test_other_formats_and_types_of_input(autojump_clock):
    audio = AudioSettings(format="pcmu", input_rate=8000, output_rate=8000)
    async with live(config(audio=audio, image_input=True)) as (session, peer):
        await session.send_audio(b"\xff" * 321)
        message = await peer.hear("input_audio_buffer.append")
        assert len(pybase64.b64decode(message["audio"])) == 320
        await session.send(BidiImageInputEvent("AAAA", "image/png"))
        assert (await peer.hear("conversation.item.create"))["item"]["content"][0]["type"] == "input_image"
        got = await take(session, 1)
        assert isinstance(got[0], BidiConnectionStartEvent)
        peer.transport.hang_up(1000, None)
        assert isinstance((await rest(session))[-1], BidiConnectionCloseEvent)
