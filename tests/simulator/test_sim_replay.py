"""The server of a replay: it sends what was sent, when the client has done what came before it."""

import json

import pytest
import trio
from sim_client import base64, in_memory, user
from trio_websocket import ConnectionClosed

from engine.errors import ConfigError
from engine.simulator.replay import Ending, Plan, Recorded, serve_replay
from engine.simulator.replay.differences import DIFFERENCES_MAX, Comparison, Difference
from engine.simulator.replay.plan import AUDIO, Cue
from engine.simulator.replay.session import ASIDE_PATIENCE_S, Manner

MS = b"\0" * 48


def server(event_type, at_s=0.0, **fields):
    return Recorded("server", at_s, event={"type": event_type, "event_id": f"event_{event_type}", **fields})


def client(event_type, at_s=0.0, **fields):
    return Recorded("client", at_s, event={"type": event_type, **fields})


def append(ms, at_s=0.0):
    return client("input_audio_buffer.append", at_s, audio=base64(MS * ms))


def created(at_s=0.0, **audio):
    return server("session.created", at_s, session={"type": "realtime", "id": "sess_1", "audio": audio})


TEXT_TURN = [
    created(0.1),
    client("session.update", 0.2, session={"type": "realtime"}),
    server("session.updated", 0.5, session={"id": "sess_1"}),
    client("conversation.item.create", 2.0, event_id="ours_1", item={"id": "item_ours", **user("hi")}),
    client("response.create", 2.1, response={"metadata": {"engine": "request_1"}}),
    server("conversation.item.added", 2.3, item={"id": "item_ours", **user("hi")}),
    server("response.created", 2.4, response={"id": "resp_1", "metadata": {"engine": "request_1"}}),
    server("error", 2.5, error={"event_id": "ours_1", "message": "told"}),
    server("response.done", 4.4, response={"id": "resp_1"}),
]


class Run:
    """A replay with one client; `at` tells when each event came."""

    def __init__(self, server, client):
        self.server, self.client, self.at = server, client, {}

    async def until(self, event_type):
        event = await self.client.until(event_type)
        self.at[event_type] = trio.current_time()
        return event


def replaying(*messages, pace="recorded", patience_s=60.0, ending=None, **options):
    plans = [Plan.of(messages, ending)]
    return serve_replay(plans, Manner(pace, patience_s), host=None, **options)


async def nothing_comes(socket, seconds):
    with trio.move_on_after(seconds) as scope:
        await socket.next()
    assert scope.cancelled_caught


# --- order and times -------------------------------------------------------------------------------------------------


async def test_server_events_come_in_their_times_from_what_the_client_did(autojump_clock):
    async with replaying(*TEXT_TURN) as served, in_memory(served, greeted=False) as socket:
        run = Run(served, socket)
        await run.until("session.created")
        await trio.sleep(1.5)
        await socket.send("session.update", session={"type": "realtime"})
        await run.until("session.updated")
        await trio.sleep(3)
        await socket.send("conversation.item.create", item={"id": "item_ours", **user("hi")})
        await trio.sleep(1)
        await socket.send("response.create", response={"metadata": {"engine": "request_1"}})
        await run.until("conversation.item.added")
        await run.until("response.done")
        assert served.sessions[0].session_id == "sess_1"

    assert run.at == pytest.approx(
        {
            "session.created": 0.0,
            "session.updated": 1.8,
            "conversation.item.added": 6.0,
            "response.done": 8.1,
        },
        abs=0.001,
    )
    assert served.differences == ()


async def test_at_once_waits_for_the_client_alone(autojump_clock):
    async with replaying(*TEXT_TURN, pace="at_once") as served, in_memory(served) as socket:
        await nothing_comes(socket, 1)
        await socket.send("session.update", session={"type": "realtime"})
        await socket.until("session.updated")
        await socket.send("conversation.item.create", item={"id": "item_ours", **user("hi")})
        await nothing_comes(socket, 1)
        before = trio.current_time()
        await socket.send("response.create", response={"metadata": {"engine": "request_1"}})
        await socket.until("response.done")

        assert trio.current_time() == before


