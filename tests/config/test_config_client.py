"""Whom a session talks to: other servers, Azure, keys that change, calls, headers and proxies, and what is refused."""

import pickle
import subprocess
import sys
import traceback
from functools import partial

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import ClientSettings, is_loopback
from engine.errors import ConfigError, LocalMisuse

CANARY = "sk-canary-0123456789"
VARIABLES = (
    *("OPENAI_API_KEY", "OPENAI_ORGANIZATION", "OPENAI_PROJECT", "OPENAI_BASE_URL", "OPENAI_API_VERSION"),
    *("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN", "REQUEST_METHOD"),
    *(case(f"{name}_proxy") for name in ("http", "https", "all", "no") for case in (str.lower, str.upper)),
)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def client(**given):
    return ClientSettings(**{"api_key": CANARY, **given})


azure = partial(ClientSettings.azure, "my-resource")

# --- what is refused ------------------------------------------------------------------------------------------------

PROXY = "http://[user:password@]host[:port]"
HEADER = "printable ASCII text, not empty, without spaces around it"
WRONG = [
    ({"api_key": "key\n"}, "api_key", HEADER),
    ({"api_key": " key"}, "api_key", HEADER),
    ({"api_key": "key "}, "api_key", HEADER),
    ({"api_key": 7}, "api_key", HEADER),
    ({"safety_identifier": "a\r\nX: y"}, "safety_identifier", HEADER),
    ({"safety_identifier": ""}, "safety_identifier", HEADER),
    ({"safety_identifier": 7}, "safety_identifier", HEADER),
    ({"call_id": ""}, "call_id", "the id of a call"),
    ({"call_id": "../session"}, "call_id", "the id of a call"),
    ({"call_id": "rtc_1?model=x"}, "call_id", "the id of a call"),
    ({"call_id": 7}, "call_id", "the id of a call"),
    ({"key_header": ""}, "key_header", "a header's name"),
    ({"key_header": "a b"}, "key_header", "a header's name"),
    ({"key_header": "Api-Key\r\n"}, "key_header", "a header's name"),
    ({"key_header": "Host"}, "key_header", "a header's name"),
    ({"key_header": None}, "key_header", "a header's name"),
    ({"model_parameter": ""}, "model_parameter", "None to name no model"),
    ({"model_parameter": "a&b"}, "model_parameter", "None to name no model"),
    ({"model_parameter": 7}, "model_parameter", "None to name no model"),
    ({"proxy": ""}, "proxy", PROXY),
    ({"proxy": "proxy:3128"}, "proxy", PROXY),
    ({"proxy": "socks5://proxy:1080"}, "proxy", PROXY),
    ({"proxy": "http://"}, "proxy", PROXY),
    ({"proxy": "http://proxy:port"}, "proxy", PROXY),
    ({"proxy": "http://proxy/path"}, "proxy", PROXY),
    ({"proxy": "http://proxy?query"}, "proxy", PROXY),
    ({"proxy": 3128}, "proxy", PROXY),
    ({"extra_headers": "X-Tenant: 7"}, "extra_headers", "a mapping of header names to values"),
    ({"extra_headers": {"X-Tenant": 7}}, "extra_headers", "a mapping of header names to values"),
    ({"extra_headers": [("X-Tenant", "7", "8")]}, "extra_headers", "a mapping of header names to values"),
    ({"extra_headers": 7}, "extra_headers", "a mapping of header names to values"),
    ({"extra_headers": None}, "extra_headers", "a mapping of header names to values"),
    ({"extra_headers": {"X Tenant": "7"}}, "extra_headers", "names of letters, digits and dashes"),
    ({"extra_headers": {"": "7"}}, "extra_headers", "names of letters, digits and dashes"),
    ({"extra_headers": {"X\r\nY": "7"}}, "extra_headers", "names of letters, digits and dashes"),
    ({"extra_headers": {"X-Tenant": "7\r\nHost: x"}}, "extra_headers['X-Tenant']", HEADER),
    ({"extra_headers": {"X-Tenant": ""}}, "extra_headers['X-Tenant']", HEADER),
    ({"extra_headers": {"X-Tenant": "é"}}, "extra_headers['X-Tenant']", HEADER),
    ({"extra_headers": {"Host": "x"}}, "extra_headers", "headers that the handshake does not make itself"),
    ({"extra_headers": {"sec-websocket-key": "x"}}, "extra_headers", "the handshake does not make itself"),
    ({"extra_headers": {"authorization": "x"}}, "extra_headers", "this one comes from client_config.api_key"),
    ({"extra_headers": {"Api-Key": "x"}, "key_header": "api-key"}, "extra_headers", "from client_config.api_key"),
    ({"extra_headers": {"OpenAI-Project": "x"}}, "extra_headers", "comes from client_config.project"),
    ({"extra_headers": {"OpenAI-Organization": "x"}}, "extra_headers", "comes from client_config.organization"),
    ({"extra_headers": {"openai-safety-identifier": "x"}}, "extra_headers", "client_config.safety_identifier"),
]


