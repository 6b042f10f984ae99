"""HTTP requests around sessions: client secrets, WebRTC and SIP calls, and answers that are wrong, late or none."""

import json
import logging
import re
import ssl
import subprocess
import sys
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.parser import BytesParser
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing
import trustme
from openai.types.realtime import ClientSecretCreateResponse
from rooms import KEY, config, open_sockets

from engine.blocks import block_nursery
from engine.config import ClientSettings, SessionConfig
from engine.config.listening import TranscriptionConfig, TranslationConfig
from engine.errors import (
    ConfigError,
    ConnectionLost,
    DeadlinePassed,
    LimitExceeded,
    LocalMisuse,
    RemoteViolation,
    ServerReported,
)
from engine.events import BidiConnectionStartEvent
from engine.http_api import HttpApi
from engine.http_api.api import SECRET_MAX_S, SECRET_MIN_S
from engine.http_api.link import HTTP_BODY_MAX_BYTES
from engine.session import open_session
from engine.simulator import serve
from engine.simulator.settings import INSTANT, SimulatorSettings
from engine.transport import trio_ws
from engine.transport.base import Endpoint

SECRET = "ek_canary_99"
CALL_ID = "rtc_u1_9c6574da8b8a"
CA = trustme.CA()
CERTIFICATE = CA.issue_cert("127.0.0.1", "localhost")
MADE = {"value": SECRET, "expires_at": 1_800_000_000, "session": {"type": "realtime", "id": "sess_1"}}


def client(base_url, **given):
    return ClientSettings(**{"api_key": KEY, "base_url": base_url, "organization": "", "project": "", **given})


@attrs.frozen
class Request:
    line: str
    headers: EmailMessage
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


def answer(status=200, body=b"", headers=""):
    """Write an answer."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"HTTP/1.1 {status} X\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


@asynccontextmanager
async def answering(*answers, tls=False):
    """Serve these answers in turn, over connections that are kept; give the base URL and the requests that came."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    CERTIFICATE.configure_cert(context)
    left, requests = list(answers), []

    async def handle(stream):
        if tls:
            stream = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        try:
            data = b""
            while more := await stream.receive_some():
                data += more
                head, found, body = data.partition(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
                if not found or len(body) < int(length[1] if length else 0):
                    continue
                line, _, headers = head.partition(b"\r\n")
                requests.append(Request(line.decode(), BytesParser().parsebytes(headers), body))
                data = b""
                say = left.pop(0)
                if say is None:
                    await trio.sleep_forever()
                await stream.send_all(say)
                if not say.startswith(b"HTTP") or b"half" in say:
                    return
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, host="127.0.0.1"), handle, 0)
        port = listeners[0].socket.getsockname()[1]
        yield f"{'wss' if tls else 'ws'}://127.0.0.1:{port}/v1", requests
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def asking(*answers, **given):
    """Serve these answers; give our end, open, and the requests that came."""
    async with answering(*answers) as (base_url, requests), HttpApi(client(base_url, **given)) as api:
        yield api, requests


# --- what is asked for ----------------------------------------------------------------------------------------------


async def test_a_client_secret_is_asked_for_with_the_sessions_settings():
    async with answering(answer(200, MADE)) as (base_url, requests):
        settings = client(base_url, organization="org", safety_identifier="user-7f", extra_headers={"X-Tenant": "7"})
        async with HttpApi(settings) as api:
            secret = await api.create_client_secret(
                SessionConfig(model="gpt-realtime", instructions="Be brief.", client=settings), expires_after_s=60
            )

    [request] = requests
    assert request.line == "POST /v1/realtime/client_secrets HTTP/1.1"
    assert {name: request.headers[name] for name in ("OpenAI-Organization", "X-Tenant", "Content-Type")} == {
        "OpenAI-Organization": "org",
        "X-Tenant": "7",
        "Content-Type": "application/json",
    }
    assert request.headers["OpenAI-Safety-Identifier"] == "user-7f"
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["Accept-Encoding"] == "identity"
    assert request.json["expires_after"] == {"anchor": "created_at", "seconds": 60}
    session = request.json["session"]
    assert (session["type"], session["model"], session["instructions"]) == ("realtime", "gpt-realtime", "Be brief.")
    assert (secret.value, secret.expires_at, secret.session["id"]) == (SECRET, 1_800_000_000, "sess_1")


