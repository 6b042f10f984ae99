"""Requests of a session: settings, items and responses, each answered, refused, given up or left, and nothing kept."""

import base64

import pytest
import trio
import trio.testing
from rooms import audio_delta, config, error, live, said, simulated, tasks

from engine.config import AudioSettings, Prompt, RetentionRatio
from engine.errors import (
    ConfigError,
    ConnectionLost,
    DeadlinePassed,
    LimitExceeded,
    LocalMisuse,
    NotStarted,
    RemoteViolation,
    ServerReported,
    SessionEnded,
    UnsupportedContent,
)
from engine.events import (
    BidiAudioStreamEvent,
    BidiErrorEvent,
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    ToolUseStreamEvent,
)
from engine.limits import RESPONSE_INBOX_MAX_BYTES
from engine.protocol.asking import FOLLOWED_MAX
from engine.protocol.effects import End
from engine.session import Session, open_session
from engine.session.items import FIRST
from engine.simulator import Call, Say, SimulatorSettings
from engine.wire.client import InputAudioBufferClear, SessionUpdate
from engine.wire.codec import decode_server
from engine.wire.items import MessageItem
from engine.wire.session import Audio, AudioInput
from engine.wire.session import Session as Wire

SUMMARY = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Sum up"}]}


@pytest.fixture
async def served():
    """A session with the simulator, and the simulator."""
    async with (
        simulated(Say("one"), Say("two"), Say("three")) as (simulator, _, connector),
        open_session(config(), connector=connector) as session,
    ):
        yield session, simulator


async def collected(session):
    """Take what has come, and what comes until the session ends."""
    await session.stop()
    return [event async for event in session.receive()]


# --- settings -----------------------------------------------------------------------------------------------------


async def test_an_update_gives_the_settings_in_effect(served):
    session, _ = served
    told = await session.update(instructions="Be brief.", turn_detection=None, tools=[], speed=1.25)

    assert (told.instructions, told.audio.input.turn_detection, told.audio.output.speed) == ("Be brief.", None, 1.25)
    assert told.audio.input.transcription.model == "gpt-4o-transcribe", "what is not named stays"
    assert session.settings == told


async def test_every_setting_can_be_changed(served):
    session, _ = served
    changes = {
        "instructions": "x",
        "output_modalities": ["text"],
        "transcription": {"model": "whisper-1", "language": "en"},
        "noise_reduction": "far_field",
        "turn_detection": {"type": "semantic_vad", "eagerness": "high"},
        "voice": "cedar",
        "speed": 0.5,
        "tools": [{"type": "function", "name": "add"}],
        "tool_choice": "none",
        "max_output_tokens": 99,
        "tracing": "auto",
        "truncation": RetentionRatio(ratio=0.5),
        "prompt": Prompt(id="pmpt_1"),
        "include": ["item.input_audio_transcription.logprobs"],
    }
    for name, value in changes.items():
        await session.update(**{name: value})

    told = session.settings
    assert (told.output_modalities, told.tool_choice, told.max_output_tokens) == (("text",), "none", 99)
    assert (told.audio.output.voice, told.audio.output.speed, told.tracing) == ("cedar", 0.5, "auto")
    assert told.truncation["retention_ratio"] == 0.5
    assert told.prompt["id"] == "pmpt_1"
    assert told.audio.input.turn_detection.eagerness == "high"
    assert told.audio.input.noise_reduction.type == "far_field"


async def test_what_can_not_be_is_not_sent(served):
    session, simulator = served
    await trio.testing.wait_all_tasks_blocked()
    before = simulator.sessions[0].received.types
    with pytest.raises(ConfigError, match="temperature"):
        await session.update(temperature=1)
    with pytest.raises(ConfigError):
        await session.items.create(text="x", role="ghost")
    with pytest.raises(ConfigError):
        await session.responses.create(metadata={"k": 7})
    with pytest.raises(UnsupportedContent):
        await session.items.create(text="\ud800")
    with pytest.raises(UnsupportedContent):
        await session.update(instructions="\ud800")
    await trio.testing.wait_all_tasks_blocked()

    assert simulator.sessions[0].received.types == before


