"""Which library carries the WebSocket, and what is said where it is not installed."""

import subprocess
import sys

import pytest
import trio
import trio.testing

from engine.config import EngineSettings
from engine.errors import ConfigError, ConnectionLost
from engine.transport import network, sansio_ws, trio_ws
from engine.transport.base import Endpoint


@pytest.fixture(params=[None, "14.2"], ids=["not installed", "too old"])
def without_websockets(request, monkeypatch):
    """Take websockets away, or put an old release in its place."""
    network.chosen.cache_clear()
    if request.param is None:
        monkeypatch.setitem(sys.modules, "websockets.version", None)
    else:
        monkeypatch.setattr("websockets.version.version", request.param)
    yield
    network.chosen.cache_clear()


@pytest.mark.parametrize(
    ("setting", "module"), [("auto", sansio_ws), ("websockets", sansio_ws), ("trio-websocket", trio_ws)]
)
def test_each_setting_has_its_library(setting, module):
    assert network.network(setting) is module.connect


def test_without_websockets_auto_is_the_other_one(without_websockets):
    assert network.network("auto") is trio_ws.connect
    assert network.network("trio-websocket") is trio_ws.connect


async def test_websockets_that_is_asked_for_and_missing_is_told_with_the_way_out(without_websockets):
    with pytest.raises(ConfigError, match=r"pip install 'realtime-engine\[fast\]'") as caught:
        network.network("websockets")
    assert (caught.value.field, caught.value.value) == ("engine.transport", "websockets")
    ours, _ = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        with pytest.raises(ConfigError):
            await network.wrap(nursery, ours, Endpoint(url="ws://x/"), transport="websockets")


async def test_a_stream_of_ones_own_is_wrapped_by_either(autojump_clock):
    for name in ("auto", "trio-websocket"):
        ours, theirs = trio.testing.memory_stream_pair()
        await theirs.send_all(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
        async with trio.open_nursery() as nursery:
            with pytest.raises(ConnectionLost, match="500"):
                await network.wrap(nursery, ours, Endpoint(url="ws://x/"), transport=name)
            await trio.aclose_forcefully(ours)
            await trio.aclose_forcefully(theirs)


def test_the_settings_names_are_those_that_there_are():
    for name in ("auto", "websockets", "trio-websocket"):
        assert EngineSettings(transport=name).transport == name
        assert network.chosen(name) in ("websockets", "trio-websocket")


def test_neither_library_is_loaded_before_it_is_needed():
    code = "import sys, engine; print(sorted({'websockets', 'trio_websocket', 'wsproto'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"
