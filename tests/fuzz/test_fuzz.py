"""Hostile input of every kind, and what is kept of it: nothing but the documented errors comes of any.

A bounded share here, the same each time; more with `--long`, and any amount with `python -m tests.fuzz`.
"""

import json
import logging

import pytest
from fuzz_codec import check_codec
from fuzz_conversation import check_conversation
from fuzz_mutator import Mutator
from fuzz_samples import samples, words
from fuzz_sessions import check_session
from fuzz_streams import GREETING, check_transport, frame
from fuzz_targets import CORPUS, TARGETS, Target, as_bytes, fails, run, shrunk, told
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_strategies import objects

from engine.errors import RemoteViolation
from engine.wire.client import CLIENT_CLASSES
from engine.wire.codec import decode_server
from engine.wire.server import SERVER_CLASSES

# Whatever is hostile is sent: it need not be the service's.
pytestmark = pytest.mark.sends_anything("hostile input")

SHARE = {"codec": 2_000, "conversation": 120, "session": 40, "transport": 100, "server": 60, "clients": 40}
LONG = {
    "codec": 100_000,
    "conversation": 10_000,
    "session": 5_000,
    "transport": 10_000,
    "server": 5_000,
    "clients": 3_000,
}
each_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


@pytest.fixture(autouse=True)
def quiet(caplog):
    """Warnings of hostile messages are right, and thousands."""
    caplog.set_level(logging.CRITICAL)


def kept():
    for name, target in TARGETS.items():
        for path in target.corpus():
            yield pytest.param(target, path, id=f"{name}/{path.name}")


@pytest.mark.parametrize(("target", "path"), list(kept()))
def test_the_corpus_passes(target, path):
    data = path.read_bytes()
    with told(data):
        target.check(data)


def test_the_corpus_is_small_and_has_something_for_each_target():
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < 300_000
    assert all(target.corpus() for target in TARGETS.values())


@each_target
def test_a_share_of_hostile_inputs_passes(target):
    run(target, SHARE[target.name], seed=1)


@pytest.mark.long
@each_target
def test_many_hostile_inputs_pass(target):
    run(target, LONG[target.name], seed=2)


events = st.sampled_from([*SERVER_CLASSES.values(), *CLIENT_CLASSES.values()]).flatmap(objects)


@settings(max_examples=settings.default.max_examples // 2)
@given(event=events, seed=st.integers(0, 2**32))
def test_any_event_and_any_damage_to_it_is_read_or_refused(event, seed):
    check_codec(json.dumps(event).encode(errors="surrogatepass"))
    check_codec(Mutator(seed, words()).message(event))


def test_there_is_a_sample_of_each_event_and_it_is_read():
    for sample in samples().values():
        check_codec(json.dumps(sample))
    assert {sample["type"] for sample in samples().values()} >= SERVER_CLASSES.keys() | CLIENT_CLASSES.keys()


def test_the_same_seed_makes_the_same_inputs():
    for target in TARGETS.values():
        first, second = (as_bytes(target.make(Mutator(5, words()))) for _ in range(2))
        assert first == second


# --- the checks bite -------------------------------------------------------------------------------------------------


def raises(error):
    def decode(_):
        raise error

    return decode


def test_a_reader_that_raises_something_else_is_caught():
    with pytest.raises(ValueError, match="mine"):
        check_codec("{}", [raises(ValueError("mine"))])


def test_a_reader_that_tells_the_whole_message_is_caught():
    with pytest.raises(AssertionError, match="tells"):
        check_codec("{}", [raises(RemoteViolation("invalid_json", "x" * 5_000))])


def test_a_reader_that_takes_bytes_and_refuses_the_same_text_is_caught():
    def decode(data):
        return decode_server(data if data != '{"type": "new"}' else "nothing")

    with pytest.raises(AssertionError, match="read as"):
        check_codec(b'{"type": "new"}', [decode])


BUGS = {
    "receive raises": ("receive", lambda *_: 1 / 0, ZeroDivisionError),
    "a deadline that never comes nearer": ("deadline", property(lambda _: 1.0), AssertionError),
    "a deadline that is no number": ("deadline", property(lambda _: float("nan")), AssertionError),
    "statistics raise": ("statistics", lambda _: {}["x"], KeyError),
}


@pytest.mark.parametrize(("name", "bug", "error"), BUGS.values(), ids=BUGS)
def test_a_conversation_with_a_bug_is_caught(name, bug, error, monkeypatch):
    monkeypatch.setattr(f"engine.protocol.conversation.Conversation.{name}", bug)
    with pytest.raises(error):
        check_conversation('{"type":"session.created","session":{}}\n~ 5\n~ 5')


def test_what_comes_after_the_end_is_caught(monkeypatch):
    monkeypatch.setattr("engine.protocol.conversation.Conversation.link_ended", lambda *_: [object()])
    talk = '{"type":"session.created","session":{}}\n{"type":"error","error":{"code":"session_expired"}}\n! 1006'
    with pytest.raises(AssertionError, match="after the end"):
        check_conversation(talk)


def test_a_session_that_raises_another_error_is_caught(monkeypatch):
    def crash(*_):
        raise LookupError("mine")

    monkeypatch.setattr("engine.protocol.conversation.Conversation.receive", crash)
    with pytest.RaisesGroup(LookupError, flatten_subgroups=True, allow_unwrapped=True):
        check_session('{"type":"session.updated","session":{}}')


@pytest.mark.parametrize("transport", ["trio_ws.TrioWebSocket", "sansio_ws.SansioWebSocket"])
def test_a_transport_that_lets_another_error_through_is_caught(transport, monkeypatch):
    def crash(*_):
        raise LookupError("mine")

    monkeypatch.setattr(f"engine.transport.{transport}.receive", crash)
    with pytest.RaisesGroup(LookupError, flatten_subgroups=True, allow_unwrapped=True):
        check_transport(GREETING + frame(b"{}"))


def test_what_fails_is_shrunk_to_what_matters():
    def check(data):
        assert b"bad" not in data

    target = Target(check, _nothing)
    assert fails(target, b"good\nbad\ngood") == "AssertionError"
    assert shrunk(target, b"\n".join([b"good"] * 40 + [b"one bad thing"] + [b"fine"] * 40)) == b"bad"


def _nothing(_):
    return b""
