"""A session talks to nobody whose certificate is not in order: it says why, sends no key, and leaves nothing."""

import ipaddress
import ssl
import tempfile
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import trio
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fault_proxy import until
from rooms import KEY, config, open_sockets, tasks
from rough_talks import ANSWERS, CLOCK, QUICK, check_all_arrived, hold

import engine
from engine.simulator import Script, serve

CA = trustme.CA()
NOW = datetime.now(UTC)
HOST = "127.0.0.1"


def issued(*names, days_from=-1, days_to=1):
    """Make a certificate of the CA that the client trusts."""
    span = {"not_before": NOW + timedelta(days=days_from), "not_after": NOW + timedelta(days=days_to)}
    return CA.issue_cert(*names, **span).configure_cert


def signed_by_itself(context):
    """Load a certificate that nobody vouches for but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "certificate.pem"
        path.write_bytes(private + certificate.public_bytes(encoding))
        context.load_cert_chain(path)


BAD = {
    "wrong host name": (issued("example.org"), "IP address mismatch"),
    "wrong address": (issued("127.0.0.2"), "IP address mismatch"),
    "expired": (issued(HOST, days_from=-20, days_to=-10), "certificate has expired"),
    "not valid yet": (issued(HOST, days_from=10, days_to=20), "certificate is not yet valid"),
    "self-signed": (signed_by_itself, "self-signed certificate"),
    "of a CA that is not trusted": (trustme.CA().issue_cert(HOST).configure_cert, "unable to get local issuer"),
}
bad_ones = pytest.mark.parametrize(("load", "why"), BAD.values(), ids=BAD)


class TlsServer:
    """A simulator behind TLS.

    Attributes:
        base_url: For clients.
        simulator: It.
        heard: Bytes of clients that came through TLS.
    """

    def __init__(self, simulator, context):
        self.simulator = simulator
        self.base_url = ""
        self.heard = 0
        self._context = context

    async def serve(self, stream):
        secured = trio.SSLStream(stream, self._context, server_side=True, https_compatible=True)
        try:
            await secured.do_handshake()
            await self.simulator.serve_stream(Counted(secured, self))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            await trio.aclose_forcefully(stream)


class Counted(trio.abc.HalfCloseableStream):
    """Counts what is heard."""

    def __init__(self, stream, server):
        self._stream = stream
        self._server = server

    async def receive_some(self, max_bytes=None):
        data = await self._stream.receive_some(max_bytes)
        self._server.heard += len(data)
        return data

    async def send_all(self, data):
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self):
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self):
        raise NotImplementedError

    async def aclose(self):
        await self._stream.aclose()


@asynccontextmanager
async def secured(load, *, answers=(), oldest=None):
    """Give a server with this certificate; at its end no task and no socket is left."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    load(context)
    if oldest is not None:
        context.minimum_version = context.maximum_version = oldest
    sockets, living = open_sockets(), tasks()
    async with serve(QUICK, Script.of(*answers).responder, host=None) as simulator, trio.open_nursery() as nursery:
        server = TlsServer(simulator, context)
        [listener] = await nursery.start(partial(trio.serve_tcp, host=HOST), server.serve, 0)
        server.base_url = f"wss://{HOST}:{listener.socket.getsockname()[1]}/v1"
        base = tasks()
        with trio.fail_after(20):
            yield server
            await until(lambda: tasks() <= base)  # the servers of clients that are gone
        nursery.cancel_scope.cancel()
    assert (open_sockets(), tasks()) == (sockets, living)


@pytest.fixture(scope="module")
def trusting():
    context = ssl.create_default_context()
    CA.configure_trust(context)
    return context


def client(server, trusting):
    return {"base_url": server.base_url, "ssl_context": trusting}


async def test_a_good_certificate_carries_a_whole_talk(trusting):
    async with secured(issued(HOST), answers=ANSWERS) as server:
        async with engine.open_session(config(client=client(server, trusting), tools=[CLOCK])) as session:
            await hold(session)
        check_all_arrived(server.simulator.sessions[0])
        assert server.simulator.sessions[0].close_code == 1000


@bad_ones
async def test_open_session_refuses_a_bad_certificate_before_it_sends_anything(load, why, trusting):
    async with secured(load) as server:
        before = open_sockets()
        with pytest.raises(engine.ConnectionLost, match=why) as caught:
            async with engine.open_session(config(client=client(server, trusting))):
                raise AssertionError("it opened")
        assert open_sockets() - before <= 1, "the server's own may be left for a moment"
        assert server.heard == 0
        assert KEY not in f"{caught.value!s}{caught.value!r}{caught.value.__cause__!r}"


@bad_ones
async def test_the_facade_refuses_a_bad_certificate_and_can_be_started_again(load, why, trusting):
    async with secured(load) as server:
        settings = {"api_key": KEY, **client(server, trusting)}
        model = engine.BidiOpenAIRealtimeModel(client_config=settings)
        living = tasks()
        for _ in range(2):
            with pytest.raises(engine.ConnectionLost, match=why):
                await model.start()
            with pytest.raises(engine.NotStarted):
                await model.send(engine.BidiTextInputEvent("are you there?"))
        await model.stop()
        await until(lambda: tasks() <= living)
        assert server.heard == 0


async def test_the_machines_own_certificates_do_not_vouch_for_a_local_ca():
    async with secured(issued(HOST)) as server:
        with pytest.raises(engine.ConnectionLost, match="certificate verify failed"):
            async with engine.open_session(config(client={"base_url": server.base_url})):
                raise AssertionError("it opened")
        assert server.heard == 0


async def test_a_server_of_an_old_tls_is_refused(trusting):
    with pytest.warns(DeprecationWarning, match=r"TLSVersion\.TLSv1"):  # noqa: PT031 - it is the settings that warn
        async with secured(issued(HOST), oldest=ssl.TLSVersion.TLSv1_1) as server:
            with pytest.raises(engine.ConnectionLost, match=r"TLS with 127\.0\.0\.1"):
                async with engine.open_session(config(client=client(server, trusting))):
                    raise AssertionError("it opened")
            assert server.heard == 0


async def test_a_server_that_falls_silent_in_the_tls_handshake_passes_the_connect_deadline(trusting):
    async def silent(_):
        await trio.sleep_forever()

    sockets = open_sockets()
    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, host=HOST), silent, 0)
        where = {"base_url": f"wss://{HOST}:{listener.socket.getsockname()[1]}/v1", "ssl_context": trusting}
        with trio.fail_after(20), pytest.raises(engine.DeadlinePassed) as caught:
            async with engine.open_session(config(client=where, engine={"connect_deadline_s": 0.1})):
                raise AssertionError("it opened")
        assert caught.value.deadline == "connect"
        nursery.cancel_scope.cancel()
    assert open_sockets() == sockets
