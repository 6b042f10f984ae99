"""The receiver: whatever comes, the next message is read; nothing of what it dropped is in a log or an error."""

import json
import logging

import pytest
import trio
import trio.testing
from rooms import said, text_delta

from engine.actors.receiver import Receiver
from engine.errors import ConnectionLost, LimitExceeded, RemoteViolation
from engine.events import BidiAudioStreamEvent, BidiTranscriptStreamEvent, ToolUseStreamEvent
from engine.transport.memory import memory_pair
from engine.wire.codec import decode_server

CANARY = "canary-4711"


class Listener:
    def __init__(self):
        self.events = []
        self.violations = []
        self.unread = []

    def receive(self, event, now, message):
        self.events.append((event, message))
        return [event]

    def violated(self, error, problem, now, message):
        self.violations.append((problem, error))
        self.unread.append(message)
        return [error]


async def run(messages, *, message_max_bytes=2000, room=lambda: True, wait_for_room=None, applied=None, code=1000):
    """Let the receiver read these messages to the end."""
    here, there = memory_pair(max_frames=len(messages) + 1)
    listener, lost = Listener(), []
    for message in messages:
        await there.send(message)
    there.hang_up(code, "over")
    await Receiver(
        here,
        listener,
        (applied if applied is not None else []).extend,
        decode=decode_server,
        room=room,
        wait_for_room=wait_for_room,
        message_max_bytes=message_max_bytes,
        on_lost=lost.append,
    ).run()
    return listener, lost


BAD = {
    "invalid_json": ['{"type": "canary-4711', "", "canary-4711", "\0"],
    "not_an_object": ['["canary-4711"]', '"canary-4711"', "5", "null"],
    "missing_type": ['{"canary-4711": 1}', '{"type": 5, "x": "canary-4711"}', '{"type": null}'],
    "invalid_field": [
        said("response.output_text.delta", delta=CANARY),
        said("response.output_text.delta", response_id=[CANARY], item_id=CANARY, output_index=0, content_index=0),
        said("response.done", response=CANARY),
        said("session.created"),
        said("error", error=[CANARY]),
        json.dumps({"type": "input_audio_buffer.speech_started", "event_id": {"x": CANARY}}),
    ],
    "binary_frame": [b"canary-4711", b""],
    "over_bound": [text_delta(CANARY * 200), CANARY.encode() * 200],
}


@pytest.mark.parametrize(("problem", "messages"), BAD.items(), ids=BAD)
async def test_a_bad_message_is_told_counted_and_logged_without_its_content(problem, messages, caplog):
    caplog.set_level(logging.DEBUG)
    for bad in messages:
        caplog.clear()
        listener, lost = await run([text_delta("before"), bad, text_delta("after")])
        assert [event.delta for event, _ in listener.events] == ["before", "after"]
        [(what, error)] = listener.violations
        assert what == problem
        assert isinstance(error, LimitExceeded if problem == "over_bound" else RemoteViolation)
        assert CANARY not in f"{error!r}{error}"
        assert len(caplog.records) == 1
        assert CANARY not in caplog.text
        assert problem in caplog.text
        assert str(len(bad)) in caplog.text
        assert len(lost) == 1


async def test_the_bound_and_one_past_it():
    message = text_delta("x")
    at_bound, _ = await run([message], message_max_bytes=len(message))
    past, _ = await run([message], message_max_bytes=len(message) - 1)
    assert len(at_bound.events) == 1
    assert [problem for problem, _ in past.violations] == ["over_bound"]
    error = past.violations[0][1]
    assert (error.limit, error.bound, error.value) == ("message_max_bytes", len(message) - 1, len(message))


async def test_the_bound_is_in_bytes_whatever_the_letters():
    message = json.dumps({"type": "canary", "text": "\u4e16" * 100}, ensure_ascii=False)
    size = len(message.encode())
    assert size == len(message) + 200
    at_bound, _ = await run([message], message_max_bytes=size)
    past, _ = await run([message, message.encode()], message_max_bytes=size - 1)
    assert len(at_bound.events) == 1
    assert [(problem, error.value) for problem, error in past.violations] == [("over_bound", size)] * 2


async def test_a_flood_of_bad_messages_is_logged_ever_less_often_and_counted_whole(caplog):
    listener, _ = await run([message for n in range(1234) for message in ("{", b"x" * (n % 7))])
    assert len(listener.violations) == 2468
    for problem in ("invalid_json", "binary_frame"):
        counts = [record.args[-1] for record in caplog.records if record.args[0] == problem]
        assert counts == [1, 10, 100, 1000]


@pytest.mark.parametrize("bad", [bad for messages in BAD.values() for bad in messages])
async def test_nothing_of_a_bad_message_hangs_on_its_error(bad):
    listener, _ = await run([bad])
    [(_, error)] = listener.violations
    assert (error.__traceback__, error.__cause__, error.__context__) == (None, None, None)
    assert CANARY not in repr(vars(error))


async def test_events_come_with_their_message():
    message = text_delta("word")
    listener, _ = await run([message])
    assert [text for _, text in listener.events] == [message]


async def test_a_batch_is_applied_in_order_with_one_time(autojump_clock):
    applied = []
    await run([text_delta(str(n)) for n in range(100)], applied=applied)
    assert [event.delta for event in applied] == [str(n) for n in range(100)]


class Words:
    """Tells of each message as the conversation tells of words, audio, or a call."""

    def __init__(self, kind):
        self.kind = kind

    def receive(self, event, now, message):
        if self.kind is BidiAudioStreamEvent:
            return [BidiAudioStreamEvent("AAAA", "pcm", 24_000, 1)]
        if self.kind is ToolUseStreamEvent:
            return [ToolUseStreamEvent(delta={}, current_tool_use={})]
        return [BidiTranscriptStreamEvent({"text": event.delta}, "assistant", event.delta, is_final=False)]


@pytest.mark.parametrize(
    ("kind", "there_first"), [(BidiTranscriptStreamEvent, 1), (ToolUseStreamEvent, 1), (BidiAudioStreamEvent, 50)]
)
@pytest.mark.parametrize("attempt", range(8))  # Trio goes through what is ready in either order.
async def test_first_words_and_the_first_call_are_taken_before_the_rest_of_their_batch_is_read(
    kind, there_first, attempt
):
    here, there = memory_pair(max_frames=51)
    told, seen = [], []
    came = trio.Event()

    def apply(effects):
        told.extend(effects)
        came.set()

    async def application():
        await came.wait()
        seen.append(len(told))

    for n in range(50):
        await there.send(text_delta(str(n)))
    there.hang_up(1000, "over")
    receiver = Receiver(
        here,
        Words(kind),
        apply,
        decode=decode_server,
        room=lambda: True,
        wait_for_room=None,
        message_max_bytes=2000,
        on_lost=lambda _: None,
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(application)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(receiver.run)
    assert seen == [there_first]
    assert len(told) == 50


async def test_it_says_how_the_connection_ended():
    _, [lost] = await run([], code=1011)
    assert isinstance(lost, ConnectionLost)
    assert (lost.code, lost.reason) == (1011, "over")


async def test_it_waits_for_room_before_it_reads_on():
    left = [False, False, True, True]
    waits = 0

    async def wait():
        nonlocal waits
        waits += 1
        await trio.lowlevel.checkpoint()

    listener, _ = await run([text_delta("x")], room=lambda: left.pop(0) if left else True, wait_for_room=wait)
    assert waits == 2
    assert len(listener.events) == 1
