"""The facade on every host: four verbs in any task; startable again after whatever happened; nothing left behind.

What is Trio's alone, as its nurseries and its mock clock, is in `hosts/test_facade_on_trio.py`.
"""

import contextlib
import logging

import anyio
import anyio.lowlevel
import pybase64
import pytest
from every_host import (
    accept,
    everything,
    in_trio,
    living,
    model,
    on_every_host,
    on_trio,
    settle,
    simulated,
    started,
    until,
)
from rooms import KEY, Broken, audio_delta, error, names, open_sockets, speech_started, text_delta

from engine import limits
from engine.errors import (
    AlreadyStarted,
    BidiModelTimeoutError,
    ConfigError,
    ConnectionLost,
    DeadlinePassed,
    HandshakeRejected,
    LimitExceeded,
    NotStarted,
    ServerReported,
    SessionEnded,
    UnsupportedContent,
)
from engine.events import BidiAudioInputEvent, BidiTextInputEvent
from engine.facade import BidiOpenAIRealtimeModel
from engine.simulator import SimulatorSettings
from engine.simulator.settings import INSTANT
from engine.testing import MemoryConnector

# --- settings -------------------------------------------------------------------------------------------------------


def test_attributes_are_the_contracts(monkeypatch):
    monkeypatch.setenv("OPENAI_ORGANIZATION", "org")
    subject = BidiOpenAIRealtimeModel("gpt-x", {"audio": {"voice": "verse"}}, {"api_key": "k", "project": "p"}, more=1)
    assert (subject.model_id, subject.api_key, subject.organization, subject.project) == ("gpt-x", "k", "org", "p")
    assert subject.timeout_s == limits.OPENAI_MAX_TIMEOUT_S
    assert subject.config == {
        "audio": {"input_rate": 24000, "output_rate": 24000, "channels": 1, "format": "pcm", "voice": "verse"},
        "inference": {},
    }
    other = BidiOpenAIRealtimeModel(client_config={"api_key": "k"})
    assert other.config["audio"]["voice"] == "alloy", "one model's settings don't leak into the next"
    subject.timeout_s = 10
    assert subject.timeout_s == 10
    with pytest.raises(ValueError, match="3000"):
        subject.timeout_s = 3001


@pytest.mark.parametrize(
    ("provider", "client"),
    [
        ({"audio": {"rate": 1}}, {}),
        ({"engine": {"no": 1}}, {}),
        ({}, {"token": "secret"}),
        ({"inference": {"tool_choice": 5}}, {}),
    ],
)
def test_a_wrong_setting_fails_when_the_model_is_made(provider, client):
    with pytest.raises(ConfigError) as caught:
        BidiOpenAIRealtimeModel(provider_config=provider, client_config={"api_key": KEY, **client})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"provider_config": {"audio": "pcm"}}, "audio"),
        ({"provider_config": {"audio": []}}, "audio"),
        ({"provider_config": {"inference": ["tool_choice"]}}, "inference"),
        ({"provider_config": {"engine": ["input_frame_ms"]}}, "engine"),
        ({"provider_config": {"session": ["speed"]}}, "session"),
        ({"provider_config": {"session": {"speed": 9}}}, "speed"),
        ({"provider_config": {"session": {"temperature": 1}}}, "session.temperature"),
        ({"provider_config": {"session": {"tool_choice": "auto"}}}, "session.tool_choice"),
        ({"provider_config": {"image_input": "yes"}}, "image_input"),
        ({"provider_config": "audio"}, "provider_config"),
        ({"client_config": KEY}, "client_config"),
    ],
)
def test_a_setting_of_another_type_is_refused_by_name_and_not_shown(given, field):
    with pytest.raises(ConfigError) as caught:
        BidiOpenAIRealtimeModel(**({"client_config": {"api_key": KEY}} | given))
    assert caught.value.field == field
    assert caught.value.allowed
    assert KEY not in str(caught.value) + repr(vars(caught.value))


def test_what_is_given_as_none_is_not_given():
    given = {"audio": None, "inference": None, "engine": None}
    made = BidiOpenAIRealtimeModel(provider_config=given, client_config={"api_key": KEY})
    assert made.config["audio"]["voice"] == "alloy"
    assert made.config["inference"] == {}


