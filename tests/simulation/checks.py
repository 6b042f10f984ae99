"""The invariants: what both ledgers of a session say must fit, whatever happened to its connections.

Each check takes a story and gives what is wrong with it, in words. None knows anything of the engine beside them.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

import orjson

from engine import limits
from engine.errors import (
    BidiModelTimeoutError,
    ConnectionLost,
    DeadlinePassed,
)
from engine.events import (
    BidiConnectionRestartEvent,
    BidiErrorEvent,
    BidiInterruptionEvent,
    BidiResponseStartEvent,
    ToolUseStreamEvent,
)

from . import marks
from .ledger import Heard
from .player import Player
from .service import ANSWER
from .view import Line, View
from .wire import Answer, Item, Refused

Wrong = Iterator[str]

BENIGN_ERRORS: Final = frozenset({"response_cancel_not_active"})
"""Refusals that a race on the wire explains: what was to be stopped had ended."""

SLACK_S: Final = 0.5


# --- the microphone -----------------------------------------------------------------------------------------------


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
        planned = view.restarts[number - 1][1].reason == "renewal" and not before.told.speaking
        if first is not None and first <= heard and planned and before.broke_s > line.begun_s:
            yield f"connection {number}: block {first} was sent to the one before, which was in order, up to {heard}"


def _lost_blocks(view: View) -> Wrong:
    heard = {block for line in view.lines for _, block in line.told.audio}
    until = float("inf") if view.settled else max(heard, default=-1)
    lost = [
        block
        for push in view.app.pushes
        for block in range(
            push.first, min(push.first + push.count, until + 1) if until < 1e9 else push.first + push.count
        )
        if block not in heard and (block in view.app.speech_blocks or not _unnoticed(view, push.at_s))
    ]
    dropped = sum(event.dropped_audio_ms for _, event in view.restarts) / marks.BLOCK_MS
    if len(lost) > dropped:
        yield f"{len(lost)} blocks were lost, as {lost[:3]}, and only {dropped:.0f} told"


def _unnoticed(view: View, at_s: float) -> bool:
    """Tell whether a connection was of no use any more, and nobody could know: silence may be lost in it."""
    downs = [down_s for down_s, _ in view.outages]
    return any(line.broke_s - 2.0 <= at_s <= down_s for line, down_s in _losses(view, downs))


def _losses(view: View, downs: list[float]) -> list[tuple[Line, float]]:
    return [(line, down_s) for line in view.lines for down_s in downs if line.broke_s <= down_s <= line.closed_s + 5.0]


# --- words --------------------------------------------------------------------------------------------------------


def typed(view: View) -> Wrong:
    """What was typed is in the conversation once, in order; what was not sent is nowhere."""
    for number, line in enumerate(view.lines):
        said = [item.words for item in line.told.created if item.role == "user"]
        for words, count in Counter(said).items():
            if words and count > 1:
                yield f"connection {number}: {words!r} was sent {count} times"
        for words in view.app.given_up:
            if words in said:
                yield f"connection {number}: {words!r} was sent, which the application gave up"
    if view.settled and view.last is not None:
        items = [item.words for item in view.last.told.items.values() if item.role == "user" and not item.spoken]
        wanted = [each.words for each in view.app.typed]
        if [words for words in items if words in set(wanted)] != wanted:
            yield f"typed {wanted}, the conversation has {items}"


# --- responses ----------------------------------------------------------------------------------------------------


def gate(view: View) -> Wrong:
    """A response is asked for only when none is active that was asked for."""
    for number, line in enumerate(view.lines):
        for error in line.told.errors:
            if error.code == "session_expired" and error.at_s - line.begun_s > view.scenario.session_max_s - SLACK_S:
                continue
            if error.code != "conversation_already_has_active_response":
                if error.code not in BENIGN_ERRORS and not _answers_a_cut(error, line):
                    yield f"connection {number}: the service refused at {error.at_s:.2f}: {error.code} {error.message}"
            elif (
                error.active is not None and error.active.asked and error.event_id and not _mistaken(view, line, error)
            ):
                yield f"connection {number}: asked at {error.at_s:.2f} into {error.active.id}, which was asked for"


def _mistaken(view: View, line: Line, error: Refused) -> bool:
    """Tell whether an answer of the service's own may have been taken for the one that was asked for."""
    since_s = error.at_s - SLACK_S - 2 * _round_trip_s(view) - 30.0 * any(s < error.at_s for s in line.stalls)
    return any(not answer.asked and since_s <= answer.done_s <= error.at_s for answer in line.told.answers)


