"""The page over real sockets: what it serves, that its readers are bounded, and none can slow, hold or end a run."""

import json
import math
import socket

import orjson
import pytest
import trio
import trio.testing
from made_up_runs import HOSTILE, figures, snapshot

from engine.errors import ConfigError
from engine.farm.live import app, serving
from engine.farm.live.board import Board
from engine.farm.live.serving import TOKEN_VARIABLE, serve_page


def address(page):
    return page.url.removeprefix("http://").split("/")[0]


async def opened(page, path="/", headers=""):
    host, _, port = address(page).rpartition(":")
    stream = await trio.open_tcp_stream(host, int(port))
    await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n{headers}\r\n".encode())
    return stream


async def read_until(stream, mark):
    data = b""
    while mark not in data:
        more = await stream.receive_some()
        assert more, data
        data += more
    return data


async def get(page, path="/", headers=""):
    async with await opened(page, path, headers + "Connection: close\r\n") as stream:
        data = b"".join([more async for more in stream])
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode().lower(), body


def events(data):
    """Give the events in what was sent, by name."""
    pieces = [piece for piece in data.split(b"\r\n") if piece.startswith(b"event: ")]
    lines = [piece.strip().split(b"\n") for piece in pieces]
    return [(name.decode().removeprefix("event: "), orjson.loads(body.removeprefix(b"data: "))) for name, body in lines]


@pytest.fixture
async def board():
    board = Board()
    board.show(snapshot(elapsed_s=1.0))
    return board


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/", "text/html"), ("/live.js", "text/javascript"), ("/live.css", "text/css"), ("/plotly.js", "text/javascript")],
)
async def test_the_page_has_all_that_it_needs_on_this_machine(board, path, kind):
    async with serve_page(board, 0) as page:
        status, head, body = await get(page, path)

    assert status == 200
    assert f"content-type: {kind}" in head
    assert "content-security-policy: default-src 'none'; script-src 'self';" in head
    assert len(body) > 1000
    assert b"//cdn" not in body