async def test_a_secret_may_take_the_services_own_settings_or_the_apis_as_they_are():
    async with asking(answer(200, MADE), answer(200, MADE)) as (api, requests):
        await api.create_client_secret()
        await api.create_client_secret({"type": "transcription", "audio": {}})

    assert requests[0].json == {"expires_after": {"anchor": "created_at", "seconds": 600}}
    assert requests[1].json["session"] == {"type": "transcription", "audio": {}}


async def test_a_transcriptions_secret_names_its_model_where_it_transcribes():
    settings = TranscriptionConfig(client=client("ws://127.0.0.1:9/v1"))
    async with asking(answer(200, MADE)) as (api, requests):
        await api.create_client_secret(settings)

    session = requests[0].json["session"]
    assert session["type"] == "transcription"
    assert "model" not in session
    assert session["audio"]["input"]["transcription"]["model"] == settings.model


TRANSLATION = {"type": "translation", "model": "gpt-realtime-translate", "audio": {"output": {"language": "de"}}}


@pytest.mark.parametrize(
    "session", [TRANSLATION, TranslationConfig(language="de", client=client("ws://127.0.0.1:9/v1"))]
)
async def test_a_translations_secret_has_a_path_of_its_own_and_names_no_type(session):
    async with asking(answer(200, MADE)) as (api, requests):
        await api.create_client_secret(session)

    assert requests[0].line == "POST /v1/realtime/translations/client_secrets HTTP/1.1"
    assert requests[0].json["session"] == {key: value for key, value in TRANSLATION.items() if key != "type"}
    assert TRANSLATION["type"] == "translation", "what was given stays as it is"


async def test_a_webrtc_call_sends_the_offer_and_the_settings_as_a_form_and_gives_the_answer():
    offer, reply = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\n", "v=0\r\na=answer\r\n"
    location = f"Location: /v1/realtime/calls/{CALL_ID}\r\n"
    async with asking(answer(201, reply.encode(), location)) as (api, requests):
        call = await api.create_call(offer, config())

    assert (call.call_id, call.sdp) == (CALL_ID, reply)
    [request] = requests
    assert request.line == "POST /v1/realtime/calls HTTP/1.1"
    form = BytesParser().parsebytes(f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode() + request.body)
    parts = {part.get_param("name", header="Content-Disposition"): part for part in form.get_payload()}
    assert {name: part.get_content_type() for name, part in parts.items()} == {
        "sdp": "application/sdp",
        "session": "application/json",
    }
    assert parts["sdp"].get_payload(decode=True).decode() == offer
    assert json.loads(parts["session"].get_payload(decode=True))["model"] == "gpt-realtime"


async def test_a_webrtc_call_may_leave_the_settings_to_the_secret():
    location = f"Location: https://host/v1/realtime/calls/{CALL_ID}/?x\r\n"
    async with asking(answer(201, b"v=0", location)) as (api, requests):
        assert (await api.create_call("v=0")).call_id == CALL_ID

    assert b'name="session"' not in requests[0].body


async def test_a_sip_call_is_answered_turned_away_handed_on_and_ended():
    async with asking(*[answer()] * 5) as (api, requests):
        await api.accept_call(CALL_ID, config())
        await api.reject_call(CALL_ID)
        await api.reject_call(CALL_ID, 486)
        await api.refer_call(CALL_ID, "tel:+14155550123")
        await api.hang_up(CALL_ID)

    verbs = [re.fullmatch(rf"POST /v1/realtime/calls/{CALL_ID}/(\w+) HTTP/1.1", one.line)[1] for one in requests]
    assert verbs == ["accept", "reject", "reject", "refer", "hangup"]
    assert (requests[0].json["type"], requests[0].json["model"]) == ("realtime", "gpt-realtime")
    assert [one.json for one in requests[1:4]] == [{}, {"status_code": 486}, {"target_uri": "tel:+14155550123"}]
    assert requests[4].body == b""


async def test_connections_are_kept_between_requests_and_closed_at_the_end():
    before = open_sockets()
    async with answering(*[answer()] * 2) as (base_url, _):
        listening = open_sockets()
        async with HttpApi(client(base_url)) as api:
            await api.hang_up(CALL_ID)
            kept = open_sockets()
            await api.hang_up(CALL_ID)
            assert open_sockets() == kept == listening + 2
        await trio.testing.wait_all_tasks_blocked()
    assert open_sockets() == before


