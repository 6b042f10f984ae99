"""Secrets go out in headers and nowhere else, even when the other side says them back.

They are looked for in all that a program could show: logs of every logger at DEBUG, `repr` of every object of the
engine's that can be reached, errors with their causes, as traceback and pickled, statistics, events, recordings, spans
and figures, and what the command line prints.
"""

import contextlib
import gzip
import logging
import os
import pickle
import ssl
import subprocess
import sys
import traceback
from collections.abc import Mapping
from functools import partial

import pytest
import trio
import trustme
from growth import parts
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from parrot import GARBAGE, event, raw_server, refuses, repeats, websocket_server
from rooms import ONE_LINK

from engine.cli.app import run
from engine.config import ClientSettings, EngineSettings, SessionConfig
from engine.config.listening import TranscriptionConfig, TranslationConfig
from engine.errors import ConfigError, ConnectionLost, EngineError
from engine.facade import BidiOpenAIRealtimeModel
from engine.http_api import HttpApi
from engine.secrets import NOT_SHOWN
from engine.session import open_session, open_transcription, open_translation

MARK = "cAnArY"
"""Stands in each secret: whatever holds it has shown one."""


def secret(name):
    return f"{name}-{MARK}-0123456789abcdef"


KEY = "sk-" + secret("key")
PROXY = secret("proxy")
HEADER = secret("header")
QUERY = secret("query")
MCP_AUTHORIZATION = secret("mcp_authorization")
MCP_HEADER = secret("mcp_header")

CREATED = event("session.created", session={"type": "realtime", "id": "sess_1"})


def client(base_url, **given):
    where = f"{base_url}?key={QUERY}"
    extra = {"X-Auth-Token": HEADER, "Cookie": f"a=b; session={HEADER}"}
    return ClientSettings(**{"api_key": KEY, "base_url": where, "extra_headers": extra, "proxy": None, **given})


SERVER = {
    "type": "mcp",
    "server_label": "docs",
    "server_url": f"https://user:{secret('mcp_password')}@mcp.example/sse?key={secret('mcp_query')}",
    "authorization": MCP_AUTHORIZATION,
    "headers": {"X-Key": MCP_HEADER},
}


def settings(base_url, kind=SessionConfig, engine=None, **given):
    own = {"language": "es"} if kind is TranslationConfig else {}
    own = {"tools": [SERVER]} if kind is SessionConfig else own
    bounds = EngineSettings(**{**ONE_LINK, **(engine or {})})
    return kind(client=client(base_url, **given), engine=bounds, **own)


KINDS = {
    SessionConfig: open_session,
    TranscriptionConfig: open_transcription,
    TranslationConfig: open_translation,
}


# --- what can be seen -----------------------------------------------------------------------------------------------


class Seen:
    """Collects what a program could show."""

    def __init__(self, caplog):
        self._caplog = caplog
        self.texts = []

    def look(self, *things):
        """Look at values: how they show themselves, and all of the engine's that they lead to."""
        for thing in things:
            self.texts += [repr(thing), str(thing)]
            self.texts += [repr(each) for each in reachable(thing)]
            if isinstance(thing, BaseException):
                self._error(thing)

    def _error(self, error):
        self.texts += traceback.format_exception(error)
        for each in chain(error):
            self.texts += [repr(each), str(each), repr(each.args), repr(vars(each))]
        if isinstance(error, EngineError):
            self.texts.append(pickle.dumps(error).decode("latin-1"))
            self.texts.append(repr(vars(pickle.loads(pickle.dumps(error)))))

    def log(self):
        """All that was logged, arguments and tracebacks included."""
        formatter = logging.Formatter()
        return [formatter.format(record) + repr(record.args) for record in self._caplog.records]

    def check(self):
        """Make sure that nothing shows a secret, and that there was something to see."""
        everything = [*self.texts, *self.log()]
        assert everything
        shown = [text[max(0, text.index(MARK) - 300) : text.index(MARK) + 60] for text in everything if MARK in text]
        assert shown == []


