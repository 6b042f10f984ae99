"""What the peers' clients share: the session's settings, trust in the test's certificate, and who owes tool results."""

import asyncio
import functools
import os
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator

import pybase64

INSTRUCTIONS = "You are a helpful assistant."
MODEL = "gpt-realtime"
TOOL = "look_up"
KEY = "sk-benchmark"
TURN_DETECTION = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500}
PCM = {"type": "audio/pcm", "rate": 24000}

TOOLS = [
    {
        "type": "function",
        "name": TOOL,
        "description": "Look up what is known under a key.",
        "parameters": {"type": "object", "properties": {"key": {"type": "string"}}},
    }
]

SESSION = {
    "type": "realtime",
    "instructions": INSTRUCTIONS,
    "output_modalities": ["audio"],
    "audio": {
        "input": {"format": PCM, "turn_detection": TURN_DETECTION},
        "output": {"format": PCM, "voice": "alloy"},
    },
    "tools": TOOLS,
}
"""What each session is asked for, where the library has no settings of its own."""

decode = functools.partial(pybase64.b64decode, validate=True)
"""All clients whose library gives base64 decode it with the same function, the fastest there is."""

encode = pybase64.b64encode_as_string


def trust(ca: str | None) -> None:
    """Have OpenSSL's defaults trust the test's authority: for libraries that take no context."""
    if ca:
        os.environ["SSL_CERT_FILE"] = ca


@functools.cache
def context(ca: str) -> ssl.SSLContext:
    """Make the one TLS context of the process: for libraries that take one."""
    return ssl.create_default_context(cafile=ca)


def message(text):
    """Make the item of a user's text message."""
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


class Owed:
    """Says when the one `response.create` after a response's tool calls is due: all are answered, and it is done."""

    def __init__(self):
        self._calls = set()
        self._due = False
        self._active = False

    def began(self):
        self._active = True

    def called(self, call_id):
        self._calls.add(call_id)
        self._due = True

    def answered(self, call_id):
        self._calls.discard(call_id)
        return self._take()

    def ended(self):
        self._active = False
        return self._take()

    def _take(self):
        take = self._due and not self._calls and not self._active
        self._due = self._due and not take
        return take


class Answers:
    """Tool results on their way from `give` to a tool that the library runs."""

    def __init__(self):
        self._futures = {}

    def _of(self, call_id):
        if call_id not in self._futures:
            self._futures[call_id] = asyncio.get_running_loop().create_future()
        return self._futures[call_id]

    async def wait(self, call_id):
        answer = await self._of(call_id)
        del self._futures[call_id]
        return answer

    def give(self, call_id, output):
        self._of(call_id).set_result(output)


class Mailbox:
    """A deque that one task waits for: what libraries that call back put their events into."""

    def __init__(self):
        self.kept = deque()
        self._waiter = None
        self._closed = False

    def put(self, event):
        self.kept.append(event)
        self._wake()

    def interrupt(self):
        """Tell of the interruption at once, and drop the audio and words that it makes stale."""
        left = [event for event in self.kept if event[0] not in ("audio", "text")]
        self.kept.clear()
        self.kept.extend([("interrupted", time.monotonic_ns()), *left])
        self._wake()

    def close(self):
        self._closed = True
        self._wake()

    def _wake(self):
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def __aiter__(self) -> AsyncIterator[tuple[str, object]]:
        kept = self.kept
        while True:
            while kept:
                yield kept.popleft()
            if self._closed:
                return
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
