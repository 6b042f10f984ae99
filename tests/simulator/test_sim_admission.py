"""Who is let in: most refusals come after the upgrade, as one error and a close."""

import logging

import pytest
import trio
from sim_client import CONVERSATION, KEY, TRANSCRIPTION, in_memory, talk
from trio_websocket import ConnectionRejected

from engine.simulator import SimulatorSettings, serve

BETA = (b"OpenAI-Beta", b"realtime=v1")
STRICT = SimulatorSettings(keys={"sk-good"}, models={"gpt-realtime"})


@pytest.mark.parametrize(
    ("url", "headers", "settings", "code", "close"),
    [
        (CONVERSATION, [], None, "invalid_api_key", 3000),
        (CONVERSATION, [KEY], STRICT, "invalid_api_key", 3000),
        (CONVERSATION, [(b"authorization", b"Basic abc")], None, "invalid_api_key", 3000),
        (CONVERSATION, [KEY, BETA], None, "beta_api_shape_disabled", 4000),
        ("/v1/realtime", [KEY], None, "missing_model", 4000),
        ("/v1/realtime?model=x", [KEY], None, "invalid_model", 4000),
        ("/v1/realtime?model=gpt-4", [(b"authorization", b"Bearer sk-good")], STRICT, "invalid_model", 4000),
    ],
)
async def test_a_refused_client_gets_one_error_and_a_close(url, headers, settings, code, close, autojump_clock):
    async with talk(url=url, headers=headers, settings=settings, greeted=False) as client:
        reason = await client.closed()
        ledger = client.server.sessions[0]
    assert [event["type"] for event in client.events] == ["error"]
    error = client.events[0]["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", code)
    assert (reason.code, reason.reason) == (close, f"invalid_request_error.{code}")
    assert (ledger.close_code, ledger.session_id) == (close, "")


async def test_a_refused_key_is_shown_masked_and_never_logged(autojump_clock, caplog):
    caplog.set_level(logging.DEBUG, logger="engine")
    secret = "sk-proj-0123456789abcdefWXYZ"
    header = (b"authorization", f"Bearer {secret}".encode())
    async with talk(headers=[header], settings=STRICT, greeted=False) as client:
        await client.closed()
    assert client.events[0]["error"]["message"] == (
        "Incorrect API key provided: sk-…WXYZ. "
        "You can find your API key at https://platform.openai.com/account/api-keys."
    )
    assert secret not in caplog.text
    assert "sk-good" not in repr(STRICT)


@pytest.mark.parametrize(
    ("url", "headers", "subprotocols"),
    [
        ("/openai/v1/realtime?model=gpt-realtime", [(b"api-key", b"sk-good")], ()),
        ("/openai/realtime?api-version=1&deployment=gpt-realtime", [(b"api-key", b"sk-good")], ()),
        (CONVERSATION, [], ("realtime", "openai-insecure-api-key.sk-good")),
        (CONVERSATION, [(b"authorization", b"bearer sk-good")], ()),
        ("/v1/realtime?intent=realtime&model=gpt-realtime", [(b"authorization", b"Bearer sk-good")], ()),
        (TRANSCRIPTION, [(b"authorization", b"Bearer sk-good")], ()),
    ],
)
async def test_all_ways_of_asking_are_understood(url, headers, subprotocols, autojump_clock):
    async with talk(url=url, headers=headers, subprotocols=subprotocols, settings=STRICT) as client:
        assert client.socket.subprotocol == ("realtime" if subprotocols else None)


async def test_beta_clients_come_in_where_the_server_is_lenient(autojump_clock):
    async with talk(headers=[KEY, BETA], settings=SimulatorSettings(allow_beta_header=True)) as client:
        assert client.events[0]["session"]["type"] == "realtime"


@pytest.mark.parametrize(
    "url", ["/v1/responses?model=gpt-realtime", "/v1/realtime?call_id=rtc_1", "/v1/realtime?intent=dictation", "/"]
)
async def test_other_urls_are_not_found_and_the_answer_is_empty(url, autojump_clock):
    async with serve(host=None) as server:
        with pytest.raises(ExceptionGroup) as caught:
            async with in_memory(server, url):
                pass
        rejected = caught.value.exceptions[0]
        assert isinstance(rejected, ConnectionRejected)
        assert rejected.status_code == 404
        assert not rejected.body
        await trio.sleep(0.1)
        assert server.active_sessions == 0


async def test_conversation_created_is_sent_only_where_asked_for(autojump_clock):
    async with talk(settings=SimulatorSettings(send_conversation_created=True)) as client:
        created = await client.next()
    assert created["type"] == "conversation.created"
    assert created["conversation"]["id"].startswith("conv_")


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ([KEY], ""),
        ([KEY, (b"X-Client-Request-Id", b"1f3a9c02-37-1")], "1f3a9c02-37-1"),
        ([(b"x-client-request-id", b"refused-too")], "refused-too"),
        ([KEY, (b"x-client-request-id", b"n" * 600)], "n" * 512),
    ],
)
async def test_the_clients_own_name_for_its_request_is_noted(autojump_clock, headers, name):
    async with talk(headers=headers, greeted=False) as client:
        await client.next()
        (ledger,) = client.server.sessions
    assert ledger.request_id == name
