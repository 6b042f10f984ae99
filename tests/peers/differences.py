"""Takes allowed differences out of a pair of transcripts: one function for each row of the table in `test_peers_seed`.

Each function changes only what its row speaks of, and only where ours does exactly what the row says. Where ours does
not, the difference stays, or `demand` makes one: the row is a promise, not a licence.
"""

import base64
import copy
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from difflib import unified_diff
from itertools import pairwise
from typing import Final

import attrs
from service_events import Json

CONTRACT_ERRORS: Final = ("BidiModelTimeoutError", "ValueError", "RuntimeError")
FIXED_TEXTS: Final = (
    "call stop before starting again",
    "call start before sending",
    "content not supported",
    "Content type not supported by OpenAI Realtime API",
    "OpenAI API key is required",
    "3000",
    "3001",
)
"""What the contract fixes of an error's text."""

APPEND: Final = "input_audio_buffer.append"
SPEECH_STARTED: Final = "input_audio_buffer.speech_started"
TAKEN_BACK: Final = ("conversation.item.truncate", "conversation.item.delete")
CREATE_ITEM: Final = "conversation.item.create"
ERROR: Final = "error"
NOT_HEARD: Final = "conversation.item.input_audio_transcription.failed"
NOT_TOLD_AS_EVENTS: Final = ("response_cancel_not_active", "session_expired", "invalid_api_key")
"""The benign one, and those that end the session and are raised."""

CONTRACT_TYPES: Final = {
    "response.created": ["bidi_response_start"],
    "response.output_audio.delta": ["bidi_audio_stream"],
    "response.output_audio_transcript.delta": ["bidi_transcript_stream"],
    "response.output_audio_transcript.done": ["bidi_transcript_stream"],
    "response.done": ["bidi_response_complete", "bidi_usage"],
}
"""What the contract makes of each server event, for the spoken answer that only ours gets."""


@attrs.define
class Transcript:
    """What one side did, in the form that is compared.

    Attributes:
        handshakes: The upgrades that it made.
        messages: What it sent.
        events: What its application received.
        outcomes: What each step of the application came to.
        end: How `receive()` ended; None when it went on.
    """

    handshakes: list[Json]
    messages: list[Json]
    events: list[Json]
    outcomes: list[Json]
    end: Json | None

    @classmethod
    def of(cls, played: Json, handshakes: list[Json], messages: list[Json]) -> "Transcript":
        """Write down what was played; JSON text in it is read, exceptions keep what the contract fixes."""
        outcomes = [outcome | {"raised": _error(outcome["raised"])} for outcome in played["outcomes"]]
        end = played["end"]
        if end is not None:
            end = {"returned": True} if "returned" in end else {"raised": _error(end["raised"])}
        # Through JSON: what a side gives must be JSON, and nothing is shared any more.
        events = json.loads(json.dumps(played["events"]))
        given = [_read_texts(message) for message in copy.deepcopy(messages)]
        return cls(copy.deepcopy(handshakes), given, _number_connections(events), outcomes, end)

    def of_type(self, kind: str) -> list[Json]:
        """Pick events."""
        return [event for event in self.events if event["type"] == kind]


def _error(raised: Json | None) -> Json | None:
    if raised is None:
        return None
    kind = next((name for name in CONTRACT_ERRORS if name in raised["classes"]), None)
    says = [text for text in FIXED_TEXTS if kind and text in raised["text"]]
    return {"kind": kind or f"{raised['module'].split('.')[0]}.{raised['classes'][0]}", "says": says}


def _read_texts(message: Json) -> Json:
    item = message.get("item", {})
    for key in ("arguments", "output"):
        if key in item:
            item[key] = json.loads(item[key])
    return message


def _number_connections(events: list[Json]) -> list[Json]:
    numbers: dict[str, int] = {}
    for event in events:
        if "connection_id" in event:
            number = numbers.setdefault(event["connection_id"], len(numbers) + 1)
            event["connection_id"] = f"connection {number}"
    return events


def tidy(transcript: Transcript, sent: list[Json]) -> list[Json]:
    """Make transcripts of two sessions of a simulated service comparable.

    Ids get the number in which they come. What is told of the user's words keeps its own order, after the rest: they
    are written down while the answer goes on.

    Returns:
        What the service sent, with the same numbers.
    """
    numbers: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        return numbers.setdefault(found[0], f"{found[1]} no. {len(numbers) + 1}")

    def numbered(given: list[Json]) -> list[Json]:
        tidied: list[Json] = json.loads(re.sub(r"\b(resp|item|call)_[0-9A-Za-z]{16,}", number, json.dumps(given)))
        return tidied

    transcript.events = numbered(sorted(transcript.events, key=_is_of_the_user))
    transcript.messages = numbered(transcript.messages)
    return numbered(sent)


