"""Makes of a recording what a picture of the call needs: who spoke when, what was sent, heard, called and cut off.

What was heard is estimated: it plays from its arrival on, until a truncation tells otherwise.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
import orjson
import pybase64

from engine.audio.pcm import BYTES_PER_MS, PCM_RATE_HZ, SAMPLE_BYTES
from engine.cli.inspect_figures import KnownItems
from engine.demo.recording import Answer, CallerTurn, Interruption, Recording, ToolUse
from engine.demo.sound_card import Place, Playing, Tape
from engine.recording import Entry
from engine.recording import Recording as Recorded
from engine.recording.reduction import base64_bytes

Json = Mapping[str, Any]

_PCM: Final = "audio/pcm"
_BYTES_PER_S: Final = PCM_RATE_HZ * SAMPLE_BYTES

_TRANSLATION: Final = "translation"

_RESULT_CHARS: Final = 60
"""What is shown of a tool's arguments and result."""


TAPE_MAX_S: Final = 4 * 3600.0
"""Sound that a recording puts later than this is not drawn: what is silent before it takes memory all the same."""


@attrs.define
class SeenCall:
    """A call as its messages tell it.

    Attributes:
        recording: What happened.
        tape: How it sounded; empty where the audio was not kept whole.
        length_s: From the first message to the end of the last sound; messages, where there are no times.
    """

    recording: Recording = attrs.field(factory=Recording)
    tape: Tape = attrs.field(factory=Tape)
    length_s: float = 0.0


def seen_call(recorded: Recorded) -> SeenCall:
    """Read the messages of a recording."""
    keeps_sound = recorded.timed and recorded.header is not None and recorded.header.audio == "whole"
    reader, known = _Reader(timed=recorded.timed, keeps_sound=keeps_sound), KnownItems()
    for number, entry in enumerate(recorded.entries, 1):
        at_s = entry.at_s if recorded.timed and entry.at_s is not None else float(number)
        if known.is_new(entry):
            reader.take(entry, at_s)
    call = reader.call
    playing = (answer.playing.ended_s or 0.0 for answer in call.recording.answers.values())
    call.length_s = max([call.length_s, *playing])
    return call