@pytest.mark.parametrize(("given", "field", "allowed"), WRONG)
def test_a_wrong_value_is_refused_with_its_field_and_what_is_allowed(given, field, allowed):
    with pytest.raises(ConfigError) as raised:
        client(**given)

    error = raised.value
    assert error.field == f"client_config.{field}"
    assert allowed in error.allowed
    assert error.field in str(error)


SECRETS = [
    {"api_key": CANARY + "\n"},
    {"safety_identifier": CANARY + "\n"},
    {"extra_headers": {"X-Key": CANARY + "\n"}},
    {"extra_headers": {CANARY + "\n": "7"}},
    {"extra_headers": [CANARY]},
    {"extra_headers": {"Authorization": CANARY}},
    {"proxy": f"socks5://user:{CANARY}@proxy:1080"},
    {"proxy": f"http://user:{CANARY}@proxy:port"},
    {"proxy": f"http://user:{CANARY}@proxy/path"},
    {"proxy": f"http://proxy?{CANARY}"},
]


@pytest.mark.parametrize("given", SECRETS)
def test_no_error_shows_a_secret(given):
    with pytest.raises(ConfigError) as raised:
        client(**{"api_key": "other", **given})

    error = raised.value
    assert CANARY not in "".join(traceback.format_exception(error, chain=True)) + repr(vars(error))


def test_no_settings_show_a_secret():
    made = client(
        api_key=lambda: CANARY,
        safety_identifier=CANARY,
        extra_headers={"X-Key": CANARY},
        proxy=f"http://user:{CANARY}@proxy:3128",
        base_url=f"wss://host/v1?api-key={CANARY}",
    )

    assert CANARY not in repr(made) + str(made)
    assert "proxy='http://(not shown)@proxy:3128'" in repr(made)
    assert "extra_headers=['X-Key']" in repr(made)
    assert "proxy=None" in repr(client(proxy=None))


odd_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
odd_values |= st.lists(st.tuples(st.text(), st.text())) | st.dictionaries(st.text(), st.text() | st.integers())


@given(st.sampled_from([field.name for field in attrs.fields(ClientSettings)]), odd_values)
def test_any_value_is_taken_or_refused_as_a_setting(name, value):
    try:
        made = client(**{name: value})
    except ConfigError as error:
        shown, sent = str(error), []
    else:
        shown, sent = repr(made), [made.url("m"), *(text for pair in made.headers() for text in pair)]
    assert CANARY not in shown
    assert all(text.isascii() and text.isprintable() for text in sent)