def _answers_a_cut(error: Refused, line: Line) -> bool:
    """Tell whether an error answers a truncation that crossed something, or of speech that came twice."""
    if error.message.startswith("Audio content of "):
        return bool(line.copies)
    return error.code in {"item_truncate_invalid_item_id", "item_delete_invalid_item_id", "unsupported_content_type"}


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
    copies = {orjson.loads(text)["item_id"] for line in view.lines for text in line.copies if '.delta"' in text[:60]}
    complete = {event.response_id for _, event in view.completes if event.stop_reason == "complete"}
    for line in view.lines:
        for item_id, pieces in line.told.speech.items():
            if item_id in copies:
                continue
            sent, came = [mark for _, mark in pieces], heard.pop(item_id, [])
            if not _is_part(came, sent):
                yield f"{item_id}: {len(came)} pieces of speech came that are no part of the {len(sent)} that were sent"
            response_id = _response_of(line, item_id)
            cut = item_id in {cut_id for _, cut_id, _ in line.told.cuts}
            whole = response_id in complete and not cut and not _cut_into(view, line, response_id)
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


def fell_silent(view: View) -> Wrong:
    """When the user cuts in, nothing more comes of what the model was saying, nor what waited of it."""
    cuts = [event.received_at for _, event in view.events(BidiInterruptionEvent)]
    stale: set[str] = set()
    begun: set[str] = set()
    for got in view.app.got:
        if isinstance(got.event, BidiResponseStartEvent):
            begun.add(got.event.response_id)
        elif isinstance(got.event, BidiInterruptionEvent):
            stale |= begun
        elif isinstance(got.event, Heard):
            waited = any(got.event.received_s < cut_s < got.at_s for cut_s in cuts)
            if waited or got.event.response_id in stale:
                yield f"speech of {got.event.response_id} came at {got.at_s:.2f}, after the user cut in"


def turns(view: View) -> Wrong:
    """Each turn, spoken or typed, is answered once, unless somebody cut in."""
    answered: dict[str, float] = {}
    for _, event in view.completes:
        line, answer = view.answers.get(event.response_id, (None, None))
        words = view.finals.get(event.response_id, "").split()
        if line is None or answer is None or event.stop_reason != "complete" or words[:1] != [ANSWER]:
            continue
        for word in dict.fromkeys(words[1:]):
            asked_s = answered.get(word)
            if (
                asked_s is not None
                and not _has_news(line, asked_s, answer.at_s)
                and not _crossed(view, line, asked_s, answer)
            ):
                yield f"{word} was answered again at {answer.at_s:.2f}"
            if asked_s is None or not _was_cut(view, event.response_id):
                answered[word] = float("-inf") if _was_cut(view, event.response_id) else answer.at_s
    if view.settled:
        yield from _unanswered(view, {*answered, *view.half_said})


def _crossed(view: View, line: Line, asked_s: float, answer: Answer) -> bool:
    """Tell whether a request was on its way, or was refused, when the service answered by itself."""
    if not answer.asked:
        return False
    refused = any(error.event_id and asked_s <= error.at_s <= answer.at_s for error in line.told.errors)
    stalled = any(0.0 <= answer.at_s - stall_s <= 60.0 for stall_s in line.stalls)
    return refused or stalled or answer.at_s - asked_s < SLACK_S + 4 * _round_trip_s(view)


def _round_trip_s(view: View) -> float:
    return 2 * (view.scenario.weather.delay_ms + view.scenario.weather.jitter_ms) / 1000


def promptly(view: View) -> Wrong:
    """An answer begins within its bound after the words, though the connection was lost meanwhile."""
    begun: dict[str, float] = {}
    for line in view.lines:
        for answer in line.told.answers:
            if not answer.aside and answer.id in view.went_on:
                for item_id in answer.before:
                    begun.setdefault(item_id, answer.at_s)
    # Words that were told to a connection again are older than it.
    said: dict[str, float] = {}
    for line in view.lines:
        for item in line.told.items.values():
            said.setdefault(item.id, item.at_s)
    for line in view.lines:
        for item in line.told.items.values():
            began_s = begun.get(item.id)
            if began_s is None or item.role != "user" or item.at_s > began_s or _silenced(view, said[item.id]):
                continue
            late_s = began_s - item.at_s - _useless_s(view, item.at_s, began_s) - view.slept_s(item.at_s, began_s)
            if late_s > ANSWERED_WITHIN_S and not view.half_said & set(item.words.split()):
                yield f"{item.words} of {item.at_s:.2f} was answered at {began_s:.2f}"