async def test_a_client_that_is_ahead_finds_the_recorded_gaps(autojump_clock):
    async with replaying(*TEXT_TURN) as served, in_memory(served) as socket:
        await socket.send("conversation.item.create", item={"id": "item_ours", **user("hi")})
        await socket.send("response.create", response={"metadata": {"engine": "request_1"}})
        await socket.send("session.update", session={"type": "realtime"})
        await socket.until("session.updated")
        begin = trio.current_time()
        await socket.until("response.created")
        assert trio.current_time() - begin == pytest.approx(0.3, abs=0.001)
        await socket.until("response.done")
        assert trio.current_time() - begin == pytest.approx(2.3, abs=0.001)


# --- audio -----------------------------------------------------------------------------------------------------------

SPOKEN_TURN = [
    created(0.0),
    *(append(40, 0.04 * number) for number in range(1, 26)),
    server("input_audio_buffer.speech_started", 1.1),
    *(append(40, 1.0 + 0.04 * number) for number in range(1, 26)),
    server("input_audio_buffer.speech_stopped", 2.1),
    *(append(40, 2.0 + 0.04 * number) for number in range(1, 26)),
    server("response.done", 3.1),
]


@pytest.mark.parametrize("frame_ms", [7, 20, 100, 1000])
async def test_audio_is_matched_by_its_length_whatever_its_frames(frame_ms, autojump_clock):
    async with replaying(*SPOKEN_TURN, pace="at_once") as served, in_memory(served) as socket:
        heard = {}

        async def listen():
            while "response.done" not in heard:
                event_type = (await socket.next())["type"]
                heard[event_type] = sent

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            sent = 0
            while "response.done" not in heard:
                await socket.hear(base64(MS * frame_ms))
                sent += frame_ms
                await trio.sleep(frame_ms / 1000)

    assert 900 <= heard["input_audio_buffer.speech_started"] <= 1000 + frame_ms
    assert 1900 <= heard["input_audio_buffer.speech_stopped"] <= 2000 + frame_ms
    assert heard["response.done"] <= 2000 + frame_ms, "what the service says waits for no more audio"


async def test_audio_is_measured_in_each_sides_own_format(autojump_clock):
    pcmu = {"input": {"format": {"type": "audio/pcmu"}}}
    turn = [
        created(),
        client("session.update", session={"audio": pcmu}),
        client("input_audio_buffer.append", audio=base64(b"\xff" * 8000)),
        server("input_audio_buffer.speech_started"),
    ]
    async with replaying(*turn, pace="at_once") as served, in_memory(served) as socket:
        await socket.hear(base64(MS * 850))
        await nothing_comes(socket, 1)
        await socket.hear(base64(MS * 60))
        await nothing_comes(socket, 1)
        await socket.send("session.update", session={"audio": pcmu})
        await socket.until("input_audio_buffer.speech_started")


def test_audio_that_is_none_has_no_length():
    plan = Plan.of([append(100), client("input_audio_buffer.append", audio=7), client("input_audio_buffer.append")])

    assert plan.audio_ms == 100


def test_what_was_heard_early_waits_for_the_first_sound_all_the_same():
    comparison = Comparison(Plan.of([append(40)]))
    assert not comparison.met(Cue(AUDIO, 40.0))
    comparison.take({"type": "input_audio_buffer.append", "audio": base64(MS * 10)})
    assert comparison.met(Cue(AUDIO, 40.0))


def test_an_echo_that_nobody_asked_for_names_nothing():
    plan = Plan.of([client("conversation.item.create", item=user("hi")), server("conversation.item.added", item={})])

    assert plan.created == [None]


