"""Servers that repeat whatever secret they were told, in every place where a client could show it."""

import json
from contextlib import asynccontextmanager
from functools import partial

import trio
from trio_websocket import ConnectionClosed, serve_websocket


def told(request):
    """What the client told: its headers and the path, as one text."""
    headers = "; ".join(f"{name.decode()}: {value.decode()}" for name, value in request.headers)
    return f"{request.path} {headers}"


def event(event_type, **fields):
    return json.dumps({"type": event_type, "event_id": "event_1", **fields})


def echoes(secret):
    """Events that hold it in every kind of place: values, names, types, ids, words, speech that is none, and junk."""
    place = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
    error = {
        "type": "invalid_request_error",
        "code": secret[:200],
        "message": f"Incorrect API key: {secret}",
        "param": secret,
    }
    message = {"type": "message", "id": "i", "role": "user", "content": [{"type": "input_text", "text": secret}]}
    call = {
        "type": "function_call",
        "id": "c",
        "call_id": "c",
        "name": "tool",
        "arguments": secret,
        "status": "completed",
    }
    failed = {
        "id": "r",
        "status": "failed",
        "status_details": {"type": "failed", "error": {"message": secret, "code": "x"}},
    }
    yield event("error", error=error)
    yield event("error", error={**error, "code": None, "event_id": secret})
    yield event(secret)
    yield event("rate_limits.updated", rate_limits=[], **{secret: 1})
    yield event("session.updated", session={"type": "realtime", "instructions": secret, "model": secret})
    yield event("conversation.item.added", item=message)
    yield event("response.output_text.delta", delta=secret, **place)
    yield event("response.output_text.done", text=secret, **place)
    yield event("response.output_item.done", response_id="r", output_index=0, item=call)
    yield event("conversation.item.input_audio_transcription.failed", item_id="i", content_index=0, error=error)
    yield event("session.output_transcript.delta", delta=secret)
    yield event("response.done", response=failed)
    yield "no JSON at all: " + secret
    yield '{"type": 5, "said": "' + secret + '"}'


async def repeats(request, *, first=(), code=4001, events=True):
    """Take the client in, say it all, and close with a reason that says it too."""
    secret = told(request)
    connection = await request.accept()
    try:
        for message in first:
            await connection.send_message(message)
        for message in echoes(secret) if events else ():
            await connection.send_message(message)
        with trio.move_on_after(0.1):
            while True:
                await connection.get_message()
        await connection.aclose(code, secret.rpartition("Bearer ")[2][:110])
    except ConnectionClosed:
        return


async def refuses(request, *, status=401):
    """Refuse the upgrade, with what was told in the body and a header."""
    secret = told(request)
    body = json.dumps({"error": {"message": f"Incorrect API key provided: {secret}", "code": "invalid_api_key"}})
    await request.reject(status, extra_headers=[(b"x-echo", secret.encode())], body=body.encode())


@asynccontextmanager
async def websocket_server(handle, ssl_context=None):
    """Serve on the loopback; gives the base URL."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(serve_websocket, handle, "127.0.0.1", 0, ssl_context)
        scheme = "ws" if ssl_context is None else "wss"
        yield f"{scheme}://127.0.0.1:{listeners.port}/v1"
        nursery.cancel_scope.cancel()


async def _answer(stream, make):
    async with stream:
        head = b""
        while b"\r\n\r\n" not in head:
            data = await stream.receive_some(65536)
            if not data:
                return
            head += data
        await stream.send_all(make(head))
        with trio.move_on_after(0.1):
            await stream.receive_some()


@asynccontextmanager
async def raw_server(make):
    """Answer each connection's first request with the bytes that `make` makes of it; gives host and port."""
    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, partial(_answer, make=make), 0, host="127.0.0.1"))
        yield f"127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


def flat(head):
    """Give a request's head on one line."""
    return head.replace(b"\r\n", b" | ")


GARBAGE = {
    "no HTTP": lambda head: b"You said: " + flat(head),
    "a bad header": lambda head: b"HTTP/1.1 101 Switching\r\n" + flat(head).replace(b":", b" ") + b"\r\n\r\n",
    "a bad status": lambda head: b"HTTP/1.1 4x1 " + flat(head) + b"\r\n\r\n",
    "a reason": lambda head: b"HTTP/1.1 403 " + flat(head) + b"\r\ncontent-length: 0\r\n\r\n",
    "a body": lambda head: b"HTTP/1.1 401 No\r\ncontent-length: %d\r\n\r\n" % len(head) + head,
    "a body that never ends": lambda head: b"HTTP/1.1 401 No\r\n\r\n" + head,
    "a wrong upgrade": lambda head: b"HTTP/1.1 101 Yes\r\nupgrade: websocket\r\nx-said: " + flat(head) + b"\r\n\r\n",
    "frames at once": lambda head: b"HTTP/1.1 200 OK\r\n\r\n\x81\x05hello" + head,
}
