"""Settings: what is refused and how that is said, where values come from, and what goes on the wire."""

import ssl
import traceback

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import config as settings_module
from engine.config import (
    DEFAULT_INSTRUCTIONS,
    DEFAULT_TRANSCRIPTION,
    DEFAULT_TURN_DETECTION,
    AudioSettings,
    ClientSettings,
    EngineSettings,
    Prompt,
    Reconnect,
    RetentionRatio,
    SessionConfig,
    Tracing,
    TranscriptionConfig,
    TranslationConfig,
    is_loopback,
)
from engine.errors import ConfigError
from engine.transport.base import Endpoint
from engine.wire.client import SessionUpdate
from engine.wire.codec import encode, load_object
from engine.wire.session import Tool, Transcription, TurnDetection

CANARY = "sk-canary-0123456789"
ENVIRONMENT = ("OPENAI_API_KEY", "OPENAI_ORGANIZATION", "OPENAI_PROJECT", "OPENAI_BASE_URL")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)


def client(**given) -> ClientSettings:
    return ClientSettings(**{"api_key": CANARY, **given})


def session(**given) -> SessionConfig:
    return SessionConfig(**{"client": client(), **given})


# --- what is refused ----------------------------------------------------------------------------------------------

WRONG = [
    (AudioSettings, {"format": "mp3"}, "audio.format", "'pcm', 'pcmu', 'pcma'"),
    (AudioSettings, {"voice": ""}, "audio.voice", "a voice's name"),
    (AudioSettings, {"voice": None}, "audio.voice", "{'id': ...}"),
    (EngineSettings, {"input_frame_ms": 19}, "engine.input_frame_ms", "20 to 200 ms"),
    (EngineSettings, {"input_frame_ms": 201}, "engine.input_frame_ms", "20 to 200 ms"),
    (EngineSettings, {"input_frame_ms": 40.0}, "engine.input_frame_ms", "20 to 200 ms"),
    (EngineSettings, {"input_frame_ms": True}, "engine.input_frame_ms", "20 to 200 ms"),
    (EngineSettings, {"input_overflow": "explode"}, "engine.input_overflow", "'wait', 'drop_oldest', 'fail'"),
    (EngineSettings, {"inbox_max_bytes": 2**16 - 1}, "engine.inbox_max_bytes", "65536 to"),
    (
        EngineSettings,
        {"inbox_overflow": "drop_all"},
        "engine.inbox_overflow",
        "'drop_oldest_audio', 'wait', 'fail'",
    ),
    (EngineSettings, {"message_max_bytes": 1023}, "engine.message_max_bytes", "1024 to"),
    (EngineSettings, {"message_max_bytes": 2**26 + 1}, "engine.message_max_bytes", "bytes"),
    (EngineSettings, {"connect_deadline_s": 0}, "engine.connect_deadline_s", "0.001 to 3600 s"),
    (EngineSettings, {"connect_deadline_s": float("nan")}, "engine.connect_deadline_s", "0.001 to 3600 s"),
    (EngineSettings, {"response_request_deadline_s": 0}, "engine.response_request_deadline_s", "0.001 to 3600 s"),
    (EngineSettings, {"close_deadline_s": -1}, "engine.close_deadline_s", "0 to 60 s"),
    (EngineSettings, {"close_deadline_s": "2"}, "engine.close_deadline_s", "0 to 60 s"),
    (session, {"model": ""}, "model", "text that is not empty"),
    (session, {"model": None}, "model", "text that is not empty"),
    (session, {"instructions": 7}, "instructions", "text"),
    (session, {"output_modalities": ["audio", "text"]}, "inference.output_modalities", "['audio'] or ['text']"),
    (session, {"output_modalities": []}, "inference.output_modalities", "['audio'] or ['text']"),
    (session, {"output_modalities": None}, "inference.output_modalities", "['audio'] or ['text']"),
    (session, {"output_modalities": [["audio"]]}, "inference.output_modalities", "['audio'] or ['text']"),
    (session, {"transcription": "whisper-1"}, "transcription", "a Transcription of engine.wire.session"),
    (session, {"turn_detection": "server_vad"}, "turn_detection", "a TurnDetection of engine.wire.session"),
    (session, {"tool_choice": "perhaps"}, "inference.tool_choice", "'auto', 'none', 'required'"),
    (session, {"tool_choice": {}}, "inference.tool_choice", "{'type': 'function', 'name': ...}"),
    (session, {"tool_choice": {"type": "function"}}, "inference.tool_choice", "{'type': 'function', 'name': ...}"),
    (session, {"tool_choice": {"type": "function", "name": 7}}, "inference.tool_choice", "'name': ..."),
    (session, {"tool_choice": {"type": "mcp", "server_label": ""}}, "inference.tool_choice", "'server_label': ..."),
    (session, {"tool_choice": {"type": ["function"], "name": "add"}}, "inference.tool_choice", "'name': ..."),
    (session, {"tool_choice": ["auto"]}, "inference.tool_choice", "'auto'"),
    (session, {"image_input": "yes"}, "image_input", "True or False"),
    (session, {"image_input": 1}, "image_input", "True or False"),
    (session, {"client": None}, "client", "an engine.ClientSettings"),
    (session, {"client": {"api_key": CANARY}}, "client", "an engine.ClientSettings"),
    (session, {"engine": {"input_frame_ms": 40}}, "engine", "an engine.EngineSettings"),
    (session, {"audio": {"voice": "marin"}}, "audio", "an engine.AudioSettings"),
    (client, {"allow_insecure_key": "no"}, "client_config.allow_insecure_key", "True or False"),
    (client, {"ssl_context": True}, "client_config.ssl_context", "an ssl.SSLContext, or None"),
    (session, {"max_output_tokens": 0}, "inference.max_output_tokens", "1 to 4096, or 'inf'"),
    (session, {"max_output_tokens": 4097}, "inference.max_output_tokens", "1 to 4096, or 'inf'"),
    (session, {"max_output_tokens": True}, "inference.max_output_tokens", "1 to 4096, or 'inf'"),
    (session, {"max_output_tokens": "all"}, "inference.max_output_tokens", "1 to 4096, or 'inf'"),
    (session, {"tools": [{"name": "add"}]}, "tools[0]", "'inputSchema'"),
    (session, {"tools": {"name": "add"}}, "tools", "a list"),
    (session, {"history": "hello"}, "history", "a list"),
    (session, {"history": 7}, "history", "a list"),
    (client, {"base_url": "ftp://host"}, "client_config.base_url", "wss://host/v1"),
    (client, {"base_url": "wss://"}, "client_config.base_url", "wss://host/v1"),
    (client, {"base_url": "host"}, "client_config.base_url", "wss://host/v1"),
    (client, {"base_url": "wss://[::1"}, "client_config.base_url", "wss://host/v1"),
    (client, {"base_url": "wss://host:99999"}, "client_config.base_url", "wss://host/v1"),
    (client, {"base_url": 7}, "client_config.base_url", "wss://host/v1"),
    (client, {"base_url": ["wss://host"]}, "client_config.base_url", "wss://host/v1"),
    (client, {"timeout_s": 0}, "client_config.timeout_s", "above 0, at most 3000"),
    (client, {"timeout_s": float("nan")}, "client_config.timeout_s", "above 0, at most 3000"),
    (client, {"timeout_s": "60"}, "client_config.timeout_s", "above 0, at most 3000"),
    (client, {"timeout_s": True}, "client_config.timeout_s", "above 0, at most 3000"),
]


