"""What is searched for: keys, passwords and tokens of a connection in every way of writing them; and nothing else."""

import pickle
from itertools import pairwise

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConnectionLost, HandshakeRejected
from engine.secrets import CAUSES_MAX, NOT_SHOWN, SECRET_MIN_CHARS, Secrets, keys_masked
from engine.transport.base import Endpoint
from engine.transport.masked import masking
from engine.transport.memory import MemoryConnector

KEY = "sk-canary/0123456789+abc"
HEADERS = [("Authorization", f"Bearer {KEY}")]
ENDPOINT = Endpoint(url="ws://127.0.0.1:1/v1", headers=HEADERS)


@pytest.mark.parametrize(
    "written",
    [KEY, KEY.replace("/", "\\/"), "sk-canary%2F0123456789%2Babc", "sk-canary/0123456789%2Babc"],
)
def test_a_secret_is_found_however_it_is_written(written):
    assert Secrets.of(KEY).masked(f"said {written}!") == f"said {NOT_SHOWN}!"


@given(
    st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=SECRET_MIN_CHARS),
    st.text(),
    st.text(),
)
def test_no_secret_of_a_headers_letters_stays(secret, before, after):
    assert secret not in Secrets.of(secret).masked(before + secret + after).replace(NOT_SHOWN, "\0")


def test_short_ones_are_left_for_they_would_be_found_in_words():
    assert Secrets.of("local", "x" * (SECRET_MIN_CHARS - 1)) == Secrets()


def test_names_decide_which_headers_and_parameters_hold_one():
    url = "wss://host/v1?model=gpt-realtime-2026-01-01&api_key=query-secret-0123456789&call_id=call_0123456789abcdef"
    headers = [
        ("X-Whatever", "the-first-is-the-key"),
        ("OpenAI-Project", "proj_0123456789abcdef"),
        ("X-Request-Id", "request_0123456789abcdef"),
        ("X-Access-Token", "Token header-secret-0123456789"),
        ("Cookie", "theme=dark; sid=cookie-secret-0123456789"),
    ]
    found = Secrets.to(url, headers, "http://user:proxy-secret-%2B0123456789@proxy:3128").texts

    assert "the-first-is-the-key" in found
    assert "query-secret-0123456789" in found
    assert "header-secret-0123456789" in found
    assert "cookie-secret-0123456789" in found
    assert "proxy-secret-+0123456789" in found
    assert "dXNlcjpwcm94eS1zZWNyZXQtKzAxMjM0NTY3ODk=" in found  # as CONNECT carries it
    assert not [text for text in found if text.startswith(("gpt", "call", "proj", "request"))]


def test_without_a_proxy_password_there_is_none():
    assert Secrets.to("ws://host", [], "http://proxy:3128") == Secrets.to("ws://host", []) == Secrets()


def test_they_do_not_show_themselves():
    assert KEY not in repr(Secrets.of(KEY))


def test_what_looks_like_a_key_is_masked_whoevers_it_is():
    assert keys_masked("Incorrect: sk-proj-0123456789, or ek_0123456789.") == f"Incorrect: {NOT_SHOWN}, or {NOT_SHOWN}."
    assert keys_masked("ask-me-anything, week_1, task") == "ask-me-anything, week_1, task"


class Told:
    """Stands for a library's own class."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return f"Told({self.text})"


def test_an_exception_is_masked_with_all_that_is_behind_it():
    error = HandshakeRejected(401, f"key {KEY}")
    error.__cause__ = cause = ValueError(f"{KEY}".encode(), (KEY, [KEY]), 5)
    cause.headers, cause.reason, cause.status = ((b"x", KEY.encode()),), Told(KEY), 401
    cause.named, cause.kept, cause.raw = {"x": KEY}, Told("nothing"), bytearray(KEY.encode())
    cause.__context__ = group = ExceptionGroup("all", [KeyError(KEY), error])
    Secrets.of(KEY).mask_error(error)

    assert error.body == error.reason == f"key {NOT_SHOWN}"
    assert cause.args == (NOT_SHOWN.encode(), (NOT_SHOWN, [NOT_SHOWN]), 5)
    assert cause.headers == ((b"x", NOT_SHOWN.encode()),)
    assert (cause.reason, cause.status, cause.named) == (f"Told({NOT_SHOWN})", 401, {"x": NOT_SHOWN})
    assert (cause.kept.text, cause.raw) == ("nothing", bytearray(NOT_SHOWN.encode()))
    assert group.exceptions[0].args == (NOT_SHOWN,)
    assert KEY not in pickle.dumps(error).decode("latin-1")


def test_a_chain_without_end_is_followed_as_far_as_the_bound():
    errors = [ValueError(KEY) for _ in range(CAUSES_MAX + 5)]
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    Secrets.of(KEY).mask_error(errors[0])

    assert sum(error.args == (KEY,) for error in errors) == 5


def test_without_secrets_an_exception_stays_as_it_is():
    error = ValueError(KEY)
    Secrets().mask_error(error)

    assert error.args == (KEY,)


# --- connections ----------------------------------------------------------------------------------------------------


async def test_messages_are_masked_but_for_binary_ones_and_speech():
    connector = MemoryConnector()
    speech = '{"type":"response.output_audio.delta","delta":"' + KEY + '"}'
    async with trio.open_nursery() as nursery:
        transport = await masking(connector)(nursery, ENDPOINT)
        server = await connector.accept()
        for message in (f"said {KEY}", speech, KEY.encode()):
            await server._outgoing.send(message)
        assert await transport.receive() == [f"said {NOT_SHOWN}", speech, KEY.encode()]
        await transport.send("hello")
        assert await server.receive() == ["hello"]
        assert transport.statistics().bytes_sent == 5
        await transport.close(1.0)


async def test_the_end_of_a_connection_is_masked_for_whoever_meets_it():
    connector = MemoryConnector()
    async with trio.open_nursery() as nursery:
        transport = await masking(connector)(nursery, ENDPOINT)
        (await connector.accept()).hang_up(4001, f"bye {KEY}")
        for wait in (transport.receive, lambda: transport.send("hello"), transport.ping):
            with pytest.raises(ConnectionLost) as caught:
                await wait()
            assert caught.value.reason == f"bye {NOT_SHOWN}"


async def test_a_connection_that_is_refused_is_masked():
    async def refused(nursery, endpoint):
        raise HandshakeRejected(401, KEY)

    async with trio.open_nursery() as nursery:
        with pytest.raises(HandshakeRejected) as caught:
            await masking(refused)(nursery, ENDPOINT)
    assert caught.value.body == NOT_SHOWN


async def test_without_secrets_the_connection_is_the_connectors_own():
    connector = MemoryConnector()
    async with trio.open_nursery() as nursery:
        transport = await masking(connector)(nursery, Endpoint(url="ws://127.0.0.1:1/v1"))
        await transport.close(1.0)
    assert type(transport).__name__ == "MemoryTransport"