def _is_of_the_user(event: Json) -> bool:
    return event.get("role") == "user" or event.get("code") == "transcription_failed"


@attrs.define
class Pair:
    """Both sides of one conversation.

    Attributes:
        seed: The seed's.
        ours: Ours.
        steps: What both were asked to do.
        server_events: What the server sent, or what its script holds.
    """

    seed: Transcript
    ours: Transcript
    steps: list[Json]
    server_events: list[Json]

    def demand(self, met: bool, what: str) -> None:
        """Make a difference where ours does not keep a row's promise."""
        if not met:
            self.ours.outcomes.append({"wanting": what})

    def sent(self, kind: str) -> list[Json]:
        """Pick what the server sent."""
        return [event for event in self.server_events if event["type"] == kind]

    def outcomes_of(self, kind: str) -> list[tuple[Json, Json]]:
        """Pick what steps came to, on both sides."""
        both = zip(self.seed.outcomes, self.ours.outcomes, strict=False)
        return [(theirs, ours) for theirs, ours in both if theirs.get("do") == kind]


@attrs.frozen
class Row:
    """A row of the table of allowed differences.

    Attributes:
        says: The row, in the words of the contract: the seed's way, an arrow, and ours.
        take_out: Takes the difference out of a pair.
    """

    says: str
    take_out: Callable[[Pair], None]


# --- messages ---------------------------------------------------------------------------------------------------


def event_ids(pair: Pair) -> None:
    control = [message for message in pair.ours.messages if message["type"] != APPEND]
    ids = [message.get("event_id") for message in control]
    if None not in ids and len(set(ids)) >= len(ids) / max(1, len(pair.ours.handshakes)):
        for message in control:
            del message["event_id"]


def unheard_taken_back(pair: Pair) -> None:
    """Ours tells the service, once for each spoken item, how much was heard: never more than came, and never 0 ms."""
    received: dict[str, float] = defaultdict(float)
    for delta in pair.sent("response.output_audio.delta"):
        received[delta["item_id"]] += len(base64.b64decode(delta["delta"])) / 48
    told = [message for message in pair.ours.messages if message["type"] in TAKEN_BACK]
    items = [message["item_id"] for message in told]
    lengths = [(message["audio_end_ms"], received[message["item_id"]]) for message in told if "audio_end_ms" in message]
    in_range = all(0 < heard_ms <= came_ms for heard_ms, came_ms in lengths)
    interrupted = bool(pair.ours.of_type("bidi_interruption")) and bool(pair.sent(SPEECH_STARTED))
    if interrupted and in_range and len(set(items)) == len(items) and set(items) <= set(received):
        pair.ours.messages = [message for message in pair.ours.messages if message not in told]
        _less_is_read(pair)
    ended = (done["response"] for done in pair.sent("response.done"))
    cut_off = {response["id"] for response in ended if response["status"] == "cancelled"}
    deltas = pair.sent("response.output_audio.delta")
    unheard = {delta["item_id"] for delta in deltas if delta["response_id"] in cut_off}
    pair.demand(not interrupted or unheard <= set(items), "the service is told what was not heard")


def _less_is_read(pair: Pair) -> None:
    """What was taken back is no input of the next response any more."""
    for theirs, ours in zip(pair.seed.of_type("bidi_usage"), pair.ours.of_type("bidi_usage"), strict=False):
        if ours["inputTokens"] < theirs["inputTokens"] and ours["outputTokens"] == theirs["outputTokens"]:
            ours.update(copy.deepcopy(theirs))


def frames_joined(pair: Pair) -> None:
    frames = [base64.b64decode(message["audio"]) for message in pair.ours.messages if message["type"] == APPEND]
    if any(len(frame) != 40 * 48 for frame in frames[:-1]):
        return
    for side in (pair.seed, pair.ours):
        joined: list[Json] = []
        for message in side.messages:
            if message["type"] == APPEND and joined and joined[-1]["type"] == APPEND:
                both = base64.b64decode(joined[-1]["audio"]) + base64.b64decode(message["audio"])
                joined[-1] = {"type": APPEND, "audio": base64.b64encode(both).decode()}
            else:
                joined.append(message)
        side.messages = joined


