"""The invariants: what both ledgers of a session say must fit, whatever happened to its connections.

Each check takes a story and gives what is wrong with it, in words. None knows anything of the engine beside them.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

import orjson

from engine.errors import (
    BidiModelTimeoutError,
    ConnectionLost,
    DeadlinePassed,
    ServerReported,
)
from engine.events import (
    BidiConnectionRestartEvent,
    BidiErrorEvent,
    BidiResponseCompleteEvent,
    BidiResponseStartEvent,
    ToolUseStreamEvent,
)

from . import marks
from .ledger import Heard
from .scenario import Scenario
from .service import ANSWER
from .view import Line, View
from .wire import Answer, Item, Told

Wrong = Iterator[str]

BENIGN_ERRORS: Final = frozenset({"response_cancel_not_active"})
"""Refusals that a race on the wire explains: what was to be stopped had ended."""

SLACK_S: Final = 0.5


# --- the microphone -----------------------------------------------------------------------------------------------------


def microphone(view: View) -> Wrong:
    """Every sample that was taken goes to exactly one connection, in order, as long as none is lost."""
    for number, line in enumerate(view.lines):
        if line.told.torn_bytes:
            yield f"connection {number}: {line.told.torn_bytes} bytes of torn audio"
        numbers = [block for _, block in line.told.audio]
        for before, after in marks.gaps(numbers):
            if after <= before:
                yield f"connection {number}: block {after} after block {before}"
    yield from _moves(view)
    yield from _lost_blocks(view)


def _moves(view: View) -> Wrong:
    heard = -1
    for number, (before, line) in enumerate(pairwise(view.lines), 1):
        heard = max((block for _, block in before.told.audio), default=heard)
        first = next((block for _, block in line.told.audio), None)
        if first is not None and first <= heard and before.broke_s > line.begun_s:
            yield f"connection {number}: block {first} was sent to the one before, which was in order, up to {heard}"


def _lost_blocks(view: View) -> Wrong:
    pushed = sum(push.count for push in view.app.pushes)
    heard = {block for line in view.lines for _, block in line.told.audio}
    if view.settled:
        missing = pushed - len(heard)
    else:
        missing = max(heard, default=-1) + 1 - len(heard)
    dropped = sum(event.dropped_audio_ms for _, event in view.restarts) / marks.BLOCK_MS
    if missing > dropped:
        lost = sorted(set(range(pushed)) - heard)[:5]
        yield f"{missing} blocks were lost, as {lost}, and only {dropped:.0f} told"


# --- words --------------------------------------------------------------------------------------------------------------


def typed(view: View) -> Wrong:
    """What was typed is in the conversation once, in order; what was not sent is nowhere."""
    for number, line in enumerate(view.lines):
        said = [item.words for item in line.told.created if item.role == "user"]
        for words, count in Counter(said).items():
            if count > 1:
                yield f"connection {number}: {words!r} was sent {count} times"
        for words in view.app.given_up:
            if words in said:
                yield f"connection {number}: {words!r} was sent, which the application gave up"
    if view.settled and view.last is not None:
        items = [item.words for item in view.last.told.items.values() if item.role == "user" and not item.spoken]
        wanted = [each.words for each in view.app.typed]
        if [words for words in items if words in set(wanted)] != wanted:
            yield f"typed {wanted}, the conversation has {items}"


# --- responses ----------------------------------------------------------------------------------------------------------


def gate(view: View) -> Wrong:
    """A response is asked for only when none is active that was asked for."""
    for number, line in enumerate(view.lines):
        for error in line.told.errors:
            if error.code != "conversation_already_has_active_response":
                if error.code not in BENIGN_ERRORS and not _answers_a_cut(error.code):
                    yield f"connection {number}: the service refused at {error.at_s:.2f}: {error.code} {error.message}"
            elif error.active is not None and error.active.asked and error.event_id:
                yield f"connection {number}: asked at {error.at_s:.2f} into {error.active.id}, which was asked for"


def _answers_a_cut(code: str) -> bool:
    return code in {"item_truncate_invalid_item_id", "item_delete_invalid_item_id", "unsupported_content_type"}


def told_once(view: View) -> Wrong:
    """Each response begins once and ends once."""
    starts = Counter(event.response_id for _, event in view.events(BidiResponseStartEvent))
    ends = Counter(event.response_id for _, event in view.completes)
    for response_id, count in (starts + ends).items():
        if starts[response_id] > 1 or ends[response_id] > 1:
            yield f"{response_id} began {starts[response_id]} times and ended {ends[response_id]} times ({count})"
    if view.settled:
        broken = {line.told for line in ()}
        for response_id in starts:
            line, answer = view.answers.get(response_id, (None, None))
            if line is None or answer is None:
                yield f"{response_id} began, and no connection knows it"
            elif not ends[response_id] and line is view.last and not broken:
                yield f"{response_id} began and never ended"


def speech(view: View) -> Wrong:
    """The model's speech comes as it was sent: in order, nothing twice, whole where nobody cut it off."""
    heard: dict[str, list[int]] = {}
    for got in view.app.got:
        if isinstance(got.event, Heard):
            heard.setdefault(got.event.item_id, []).append(got.event.mark)
    copies = {
        orjson.loads(text)["item_id"] for line in view.lines for text in line.copies if '.delta"' in text[:60]
    }
    complete = {event.response_id for _, event in view.completes if event.stop_reason == "complete"}
    for line in view.lines:
        for item_id, pieces in line.told.speech.items():
            if item_id in copies:
                continue
            sent, came = [mark for _, mark in pieces], heard.pop(item_id, [])
            if not _is_part(came, sent):
                yield f"{item_id}: {len(came)} pieces of speech came that are no part of the {len(sent)} that were sent"
            response_id = _response_of(line, item_id)
            whole = response_id in complete and not _cut_into(view, line, response_id)
            if whole and came != sent and view.app.calm:
                yield f"{item_id}: {len(came)} of {len(sent)} pieces of speech came, and nobody cut it off"
    for item_id in set(heard) - copies:
        yield f"{item_id}: speech came that no connection sent"


