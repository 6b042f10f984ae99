"""The way through an HTTP proxy: tunnels for ws and wss, credentials, refusals, and proxies that are none."""

import logging
import ssl
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
import trustme
from carriers import carrier, each
from connect_proxy import connect_proxy
from rooms import KEY, cancelled_at, config, open_sockets, until

from engine import limits
from engine.errors import ConnectionLost, DeadlinePassed, HandshakeRejected
from engine.events import BidiResponseCompleteEvent, BidiTextInputEvent
from engine.session import open_session
from engine.simulator import serve
from engine.simulator.settings import INSTANT, SimulatorSettings
from engine.transport import proxy as proxy_module
from engine.transport.base import Endpoint
from engine.transport.proxy import open_tunnel

carried = each()

PASSWORD = "pass-canary-71c2"
CA = trustme.CA()
CERTIFICATE = CA.issue_cert("127.0.0.1", "localhost")


@pytest.fixture
def trusting():
    context = ssl.create_default_context()
    CA.configure_trust(context)
    return context


@asynccontextmanager
async def listening(handler, *, tls=False):
    """Serve with a handler of one connection; give the port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    CERTIFICATE.configure_cert(context)

    async def run(stream):
        if tls:
            stream = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        try:
            await handler(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, host="127.0.0.1"), run, 0)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def tls_simulator():
    """Serve sessions over TLS; give the port."""
    async with serve(host=None) as simulator, listening(simulator.serve_stream, tls=True) as port:
        yield port


async def session_over(proxy, url, **options):
    """Open a session's connection, hear the first message, and close; nothing is left."""
    before = open_sockets()
    target = Endpoint(url=url, headers=[("Authorization", f"Bearer {KEY}")], proxy=proxy, **options)
    async with trio.open_nursery() as nursery:
        with trio.fail_after(30):
            transport = await carrier.connect(nursery, target)
            [message] = await transport.receive()
            await transport.close(2)
    await all_closed(before)
    return message


async def all_closed(before):
    """Wait until no more sockets are open than before: ours, and so the proxy's and the server's ends."""
    with trio.fail_after(30):
        while open_sockets() > before:  # noqa: ASYNC110 - the kernel has no event for it
            await trio.sleep(0.001)


async def refused_by(proxy, url="ws://service.example/v1", **options):
    """Connect through a proxy that does not let us; give what is raised."""
    before = open_sockets()
    async with trio.open_nursery() as nursery:
        with trio.fail_after(30), pytest.raises(ConnectionLost) as caught:
            await carrier.connect(nursery, Endpoint(url=url, proxy=proxy, **options))
    await all_closed(before)
    return caught.value


def answering(answer):
    """Make a proxy that answers any request with this, and hangs up."""

    async def handle(stream):
        while b"\r\n\r\n" not in (await stream.receive_some() or b"\r\n\r\n"):
            pass
        await stream.send_all(answer)

    return handle


# --- tunnels --------------------------------------------------------------------------------------------------------


async def test_a_session_goes_through_the_tunnel_and_leaves_it_closed():
    async with serve() as simulator, connect_proxy() as proxy:
        message = await session_over(proxy.url, f"{simulator.base_url}/realtime?model=gpt-realtime")

        assert '"session.created"' in message
        assert proxy.requests == [simulator.base_url.split("/")[2]]
        assert proxy.headers[0]["host"] == proxy.requests[0]
        assert "authorization" not in proxy.headers[0], "the key is the server's alone"
        assert proxy.open_tunnels == 0


async def test_tls_is_spoken_with_the_server_inside_the_tunnel(trusting):
    async with tls_simulator() as port, connect_proxy() as proxy:
        url = f"wss://localhost:{port}/v1/realtime?model=gpt-realtime"
        message = await session_over(proxy.url, url, ssl_context=trusting)

        assert '"session.created"' in message
        assert proxy.requests == [f"localhost:{port}"], "the proxy looks the name up"


async def test_a_certificate_that_the_proxy_could_show_itself_is_refused():
    async def shake(stream):
        await stream.do_handshake()
        pytest.fail("it sends a request to a server that it can't trust")

    async with listening(shake, tls=True) as port, connect_proxy() as proxy:
        error = await refused_by(proxy.url, f"wss://localhost:{port}/v1")

        assert "TLS with localhost" in str(error)
        assert "certificate verify failed" in str(error)