def default_instructions(pair: Pair) -> None:
    starts = [step for step in pair.steps if step["do"] == "start"]
    updates = [
        [message for message in side.messages if message["type"] == "session.update"] for side in (pair.seed, pair.ours)
    ]
    for step, theirs, ours in zip(starts, *updates, strict=False):
        words = ours["session"]["instructions"]
        if "system_prompt" not in step and all(word in words for word in ("helpful", "English", "clear", "concise")):
            ours["session"]["instructions"] = theirs["session"]["instructions"]


def call_ids_unique(pair: Pair) -> None:
    long_ids = {
        block["toolUse"]["toolUseId"]
        for step in pair.steps
        for message in step.get("messages", ())
        for block in message["content"]
        if "toolUse" in block and len(block["toolUse"]["toolUseId"]) > 32
    }
    cut = {long_id[:32] for long_id in long_ids}
    wire_ids: dict[int, set[str]] = defaultdict(set)
    mapped = []
    for theirs, ours in zip(_items(pair.seed), _items(pair.ours), strict=False):
        if theirs.get("call_id") in cut and theirs["type"] == ours["type"] and theirs["call_id"] != ours["call_id"]:
            # The scenario says in the arguments and the output which call it is.
            number = ours["arguments"]["n"] if "arguments" in ours else ours["output"][0]["json"]["n"]
            wire_ids[number].add(ours["call_id"])
            mapped.append((theirs, ours))
    unique = {wire_id for ids in wire_ids.values() for wire_id in ids}
    if len(unique) == len(wire_ids) == len(long_ids) and all(len(wire_id) <= 32 for wire_id in unique):
        for theirs, ours in mapped:
            ours["call_id"] = theirs["call_id"]


def _items(side: Transcript) -> list[Json]:
    return [message["item"] for message in side.messages if message["type"] == CREATE_ITEM]


def role_honoured(pair: Pair) -> None:
    spoken = [step for step in pair.steps if step.get("role") == "assistant"]
    for step in spoken:
        theirs = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": step["text"]}]}
        ours = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": step["text"]}]}
        place = _place(pair.ours.messages, ours)
        if place is not None and _place(pair.seed.messages, theirs) == place:
            pair.ours.messages[place]["item"] = theirs
            del pair.seed.messages[place + 1]  # its `response.create`


def _place(messages: list[Json], item: Json) -> int | None:
    return next((index for index, message in enumerate(messages) if message.get("item") == item), None)


def one_request_for_all_results(pair: Pair) -> None:
    """Outputs of one response: the seed asks after each, ours after the last."""
    kinds = [_kind(message) for message in pair.seed.messages]
    doomed = [
        index
        for index, (kind, following) in enumerate(pairwise(kinds))
        if (kind, following) == ("response.create", "function_call_output")
        and kinds[index - 1] == "function_call_output"
    ]
    ours = [_kind(message) for message in pair.ours.messages]
    left = [kind for index, kind in enumerate(kinds) if index not in doomed]
    if doomed and ours == left:
        pair.seed.messages = [message for index, message in enumerate(pair.seed.messages) if index not in doomed]


def _kind(message: Json) -> str:
    return message["item"]["type"] if message["type"] == CREATE_ITEM else message["type"]


# --- events -----------------------------------------------------------------------------------------------------


def text_so_far(pair: Pair) -> None:
    so_far: dict[str, str] = defaultdict(str)
    for event in pair.ours.of_type("bidi_transcript_stream"):
        if event["is_final"]:
            so_far.pop(event["role"], None)
            continue
        so_far[event["role"]] += event["text"]
        # Blank pieces of the user's are not told but belong to the text.
        if event["current_transcript"] == so_far[event["role"]]:
            event["current_transcript"] = None


def errors_told(pair: Pair) -> None:
    sent = [event["error"] for kind in (ERROR, NOT_HEARD) for event in pair.sent(kind)]
    wanted = [_told(error) for error in sent if error["code"] not in NOT_TOLD_AS_EVENTS]
    told = [event for event in pair.ours.events if event in wanted]
    pair.demand(len(told) == len(wanted), "every error of the service is told")
    pair.ours.events = [event for event in pair.ours.events if event not in wanted]


