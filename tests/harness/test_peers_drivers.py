"""The peers' clients: each has the scenarios' verbs; with `--peers` each does in its own library what they say."""

import ast
import importlib
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from benchmarks.harness.contenders import FOLDER, PEERS_FILE, peers
from benchmarks.harness.scenarios import SCENARIOS
from benchmarks.harness.server import LoadServerHandle
from benchmarks.harness.venvs import DEFAULT_FOLDER, python_for, server_python

DRIVERS = FOLDER / "drivers"
CLIENTS = DRIVERS / "peers"
SHARED = {"__init__", "plain"}
NAMES = sorted(path.stem for path in CLIENTS.glob("*.py") if path.stem not in SHARED)
VERBS = {"open": 1, "ask": 2, "speak": 2, "give": 3, "events": 1, "close": 1}
"""How many arguments each takes, with `self`."""

IN_CI = {"floor_picows", "openai_python", "seed"}
"""The others need minutes to be installed: they run with `--peers --long`."""

VENVS = Path(os.environ.get("REALTIME_BENCHMARK_VENVS", DEFAULT_FOLDER))
ROUND_BOUND_S = 30.0


# --- the list and the modules, which need no peer


@pytest.fixture(scope="module")
def listed():
    told = tomllib.loads(PEERS_FILE.read_text())
    told.pop("common")
    return told


def test_each_client_is_in_the_list_and_each_of_the_list_has_a_client(listed):
    assert sorted(listed) == NAMES


def test_what_is_installed_is_pinned():
    for peer in peers():
        loose = [requirement for requirement in peer.requirements if "==" not in requirement]
        assert (peer.name, loose) == (peer.name, [])


def test_list_says_of_each_peer_what_it_is_and_what_an_application_imports(listed):
    known = {"title", "requirements", "import", "notes", "venv", "cannot"}
    for name, peer in listed.items():
        assert {"title", "requirements", "import", "notes"} <= set(peer) <= known, name
        assert set(peer.get("cannot", {})) <= set(SCENARIOS), name


def test_peers_that_share_an_environment_ask_for_the_same_things():
    by_name = {peer.name: peer for peer in peers()}
    for peer in by_name.values():
        assert peer.requirements == by_name[peer.venv or peer.name].requirements


@pytest.mark.parametrize("name", NAMES)
def test_client_has_all_verbs(name):
    tree = ast.parse((CLIENTS / f"{name}.py").read_text())
    client = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Client")
    takes = {
        node.name: len(node.args.args)
        for node in client.body
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)
    }
    asynchronous = {node.name for node in client.body if isinstance(node, ast.AsyncFunctionDef)}
    assert takes.items() >= VERBS.items()
    assert asynchronous >= set(VERBS)


@pytest.mark.parametrize("name", NAMES)
def test_client_names_its_event_loop(name):
    text = (CLIENTS / f"{name}.py").read_text()
    assert 'BACKEND = "' in text


# --- what the clients share


@pytest.fixture
def plain(monkeypatch):
    monkeypatch.syspath_prepend(str(DRIVERS))
    yield importlib.import_module("peers.plain")
    for name in [name for name in sys.modules if name == "peers" or name.startswith("peers.")]:
        del sys.modules[name]


def test_one_response_is_asked_for_after_all_results_and_the_end_of_the_response(plain):
    owed = plain.Owed()
    owed.began()
    owed.called("a")
    owed.called("b")
    assert [owed.answered("a"), owed.answered("b")] == [False, False]
    assert owed.ended()
    assert not owed.ended()


def test_one_response_is_asked_for_when_the_last_result_comes_after_the_end(plain):
    owed = plain.Owed()
    owed.began()
    owed.called("a")
    owed.called("b")
    assert [owed.ended(), owed.answered("a"), owed.answered("b")] == [False, False, True]


def test_no_response_is_asked_for_after_an_answer_without_calls(plain):
    owed = plain.Owed()
    owed.began()
    assert not owed.ended()


def test_interruption_goes_first_and_drops_stale_audio_but_not_the_end(plain):
    mailbox = plain.Mailbox()
    for event in (("audio", b"1"), ("text", "one"), ("done", None), ("audio", b"2")):
        mailbox.put(event)
    mailbox.interrupt()
    assert [kind for kind, _ in mailbox.kept] == ["interrupted", "done"]


# --- the libraries themselves


def _params():
    for name in NAMES:
        marks = [pytest.mark.peers] if name in IN_CI else [pytest.mark.peers, pytest.mark.long]
        yield pytest.param(name, marks=marks)


@pytest.fixture(scope="module")
def server():
    with LoadServerHandle(server_python(VENVS)) as handle:
        yield handle


@pytest.fixture(params=_params())
def play(request, server):
    """Run a scenario with one peer: a process of its own."""
    peer = next(peer for peer in peers() if peer.name == request.param)
    python = python_for(peer, VENVS)

    def played(scenario, *, tls=False, **load):
        server.ask("reset")
        options = {"ca": server.ca} if tls else {}
        given = {"url": server.url(tls=tls), "bound_s": ROUND_BOUND_S, "options": options, **load}
        command = [python, str(DRIVERS / "run.py"), peer.name, scenario, json.dumps(given)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=2 * ROUND_BOUND_S, check=False)
        assert done.stdout.strip(), done.stderr
        return json.loads(done.stdout.splitlines()[-1]), server.ask("report")["counts"]

    played.peer = peer.name
    return played


def test_peer_receives_each_delta_decoded_and_sends_each_frame(play):
    figures, counts = play("burst", deltas=300, frames=50)
    assert (figures["received"], figures["lost"], figures["audio_bytes"]) == (300, 0, 300 * 4800)
    assert counts["audio_bytes"] == 50 * 960


def test_peer_talks_over_tls_both_ways(play):
    figures, counts = play("live", tls=True, sessions=2, seconds=0.5)
    assert (figures["lost"], figures["broken"]) == (0, [])
    held_back_bytes = 2 * 4800
    assert counts["audio_bytes"] >= figures["frames_sent"] * 960 - held_back_bytes


def test_peer_takes_turns_of_text_and_of_speech(play):
    figures, _ = play("turn", turns=3, spoken_turns=2)
    assert figures["text_p50_ms"] > 0
    assert figures["audio_p50_ms"] > 0
    assert figures["speech_p50_ms"] > 0


def test_peer_tells_of_an_interruption(play):
    figures, counts = play("barge_in", queued_s=0, rounds=2, round_bound_s=10)
    assert None not in figures["told_ns"]
    assert figures["heard"] <= counts["deltas"]


def test_peer_gives_all_results_and_hears_the_answer_unless_it_is_the_seed(play):
    figures, counts = play("tools", calls=4, rounds=1, round_bound_s=5)
    assert counts["outputs"] == 4
    refused = counts.get("refused", 0)
    if play.peer.startswith("seed"):  # One request for each result: all but the first are refused.
        assert (figures["unanswered"], refused) == (1, 3)
    else:
        assert (figures["unanswered"], refused) == (0, 0)


def test_peer_opens_and_closes(play):
    figures, counts = play("churn", sessions=10, at_once=2)
    assert (figures["sessions"], figures["closes_hung"]) == (10, 0)
    assert counts["sessions"] == 11


def test_stop_that_hangs_is_told_of_and_ended(play):
    figures, _ = play("stop", deltas=2000, close_bound_s=1)
    assert figures["heard"] == 100
    assert figures["hangs"] or figures["stop_s"] < 1