async def test_tls_with_the_proxy_and_tls_with_the_server_are_one_in_the_other(trusting):
    async with tls_simulator() as port, connect_proxy() as inner, listening(inner.serve, tls=True) as outer:
        url = f"wss://localhost:{port}/v1/realtime?model=gpt-realtime"
        message = await session_over(f"https://127.0.0.1:{outer}", url, ssl_context=trusting)

        assert '"session.created"' in message
        assert inner.requests == [f"localhost:{port}"]


async def test_tls_with_a_proxy_that_nobody_vouches_for_is_refused():
    async with connect_proxy() as inner, listening(inner.serve, tls=True) as outer:
        error = await refused_by(f"https://localhost:{outer}")

        assert "TLS with the proxy localhost" in str(error)
        assert inner.requests == []


@pytest.mark.parametrize(
    ("host", "target"),
    [("::1", "[::1]:443"), ("bücher.example", "xn--bcher-kva.example:443"), ("10.0.0.7", "10.0.0.7:443")],
)
async def test_the_proxy_is_asked_for_the_host_in_the_form_that_http_has(host, target):
    async with connect_proxy(refuse_with=403) as proxy:
        with pytest.raises(ConnectionLost):
            await open_tunnel(proxy.url, host, 443)

        assert proxy.requests == [target]
        assert proxy.headers[0]["host"] == target


async def test_a_host_that_can_be_no_name_is_told():
    async with connect_proxy() as proxy:
        with pytest.raises(ConnectionLost, match="no possible host name"):
            await open_tunnel(proxy.url, "ü" * 70, 443)


# --- credentials ----------------------------------------------------------------------------------------------------


async def test_credentials_of_the_address_are_sent_to_the_proxy():
    async with serve() as simulator, connect_proxy(("me", PASSWORD)) as proxy:
        url = f"{simulator.base_url}/realtime?model=gpt-realtime"

        assert '"session.created"' in await session_over(proxy.url_as("me", PASSWORD), url)


async def test_credentials_with_escapes_are_unescaped():
    async with serve() as simulator, connect_proxy(("m@e", "p:/ü")) as proxy:
        url = f"{simulator.base_url}/realtime?model=gpt-realtime"

        assert '"session.created"' in await session_over(proxy.url_as("m%40e", "p%3A%2F%C3%BC"), url)


@pytest.mark.parametrize(
    ("user", "said"), [(None, "wants credentials"), ("me:", "does not take the credentials")], ids=["none", "wrong"]
)
async def test_a_proxy_that_wants_other_credentials_says_407_and_where_they_go(user, said):
    async with connect_proxy(("me", PASSWORD)) as proxy:
        url = proxy.url if user is None else proxy.url_as("me", "wrong")
        error = await refused_by(url)

        assert said in str(error)
        assert "407" in str(error)
        assert "proxy='http://user:password@host:port'" in str(error)
        assert error.reason == "Proxy Authentication Required"


async def test_no_password_shows_in_errors_endpoints_or_logs(caplog):
    caplog.set_level(logging.DEBUG)
    async with connect_proxy(("me", "other")) as proxy:
        url = proxy.url_as("me", PASSWORD)
        error = await refused_by(url)

        shown = f"{error!r} {vars(error)} {error.__cause__!r} {Endpoint(url='ws://h', proxy=url)!r} {caplog.text}"
        assert PASSWORD not in shown
        assert "proxy='http://(not shown)@127.0.0.1" in shown


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "reason"), [(403, "Forbidden"), (502, "Bad Gateway"), (302, "Refused")])
async def test_a_refusal_is_a_lost_connection_with_the_proxys_status(status, reason):
    async with connect_proxy(refuse_with=status) as proxy:
        error = await refused_by(proxy.url)

        assert not isinstance(error, HandshakeRejected), "the server never heard of it"
        assert f"refused a tunnel to service.example:80 with HTTP status {status}" in str(error)
        assert error.reason == reason


async def test_what_a_proxy_says_is_kept_to_a_bound():
    body = b"\xffblocked by policy " + b"x" * 100_000
    answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    async with listening(answering(answer)) as port:
        error = await refused_by(f"http://127.0.0.1:{port}")

        assert error.reason.startswith("\N{REPLACEMENT CHARACTER}blocked by policy")
        assert len(error.reason) == limits.HANDSHAKE_BODY_MAX_BYTES