async def test_a_commit_by_hand_ends_a_shorter_utterance(autojump_clock):
    turn = [
        created(),
        append(3000),
        client("input_audio_buffer.commit"),
        server("input_audio_buffer.committed"),
        append(1000),
        server("input_audio_buffer.speech_started"),
    ]
    async with replaying(*turn, pace="at_once", patience_s=1000) as served, in_memory(served) as socket:
        await socket.hear(base64(MS * 500))
        await socket.send("input_audio_buffer.commit")
        with trio.fail_after(1):
            await socket.until("input_audio_buffer.committed")
        await nothing_comes(socket, 1)
        await socket.hear(base64(MS * 1000))
        with trio.fail_after(1):
            await socket.until("input_audio_buffer.speech_started")
    assert [str(difference) for difference in served.differences] == ["audio 1: ms was 4000, is 1500"]


# --- ids -------------------------------------------------------------------------------------------------------------


async def test_the_clients_own_ids_stand_where_the_server_echoes_them(autojump_clock):
    async with replaying(*TEXT_TURN, pace="at_once") as served, in_memory(served) as socket:
        await socket.send("session.update", session={"type": "realtime"})
        await socket.send("conversation.item.create", event_id="mine_1", item={"id": "item_mine", **user("hi")})
        await socket.send("response.create", response={"metadata": {"engine": "request_9"}})
        added = await socket.until("conversation.item.added")
        response = (await socket.until("response.created"))["response"]
        error = await socket.until("error")

    assert added["item"]["id"] == "item_mine"
    assert response == {"id": "resp_1", "metadata": {"engine": "request_9"}}
    assert error["error"]["event_id"] == "mine_1"
    assert served.differences == ()


async def test_an_item_that_the_service_had_named_gets_the_clients_name(autojump_clock):
    call = {"type": "function_call", "call_id": "call_old", "name": "f", "arguments": "{}"}
    turn = [
        created(),
        client("conversation.item.create", item=user("first")),
        client("conversation.item.create", item=call),
        client("conversation.item.create", item={"type": "function_call_output", "call_id": "call_old", "output": ""}),
        server("conversation.item.added", item={"id": "item_a", **user("first")}),
        server("conversation.item.added", item={"id": "item_b", **call}),
        server("conversation.item.done", item={"id": "item_b", **call}),
    ]
    async with replaying(*turn, pace="at_once") as served, in_memory(served) as socket:
        await socket.send("conversation.item.create", item=user("first"))
        await socket.send("conversation.item.create", item={**call, "id": "mine", "call_id": "call_mine"})
        output = {"type": "function_call_output", "call_id": "call_mine", "output": ""}
        await socket.send("conversation.item.create", item=output)
        first = await socket.until("conversation.item.added")
        done = await socket.until("conversation.item.done")

    assert first["item"]["id"] == "item_a"
    assert (done["item"]["id"], done["item"]["call_id"]) == ("mine", "call_mine")
    assert served.differences == ()


# --- what clients do otherwise ---------------------------------------------------------------------------------------


async def test_what_the_client_does_otherwise_is_told_in_words(autojump_clock):
    async with replaying(*TEXT_TURN, pace="at_once") as served, in_memory(served) as socket:
        await socket.send("response.cancel")
        await socket.send("conversation.item.create", item={"id": "item_ours", **user("ho")})
        await socket.send_raw("no json")
        await socket.send_raw(b"\0")
        await socket.send_raw("[]")
        await socket.send("conversation.item.create", item=user("once more"))
        await socket.send("response.create", response={"metadata": {"engine": "request_1"}, "voice": "cedar"})
        await socket.until("response.done")
        assert served.sessions[0].received.types.count("") == 3

    assert [str(difference) for difference in served.differences] == [
        "response.cancel 1 is extra",
        "conversation.item.create 1: item.content[0].text was 'hi', is 'ho'",
        "message 1 is unreadable",
        "message 1 is unreadable",
        "message 1 is unreadable",
        "conversation.item.create 2 is extra",
        "response.create 1: response.voice was None, is 'cedar'",
        "session.update 1 is missing",
    ]


