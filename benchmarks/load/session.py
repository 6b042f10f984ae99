"""One session of the load server: it answers by the protocol and follows the orders in the user's text.

Orders: `burst N [SECONDS]` (deltas at once; a ping each so many seconds, to be answered in that time), `talk N` (deltas
in real time), `hold N SECONDS` (deltas at once, whether they are read or not, and after that time the user speaks),
`listen BYTES` (answer when so much audio of the user has come), `tools N` (calls), `expire` (the end of the session's
life), `say` (words).
"""

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any, Final

import orjson
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from benchmarks.load.frames import Answer, calls, event
from benchmarks.load.pace import Pace
from benchmarks.load.settings import merged, settings
from benchmarks.load.tally import Tally

CHUNK_DELTAS: Final = 40
"""A quarter of a MiB at once."""

ORDER: Final = re.compile(r"\b(burst|talk|hold|listen|tools|expire|say)\b((?: [\d.]+)*)")
WORDS: Final = ("Let ", "me ", "tell ", "you ", "more.")

_EXPIRED: Final = {
    "type": "invalid_request_error",
    "code": "session_expired",
    "message": "Your session hit the maximum duration of 60 minutes.",
}


class Session(WSListener):  # type: ignore[misc]
    """One connection."""

    def __init__(self, number: int, tally: Tally, pace: Pace) -> None:
        super().__init__()
        self._number = number
        self._tally = tally
        self._pace = pace
        self._settings = settings(number)
        self._answers = 0
        self._answer: Answer | None = None
        self._metadata: Any = None
        self._order: tuple[str, list[float]] = ("say", [])
        self._left = 0
        self._awaited_bytes = 0
        self._outputs = self._calls = 0
        self._clean = self._ponged = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._writable = asyncio.Event()
        self._writable.set()
        self._kinds: dict[str, Callable[[dict[str, Any]], None]] = {
            "session.update": self._update,
            "conversation.item.create": self._item,
            "conversation.item.truncate": self._truncate,
            "response.create": self._create,
            "response.cancel": self._cancel,
            "input_audio_buffer.clear": lambda _: self._send(event("input_audio_buffer.cleared")),
        }

    # --- the connection

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._send = transport.underlying_transport.write
        self._tally.opened()
        self._send(event("session.created", session=self._settings))

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 - picows gives it
        for task in self._tasks:
            task.cancel()
        self._left = 0
        self._writable.set()
        self._tally.closed(clean=self._clean)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is not WSMsgType.TEXT:
            self._control(transport, frame)
            return
        self._tally.counts["messages"] += 1
        message = orjson.loads(frame.get_payload_as_memoryview())
        kind = message["type"]
        if kind == "input_audio_buffer.append":
            self._heard(len(message["audio"]) * 3 // 4)
        elif kind in self._kinds:
            self._kinds[kind](message)

    def _control(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            self._clean = True
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif frame.msg_type is WSMsgType.PONG:
            self._tally.counts["pongs"] += 1
            self._ponged = True

    def _begin(self, task: Any) -> None:
        made = asyncio.get_running_loop().create_task(task)
        self._tasks.add(made)
        made.add_done_callback(self._tasks.discard)

    # --- what the client says

    def _heard(self, size: int) -> None:
        self._tally.counts["appends"] += 1
        self._tally.counts["audio_bytes"] += size
        if self._awaited_bytes > 0:
            self._awaited_bytes -= size
            if self._awaited_bytes <= 0:
                self._tally.mark("speech_end")
                self._speech_ended()

    def _update(self, message: dict[str, Any]) -> None:
        self._settings = merged(self._settings, message["session"])
        self._send(event("session.updated", session=self._settings))

    def _item(self, message: dict[str, Any]) -> None:
        item = {"id": f"item_u{self._number}_{self._tally.counts['messages']}", "object": "realtime.item"}
        item |= {key: value for key, value in message["item"].items() if value is not None}
        if item["type"] == "function_call_output":
            self._outputs += 1
            self._tally.counts["outputs"] += 1
            self._tally.mark("output")
        elif item["type"] == "message" and item.get("role") == "user":
            self._read(item.get("content") or [])
        item["status"] = "completed"
        self._send(
            event("conversation.item.added", previous_item_id=None, item=item)
            + event("conversation.item.done", previous_item_id=None, item=item)
        )

    def _read(self, content: list[dict[str, Any]]) -> None:
        text = " ".join(part.get("text") or "" for part in content)
        if found := ORDER.search(text):
            self._order = (found[1], [float(number) for number in found[2].split()])

    def _truncate(self, message: dict[str, Any]) -> None:
        self._tally.counts["truncations"] += 1
        told = {key: message[key] for key in ("item_id", "content_index", "audio_end_ms")}
        self._send(event("conversation.item.truncated", **told))

    def _create(self, message: dict[str, Any]) -> None:
        if self._answer is not None:
            self._tally.counts["refused"] += 1
            self._refuse("conversation_already_has_active_response", "Conversation already has an active response")
            return
        self._tally.mark("asked")
        self._metadata = (message.get("response") or {}).get("metadata")
        (name, numbers), self._order = self._order, ("say", [])
        getattr(self, f"_do_{name}")(*numbers)

    def _cancel(self, _: dict[str, Any]) -> None:
        if self._answer is None:
            self._refuse("response_cancel_not_active", "Cancellation failed: no active response found")
            return
        self._tally.counts["cancelled"] += 1
        self._cut("client_cancelled")

    def _refuse(self, code: str, words: str) -> None:
        error = {"type": "invalid_request_error", "code": code, "message": words, "param": None, "event_id": None}
        self._send(event("error", error=error))

    # --- what the server says

    def _open(self) -> Answer:
        self._answer = self._new_answer()
        return self._answer

    def _new_answer(self) -> Answer:
        self._answers += 1
        metadata, self._metadata = self._metadata, None
        return Answer(f"{self._number:06d}_{self._answers:06d}", metadata)

    def _close(self, answer: Answer) -> None:
        if self._answer is answer:
            self._answer = None
            self._send(answer.closing())

    def _cut(self, reason: str) -> None:
        answer, self._answer, self._left = self._answer, None, 0
        if answer is not None:
            self._send(answer.cut(reason))

    def _do_say(self, *_: float) -> None:
        answer = self._open()
        self._send(answer.opening())
        if self._calls:
            self._send(answer.words(f"had {self._outputs} of {self._calls}"))
            self._begin(self._closed_later(answer, 0.02))
            return
        self._say(answer)

    def _say(self, answer: Answer) -> None:
        self._tally.mark("first")
        self._send(answer.words(WORDS[0]) + answer.delta())
        for word in WORDS[1:]:
            self._send(answer.words(word))
        self._tally.counts["deltas"] += 1
        self._close(answer)

    async def _closed_later(self, answer: Answer, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._close(answer)

    def _do_burst(self, deltas: float, ping_s: float = 0.0) -> None:
        self._begin(self._pour(int(deltas), self._open()))
        if ping_s:
            self._begin(self._ping(ping_s))

    async def _ping(self, interval_s: float) -> None:
        while not self._transport.is_disconnected:
            await asyncio.sleep(interval_s)
            self._ponged = False
            self._tally.counts["pings"] += 1
            self._transport.send_ping(b"there?")
            await asyncio.sleep(interval_s)
            if not self._ponged:
                self._tally.counts["given_up"] += 1
                self._transport.send_close(WSCloseCode.INTERNAL_ERROR, b"keepalive ping timeout")
                self._transport.disconnect()

    async def _pour(self, deltas: int, answer: Answer) -> None:
        self._send(answer.opening())
        began, waited_s = time.monotonic(), 0.0
        while deltas > 0 and self._answer is answer:
            chunk = min(deltas, CHUNK_DELTAS)
            self._send(b"".join([answer.delta() for _ in range(chunk)]))
            deltas -= chunk
            self._tally.counts["deltas"] += chunk
            before = time.monotonic()
            await asyncio.sleep(0)
            await self._writable.wait()
            waited_s += time.monotonic() - before
        self._tally.poured_s += time.monotonic() - began
        self._tally.waited_s += waited_s
        self._close(answer)

    def _do_talk(self, deltas: float) -> None:
        answer = self._open()
        self._left = int(deltas)
        self._send(answer.opening())
        self._pace.add(self)

    def speak(self) -> bool:
        """Send the next delta of `talk`."""
        answer = self._answer
        if answer is None or self._left <= 0:
            return False
        self._send(answer.delta())
        self._tally.counts["deltas"] += 1
        self._left -= 1
        if self._left == 0:
            self._close(answer)
        return self._left > 0

    def _do_hold(self, deltas: float, seconds: float) -> None:
        self._begin(self._hold(int(deltas), seconds, self._open()))

    async def _hold(self, deltas: int, seconds: float, answer: Answer) -> None:
        self._send(answer.opening() + b"".join([answer.delta() for _ in range(deltas)]))
        self._tally.counts["deltas"] += deltas
        await asyncio.sleep(seconds)
        self._tally.mark("interrupted")
        self._send(event("input_audio_buffer.speech_started", audio_start_ms=0, item_id=f"item_s{self._answers}"))
        self._cut("turn_detected")

    def _do_expire(self, *_: float) -> None:
        self._send(event("error", error={**_EXPIRED, "param": None, "event_id": None}))
        self._transport.send_close(WSCloseCode.GOING_AWAY)

    def _do_listen(self, size: float) -> None:
        self._say(self._open_and_tell())
        self._awaited_bytes = int(size)

    def _open_and_tell(self) -> Answer:
        answer = self._open()
        self._send(answer.opening())
        return answer

    def _speech_ended(self) -> None:
        item_id = f"item_v{self._number}_{self._answers}"
        content = [{"type": "input_audio", "transcript": None}]
        item = {"id": item_id, "object": "realtime.item", "type": "message", "role": "user", "content": content}
        item["status"] = "completed"
        self._send(
            event("input_audio_buffer.speech_started", audio_start_ms=0, item_id=item_id)
            + event("input_audio_buffer.speech_stopped", audio_end_ms=500, item_id=item_id)
            + event("input_audio_buffer.committed", previous_item_id=None, item_id=item_id)
            + event("conversation.item.added", previous_item_id=None, item=item)
            + event("conversation.item.done", previous_item_id=None, item=item)
        )
        self._say(self._open_and_tell())

    def _do_tools(self, number: float) -> None:
        self._calls, self._outputs = int(number), 0
        self._tally.mark("called")
        self._send(calls(self._new_answer(), self._calls))
