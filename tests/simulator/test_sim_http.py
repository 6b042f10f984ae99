"""Plain HTTP on the simulator's port: client secrets, what can be done about a call, and what is not there."""

import json
from contextlib import asynccontextmanager

import openai
import pytest
import trio
from openai.types.realtime import RealtimeTranslationClientSecretCreateResponse
from openai.types.realtime.client_secret_create_response import ClientSecretCreateResponse
from sim_client import CONVERSATION, in_memory

from engine.simulator import INSTANT, SimulatorSettings, serve
from engine.simulator.account import CALLS_KEPT_MAX
from engine.simulator.client_secrets import KEPT_MAX, ClientSecrets
from engine.simulator.http_front import BODY_MAX_BYTES, ReplayStream
from engine.simulator.ids import IdMint
from engine.simulator.memory import memory_streams

SETTINGS = SimulatorSettings(pace=INSTANT, keys=["sk-test"], epoch_s=1_000_000)
SECRETS = "/v1/realtime/client_secrets"
TRANSLATION_SECRETS = "/v1/realtime/translations/client_secrets"
REALTIME = {"type": "realtime", "model": "gpt-realtime-2", "instructions": "Be brief.", "output_modalities": ["text"]}


@asynccontextmanager
async def served(settings=SETTINGS):
    async with serve(settings, host=None) as server:
        yield server


async def exchange(server, text):
    """Send what may be HTTP, and read all that comes back."""
    stream = server.connect_stream()
    await stream.send_all(text if isinstance(text, bytes) else text.encode())
    answer = b""
    with trio.fail_after(60):
        while data := await stream.receive_some():
            answer += data
    await stream.aclose()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body) if body else None


async def post(server, path, body=None, *, key="sk-test", method="POST"):
    text = "" if body is None else body if isinstance(body, str) else json.dumps(body)
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: {len(text)}\r\n\r\n"
    return await exchange(server, head + text)


def bearer(secret):
    return ((b"authorization", f"Bearer {secret}".encode()),)


async def first_event(server, url, key):
    async with in_memory(server, url, headers=bearer(key), greeted=False) as client:
        return await client.next()


async def test_a_secret_lasts_ten_minutes_and_shows_the_session(autojump_clock):
    async with served() as server:
        status, made = await post(server, SECRETS, {"session": REALTIME})
    assert status == 200
    ClientSecretCreateResponse.model_validate(made, strict=True)
    assert list(made) == ["value", "expires_at", "session"]
    assert made["value"].startswith("ek_")
    assert made["expires_at"] == 1_000_600
    session = made["session"]
    assert (session["model"], session["instructions"], session["expires_at"]) == ("gpt-realtime-2", "Be brief.", 0)


@pytest.mark.parametrize("body", [None, {}, {"session": {"type": "realtime"}}, {"expires_after": None}])
async def test_a_secret_needs_no_settings(body, autojump_clock):
    async with served() as server:
        status, made = await post(server, SECRETS, body)
        assert (status, made["session"]["model"]) == (200, "gpt-realtime")


async def test_a_secret_opens_sessions_as_they_were_baked_until_it_expires(autojump_clock):
    async with served() as server:
        _, made = await post(server, SECRETS, {"session": REALTIME, "expires_after": {"seconds": 60}})
        secret = made["value"]
        for url in ("/v1/realtime", "/v1/realtime?model=gpt-realtime-mini"):
            event = await first_event(server, url, secret)
            assert event["session"]["instructions"] == "Be brief."
            assert event["session"]["model"] == ("gpt-realtime-mini" if "mini" in url else "gpt-realtime-2")
        async with in_memory(server, "/v1/realtime", headers=bearer(secret)) as client:
            await trio.sleep(61)
            error = (await first_event(server, CONVERSATION, secret))["error"]
            assert error["code"] == "invalid_api_key"
            assert (await client.ask())["status"] == "completed"  # a live session outlives its secret


async def test_a_secret_decides_what_kind_of_session_it_opens(autojump_clock):
    transcription = {"type": "transcription", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}
    async with served() as server:
        _, made = await post(server, SECRETS, {"session": transcription})
        ClientSecretCreateResponse.model_validate(made, strict=True)
        event = await first_event(server, "/v1/realtime", made["value"])
        assert event["session"]["type"] == "transcription"
        assert event["session"]["audio"]["input"]["transcription"]["model"] == "whisper-1"
        plain = await first_event(server, f"{CONVERSATION}&intent=realtime", made["value"])
        assert plain["session"]["type"] == "realtime"