def chain(error):
    found, waiting = [], [error]
    while waiting:
        each = waiting.pop()
        if each is not None and each not in found:
            found.append(each)
            waiting += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
    return found


def reachable(root):
    """Give every object of the engine's classes that can be reached from one."""
    seen, waiting = {}, [root]
    while waiting:
        value = waiting.pop()
        if id(value) in seen or isinstance(value, (str, bytes, int, float, type, type(None))):
            continue
        seen[id(value)] = value
        waiting += [part for _, part in parts(value)]
    return [value for value in seen.values() if type(value).__module__.startswith("engine.")]


@pytest.fixture
def seen(caplog):
    caplog.set_level(logging.DEBUG)
    for name in list(logging.root.manager.loggerDict):
        caplog.set_level(logging.DEBUG, name)
    watched = Seen(caplog)
    yield watched
    watched.check()


def test_the_check_finds_a_secret_wherever_it_is(caplog):
    for put in (
        lambda seen: seen.look({"a": [KEY]}),
        lambda seen: seen.look(ConnectionLost("no", reason=KEY)),
        lambda seen: seen.look(caused(ConnectionLost("no"), ValueError(KEY))),
        lambda seen: logging.getLogger("h11").warning("%s", KEY),
    ):
        seen = Seen(caplog)
        put(seen)
        with pytest.raises(AssertionError):
            seen.check()
        caplog.clear()


def caused(error, cause):
    error.__cause__ = cause
    return error


@pytest.fixture
def telemetry(monkeypatch):
    spans, figures = InMemorySpanExporter(), InMemoryMetricReader()
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(spans))
    metering = MeterProvider([figures])
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: tracing)
    monkeypatch.setattr(metrics, "get_meter_provider", lambda: metering)
    return lambda: [*(span.to_json() for span in spans.get_finished_spans()), repr(figures.get_metrics_data())]


# --- whole sessions with a server that repeats everything -------------------------------------------------------------


async def lived(seen, config, recording):
    """Live a session to its end, and look at all there is at each step."""
    seen.look(config)
    try:
        async with KINDS[type(config)](config, record=recording) as session:
            seen.look(session)
            with session.raw.listen() as tap:
                try:
                    async for told in session.receive():
                        seen.look(told, told.as_dict())
                except EngineError as error:
                    seen.look(error)
            async for raw in tap:
                seen.look(raw)
            seen.look(session)
            if isinstance(config, SessionConfig):
                seen.look(session.statistics(), session.history.messages(), session.settings)
    except EngineError as error:
        seen.look(error)