class _Reader:
    def __init__(self, *, timed: bool, keeps_sound: bool) -> None:
        self.call = SeenCall()
        self._timed = timed
        self._keeps_sound = keeps_sound
        self._formats = {"input": _PCM, "output": _PCM}
        self._padding_ms = self._pause_ms = 0
        self._sent = _SentAudio()
        self._link = 1
        self._turns: dict[str, CallerTurn] = {}
        self._calls: dict[str, tuple[float, str]] = {}
        self._plays_until_s = 0.0
        self._on: dict[tuple[str, str], Callable[[Json, float], None]] = {
            ("client", "input_audio_buffer.append"): self._append,
            ("client", "session.input_audio_buffer.append"): self._append,
            ("client", "conversation.item.create"): self._create,
            ("client", "conversation.item.truncate"): self._truncate,
            ("server", "session.created"): self._configure,
            ("server", "session.updated"): self._configure,
            ("server", "input_audio_buffer.speech_started"): self._speech_started,
            ("server", "input_audio_buffer.speech_stopped"): self._speech_stopped,
            ("server", "conversation.item.input_audio_transcription.completed"): self._transcribed,
            ("server", "response.output_audio.delta"): self._audio,
            ("server", "response.output_audio_transcript.delta"): self._said,
            ("server", "session.output_audio.delta"): self._audio,
            ("server", "session.output_transcript.delta"): self._said,
            ("server", "response.output_text.delta"): self._written,
            ("server", "response.function_call_arguments.done"): self._called,
            ("server", "error"): self._error,
        }

    def take(self, entry: Entry, at_s: float) -> None:
        """Take a message; one that lacks what its type promises is passed over."""
        self.call.length_s = max(self.call.length_s, at_s)
        if entry.link != self._link:  # its service counts the audio from its own begin
            self._link, self._sent = entry.link, _SentAudio()
        handler = self._on.get((entry.direction, entry.type))
        if handler is None or entry.event is None:
            return
        try:
            handler(entry.event, at_s)
        except (KeyError, TypeError, ValueError, AttributeError):
            return

    def _configure(self, event: Json, _: float) -> None:
        audio = event["session"]["audio"]
        detection = (audio.get("input") or {}).get("turn_detection") or {}
        # What the service calls a turn has these before its first sound and after its last one.
        self._padding_ms = detection.get("prefix_padding_ms") or 0
        self._pause_ms = detection.get("silence_duration_ms") or 0
        for way in self._formats:
            self._formats[way] = audio[way]["format"]["type"]

    # --- the caller ------------------------------------------------------------------------------------------------

    def _append(self, event: Json, at_s: float) -> None:
        size = event.get("audio_bytes", base64_bytes(event["audio"]))
        self._sent.add(size / BYTES_PER_MS[self._formats["input"]], at_s)
        if self._keeps_sound and self._formats["input"] == _PCM:
            pcm = pybase64.b64decode(event["audio"])
            _lay(self.call.tape.caller, pcm, at_s - len(pcm) / _BYTES_PER_S)

    def _speech_started(self, event: Json, at_s: float) -> None:
        began_s = self._sent.time_of(event.get("audio_start_ms"), at_s, self._padding_ms)
        turn = CallerTurn(began_s, max(began_s, at_s), "", cut_in=at_s < self._plays_until_s)
        self._turns[event.get("item_id", "")] = turn
        self.call.recording.turns.append(turn)

    def _speech_stopped(self, event: Json, at_s: float) -> None:
        turn = self._turns[event.get("item_id", "")]
        turn.ended_s = max(turn.began_s, self._sent.time_of(event.get("audio_end_ms"), at_s, -self._pause_ms))

    def _transcribed(self, event: Json, _: float) -> None:
        self._turns[event["item_id"]].heard = event["transcript"]

    def _create(self, event: Json, at_s: float) -> None:
        item = event["item"]
        if item["type"] == "function_call_output":
            called_s, call = self._calls.pop(item["call_id"])
            self.call.recording.tools.append(ToolUse(called_s, at_s, call, _short(str(item["output"]))))
        elif item.get("role") == "user":
            words = " ".join(part["text"] for part in item["content"] if part.get("text"))
            self.call.recording.turns.append(CallerTurn(at_s, at_s, words, cut_in=False))

    # --- the agent -------------------------------------------------------------------------------------------------

    def _answer(self, event: Json, at_s: float) -> Answer:
        item_id = _item_of(event)
        answers = self.call.recording.answers
        if item_id not in answers:
            answers[item_id] = Answer(Playing(Place(item_id, event.get("content_index", 0)), ended_s=at_s))
        answers[item_id].arrived_s.append(at_s)
        return answers[item_id]

    def _audio(self, event: Json, at_s: float) -> None:
        size = event.get("audio_bytes", base64_bytes(event["delta"]))
        lasts_ms = size / BYTES_PER_MS[self._formats["output"]]
        playing = self._answer(event, at_s).playing
        from_s = max(at_s, self._plays_until_s)
        if playing.began_s is None:
            playing.began_s = from_s
        playing.received_ms += lasts_ms
        playing.heard_ms += lasts_ms
        playing.ended_s = self._plays_until_s = from_s + (lasts_ms / 1000 if self._timed else 0.0)
        if self._keeps_sound and self._formats["output"] == _PCM:
            _lay(self.call.tape.agent, pybase64.b64decode(event["delta"]), from_s)

    def _said(self, event: Json, _: float) -> None:
        answers, item_id = self.call.recording.answers, _item_of(event)
        if item_id not in answers:
            answers[item_id] = Answer(Playing(Place(item_id, event.get("content_index", 0))))
        answers[item_id].words += event["delta"]

    def _written(self, event: Json, at_s: float) -> None:
        answer = self._answer(event, at_s)
        answer.words += event["delta"]
        if answer.playing.began_s is None:
            answer.playing.began_s = at_s
        answer.playing.ended_s = at_s

    def _truncate(self, event: Json, at_s: float) -> None:
        playing = self.call.recording.answers[event["item_id"]].playing
        playing.heard_ms = min(playing.received_ms, float(event["audio_end_ms"]))
        silent_s = min(at_s, self._plays_until_s)
        playing.ended_s = self._plays_until_s = max(silent_s, playing.began_s or 0.0)
        del self.call.tape.agent[int(self._plays_until_s * PCM_RATE_HZ) * SAMPLE_BYTES :]
        spoke_s = max((turn.began_s for turn in self.call.recording.turns if turn.began_s <= at_s), default=at_s)
        self.call.recording.interruptions.append(
            Interruption(min(spoke_s, silent_s), silent_s, playing.heard_ms, playing.received_ms)
        )

    # --- what else -------------------------------------------------------------------------------------------------

    def _called(self, event: Json, at_s: float) -> None:
        given = orjson.loads(event["arguments"] or "{}")
        words = ", ".join(map(str, given.values())) if isinstance(given, dict) else str(given)
        self._calls[event["call_id"]] = at_s, f"{event.get('name') or 'tool'}({_short(words)})"

    def _error(self, event: Json, _: float) -> None:
        self.call.recording.errors.append(event["error"]["message"])


def _item_of(event: Json) -> str:
    """Give the item that an event belongs to; a translation is one as a whole."""
    return _TRANSLATION if event["type"].startswith("session.") else str(event["item_id"])


class _SentAudio:
    """Knows when the n-th millisecond of all appended audio was sent."""

    def __init__(self) -> None:
        self._until_ms: list[float] = []
        self._at_s: list[float] = []

    def add(self, lasts_ms: float, at_s: float) -> None:
        """Note an append."""
        self._until_ms.append((self._until_ms[-1] if self._until_ms else 0.0) + lasts_ms)
        self._at_s.append(at_s)

    def time_of(self, ms: object, otherwise_s: float, later_ms: int = 0) -> float:
        """Tell when it was sent, or what came so much later; something else where that is not known."""
        if not isinstance(ms, int) or not self._until_ms or ms > self._until_ms[-1]:
            return otherwise_s
        at = min(bisect_left(self._until_ms, ms + later_ms), len(self._at_s) - 1)
        return min(otherwise_s, self._at_s[at])


def _lay(tape: bytearray, pcm: bytes, at_s: float) -> None:
    """Put sound on the tape at a time, or after what is there already."""
    if at_s > TAPE_MAX_S:
        return
    at = max(0, int(at_s * PCM_RATE_HZ) * SAMPLE_BYTES)
    if len(tape) < at:
        tape.extend(bytes(at - len(tape)))
    tape.extend(pcm)


def _short(words: str) -> str:
    return words if len(words) <= _RESULT_CHARS else f"{words[:_RESULT_CHARS]}…"