ANSWERED_WITHIN_S: Final = limits.TOOL_RESULT_DEADLINE_S + 30.0
"""A call without a result holds back an answer to other words that long."""


def _useless_s(view: View, since_s: float, until_s: float) -> float:
    """Tell for how long the session had no connection that was in order."""
    spans = [(line.broke_s, after.begun_s) for line, after in pairwise(view.lines)] + view.outages
    spans += [(stall_s, stall_s + 30.0) for line in view.lines for stall_s in line.stalls]
    return sum(max(0.0, min(until_s, up_s) - max(since_s, down_s)) for down_s, up_s in spans)


def _has_news(line: Line, since_s: float, until_s: float) -> bool:
    """Tell whether a call was answered meanwhile, which is told to the model again; or the answer was not heard out."""
    if since_s == float("-inf"):
        return True
    return any(item.kind == "function_call_output" and since_s <= item.at_s <= until_s for item in line.told.created)


def _was_cut(view: View, response_id: str) -> bool:
    """Tell whether somebody cut in on an answer, on whichever connection its items were by then."""
    line, answer = view.answers.get(response_id, (None, None))
    if line is None or answer is None:
        return True
    return any(item_id in view.cut or item_id not in line.told.items for item_id in answer.items)


def _unanswered(view: View, answered: set[str]) -> Wrong:
    stopped = _stopped(view)
    for line in view.lines:
        for item in line.told.items.values():
            if item.role != "user":
                continue
            for words in item.words.split():
                if words not in answered and words not in stopped and not _silenced(view, item.at_s):
                    yield f"{words} was never answered"
                    answered.add(words)


def _stopped(view: View) -> set[str]:
    """Give the words of which an answer was stopped, by the user's speech or by the application."""
    stopped: set[str] = set()
    for line in view.lines:
        for answer in line.told.answers:
            if answer.status in ("cancelled", "failed", "incomplete"):
                stopped.update(*(view.words.get(item_id, "").split() for item_id in answer.before))
    return stopped


def _silenced(view: View, since_s: float) -> bool:
    """Tell whether the application made the model fall silent soon after."""
    return any(wait.what == "interrupt" and since_s <= wait.began_s <= since_s + 30.0 for wait in view.app.waits)


def utterances(view: View) -> Wrong:
    """What was said and wholly sent became a turn of the conversation."""
    if not view.settled or view.last is None:
        return
    known = {words for line in view.lines for item in line.told.items.values() for words in item.words.split()}
    known |= {words for line in view.lines for item in line.told.gone.values() for words in item.words.split()}
    for number in view.app.spoken:
        if f"u{number}" not in known and not any(event.dropped_audio_ms for _, event in view.restarts):
            yield f"u{number} was said and became no turn"


# --- calls --------------------------------------------------------------------------------------------------------


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


# --- what was heard -----------------------------------------------------------------------------------------------


def history(view: View) -> Wrong:
    """The session's history is the service's conversation, as heard."""
    if not view.settled or view.app.history is None or view.last is None:
        return
    theirs = view.last.told.items
    ours = {each.id: each for each in view.app.history}
    for item in theirs.values():
        mine = ours.get(item.id)
        if mine is None:
            yield f"history lacks {item.id} {item.words!r}"
        elif item.heard_ms is not None:
            if (mine.words, mine.heard_ms) != (item.words, item.heard_ms):
                yield f"history has {mine}, the service {item.words!r} heard for {item.heard_ms} ms"
        elif mine.heard != item.words:
            yield f"history has {mine}, the service {item.words!r}"
    for mine in view.app.history:
        if mine.id not in theirs and mine.heard:
            yield f"history has {mine}, the service has not"
    if [each for each in ours if each in theirs] != list(theirs):
        yield "history has another order than the service"


