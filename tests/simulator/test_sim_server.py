"""The server itself: sockets, pings, expiry, slow clients, shutdown, ledgers."""

import json
import logging
import re

import pytest
import trio
import trio.testing
from sim_client import CONVERSATION, KEY, Client, assert_faithful, base64, in_memory, speech, talk
from trio_websocket import ConnectionClosed, open_websocket_url, wrap_client_stream

from engine.audio.pcm import silence
from engine.errors import ConfigError
from engine.simulator import INSTANT, Say, Script, ScriptedResponder, SimulatorSettings, serve, serve_forever

QUICK = SimulatorSettings(pace=INSTANT)
ID = re.compile(r'"((?:sess|event|item|resp)_[^"]{21})"')


async def test_it_serves_on_a_free_port_of_the_loopback(caplog):
    caplog.set_level(logging.INFO, logger="engine")
    async with serve(QUICK, Script.of(Say("Hi.")).responder) as server:
        assert server.url == f"ws://127.0.0.1:{server.port}/v1/realtime"
        async with open_websocket_url(f"{server.url}?model=gpt-realtime", extra_headers=[KEY]) as socket:
            client = Client(socket)
            await client.until("session.created")
            await client.say("hello")
            response = await client.ask()
            assert server.active_sessions == 1
        assert_faithful(server)
    assert response["output"][0]["content"][0]["transcript"] == "Hi."
    assert server.url in caplog.text
    assert "WARNING" not in {record.levelname for record in caplog.records}


async def test_a_port_in_use_is_told_in_one_line():
    async with serve(host="127.0.0.1") as server:
        with pytest.raises(ConfigError, match=f"port {server.port} on 127.0.0.1 can't be used") as caught:
            async with serve(host="127.0.0.1", port=server.port):
                pass
    assert (caught.value.field, caught.value.value) == ("port", server.port)
    assert "\n" not in str(caught.value)


async def test_an_address_that_is_not_ours_is_told():
    with pytest.raises(ConfigError, match="assign requested address; take an address of this machine") as caught:
        async with serve(host="203.0.113.1"):
            pass
    assert caught.value.field == "host"


async def test_what_the_block_raises_comes_out_as_it_was_raised():
    with pytest.raises(LookupError, match=r"^mine$"):
        async with serve(host=None):
            raise LookupError("mine")


@pytest.mark.parametrize("host", ["0.0.0.0", "::1", "localhost"])
async def test_listening_beyond_the_loopback_is_warned_about(host, caplog):
    async with serve(host=host) as server:
        assert server.port
        assert (f"[{server.host}]" in server.url) == (":" in host)
    assert ("others can reach it" in caplog.text) == (host == "0.0.0.0")


async def test_serve_forever_tells_when_it_listens():
    async with trio.open_nursery() as nursery:

        def started(server):
            assert server.port
            nursery.cancel_scope.cancel()

        async def run():
            await serve_forever(started=started)

        nursery.start_soon(run)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_forever)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


async def test_who_has_closed_in_order_as_the_server_ends_is_written_down_with_its_own_close():
    for _ in range(20):  # Which task the end finds first is left to chance.
        async with serve(QUICK, host=None) as server, trio.open_nursery() as nursery:
            stream = server.connect_stream()
            socket = await wrap_client_stream(nursery, stream, "sim", CONVERSATION, extra_headers=[KEY])
            await socket.get_message()
            await socket.aclose(1000, "enough")
            await server.disconnect_all()
        assert [(each.close_code, each.close_reason) for each in server.sessions] == [(1000, "enough")]


async def test_it_pings_every_20_seconds_with_four_bytes_even_if_nobody_answers(autojump_clock):
    pings = []
    async with serve(host=None) as server:
        stream = server.connect_stream()
        await stream.send_all(handshake_text())
        with trio.move_on_after(70):
            while True:
                data = await stream.receive_some()
                if data.startswith(b"\x89"):
                    pings.append((round(trio.current_time(), 1), data[1], len(data) - 2))
        assert server.active_sessions == 1
    assert pings == [(20.3, 4, 4), (40.6, 4, 4), (60.9, 4, 4)]


async def test_a_silent_minute_ends_nothing(autojump_clock):
    async with talk() as client:
        assert await client.rest(70) == []
        assert (await client.ask())["status"] == "completed"


async def test_it_answers_pings_while_it_speaks(autojump_clock):
    async with talk(Say("A long answer. " * 50)) as client:
        await client.say("hello")
        await client.send("response.create")
        await client.until("response.output_audio.delta")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.until, "response.done")
            with trio.fail_after(0.001):
                await client.socket.ping(b"now?")


