"""A call without a telephone: a carrier and a service that are not there, on virtual time, and the leg between them."""

import json
import logging
import sys

import pybase64
import trio
import trio.testing
from leg import PACKET_MS, Leg
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream, wrap_server_stream

from engine import ClientSettings
from engine.audio.g711 import encode, mu_law
from engine.audio.pcm import silence, tone
from engine.simulator import Call, Say, Script, serve
from engine.testing import in_memory

SCRIPT = Script.of(
    Say("We are open from nine to five, and on Saturdays until noon, but not in August, and never on a Sunday."),
    Say("Press one to order, or two to end the call."),
    Call("hang_up"),
    Say("Goodbye!"),
    transcripts=["When are you open?", "Thank you, and now?"],
)
VOICE = encode(mu_law(), tone(200, 600, rate_hz=8000))
NOTHING = encode(mu_law(), silence(PACKET_MS, rate_hz=8000))


class Carrier:
    """The other end of the stream: a caller's microphone, and a line that plays what it is given."""

    def __init__(self, socket: WebSocketConnection) -> None:
        self._socket = socket
        self._says = b""
        self._holds: list[bytes] = []
        self.played = self.dropped = self.most = 0

    async def call(self) -> None:
        """Ask, cut in, press a key, and wait until the other side has hung up."""
        media = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        await self._tell("connected", protocol="Call", version="1.0.0")
        await self._tell("start", start={"mediaFormat": media})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._telephone)
            nursery.start_soon(self._receive, nursery.cancel_scope)
            await trio.sleep(1)
            self._says = VOICE
            await trio.sleep(5.05)
            self._says = VOICE
            await trio.sleep(8)
            await self._tell("dtmf", dtmf={"digit": "2"})

    async def _telephone(self) -> None:
        """Hear and play a packet every 20 ms."""
        began = trio.current_time() + PACKET_MS / 2000
        for number in range(10**6):
            await trio.sleep_until(began + number * PACKET_MS / 1000)
            packet, self._says = self._says[: len(NOTHING)] or NOTHING, self._says[len(NOTHING) :]
            await self._tell("media", media={"payload": pybase64.b64encode(packet).decode()})
            self.played += bool(self._holds)
            del self._holds[:1]

    async def _receive(self, call: trio.CancelScope) -> None:
        try:
            while True:
                message = json.loads(await self._socket.get_message())
                match message["event"]:
                    case "media":
                        self._holds.append(pybase64.b64decode(message["media"]["payload"]))
                        self.most = max(self.most, len(self._holds))
                    case "clear":
                        self.dropped += len(self._holds)
                        self._holds.clear()
                    case "mark":
                        await self._tell("mark", mark=message["mark"])
        except ConnectionClosed:
            call.cancel()

    async def _tell(self, event: str, **fields: object) -> None:
        await self._socket.send_message(json.dumps({"event": event, "streamSid": "MZ1", **fields}))


async def main() -> None:
    """Make one call, and tell how it went."""
    ours, carriers = trio.testing.memory_stream_pair()
    async with serve(responder_factory=SCRIPT.responder, host=None) as simulator, trio.open_nursery() as nursery:

        async def answer() -> None:
            request = await wrap_server_stream(nursery, ours)
            client = ClientSettings(api_key="any-text")
            await Leg(await request.accept(), connector=in_memory(simulator), client=client).run()

        nursery.start_soon(answer)
        carrier = Carrier(await wrap_client_stream(nursery, carriers, "carrier.example", "/media"))
        await carrier.call()

        (cut,) = (each.event for each in simulator.sessions[0].received if each.type == "conversation.item.truncate")
        print(f"{carrier.played * PACKET_MS / 1000:.1f} s played, {carrier.most} packets held at most")
        print(f"the caller cut in after {cut['audio_end_ms'] / 1000:.1f} s of the first answer")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    logging.getLogger("engine").setLevel(logging.WARNING)
    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
