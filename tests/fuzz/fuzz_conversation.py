"""Fuzz target: the conversation. Messages, the application's calls and time in any order, judged by what comes out.

A talk is text, a step a line:

    {"type": "session.created", "session": {}}      the service sends this; it may be anything but a line's end
    ~ 2.5                                           2.5 s pass
    > text hello                                    the application calls; see `CALLS`
    ! 1006                                          the connection is lost, with this close code or none
"""

import json
import math
from collections.abc import Sequence
from functools import cache

from engine.config import ClientSettings, EngineSettings, SessionConfig
from engine.errors import ConnectionLost, LocalMisuse, RemoteViolation, SessionEnded, UnsupportedContent
from engine.events import BidiImageInputEvent, BidiTextInputEvent, ToolResultEvent
from engine.protocol.conversation import Conversation
from engine.protocol.effects import End, Transmit
from engine.wire.client import InputAudioBufferAppend
from engine.wire.codec import decode_client, decode_server, encode

MAX_STEPS = 2_000
LATEST_S = 3_600.0
"""No deadline is further away."""

CLIENT = ClientSettings(api_key="sk-fuzz", base_url="ws://localhost/v1", organization="", project="")


@cache
def settings():
    return SessionConfig(client=CLIENT, engine=EngineSettings(on_timeout="raise", reconnect=None), image_input=True)


def check_conversation(text):
    """Play a talk.

    Raises:
        AssertionError: The judge objects.
    """
    judge = Judge()
    lines = text.splitlines() if isinstance(text, str) else text.decode(errors="replace").splitlines()
    for line in lines[:MAX_STEPS]:
        judge.play(line)
    judge.end()


class Judge:
    """Plays the steps of a talk, and objects."""

    def __init__(self):
        self.conversation = Conversation(settings(), "connection_1")
        self.now = 0.0
        self.over = False
        self.refused = 0
        self.tickets = []
        self._check(self.conversation.begin())

    def play(self, line):
        """Play one step."""
        kind, _, rest = line.partition(" ")
        match kind:
            case "~":
                self._wait(rest)
            case ">":
                self._check(self._call(rest))
            case "!":
                self._lose(rest)
            case _:
                self.receive(line)
        self._check_state()

    def end(self):
        """Let time go on till nothing is due, then lose the connection."""
        for _ in range(1_000):
            due = self.conversation.deadline
            if due is None:
                break
            self.now = max(self.now, due)
            self._check(self.conversation.tick(self.now))
            after = self.conversation.deadline
            assert after is None or after > self.now, f"due at {after} again and again: a watchdog would spin"
        else:
            raise AssertionError("always due again")
        self._lose("")
        self._check(self.conversation.tick(self.now + 1e6))
        assert self.conversation.deadline is None

    def _wait(self, words):
        try:
            seconds = float(words)
        except ValueError:
            return
        if 0 <= seconds <= LATEST_S:
            self.now += seconds
            self._check(self.conversation.tick(self.now))
            due = self.conversation.deadline
            assert due is None or due > self.now, f"due at {due}, and {self.now} has passed"

    def _lose(self, words):
        code = int(words) if words.isdecimal() and len(words) < 5 else None
        self._check(self.conversation.link_ended(ConnectionLost("lost", code=code)))

    def receive(self, line):
        """Take a message of the service's, read or not."""
        try:
            event = decode_server(line)
        except RemoteViolation as violation:
            self._check(self.conversation.violated(violation, violation.problem, self.now))
        else:
            self._check(self.conversation.receive(event, self.now))

    def _call(self, words):
        name, _, rest = words.partition(" ")
        call = CALLS.get(name)
        if call is None:
            return ()
        try:
            return call(self, rest)
        except SessionEnded:
            assert self.over
        except (LocalMisuse, UnsupportedContent):
            self.refused += 1
        return ()

    def _check(self, effects: Sequence[object]):
        assert not (self.over and effects), f"after the end comes {effects}"
        for place, effect in enumerate(effects):
            if isinstance(effect, End):
                assert place == len(effects) - 1, "something comes out after the end"
                self.over = True
            elif isinstance(effect, Transmit):
                assert not isinstance(effect.event, InputAudioBufferAppend)
                encode(effect.event)
            repr(effect)

    def _check_state(self):
        due = self.conversation.deadline
        assert due is None or math.isfinite(due), due
        assert due is None or due <= self.now + LATEST_S, f"due in {due - self.now} s"
        repr(self.conversation.statistics())
        self.conversation.history.messages()
        playing = self.conversation.playback.heard_out_at(self.now)
        assert playing is None or math.isfinite(playing)


# --- what the application may do -------------------------------------------------------------------------------------


def _sent_by_hand(judge, text):
    event = _event(text)
    return () if event is None else judge.conversation.sent_by_hand(event, judge.now)


def _asked(judge, text):
    event = _event(text)
    if event is None:
        return ()
    asked = judge.conversation.ask(event, judge.now)
    judge.tickets.append(asked.ticket)
    return asked.effects


def _event(text):
    """Read a client event; None where the session would have refused to send it."""
    try:
        event = decode_client(text)
        encode(event)
    except (RemoteViolation, UnsupportedContent):
        return None
    return event


def _withdraw(judge, words):
    ticket = int(words) if words.isdecimal() and len(words) < 9 else 1
    return () if judge.over else judge.conversation.withdraw(ticket, judge.now)


def _result(judge, words):
    call_id, _, text = words.partition(" ")
    blocks = [{"text": text}]
    if text.startswith("{"):
        try:
            blocks = [{"json": json.loads(text)}]
        except (ValueError, RecursionError):
            return ()
    return judge.conversation.submit(ToolResultEvent({"toolUseId": call_id, "content": blocks}), judge.now)


def _report(judge, words):
    item_id, _, played_ms = words.partition(" ")
    try:
        length = float(played_ms)
    except ValueError:
        return ()
    judge.conversation.playback.report(item_id, length, judge.now)
    return ()


CALLS = {
    "text": lambda judge, words: judge.conversation.submit(BidiTextInputEvent(words), judge.now),
    "assistant": lambda judge, words: judge.conversation.submit(BidiTextInputEvent(words, "assistant"), judge.now),
    "image": lambda judge, words: judge.conversation.submit(BidiImageInputEvent("iVBO", "image/png"), judge.now),
    "result": _result,
    "send": _sent_by_hand,
    "ask": _asked,
    "withdraw": _withdraw,
    "report": _report,
    "interrupt": lambda judge, words: judge.conversation.interrupt(judge.now),
    "commit": lambda judge, words: judge.conversation.commit(judge.now, answered=words == "answered"),
    "clear": lambda judge, words: judge.conversation.clear(judge.now),
    "tell": lambda judge, words: judge.conversation.tell(words, judge.now),
}
"""By name; each takes the rest of its line."""