async def test_what_is_missing_at_the_end_is_told_when_the_connection_is_over(autojump_clock):
    async with replaying(*TEXT_TURN, client("response.cancel", 5.0), append(500, 5.1)) as served:
        async with in_memory(served) as socket:
            await socket.send("session.update", session={"type": "realtime"})
            await socket.until("session.updated")
            assert served.differences == ()
        await trio.sleep(1)
        assert served.differences == served.differences_of(served.sessions[0])
        assert [str(difference) for difference in served.differences] == [
            "conversation.item.create 1 is missing",
            "response.create 1 is missing",
            "response.cancel 1 is missing",
            "audio 1: ms was 500, is 0",
        ]


async def test_a_client_that_never_does_what_may_be_left_out_waits_two_seconds(autojump_clock):
    turn = [created(), client("conversation.item.truncate", audio_end_ms=5), server("conversation.item.truncated")]
    async with replaying(*turn, patience_s=1000) as served, in_memory(served) as socket:
        before = trio.current_time()
        await socket.until("conversation.item.truncated")

        assert trio.current_time() - before == pytest.approx(ASIDE_PATIENCE_S, abs=0.001)
        assert served.differences == (Difference("missing", "conversation.item.truncate", 1),)


@pytest.mark.parametrize("missing", [[append(1000)], [client("response.create")]])
async def test_patience_ends_and_the_replay_goes_on(missing, autojump_clock):
    turn = [created(), *missing, server("input_audio_buffer.speech_started"), append(500), server("response.done")]
    async with replaying(*turn, patience_s=20) as served, in_memory(served) as socket:
        before = trio.current_time()
        await socket.until("response.done")

        assert trio.current_time() - before == pytest.approx(20, abs=0.001)


async def test_without_end_to_its_patience_it_waits_for_a_person(autojump_clock):
    async with serve_replay([Plan.of(TEXT_TURN)], host=None) as served, in_memory(served) as socket:
        await socket.send("session.update", session={"type": "realtime"})
        await socket.until("session.updated")
        await nothing_comes(socket, 3 * 3600)


def test_differences_are_bounded():
    comparison = Comparison(Plan.of([]))
    for _ in range(DIFFERENCES_MAX + 10):
        comparison.take(None)

    assert len(comparison.found) == DIFFERENCES_MAX


def test_a_long_value_is_cut_in_words_and_whole_in_fields():
    difference = Difference("changed", "session.update", 1, "session.instructions", "a" * 500, "b")

    assert len(str(difference)) < 160
    assert difference.recorded == "a" * 500


def test_what_was_not_shown_and_audio_are_not_compared():
    secret = {"session": {"tools": [{"type": "mcp", "authorization": "(not shown)"}], "audio": {"input": {"x": 1}}}}
    told = {"session": {"tools": [{"type": "mcp", "authorization": "tok"}], "audio": {"input": {"x": 2}}}}
    comparison = Comparison(Plan.of([client("session.update", **secret), client("x", item={"audio": "AAAA"})]))
    comparison.take({"type": "session.update", **told})
    comparison.take({"type": "x", "item": {"audio": "BBBB"}})

    assert [difference.field for difference in comparison.found] == ["session.audio.input.x"]


def test_a_skipped_event_leaves_room_for_the_next():
    comparison = Comparison(Plan.of([client("response.create", a=1), client("response.create", a=2)]))
    comparison.skip(Cue("response.create", 1))
    comparison.take({"type": "response.create", "a": 2})
    comparison.skip(Cue(AUDIO, 500.0))

    assert comparison.met(Cue("response.create", 2))
    assert comparison.met(Cue(AUDIO, 500.0))
    assert comparison.found == [Difference("missing", "response.create", 1)]


# --- connections -----------------------------------------------------------------------------------------------------


async def test_each_client_gets_the_recording_from_its_start(autojump_clock):
    async with replaying(*TEXT_TURN) as served:
        for number in range(3):
            async with in_memory(served) as socket:
                assert socket.events[0]["session"]["id"] == "sess_1"
            assert served.total_sessions == number + 1