async def test_a_key_that_changes_is_asked_for_at_each_request():
    keys = iter(["first", "second"])
    async with asking(*[answer()] * 2, api_key=lambda: next(keys), key_header="api-key") as (api, requests):
        await api.hang_up(CALL_ID)
        await api.hang_up(CALL_ID)

    assert [one.headers["api-key"] for one in requests] == ["first", "second"]


# --- the way there --------------------------------------------------------------------------------------------------


async def test_tls_is_checked_with_the_settings_certificates():
    trusting = ssl.create_default_context()
    CA.configure_trust(trusting)
    async with answering(answer(200, MADE), tls=True) as (base_url, requests):
        async with HttpApi(client(base_url, ssl_context=trusting)) as api:
            assert (await api.create_client_secret()).value == SECRET
        async with HttpApi(client(base_url)) as api:
            with pytest.raises(ConnectionLost, match="certificate verify failed"):
                await api.create_client_secret()

    assert len(requests) == 1


@pytest.fixture
def connect_proxy(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent / "transport")
    from connect_proxy import connect_proxy

    return connect_proxy


async def test_requests_go_through_the_proxy_of_the_settings(connect_proxy):
    trusting = ssl.create_default_context()
    CA.configure_trust(trusting)
    async with answering(answer(200, MADE), tls=True) as (base_url, _), connect_proxy(("me", "pass")) as proxy:
        there = {"ssl_context": trusting, "proxy": proxy.url_as("me", "pass")}
        async with HttpApi(client(base_url, **there)) as api:
            assert (await api.create_client_secret()).value == SECRET

        assert proxy.requests == [base_url.split("/")[2]]
        assert "authorization" not in proxy.headers[0], "the key is the server's alone"


async def test_a_proxy_that_refuses_is_a_lost_connection(connect_proxy):
    async with (
        connect_proxy(("me", "pass")) as proxy,
        HttpApi(client("wss://service.example/v1", proxy=proxy.url)) as api,
    ):
        with pytest.raises(ConnectionLost, match="the proxy refused: 407"):
            await api.hang_up(CALL_ID)


async def test_the_environments_proxy_is_not_asked_for_this_machine(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with asking(answer()) as (api, _):
        await api.hang_up(CALL_ID)


# --- answers that say no --------------------------------------------------------------------------------------------

TOLD = {"message": "No session found", "type": "invalid_request_error", "param": "call_id", "code": "call_id_not_found"}


async def fails(error, *answers, ask=lambda api: api.create_client_secret(), **options):
    """Ask a server that answers this; give what is raised."""
    before = open_sockets()
    async with answering(*answers) as (base_url, _), HttpApi(client(base_url), **options) as api:
        with trio.fail_after(5), pytest.raises(error) as caught:
            await ask(api)
    assert open_sockets() == before
    assert KEY not in f"{caught.value!r} {vars(caught.value)}"
    return caught.value


async def test_an_error_of_the_api_keeps_its_words():
    error = await fails(ServerReported, answer(404, {"error": TOLD}))

    assert (error.message, error.code, error.param) == ("No session found", "call_id_not_found", "call_id")
    assert error.error_type == "invalid_request_error"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (502, b"<html>Bad Gateway</html>"),
        (404, b""),
        (500, b'{"error": "oh"}'),
        (500, b"[1]"),
        (429, b'{"error": {"message": null, "code": 7}}'),
        (302, b""),
    ],
)
async def test_an_error_without_words_is_named_by_its_status(status, body):
    error = await fails(ServerReported, answer(status, body, "Location: https://elsewhere.example\r\n"))

    assert error.code == f"http_{status}"
    assert f"HTTP status {status}" in str(error)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "invalid_json"),
        (b"<html>", "invalid_json"),
        (b"[]", "not_an_object"),
        (b"{}", "invalid_field"),
        (json.dumps({**MADE, "value": 7}).encode(), "invalid_field"),
        (json.dumps({**MADE, "expires_at": True}).encode(), "invalid_field"),
        (json.dumps({**MADE, "session": None}).encode(), "invalid_field"),
    ],
)
async def test_a_secret_that_is_none_is_a_violation_that_shows_none(body, problem):
    error = await fails(RemoteViolation, answer(200, body))

    assert error.problem == problem
    assert SECRET not in str(error)


@pytest.mark.parametrize("location", ["", "Location: /v1/realtime/calls/\r\n", "Location: /v1/calls/a%20b\r\n"])
async def test_a_call_without_an_address_is_a_violation(location):
    error = await fails(RemoteViolation, answer(201, b"v=0", location), ask=lambda api: api.create_call("v=0"))

    assert (error.problem, error.field) == ("invalid_field", "Location")