async def test_after_60_minutes_the_session_expires(autojump_clock):
    async with talk() as client:
        reason = await client.closed()
        assert trio.current_time() == pytest.approx(3600, abs=1)
        ledger = client.server.sessions[0]
    sentence = "Your session hit the maximum duration of 60 minutes."
    assert client.events[-1]["error"] == {
        "type": "invalid_request_error",
        "code": "session_expired",
        "message": sentence,
        "param": None,
        "event_id": None,
    }
    assert (reason.code, reason.reason) == (1001, sentence)
    assert (ledger.close_code, ledger.close_reason, ledger.open) == (1001, sentence, False)


async def test_the_end_of_the_server_closes_connections_with_1001(autojump_clock):
    async with trio.open_nursery() as nursery:
        reasons = []

        async def read(socket):
            try:
                while True:
                    await socket.get_message()
            except ConnectionClosed as closed:
                reasons.append((closed.reason.code, closed.reason.reason))

        async with serve(host=None) as server:
            for _ in range(3):
                socket = await wrap_client_stream(
                    nursery, server.connect_stream(), "sim", CONVERSATION, extra_headers=[KEY]
                )
                nursery.start_soon(read, socket)
            await trio.sleep(1)
            before = trio.current_time()
        assert trio.current_time() == before
    assert reasons == [(1001, "server shutdown")] * 3


async def test_a_cancelled_server_closes_connections_with_1001_too(autojump_clock):
    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            async with serve(host=None) as server:
                socket = await wrap_client_stream(
                    nursery, server.connect_stream(), "sim", CONVERSATION, extra_headers=[KEY]
                )
                await socket.get_message()
                scope.cancel()
                await trio.sleep_forever()
        with pytest.raises(ConnectionClosed) as caught:
            await socket.get_message()
    assert (caught.value.reason.code, caught.value.reason.reason) == (1001, "server shutdown")
    assert server.active_sessions == 0


async def test_a_cancelled_server_waits_for_a_client_that_never_reads_by_the_grace_alone(autojump_clock):
    with trio.CancelScope() as scope:
        async with serve(SimulatorSettings(pace=INSTANT, close_grace_s=2), host=None) as server:
            stream = server.connect_stream(lockstep=True)
            await stream.send_all(handshake_text())
            await trio.sleep(1)
            before = trio.current_time()
            scope.cancel()
            await trio.sleep_forever()
    assert trio.current_time() - before <= 2.01
    assert server.active_sessions == 0


async def test_a_client_that_never_reads_delays_the_end_by_the_grace_alone(autojump_clock):
    async with serve(SimulatorSettings(pace=INSTANT, close_grace_s=2), host=None) as server:
        stream = server.connect_stream(lockstep=True)
        await stream.send_all(handshake_text())
        await trio.sleep(1)
        before = trio.current_time()
    assert trio.current_time() - before <= 2.01
    assert server.active_sessions == 0


def handshake_text():
    return (
        f"GET {CONVERSATION} HTTP/1.1\r\nHost: sim\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        "Authorization: Bearer sk-test\r\n\r\n"
    ).encode()


async def test_a_client_that_never_shakes_hands_is_dropped(autojump_clock):
    async with serve(host=None) as server:
        stream = server.connect_stream()
        await trio.sleep(11)
        assert server.active_sessions == 0
        assert await stream.receive_some() == b""


async def test_a_client_that_is_gone_at_once_is_no_bug(autojump_clock):
    async with serve(host=None) as server:
        await server.connect_stream().aclose()
        stream = server.connect_stream()
        await stream.send_all(b"no http\r\n\r\n")
        await trio.sleep(11)
        assert server.active_sessions == 0
        assert [ledger.crash for ledger in server.sessions] == [None, None]


async def test_a_client_that_vanishes_in_the_middle_leaves_nothing_behind(autojump_clock):
    async with serve(host=None, responder_factory=Script.of(Say("Long. " * 100)).responder) as server:
        async with in_memory(server) as client:
            await client.say("hello")
            await client.send("response.create")
            await client.until("response.output_audio.delta")
            await client.socket._stream.aclose()
            await trio.sleep(1)
            assert server.active_sessions == 0
        assert_faithful(server)
        assert server.sessions[0].close_code == 1006