def _is_part(came: list[int], sent: list[int]) -> bool:
    rest = iter(sent)
    return all(mark in rest for mark in came)


def _response_of(line: Line, item_id: str) -> str:
    return next((answer.id for answer in line.told.answers if item_id in answer.items), "")


def _cut_into(view: View, line: Line, response_id: str) -> bool:
    answer = next(each for each in line.told.answers if each.id == response_id)
    ends = answer.done_s + 60.0
    return any(answer.at_s <= at_s <= ends for at_s in view.interruptions)


def turns(view: View) -> Wrong:
    """Each turn, spoken or typed, is answered once, unless somebody cut in."""
    finished: Counter[str] = Counter()
    for _, event in view.completes:
        words = view.finals.get(event.response_id, "").split()
        if event.stop_reason == "complete" and words[:1] == [ANSWER] and not _was_cut(view, event.response_id):
            if not words[1:] and not view.interruptions:
                yield f"{event.response_id} answered nothing"
            finished.update(words[1:])
    for words, count in finished.items():
        if count > 1:
            yield f"{words} was answered {count} times"
    if view.settled:
        yield from _unanswered(view, finished)


def _was_cut(view: View, response_id: str) -> bool:
    line, answer = view.answers.get(response_id, (None, None))
    if line is None or answer is None:
        return True
    cut = {item_id for _, item_id, _ in line.told.cuts}
    return any(item_id in cut for item_id in answer.items)


def _unanswered(view: View, finished: Counter[str]) -> Wrong:
    for line in view.lines:
        for item in line.told.items.values():
            if item.role != "user":
                continue
            for words in item.words.split():
                if not finished[words] and not _somebody_cut_in(view, item.id):
                    yield f"{words} was never answered"
                    finished[words] += 1


def _somebody_cut_in(view: View, item_id: str) -> bool:
    """Tell whether a response that read an item was stopped, by the user or the application."""
    return any(
        item_id in answer.before and answer.status in ("cancelled", "failed", "incomplete")
        for line in view.lines
        for answer in line.told.answers
    )