async def test_an_answer_of_any_size_is_read_to_a_bound():
    error = await fails(LimitExceeded, answer(200, b"x" * (HTTP_BODY_MAX_BYTES + 1)))

    assert (error.limit, error.bound) == ("HTTP_BODY_MAX_BYTES", HTTP_BODY_MAX_BYTES)


@pytest.mark.parametrize(
    "said",
    [b"", b"SSH-2.0\r\n\r\n", b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\nhalf"],
    ids=["nothing", "SSH", "half"],
)
async def test_an_answer_that_is_none_is_a_lost_connection(said):
    error = await fails(ConnectionLost, said)

    assert "127.0.0.1: the request failed" in str(error)
    assert error.__cause__ is not None


async def test_nobody_listens():
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    async with HttpApi(client(f"ws://127.0.0.1:{port}/v1")) as api:
        with pytest.raises(ConnectionLost, match="the request failed") as caught:
            await api.hang_up(CALL_ID)

    assert caught.value.reason


async def test_an_answer_that_never_comes_is_waited_for_to_the_deadline():
    error = await fails(DeadlinePassed, None, deadline_s=0.05)

    assert (error.deadline, error.limit_s) == ("http request", 0.05)


async def test_a_key_that_never_comes_counts_against_the_deadline():
    settings = client("ws://127.0.0.1:9/v1", api_key=trio.sleep_forever)
    async with HttpApi(settings, deadline_s=0.05) as api:
        with pytest.raises(DeadlinePassed):
            await api.hang_up(CALL_ID)


async def test_a_request_may_be_cancelled_and_the_next_one_is_served():
    async with asking(None, answer()) as (api, requests), trio.open_nursery() as nursery:
        scope = trio.CancelScope()

        async def ask():
            with scope:
                await api.hang_up(CALL_ID)

        nursery.start_soon(ask)
        while not requests:  # noqa: ASYNC110 - a list sets no event
            await trio.sleep(0.001)
        scope.cancel()
        await api.hang_up(CALL_ID)


# --- what is refused before -----------------------------------------------------------------------------------------

REFUSED = [
    (lambda api: api.create_client_secret(expires_after_s=SECRET_MIN_S - 1), "expires_after_s"),
    (lambda api: api.create_client_secret(expires_after_s=SECRET_MAX_S + 1), "expires_after_s"),
    (lambda api: api.create_client_secret(expires_after_s=60.5), "expires_after_s"),
    (lambda api: api.create_client_secret({"type": object()}), "session"),
    (lambda api: api.create_call(""), "sdp"),
    (lambda api: api.create_call(b"v=0"), "sdp"),
    (lambda api: api.create_call("v=0", {"type": {1, 2}}), "session"),
    (lambda api: api.hang_up(""), "call_id"),
    (lambda api: api.hang_up("../../models"), "call_id"),
    (lambda api: api.accept_call(None, config()), "call_id"),
    (lambda api: api.reject_call(CALL_ID, 200), "status_code"),
    (lambda api: api.reject_call(CALL_ID, 700), "status_code"),
    (lambda api: api.reject_call(CALL_ID, "486"), "status_code"),
    (lambda api: api.refer_call(CALL_ID, "+14155550123"), "target_uri"),
    (lambda api: api.refer_call(CALL_ID, 7), "target_uri"),
]


@pytest.mark.parametrize(("ask", "field"), REFUSED)
async def test_a_wrong_argument_is_refused_and_nothing_is_sent(ask, field):
    async with asking() as (api, requests):
        with pytest.raises(ConfigError) as caught:
            await ask(api)

    assert caught.value.field == field
    assert requests == []


@pytest.mark.parametrize("deadline_s", [0, -1, "15", None, True])
def test_a_deadline_is_a_time(deadline_s):
    with pytest.raises(ConfigError, match="deadline_s"):
        HttpApi(client("ws://127.0.0.1:9/v1"), deadline_s=deadline_s)


async def test_outside_of_its_block_nothing_is_sent():
    api = HttpApi(client("ws://127.0.0.1:9/v1"))
    with pytest.raises(LocalMisuse, match="async with HttpApi"):
        await api.hang_up(CALL_ID)
    async with api:
        pass
    with pytest.raises(LocalMisuse, match="async with HttpApi"):
        await api.hang_up(CALL_ID)


def test_without_httpx_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ConfigError, match=r"pip install 'realtime-engine\[http\]'"):
        HttpApi(client("ws://127.0.0.1:9/v1"))