async def test_the_voice_is_not_asked_for_once_the_model_has_spoken(served):
    session, _ = served
    await session.update(voice="marin")
    await (await session.responses.create()).done()

    with pytest.raises(LocalMisuse, match="cannot_update_voice"):
        await session.update(voice="cedar")
    assert (await session.update(voice="marin")).audio.output.voice == "marin"


OFF = Wire(type="realtime", audio=Audio(input=AudioInput(extra={"turn_detection": None})))


@pytest.mark.parametrize("how", ["update", "by hand"])
async def test_turns_are_made_by_hand_once_the_service_finds_none(served, how):
    session, _ = served
    with pytest.raises(LocalMisuse):
        await session.input.commit()
    if how == "update":
        await session.update(turn_detection=None)
    else:
        await session.raw.send(SessionUpdate(session=OFF))
        await trio.testing.wait_all_tasks_blocked()
    await session.send_audio(bytes(48 * 200))
    await session.input.commit()
    async for event in session.receive():
        if isinstance(event, BidiResponseCompleteEvent):
            break
    await session.update(turn_detection={"type": "server_vad"})

    with pytest.raises(LocalMisuse):
        await session.input.commit()


async def test_before_the_session_is_open_and_after_its_end_nothing_can_be_changed():
    async with simulated(Say("one")) as (_, __, connector):
        session = Session(config(), connector)
        with pytest.raises(NotStarted):
            await session.update(instructions="x")
        async with trio.open_nursery() as nursery:
            await session.start(nursery.start_soon)
            await session.stop()
        with pytest.raises(SessionEnded):
            await session.update(instructions="x")


async def test_a_refused_update_raises_and_is_not_told_again():
    async with live() as (session, peer):
        outcome = []

        async def ask():
            try:
                await session.update(tool_choice={"type": "function", "name": "nobody"})
            except ServerReported as reported:
                outcome.append(reported)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await peer.hear("session.update")
            update = await peer.hear("session.update")
            await peer.say(error("invalid_value", param="session.tool_choice", event_id=update["event_id"]))
        (reported,) = outcome
        assert (reported.code, reported.param) == ("invalid_value", "session.tool_choice")
        assert BidiErrorEvent not in map(type, await collected(session))


async def test_two_changes_of_one_setting_go_one_after_the_other():
    async with live() as (session, peer):
        await peer.hear("session.update")
        await peer.say(said("session.updated", session={}))
        order = []

        async def ask(words):
            order.append((words, (await session.update(instructions=words)).instructions))

        async with trio.open_nursery() as nursery:
            for words in ("a", "b"):
                nursery.start_soon(ask, words)
                await trio.testing.wait_all_tasks_blocked()
            first = await peer.hear()
            await trio.testing.wait_all_tasks_blocked()
            with trio.move_on_after(0.01) as scope:
                await peer.hear()
            assert scope.cancelled_caught, "the second waits"
            await peer.say(said("session.updated", session=first["session"]))
            second = await peer.hear()
            await peer.say(said("session.updated", session=second["session"]))

        assert order == [("a", "a"), ("b", "b")]


@pytest.mark.parametrize("what", ["update", "item", "cancel"])
async def test_what_nobody_answers_has_a_deadline_and_a_name(autojump_clock, what):
    ask, name = {
        "update": (lambda session: session.update(instructions="x"), "session.update"),
        "item": (lambda session: session.items.delete("item_1"), "conversation.item.delete"),
        "cancel": (lambda session: session.responses.cancel("resp_1"), "response.cancel"),
    }[what]
    async with live(engine={"request_deadline_s": 3}) as (session, _):
        begun = trio.current_time()
        with pytest.raises(DeadlinePassed) as raised:
            await ask(session)

        assert (raised.value.deadline, raised.value.limit_s) == (name, 3)
        assert trio.current_time() - begun == 3


