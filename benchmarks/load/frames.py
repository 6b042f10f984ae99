"""WebSocket frames of the service's events, made of templates: a delta costs a join, not an encoding."""

import base64
import math
import struct
import time
from array import array
from itertools import count
from typing import Any, Final

import orjson

DELTA_MS: Final = 100
DELTA_BYTES: Final = 4800
"""100 ms of PCM16 at 24 kHz."""

_STAMP: Final = struct.Struct("<qx")
"""`time.monotonic_ns()` in nine bytes, which are twelve characters of base64."""

_numbers = count(1)

USAGE: Final = {
    "total_tokens": 320,
    "input_tokens": 120,
    "output_tokens": 200,
    "input_token_details": {
        "text_tokens": 20,
        "audio_tokens": 100,
        "image_tokens": 0,
        "cached_tokens": 0,
        "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 40, "audio_tokens": 160},
}


def framed(message: bytes) -> bytes:
    """Put a server's text message into a frame."""
    size = len(message)
    if size < 126:
        return bytes((0x81, size)) + message
    if size < 2**16:
        return b"\x81\x7e" + size.to_bytes(2, "big") + message
    return b"\x81\x7f" + size.to_bytes(8, "big") + message


def event(type: str, **fields: Any) -> bytes:
    """Make the frame of an event."""
    return framed(orjson.dumps({"type": type, "event_id": f"event_{next(_numbers):010d}", **fields}))


def _speech() -> bytes:
    """A quiet tone of 100 ms without its first nine bytes, in base64."""
    tone = array("h", (int(2000 * math.sin(sample / 12)) for sample in range(DELTA_BYTES // 2)))
    return base64.b64encode(tone.tobytes()[_STAMP.size :])


_SPEECH: Final = _speech()
_EVENT: Final = b'{"type":"response.output_audio.delta","event_id":"event_'


class Answer:
    """One response with one spoken item, as the service tells it.

    Args:
        name: Tells responses apart, within and between sessions.
        metadata: What the client gave with its request; some find their response by it.
    """

    def __init__(self, name: str, metadata: Any = None) -> None:
        self._metadata = metadata
        self.id, self.item_id = f"resp_{name}", f"item_{name}"
        self.place = {"response_id": self.id, "item_id": self.item_id, "output_index": 0, "content_index": 0}
        place = orjson.dumps(self.place)[1:-1]
        self._rest = b'",' + place + b',"delta":"'
        size = len(_EVENT) + 10 + len(self._rest) + 12 + len(_SPEECH) + 2
        self._head = b"\x81\x7e" + size.to_bytes(2, "big") + _EVENT
        self._words: list[str] = []

    def delta(self) -> bytes:
        """Make the next 100 ms, with this moment's stamp."""
        stamp = base64.b64encode(_STAMP.pack(time.monotonic_ns()))
        return b"".join((self._head, b"%010d" % next(_numbers), self._rest, stamp, _SPEECH, b'"}'))

    def words(self, text: str) -> bytes:
        """Make the transcript's next words."""
        self._words.append(text)
        return event("response.output_audio_transcript.delta", **self.place, delta=text)

    def body(self, status: str, output: list[Any], **more: Any) -> dict[str, Any]:
        """Make the response's own object."""
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": None,
            "output": output,
            "conversation_id": "conv_1",
            "output_modalities": ["audio"],
            "max_output_tokens": "inf",
            "audio": {"output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "alloy"}},
            "usage": None,
            "metadata": self._metadata,
            **more,
        }

    def item(self, status: str, content: list[Any]) -> dict[str, Any]:
        """Make the spoken item's object."""
        return {
            "id": self.item_id,
            "object": "realtime.item",
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": content,
        }

    def opening(self) -> bytes:
        """Make what comes before the first delta."""
        item = self.item("in_progress", [])
        return b"".join(
            (
                event("response.created", response=self.body("in_progress", [])),
                event("response.output_item.added", response_id=self.id, output_index=0, item=item),
                event("conversation.item.added", previous_item_id=None, item=item),
                event("response.content_part.added", **self.place, part={"type": "audio", "transcript": ""}),
            )
        )

    def closing(self) -> bytes:
        """Make what comes after the last delta."""
        said = "".join(self._words)
        item = self.item("completed", [{"type": "output_audio", "transcript": said}])
        return b"".join(
            (
                event("response.output_audio.done", **self.place),
                event("response.output_audio_transcript.done", **self.place, transcript=said),
                event("response.content_part.done", **self.place, part={"type": "audio", "transcript": said}),
                event("conversation.item.done", previous_item_id=None, item=item),
                event("response.output_item.done", response_id=self.id, output_index=0, item=item),
                event("response.done", response=self.body("completed", [item], usage=USAGE)),
            )
        )

    def cut(self, reason: str) -> bytes:
        """Make the end of a response that was cut off: `turn_detected` or `client_cancelled`."""
        item = self.item("incomplete", [{"type": "output_audio", "transcript": "".join(self._words)}])
        details = {"type": "cancelled", "reason": reason}
        body = self.body("cancelled", [item], usage=USAGE, status_details=details)
        return b"".join(
            (
                event("response.output_audio.done", **self.place),
                event("response.output_item.done", response_id=self.id, output_index=0, item=item),
                event("conversation.item.done", previous_item_id=None, item=item),
                event("response.done", response=body),
            )
        )


def calls(answer: Answer, number: int) -> bytes:
    """Make a response of that many function calls, whole."""
    frames = [event("response.created", response=answer.body("in_progress", []))]
    items = []
    for index in range(number):
        item = {
            "id": f"{answer.item_id}_{index}",
            "object": "realtime.item",
            "type": "function_call",
            "call_id": f"call_{answer.id[5:]}_{index}",
            "name": "look_up",
        }
        arguments = f'{{"key":"k{index}"}}'
        begun = {**item, "status": "in_progress", "arguments": ""}
        done = {**item, "status": "completed", "arguments": arguments}
        place = {"response_id": answer.id, "item_id": item["id"], "output_index": index, "call_id": item["call_id"]}
        frames += [
            event("response.output_item.added", response_id=answer.id, output_index=index, item=begun),
            event("conversation.item.added", previous_item_id=None, item=begun),
            event("response.function_call_arguments.delta", **place, delta=arguments),
            event("response.function_call_arguments.done", **place, name="look_up", arguments=arguments),
            event("conversation.item.done", previous_item_id=None, item=done),
            event("response.output_item.done", response_id=answer.id, output_index=index, item=done),
        ]
        items.append(done)
    frames.append(event("response.done", response=answer.body("completed", items, usage=USAGE)))
    return b"".join(frames)