def replay(view: View) -> Wrong:
    """A new connection is told the talk so far: every item, in order, as it was heard."""
    for number, (before, line) in enumerate(pairwise(view.lines), 1):
        if view.restarts[number - 1][1].left_out_items:
            continue
        told = {item.id: item for item in line.told.created}
        # What crossed the end of a lost connection may not have been heard of.
        until_s = min(before.broke_s, line.opened_s, *before.stalls) - 5.0
        known = [item for item in before.told.items.values() if item.at_s < until_s and _can_be_told(item)]
        for item in known:
            yield from (f"connection {number}: {what}" for what in _retold(item, told.get(item.id)))
        gone = set(before.told.gone) - set(before.told.items)
        yield from (
            f"connection {number}: {item_id} was deleted, and told again"
            for item_id in gone & set(told) - set(line.told.gone)
        )
        order = [item.id for item in known if item.id in told]
        if [item_id for item_id in told if item_id in set(order)] != order:
            yield f"connection {number}: the talk was told in another order"


def _can_be_told(item: Item) -> bool:
    return bool(item.words or item.output or item.kind == "function_call") and item.status != "incomplete"


def _retold(item: Item, told: Item | None) -> Wrong:
    if item.heard_ms is not None:
        if told is not None and told.words == item.words and item.heard_ms < item.audio_ms * 0.8:
            yield f"{item.id} was told whole, of which {item.heard_ms} of {item.audio_ms:.0f} ms were heard"
    elif told is None:
        yield f"{item.id} {item.kind} {item.words!r} was not told"
    elif told.words and told.words != item.words:
        yield f"{item.id} was told as {told.words!r}, it is {item.words!r}"
    elif (told.call_id, told.output) != (item.call_id, item.output):
        yield f"{item.id} was told with another call or result"


def playback(view: View) -> Wrong:
    """Where the user cut in, the service is told how much of the speech was heard."""
    player = Player()
    for got in view.app.got:
        if isinstance(got.event, Heard):
            player.give(got.at_s, got.event.item_id, got.event.ms)
        elif isinstance(got.event, BidiInterruptionEvent):
            at_s = got.event.received_at
            for item_id, heard_ms in player.cut(at_s):
                yield from _told_of_cut(view, item_id, heard_ms, at_s)


def _told_of_cut(view: View, item_id: str, heard_ms: float, at_s: float) -> Wrong:
    line = next((line for line in view.lines if item_id in line.told.speech), None)
    if line is None or min(line.broke_s, line.closed_s, view.app.stopping_s, *line.stalls) < at_s + 2.0:
        return
    cuts = [ms for _, cut_id, ms in line.told.cuts if cut_id == item_id]
    if not cuts:
        yield f"{item_id} was cut off at {heard_ms:.0f} ms at {at_s:.2f}, and the service was not told"
    elif abs(cuts[0] - heard_ms) > CUT_MS:
        yield f"{item_id} was heard for {heard_ms:.0f} ms, and the service was told {cuts[0]}"


CUT_MS: Final = 50.0


# --- time and ends ------------------------------------------------------------------------------------------------


def waits(view: View) -> Wrong:
    """Everything that waits ends by its deadline."""
    bounds = {
        "send_audio": 0.1,
        "send": 5.0,
        "interrupt": 5.0,
        "stop": 2.1,
        "update": 15.0,
        "result": 5.0,
        "aside": 60.0,
    }
    for wait in view.app.waits:
        took = wait.ended_s - wait.began_s - _outage(view, wait.began_s, wait.ended_s)
        took -= view.slept_s(wait.began_s, wait.ended_s)
        # A deadline of an answer counts from its first word, which is a way there and back later.
        if took > bounds.get(wait.what, float("inf")) + (2 * _round_trip_s(view) if wait.what == "aside" else 0.0):
            yield f"{wait.what} took {took:.2f} s and the time without a connection"
        if wait.error not in ALLOWED_ERRORS:
            yield f"{wait.what} raised {wait.error}"
    over = view.app.left_s - view.app.came_s - view.scenario.lasts_s
    over -= view.slept_s(view.app.stopping_s - 1.0, view.app.left_s)
    if over > 3.0:
        yield f"the session was over {over:.1f} s after the user left"


def _outage(view: View, since_s: float, until_s: float) -> float:
    """Tell for how long there was no connection between two moments, as the application was told."""
    return sum(max(0.0, min(until_s, up_s) - max(since_s, down_s)) for down_s, up_s in view.outages)