async def test_a_response_that_never_begins_has_a_deadline(autojump_clock):
    async with live(engine={"response_request_deadline_s": 4}) as (session, _):
        with pytest.raises(DeadlinePassed) as raised:
            await session.responses.create()
        assert (raised.value.deadline, raised.value.limit_s) == ("response.create", 4)
        assert BidiErrorEvent not in map(type, await collected(session))


# --- items --------------------------------------------------------------------------------------------------------


async def test_items_come_and_go(served):
    session, _ = served
    first = await session.items.create(text="Hello", id="item_mine")
    second = await session.items.create(text="I am a robot.", role="assistant")
    third = await session.items.create(
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Be kind."}]}, after=FIRST
    )
    fourth = await session.items.create(MessageItem(role="user", content=first.content), after=first.id)

    assert first.id == "item_mine"
    assert (second.content[0].type, second.status) == ("output_text", "completed")
    assert [held.item.id for held in session.history] == [third.id, first.id, fourth.id, second.id]
    assert (await session.items.retrieve(first.id)).content[0].text == "Hello"
    await session.items.delete(first.id)
    assert session.history.get(first.id) is None
    with pytest.raises(ServerReported, match="item_delete_invalid_item_id"):
        await session.items.delete(first.id)
    with pytest.raises(ServerReported, match="item_retrieve_invalid_item_id"):
        await session.items.retrieve(first.id)


async def test_an_item_that_is_added_asks_for_nothing(served):
    session, _ = served
    await session.items.create(text="Hello")

    assert session.statistics().conversation.gate.requested == 0


async def test_speech_is_cut_where_it_was_heard(served):
    session, _ = served
    done = await (await session.responses.create()).done()
    item_id = done.output[0].id

    assert await session.items.truncate(item_id, 100) == 100
    assert session.history.get(item_id).heard_ms == 100
    with pytest.raises(ServerReported):
        await session.items.truncate(item_id, 10**7)


@pytest.mark.parametrize(
    ("ask", "field"),
    [
        (lambda items: items.create(), "text"),
        (lambda items: items.create(text="x", id="i" * 33), "id"),
        (lambda items: items.create(text="x", after=""), "after"),
        (lambda items: items.create({"no": "type"}), "item"),
        (lambda items: items.create("words"), "item"),
        (lambda items: items.create({"type": "message", "role": "user", "content": []}, text="x"), "text"),
        (lambda items: items.delete(""), "item_id"),
        (lambda items: items.retrieve(7), "item_id"),
        (lambda items: items.truncate("i", -1), "audio_end_ms"),
        (lambda items: items.truncate("i", 1.5), "audio_end_ms"),
        (lambda items: items.truncate("i", 1, content_index=-1), "content_index"),
    ],
)
async def test_what_is_no_item_is_not_asked_for(served, ask, field):
    with pytest.raises(ConfigError) as raised:
        await ask(served[0].items)
    assert raised.value.field == field


# --- responses ----------------------------------------------------------------------------------------------------


async def test_a_response_of_the_conversation_is_told_where_all_is_told(served):
    session, _ = served
    stream = await session.responses.create(instructions="x", metadata={"topic": "t"})
    done = await stream.done()
    events = await collected(session)

    assert (stream.metadata, stream.out_of_band) == ({"topic": "t"}, False)
    assert (done.id, done.status, done.metadata["topic"]) == (stream.id, "completed", "t")
    assert [event.response_id for event in events if isinstance(event, BidiResponseCompleteEvent)] == [stream.id]
    with pytest.raises(LocalMisuse, match="receive"):
        aiter(stream)