@pytest.mark.parametrize("name", ["call.jsonl", "call.jsonl.gz"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_that_repeats_every_secret_in_every_event(kind, name, seen, tmp_path):
    async with websocket_server(partial(repeats, first=[CREATED])) as url:
        await lived(seen, settings(url, kind), tmp_path / name)
    data = (tmp_path / name).read_bytes()
    text = gzip.decompress(data).decode() if name.endswith("gz") else data.decode()
    assert NOT_SHOWN in text
    seen.texts.append(text)


@pytest.mark.parametrize("how", ["before it opens", "by a close alone", "1000"])
async def test_a_server_that_never_opens_the_session(how, seen, tmp_path):
    handle = {"before it opens": partial(repeats), "by a close alone": partial(repeats, events=False)}
    async with websocket_server(handle.get(how, partial(repeats, events=False, code=1000))) as url:
        await lived(seen, settings(url), tmp_path / "call.jsonl")
    seen.texts.append((tmp_path / "call.jsonl").read_text())


@pytest.mark.parametrize("status", [401, 429, 503])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_refused_upgrade_with_the_secrets_in_its_body(kind, status, seen, tmp_path):
    async with websocket_server(partial(refuses, status=status)) as url:
        with pytest.raises(EngineError) as caught:
            async with KINDS[kind](settings(url, kind)):
                raise AssertionError
    assert NOT_SHOWN in caught.value.body
    seen.look(caught.value)


@pytest.mark.parametrize("what", GARBAGE)
async def test_a_peer_that_answers_with_bytes_that_are_no_answer(what, seen):
    async with raw_server(GARBAGE[what]) as where:
        with pytest.raises(EngineError) as caught:
            async with open_session(settings(f"ws://{where}/v1")):
                raise AssertionError
    seen.look(caught.value)


@pytest.mark.parametrize("what", GARBAGE)
async def test_a_proxy_that_repeats_its_password(what, seen):
    async with raw_server(GARBAGE[what]) as where:
        config = settings("ws://127.0.0.1:9/v1", proxy=f"http://user:{PROXY}@{where}")
        seen.look(config)
        with pytest.raises(ConnectionLost) as caught:
            async with open_session(config):
                raise AssertionError
    seen.look(caught.value)


@pytest.mark.parametrize("what", GARBAGE)
async def test_an_http_request_whose_answer_repeats_the_secrets(what, seen):
    async with raw_server(GARBAGE[what]) as where, HttpApi(client(f"http://{where}/v1"), deadline_s=2) as api:
        seen.look(api)
        with pytest.raises(EngineError) as caught:
            await api.create_client_secret(SessionConfig(client=client(f"http://{where}/v1")))
        seen.look(api, caught.value)


def refusal(head):
    body = b'{"error":{"message":"Incorrect API key: %s","code":"x","param":"%s"}}' % (flat_ascii(head), b"p")
    return b"HTTP/1.1 401 No\r\ncontent-length: %d\r\n\r\n" % len(body) + body


def flat_ascii(head):
    return head.replace(b"\r\n", b" | ").replace(b'"', b"'")


async def test_an_http_refusal_says_that_a_key_was_repeated_and_not_which(seen):
    async with raw_server(refusal) as where, HttpApi(client(f"http://{where}/v1")) as api:
        with pytest.raises(EngineError, match=r"Incorrect API key: .*\(not shown\)") as caught:
            await api.hang_up("rtc_1")
        seen.look(caught.value)


# --- failures of other kinds -----------------------------------------------------------------------------------------


async def failing(seen, config, errors=EngineError):
    seen.look(config)
    with pytest.raises(errors) as caught:
        async with open_session(config):
            raise AssertionError
    seen.look(caught.value)
    return caught.value


async def test_nobody_there(seen):
    await failing(seen, settings("ws://127.0.0.1:9/v1"), ConnectionLost)


async def test_a_name_that_is_none(seen):
    await failing(seen, settings("wss://no-such-host.invalid/v1"), ConnectionLost)


async def test_a_certificate_of_another_host(seen):
    authority = trustme.CA()
    server, trusted = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("elsewhere.example").configure_cert(server)
    authority.configure_trust(trusted)
    async with websocket_server(refuses, server) as url:
        error = await failing(seen, settings(url, ssl_context=trusted), ConnectionLost)
    assert "certificate" in str(error)


async def test_a_server_that_is_mute(seen):
    async def mute(request):
        await request.accept()
        await trio.sleep_forever()

    async with websocket_server(mute) as url:
        await failing(seen, settings(url, engine={"connect_deadline_s": 0.3, "session_created_deadline_s": 0.2}))


@pytest.mark.parametrize("given", [f"{KEY}\n", f"{KEY} ", f"{KEY}é", ""])
async def test_a_function_that_gives_a_key_that_cant_be_sent(given, seen):
    await failing(seen, settings("ws://127.0.0.1:9/v1", api_key=lambda: given), ConfigError)


async def test_a_key_that_a_function_gave_is_known_to_be_secret_too(seen):
    async with websocket_server(refuses) as url:
        error = await failing(seen, settings(url, api_key=lambda: KEY))
    assert NOT_SHOWN in error.body


BAD_SETTINGS = {
    "a key with a line break": {"api_key": f"{KEY}\n"},
    "a base with a password": {"base_url": f"wss://user:{secret('password')}@host/v1"},
    "a base that is none": {"base_url": f"no://user:{secret('password')}@host/v1?key={QUERY}"},
    "a port that is none": {"base_url": f"wss://user:{secret('password')}@host:port/v1"},
    "a header with a line break": {"extra_headers": {"X-Key": f"{HEADER}\n"}},
    "a header of ours": {"extra_headers": {"Authorization": f"Bearer {HEADER}"}},
    "headers that are none": {"extra_headers": f"X-Key: {HEADER}"},
    "a proxy that is none": {"proxy": f"socks5://user:{PROXY}@host"},
    "insecure": {"base_url": f"ws://elsewhere.example/v1?key={QUERY}"},
}


@pytest.mark.parametrize("what", BAD_SETTINGS)
def test_settings_that_are_refused(what, seen):
    with pytest.raises(ConfigError) as caught:
        ClientSettings(**{"api_key": KEY, **BAD_SETTINGS[what]})
    seen.look(caught.value)


def test_azure_settings(seen):
    seen.look(
        ClientSettings.azure("name", api_key=secret("azure")), ClientSettings.azure("name", token=secret("entra"))
    )
    with pytest.raises(ConfigError) as caught:
        ClientSettings.azure("name", api_key=secret("azure"), token=secret("entra"))
    seen.look(caught.value)


async def test_the_facade(seen):
    async with websocket_server(refuses) as url:
        given = {"api_key": KEY, "base_url": f"{url}?key={QUERY}", "extra_headers": {"X-Auth-Token": HEADER}}
        model = BidiOpenAIRealtimeModel(client_config=given)
        seen.look(model)
        with pytest.raises(Exception) as caught:
            await model.start("Be brief.", [])
        seen.look(model, caught.value)
        with contextlib.suppress(Exception):
            await model.stop()
        seen.look(model)


async def test_spans_and_figures(seen, telemetry, tmp_path):
    async with websocket_server(partial(repeats, first=[CREATED])) as url:
        await lived(seen, settings(url), tmp_path / "call.jsonl")
    async with websocket_server(refuses) as url:
        await failing(seen, settings(url))
    exported = telemetry()
    assert len(exported) > 1
    seen.texts += exported


# --- the command line -----------------------------------------------------------------------------------------------


def command(*arguments, **env):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    return subprocess.run(
        [sys.executable, "-m", "engine", *arguments],
        input="hello\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**environment, "OPENAI_API_KEY": KEY, **env},
    )


@pytest.mark.parametrize("handle", [refuses, partial(repeats, first=[CREATED])], ids=["refuses", "repeats"])
async def test_what_talk_prints(handle, seen, tmp_path):
    recording = tmp_path / "talk.jsonl"
    async with websocket_server(handle) as url:
        address = f"{url}?key={QUERY}"
        options = ("--debug", "talk", "--text", "--base-url", address, "--record", str(recording))
        ran = await trio.to_thread.run_sync(partial(command, *options))
    assert ran.returncode != 0
    assert ran.stderr
    seen.texts += [ran.stdout, ran.stderr, *(file.read_text() for file in tmp_path.iterdir())]


def test_no_option_takes_a_key_which_ps_would_show(capsys):
    for name in ("talk", "simulate", "inspect", "demo"):
        assert run([name, "--help"]) == 0
        words = capsys.readouterr().out.lower()
        assert "--" in words
        assert not [word for word in words.split() if word.startswith("--") and ("key" in word or "token" in word)]


def test_what_the_walk_reaches_holds_the_settings():
    config = settings("ws://127.0.0.1:9/v1")

    assert {type(each).__name__ for each in reachable(config)} >= {"SessionConfig", "ClientSettings"}
    assert isinstance(config.client.headers(), list)
    assert not isinstance(config.client, Mapping)
