"""What stands in for a session in an event loop: every member is there, and does what the session's own does."""

import asyncio
import contextvars
import inspect
import threading

import anyio
import pytest
from every_host import everything, model, on_event_loops, on_every_host, on_trio, simulated, until
from rooms import KEY

from engine import (
    AudioSettings,
    BidiTextInputEvent,
    ClientSettings,
    ConfigError,
    ConnectionLost,
    DeadlinePassed,
    EngineSettings,
    LocalMisuse,
    SessionConfig,
    SessionEnded,
    TranscriptionConfig,
    TranslationConfig,
    open_session,
    open_transcription,
    open_translation,
)
from engine.actors.audio_out import AudioOut
from engine.hosts import session as hosted
from engine.hosts import streams
from engine.hosts.parts import HostedHistory, HostedInput, HostedItems, HostedMcp, HostedPlayback
from engine.protocol.history import History
from engine.raw import Raw, Tap
from engine.recording.files import read_recording
from engine.session import Session, TranscriptionSession, TranslationSession
from engine.session.input import SpokenInput
from engine.session.items import Items
from engine.session.mcp import McpServers
from engine.session.playback import SessionPlayback
from engine.session.responses import Responses, ResponseStream
from engine.simulator import Call, Say
from engine.tools import ToolContext, Tools

THE_SESSIONS_OWN = {
    Raw: {"observe", "close"},
    Tap: {"put", "close"},
    AudioOut: {"put", "item_done", "response_done", "flush", "end"},
    ResponseStream: {"take", "end", "lose"},
    Responses: {"told", "ended"},
    McpServers: {"changed"},
    History: {"put", "said", "received", "truncated", "deleted", "end_unfinished"},
}
"""What of a class the session calls, and no application."""

PAIRS = [
    (Session, hosted.HostedSession),
    (TranscriptionSession, hosted.HostedTranscription),
    (TranslationSession, hosted.HostedTranslation),
    (Raw, streams.HostedRaw),
    (Tap, streams.HostedTap),
    (AudioOut, streams.HostedAudioOut),
    (Responses, streams.HostedResponses),
    (ResponseStream, streams.HostedResponseStream),
    (Items, HostedItems),
    (SpokenInput, HostedInput),
    (McpServers, HostedMcp),
    (SessionPlayback, HostedPlayback),
    (History, HostedHistory),
]


def members(cls):
    return {name for name in dir(cls) if not name.startswith("_")}


@pytest.mark.parametrize(("own", "stand_in"), PAIRS, ids=[own.__name__ for own, _ in PAIRS])
def test_every_member_has_its_stand_in_of_the_same_kind(own, stand_in):
    wanted = members(own) - THE_SESSIONS_OWN.get(own, set())
    assert wanted - members(stand_in) == set()
    for name in wanted:
        mine, theirs = inspect.getattr_static(own, name), inspect.getattr_static(stand_in, name)
        assert inspect.iscoroutinefunction(mine) == inspect.iscoroutinefunction(theirs), name
        assert callable(mine) == callable(theirs), name
        if callable(mine) and name not in {"start", "create", "update"}:
            assert inspect.signature(mine).parameters.keys() == inspect.signature(theirs).parameters.keys(), name


@on_event_loops
async def test_a_session_has_the_parts_of_its_own():
    async with simulated() as (_, client), open_session(config(client)) as session:
        parts = {name for name, value in vars(session._it).items() if not name.startswith("_")}
        assert {name for name in parts if not hasattr(session, name)} == set()
        assert KEY not in repr(session)


def config(client, **settings):
    return SessionConfig(client=ClientSettings(api_key=KEY, **client), **settings)


async def complete(session, events=None):
    got = []
    async for event in events or session.receive():
        got.append(event)
        if event.type == "bidi_response_complete" and event.stop_reason != "tool_use":
            return got
    raise AssertionError("it ended before")