async def test_a_translation_has_secrets_of_its_own(autojump_clock):
    session = {"model": "gpt-realtime-translate", "audio": {"output": {"language": "es"}}}
    async with served() as server:
        status, made = await post(server, TRANSLATION_SECRETS, {"session": session})
        assert status == 200
        RealtimeTranslationClientSecretCreateResponse.model_validate(made, strict=True)
        event = await first_event(server, "/v1/realtime/translations", made["value"])
        assert event["session"]["audio"]["output"]["language"] == "es"
        status, refused = await post(server, TRANSLATION_SECRETS, {"session": {}})
    assert (status, refused["error"]["param"]) == (400, "session.model")


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"expires_after": {"seconds": 9}}, "integer_below_min_value", "expires_after.seconds"),
        ({"expires_after": {"seconds": 7201}}, "integer_above_max_value", "expires_after.seconds"),
        ({"expires_after": {"anchor": "now", "seconds": 60}}, "invalid_value", "expires_after.anchor"),
        ({"session": {"type": "realtime", "voice": "x"}}, "unknown_parameter", "session.voice"),
        ({"session": {}}, "missing_required_parameter", "session.type"),
        ("[]", None, None),
        ("{", None, None),
    ],
)
async def test_a_wrong_body_is_refused(body, code, param, autojump_clock):
    async with served() as server:
        status, refused = await post(server, SECRETS, body)
    assert status == 400
    assert list(refused["error"]) == ["message", "type", "param", "code"]
    assert (refused["error"]["code"], refused["error"]["param"]) == (code, param)


async def test_a_wrong_key_gets_no_secret_and_is_not_repeated(autojump_clock):
    async with served() as server:
        status, refused = await post(server, SECRETS, {}, key="sk-somebody-elses-key")
    assert (status, refused["error"]["code"]) == (401, "invalid_api_key")
    assert "somebody" not in refused["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", SECRETS), ("POST", "/v1/chat/completions"), ("GET", CONVERSATION), ("DELETE", "/")],
)
async def test_whatever_else_is_not_found(method, path, autojump_clock):
    async with served() as server:
        status, refused = await post(server, path, method=method)
    assert status == 404
    assert refused["error"]["message"] == f"Invalid URL ({method} {path.partition('?')[0]})"


@pytest.mark.parametrize("action", ["accept", "refer", "reject", "hangup"])
async def test_what_is_done_about_a_call_is_seen(action, autojump_clock):
    bodies = {"accept": REALTIME, "refer": {"target_uri": "tel:+1"}, "reject": {"status_code": 603}}
    async with served() as server:
        call = server.create_call()
        status, body = await post(server, f"/v1/realtime/calls/{call.id}/{action}", bodies.get(action))
        assert (status, body) == (200, None)
        assert call.answer == action
        assert call.ended.is_set() == (action in ("reject", "hangup"))
        if action == "accept":
            assert call.session["instructions"] == "Be brief."
        else:
            again, refused = await post(server, f"/v1/realtime/calls/{call.id}/refer", {})
            assert again == (400 if action == "refer" else 404)
            assert refused["error"]["code"]


async def test_an_unknown_call_is_not_found(autojump_clock):
    async with served() as server:
        status, refused = await post(server, "/v1/realtime/calls/rtc_1/hangup")
    assert (status, refused["error"]["code"]) == (404, "call_id_not_found")