@pytest.mark.parametrize(("make", "given", "field", "allowed"), WRONG)
def test_a_wrong_value_is_refused_with_its_field_the_value_and_what_is_allowed(make, given, field, allowed):
    with pytest.raises(ConfigError) as raised:
        make(**given)

    error = raised.value
    assert error.field == field
    assert allowed in error.allowed
    assert field.rpartition(".")[2] in str(error)
    assert isinstance(error, ValueError)
    (value,) = [given[name] for name in given if name == field.rpartition(".")[2].partition("[")[0]]
    assert repr(value) in str(error) or type(value).__name__ in str(error) or "tools[" in field


@pytest.mark.parametrize(
    ("make", "given"),
    [
        (EngineSettings, {"input_frame_ms": 20}),
        (EngineSettings, {"input_frame_ms": 200}),
        (EngineSettings, {"inbox_max_bytes": 2**16}),
        (EngineSettings, {"message_max_bytes": 2**10}),
        (EngineSettings, {"message_max_bytes": 2**26}),
        (EngineSettings, {"connect_deadline_s": 0.001}),
        (EngineSettings, {"close_deadline_s": 0}),
        (EngineSettings, {"close_deadline_s": 60}),
        (EngineSettings, {"input_overflow": "fail", "inbox_overflow": "wait"}),
        (session, {"max_output_tokens": 1}),
        (session, {"max_output_tokens": 4096}),
        (session, {"max_output_tokens": "inf"}),
        (session, {"instructions": ""}),
        (session, {"tool_choice": {"type": "function", "name": "add"}}),
        (session, {"tool_choice": "required"}),
        (session, {"tool_choice": {"type": "mcp", "server_label": "docs", "name": "find"}}),
        (session, {"output_modalities": "text"}),
        (session, {"transcription": None, "turn_detection": None}),
        (session, {"tools": None, "history": None}),
        (client, {"timeout_s": 3000}),
        (client, {"timeout_s": 0.001}),
        (AudioSettings, {"voice": {"id": "voice_1"}}),
        (AudioSettings, {"format": "pcma", "input_rate": 8000, "output_rate": 8000}),
    ],
)
def test_a_value_at_its_bound_is_taken(make, given):
    made = make(**given)

    assert made == make(**given)