def utterances(view: View) -> Wrong:
    """What was said and wholly sent became a turn of the conversation."""
    if not view.settled or view.last is None:
        return
    known = {words for line in view.lines for item in line.told.items.values() for words in item.words.split()}
    known |= {words for line in view.lines for item in line.told.gone.values() for words in item.words.split()}
    for number in view.app.spoken:
        if f"u{number}" not in known and not view.restarts:
            yield f"u{number} was said and became no turn"


# --- calls --------------------------------------------------------------------------------------------------------------


def calls(view: View) -> Wrong:
    """Each call is told once, worked at once, and answered once in each conversation that waits for it."""
    told = Counter(event.current_tool_use["toolUseId"] for _, event in view.events(ToolUseStreamEvent))
    for call_id, count in told.items():
        if count > 1:
            yield f"call {call_id} was told {count} times"
    for name, count in view.app.results.items():
        if count > 1:
            yield f"the tool ran {count} times for {name}"
    for number, line in enumerate(view.lines):
        outputs = Counter(item.call_id for item in line.told.items.values() if item.kind == "function_call_output")
        for call_id, count in outputs.items():
            if count > 1:
                yield f"connection {number}: call {call_id} has {count} results"
        if view.settled and line is view.last:
            for item in line.told.items.values():
                if item.kind == "function_call" and item.status == "completed" and not outputs[item.call_id]:
                    yield f"call {item.call_id} has no result"


# --- what was heard -----------------------------------------------------------------------------------------------------


def history(view: View) -> Wrong:
    """The session's history is the service's conversation, as heard."""
    if not view.settled or view.app.history is None or view.last is None:
        return
    items = view.last.told.items.values()
    theirs = [(item.id, item.kind, item.words, item.heard_ms) for item in items]
    if view.app.history != theirs:
        ours = dict.fromkeys(view.app.history)
        more = [each for each in view.app.history if each not in theirs][:3]
        less = [each for each in theirs if each not in ours][:3]
        yield f"history has {more} where the service has {less}"


# --- time and ends ------------------------------------------------------------------------------------------------------


def waits(view: View) -> Wrong:
    """Everything that waits ends by its deadline."""
    bounds = {"send_audio": 0.1, "send": 5.0, "interrupt": 5.0, "stop": 2.1, "update": 15.0, "result": 5.0, "aside": 60.0}
    for wait in view.app.waits:
        took = wait.ended_s - wait.began_s
        if took > bounds.get(wait.what, float("inf")):
            yield f"{wait.what} took {took:.2f} s"
        if wait.error not in ALLOWED_ERRORS:
            yield f"{wait.what} raised {wait.error}"
    over = view.app.left_s - view.app.came_s - view.scenario.lasts_s
    if over > 3.0:
        yield f"the session was over {over:.1f} s after the user left"


ALLOWED_ERRORS: Final = frozenset(
    {"", "Cancelled", "SessionEnded", "ConnectionLost", "HandshakeRejected", "DeadlinePassed", "BidiModelTimeoutError",
     "ServerReported", "LocalMisuse"}
)


def endings(view: View) -> Wrong:
    """A session ends when it is stopped, or with the error of what was done to it."""
    error = view.app.error
    if error is not None and not isinstance(error, (ConnectionLost, BidiModelTimeoutError, DeadlinePassed)):
        yield f"the session ended with {error!r}"
    for number, closed_s in enumerate(view.ends):
        if closed_s == float("inf"):
            yield f"connection attempt {number} was never closed"


def errors(view: View) -> Wrong:
    """The application is told of no error that nothing explains."""
    for at_s, event in view.events(BidiErrorEvent):
        if isinstance(event.error, DeadlinePassed) and any(line.stalls for line in view.lines):
            continue
        if event.code not in EXPLAINED:
            yield f"told of {event.code} at {at_s:.2f}: {event.message[:100]}"


EXPLAINED: Final = frozenset({"response_cancel_not_active"})

CHECKS: Final[tuple[Callable[[View], Wrong], ...]] = (
    microphone,
    typed,
    gate,
    told_once,
    speech,
    turns,
    utterances,
    calls,
    history,
    waits,
    endings,
    errors,
)


def wrong(view: View) -> list[str]:
    """Hold a story against all invariants."""
    return [f"{check.__name__}: {what}" for check in CHECKS for what in check(view)]