async def test_a_response_out_of_band_is_told_to_who_asked_alone(served):
    session, _ = served
    stream = await session.responses.create(conversation="none", input=[SUMMARY], output_modalities="text")
    told = [event async for event in stream]
    events = await collected(session)

    assert [event.text for event in told if isinstance(event, BidiTranscriptStreamEvent) and event.is_final] == ["one"]
    assert {event.response_id for event in told} == {stream.id}
    assert isinstance(told[-2], BidiResponseCompleteEvent)
    assert [type(event).__name__ for event in events] == ["BidiConnectionStartEvent", "BidiConnectionCloseEvent"]
    assert len(session.history) == 0, "it adds nothing to the conversation"
    assert (await stream.done()).status == "completed"


async def test_many_responses_out_of_band_run_beside_each_other(served):
    session, _ = served
    streams = []

    async def ask(number):
        streams.append(await session.responses.create(conversation="none", metadata={"n": str(number)}))

    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(ask, number)
    ended = [await stream.done() for stream in streams]

    assert sorted(stream.metadata["n"] for stream in streams) == [str(number) for number in range(8)]
    assert {response.id for response in ended} == {stream.id for stream in streams}
    assert {response.status for response in ended} == {"completed"}


async def test_speech_out_of_band_comes_in_the_applications_shape():
    pytest.importorskip("soxr")
    async with simulated(Say("a b c")) as (_, __, connector):
        settings = config(audio=AudioSettings(input_rate=16_000, output_rate=16_000))
        async with open_session(settings, connector=connector) as session:
            stream = await session.responses.create(conversation="none")
            sounds = [event async for event in stream if isinstance(event, BidiAudioStreamEvent)]

    assert {event.sample_rate for event in sounds} == {16_000}


async def test_speech_out_of_band_is_whole_where_no_end_of_it_is_told():
    pytest.importorskip("soxr")
    settings = config(audio=AudioSettings(input_rate=16_000, output_rate=16_000))
    async with live(settings) as (session, peer):
        stream = await begin(session, peer)
        await peer.say(audio_delta(bytes(48 * 200), response_id=stream.id))
        response = {"id": stream.id, "status": "completed", "conversation_id": None}
        await peer.say(said("response.done", response=response))
        told = [event async for event in stream]

    sounds = [event for event in told if isinstance(event, BidiAudioStreamEvent)]
    assert sum(len(base64.b64decode(event.audio)) for event in sounds) == 32 * 200
    assert isinstance(told[-1], BidiResponseCompleteEvent), "nothing comes behind it"


async def test_calls_of_a_response_out_of_band_are_told_there_alone():
    async with (
        simulated(Call("add", {"a": 1})) as (_, __, connector),
        open_session(config(), connector=connector) as session,
    ):
        stream = await session.responses.create(conversation="none")
        told = [event async for event in stream]
        events = await collected(session)

    assert [event.current_tool_use["name"] for event in told if isinstance(event, ToolUseStreamEvent)] == ["add"]
    assert ToolUseStreamEvent not in map(type, events)


async def test_responses_of_the_conversation_come_one_by_one_while_text_wants_others(served):
    session, simulator = served
    done = []

    async def ask(number):
        stream = await session.responses.create(metadata={"n": str(number)})
        await stream.done()
        done.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(ask, number)
            await trio.testing.wait_all_tasks_blocked()
            await session.send(BidiTextInputEvent("and?"))
    assert done == [0, 1, 2, 3]
    assert "error" not in simulator.sessions[0].sent.types


async def test_a_response_that_runs_is_stopped(autojump_clock):
    async with (
        simulated(Say("a long answer " * 50), settings=SimulatorSettings()) as (_, __, connector),
        open_session(config(), connector=connector) as session,
    ):
        stream = await session.responses.create()
        assert await stream.cancel() is True
        assert (await stream.done()).status == "cancelled"
        assert await stream.cancel() is False
        assert await session.responses.cancel() is False
        assert await session.responses.cancel(stream.id) is False