def test_httpx_is_loaded_when_it_is_needed_and_not_before():
    code = "import sys, engine.http_api; print('httpx' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout == "False\n"


async def test_no_log_and_no_repr_shows_a_key(caplog):
    caplog.set_level(logging.DEBUG)
    async with answering(answer(200, MADE)) as (base_url, requests):
        there = client(f"{base_url}?api-key={KEY}")
        async with HttpApi(there) as api:
            secret = await api.create_client_secret()

    assert requests[0].line.endswith(f"?api-key={KEY} HTTP/1.1")
    assert KEY not in caplog.text
    assert SECRET not in repr(secret) + caplog.text
    assert "sess_1" not in repr(secret)


# --- with a server of the whole API ---------------------------------------------------------------------------------


async def test_a_client_secret_opens_sessions_and_only_sessions_of_its_kind():
    async with (
        serve(SimulatorSettings(pace=INSTANT, keys=frozenset({KEY}))) as simulator,
        HttpApi(client(simulator.base_url)) as api,
    ):
        secret = await api.create_client_secret(config(instructions="Be brief."))
        ClientSecretCreateResponse.model_validate(attrs.asdict(secret))
        settings = SessionConfig(client=client(simulator.base_url, api_key=secret.value))
        async with open_session(settings) as session:
            assert isinstance(await anext(session.receive()), BidiConnectionStartEvent)


@pytest.mark.parametrize(
    ("session", "kind", "asked"),
    [
        (TranscriptionConfig, "transcription", {}),
        (
            partial(TranslationConfig, language="de"),
            "translation",
            {"model": "gpt-realtime-translate", "path": "/realtime/translations"},
        ),
    ],
)
async def test_a_secret_of_each_kind_opens_a_session_of_its_kind(session, kind, asked):
    async with serve(SimulatorSettings(pace=INSTANT, keys=frozenset({KEY}))) as simulator:
        mine = client(simulator.base_url)
        async with HttpApi(mine) as api:
            secret = await api.create_client_secret(session(client=mine))
        url = client(simulator.base_url, api_key=secret.value).url(**asked)
        async with block_nursery() as nursery:
            headers = [("Authorization", f"Bearer {secret.value}")]
            transport = await trio_ws.connect(nursery, Endpoint(url=url, headers=headers))
            [message] = await transport.receive()
            await transport.close(2)

    assert secret.session["type"] == json.loads(message)["session"]["type"] == kind


async def test_a_function_may_make_a_secret_for_each_session():
    async with (
        serve(SimulatorSettings(pace=INSTANT, keys=frozenset({KEY}))) as simulator,
        HttpApi(client(simulator.base_url)) as api,
    ):

        async def fresh():
            return (await api.create_client_secret()).value

        settings = SessionConfig(client=client(simulator.base_url, api_key=fresh))
        for _ in range(2):
            async with open_session(settings) as session:
                assert isinstance(await anext(session.receive()), BidiConnectionStartEvent)


async def test_a_wrong_key_is_told_by_the_server():
    async with (
        serve(SimulatorSettings(keys=frozenset({"another"}))) as simulator,
        HttpApi(client(simulator.base_url)) as api,
    ):
        with pytest.raises(ServerReported) as caught:
            await api.create_client_secret()

    assert caught.value.code == "invalid_api_key"


async def test_a_call_of_the_server_is_accepted_handed_on_and_ended():
    async with serve(SimulatorSettings(keys=frozenset({KEY}))) as simulator:
        call = simulator.create_call()
        async with HttpApi(client(simulator.base_url)) as api:
            await api.accept_call(call.id, config(instructions="Be brief."))
            assert (call.answer, call.session["instructions"]) == ("accept", "Be brief.")
            await api.refer_call(call.id, "sip:agent@example.com")
            assert call.answer == "refer"
            await api.hang_up(call.id)
            assert call.ended.is_set()


async def test_a_call_that_is_not_there_is_told_by_the_server():
    async with serve() as simulator, HttpApi(client(simulator.base_url)) as api:
        with pytest.raises(ServerReported) as caught:
            await api.hang_up(CALL_ID)

    assert caught.value.code != "http_404"
    assert caught.value.message
