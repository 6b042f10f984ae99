"""The facade: four verbs on any Trio task; startable again after whatever happened; nothing left when forgotten."""

import logging
import signal
import threading
import time

import pytest
import trio
import trio.testing
from rooms import (
    ANSWERS,
    KEY,
    Broken,
    Peer,
    audio_delta,
    cancel_everywhere,
    collect,
    converse,
    error,
    names,
    open_sockets,
    session_created,
    simulated,
    tasks,
    text_delta,
)

from engine import limits
from engine.errors import (
    AlreadyStarted,
    BidiModelTimeoutError,
    ConfigError,
    ConnectionLost,
    DeadlinePassed,
    HandshakeRejected,
    NotStarted,
    ServerReported,
    SessionEnded,
    UnsupportedContent,
)
from engine.events import BidiTextInputEvent
from engine.facade import BidiOpenAIRealtimeModel
from engine.simulator import SimulatorSettings, serve
from engine.testing import MemoryConnector


def model(connector=None, *, client=None, engine=None, **provider):
    where = {"api_key": KEY, "base_url": "ws://127.0.0.1:1/v1", **(client or {})}
    given = {**provider, "engine": engine} if engine else provider
    return BidiOpenAIRealtimeModel(provider_config=given, client_config=where, connector=connector)