@on_every_host
async def test_a_talk_by_all_parts_of_a_session():
    async with simulated(Say("one two"), Say("aside"), Say("more")) as (simulator, client):
        async with open_session(config(client)) as session:
            await session.send(BidiTextInputEvent("hello"))
            await complete(session)
            assert [message["role"] for message in session.history.messages()] == ["user", "assistant"]
            assert len(session.history) == 2
            assert [item.transcript for item in session.history] == ["hello", "one two"]
            said = list(session.history)[1]
            assert session.history.get(said.id) == said
            assert session.settings.model == "gpt-realtime"
            assert session.config.model == "gpt-realtime"
            assert session.cost() == session.statistics().cost

            received = session.playback.received_ms(said.id)
            assert received > 0
            session.playback.report(said.id, received)
            await until(lambda: session.playback.heard_ms(said.id) == received)
            await session.playback.heard_out()
            assert not session.playback.playing
            with pytest.raises(LocalMisuse, match="no audio of item"):
                session.playback.report("another", 1)

            aside = await session.responses.create(conversation="none", metadata={"for": "nobody"})
            assert aside.out_of_band
            assert aside.metadata == {"for": "nobody"}
            assert {event.response_id for event in [event async for event in aside]} == {aside.id}
            assert (await aside.done()).status == "completed"
            assert await aside.cancel() is False
            assert await session.responses.cancel() is False

            item = await session.items.create(text="kept")
            assert (await session.items.retrieve(item.id)).id == item.id
            await session.items.delete(item.id)
            assert (await session.update(instructions="be brief")).instructions == "be brief"
            with pytest.raises(ConfigError):
                await session.update(speed=9)
            with pytest.raises(LocalMisuse, match="ends turns by itself"):
                await session.input.commit()
            await session.input.clear()
            await session.interrupt()
            assert session.mcp.tools == {}
            assert session.mcp.approvals == frozenset()
        assert session.statistics().state == "closed"
        with pytest.raises(SessionEnded):
            await session.send(BidiTextInputEvent("late"))
        with pytest.raises(SessionEnded):
            await session.send_audio(bytes(960))
        assert simulator.sessions[-1].close_code == 1000


@on_every_host
async def test_raw_events_are_heard_and_sent():
    from engine.wire.client import ConversationItemCreate
    from engine.wire.items import Content, MessageItem

    async with simulated(Say("a")) as (_, client), open_session(config(client)) as session:
        assert session.raw.listened_to is False
        with session.raw.listen() as tap:
            assert session.raw.listened_to is True
            item = MessageItem(role="user", content=(Content(type="input_text", text="raw"),), id="raw_1")
            await session.raw.send(ConversationItemCreate(item=item))
            heard = []
            async for raw in tap:
                heard.append((raw.direction, raw.event.tag))
                if raw.event.tag == "conversation.item.done":
                    break
        assert ("client", "conversation.item.create") in heard
        assert tap.dropped == 0
        assert session.raw.listened_to is False


@on_every_host
async def test_paced_audio_comes_frame_by_frame():
    async with simulated(Say("one two three four")) as (_, client), open_session(config(client)) as session:
        out = session.audio_out(20, prebuffer_ms=0)
        assert (out.frame_ms, out.closed) == (20, False)
        await session.send(BidiTextInputEvent("speak"))
        await complete(session)
        frames = [await anext(out) for _ in range(5)]
        assert {len(frame) for frame in frames} == {960}
        assert out.statistics().played_ms > 0
        await out.aclose()
        assert out.closed
        with pytest.raises(StopAsyncIteration):
            await anext(out)


@on_event_loops
async def test_a_frame_that_came_for_a_cancelled_reader_is_for_the_next():
    async with simulated(Say("one two three four")) as (_, client), open_session(config(client)) as session:
        out = session.audio_out(20, prebuffer_ms=0)
        await session.send(BidiTextInputEvent("speak"))
        await complete(session)
        frames = 0
        for n in range(60):
            with anyio.move_on_after(n * 0.0005):
                await anext(out)
                frames += 1
        kept = len(out._kept)
        handed = round((out.statistics().played_ms + out.statistics().silence_ms) / 20)
        assert handed == frames + kept
        out.close()