def vad(**given) -> TurnDetection:
    return TurnDetection(**{"type": "server_vad", **given})


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("type", "nope", "'server_vad', 'semantic_vad'"),
        ("type", None, "'server_vad', 'semantic_vad'"),
        ("type", ["server_vad"], "'server_vad', 'semantic_vad'"),
        ("threshold", 5.0, "0 to 1"),
        ("threshold", -0.1, "0 to 1"),
        ("threshold", "high", "0 to 1"),
        ("threshold", float("nan"), "0 to 1"),
        ("threshold", True, "0 to 1"),
        ("silence_duration_ms", -1, "a whole number of ms, 0 or more"),
        ("silence_duration_ms", 0.5, "a whole number of ms, 0 or more"),
        ("prefix_padding_ms", "300", "a whole number of ms, 0 or more"),
        ("idle_timeout_ms", 1, "5000 to 30000 ms"),
        ("idle_timeout_ms", 30_001, "5000 to 30000 ms"),
        ("eagerness", "eager", "'low', 'medium', 'high', 'auto'"),
        ("create_response", "no", "True or False"),
        ("interrupt_response", 0, "True or False"),
    ],
)
def test_turn_detection_that_the_service_would_refuse_is_refused_first(name, value, allowed):
    with pytest.raises(ConfigError) as raised:
        session(turn_detection=vad(**{name: value}))

    error = raised.value
    assert (error.field, error.allowed) == (f"turn_detection.{name}", allowed)
    assert error.value is value
    assert repr(value) in str(error)


@pytest.mark.parametrize(
    "given",
    [
        {"threshold": 0, "silence_duration_ms": 0, "prefix_padding_ms": 0, "idle_timeout_ms": 5_000},
        {"threshold": 1.0, "silence_duration_ms": 10_000, "idle_timeout_ms": 30_000},
        {"type": "semantic_vad", "eagerness": "auto", "create_response": False, "interrupt_response": True},
    ],
)
def test_turn_detection_at_its_bounds_is_taken(given):
    assert session(turn_detection=vad(**given)).turn_detection == vad(**given)


def test_models_and_voices_of_any_name_are_taken():
    made = session(model="my-gateway/model:7", audio=AudioSettings(voice="a voice of tomorrow"))

    assert (made.model, made.audio.voice) == ("my-gateway/model:7", "a voice of tomorrow")


def test_two_functions_of_one_name_are_refused_by_the_second():
    function = {"name": "add", "inputSchema": {}}
    with pytest.raises(ConfigError, match=r"tools\[2\]\.name='add' .*tools\[0\]") as raised:
        session(tools=[function, {"name": "sub", "inputSchema": {}}, function])

    assert (raised.value.field, raised.value.value) == ("tools[2].name", "add")


def test_servers_of_tools_need_no_names():
    servers = [{"type": "mcp", "server_label": label} for label in ("docs", "mail")]

    assert len(session(tools=servers).tools) == 2


def test_a_lifetime_above_the_cap_names_both_numbers():
    with pytest.raises(ValueError, match="3001") as raised:
        client(timeout_s=3001)

    assert "3000" in str(raised.value)


# --- keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [{}, {"api_key": None}, {"api_key": ""}], ids=["nothing", "None", "empty"])
def test_without_a_key_there_is_no_session(given):
    with pytest.raises(ValueError, match=r"^OpenAI API key is required") as raised:
        ClientSettings(**given)

    assert "OPENAI_API_KEY" in str(raised.value)


