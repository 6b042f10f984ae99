"""Server events as plain dictionaries, in the order of the real service, for scripts."""

import base64
import itertools
import json
from typing import Any

Json = dict[str, Any]

CONVERSATION = "conv_1"
_numbers = itertools.count(1)


def event(kind: str, /, **fields: Any) -> Json:
    return {"type": kind, "event_id": f"event_{next(_numbers)}", **fields}


def audio(number: int, milliseconds: int = 100) -> str:
    """Give base64 of PCM16 whose samples all are `number`."""
    return base64.b64encode(number.to_bytes(2, "little") * 24 * milliseconds).decode()


def session(**changes: Any) -> Json:
    turns = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500}
    pcm = {"type": "audio/pcm", "rate": 24000}
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": "sess_1",
        "model": "gpt-realtime",
        "output_modalities": ["audio"],
        "instructions": "",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": 1756324625,
        "audio": {
            "input": {
                "format": pcm,
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": turns
                | {"idle_timeout_ms": None, "create_response": True, "interrupt_response": True},
            },
            "output": {"format": pcm, "voice": "alloy", "speed": 1.0},
        },
        "include": None,
    } | changes


def user_text(item_id: str, text: str, after: str | None = None) -> list[Json]:
    content = [{"type": "input_text", "text": text}]
    item = {"id": item_id, "type": "message", "status": "completed", "role": "user", "content": content}
    return added_and_done(item, after)


def added_and_done(item: Json, after: str | None) -> list[Json]:
    kinds = ("conversation.item.added", "conversation.item.done")
    return [event(kind, previous_item_id=after, item=item) for kind in kinds]


def usage(**numbers: int) -> Json:
    text_in, audio_in = numbers.get("text_in", 20), numbers.get("audio_in", 0)
    image_in, cached = numbers.get("image_in", 0), numbers.get("cached", 0)
    text_out, audio_out = numbers.get("text_out", 7), numbers.get("audio_out", 0)
    tokens_in, tokens_out = text_in + audio_in + image_in, text_out + audio_out
    cached_details = {"text_tokens": cached, "audio_tokens": 0, "image_tokens": 0}
    return {
        "total_tokens": tokens_in + tokens_out,
        "input_tokens": tokens_in,
        "output_tokens": tokens_out,
        "input_token_details": {
            "text_tokens": text_in,
            "audio_tokens": audio_in,
            "image_tokens": image_in,
            "cached_tokens": cached,
            "cached_tokens_details": cached_details,
        },
        "output_token_details": {"text_tokens": text_out, "audio_tokens": audio_out},
    }


def response(response_id: str, status: str, **fields: Any) -> Json:
    pcm = {"type": "audio/pcm", "rate": 24000}
    return {
        "object": "realtime.response",
        "id": response_id,
        "status": status,
        "status_details": None,
        "output": [],
        "conversation_id": CONVERSATION,
        "output_modalities": ["audio"],
        "max_output_tokens": "inf",
        "audio": {"output": {"format": pcm, "voice": "alloy"}},
        "usage": None,
        "metadata": None,
    } | fields


def created(response_id: str) -> Json:
    return event("response.created", response=response(response_id, "in_progress"))


def done(response_id: str, *output: Json, status: str = "completed", **fields: Any) -> Json:
    fields.setdefault("usage", usage())
    return event("response.done", response=response(response_id, status, output=list(output), **fields))


def limits() -> Json:
    row = {"name": "tokens", "limit": 15000000, "remaining": 14999716, "reset_seconds": 0.001}
    return event("rate_limits.updated", rate_limits=[row])


def written_answer(response_id: str, item_id: str, *pieces: str, after: str | None = None) -> list[Json]:
    """A whole response in text."""
    text = "".join(pieces)
    place = {"response_id": response_id, "item_id": item_id, "output_index": 0, "content_index": 0}
    begun = {"id": item_id, "type": "message", "status": "in_progress", "role": "assistant", "content": []}
    item = begun | {"status": "completed", "content": [{"type": "output_text", "text": text}]}
    return [
        created(response_id),
        event("response.output_item.added", response_id=response_id, output_index=0, item=begun),
        event("conversation.item.added", previous_item_id=after, item=begun),
        event("response.content_part.added", **place, part={"type": "text", "text": ""}),
        *(event("response.output_text.delta", **place, delta=piece) for piece in pieces),
        event("response.output_text.done", **place, text=text),
        event("response.content_part.done", **place, part={"type": "text", "text": text}),
        event("conversation.item.done", previous_item_id=after, item=item),
        event("response.output_item.done", response_id=response_id, output_index=0, item=item),
        done(response_id, item),
        limits(),
    ]