async def test_a_refusal_does_not_wait_for_words_that_never_come(monkeypatch):
    monkeypatch.setattr(proxy_module, "BODY_WAIT_S", 0.02)

    async def handle(stream):
        await answering(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nhalf")(stream)
        await stream.receive_some()

    async with listening(handle) as port:
        assert (await refused_by(f"http://127.0.0.1:{port}")).reason == "half"


@pytest.mark.parametrize(
    "answer",
    [b"", b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"HTTP/1.1 200", b"HTTP/1.1 200 X\r\nX: " + b"y" * 100_000, b"\xff" * 2000],
    ids=["nothing", "SSH", "half a line", "endless header", "noise"],
)
async def test_what_speaks_no_http_is_told_as_that(answer):
    async with listening(answering(answer)) as port:
        error = await refused_by(f"http://127.0.0.1:{port}")

        assert f"the proxy 127.0.0.1:{port} ended the connection, or it speaks no HTTP" in str(error)
        assert error.__cause__ is not None


async def test_a_refusal_that_breaks_off_is_still_a_refusal():
    async with listening(answering(b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")) as port:
        error = await refused_by(f"http://127.0.0.1:{port}")

        assert "HTTP status 403" in str(error)
        assert error.reason == "No"


async def test_a_proxy_may_say_something_before_its_answer():
    async with listening(answering(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\n\r\n")) as port:
        assert "HTTP status 403" in str(await refused_by(f"http://127.0.0.1:{port}"))


async def test_data_of_the_proxys_own_in_the_tunnel_is_not_taken_for_the_servers():
    async with listening(answering(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Switching\r\n\r\n")) as port:
        assert "sent data of its own" in str(await refused_by(f"http://127.0.0.1:{port}"))


async def test_a_proxy_that_is_not_there_is_named():
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()

    error = await refused_by(f"http://user:{PASSWORD}@127.0.0.1:{port}")

    assert str(error) == f"can't connect to the proxy 127.0.0.1:{port}: Connection refused"


async def test_a_proxy_that_never_answers_is_left_at_the_callers_deadline():
    before = open_sockets()
    async with connect_proxy(mute=True) as proxy:
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(carrier.connect, nursery, Endpoint(url="ws://service.example/v1", proxy=proxy.url))
                while not proxy.requests:  # noqa: ASYNC110 - the proxy has no event for it
                    await trio.sleep(0.001)
                nursery.cancel_scope.cancel()
        assert proxy.requests == ["service.example:80"]
    await all_closed(before)


async def test_a_whole_session_goes_through_the_proxy_of_its_settings():
    async with serve(SimulatorSettings(pace=INSTANT)) as simulator, connect_proxy(("me", PASSWORD)) as proxy:
        there = {"base_url": simulator.base_url, "proxy": proxy.url_as("me", PASSWORD)}
        async with open_session(config(client=there)) as session:
            await session.send(BidiTextInputEvent("hello"))
            events = session.receive()
            assert (await until(events, BidiResponseCompleteEvent)).stop_reason == "complete"
            assert proxy.open_tunnels == 1

        assert proxy.tunnelled_bytes > 0


async def test_a_proxy_that_never_answers_counts_against_the_connect_deadline():
    async with connect_proxy(mute=True) as proxy:
        settings = config(
            client={"base_url": "wss://service.example/v1", "proxy": proxy.url}, engine={"connect_deadline_s": 0.3}
        )
        with pytest.raises(DeadlinePassed) as caught:
            async with open_session(settings):
                pytest.fail("nobody answered")

        assert caught.value.deadline == "connect"
        assert proxy.requests == ["service.example:443"]


async def test_a_tunnel_that_is_cancelled_anywhere_leaves_no_socket():
    async def read(stream):
        while await stream.receive_some():
            pass

    async with listening(read) as port, connect_proxy() as proxy:
        before = open_sockets()

        async def run():
            await trio.aclose_forcefully(await open_tunnel(proxy.url, "127.0.0.1", port))

        number, reached = 0, True
        while reached:
            reached, _ = await cancelled_at(number, "me", run)
            await all_closed(before)
            number += 1
        assert number > 5


@pytest.mark.parametrize(("scheme", "port"), [("http", 80), ("https", 443)])
async def test_a_proxy_without_a_port_is_looked_for_at_the_usual_one(scheme, port):
    nowhere = "a" * 70 + ".invalid"

    assert f"can't connect to the proxy {nowhere}:{port}" in str(await refused_by(f"{scheme}://{nowhere}"))