@on_every_host
async def test_other_settings_of_the_session_have_a_place_of_their_own():
    given = {"turn_detection": {"type": "semantic_vad"}, "noise_reduction": "near_field", "speed": 1.1}
    async with simulated() as (simulator, client):
        subject = model(client=client, session=given)
        await subject.start()
        await subject.stop()

    (update,) = [message.event for message in simulator.sessions[0].received]
    audio = update["session"]["audio"]
    assert audio["input"]["turn_detection"] == {"type": "semantic_vad"}
    assert audio["input"]["noise_reduction"] == {"type": "near_field"}
    assert audio["output"]["speed"] == 1.1
    assert subject.config.keys() == {"audio", "inference"}, "the contract's own"


@pytest.mark.parametrize(
    "message",
    [
        {"role": "robot", "content": [{"text": "x"}]},
        {"role": "user", "content": [{"text": 5}]},
        {"role": "user", "content": [{"image": {}}]},
    ],
)
@on_every_host
async def test_history_that_cannot_be_sent_fails_before_a_connection_is_made(message):
    async def connect(nursery, endpoint):
        pytest.fail("it connected")

    subject = BidiOpenAIRealtimeModel(client_config={"api_key": KEY}, connector=connect)
    with pytest.raises(UnsupportedContent, match=r"messages\[0\] \| "):
        await subject.start(messages=[message])
    with pytest.raises(NotStarted):
        subject.statistics()


def test_unknown_settings_are_ignored_and_logged(caplog):
    settings = {"video": {}, "inference": {"temperature": 1, "max_output_tokens": 5}}
    BidiOpenAIRealtimeModel(provider_config=settings, client_config={"api_key": KEY})
    assert "'video'" in caplog.text
    assert "'temperature'" in caplog.text
    assert KEY not in caplog.text


# --- the verbs ------------------------------------------------------------------------------------------------------


@on_every_host
async def test_before_start_nothing_goes_but_stop():
    subject = model(MemoryConnector())
    await subject.stop()
    with pytest.raises(RuntimeError, match="call start before sending"):
        await subject.send(BidiTextInputEvent("x"))
    with pytest.raises(RuntimeError, match="call start before sending"):
        await anext(subject.receive())
    with pytest.raises(NotStarted):
        subject.statistics()


@on_every_host
async def test_a_session_from_start_to_stop_and_again():
    connector = MemoryConnector()
    subject = model(connector)
    for _ in range(2):
        peer = await started(
            subject, connector, system_prompt="be brief", messages=[{"role": "user", "content": [{"text": "old"}]}]
        )
        with pytest.raises(AlreadyStarted, match="call stop before starting again"):
            await subject.start()
        await subject.send(BidiTextInputEvent("new"))
        assert (await peer.hear())["session"]["instructions"] == "be brief"
        said = [await peer.hear("conversation.item.create") for _ in range(2)]
        assert [each["item"]["content"][0]["text"] for each in said] == ["old", "new"]
        await peer.say(text_delta("hi"))
        stream = subject.receive()
        first = [await anext(stream), await anext(stream)]
        assert names(first) == ["bidi_connection_start", "bidi_transcript_stream"]
        assert subject.statistics().connection_id == first[0].connection_id
        await subject.stop()
        await subject.stop()
        assert names([event async for event in stream]) == ["bidi_connection_close"]
        with pytest.raises(NotStarted):
            await subject.send(BidiTextInputEvent("late"))


@on_every_host
async def test_stop_in_another_task_ends_receive_with_a_close_event():
    connector, got = MemoryConnector(), []
    subject = model(connector)
    await started(subject, connector)

    async def read():
        got.extend(await everything(subject))

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await settle()
        await subject.stop()
    assert names(got) == ["bidi_connection_start", "bidi_connection_close"]


