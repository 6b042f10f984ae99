"""Carries out what a conversation wants done and other kinds of sessions don't: its answers, interruptions, tools."""

from collections.abc import Callable, Mapping
from typing import ClassVar

from engine.events import BidiResponseCompleteEvent, McpToolsEvent, ToolUseStreamEvent
from engine.inbox import Inbox
from engine.protocol.effects import Apart, PurgeAudio, ResponseEnded
from engine.protocol.requests import Answered
from engine.session.answers import Answers
from engine.session.mcp import McpServers
from engine.session.responses import Responses
from engine.session.speaker import Speaker
from engine.session.tools import SessionTools


class Carrier:
    """Hands each effect to its part of the session. The parts are made after the supervisor, and put in here then.

    Args:
        speaker: Where the model's audio goes.

    Attributes:
        inbox: Holds the audio that an interruption drops.
        answers: Wait for the service.
        responses: Those that were asked for by themselves.
        mcp: Tools that the service calls.
        tools: Tools that we call.
    """

    __slots__ = ("_speaker", "answers", "inbox", "mcp", "responses", "tools")

    inbox: Inbox
    answers: Answers
    responses: Responses
    mcp: McpServers
    tools: SessionTools

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker

    def _answered(self, effect: Answered) -> None:
        self.answers.settle(effect)

    def _told_apart(self, effect: Apart) -> None:
        self.responses.told(effect)

    def _response_ended(self, effect: ResponseEnded) -> None:
        self.responses.ended(effect)

    def _mcp_changed(self, event: McpToolsEvent) -> None:
        self.mcp.changed(event)

    def _purge(self, effect: PurgeAudio) -> None:
        self.inbox.purge_audio(effect.kept)
        self._speaker.purge(effect)
        if effect.by_user:
            self.tools.interrupted()

    def _tool_called(self, event: ToolUseStreamEvent) -> None:
        self.tools.call(event)

    def _response_done(self, event: BidiResponseCompleteEvent) -> None:
        self._speaker.response_done(event.response_id)
        self.tools.response_done(event)

    HANDLES: ClassVar[Mapping[type, Callable[..., None]]] = {
        Answered: _answered,
        Apart: _told_apart,
        ResponseEnded: _response_ended,
        McpToolsEvent: _mcp_changed,
        PurgeAudio: _purge,
        ToolUseStreamEvent: _tool_called,
        BidiResponseCompleteEvent: _response_done,
    }
    """Methods by the class of effects that they carry out; see `engine.dispatch`."""