def _told(error: Json) -> Json:
    details = {"type": error["type"], "param": error["param"], "client_event_id": error.get("event_id")}
    return {"type": "bidi_error", "message": error["message"], "code": error["code"], "details": details}


def refused_session(pair: Pair) -> None:
    for theirs, ours in pair.outcomes_of("start"):
        closed = pair.seed.end == _raised("websockets.ConnectionClosedError")
        refused = ours["raised"] == {"kind": "engine.ServerReported", "says": []}
        if theirs["raised"] is None and refused and closed and not pair.ours.events:
            pair.ours.events, pair.ours.end = pair.seed.events, pair.seed.end
            pair.ours.outcomes = pair.seed.outcomes
            return


def expiry_typed(pair: Pair) -> None:
    expired = any(event["error"]["code"] == "session_expired" for event in pair.sent(ERROR))
    closed = pair.seed.end == _raised("websockets.ConnectionClosedOK")
    if expired and closed and pair.ours.end == _raised("BidiModelTimeoutError"):
        pair.ours.end = pair.seed.end


def stop_reasons(pair: Pair) -> None:
    called = False
    for event in pair.ours.events:
        if event["type"] == "bidi_response_start":
            called = False
        elif event["type"] == "tool_use_stream" or event.get("code") == "invalid_function_arguments":
            called = True
        elif event["type"] == "bidi_response_complete" and called and event["stop_reason"] == "tool_use":
            event["stop_reason"] = "complete"


def arguments_refused(pair: Pair) -> None:
    """Ours tells both sides, and the talk goes on with an answer that the seed never gets."""
    told = [event for event in pair.ours.events if event.get("code") == "invalid_function_arguments"]
    if not told:
        return
    call_id = told[0]["details"]["toolUseId"]
    *before, result, request = pair.ours.messages
    answered = result.get("item", {}).get("call_id") == call_id and request["type"] == "response.create"
    if answered and len(before) == len(pair.seed.messages):
        pair.ours.messages = before
        pair.ours.events.remove(told[0])
        _only_ours_goes_on(pair)


def request_waits(pair: Pair) -> None:
    """The seed's request for the second answer is refused; ours comes later and is answered."""
    refused = any(step.get("text") == "Two." for step in pair.steps) and pair.seed.messages != pair.ours.messages
    kinds = [_kind(message) for message in pair.ours.messages]
    if not refused or kinds[-2:] != [APPEND, "response.create"]:
        return
    request = pair.ours.messages.pop()
    pair.ours.messages.insert(-1, request)
    _only_ours_goes_on(pair)


def _only_ours_goes_on(pair: Pair) -> None:
    """Take out one more answer of ours, with the step that waited for it."""
    shared = len(pair.seed.events)
    more = [event["type"] for event in pair.ours.events[shared:]]
    if more == _contract_types(pair.server_events, "resp_2"):
        pair.ours.events = pair.ours.events[:shared]
        for theirs, ours in pair.outcomes_of("await"):
            if (theirs["seen"], ours["seen"]) == (False, True):
                ours["seen"] = False


def _contract_types(server_events: list[Json], response_id: str) -> list[str]:
    """Name the contract events of one response."""
    of_it = [
        event["type"]
        for event in server_events
        if response_id in (event.get("response_id"), event.get("response", {}).get("id"))
    ]
    return [name for kind in of_it for name in CONTRACT_TYPES.get(kind, ())]


def stale_audio_purged(pair: Pair) -> None:
    """Of a response that the user cut off, the seed gives audio after the interruption, and ours none."""
    kinds = [event["type"] for event in pair.ours.events]
    cut = [event.get("stop_reason") for event in pair.ours.events]
    if "bidi_interruption" not in kinds or "interrupted" not in cut:
        return
    start, end = kinds.index("bidi_interruption"), cut.index("interrupted")
    theirs = [event["type"] for event in pair.seed.events]
    if "bidi_audio_stream" in kinds[start:end] or theirs[: start + 1] != kinds[: start + 1]:
        return
    stale = pair.seed.events[start : len(pair.seed.events) - (len(kinds) - end)]
    kept = [event for event in stale if event["type"] != "bidi_audio_stream"]
    pair.seed.events[start : start + len(stale)] = kept