async def test_the_second_connection_gets_the_second_recording(autojump_clock):
    plans = [Plan.of([created()]), Plan.of([server("session.created", session={"id": "sess_2"})])]
    async with serve_replay(plans, host=None) as served:
        ids = []
        for _ in range(3):
            async with in_memory(served) as socket:
                ids.append(socket.events[0]["session"]["id"])

    assert ids == ["sess_1", "sess_2", "sess_1"]


@pytest.mark.parametrize("url", ["/v1/realtime", "/v1/realtime?call_id=rtc_1", "/openai/v1/realtime?model=mine"])
async def test_any_client_is_let_in(url, autojump_clock):
    async with replaying(*TEXT_TURN) as served, in_memory(served, url):
        assert served.active_sessions == 1


@pytest.mark.parametrize(("code", "closed"), [(1011, 1011), (4000, 4000), (None, 1006)])
async def test_the_connection_ends_as_it_did(code, closed, autojump_clock):
    async with replaying(created(1.0), ending=Ending(3.0, code)) as served, in_memory(served) as socket:
        before = trio.current_time()
        with pytest.raises(ConnectionClosed) as caught:
            await socket.next()

        assert caught.value.reason.code == closed
        assert trio.current_time() - before == pytest.approx(2.0, abs=0.001)


async def test_the_end_waits_for_what_the_client_did_before_it(autojump_clock):
    turn = [created(1.0), client("response.create", 2.0), *(append(40, at) for at in (3.0, 3.5))]
    async with replaying(*turn, ending=Ending(4.0, 1012, "restart")) as served, in_memory(served) as socket:
        await nothing_comes(socket, 10)
        await socket.send("response.create")
        before = trio.current_time()
        with pytest.raises(ConnectionClosed) as caught:
            await socket.next()

    assert (caught.value.reason.code, caught.value.reason.reason) == (1012, "restart")
    assert trio.current_time() - before == pytest.approx(2.0, abs=0.001)


def test_the_first_message_comes_as_long_after_the_begin_as_it_did():
    assert [step.gap_s for step in Plan.of([created(3.0)], opened_s=1.0).steps] == [2.0]
    assert [step.gap_s for step in Plan.of([created(3.0)]).steps] == [0.0]


async def test_a_client_that_asks_for_the_end_gets_it_after_the_last_message(autojump_clock):
    turn = [created(), client("session.close"), server("session.closed")]
    async with replaying(*turn) as served, in_memory(served) as socket:
        await socket.send("session.close")
        await socket.until("session.closed")
        assert (await socket.closed()).code == 1000


async def test_what_is_no_event_is_sent_as_it_was(autojump_clock):
    odd = [Recorded("server", 0.0, "no json"), Recorded("server", 0.0, b"\0\1")]
    async with replaying(created(), *odd) as served, in_memory(served) as socket:
        assert [await socket.socket.get_message() for _ in odd] == ["no json", b"\0\1"]


async def test_there_must_be_something_to_play():
    with pytest.raises(ConfigError, match="no message of a server"):
        async with serve_replay([Plan.of([client("response.create")])], host=None):
            pass


async def test_a_long_recording_does_not_pile_up_before_a_slow_client(autojump_clock):
    large = [server("response.output_audio.delta", delta="A" * 100_000) for _ in range(300)]
    async with replaying(created(), *large, pace="at_once") as served, in_memory(served) as socket:
        await trio.sleep(10)
        sent = len(served.sessions[0].sent)
        assert sent < 200, "the rest waits in the recording"
        for _ in large:
            await socket.next()


def test_a_recording_on_tcp_is_played_to_any_client():
    async def main():
        async with replaying(*TEXT_TURN, pace="at_once") as nothing:
            assert nothing.host is None
        async with serve_replay([Plan.of(TEXT_TURN)], Manner("at_once")) as served:
            from trio_websocket import open_websocket_url

            async with open_websocket_url(served.url, extra_headers=[(b"authorization", b"Bearer x")]) as socket:
                assert json.loads(await socket.get_message())["type"] == "session.created"

    trio.run(main)