@on_every_host
async def test_a_recording_is_whole_at_the_end_of_its_block(tmp_path):
    async with simulated(Say("a")) as (_, client):
        async with open_session(config(client), record=tmp_path / "whole.jsonl") as session:
            async with session.record(tmp_path / "part.jsonl") as recorder:
                await session.send(BidiTextInputEvent("x"))
                await complete(session)
            assert recorder.statistics().messages > 3, "the file is written"
        with pytest.raises(ConfigError):
            async with open_session(config(client), record=tmp_path / "none" / "such.jsonl"):
                pass
    whole, part = (read_recording(tmp_path / f"{name}.jsonl") for name in ("whole", "part"))
    assert whole.end.reason == "client_disconnect"
    assert len(whole.entries) > len(part.entries) > 3


@on_every_host
async def test_the_session_that_breaks_out_of_its_block_raises_what_the_block_raised():
    async with simulated() as (simulator, client):
        with pytest.raises(ZeroDivisionError):
            async with open_session(config(client)):
                raise ZeroDivisionError
        await until(lambda: not simulator.active_sessions)


@on_every_host
async def test_transcriptions_and_translations_are_sessions_too():
    settings = {"audio": AudioSettings()}
    async with simulated() as (_, client):
        where = ClientSettings(api_key=KEY, **client)
        async with open_transcription(TranscriptionConfig(client=where, turn_detection=None, **settings)) as session:
            await session.send_audio(bytes(48000))
            await session.commit()
            await session.clear()
            await session.update(noise_reduction="near_field")
            assert session.config.noise_reduction.type == "near_field"
        async with open_translation(TranslationConfig(language="de", client=where)) as session:
            await session.send_audio(bytes(48000))
            await session.update(language="fr")
            await session.finish()
            with pytest.raises(LocalMisuse):
                await session.send_audio(bytes(960))
            events = [event async for event in session.receive()]
            assert events[-1].reason == "complete"


# --- tools ------------------------------------------------------------------------------------------------------------

who = contextvars.ContextVar("who", default="nobody")


def tools_that_tell(told):
    tools = Tools(on_report=lambda report: told.append(("report", threading.current_thread().name)))

    @tools.add
    async def look(context: ToolContext) -> str:
        """Look around."""
        await anyio.sleep(0.001)
        told.append(("tool", threading.current_thread().name, on_trio(), who.get(), context.session))
        return "seen"

    return tools


@on_every_host
async def test_a_tool_runs_where_the_application_runs():
    told = []
    tools = tools_that_tell(told)
    here = threading.current_thread().name
    async with simulated(Call("look"), Say("done")) as (_, client):  # noqa: SIM117 - it would be a long line
        async with open_session(config(client, tools=tools.specs)) as session:
            who.set("somebody")
            await session.send(BidiTextInputEvent("look"))
            await complete(session, session.run(tools))
            await until(lambda: len(told) == 2)
            with pytest.raises(LocalMisuse, match="other tools"):
                session.run(Tools())
    name, thread, trio_there, somebody, seen = told[0]
    assert (name, thread, trio_there, seen) == ("tool", here, on_trio(), session)
    assert somebody == ("somebody" if not on_trio() else somebody)
    assert told[1] == ("report", here)
    assert session.statistics().tools.done == 1


@on_every_host
async def test_what_a_tool_raises_is_its_result_and_the_talk_goes_on():
    tools = Tools()

    @tools.add
    async def fail() -> str:
        """Fail."""
        raise ZeroDivisionError

    async with simulated(Call("fail"), Say("a pity")) as (_, client):  # noqa: SIM117 - it would be a long line
        async with open_session(config(client, tools=tools.specs)) as session:
            await session.send(BidiTextInputEvent("fail"))
            await complete(session, session.run(tools))
            assert session.statistics().tools.failed == 1


