"""A conversation by typed lines: each line of the standard input is a turn, and waits for the answer to the last."""

import codecs
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import attrs
import trio

from engine.cli.heard import Heard
from engine.cli.talk_tools import NoTools
from engine.demo import connections
from engine.demo.printable import one_line, printable
from engine.demo.tools import in_words
from engine.errors import DeadlinePassed, ServerReported
from engine.events import (
    BidiAudioStreamEvent,
    BidiConnectionRestartEvent,
    BidiConnectionWarningEvent,
    BidiErrorEvent,
    BidiResponseCompleteEvent,
    BidiTextInputEvent,
    BidiTranscriptStreamEvent,
    ToolResultEvent,
    ToolUseStreamEvent,
)
from engine.session import Session

ANSWER_DEADLINE_S: Final = 120.0
"""From a line to the end of its answer."""

PROMPT: Final = "you    "
ANSWER: Final = "agent  "
TOOL: Final = "tool   "
LINK: Final = f"{connections.WHO:<7}"


async def hold(session: Session, heard: Heard) -> None:
    """Talk until the standard input ends.

    Args:
        session: The session.
        heard: Takes the agent's voice.

    Raises:
        DeadlinePassed: An answer took too long.
        ServerReported: The service refused a turn.
        LimitExceeded: It calls tools on and on.
    """
    typed = sys.stdin.isatty()
    talk = _TextTalk(session, heard, typed=typed)
    async with aclosing(_lines()) as lines, trio.open_nursery() as nursery:
        nursery.start_soon(talk.listen, name="talk listener")
        _prompt(typed=typed)
        async for line in lines:
            if line:
                _echo(line, typed=typed)
                await talk.ask(line)
            _prompt(typed=typed)
        nursery.cancel_scope.cancel()
    if typed:
        _write("\n")


class _TextTalk:
    def __init__(self, session: Session, heard: Heard, *, typed: bool = False) -> None:
        self._session = session
        self._heard = heard
        self._typed = typed
        self._asks = False
        self._answered = trio.Event()
        self._begun = False
        self._turns = 0
        self._tools = NoTools(lambda: self._turns)

    async def ask(self, line: str) -> None:
        """Send a turn and wait for the end of its answer."""
        self._answered, self._asks = trio.Event(), True
        self._turns += 1
        await self._session.send(BidiTextInputEvent(line))
        try:
            with trio.fail_after(ANSWER_DEADLINE_S):
                await self._answered.wait()
        except trio.TooSlowError as error:
            raise DeadlinePassed("answer", ANSWER_DEADLINE_S) from error
        finally:
            self._asks = False

    async def listen(self) -> None:
        """Show what the session says."""
        async with aclosing(self._session.receive()) as events:
            async for event in events:
                await self._take(event)

    async def _take(self, event: object) -> None:
        if isinstance(event, BidiAudioStreamEvent):
            self._heard.add(event.pcm)
        elif isinstance(event, BidiTranscriptStreamEvent) and not event.is_final:
            words = printable(event.text)
            _write(words if self._begun else ANSWER + words)
            self._begun = True
        elif isinstance(event, BidiResponseCompleteEvent):
            self._end(event)
        elif isinstance(event, ToolUseStreamEvent):
            await self._refuse(event)
        elif isinstance(event, (BidiConnectionWarningEvent, BidiConnectionRestartEvent)):
            self._tell(event)
        elif isinstance(event, BidiErrorEvent) and isinstance(event.error, ServerReported):
            raise event.error

    def _end(self, event: BidiResponseCompleteEvent) -> None:
        details = event.details or {}
        error = details.get("error") or {}
        if event.stop_reason == "error":
            raise ServerReported(error.get("message") or "the response failed", code=error.get("code"))
        if event.stop_reason == "tool_use" or details.get("reason") == "connection_lost":
            # The answer is the next response: it follows the tool's result, or is asked for again.
            self._end_line()
            return
        if not self._begun:
            _write(f"{ANSWER}(nothing)")
            self._begun = True
        self._end_line()
        self._answered.set()

    def _tell(self, event: BidiConnectionWarningEvent | BidiConnectionRestartEvent) -> None:
        words = connections.in_words(event)
        if words is None:
            return
        at_prompt = self._typed and not self._asks
        self._end_line()
        _write(("\n" if at_prompt else "") + f"{LINK}{one_line(words)}\n" + (PROMPT if at_prompt else ""))

    def _end_line(self) -> None:
        _write("\n" if self._begun else "")
        self._begun = False

    async def _refuse(self, event: ToolUseStreamEvent) -> None:
        """Show a call, and tell the service that there is no such tool: it waits for a result."""
        self._end_line()
        use = event.current_tool_use
        result = self._tools.call(use["name"], use["input"])
        call, gave = in_words(use["name"], use["input"], result)
        _write(f"{TOOL}{one_line(call)} -> {one_line(gave)}\n")
        told = {"toolUseId": use["toolUseId"], "status": "error", "content": [{"json": result}]}
        await self._session.send(ToolResultEvent(told))


@attrs.define
class _Splitter:
    """Makes lines of bytes that come in any pieces."""

    decoder: codecs.IncrementalDecoder = attrs.field(
        factory=lambda: codecs.getincrementaldecoder("utf-8")(errors="replace")
    )
    rest: str = ""

    def push(self, data: bytes) -> list[str]:
        """Give the lines that are whole; all that is left at the end, which is no data."""
        *lines, self.rest = (self.rest + self.decoder.decode(data, final=not data)).split("\n")
        if not data:
            lines, self.rest = [*lines, self.rest], ""
        return [line.strip() for line in lines]


async def _lines() -> AsyncGenerator[str, None]:
    # A thread that waits in `sys.stdin` would hold its lock when the program ends; `os.read` holds nothing.
    descriptor, splitter, data = sys.stdin.fileno(), _Splitter(), b"\n"
    while data:
        data = await trio.to_thread.run_sync(os.read, descriptor, 65_536, abandon_on_cancel=True)
        for line in splitter.push(data):
            yield line


def _prompt(*, typed: bool) -> None:
    if typed:
        _write(PROMPT)


def _echo(line: str, *, typed: bool) -> None:
    if not typed:
        _write(f"{PROMPT}{line}\n")


def _write(words: str) -> None:
    sys.stdout.write(words)
    sys.stdout.flush()