async def test_a_reader_that_is_too_slow_loses_that_response_alone():
    async with live() as (session, peer):
        stream = await begin(session, peer)
        piece = {"item_id": "i", "output_index": 0, "content_index": 0, "response_id": stream.id}
        for _ in range(RESPONSE_INBOX_MAX_BYTES // 2**20 + 2):
            await peer.say(said("response.output_text.delta", delta="x" * 2**20, **piece))
        await peer.say(audio_delta(response_id="r9"))
        events = session.receive()
        async for event in events:
            if isinstance(event, BidiAudioStreamEvent):
                break

        with pytest.raises(LimitExceeded):
            async for _ in stream:
                pass


async def test_an_end_that_can_not_be_read_is_an_end_all_the_same():
    async with live() as (session, peer):
        made = []

        async def ask():
            made.append(await session.responses.create())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            event = await peer.hear("response.create")
            await peer.say(begun(event, conversation_id="conv_1"))
        await peer.say(said("response.done", response=7))

        with pytest.raises(RemoteViolation, match=r"response\.done"):
            await made[0].done()


async def test_only_so_many_responses_run_at_once_so_that_none_is_forgotten():
    async with live() as (session, peer):
        streams = [await begin(session, peer, f"resp_{number}") for number in range(FOLLOWED_MAX)]
        with pytest.raises(LimitExceeded, match="256"):
            await session.responses.create(conversation="none")
        response = {"id": "resp_0", "status": "completed", "conversation_id": None}
        await peer.say(said("response.done", response=response))

        assert (await streams[0].done()).status == "completed"
        await begin(session, peer, "resp_more")


async def begin(session, peer, response_id="resp_1"):
    """Ask for a response out of band and let it begin."""
    made = []

    async def ask():
        made.append(await session.responses.create(conversation="none"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        event = await peer.hear("response.create")
        await peer.say(begun(event, response_id))
    return made[0]


def begun(event, response_id="resp_1", kind="created", **fields):
    response = {"id": response_id, "conversation_id": None, "metadata": event["response"]["metadata"], **fields}
    return said(f"response.{kind}", response=response)


async def test_a_stream_that_is_left_early_goes_on_for_who_waits_for_its_end():
    async with live() as (session, peer):
        stream = await begin(session, peer)
        async for _ in stream:
            break
        await peer.say(audio_delta(response_id=stream.id))
        response = {"id": stream.id, "status": "completed", "conversation_id": None}
        await peer.say(said("response.done", response=response))

        assert (await stream.done()).status == "completed"


# --- who leaves, and the end --------------------------------------------------------------------------------------


async def test_who_is_cancelled_before_there_is_room_has_sent_nothing():
    async with live() as (session, peer):
        await peer.hear("session.update")
        with trio.CancelScope() as scope:
            scope.cancel()
            await session.items.delete("item_1")
        await session.raw.send(InputAudioBufferClear())

        assert (await peer.hear())["type"] == "input_audio_buffer.clear"


async def test_who_leaves_a_request_leaves_nothing_behind():
    async with live() as (session, peer):
        await peer.hear("session.update")
        await peer.say(said("session.updated", session={}))
        with trio.move_on_after(0.01):
            await session.update(instructions="a")
        assert len(session._requests) == 0
        got = []

        async def ask():
            got.append((await session.update(tools=[])).instructions)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await peer.hear("session.update")
            await peer.hear("session.update")
            await peer.say(said("session.updated", session={"instructions": "a"}))
            await peer.say(said("session.updated", session={"instructions": "a", "tools": []}))
        assert got == ["a"]
        assert session.settings.tools == ()


async def test_a_response_out_of_band_that_nobody_waits_for_is_stopped():
    async with live() as (session, peer):
        with trio.move_on_after(0.01):
            await session.responses.create(conversation="none")
        event = await peer.hear("response.create")
        await peer.say(begun(event))

        assert (await peer.hear())["response_id"] == "resp_1"
        await peer.say(audio_delta(response_id="resp_1"))
        await peer.say(begun(event, kind="done", status="cancelled"))
        assert [event.type for event in await collected(session)] == [
            "bidi_connection_start",
            "bidi_connection_close",
        ]


async def test_one_that_begins_as_its_caller_is_cancelled_is_stopped_too():
    async with live() as (session, peer):
        scope = trio.CancelScope()

        async def ask():
            with scope:
                await session.responses.create(conversation="none")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            event = await peer.hear("response.create")
            scope.cancel()
            # Before the caller runs again: the answer is there, and nobody takes it.
            session._supervisor.apply(session._conversation.receive(decode_server(begun(event)), trio.current_time()))

        assert (await peer.hear("response.cancel"))["response_id"] == "resp_1"


async def test_a_response_that_begins_as_the_session_ends_is_not_waited_for():
    async with live() as (session, peer):
        ends = []

        async def ask():
            with pytest.raises(SessionEnded) as raised:
                await session.responses.create(conversation="none")
            ends.append(raised.value.reason)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            event = await peer.hear("response.create")
            effects = session._conversation.receive(decode_server(begun(event)), trio.current_time())
            # Before the caller runs again: the session is over, and what the receiver has read is carried out.
            session._supervisor.finish(End("user_request"))
            session._supervisor.apply(effects)

        assert ends == ["user_request"], "a stream would have no end"


@pytest.mark.parametrize("how", ["stop", "drop"])
async def test_at_the_end_of_the_session_every_wait_ends(how):
    async with live() as (session, peer):
        await peer.hear("session.update")
        stream = await begin(session, peer)
        before = tasks()
        ends = []

        async def wait(ask):
            with pytest.raises(SessionEnded) as raised:
                await ask()
            ends.append(raised.value)

        async def read():
            async for _ in stream:
                pass

        async with trio.open_nursery() as nursery:
            for ask in (
                lambda: session.update(instructions="a"),
                lambda: session.update(instructions="b"),
                lambda: session.items.delete("x"),
                session.responses.create,
                session.responses.create,
                lambda: session.responses.cancel("resp_9"),
                stream.done,
                read,
                lambda: session.mcp.listed("docs"),
            ):
                nursery.start_soon(wait, ask)
            await trio.testing.wait_all_tasks_blocked()
            if how == "stop":
                await session.stop()
            else:
                peer.transport.hang_up(1006, None)
        assert len(ends) == 9
        assert len({id(end) for end in ends}) == 8, "an error each, but for both that follow one stream"
        if how == "drop":
            assert {type(end.__cause__) for end in ends} == {ConnectionLost}
        assert len(session._requests) == 0
        assert tasks() <= before
        with pytest.raises(SessionEnded):
            await session.update(instructions="late")
        with pytest.raises(SessionEnded):
            await session.mcp.approve("mcpr_1")


@pytest.mark.sends_anything  # openai's client events know of no item references, which its responses' types have
async def test_the_wire_carries_what_was_asked_for(served):
    session, simulator = served
    item = await session.items.create(text="x")
    await (
        await session.responses.create(
            conversation="none",
            input=[SUMMARY, {"type": "item_reference", "id": item.id}],
            instructions="Sum up.",
            output_modalities="text",
            voice="marin",
            tools=[{"type": "function", "name": "add"}],
            tool_choice="none",
            max_output_tokens=10,
            metadata={"k": "v"},
        )
    ).done()
    (event,) = [message.event for message in simulator.sessions[0].received if message.type == "response.create"]
    response = event["response"]

    assert response.pop("metadata").keys() == {"k", "client_event_id"}
    assert response["input"][1] == {"type": "item_reference", "id": item.id}
    assert {name: value for name, value in response.items() if name != "input"} == {
        "conversation": "none",
        "instructions": "Sum up.",
        "output_modalities": ["text"],
        "audio": {"output": {"voice": "marin"}},
        "tools": [{"type": "function", "name": "add"}],
        "tool_choice": "none",
        "max_output_tokens": 10,
    }