@pytest.mark.parametrize("setting", ["api_key", "organization", "project"])
@pytest.mark.parametrize("wrong", [CANARY + "\n", CANARY + "é", "\x00" + CANARY, CANARY.encode(), {"x": CANARY}])
def test_what_cannot_stand_in_a_header_is_refused_and_not_shown(setting, wrong):
    with pytest.raises(ConfigError) as raised:
        client(**{"api_key": "other", setting: wrong})

    error = raised.value
    assert error.field == f"client_config.{setting}"
    assert CANARY not in str(error) + repr(error) + str(error.value)


@pytest.mark.parametrize(
    ("make", "given", "field", "allowed"), [case for case in WRONG if case[0] in (client, session)]
)
def test_no_error_shows_the_key(make, given, field, allowed):
    with pytest.raises(ConfigError) as raised:
        make(**given)

    error = raised.value
    assert CANARY not in str(error) + repr(error) + repr(vars(error))


def test_no_settings_show_the_key():
    settings = session(client=client(organization="org", project="proj"))

    for shown in (settings, settings.client, settings.engine, settings.audio, settings.to_wire()):
        assert CANARY not in repr(shown) + str(shown)
    assert CANARY not in encode(SessionUpdate(session=settings.to_wire()))
    assert CANARY not in settings.client.url(settings.model)


@pytest.mark.parametrize(
    "base_url",
    [
        f"ftp://host/v1?api-key={CANARY}",
        f"wss://user:{CANARY}@host/v1",
        f"wss://{CANARY}@host/v1?api-key={CANARY}",
        f"wss://user:{CANARY}@host:bad/v1",
        f"wss://user:{CANARY}/x@host/v1",
        f"wss://user:{CANARY}?x@host/v1",
        f"wss://user:{CANARY}@[::1/v1",
        f"wss://user:{CANARY}\u2100@host/v1",
        f"ws://user:{CANARY}@example.com/v1",
        f"ws://example.com/v1?api-key={CANARY}",
        f"user:{CANARY}@host/v1",
        [f"wss://user:{CANARY}@host/v1"],
    ],
)
def test_no_error_shows_the_secrets_of_an_address(base_url):
    with pytest.raises(ConfigError) as raised:
        client(base_url=base_url, api_key="other")

    error = raised.value
    assert error.field == "client_config.base_url"
    assert CANARY not in "".join(traceback.format_exception(error, chain=True)) + repr(vars(error))
    assert error.__cause__ is error.__context__ is None


def test_an_address_with_a_password_is_refused_with_the_way_out():
    with pytest.raises(ConfigError, match=r"wss://\(not shown\)@host/v1.*the key goes in api_key"):
        client(base_url="wss://user:password@host/v1")


def test_the_query_of_an_address_does_not_show_in_repr():
    made = client(base_url=f"wss://host/v1?api-key={CANARY}")

    assert "base_url='wss://host/v1'" in repr(made)
    assert CANARY not in repr(made) + repr(session(client=made)) + repr(Endpoint(url=made.url("m")))
    assert CANARY in made.url("m")


def test_instructions_do_not_show_in_repr():
    assert "secret words" not in repr(session(instructions="secret words"))


def test_the_key_is_in_the_headers_for_the_transport():
    assert client().headers() == [("Authorization", f"Bearer {CANARY}")]
    assert client(organization="org", project="proj").headers() == [
        ("Authorization", f"Bearer {CANARY}"),
        ("OpenAI-Organization", "org"),
        ("OpenAI-Project", "proj"),
    ]


# --- where values come from ---------------------------------------------------------------------------------------


def test_what_is_not_given_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "from-env")
    monkeypatch.setenv("OPENAI_ORGANIZATION", "org-env")
    monkeypatch.setenv("OPENAI_PROJECT", "proj-env")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://proxy.example/v1/")
    settings = ClientSettings()

    assert (settings.api_key, settings.organization, settings.project) == ("from-env", "org-env", "proj-env")
    assert settings.base_url == "wss://proxy.example/v1"


def test_what_is_given_comes_before_the_environment(monkeypatch):
    for name in ENVIRONMENT:
        monkeypatch.setenv(name, "wss://env.example/v1")
    settings = ClientSettings(api_key="k", organization="o", project="p", base_url="wss://given.example/v1")

    assert (settings.api_key, settings.organization, settings.project) == ("k", "o", "p")
    assert settings.base_url == "wss://given.example/v1"