# --- addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base_url", "asked", "url"),
    [
        ("wss://host/v1", {"intent": "transcription"}, "wss://host/v1/realtime?intent=transcription"),
        ("wss://host/v1?model=old", {"intent": "transcription"}, "wss://host/v1/realtime?intent=transcription"),
        ("wss://host/v1?a=b", {}, "wss://host/v1/realtime?a=b"),
        ("wss://host/v1?intent=realtime", {"model": "m"}, "wss://host/v1/realtime?intent=realtime&model=m"),
        ("wss://host/v1?intent=realtime", {"intent": "x"}, "wss://host/v1/realtime?intent=x"),
        (
            "wss://host/v1",
            {"model": "gpt-realtime-translate", "path": "/realtime/translations"},
            "wss://host/v1/realtime/translations?model=gpt-realtime-translate",
        ),
        (
            "https://host/v1/realtime?a=b",
            {"model": "m", "path": "/realtime/translations"},
            "wss://host/v1/realtime/translations?a=b&model=m",
        ),
    ],
)
def test_sessions_of_other_kinds_have_addresses_of_their_own(base_url, asked, url):
    assert client(base_url=base_url).url(**asked) == url


def test_a_call_is_joined_by_its_id_and_names_no_model():
    made = client(call_id="rtc_u1_9c65", base_url="wss://host/v1?model=old&a=b&call_id=other")

    assert made.url("gpt-realtime") == "wss://host/v1/realtime?a=b&call_id=rtc_u1_9c65"
    assert made.url("gpt-realtime", intent="transcription") == made.url()


def test_a_server_may_name_the_model_otherwise_or_not_at_all():
    assert client(base_url="wss://host/v1", model_parameter="engine").url("m") == "wss://host/v1/realtime?engine=m"
    assert client(base_url="wss://host/v1", model_parameter=None).url("m") == "wss://host/v1/realtime"
    assert client(base_url="wss://host/v1?model=its", model_parameter=None).url("m").endswith("/realtime?model=its")


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("wss://host:8443/v1", "https://host:8443/v1/realtime/calls"),
        ("ws://127.0.0.1:80/v1/realtime", "http://127.0.0.1:80/v1/realtime/calls"),
        ("wss://host/v1?api-version=2025&model=m", "https://host/v1/realtime/calls?api-version=2025"),
    ],
)
def test_http_requests_go_to_the_same_server(base_url, url):
    assert client(base_url=base_url).http_url("/realtime/calls") == url


# --- keys and headers -----------------------------------------------------------------------------------------------


def test_all_headers_come_in_order():
    made = client(
        organization="org",
        project="proj",
        safety_identifier="user-7f",
        extra_headers=[("X-Tenant", "7"), ("X-Tenant", "8")],
    )

    assert made.headers() == [
        ("Authorization", f"Bearer {CANARY}"),
        ("OpenAI-Organization", "org"),
        ("OpenAI-Project", "proj"),
        ("OpenAI-Safety-Identifier", "user-7f"),
        ("X-Tenant", "7"),
        ("X-Tenant", "8"),
    ]


@pytest.mark.parametrize(("name", "value"), [("authorization", f"Bearer {CANARY}"), ("X-API-Key", CANARY)])
def test_only_authorization_says_bearer(name, value):
    assert client(key_header=name).headers() == [(name, value)]


def test_where_the_key_goes_elsewhere_authorization_is_free():
    made = client(key_header="X-API-Key", extra_headers={"Authorization": "Basic dTpw"})

    assert made.headers()[1:] == [("Authorization", "Basic dTpw")]


def test_a_key_from_a_function_is_put_in_by_hand():
    made = client(api_key=lambda: pytest.fail("nothing is called here"))

    assert made.headers("fresh") == [("Authorization", "Bearer fresh")]
    with pytest.raises(LocalMisuse, match="api_key is a function"):
        made.headers()


@pytest.mark.parametrize("wrong", ["", CANARY + "\n", 7, CANARY.encode()])
def test_a_key_from_a_function_must_be_one_that_can_be_sent(wrong):
    with pytest.raises(ConfigError) as raised:
        client(api_key=lambda: "").headers(wrong)

    assert raised.value.field == "client_config.api_key"
    assert CANARY not in str(raised.value)


def test_a_function_goes_before_the_environments_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "from-env")

    assert callable(ClientSettings(api_key=lambda: "x").api_key)