async def test_a_body_in_pieces_and_one_that_is_waited_for_arrive(autojump_clock):
    body = json.dumps({"session": REALTIME}).encode()
    head = b"POST /v1/realtime/client_secrets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-test\r\n"
    async with served() as server:
        stream = server.connect_stream()
        await stream.send_all(head + b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 100")
        for byte in body:
            await stream.send_all(b"1\r\n%c\r\n" % byte)
        await stream.send_all(b"0\r\n\r\n")
        answer = await stream.receive_some()
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"Be brief." in answer


async def test_a_body_that_is_too_large_is_refused_before_all_of_it_was_read(autojump_clock):
    async with served() as server:
        head = f"POST {SECRETS} HTTP/1.1\r\nHost: x\r\nContent-Length: {2 * BODY_MAX_BYTES}\r\n\r\n".encode()
        status, refused = await exchange(server, head + b"x" * (BODY_MAX_BYTES + 1))
    assert status == 400
    assert str(BODY_MAX_BYTES) in refused["error"]["message"]


async def test_what_is_no_http_is_answered_as_such(autojump_clock):
    async with served() as server:
        status, _ = await exchange(server, b"hello there\r\n\r\n")
    assert status == 400


@pytest.mark.parametrize("sent", [b"", b"GET /v1/real"])
async def test_a_client_that_leaves_or_says_nothing_is_dropped(sent, autojump_clock):
    async with served() as server:
        silent, gone = server.connect_stream(), server.connect_stream()
        await silent.send_all(sent)
        await gone.send_all(sent)
        await gone.aclose()
        await trio.sleep(11)
        assert server.active_sessions == 0
        assert server.total_sessions == 2


@pytest.mark.parametrize(
    "url",
    [
        "/openai/v1/realtime?model=my-deployment",
        "/openai/realtime?api-version=2025-04-01-preview&deployment=my-deployment",
    ],
)
@pytest.mark.parametrize("header", [(b"api-key", b"sk-test"), (b"authorization", b"Bearer sk-test")])
async def test_azures_urls_take_any_deployment_and_either_key(url, header, autojump_clock):
    async with served() as server, in_memory(server, url, headers=(header,)) as client:
        assert client.events[0]["session"]["model"] == "my-deployment"


async def test_openai_python_makes_secrets_and_hangs_up():
    async with serve(SETTINGS) as server:
        call = server.create_call()
        base_url = server.base_url.replace("ws:", "http:")

        def use():
            with openai.OpenAI(api_key="sk-test", base_url=base_url, max_retries=0) as client:
                made = client.realtime.client_secrets.create(
                    expires_after={"anchor": "created_at", "seconds": 60}, session={"type": "realtime"}
                )
                client.realtime.calls.hangup(call.id)
                assert "m=audio 0" in client.realtime.calls.create(sdp=OFFER, session={"type": "realtime"}).text
                with pytest.raises(openai.BadRequestError, match="above maximum"):
                    client.realtime.client_secrets.create(expires_after={"anchor": "created_at", "seconds": 9999})
                return made

        made = await trio.to_thread.run_sync(use)
        assert call.ended.is_set()
        event = await first_event(server, CONVERSATION, made.value)
    assert event["session"]["model"] == made.session.model == "gpt-realtime"


async def test_a_body_that_breaks_http_is_refused(autojump_clock):
    head = f"POST {SECRETS} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with served() as server:
        assert await exchange(server, head + "not a length\r\n") == (400, None)


def test_the_oldest_secret_is_forgotten_past_the_bound():
    secrets = ClientSecrets(IdMint.seeded(0, 0))
    made = [secrets.make("realtime", {}, 0) for _ in range(KEPT_MAX + 1)]
    assert secrets.find(made[0].value) is None
    assert secrets.find(made[1].value) == made[1]
    assert made[1].value not in repr(made[1])


async def test_bytes_that_were_read_are_read_once_more_in_any_portions():
    one, other = memory_streams()
    stream = ReplayStream(one, b"abc")
    await other.send_all(b"def")
    assert [await stream.receive_some(2), await stream.receive_some(), await stream.receive_some()] == [
        b"ab", b"c", b"def",
    ]  # fmt: skip
    await stream.wait_send_all_might_not_block()
    await stream.aclose()
    assert await other.receive_some() == b""


OFFER = "v=0\r\no=- 7 7 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\na=sendrecv\r\n"


async def make_call(server, content_type, body, key="sk-test"):
    head = f"POST /v1/realtime/calls HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
    stream = server.connect_stream()
    await stream.send_all(f"{head}Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    answer = await stream.receive_some()
    head, _, sdp = answer.decode().partition("\r\n\r\n")
    return head, sdp


def form(**parts):
    lines = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in parts.items()
    ]
    return "multipart/form-data; boundary=x", "".join(lines) + "--x--\r\n"


async def test_an_offer_makes_a_call_without_media_that_can_be_joined(autojump_clock):
    async with served() as server:
        head, sdp = await make_call(server, *form(sdp=OFFER, session=json.dumps(REALTIME)))
        (call,) = server.calls.values()
        assert head.startswith("HTTP/1.1 201")
        assert f"location: /v1/realtime/calls/{call.id}\r\n" in head
        assert sdp.endswith("m=audio 0 UDP/TLS/RTP/SAVPF 111 0\r\n")
        assert (call.session["instructions"], call.session["model"]) == ("Be brief.", "gpt-realtime-2")
        async with in_memory(server, f"/v1/realtime?call_id={call.id}", greeted=False) as client:
            assert (await client.update())["id"] == call.session["id"]


async def test_a_browser_makes_a_call_with_its_secret(autojump_clock):
    async with served() as server:
        _, made = await post(server, SECRETS, {"session": REALTIME})
        head, _ = await make_call(server, "application/sdp", OFFER, made["value"])
        (call,) = server.calls.values()
        assert head.startswith("HTTP/1.1 201")
        assert call.session["instructions"] == "Be brief."


async def test_the_oldest_call_ends_past_the_bound(autojump_clock):
    async with served() as server:
        calls = [server.create_call() for _ in range(CALLS_KEPT_MAX + 1)]
        assert calls[0].ended.is_set()
        assert not calls[1].ended.is_set()
        assert list(server.calls) == [call.id for call in calls[1:]]


@pytest.mark.parametrize(
    ("content_type", "body", "param"),
    [
        ("application/sdp", " ", "sdp"),
        (*form(session="{}"), "sdp"),
        ("multipart/form-data", "no parts at all", "sdp"),
        (*form(sdp=OFFER, session='{"type": "realtime", "voice": "x"}'), "session.voice"),
        (*form(sdp=OFFER, session="{"), None),
    ],
)
async def test_an_offer_that_is_none_is_refused(content_type, body, param, autojump_clock):
    async with served() as server:
        head, text = await make_call(server, content_type, body)
        assert head.startswith("HTTP/1.1 400")
        assert json.loads(text)["error"]["param"] == param
        assert not server.calls