def liveness(view: View) -> Wrong:
    """A connection that is of no use any more is found and closed within the bounds of ping and close."""
    engine = view.scenario.engine
    bound_s = engine["ping_interval_s"] + limits.PING_DEADLINE_S + limits.CLOSE_DEADLINE_S + LOOK_S
    bound_s += 2 * _round_trip_s(view)
    for number, line in enumerate(view.lines):
        if line.closed_s == float("inf"):
            continue
        last_s = max(line.broke_s, line.last_word_s)
        if any(line.broke_s <= closed_s < line.closed_s for closed_s in view.ends):
            last_s += (
                limits.CONNECT_DEADLINE_S
            )  # It is closed when the next one, which was being made, is there or not.
        late_s = line.closed_s - last_s - view.slept_s(line.broke_s, line.closed_s) - bound_s
        if line.broke_s < view.app.stopping_s - bound_s and late_s > 0.0:
            yield f"connection {number} broke at {line.broke_s:.2f} and was closed at {line.closed_s:.2f}"
    for number, (line, (at_s, _)) in enumerate(zip(view.lines, view.restarts, strict=False)):
        if line.closed_s - view.slept_s(at_s, line.closed_s) > at_s + 3.0:
            yield f"connection {number} was left at {at_s:.2f} and closed at {line.closed_s:.2f}"


LOOK_S: Final = 4.0
"""What the looks at a deadline may take."""


def left_behind(view: View) -> Wrong:
    """Once the session has moved on, nothing comes from the connection before."""
    number, of = 0, {}
    for index, line in enumerate(view.lines):
        of.update(dict.fromkeys((answer.id for answer in line.told.answers), index))
    for got in view.app.got:
        if isinstance(got.event, BidiConnectionRestartEvent):
            number += 1
        response_id = getattr(got.event, "response_id", None)
        if of.get(response_id, number) < number:
            yield f"{type(got.event).__name__} of connection {of[response_id]} came at {got.at_s:.2f} after a move"


ALLOWED_ERRORS: Final = frozenset(
    {
        "",
        "Cancelled",
        "SessionEnded",
        "ConnectionLost",
        "HandshakeRejected",
        "DeadlinePassed",
        "BidiModelTimeoutError",
        "ServerReported",
        "LocalMisuse",
    }
)


def endings(view: View) -> Wrong:
    """A session ends when it is stopped, or with the error of what was done to it; the service never breaks."""
    for number, line in enumerate((*view.lines, *view.drafts)):
        if line.crash:
            yield f"connection {number}: the service crashed: {line.crash}"
    error = view.app.error
    if error is not None and not isinstance(error, (ConnectionLost, BidiModelTimeoutError, DeadlinePassed)):
        yield f"the session ended with {error!r}"
    for number, closed_s in enumerate(view.ends):
        if closed_s == float("inf"):
            yield f"connection attempt {number} was never closed"


def errors(view: View) -> Wrong:
    """The application is told of no error that nothing explains."""
    # The service's own answer to a turn, refused as ours was active: it names no event of the client's.
    unasked = {error.code for line in view.lines for error in line.told.errors if not error.event_id}
    for at_s, event in view.events(BidiErrorEvent):
        if isinstance(event.error, DeadlinePassed) and _something_was_wrong(view, at_s):
            continue
        if event.code not in EXPLAINED | unasked and event.details != {"problem": "renewal"}:
            yield f"told of {event.code} at {at_s:.2f}: {event.message[:100]}"


def _something_was_wrong(view: View, at_s: float) -> bool:
    if view.slept_s(at_s - 60.0, at_s):
        return True
    return any(line.stalls or line.broke_s <= at_s <= line.closed_s for line in (*view.lines, *view.drafts))


EXPLAINED: Final = frozenset({"response_cancel_not_active"})

CHECKS: Final[tuple[Callable[[View], Wrong], ...]] = (
    microphone,
    typed,
    gate,
    told_once,
    speech,
    fell_silent,
    turns,
    promptly,
    utterances,
    calls,
    history,
    replay,
    playback,
    left_behind,
    liveness,
    waits,
    endings,
    errors,
)


def wrong(view: View) -> list[str]:
    """Hold a story against all invariants."""
    return [f"{check.__name__}: {what}" for check in CHECKS for what in check(view)]