@on_every_host
async def test_stop_while_it_starts_and_start_at_once_again():
    for _ in range(5):  # Trio shuffles its tasks, and threads race.
        connector = MemoryConnector()
        subject = model(connector)
        async with anyio.create_task_group() as group:

            async def first(subject=subject):
                with pytest.raises(SessionEnded):
                    await subject.start()

            group.start_soon(first)
            await accept(connector)
            await settle(5)
            await subject.stop()
            peer = await started(subject, connector)
        await subject.send(BidiTextInputEvent("it is there"))
        await peer.hear("response.create")
        await subject.stop()


@on_every_host
async def test_stop_inside_a_cancelled_scope_is_in_order():
    async with simulated() as (simulator, client):
        subject = model(client=client)
        await subject.start()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await subject.stop()
        await until(lambda: not simulator.active_sessions)
        assert simulator.sessions[0].close_code == 1000


@on_every_host
async def test_the_lifetime_and_a_restart():
    connector = MemoryConnector()
    subject = model(connector, client={"timeout_s": 0.2})
    for n in (1, 2):
        peer = await started(subject, connector)
        if n == 2:
            await peer.say(error("session_expired", "Your session hit the maximum duration of 60 minutes."))
        with pytest.raises(BidiModelTimeoutError) as caught:
            await everything(subject)
        assert "history" in caught.value.restart_config
        with pytest.raises(SessionEnded):
            await subject.send(BidiTextInputEvent("late"))
        await subject.stop()
    await started(subject, connector, **caught.value.restart_config)
    await subject.stop()


@on_every_host
async def test_events_are_taken_in_any_number_of_loops():
    connector = MemoryConnector()
    subject = model(connector)
    peer = await started(subject, connector)
    await peer.say(*[text_delta(str(n)) for n in range(300)])
    got = []
    while len(got) < 300:
        async for event in subject.receive():
            if event.type == "bidi_transcript_stream":
                got.append(event.text)
                if len(got) % 7 == 0 or len(got) == 300:
                    break
    assert got == [str(n) for n in range(300)]
    await subject.stop()


@on_every_host
async def test_a_deadline_around_receive_loses_no_event():
    connector = MemoryConnector()
    subject = model(connector)
    peer = await started(subject, connector)
    got = []

    async def talk():
        for n in range(100):
            await peer.say(text_delta(str(n)))
            if n % 10 == 0:
                await anyio.sleep(0.002)

    async with anyio.create_task_group() as group:
        group.start_soon(talk)
        stream, cuts = subject.receive(), 0
        while len(got) < 101:
            with anyio.move_on_after(0.0005) as scope:
                while True:
                    got.append(await anext(stream))
            cuts += scope.cancelled_caught
    assert [event.text for event in got[1:]] == [str(n) for n in range(100)]
    assert cuts
    await subject.stop()


@on_every_host
async def test_an_exception_out_of_the_consumers_loop_leaves_the_session_as_it_is():
    connector = MemoryConnector()
    subject = model(connector)
    peer = await started(subject, connector)
    await peer.say(text_delta("a"), text_delta("b"))
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - it comes out of the loop
        async for event in subject.receive():
            if event.type == "bidi_transcript_stream":
                raise ZeroDivisionError
    assert (await anext(subject.receive())).text == "b"
    await subject.stop()


@on_every_host
async def test_an_interruption_overtakes_audio_that_waits():
    connector = MemoryConnector()
    subject = model(connector)
    peer = await started(subject, connector)
    stream = subject.receive()
    await peer.say(*[audio_delta(bytes(4800)) for _ in range(300)])
    assert names([await anext(stream) for _ in range(3)])[1:] == ["bidi_audio_stream"] * 2
    await until(lambda: subject.statistics().inbox.events == 298)
    await peer.say(speech_started())
    await until(lambda: subject.statistics().inbox.events == 1)
    assert (await anext(stream)).type == "bidi_interruption", "30 s of audio were in the way"
    waited = subject.statistics().inbox
    assert (waited.purged_audio, waited.delivered) == (298, 4)
    await subject.stop()