def test_given_as_empty_is_given_as_none(monkeypatch):
    monkeypatch.setenv("OPENAI_ORGANIZATION", "org-env")

    assert client(organization="").organization is None


def test_empty_in_the_environment_is_not_there(monkeypatch):
    for name in ENVIRONMENT:
        monkeypatch.setenv(name, "")

    assert client().organization is None
    assert client().base_url == "wss://api.openai.com/v1"
    with pytest.raises(ValueError, match=r"^OpenAI API key is required"):
        ClientSettings()


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        (None, "wss://api.openai.com/v1/realtime?model=gpt-realtime"),
        ("wss://host/v1", "wss://host/v1/realtime?model=gpt-realtime"),
        ("wss://host/v1/", "wss://host/v1/realtime?model=gpt-realtime"),
        ("https://host/v1", "wss://host/v1/realtime?model=gpt-realtime"),
        ("http://127.0.0.1:8080/v1", "ws://127.0.0.1:8080/v1/realtime?model=gpt-realtime"),
        ("ws://[::1]:8080/v1", "ws://[::1]:8080/v1/realtime?model=gpt-realtime"),
        ("ws://localhost", "ws://localhost/realtime?model=gpt-realtime"),
        ("wss://host/v1/realtime", "wss://host/v1/realtime?model=gpt-realtime"),
        ("wss://host/v1/realtime/", "wss://host/v1/realtime?model=gpt-realtime"),
        ("wss://host/v1?api-version=2025", "wss://host/v1/realtime?api-version=2025&model=gpt-realtime"),
        ("wss://host/v1#part", "wss://host/v1/realtime?model=gpt-realtime"),
        ("wss://host/v1?model=old", "wss://host/v1/realtime?model=gpt-realtime"),
        ("wss://host/v1?model=old&a=b&model=older", "wss://host/v1/realtime?a=b&model=gpt-realtime"),
        ("wss://host/v1?flag=&bare", "wss://host/v1/realtime?flag=&bare=&model=gpt-realtime"),
        ("WSS://Host/v1", "wss://Host/v1/realtime?model=gpt-realtime"),
    ],
)
def test_the_address_is_made_of_the_base_and_the_model(base_url, url):
    assert client(base_url=base_url).url("gpt-realtime") == url


def test_a_model_with_odd_characters_is_quoted():
    assert client().url("my model/ü&x").endswith("?model=my%20model%2F%C3%BC%26x")


@pytest.mark.parametrize("base_url", ["ws://example.com/v1", "http://10.0.0.1/v1", "ws://localhost.example.com/v1"])
def test_a_key_does_not_go_unencrypted_to_another_machine(base_url):
    with pytest.raises(ConfigError, match="allow_insecure_key=True") as raised:
        client(base_url=base_url)

    assert raised.value.field == "client_config.base_url"
    assert client(base_url=base_url, allow_insecure_key=True).base_url.startswith("ws://")


@pytest.mark.parametrize("base_url", ["ws://localhost:1/v1", "ws://127.0.0.1/v1", "ws://127.9.9.9/v1", "ws://[::1]/v1"])
def test_to_this_machine_it_may(base_url):
    assert client(base_url=base_url).base_url == base_url


@pytest.mark.parametrize(
    ("host", "here"),
    [("localhost", True), ("127.0.0.1", True), ("::1", True), ("10.0.0.1", False), ("example.com", False), ("", False)],
)
def test_loopback_is_told_from_other_hosts(host, here):
    assert is_loopback(host) is here


# --- defaults -----------------------------------------------------------------------------------------------------


def test_all_settings_are_frozen():
    for made in (AudioSettings(), client(), EngineSettings(), session(), DEFAULT_TRANSCRIPTION, DEFAULT_TURN_DETECTION):
        for field in attrs.fields(type(made)):
            with pytest.raises(attrs.exceptions.FrozenInstanceError):
                setattr(made, field.name, None)


def test_one_models_voice_does_not_leak_into_the_next():
    """The seed copies its defaults one level deep."""
    before = encode(SessionUpdate(session=session().to_wire()))
    other = session(audio=AudioSettings(voice="marin"), turn_detection=None, output_modalities=["text"])
    encode(SessionUpdate(session=other.to_wire()))

    assert encode(SessionUpdate(session=session().to_wire())) == before


