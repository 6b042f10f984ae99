"""The end of a session's time, and lines that hang or break: whoever waits is told, and can start again."""

import socket
import struct
from contextlib import asynccontextmanager

import pytest
import trio
from rooms import config
from talks import LONG, Talk, listening, over, talking

from engine import (
    BidiAudioStreamEvent,
    BidiErrorEvent,
    BidiModelTimeoutError,
    BidiOpenAIRealtimeModel,
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    ConnectionLost,
    DeadlinePassed,
    LimitExceeded,
    NotStarted,
    ServerReported,
    SessionEnded,
    ToolUseStreamEvent,
    open_session,
)
from engine.audio.pcm import tone
from engine.simulator import INSTANT, Call, Pace, Say, Script, SimulatorSettings, serve
from engine.testing import in_memory
from engine.tools import Tools

KEY = {"api_key": "sk-test"}


def words(ledger):
    """What a session was given to read, in order: role and text."""
    items = [message.event["item"] for message in ledger.received if message.type == "conversation.item.create"]
    return [(item["role"], item["content"][0]["text"]) for item in items if item["type"] == "message"]


async def until_it_ends(model):
    """Receive to the end; give the error."""
    events = []
    try:
        async for event in model.receive():
            events.append(event)  # noqa: PERF401 - kept when it raises
    except Exception as error:  # noqa: BLE001 - whatever it ended with is looked at
        return events, error
    return events, None


# --- livekit #1073, #2341; pipecat #3170; reachy_mini #134 ------------------------------------------------------


def only_closes(event):
    """The service closes without an error before it."""
    return None if event["type"] == "error" else event


@pytest.mark.parametrize("distort", [None, only_closes], ids=["error_then_close", "close_alone"])
async def test_the_cap_is_a_timeout_although_the_close_is_a_clean_1001(distort, autojump_clock):
    """livekit #1073, reachy_mini #134: the cap arrives as a clean close, so the call just fell silent."""
    async with talking(Say("hello"), line=over(heard=distort), service={"session_max_s": 60}) as talk:
        await talk.say()
        await trio.sleep(61)

        assert talk.ledger.close_code == 1001
        assert isinstance(talk.end, BidiModelTimeoutError)
        assert talk.times[-1] < 60
        with pytest.raises(SessionEnded, match="timeout"):
            await talk.say()


async def test_over_sockets_the_cap_is_a_timeout_too():
    """pipecat #3170: the bot ran on, deaf."""
    async with (
        serve(SimulatorSettings(session_max_s=0.2, pace=INSTANT)) as simulator,
        open_session(config(client={"base_url": simulator.base_url})) as session,
    ):
        talk = Talk(simulator, session)
        with trio.fail_after(10):
            await talk.listen(session.receive())
    assert isinstance(talk.end, BidiModelTimeoutError)
    assert simulator.sessions[0].close_code == 1001


async def test_the_same_code_for_another_reason_is_a_lost_connection(autojump_clock):
    """livekit #2341: classify by the reason, as the code does not tell."""
    async with talking(Say("hello")) as talk:
        await talk.say()
        await talk.settled()
        await talk.simulator.disconnect_all()
        await trio.sleep(1)

        assert isinstance(talk.end, ConnectionLost)
        assert talk.end.code == 1001


async def test_a_talk_goes_on_after_the_cap_with_what_was_said_before(autojump_clock):
    """livekit #1073: at the cap the call was over for good. Today the application starts again, with the history."""
    script = Script.of(Say("I am fine"), Say("As I said"))
    async with serve(SimulatorSettings(session_max_s=30), script.responder, host=None) as simulator:
        model = BidiOpenAIRealtimeModel(client_config=KEY, connector=in_memory(simulator))
        await model.start()
        await model.send(BidiTextInputEvent("How are you?"))
        _, error = await until_it_ends(model)
        assert isinstance(error, BidiModelTimeoutError)

        history = model.session.history.messages()
        await model.stop()
        await model.start(messages=history)
        await model.send(BidiTextInputEvent("Really?"))
        async for event in model.receive():
            if isinstance(event, BidiResponseCompleteEvent):
                break
        await model.stop()

    said = [("user", "How are you?"), ("assistant", "I am fine"), ("user", "Really?")]
    assert words(simulator.sessions[1]) == said
    assert event.stop_reason == "complete"


# --- livekit #3101, #3145, PR #5276 -----------------------------------------------------------------------------