@on_every_host
async def test_a_slow_consumer_costs_the_oldest_audio_and_is_told():
    connector = MemoryConnector()
    subject = model(connector, engine={"inbox_max_bytes": 2**16})
    peer = await started(subject, connector)
    await peer.say(*[audio_delta(bytes(4800)) for _ in range(30)])
    await peer.say(text_delta("end"))
    stream, got = subject.receive(), []
    while not got or got[-1].type != "bidi_transcript_stream":
        got.append(await anext(stream))
        await anyio.sleep(0.01)
    figures = subject.statistics().inbox
    assert figures.dropped_audio > 0
    assert names(got).count("bidi_audio_stream") == 30 - figures.dropped_audio
    assert names(got).count("bidi_error") >= 1
    await subject.stop()


@on_every_host
async def test_a_slow_consumer_ends_the_session_where_that_is_the_policy():
    connector = MemoryConnector()
    subject = model(connector, engine={"inbox_max_bytes": 2**16, "inbox_overflow": "fail"})
    peer = await started(subject, connector)
    with contextlib.suppress(ConnectionLost):
        await peer.say(*[audio_delta(bytes(4800)) for _ in range(30)])
    with pytest.raises(LimitExceeded, match="inbox_max_bytes"):
        await everything(subject)
    await subject.stop()


@on_every_host
async def test_back_pressure_reaches_the_service_where_that_is_the_policy():
    connector = MemoryConnector()
    subject = model(connector, engine={"inbox_max_bytes": 2**16, "inbox_overflow": "wait"})
    peer = await started(subject, connector)
    async with anyio.create_task_group() as group:
        # More than the transport's 1024 frames and the inbox together hold.
        group.start_soon(peer.say, *[audio_delta(bytes(4800)) for _ in range(1200)], text_delta("end"))
        await settle(50)
        held = subject.statistics()
        assert held.messages_received < 1200
        stream, got = subject.receive(), []
        while not got or got[-1].type != "bidi_transcript_stream":
            got.append(await anext(stream))
    assert names(got).count("bidi_audio_stream") == 1200
    assert subject.statistics().inbox.dropped_audio == 0
    await subject.stop()


@on_every_host
async def test_audio_and_text_go_out_in_the_order_in_which_they_were_sent():
    connector = MemoryConnector()
    subject = model(connector, engine={"input_frame_ms": 20})
    peer = await started(subject, connector)
    await peer.hear("session.update")
    for n in range(40):
        await subject.send(BidiAudioInputEvent.from_pcm(bytes([n, 0]) * 480))
    sent = [await peer.hear("input_audio_buffer.append") for _ in range(40)]
    pcm = [pybase64.b64decode(event["audio"])[0] for event in sent]
    assert pcm == list(range(40))
    await subject.stop()


@on_every_host
async def test_a_send_that_is_cancelled_sent_all_or_nothing():
    connector = MemoryConnector()
    subject = model(connector)
    peer = await started(subject, connector)
    await peer.hear("session.update")
    returned = 0
    for n in range(60):
        with anyio.move_on_after(n * 0.00002) as scope:
            await subject.send(BidiTextInputEvent("whole " * 100))
        returned += not scope.cancelled_caught
    await subject.send(BidiTextInputEvent("last"))
    texts = []
    while not texts or texts[-1] != "last":
        texts.append((await peer.hear("conversation.item.create"))["item"]["content"][0]["text"])
    assert set(texts[:-1]) <= {"whole " * 100}
    assert len(texts) - 1 >= returned
    await subject.stop()


@on_every_host
@pytest.mark.parametrize("frame", [b"odd", "text"])
async def test_audio_that_cannot_be_sent_is_refused_at_once(frame):
    connector = MemoryConnector()
    subject = model(connector)
    await started(subject, connector)
    with pytest.raises(UnsupportedContent, match="content not supported"):
        await subject.session.send_audio(frame)
    await subject.stop()


# --- a start that fails ---------------------------------------------------------------------------------------------


async def refused_start(subject, expected, **options):
    with pytest.raises(expected) as caught:
        await subject.start(**options)
    with pytest.raises(NotStarted):
        await subject.send(BidiTextInputEvent("x"))
    return caught.value