async def started(subject, connector, **options):
    """Start with a server written by hand; give that."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: subject.start(**options))
        peer = Peer(await connector.accept())
        await peer.say(session_created())
    return peer


async def everything(subject):
    return [event async for event in subject.receive()]


# --- settings -------------------------------------------------------------------------------------------------------


async def test_attributes_are_the_contracts(monkeypatch):
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
async def test_a_wrong_setting_fails_when_the_model_is_made(provider, client):
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
async def test_a_setting_of_another_type_is_refused_by_name_and_not_shown(given, field):
    with pytest.raises(ConfigError) as caught:
        BidiOpenAIRealtimeModel(**({"client_config": {"api_key": KEY}} | given))
    assert caught.value.field == field
    assert caught.value.allowed
    assert KEY not in str(caught.value) + repr(vars(caught.value))


async def test_what_is_given_as_none_is_not_given():
    given = {"audio": None, "inference": None, "engine": None}
    made = BidiOpenAIRealtimeModel(provider_config=given, client_config={"api_key": KEY})
    assert made.config["audio"]["voice"] == "alloy"
    assert made.config["inference"] == {}


async def test_other_settings_of_the_session_have_a_place_of_their_own():
    given = {"turn_detection": {"type": "semantic_vad"}, "noise_reduction": "near_field", "speed": 1.1}
    async with simulated() as (simulator, _, connector):
        subject = BidiOpenAIRealtimeModel(
            provider_config={"session": given}, client_config={"api_key": KEY}, connector=connector
        )
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
async def test_history_that_cannot_be_sent_fails_before_a_connection_is_made(message, autojump_clock):
    async def connect(nursery, endpoint):
        pytest.fail("it connected")

    subject = BidiOpenAIRealtimeModel(client_config={"api_key": KEY}, connector=connect)
    with pytest.raises(UnsupportedContent, match=r"messages\[0\] \| "):
        await subject.start(messages=[message])
    with pytest.raises(NotStarted):
        subject.statistics()


async def test_unknown_settings_are_ignored_and_logged(caplog):
    settings = {"video": {}, "inference": {"temperature": 1, "max_output_tokens": 5}}
    BidiOpenAIRealtimeModel(provider_config=settings, client_config={"api_key": KEY})
    assert "'video'" in caplog.text
    assert "'temperature'" in caplog.text
    assert KEY not in caplog.text


# --- the verbs ------------------------------------------------------------------------------------------------------


async def test_before_start_nothing_goes_but_stop():
    subject = model(MemoryConnector())
    await subject.stop()
    with pytest.raises(RuntimeError, match="call start before sending"):
        await subject.send(BidiTextInputEvent("x"))
    with pytest.raises(RuntimeError, match="call start before sending"):
        await anext(subject.receive())
    with pytest.raises(NotStarted):
        subject.statistics()


async def test_a_session_from_start_to_stop_and_again(autojump_clock):
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


async def test_stop_in_another_task_ends_receive_with_a_close_event(autojump_clock):
    connector, got = MemoryConnector(), []
    subject = model(connector)
    await started(subject, connector)

    async def read():
        got.extend(await everything(subject))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        await subject.stop()
    assert names(got) == ["bidi_connection_start", "bidi_connection_close"]


async def test_stop_while_it_starts_and_start_at_once_again(autojump_clock):
    for _ in range(20):  # Trio shuffles its tasks.
        connector = MemoryConnector()
        subject = model(connector)
        async with trio.open_nursery() as nursery:

            async def first(subject=subject):
                with pytest.raises(SessionEnded):
                    await subject.start()

            nursery.start_soon(first)
            await connector.accept()
            await trio.testing.wait_all_tasks_blocked()
            await subject.stop()
            peer = await started(subject, connector)
        await subject.send(BidiTextInputEvent("it is there"))
        await peer.hear("response.create")
        await subject.stop()


async def test_stop_inside_a_cancelled_scope_is_in_order(autojump_clock):
    async with simulated() as (simulator, client, connector):
        subject = model(connector, client=client)
        await subject.start()
        with trio.CancelScope() as scope:
            scope.cancel()
            await subject.stop()
        await trio.testing.wait_all_tasks_blocked()
        assert simulator.sessions[0].close_code == 1000


async def test_the_lifetime_and_a_restart(autojump_clock):
    connector = MemoryConnector()
    subject = model(connector, client={"timeout_s": 5})
    for n in (1, 2):
        peer = await started(subject, connector)
        if n == 2:
            await peer.say(error("session_expired", "Your session hit the maximum duration of 60 minutes."))
        with pytest.raises(BidiModelTimeoutError):
            await everything(subject)
        assert trio.current_time() == pytest.approx(5, abs=0.0005)
        with pytest.raises(SessionEnded):
            await subject.send(BidiTextInputEvent("late"))
        await subject.stop()
    await started(subject, connector)
    await subject.stop()


# --- a start that fails ---------------------------------------------------------------------------------------------


async def refused_start(subject, expected, **options):
    with pytest.raises(expected) as caught:
        await subject.start(**options)
    with pytest.raises(NotStarted):
        await subject.send(BidiTextInputEvent("x"))
    return caught.value


async def test_after_a_start_that_failed_it_starts(autojump_clock):
    connector = MemoryConnector()
    subject = model(connector, engine={"connect_deadline_s": 2})
    before = tasks()
    late = await refused_start(subject, DeadlinePassed)
    assert late.deadline == "connect"
    assert trio.current_time() == pytest.approx(2)
    await connector.accept()
    use = {"toolUseId": "a", "name": "n", "input": {}}
    result = {"toolUseId": "a", "content": [{"image": 1}]}
    history = [{"role": "user", "content": [{"toolUse": use}, {"toolResult": result}]}]
    await refused_start(subject, UnsupportedContent, messages=history)
    await refused_start(subject, ConfigError, tools=[{"no": "name"}])
    assert len(connector.endpoints) == 1
    assert tasks() == before
    await started(subject, connector)
    await subject.stop()
    assert tasks() == before


async def test_after_a_refused_key_it_starts_with_another(autojump_clock):
    async with simulated(keys=["right"]) as (_, client, connector):
        subject = model(connector, client=client)
        refused = await refused_start(subject, ServerReported)
        assert (refused.code, refused.fatal) == ("invalid_api_key", True)
        subject._connector = None  # of another model
        right = BidiOpenAIRealtimeModel(client_config={"api_key": "right", **client, "base_url": "ws://localhost/v1"},
                                        connector=connector)  # fmt: skip
        await right.start()
        await right.stop()


async def test_after_a_refused_connection_it_starts(autojump_clock):
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    before = open_sockets()
    await refused_start(model(client={"base_url": f"ws://127.0.0.1:{port}/v1"}), ConnectionLost)
    async with simulated(tcp=True) as (_, client, __):
        await refused_start(model(client={"base_url": client["base_url"] + "?call_id=x"}), HandshakeRejected)
        subject = model(client=client)
        await subject.start()
        await subject.stop()
    await trio.testing.wait_all_tasks_blocked()
    assert open_sockets() == before


async def test_a_start_that_is_cancelled_leaves_nothing(autojump_clock):
    connector = MemoryConnector()
    subject = model(connector)
    before = tasks()
    with trio.move_on_after(1) as scope:
        await subject.start()
    assert scope.cancelled_caught
    assert tasks() == before
    await connector.accept()
    await started(subject, connector)
    await subject.stop()


# --- where it lives -------------------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere():
    """A simulator in a run of its own."""
    ready, over = threading.Event(), threading.Event()
    found = []

    async def main():
        async with serve() as simulator:
            found.append(simulator)
            ready.set()
            await trio.to_thread.run_sync(over.wait)

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    assert ready.wait(5)
    yield found[0]
    over.set()
    thread.join(5)


@pytest.mark.parametrize("how", ["forgotten", "crashed", "nursery"])
def test_the_session_closes_with_the_run_whatever_the_caller_forgets(how, elsewhere):
    before = open_sockets()
    kept = []

    async def main():
        # A close that waited for anything would wait for all of this.
        patience = {"close_deadline_s": 60}
        subject = model(client={"base_url": elsewhere.base_url}, engine=patience)
        kept.append(subject)
        if how == "nursery":
            async with trio.open_nursery() as nursery:
                await subject.start(nursery=nursery)
                nursery.cancel_scope.cancel()
            return
        await subject.start()
        await subject.send(BidiTextInputEvent("x"))
        stream = subject.receive()
        await anext(stream)
        if how == "crashed":
            raise ZeroDivisionError

    started = time.perf_counter()
    if how == "crashed":
        with pytest.raises(ZeroDivisionError):
            trio.run(main)
    else:
        trio.run(main)
    assert time.perf_counter() - started < 30
    assert kept[0].session.statistics().state == "closed"
    while elsewhere.active_sessions:
        assert time.perf_counter() - started < 35
        time.sleep(0.005)
    assert elsewhere.sessions[0].close_code == 1000
    assert elsewhere.sessions[0].crash is None
    collect()
    assert open_sockets() <= before


def test_the_peer_of_a_forgotten_session_sees_a_close():
    ends = []

    async def main():
        connector = MemoryConnector()
        subject = model(connector)
        peer = await started(subject, connector)
        ends.append(peer.transport)
        await subject.send(BidiTextInputEvent("x"))

    trio.run(main)

    async def look():
        await ends[0].receive()
        with pytest.raises(ConnectionLost) as caught:
            await ends[0].receive()
        assert caught.value.code == 1000

    trio.run(look)


async def test_the_callers_nursery_holds_the_session(autojump_clock):
    connector = MemoryConnector()
    subject = model(connector)
    async with trio.open_nursery() as nursery:
        peer = await started(subject, connector, nursery=nursery)
        assert {task.name for task in nursery.child_tasks} == {"engine session"}
        await peer.say(audio_delta())
        nursery.cancel_scope.cancel()
    assert names(await everything(subject))[-1] == "bidi_connection_close"
    await subject.stop()


async def test_a_nursery_that_is_over_takes_no_session(autojump_clock):
    async with trio.open_nursery() as nursery:
        pass
    subject = model(MemoryConnector())
    with pytest.raises(RuntimeError, match="Nursery is closed"):
        await subject.start(nursery=nursery)
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.cancel()
        connector = MemoryConnector()
        subject = model(connector)
        with trio.CancelScope(shield=True), pytest.raises(SessionEnded):
            await subject.start(nursery=nursery)


@pytest.mark.parametrize("where", ["connect", "receive", "send", "close"])
def test_a_bug_never_reaches_trio(where):
    async def main():
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

    trio.run(main)


def test_ctrl_c_in_a_forgotten_session_is_a_keyboard_interrupt():
    class Interrupted(Broken):
        async def fail(self, where):
            await trio.lowlevel.checkpoint()
            if where == "receive":
                signal.raise_signal(signal.SIGINT)

    connector = Interrupted("", None)

    async def main():
        await model(connector).start()
        await trio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        trio.run(main)
    assert connector.closed


@pytest.mark.parametrize(
    ("who", "nursery", "stride"), [("user", False, 1), ("user", True, 1), ("engine", False, 2), ("engine", True, 3)]
)
async def test_cancelled_at_every_checkpoint_it_leaves_nothing(who, nursery, stride, autojump_clock):
    async with simulated(*ANSWERS) as (simulator, client, connector):

        async def run():
            subject = model(connector, client=client, engine={"input_frame_ms": 200})
            try:
                if nursery:
                    async with trio.open_nursery() as own:
                        await subject.start(nursery=own)
                        await talk(subject)
                else:
                    await subject.start()
                    await talk(subject)
            finally:
                await subject.stop()

        async def talk(subject):
            await converse(subject.session)

        assert await cancel_everywhere(simulator, who, run, stride=stride) > 20


async def test_nothing_shows_the_key(autojump_clock, caplog):
    caplog.set_level(logging.DEBUG)
    settings = SimulatorSettings(session_max_s=30)
    async with simulated(settings=settings) as (_, client, connector):
        subject = model(connector, client=client)
        await subject.start()
        shown = [repr(subject), repr(subject.config), repr(subject.statistics()), repr(subject.__dict__)]
        with pytest.raises(BidiModelTimeoutError) as caught:
            await everything(subject)
        shown.append(repr(caught.value) + str(caught.value) + repr(caught.value.__cause__))
        await subject.stop()
    for text in [*shown, caplog.text]:
        assert KEY not in text
