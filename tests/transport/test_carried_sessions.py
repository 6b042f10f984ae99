"""Whole sessions over both transports of the network, on real sockets, with TLS and without; and over memory."""

import contextlib
import ssl
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
import trio.testing
import trustme
from carriers import NAMES
from rooms import ANSWERS, config, converse, open_sockets, session_created, simulated, text_delta, until
from websocket_by_hand import OK, accept_key, read_request
from websockets.frames import Opcode
from websockets.protocol import Protocol, Side

from engine.errors import ConnectionLost
from engine.events import BidiResponseCompleteEvent, BidiTextInputEvent, BidiTranscriptStreamEvent
from engine.session import open_session
from engine.simulator import serve
from engine.simulator.settings import INSTANT, SimulatorSettings
from engine.transport import network

CA = trustme.CA()


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@asynccontextmanager
async def secured(simulator):
    """Serve a simulator over TLS; give its address, and what trusts it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    CA.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    CA.configure_trust(trusting)

    async def handle(stream):
        over_tls = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        try:
            await simulator.serve_stream(over_tls)
        except trio.BrokenResourceError:
            pass
        finally:
            await trio.aclose_forcefully(over_tls)

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, host="127.0.0.1"), handle, 0)
        yield f"wss://127.0.0.1:{listener.socket.getsockname()[1]}/v1", trusting
        nursery.cancel_scope.cancel()


async def test_a_conversation_over_tcp(name):
    async with simulated(*ANSWERS, tcp=True) as (_, client, _):
        before = open_sockets()
        async with open_session(config(client=client, engine={"transport": name})) as session:
            await converse(session)
        with trio.fail_after(30):
            while open_sockets() > before:  # noqa: ASYNC110 - the server's end goes a moment later
                await trio.sleep(0.001)


async def test_a_conversation_over_tls(name):
    async with serve(SimulatorSettings(pace=INSTANT), host=None) as simulator, secured(simulator) as (url, trusting):
        client = {"base_url": url, "ssl_context": trusting}
        async with open_session(config(client=client, engine={"transport": name})) as session:
            before = session.statistics().transport
            for number in range(3):
                await session.send(BidiTextInputEvent(f"number {number}"))
                assert (await until(session.receive(), BidiResponseCompleteEvent)).stop_reason == "complete"
                await session.send_audio(b"\1\0" * 24_000)
            await trio.sleep(0.05)
            after = session.statistics().transport
            assert after.bytes_sent - before.bytes_sent > 3 * 48_000
            assert after.bytes_received > before.bytes_received


async def test_a_session_whose_server_goes_away_says_so(name):
    async with simulated(tcp=True) as (simulator, client, _):
        settings = config(client=client, engine={"transport": name})
        async with open_session(settings) as session, trio.open_nursery() as nursery:
            nursery.start_soon(simulator.disconnect_all)
            with trio.fail_after(30), pytest.raises(ConnectionLost) as caught:
                async for _ in session.receive():
                    pass
        assert caught.value.code == 1001


class Talkative:
    """A service that says more than the inbox holds, pings like the real one, and answers pings."""

    def __init__(self, stream, messages):
        self._stream = stream
        self._messages = messages
        self._server = Protocol(Side.SERVER)
        self._writing = trio.Lock()
        self.pongs = 0

    async def run(self):
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._stream.send_all(OK % accept_key(await read_request(self._stream)) + b"\r\n")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen)
                for message in self._messages:
                    self._server.send_text(message.encode())
                    await self._flush()
                while True:
                    await trio.sleep(20)
                    self._server.send_ping(b"service")
                    await self._flush()

    async def _listen(self):
        while data := await self._stream.receive_some():
            self._server.receive_data(data)
            self.pongs += sum(frame.opcode is Opcode.PONG for frame in self._server.events_received())
            await self._flush()
        await self._stream.aclose()

    async def _flush(self):
        async with self._writing:
            for data in filter(None, self._server.data_to_send()):
                await self._stream.send_all(data)


async def test_while_the_inbox_is_full_the_services_pings_are_answered(name, autojump_clock):
    """By the task that reads on one transport; on the other by our own pings, which read when nobody else does."""
    patience = {"inbox_overflow": "wait", "inbox_max_bytes": 2**16, "ping_interval_s": 5.0}
    words = [text_delta(f"{number} " + "x" * 2000) for number in range(40)]
    async with trio.open_nursery() as nursery:
        ours, theirs = trio.testing.memory_stream_pair()
        service = Talkative(theirs, [session_created(), *words])
        nursery.start_soon(service.run)

        async def connect(nursery, endpoint):
            return await network.wrap(nursery, ours, endpoint, transport=name)

        async with open_session(config(engine=patience), connector=connect) as session:
            await trio.sleep(70)
            assert service.pongs >= 2, "the service pings every 20 s, and ends what does not answer"
            assert not session.statistics().inbox.dropped_audio
            got, events = [], session.receive()
            while len(got) < len(words):
                event = await anext(events)
                if isinstance(event, BidiTranscriptStreamEvent):
                    got.append(event.text.split()[0])
            assert got == [str(number) for number in range(40)]
        nursery.cancel_scope.cancel()