def test_settings_can_be_compared_hashed_copied_and_sent_to_another_process():
    made = client(extra_headers={"X-Tenant": "7"}, proxy="http://proxy:3128")

    assert hash(made) == hash(client(extra_headers=[("X-Tenant", "7")], proxy="http://proxy:3128"))
    assert pickle.loads(pickle.dumps(made)) == made
    assert attrs.evolve(made, call_id="rtc_1").headers() == made.headers()


# --- Azure ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("my-resource", "wss://my-resource.openai.azure.com/openai/v1/realtime?model=dep"),
        ("https://my-resource.openai.azure.com", "wss://my-resource.openai.azure.com/openai/v1/realtime?model=dep"),
        ("https://my-resource.openai.azure.com/", "wss://my-resource.openai.azure.com/openai/v1/realtime?model=dep"),
        ("https://my.services.ai.azure.com", "wss://my.services.ai.azure.com/openai/v1/realtime?model=dep"),
        ("https://my.example/openai/v1/", "wss://my.example/openai/v1/realtime?model=dep"),
        ("wss://my.example/openai/v1/realtime?model=old", "wss://my.example/openai/v1/realtime?model=dep"),
        ("http://127.0.0.1:80/az", "ws://127.0.0.1:80/az/openai/v1/realtime?model=dep"),
    ],
)
def test_an_azure_resource_has_the_address_of_the_current_api(endpoint, url):
    assert ClientSettings.azure(endpoint, api_key="k").url("dep") == url


def test_the_preview_api_of_azure_names_version_and_deployment():
    made = azure(api_key="k", api_version="2025-04-01-preview")

    expected = "wss://my-resource.openai.azure.com/openai/realtime?api-version=2025-04-01-preview&deployment=dep"
    assert made.url("dep") == expected
    assert made.http_url("/realtime/calls").endswith("/openai/realtime/calls?api-version=2025-04-01-preview")


def test_azure_takes_a_key_in_its_own_header_and_a_token_as_bearer():
    assert azure(api_key="k").headers() == [("api-key", "k")]
    assert azure(token="t").headers() == [("Authorization", "Bearer t")]
    assert azure(token=lambda: "t").headers("fresh") == [("Authorization", "Bearer fresh")]


def test_azure_has_variables_of_its_own_and_none_of_openais_accounts(monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://env.openai.azure.com/")
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "token")
    for name in ("API_KEY", "ORGANIZATION", "PROJECT", "API_VERSION"):
        monkeypatch.setenv(f"OPENAI_{name}", "not-for-azure")
    monkeypatch.setenv("OPENAI_BASE_URL", "wss://elsewhere.example")

    made = ClientSettings.azure()
    assert made.url("dep") == "wss://env.openai.azure.com/openai/v1/realtime?model=dep"
    assert made.headers() == [("Authorization", "Bearer token")]
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "key")
    assert ClientSettings.azure().headers() == [("api-key", "key")]
    assert ClientSettings.azure(token="given").headers() == [("Authorization", "Bearer given")]


def test_azure_takes_the_other_settings_too():
    made = azure(api_key="k", timeout_s=60, extra_headers={"X-Tenant": "7"}, organization="org")

    assert (made.timeout_s, made.organization) == (60, "org")
    assert ("X-Tenant", "7") in made.headers()


@pytest.mark.parametrize(
    ("endpoint", "given", "field"),
    [
        (None, {"api_key": "k"}, "azure.endpoint"),
        ("", {"api_key": "k"}, "azure.endpoint"),
        ("my resource", {"api_key": "k"}, "azure.endpoint"),
        ("ftp://my.example", {"api_key": "k"}, "azure.endpoint"),
        (7, {"api_key": "k"}, "azure.endpoint"),
        (f"https://user:{CANARY}@my.example", {"api_key": "k"}, "client_config.base_url"),
        ("http://my.example", {"api_key": "k"}, "client_config.base_url"),
        ("my-resource", {}, "azure.api_key"),
        ("my-resource", {"api_key": CANARY, "token": CANARY}, "azure.token"),
        ("my-resource", {"api_key": ""}, "client_config.api_key"),
        ("my-resource", {"api_key": "k", "api_version": ""}, "azure.api_version"),
        ("my-resource", {"api_key": "k", "api_version": 7}, "azure.api_version"),
        ("my-resource", {"token": CANARY + "\n"}, "client_config.api_key"),
    ],
)
def test_wrong_settings_of_azure_are_refused_by_name(endpoint, given, field):
    with pytest.raises(ConfigError) as raised:
        ClientSettings.azure(endpoint, **given)

    assert raised.value.field == field
    assert CANARY not in str(raised.value)