class Frail:
    """A TCP door to a simulator that treats its first clients badly."""

    def __init__(self, simulator, *treatments):
        self.simulator, self.treatments = simulator, list(treatments)
        self.streams = []

    async def serve(self, stream):
        self.streams.append(stream)
        treatment = self.treatments.pop(0) if self.treatments else "well"
        if treatment == "hangs":
            await trio.sleep_forever()
        elif treatment == "refuses":
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")
        elif treatment == "well":
            await self.simulator.serve_stream(stream)

    def cut(self):
        """Drop all lines without a goodbye, as a network does."""
        for stream in self.streams:
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            stream.socket.close()


@asynccontextmanager
async def frail(*treatments, answers=(), pace=INSTANT):
    """Serve on a socket that is bad at first; give the door and its address."""
    script = Script.of(*answers)
    async with (
        serve(SimulatorSettings(pace=pace), script.responder, host=None) as simulator,
        trio.open_nursery() as nursery,
    ):
        door = Frail(simulator, *treatments)
        listeners = await nursery.start(trio.serve_tcp, door.serve, 0)
        yield door, f"ws://127.0.0.1:{listeners[0].socket.getsockname()[1]}/v1"
        nursery.cancel_scope.cancel()


FIRST = {"hangs": DeadlinePassed, "refuses": ConnectionLost, "hangs up": ConnectionLost}


@pytest.mark.parametrize("treatment", FIRST)
async def test_a_connection_that_can_not_be_made_is_told_in_time_and_may_be_tried_again(treatment):
    """livekit #3101: a connect that timed out was not tried again. Here the same model can be started at once."""
    async with frail(treatment, answers=[Say("hello")]) as (door, base_url):
        client = {**KEY, "base_url": base_url}
        model = BidiOpenAIRealtimeModel(
            client_config=client, provider_config={"engine": {"connect_deadline_s": 0.2, "close_deadline_s": 0.2}}
        )
        with trio.fail_after(10):
            with pytest.raises(FIRST[treatment]):
                await model.start()
            with pytest.raises(NotStarted):
                await model.send(BidiTextInputEvent("lost"))

            await model.start()
            await model.send(BidiTextInputEvent("hello?"))
            async for event in model.receive():
                if isinstance(event, BidiResponseCompleteEvent):
                    break
            await model.stop()
        assert event.stop_reason == "complete"
        assert len(door.streams) == 2
        assert words(door.simulator.sessions[-1]) == [("user", "hello?")], "what was not sent stays unsent"


async def ended(ends, name, wait):
    """Keep how a wait ends."""
    try:
        await wait
    except Exception as error:  # noqa: BLE001 - whatever it ended with is looked at
        ends[name] = error
    else:
        ends[name] = None


async def exhaust(stream):
    async for _ in stream:
        pass


async def test_a_drop_in_mid_answer_ends_everything_that_waits():
    """livekit #3145, PR #5276: a connection that dropped in mid-answer left readers waiting for ever."""
    tools, ends = Tools(), {}

    @tools.add
    async def think():
        await ended(ends, "tool", trio.Event().wait())

    answers = [Call("think"), Say(LONG), Say(LONG)]
    slow = Pace(think_ms=0, first_delta_ms=0, text_delta_ms=0, audio_speed=1, audio_delta_ms=50)
    async with frail("well", answers=answers, pace=slow) as (door, base_url):
        client = {**KEY, "base_url": base_url}
        with trio.fail_after(10):
            async with open_session(config(client=client)) as session, trio.open_nursery() as nursery:
                talk = Talk(door.simulator, session)
                nursery.start_soon(ended, ends, "talk", talk.listen(session.run(tools)))
                await talk.say()
                await talk.wait_for(ToolUseStreamEvent)
                aside = await session.responses.create(conversation="none")
                beside = await session.responses.create(instructions="Talk on.")
                await talk.wait_for(BidiAudioStreamEvent, 2)
                with session.raw.listen() as wire:
                    waits = {
                        "wire": exhaust(wire),
                        "paced": exhaust(session.audio_out()),
                        "aside": exhaust(aside),
                        "aside's end": aside.done(),
                        "beside's end": beside.done(),
                        "another response": session.responses.create(),
                    }
                    for name, wait in waits.items():
                        nursery.start_soon(ended, ends, name, wait)
                    await trio.sleep(0.1)
                    assert ends == {}, "all of them wait"
                    door.cut()
                    while ends.keys() < {*waits, "talk"}:  # noqa: ASYNC110 - polled once
                        await trio.sleep(0.01)
                nursery.cancel_scope.cancel()

    lost = talk.end
    assert isinstance(lost, ConnectionLost)
    assert (ends["wire"], ends["paced"]) == (None, None), "these tell no errors: they end"
    for name in ("aside", "aside's end", "beside's end", "another response"):
        assert isinstance(ends[name], SessionEnded), name
        assert ends[name].__cause__ is lost, "and why is chained"
    assert "tool" not in ends, "it was cancelled, not told"
    assert session.statistics().state == "closed"