@on_every_host
async def test_a_tool_is_cancelled_with_its_session_and_may_stop_it():
    ended = []
    tools = Tools()

    @tools.add
    async def wait(context: ToolContext) -> str:
        """Wait."""
        try:
            await context.session.stop()
            await anyio.sleep(60)
        finally:
            ended.append(True)

    async with simulated(Call("wait")) as (_, client), open_session(config(client, tools=tools.specs)) as session:
        await session.send(BidiTextInputEvent("wait"))
        assert [event async for event in session.run(tools)][-1].type == "bidi_connection_close"
    assert ended == [True]


@on_event_loops
async def test_a_tool_that_will_not_end_holds_up_nobody_for_long(monkeypatch):
    monkeypatch.setattr("engine.hosts.errand.CANCEL_DEADLINE_S", 0.05)
    tools, still = Tools(), asyncio.Event()

    @tools.add
    async def cling() -> str:
        """Cling to life."""
        while not still.is_set():
            try:
                await still.wait()
            except asyncio.CancelledError:
                continue

    async with simulated(Call("cling")) as (_, client):
        async with open_session(config(client, tools=tools.specs)) as session:
            await session.send(BidiTextInputEvent("cling"))
            events = session.run(tools)
            await until(lambda: session.statistics().tools.running == 1)
        still.set()
        assert (await anext(events)).type == "bidi_connection_start"


@on_every_host
async def test_mcp_tools_that_nobody_lists_are_not_waited_for_for_ever():
    async with simulated() as (_, client), open_session(config(client)) as session:
        with pytest.raises(DeadlinePassed, match="listed"):
            await session.mcp.listed("shop", 0.01)


# --- who asks ---------------------------------------------------------------------------------------------------------


@on_event_loops
async def test_a_session_may_be_used_from_another_loop_than_its_own():
    async with simulated(Say("a")) as (_, client):
        subject = model(client=client)
        await subject.start()

        async def elsewhere():
            await subject.send(BidiTextInputEvent("x"))
            await complete(subject.session)
            assert subject.statistics().state == "live"

        await anyio.to_thread.run_sync(asyncio.run, elsewhere())
        await subject.stop()


@on_event_loops
async def test_two_readers_share_the_events_and_none_is_lost():
    async with simulated(Say("one two three four five six")) as (_, client):
        subject = model(client=client)
        await subject.start()
        got = []

        async def read():
            got.extend(await everything(subject))

        async with anyio.create_task_group() as group:
            group.start_soon(read)
            group.start_soon(read)
            await subject.send(BidiTextInputEvent("x"))
            await until(lambda: "bidi_response_complete" in {event.type for event in got} or subject_done(subject))
            await subject.stop()
        kinds = [event.type for event in got]
        assert kinds.count("bidi_connection_start") == kinds.count("bidi_response_complete") == 1


def subject_done(subject):
    figures = subject.statistics()
    return figures.events_received.get("response.done") and not figures.inbox.events


def test_opened_where_nothing_runs_it_is_made_for_where_it_is_entered():
    opening = open_session(config({"base_url": "ws://127.0.0.1:1/v1"}, engine=EngineSettings(reconnect=None)))

    async def enter():
        with pytest.raises(Exception, match=r"127\.0\.0\.1"):
            async with opening:
                pass

    anyio.run(enter, backend="asyncio")
    with pytest.raises(ConfigError):
        open_session(config({}, audio=AudioSettings(input_rate=1)))


@on_every_host
async def test_the_callers_context_goes_with_the_session():
    seen = []

    async def connect(nursery, endpoint):
        seen.append(who.get())
        raise ConnectionLost("no")

    who.set("the caller")
    with pytest.raises(ConnectionLost):
        async with open_session(config({}, engine=EngineSettings(reconnect=None)), connector=connect):
            pass
    assert seen == ["the caller"]