def test_without_a_key_azure_says_where_one_could_come_from(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "not-for-azure")
    with pytest.raises(ConfigError, match="AZURE_OPENAI_API_KEY"):
        azure()


# --- proxies --------------------------------------------------------------------------------------------------------

SERVICE = "wss://api.openai.com/v1/realtime"


@pytest.mark.parametrize("proxy", ["http://proxy", "http://u:p%40@proxy:3128", "https://[::1]:3128/", None])
def test_a_given_proxy_is_on_every_way_and_none_is_on_none(proxy, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://other:1")
    monkeypatch.setenv("NO_PROXY", "*")

    assert [client(proxy=proxy).proxy_to(url) for url in (SERVICE, "ws://127.0.0.1:1/v1")] == [proxy, proxy]


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, SERVICE, None),
        ({"HTTPS_PROXY": "http://proxy:3128"}, SERVICE, "http://proxy:3128"),
        ({"https_proxy": "http://u:p@proxy:3128"}, SERVICE, "http://u:p@proxy:3128"),
        ({"HTTPS_PROXY": "proxy:3128"}, SERVICE, "http://proxy:3128"),
        ({"HTTPS_PROXY": ""}, SERVICE, None),
        ({"ALL_PROXY": "http://proxy:3128"}, SERVICE, "http://proxy:3128"),
        ({"ALL_PROXY": "http://all", "HTTPS_PROXY": "http://proxy"}, SERVICE, "http://proxy"),
        ({"HTTP_PROXY": "http://proxy"}, SERVICE, None),
        ({"HTTP_PROXY": "http://proxy"}, "ws://host/v1", "http://proxy"),
        ({"HTTPS_PROXY": "http://proxy"}, "ws://host/v1", None),
        ({"HTTPS_PROXY": "http://proxy"}, "https://host/v1", "http://proxy"),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "api.openai.com"}, SERVICE, None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": ".openai.com"}, SERVICE, None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "api.openai.com:8443"}, SERVICE, "http://proxy"),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "api.openai.com:443"}, SERVICE, None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "*"}, SERVICE, None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "example.com"}, SERVICE, "http://proxy"),
        ({"ALL_PROXY": "http://proxy"}, "ws://127.0.0.1:8123/v1", None),
        ({"ALL_PROXY": "http://proxy"}, "wss://localhost/v1", None),
        ({"ALL_PROXY": "http://proxy"}, "ws://[::1]:8123/v1", None),
    ],
)
def test_the_environments_proxy_is_the_default_but_not_for_this_machine(environment, url, proxy, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert client().proxy_to(url) == proxy


@pytest.mark.parametrize("value", [f"socks5://u:{CANARY}@proxy:1080", f"http://u:{CANARY}@proxy:port", "://"])
def test_what_is_no_http_proxy_in_the_environment_is_refused_and_not_passed_by(value, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", value)
    with pytest.raises(ConfigError, match=r"HTTPS_PROXY or ALL_PROXY .*proxy=None") as raised:
        client().proxy_to(SERVICE)

    assert raised.value.field == "client_config.proxy"
    assert CANARY not in str(raised.value) + repr(raised.value.__context__)
    assert client(proxy=None).proxy_to(SERVICE) is None
    assert client().proxy_to("ws://127.0.0.1:1/v1") is None


def test_settings_do_not_load_what_only_a_proxy_needs():
    code = "import sys, engine; engine.ClientSettings(api_key='k'); print('urllib.request' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout == "False\n"


def test_names_that_only_look_like_this_machine_are_not():
    assert not is_loopback("localhost.example.com")