# --- livekit PR #7092 -------------------------------------------------------------------------------------------


async def test_what_waited_in_a_dead_session_is_not_sent_in_the_next(autojump_clock):
    """livekit PR #7092: messages that were queued when the line broke went out after the replay, a second time."""
    lines = []
    script = Script.of(Say("hello"), Say("again"))
    async with serve(SimulatorSettings(), script.responder, host=None) as simulator:
        model = BidiOpenAIRealtimeModel(client_config=KEY, connector=over(lines)(in_memory(simulator)))
        await model.start()
        first = model.session
        lines[0].jammed = True
        for number in range(20):
            await model.send(BidiTextInputEvent(f"stale {number}"))
        await first.send_audio(tone(220, 5000))
        waiting = first.statistics()
        assert min(waiting.control_lane.waiting, waiting.audio_lane.waiting) > 0
        await simulator.disconnect_all()
        await until_it_ends(model)
        await model.stop()

        await model.start(messages=[{"role": "user", "content": [{"text": "from the history"}]}])
        await model.send(BidiTextInputEvent("fresh"))
        await trio.sleep(60)
        old, new = simulator.sessions
        assert words(old) == []
        assert words(new) == [("user", "from the history"), ("user", "fresh")]
        assert new.received.counts == {"session.update": 1, "conversation.item.create": 2, "response.create": 1}
        with pytest.raises(SessionEnded):
            await first.send(BidiTextInputEvent("to the dead one"))
        await model.stop()


# --- pydantic-ai PR #7379 ---------------------------------------------------------------------------------------


async def test_what_the_service_never_got_is_in_no_history(autojump_clock):
    """pydantic-ai PR #7379: after a reconnect it said that the state was restored, and it was not."""
    lines = []
    async with talking(Say("hello"), line=over(lines)) as talk:
        await talk.say("first")
        await talk.settled()
        lines[0].jammed = True
        await talk.say("never arrived")
        await trio.sleep(1)
        await talk.simulator.disconnect_all()
        await trio.sleep(5)

        assert isinstance(talk.end, ConnectionLost), "the loss is told"
        texts = [block["text"] for message in talk.session.history.messages() for block in message["content"]]
        assert texts == ["first", "hello"]
        assert talk.session.statistics().state == "closed"


def refuses_the_second(event):
    """The service takes no item that says so."""
    if event["type"] == "conversation.item.create" and event["item"]["content"][0]["text"] == "second":
        content = [{"type": "input_text", "text": "second"}]
        return {**event, "item": {"type": "message", "role": "assistant", "content": content}}
    return event


async def test_a_piece_of_the_history_that_the_service_refuses_is_told(autojump_clock):
    """pydantic-ai PR #7379: the same for a part of it. The mirror holds what the service has, and nothing more."""
    history = [{"role": "user", "content": [{"text": text}]} for text in ("first", "second", "third")]
    async with talking(Say("hello"), line=over(sent=refuses_the_second), history=history) as talk:
        error = await talk.wait_for(BidiErrorEvent)
        await talk.say("fourth")
        await talk.settled()

        assert isinstance(error.error, ServerReported)
        texts = [block["text"] for message in talk.session.history.messages() for block in message["content"]]
        assert texts == ["first", "third", "fourth", "hello"]


async def test_audio_that_had_to_be_dropped_is_counted_and_told(autojump_clock):
    """pydantic-ai PR #7379: report what was lost."""
    bound = 2**16
    script = Script.of(Say(LONG))
    async with (
        serve(SimulatorSettings(), script.responder, host=None) as simulator,
        open_session(config(engine={"inbox_max_bytes": bound}), connector=in_memory(simulator)) as session,
    ):
        await session.send(BidiTextInputEvent("go on"))
        await trio.sleep(30)
        talk = Talk(simulator, session)
        async with listening(talk):
            await talk.wait_for(BidiResponseCompleteEvent)

    sent = simulator.sessions[0].sent.counts["response.output_audio.delta"]
    inbox = session.statistics().inbox
    assert inbox.dropped_audio == sent - len(talk.of(BidiAudioStreamEvent)) > 0
    (told,) = talk.of(BidiErrorEvent)
    assert isinstance(told.error, LimitExceeded)
    assert inbox.most_bytes <= bound + 2**14, "one piece of audio, and what is no audio"