@on_every_host
async def test_after_a_start_that_failed_it_starts():
    connector = MemoryConnector()
    subject = model(connector, engine={"connect_deadline_s": 0.1})
    before = living()
    late = await refused_start(subject, DeadlinePassed)
    assert late.deadline == "connect"
    await accept(connector)
    use = {"toolUseId": "a", "name": "n", "input": {}}
    result = {"toolUseId": "a", "content": [{"image": 1}]}
    history = [{"role": "user", "content": [{"toolUse": use}, {"toolResult": result}]}]
    await refused_start(subject, UnsupportedContent, messages=history)
    await refused_start(subject, ConfigError, tools=[{"no": "name"}])
    assert len(connector.endpoints) == 1
    assert living() == before
    subject = model(connector)
    await started(subject, connector)
    await subject.stop()
    assert living() == before


@on_every_host
async def test_after_a_refused_key_it_starts_with_another():
    async with simulated(keys=["right"]) as (_, client):
        subject = model(client=client)
        refused = await refused_start(subject, ServerReported)
        assert (refused.code, refused.fatal) == ("invalid_api_key", True)
        right = model(client={**client, "api_key": "right"})
        await right.start()
        await right.stop()


@on_every_host
async def test_after_a_refused_connection_it_starts():
    async with simulated() as (_, client):
        pass
    before = open_sockets()
    await refused_start(model(client=client), ConnectionLost)
    async with simulated() as (_, client):
        await refused_start(model(client={"base_url": client["base_url"] + "?call_id=x"}), HandshakeRejected)
        subject = model(client=client)
        await subject.start()
        await subject.stop()
    await settle()
    assert open_sockets() <= before


@on_every_host
async def test_a_start_that_is_cancelled_leaves_nothing():
    connector = MemoryConnector()
    subject = model(connector)
    before = living()
    with anyio.move_on_after(0.05) as scope:
        await subject.start()
    assert scope.cancelled_caught
    assert living() == before
    await accept(connector)
    await started(subject, connector)
    await subject.stop()


# --- faults and secrets ---------------------------------------------------------------------------------------------


@on_every_host
@pytest.mark.parametrize("where", ["connect", "receive", "send", "close"])
async def test_a_bug_never_reaches_the_host(where):
    bug = ZeroDivisionError(where)
    subject = model(Broken(where, bug))
    if where == "close":
        await subject.start()
        await subject.stop()
        return
    with pytest.raises(ZeroDivisionError) as caught:  # noqa: PT012 - it is raised by either
        await subject.start()
        await everything(subject)
    assert caught.value is bug
    await subject.stop()


@on_every_host
async def test_an_error_says_where_it_was_raised_and_where_it_was_asked_for():
    connector = MemoryConnector()
    subject = model(connector)
    peer = await started(subject, connector)
    await in_trio(hang_up, peer)
    for _ in range(2):
        with pytest.raises(ConnectionLost) as caught:
            await everything(subject)
        shown = [entry.name for entry in caught.traceback]
        assert shown.count("everything") == 1, "each who gets it gets it anew"
    assert caught.value.code == 1011
    await subject.stop()


async def hang_up(peer):
    peer.transport.hang_up(1011, "oops")


@on_every_host
async def test_nothing_shows_the_key(caplog):
    caplog.set_level(logging.DEBUG)
    settings = SimulatorSettings(pace=INSTANT, session_max_s=0.2)
    async with simulated(settings=settings) as (_, client):
        subject = model(client=client)
        await subject.start()
        shown = [repr(subject), repr(subject.config), repr(subject.statistics()), repr(subject.__dict__)]
        shown.append(repr(subject.session))
        with pytest.raises(BidiModelTimeoutError) as caught:
            await everything(subject)
        shown.append(repr(caught.value) + str(caught.value) + repr(caught.value.__cause__))
        await subject.stop()
    for text in [*shown, caplog.text]:
        assert KEY not in text


@on_every_host
async def test_a_key_that_a_function_gives_is_asked_for_where_the_application_runs():
    asked = []

    async def key():
        asked.append(on_trio())
        await anyio.lowlevel.checkpoint()
        return KEY

    async with simulated(keys=[KEY]) as (_, client):
        subject = model(client={**client, "api_key": key})
        await subject.start()
        await subject.stop()
    assert asked == [on_trio()]
