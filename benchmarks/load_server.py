"""A server that is never the limit: the frames of a whole run are made beforehand and poured into the socket.

Run as a process of its own: `python -m benchmarks.load_server`; it prints its port, serves one connection after the
other, and ends with its standard input.
"""

import base64
import contextlib
import json
import socket
import sys
import threading
from collections.abc import Iterator

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, Request, TextMessage

DELTA_BYTES = 4800
"""100 ms of PCM16 at 24 kHz."""

SESSION = {"type": "session.created", "event_id": "event_0", "session": {"type": "realtime", "id": "sess_1"}}


def events(count: int) -> Iterator[dict[str, object]]:
    """Make the events of one long spoken answer."""
    response = {"object": "realtime.response", "id": "resp_1", "status": "in_progress", "output": []}
    response |= {"status_details": None, "conversation_id": "conv_1", "usage": None, "metadata": None}
    yield {"type": "response.created", "event_id": "event_1", "response": response}
    audio = base64.b64encode(bytes(DELTA_BYTES)).decode()
    place = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
    for number in range(count):
        yield {"type": "response.output_audio.delta", "event_id": f"event_a{number}", **place, "delta": audio}
    yield {"type": "response.done", "event_id": "event_2", "response": response | {"status": "completed"}}


def blob(count: int) -> bytes:
    """Encode the answer as WebSocket frames."""
    connection = WSConnection(ConnectionType.SERVER)
    connection.receive_data(_REQUEST)
    for _ in connection.events():
        connection.send(AcceptConnection())
    return b"".join(connection.send(TextMessage(json.dumps(event))) for event in events(count))


_REQUEST = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def serve(client: socket.socket, answers: dict[int, bytes]) -> None:
    """Serve one connection: pour out as many deltas as the user's text asks for, swallow the rest."""
    connection = WSConnection(ConnectionType.SERVER)
    with client:
        while data := client.recv(2**16):
            connection.receive_data(data)
            for event in connection.events():
                if isinstance(event, Request):
                    client.sendall(connection.send(AcceptConnection()))
                    client.sendall(connection.send(TextMessage(json.dumps(SESSION))))
                elif isinstance(event, (Ping, CloseConnection)):
                    client.sendall(connection.send(event.response()))
                elif isinstance(event, TextMessage) and '"conversation.item.create"' in event.data:
                    client.sendall(answers[_asked(event.data)])
            if connection.state.name == "CLOSED":
                return


def _asked(text: str) -> int:
    return int(json.loads(text)["item"]["content"][0]["text"])


def main() -> None:
    """Serve until standard input ends."""
    counts = [int(argument) for argument in sys.argv[1:]] or [20_000]
    answers = {count: blob(count) for count in counts}
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)

    def accept() -> None:
        while True:
            client, _ = listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_quietly, args=(client, answers), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


def _quietly(client: socket.socket, answers: dict[int, bytes]) -> None:
    with contextlib.suppress(OSError):  # A client may leave when it likes.
        serve(client, answers)


if __name__ == "__main__":
    main()