def segments_told(pair: Pair) -> None:
    """The service has a segment's text at the top of the event; the seed looks for it inside an object."""
    texts = [event["text"] for event in pair.sent("conversation.item.input_audio_transcription.segment")]
    told = [event for event in pair.ours.events if event.get("text") in texts]
    finals = [event["text"] for event in told if event["is_final"] and event["role"] == "user"]
    pair.demand(finals == texts, "every segment is told")
    pair.ours.events = [event for event in pair.ours.events if event not in told]


# --- beginnings and ends -----------------------------------------------------------------------------------------


def failed_start_leaves_nothing(pair: Pair) -> None:
    starts = pair.outcomes_of("start")
    if len(starts) != 2 or (len(pair.seed.handshakes), len(pair.ours.handshakes)) != (1, 2):
        return
    first, second = starts
    if first[1]["raised"] is None:
        return
    stuck = second[0]["raised"] == {"kind": "RuntimeError", "says": ["call stop before starting again"]}
    started = second[1]["raised"] is None and pair.ours.of_type("bidi_connection_start")
    configured = [message["type"] for message in pair.ours.messages] == ["session.update"]
    if stuck and started and configured and first[1]["raised"]["kind"] == "engine.HandshakeRejected":
        pair.ours = copy.deepcopy(pair.seed)


def history_checked_first(pair: Pair) -> None:
    """Ours refuses bad history before it connects; the seed when it has sent half of it."""
    refusal = {"kind": "ValueError", "says": ["Content type not supported by OpenAI Realtime API"]}
    starts = pair.outcomes_of("start")
    if starts and all(outcome["raised"] == refusal for outcome in starts[0]) and not pair.ours.handshakes:
        pair.seed.handshakes, pair.seed.messages = [], []


def stop_ends_receive(pair: Pair) -> None:
    does = [step["do"] for step in pair.steps]
    stopped = [does[index - 1] == "stop" for index, name in enumerate(does) if name == "await_end"]
    if not any(stopped):
        return
    closes = [event for event in pair.ours.of_type("bidi_connection_close") if event["reason"] == "client_disconnect"]
    pair.demand(len(closes) == len(stopped), "receive() ends with a close event")
    pair.ours.events = [event for event in pair.ours.events if event not in closes]
    if pair.seed.end == _raised("websockets.ConnectionClosedOK") and pair.ours.end == {"returned": True}:
        pair.ours.end = pair.seed.end


def loss_typed(pair: Pair) -> None:
    broken = pair.seed.end == _raised("websockets.ConnectionClosedError")
    if broken and pair.ours.end == _raised("engine.ConnectionLost"):
        pair.ours.end = pair.seed.end


def clean_close_told(pair: Pair) -> None:
    closes = pair.ours.of_type("bidi_connection_close")
    ended = pair.seed.end == _raised("websockets.ConnectionClosedOK") and pair.ours.end == {"returned": True}
    if ended and closes and closes[-1]["reason"] == "complete":
        pair.ours.events.remove(closes[-1])
        pair.ours.end = pair.seed.end


def timeout_on_time(pair: Pair) -> None:
    """The seed hands on what came after its time was over, and looks at the clock then."""
    late = pair.seed.events[len(pair.ours.events) :]
    both = pair.seed.end == pair.ours.end == _raised("BidiModelTimeoutError")
    if both and [event["type"] for event in late] == ["bidi_response_start"]:
        del pair.seed.events[-1]


def _raised(kind: str) -> Json:
    return {"raised": {"kind": kind, "says": []}}


def compare(pair: Pair, rows: Iterable[Row]) -> tuple[Json, Json]:
    """Take the rows' differences out of a copy of a pair, and give both sides as JSON."""
    both = copy.deepcopy(pair)
    for row in rows:
        row.take_out(both)
    return attrs.asdict(both.seed), attrs.asdict(both.ours)


def told_apart(theirs: Json, ours: Json) -> str:
    """Give the lines that differ, `-` the seed's and `+` ours; empty when none does."""
    left, right = (list(_lines(side)) for side in (theirs, ours))
    if theirs == ours:
        return ""
    return "\n".join(_short(line) for line in unified_diff(left, right, "seed", "ours", n=1, lineterm=""))


def _lines(side: Json) -> Iterator[str]:
    for name, rows in side.items():
        yield f"--- {name}"
        for row in rows if isinstance(rows, list) else [rows]:
            yield json.dumps(row, ensure_ascii=False, sort_keys=True)


def _short(line: str) -> str:
    return re.sub(r'"([^"]{40})[^"]{60,}"', lambda found: f'"{found[1]}… {hash(found[0]) % 9999}"', line)