async def test_a_slow_client_stalls_itself_alone(autojump_clock):
    text = "A long answer. " * 200
    settings = SimulatorSettings(outbox_max_bytes=100_000)
    async with serve(settings, Script.of(Say(text)).responder, host=None) as server:
        async with in_memory(server, lockstep=True) as slow, in_memory(server) as quick:
            for client in (slow, quick):
                await client.say("hello")
                await client.send("response.create")
            done = await quick.until("response.done")
            ledger = server.sessions[0]
            sent_bytes = ledger.sent.total_bytes
            await trio.sleep(60)
            assert ledger.sent.total_bytes == sent_bytes < 200_000
            assert ledger.sent.counts["response.done"] == 0
            late = await slow.until("response.done")
        assert_faithful(server)
    assert done["response"]["output"][0]["content"] == late["response"]["output"][0]["content"]


async def test_a_slow_clients_questions_wait_too(autojump_clock):
    settings = SimulatorSettings(outbox_max_bytes=10_000)
    async with talk(settings=settings, lockstep=True) as client, trio.open_nursery() as nursery:

        async def flood():
            for _ in range(1000):
                await client.send("nope")

        nursery.start_soon(flood)
        await trio.sleep(5)
        assert len(client.server.sessions[0].sent) < 50
        for _ in range(1000):
            await client.error()


async def test_a_message_over_the_bound_ends_the_connection_with_1009(autojump_clock):
    async with talk(settings=SimulatorSettings(message_max_bytes=1000)) as client:
        await client.send("input_audio_buffer.append", audio="A" * 1000)
        assert (await client.closed()).code == 1009


async def test_a_bug_ends_its_session_with_1011_and_is_kept(autojump_clock, caplog):
    class Bug(ScriptedResponder):
        def detector(self, settings):
            if settings.threshold == 0.9:
                raise ZeroDivisionError("a bug")
            return super().detector(settings)

    async with serve(host=None, responder_factory=Bug) as server, in_memory(server) as client:
        detection = {"type": "server_vad", "threshold": 0.9}
        change = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
        await client.send("session.update", session=change)
        assert (await client.closed()).code == 1011
        crash = server.sessions[0].crash
    assert isinstance(crash, BaseExceptionGroup)
    assert crash.subgroup(ZeroDivisionError)
    assert "a bug" in caplog.text


async def test_the_same_seed_gives_the_same_conversation(autojump_clock):
    async def run(seed):
        settings = SimulatorSettings(seed=seed, epoch_s=0)
        async with talk(Say("Hi."), settings=settings) as client:
            await client.hear(speech(500))
            await client.until("rate_limits.updated")
            return [message.text for message in client.server.sessions[0].sent]

    first, again, other = await run(1), await run(1), await run(2)
    assert first == again
    assert first != other


async def test_a_server_that_is_started_again_makes_no_id_that_was_there_before(autojump_clock):
    async def ids():
        async with talk(Say("Hi."), settings=SimulatorSettings()) as client:
            await client.hear(speech(500))
            await client.until("rate_limits.updated")
            return {item for message in client.server.sessions[0].sent for item in ID.findall(message.text)}

    first, again = await ids(), await ids()
    assert len(first) > 5
    assert first.isdisjoint(again)


async def test_the_ledger_keeps_the_newest_and_counts_all(autojump_clock):
    settings = SimulatorSettings(ledger_max_events=5)
    async with talk(settings=settings) as client:
        await client.no_vad()
        for _ in range(20):
            await client.hear(base64(silence(20)))
        await client.say("hello")
        await client.send_raw(b"binary")
        await client.error()
        ledger = client.server.sessions[0]
    assert ledger.received.counts["input_audio_buffer.append"] == 20
    assert len(ledger.received) == len(ledger.sent.types) == 5
    assert ledger.received.types[-2:] == ["conversation.item.create", ""]
    assert ledger.received.forgotten == 23 - 5
    assert ledger.received.total_bytes > 20 * 960
    assert json.loads(list(ledger.sent)[-1].text) == client.events[-1]
    assert "binary" not in repr(list(ledger.received))


async def test_ledgers_of_ended_sessions_are_bounded(autojump_clock):
    async with serve(SimulatorSettings(ledger_max_sessions=2), host=None) as server:
        for _ in range(4):
            async with in_memory(server):
                pass
        await trio.sleep(1)
        assert [ledger.number for ledger in server.sessions] == [2, 3]
        assert server.total_sessions == 4


async def test_many_sessions_at_once(autojump_clock):
    async def one(server):
        async with in_memory(server) as client:
            await client.say("hello")
            assert (await client.ask())["status"] == "completed"

    async with serve(host=None) as server:
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(one, server)
        assert server.total_sessions == 50


@pytest.mark.parametrize("setting", [{"session_max_s": 0}, {"close_grace_s": -1}])
def test_settings_that_make_no_sense_are_refused(setting):
    with pytest.raises(ConfigError, match=next(iter(setting))):
        SimulatorSettings(**setting)