class Spoken:
    """A response in audio, in parts, so that a script can stop in the middle of it."""

    def __init__(self, response_id: str, item_id: str, *pieces: str, after: str | None = None) -> None:
        self.response_id = response_id
        self._after = after
        self._pieces = pieces
        self._place = {"response_id": response_id, "item_id": item_id, "output_index": 0, "content_index": 0}
        self._begun = {"id": item_id, "type": "message", "status": "in_progress", "role": "assistant", "content": []}

    def beginning(self) -> list[Json]:
        return [
            created(self.response_id),
            event("response.output_item.added", response_id=self.response_id, output_index=0, item=self._begun),
            event("conversation.item.added", previous_item_id=self._after, item=self._begun),
            event("response.content_part.added", **self._place, part={"type": "audio", "transcript": ""}),
        ]

    def delta(self, number: int) -> list[Json]:
        piece, sound = self._pieces[number], audio(number + 1)
        return [
            event("response.output_audio_transcript.delta", **self._place, delta=piece),
            event("response.output_audio.delta", **self._place, delta=sound),
        ]

    def deltas(self) -> list[Json]:
        return [each for number in range(len(self._pieces)) for each in self.delta(number)]

    def ending(self, heard: int | None = None, status: str = "completed", **fields: Any) -> list[Json]:
        """End it after `heard` pieces."""
        words = "".join(self._pieces[:heard])
        item_status = "completed" if status == "completed" else "incomplete"
        item = self._begun | {"status": item_status, "content": [{"type": "output_audio", "transcript": words}]}
        return [
            event("response.output_audio.done", **self._place),
            event("response.output_audio_transcript.done", **self._place, transcript=words),
            event("response.content_part.done", **self._place, part={"type": "audio", "transcript": words}),
            event("conversation.item.done", previous_item_id=self._after, item=item),
            event("response.output_item.done", response_id=self.response_id, output_index=0, item=item),
            done(self.response_id, item, status=status, **fields),
            limits(),
        ]

    def whole(self) -> list[Json]:
        return [*self.beginning(), *self.deltas(), *self.ending()]


def calls_answer(response_id: str, *calls: tuple[str, str, str], after: str | None = None) -> list[Json]:
    """A response that ends in calls, each `(call_id, name, arguments)`."""
    events, output = [created(response_id)], []
    for index, (call_id, name, arguments) in enumerate(calls):
        item_id = f"item_{response_id}_{index}"
        place = {"response_id": response_id, "item_id": item_id, "output_index": index, "call_id": call_id}
        begun = {"id": item_id, "type": "function_call", "status": "in_progress", "call_id": call_id, "name": name}
        begun |= {"arguments": ""}
        item = begun | {"status": "completed", "arguments": arguments}
        middle = len(arguments) // 2
        pieces = (arguments[:middle], arguments[middle:])
        events += [
            event("response.output_item.added", response_id=response_id, output_index=index, item=begun),
            event("conversation.item.added", previous_item_id=after, item=begun),
            *(event("response.function_call_arguments.delta", **place, delta=piece) for piece in pieces),
            event("response.function_call_arguments.done", **place, name=name, arguments=arguments),
            event("conversation.item.done", previous_item_id=after, item=item),
            event("response.output_item.done", response_id=response_id, output_index=index, item=item),
        ]
        output.append(item)
    return [*events, done(response_id, *output), limits()]


def call_output(item_id: str, call_id: str, output: Any) -> list[Json]:
    item = {"id": item_id, "type": "function_call_output", "status": "completed", "call_id": call_id}
    return added_and_done(item | {"output": json.dumps(output)}, None)


def spoken_turn(item_id: str, end_ms: int = 900) -> tuple[list[Json], list[Json]]:
    """What the service says when it hears a turn: at its start, and from its end on."""
    content = [{"type": "input_audio", "transcript": None}]
    item = {"id": item_id, "type": "message", "status": "completed", "role": "user", "content": content}
    start = [event("input_audio_buffer.speech_started", audio_start_ms=100, item_id=item_id)]
    end = [
        event("input_audio_buffer.speech_stopped", audio_end_ms=end_ms, item_id=item_id),
        event("input_audio_buffer.committed", previous_item_id=None, item_id=item_id),
        *added_and_done(item, None),
    ]
    return start, end


def heard(item_id: str, *pieces: str) -> list[Json]:
    """The transcript of a spoken turn."""
    kind, place = "conversation.item.input_audio_transcription.", {"item_id": item_id, "content_index": 0}
    details = {"text_tokens": 0, "audio_tokens": 9}
    tokens = {"type": "tokens", "input_tokens": 9, "output_tokens": 4, "total_tokens": 13}
    deltas = [event(kind + "delta", **place, delta=piece) for piece in pieces]
    used = tokens | {"input_token_details": details}
    return [*deltas, event(kind + "completed", **place, transcript="".join(pieces).strip(), usage=used)]


def error(code: str, message: str, **fields: Any) -> Json:
    details = {"type": "invalid_request_error", "code": code, "message": message, "param": None, "event_id": None}
    return event("error", error=details | fields)