async def test_what_is_not_there_and_what_is_not_asked_for_so_is_refused(board):
    async with serve_page(board, 0) as page:
        assert (await get(page, "/../../etc/passwd"))[0] == 404
        assert (await get(page, "/events/"))[0] == 404
        async with await opened(page) as stream:
            await stream.send_all(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
            assert b" 405 " in await read_until(stream, b" 405 ")


async def test_a_reader_gets_the_course_so_far_then_each_picture_then_the_end(board):
    async with serve_page(board, 0) as page, await opened(page, "/events") as stream:
        data = await read_until(stream, b'"point"')
        board.show(snapshot(elapsed_s=2.0, active=77))
        data += await read_until(stream, b'"at_s":2.0')
        board.show(snapshot(elapsed_s=3.0, phase="over"))
        board.close("the report is in the folder")
        data += await read_until(stream, b"0\r\n\r\n")
    told = events(data)

    assert [name for name, _ in told] == ["history", "picture", "picture", "picture", "over"]
    assert told[0][1]["points"]["at_s"] == [1.0]
    assert told[2][1]["point"]["active"] == 77
    assert told[3][1]["state"] == "over"
    assert told[4][1] == {"words": "the report is in the folder"}


async def test_charts_begin_when_the_workers_have_started():
    board = Board()
    board.show(snapshot(elapsed_s=0.0, phase="starting"))
    assert orjson.loads(board.picture)["point"] is None
    assert orjson.loads(board.history())["points"]["at_s"] == []

    board.show(snapshot(elapsed_s=16.4))
    assert orjson.loads(board.history())["points"]["at_s"] == [16.4]


async def test_who_asks_for_the_head_of_the_events_alone_is_answered_at_once(board):
    async with serve_page(board, 0) as page, await opened(page) as stream:
        await read_until(stream, b"</html>")
        await stream.send_all(f"HEAD /events HTTP/1.1\r\nHost: {address(page)}\r\nConnection: close\r\n\r\n".encode())
        with trio.fail_after(30):
            data = b"".join([more async for more in stream])
    assert b"text/event-stream" in data
    assert data.endswith(b"\r\n\r\n")


async def test_pictures_that_nobody_fetched_are_skipped(board):
    async with serve_page(board, 0) as page, await opened(page, "/events") as stream:
        data = await read_until(stream, b'"point"')
        for second in range(2, 50):
            board.show(snapshot(elapsed_s=float(second)))
        data += await read_until(stream, b'"at_s":49.0')

    assert [told["point"]["at_s"] for name, told in events(data) if name == "picture"] == [1.0, 49.0]


async def test_pictures_come_once_a_second_and_when_the_phase_changes():
    board, seen = Board(), []
    for tenth in range(25):
        board.show(snapshot(elapsed_s=tenth / 10, phase="finishing" if tenth >= 12 else "running"))
        seen.append(board.picture)

    assert len(set(seen)) == 4  # at 0.0, 0.9, 1.2 and 2.1 s


async def test_too_many_readers_are_told_to_come_again(board, monkeypatch):
    monkeypatch.setattr(app, "READERS_MAX", 1)
    async with serve_page(board, 0) as page:
        async with await opened(page, "/events") as stream:
            await read_until(stream, b"history")
            status, head, _ = await get(page, "/events")
            assert (status, "retry-after: 10" in head) == (503, True)
        with trio.fail_after(30):
            while (await get(page, "/metrics"))[0] != 200:
                pass
            while b" 200 " not in await first_bytes(page, "/events"):
                pass


async def first_bytes(page, path):
    async with await opened(page, path) as stream:
        return bytes(await stream.receive_some())


async def test_connections_past_the_bound_are_closed_at_once(board, monkeypatch):
    monkeypatch.setattr(serving, "CONNECTIONS_MAX", 1)
    async with serve_page(board, 0) as page, await opened(page, "/events") as stream:
        await read_until(stream, b"history")
        async with await opened(page) as second:
            with pytest.raises((trio.BrokenResourceError, AssertionError)):
                await read_until(second, b"200")


async def test_a_reader_that_does_not_read_keeps_nobody_waiting(board, monkeypatch):
    monkeypatch.setattr(serving, "GOODBYE_S", 0.05)
    monkeypatch.setattr(serving, "SEND_DEADLINE_S", math.inf)
    with trio.fail_after(20):
        async with serve_page(board, 0) as page:
            host, _, port = address(page).rpartition(":")
            stuck = socket.socket()
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stuck.connect((host, int(port)))
            stuck.sendall(f"GET /plotly.js HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
            while (await get(page, "/metrics"))[0] != 200:
                pass
            await trio.sleep(0.3)  # its answer fills the buffers
    stuck.close()


async def test_a_reader_that_takes_too_long_is_cut_off(autojump_clock):
    ours, theirs = trio.socket.socketpair()
    stream = serving._Stream(trio.SocketStream(ours))
    began = trio.current_time()
    with theirs, pytest.raises(trio.BrokenResourceError):
        await stream.send_all(bytes(10_000_000))
    assert trio.current_time() - began == pytest.approx(serving.SEND_DEADLINE_S)
    assert ours.fileno() == -1


async def test_a_slow_reader_gets_it_all_as_long_as_it_reads(autojump_clock):
    ours, theirs = trio.socket.socketpair()
    stream, read = serving._Stream(trio.SocketStream(ours)), 0
    began = trio.current_time()
    with theirs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, bytes(2_000_000))
            while read < 2_000_000:
                await trio.sleep(1)
                read += len(await theirs.recv(65_536))
        await stream.aclose()
    assert trio.current_time() - began > 2 * serving.SEND_DEADLINE_S


async def test_a_flood_of_requests_waits_in_line(autojump_clock):
    at = []

    async def app(*_):
        at.append(trio.current_time())

    paced = serving._Paced(app)
    async with trio.open_nursery() as nursery:
        for _ in range(101):
            nursery.start_soon(paced, {}, None, None)
    assert max(at) - min(at) == pytest.approx(100 / serving.REQUESTS_PER_S)


async def test_a_fault_of_the_listener_does_not_end_the_run(board, monkeypatch):
    async def fault(_):
        raise OSError("the network is gone")

    monkeypatch.setattr(trio.SocketListener, "accept", fault)
    async with serve_page(board, 0) as page:
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(OSError):
            await get(page)


async def test_a_fault_of_the_page_does_not_end_the_run(board, monkeypatch, caplog):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(app, "exposition", broken)
    async with serve_page(board, 0) as page:
        assert (await get(page, "/metrics"))[0] == 500
        async with await opened(page) as stream:
            await stream.send_all(b"\x16\x03\x01 not http at all\r\n\r\n")
        assert (await get(page))[0] == 200


UPGRADE = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
WEBSOCKET = b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"


@pytest.mark.parametrize(
    "words",
    [
        UPGRADE + b"Upgrade: h2c\r\nHTTP2-Settings: a\r\n\r\n",
        UPGRADE + WEBSOCKET,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 200,
        b"\x00" * 100_000,
    ],
    ids=["h2c", "websocket", "http2", "zeros"],
)
async def test_whatever_is_sent_the_page_goes_on_and_speaks_http_1(board, words):
    data = b""
    async with serve_page(board, 0) as page:
        host, _, port = address(page).rpartition(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            with trio.fail_after(30):
                try:
                    await stream.send_all(words)
                    data = bytes(await stream.receive_some())
                except trio.BrokenResourceError:
                    pass
        assert (await get(page))[0] == 200
    assert not data or data.startswith(b"HTTP/1.1 4")


async def test_a_token_is_asked_for_where_others_can_come(board):
    async with serve_page(board, 0, "0.0.0.0", {}) as page:
        port = int(page.url.split(":")[-1].split("/")[0])
        here = serving.Page(f"http://127.0.0.1:{port}/", None)

        assert page.url.endswith(f"/?token={page.token}")
        assert len(page.token) == 32
        assert page.token not in repr(page)
        assert (await get(here))[0] == 401
        assert (await get(here, "/events"))[0] == 401
        status, head, _ = await get(here, f"/?token={page.token}")
        assert (status, "set-cookie: realtime-farm-" in head) == (303, True)
        cookie = f"Cookie: realtime-farm-{port}={page.token}\r\n"
        assert (await get(here, "/", cookie))[0] == 200


async def test_each_run_has_a_token_of_its_own_unless_one_is_given(board):
    tokens = set()
    for _ in range(2):
        async with serve_page(board, 0, "0.0.0.0", {}) as page:
            tokens.add(page.token)
    async with serve_page(board, 0, "0.0.0.0", {TOKEN_VARIABLE: "sixteen-letters-"}) as page:
        assert page.token == "sixteen-letters-"
    assert len(tokens) == 2


@pytest.mark.parametrize(
    "token", ["short", "has a space in its middle", "ümlaute-ümlaute-ümlaute", "semi;colon;semi;colon"]
)
async def test_a_token_that_can_not_be_used_is_refused_without_being_shown(board, token):
    with pytest.raises(ConfigError, match=TOKEN_VARIABLE) as caught:
        async with serve_page(board, 0, "0.0.0.0", {TOKEN_VARIABLE: token}):
            pass
    assert token not in str(caught.value)


async def test_a_port_in_use_says_what_to_do(board):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigError, match="another with --web"):
        async with serve_page(board, taken.getsockname()[1]):
            pass


@pytest.mark.parametrize("host", ["", "nowhere.invalid", "fe80::1%lo"])
async def test_an_address_that_is_not_this_machines_says_what_to_do(board, host):
    with pytest.raises(ConfigError, match="an address of this machine with --web-host"):
        async with serve_page(board, 0, host):
            pass


async def test_nothing_is_left_when_it_is_over(board):
    before = trio.lowlevel.current_statistics().tasks_living
    async with serve_page(board, 0) as page, await opened(page, "/events") as stream:
        await read_until(stream, b"history")
    assert trio.lowlevel.current_statistics().tasks_living == before
    with pytest.raises(OSError):
        await get(page)


async def test_what_is_no_unicode_does_not_end_it(board):
    board.show(snapshot(elapsed_s=2.0, name="a\udc80b"))
    board.close("Its folder: a\udc80b")

    assert json.loads(board.picture)["name"] == "a\udc80b"
    assert json.loads(board.last_words())["words"] == "Its folder: a\udc80b"


def test_what_is_counted_does_not_fall_at_the_end():
    board, live = Board(), figures(87)
    board.show(snapshot(elapsed_s=1.0, figures=live))
    board.show(snapshot(elapsed_s=2.0, figures=figures(80), phase="over", active=0))

    assert b'"80"' in board.picture
    assert (board.snapshot.phase, board.snapshot.figures) == ("over", live)


async def test_names_of_others_are_data_in_what_is_sent(board):
    board.show(snapshot(elapsed_s=2.0, name=HOSTILE))

    assert orjson.loads(board.picture)["name"] == HOSTILE
    assert b"\n" not in board.picture