def test_lists_that_are_given_are_copied():
    history, tools = [{"role": "user", "content": []}], [Tool(type="function", name="add")]
    made = session(history=history, tools=tools)
    history.clear()
    tools.clear()

    assert len(made.history) == len(made.tools) == 1


def test_what_was_said_before_does_not_show_in_repr():
    assert "secret words" not in repr(session(history=[{"role": "user", "content": [{"text": "secret words"}]}]))


def test_an_ssl_context_is_taken():
    context = ssl.create_default_context()

    assert client(ssl_context=context).ssl_context is context


# --- on the wire --------------------------------------------------------------------------------------------------


def on_the_wire(settings: SessionConfig) -> dict:
    return load_object(encode(SessionUpdate(session=settings.to_wire())))[0]


def test_the_first_message_is_the_contracts():
    assert on_the_wire(session()) == {
        "type": "session.update",
        "session": {
            "type": "realtime",
            "instructions": DEFAULT_INSTRUCTIONS,
            "output_modalities": ["audio"],
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "transcription": {"model": "gpt-4o-transcribe"},
                    "turn_detection": {
                        "type": "server_vad",
                        "threshold": 0.5,
                        "prefix_padding_ms": 300,
                        "silence_duration_ms": 500,
                    },
                },
                "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy"},
            },
        },
    }


def test_the_default_instructions_say_what_the_contract_asks_for():
    for word in ("helpful", "English", "clear", "concise"):
        assert word in DEFAULT_INSTRUCTIONS


def test_all_settings_reach_the_wire():
    tool = {"name": "add", "description": "Adds.", "inputSchema": {"json": {"type": "object"}}}
    sent = on_the_wire(
        session(
            instructions="Be brief.",
            output_modalities=["text"],
            tools=[tool],
            tool_choice={"type": "function", "name": "add"},
            max_output_tokens=100,
            audio=AudioSettings(voice={"id": "voice_1"}),
            transcription=Transcription(model="whisper-1", language="de"),
            turn_detection=TurnDetection(type="semantic_vad", eagerness="low"),
        )
    )["session"]

    assert sent["instructions"] == "Be brief."
    assert sent["output_modalities"] == ["text"]
    assert sent["tools"] == [
        {"type": "function", "name": "add", "description": "Adds.", "parameters": {"type": "object"}}
    ]
    assert sent["tool_choice"] == {"type": "function", "name": "add"}
    assert sent["max_output_tokens"] == 100
    assert sent["audio"]["output"]["voice"] == {"id": "voice_1"}
    assert sent["audio"]["input"]["transcription"] == {"model": "whisper-1", "language": "de"}
    assert sent["audio"]["input"]["turn_detection"] == {"type": "semantic_vad", "eagerness": "low"}


def test_off_is_said_with_an_explicit_null():
    sent = on_the_wire(session(transcription=None, turn_detection=None))["session"]["audio"]["input"]

    assert sent["transcription"] is None
    assert sent["turn_detection"] is None


# Whatever a caller without a type checker gives.
odd_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.lists(st.integers())


SESSIONS = [SessionConfig, TranscriptionConfig, TranslationConfig]


@given(
    st.sampled_from([AudioSettings, EngineSettings, ClientSettings, *SESSIONS]).flatmap(
        lambda cls: st.tuples(st.just(cls), st.sampled_from([field.name for field in attrs.fields(cls)]), odd_values)
    )
)
def test_any_value_is_taken_or_refused_as_a_setting(case):
    cls, name, value = case
    key = {"api_key": CANARY} if cls is ClientSettings else {"client": client()} if cls in SESSIONS else {}
    if cls is TranslationConfig:
        key["language"] = "es"
    try:
        shown = repr(cls(**{**key, name: value}))
    except ConfigError as error:
        shown = str(error)
    assert CANARY not in shown


def test_this_file_covers_all_settings():
    classes = [thing for thing in vars(settings_module).values() if attrs.has(thing) and isinstance(thing, type)]

    assert {cls for cls in classes if cls.__module__.startswith(settings_module.__name__)} == {
        AudioSettings,
        ClientSettings,
        EngineSettings,
        Prompt,
        Reconnect,
        RetentionRatio,
        SessionConfig,
        Tracing,
        TranscriptionConfig,
        TranslationConfig,
    }
