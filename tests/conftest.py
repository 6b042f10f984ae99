"""What all tests share: Hypothesis profiles, `--peers`, recordings of the real service, a look at all that is sent."""

import gc
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from openai.types.realtime import RealtimeClientEvent, RealtimeTranslationClientEvent
from pydantic import TypeAdapter, ValidationError

from engine.lane import Lane

RECORDINGS_VARIABLE = "REALTIME_RECORDINGS"
NO_RECORDINGS = (
    f"no recordings of the real service: set {RECORDINGS_VARIABLE} to a folder of *.jsonl files, "
    'one {"dir": "client"|"server", "event": {...}} a line'
)

# `stable` runs the same examples each time, so CI fails only for a change. For a search that goes further:
# HYPOTHESIS_PROFILE=thorough, or pytest --hypothesis-profile=thorough.
settings.register_profile("stable", deadline=None, derandomize=True, max_examples=100)
settings.register_profile(
    "thorough", deadline=None, max_examples=2000, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "stable"))


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than there are processors: a third of the tests' time is waiting for sockets and other processes."""
    return (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1) + 1


SWITCHES = {
    "peers": "needs other programs (a peer library, a browser, a cluster, workers) or seconds of a core",
    "long": "takes minutes",
    "ray": "starts Ray clusters, one at a time on a machine: run with -n0",
}
"""Marks of tests that run only with the option of the same name, and why."""


def pytest_addoption(parser: pytest.Parser) -> None:
    for name in SWITCHES:
        parser.addoption(f"--{name}", action="store_true", help=f"also run tests marked `{name}`")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: takes minutes (run with --long)")
    config.addinivalue_line("markers", "ray: starts Ray clusters (run with --ray -n0)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for name, why in SWITCHES.items():
        if config.getoption(f"--{name}"):
            continue
        for item in items:
            if item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=f"{why}; run with --{name}"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Ten thousand tests in memory cost each garbage collection half a second: they stay, and are not looked at."""
    gc.collect()
    gc.freeze()


def _recording_files() -> list[Path]:
    folder = os.environ.get(RECORDINGS_VARIABLE)
    if not folder:
        return []
    files = sorted(Path(folder).glob("*.jsonl"))
    if not files:
        raise pytest.UsageError(f"{RECORDINGS_VARIABLE}={folder} holds no *.jsonl file")
    return files


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "recording" not in metafunc.fixturenames:
        return
    files = [pytest.param(path, id=path.stem) for path in _recording_files()]
    none = pytest.param(None, id="none", marks=pytest.mark.skip(reason=NO_RECORDINGS))
    metafunc.parametrize("recording", files or [none])


@pytest.fixture(scope="session")
def recordings() -> list[Path]:
    """All recordings. A test that takes `recording` instead runs once for each of them."""
    return _recording_files() or pytest.skip(NO_RECORDINGS)


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_interrupts():
    """A shell that runs the tests in the background has them ignore SIGINT, and Python keeps that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


CLIENT_EVENTS: TypeAdapter[object] = TypeAdapter(RealtimeClientEvent | RealtimeTranslationClientEvent)


@pytest.fixture(autouse=True)
def everything_sent_is_the_services(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """Whatever a session puts on its way in any test is a client event by openai's types, or the test says why not."""
    refused: list[str] = []
    put = Lane.put

    def checked(lane: Lane, text: str, weight: float, **how: Any) -> None:
        try:
            CLIENT_EVENTS.validate_json(text)
        except ValidationError as error:
            refused.append(f"{text[:200]}: {error}")
        put(lane, text, weight, **how)

    monkeypatch.setattr(Lane, "put", checked)
    yield
    if not request.node.get_closest_marker("sends_anything"):
        assert refused == []
