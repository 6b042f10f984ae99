"""One response from `response.created` to `response.done`: its output in order, at its pace, and its end at any point.

The end is made at once by whoever calls `finish`, in the middle of the task that writes the output: that task is
cancelled and what it would still emit is dropped, so no event can come after `response.done`.
"""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, Final

import trio

from engine.simulator import usage
from engine.simulator.formats import duration_ms, wire_format
from engine.simulator.mcp_calls import McpCallItem, mcp_call_entry
from engine.simulator.output import FunctionCall, Message, OutputItem, call_entry, message_entry
from engine.simulator.request import Abilities, Request, prompt_of
from engine.simulator.responder import Call, Fail, Incomplete, McpCall, Part, Say
from engine.simulator.services import Services, pieces
from engine.simulator.speaking import Words, deltas_of, once

logger = logging.getLogger(__name__)

Json = dict[str, Any]

CATCH_UP_S: Final = 1.0
"""How far behind its pace a response may be and still catch up, after a slow client or a busy machine."""


class _Over(Exception):
    """The response ends here, as a part says."""

    def __init__(self, status: str, details: Json) -> None:
        super().__init__(status)
        self.status = status
        self.details = details


class Generation:
    """A running response.

    Args:
        services: The session's.
        abilities: The session's too.
        request: What it is to be.
        on_done: Called once, right after `response.done`.
    """

    def __init__(
        self, services: Services, abilities: Abilities, request: Request, on_done: Callable[["Generation"], None]
    ) -> None:
        self.id = services.ids.new("resp")
        self.request = request
        self.done = False
        self.cancelling = False
        self._services = services
        self._abilities = abilities
        self._calls: list[trio.Event] = []
        self._on_done = on_done
        self._scope = trio.CancelScope()
        self._items: list[OutputItem] = []
        self._open: OutputItem | None = None
        self._context = usage.context_parts(request.session, request.entries)
        self._audio = "audio" in request.session["output_modalities"]

    @property
    def audio_ms(self) -> float:
        """Tell how much speech it made."""
        return sum(item.entry.audio_ms for item in self._items)

    def begin(self) -> None:
        """Send `response.created`."""
        self._services.emit("response.created", response=self._object("in_progress", None, None))

    async def run(self) -> None:
        """Write the output and end the response."""
        with self._scope:
            try:
                await self._write_output()
            except _Over as over:
                self.finish(over.status, over.details)
            except Exception:
                logger.exception("responder of response %s failed", self.id)
                self.finish("failed", _failure(Fail()))
            else:
                self.finish("completed", None)

    def finish(self, status: str, details: Json | None) -> None:
        """End the response here: close what is open, send `response.done`. Does nothing when it is over."""
        if self.done:
            return
        self._close_item("completed" if status == "completed" else "incomplete")
        self.done = True
        self._scope.cancel()
        made = self._made()
        cached = usage.cached(self._services.last_context, self._context)
        spent = usage.usage(usage.total(self._context), cached, made)
        if status == "failed":
            spent = usage.usage(usage.Count(), usage.Count(), usage.Count())
        elif not self.request.out_of_band:
            self._services.last_context = self._context
        self._services.rate_limit.spend(spent["total_tokens"], trio.current_time())
        self._services.emit("response.done", response=self._object(status, details, spent))
        self._on_done(self)

    def cancel(self, reason: str) -> None:
        """End the response as `cancelled`, for `turn_detected` or `client_cancelled`."""
        self.finish("cancelled", {"type": "cancelled", "reason": reason})

    # --- its object ----------------------------------------------------------------------------------------------

    def _object(self, status: str, details: Json | None, spent: Json | None) -> Json:
        session = self.request.session
        output = session["audio"]["output"]
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": [item.entry.snapshot() for item in self._items],
            "conversation_id": None if self.request.out_of_band else self._services.conversation.id,
            "output_modalities": session["output_modalities"],
            "max_output_tokens": session["max_output_tokens"],
            "audio": {"output": {"format": output["format"], "voice": self._voice_name}},
            "usage": spent,
            "metadata": self.request.metadata,
        }

    def _made(self) -> usage.Count:
        return sum((item.tokens() for item in self._items), usage.Count())

    # --- its output ----------------------------------------------------------------------------------------------

    async def _write_output(self) -> None:
        pace = self._services.settings.pace
        await trio.sleep(pace.think_ms / 1000)
        await self._abilities.ear.hear_all(list(self.request.entries))
        if self.request.failure is not None:
            raise _Over("failed", _failure(self.request.failure))
        parts = await self._services.responder.answer(prompt_of(self.request))
        await self._go_on()
        for part in parts:
            if not isinstance(part, Incomplete):
                self._close_item("completed")
            await self._write_part(part)
        if self._services.settings.mcp_before_done:
            for ended in self._calls:
                await ended.wait()
            await self._go_on()

    async def _write_part(self, part: Part) -> None:
        match part:
            case Say():
                await (self._speak(part) if self._audio else self._write_text(part))
            case Call():
                await self._write_call(part)
            case McpCall():
                await self._write_mcp_call(part)
            case Incomplete():
                raise _Over("incomplete", {"type": "incomplete", "reason": part.reason})
            case Fail():
                raise _Over("failed", _failure(part))

    async def _write_text(self, part: Say) -> None:
        pace = self._services.settings.pace
        await self._stream(self._open_message().write, part.text, pace.first_delta_ms)

    async def _write_call(self, part: Call) -> None:
        ids = self._services.ids
        entry = call_entry(ids.new("item"), part.name, part.call_id or ids.new("call"))
        call = FunctionCall(self._services, self.id, len(self._items), not self.request.out_of_band, entry)
        self._open_item(call)
        await self._stream(call.write, part.arguments, 0)

    async def _write_mcp_call(self, part: McpCall) -> None:
        found = self._abilities.mcp_tools.find(self.request.session, part.server_label, part.name)
        if found is None:
            return
        entry = mcp_call_entry(self._services.ids.new("mcp"), part.server_label, part.name)
        call = McpCallItem(self._services, self.id, len(self._items), not self.request.out_of_band, entry)
        self._open_item(call)
        await self._stream(call.write, part.arguments, 0)
        ended = self._abilities.mcp_calls.start(call, found)
        if ended is not None:
            self._calls.append(ended)

    async def _stream(self, write: Callable[[str], None], text: str, first_delta_ms: float) -> None:
        wait_ms = first_delta_ms
        for delta in pieces(text):
            await self._wait(wait_ms)
            write(delta)
            wait_ms = self._services.settings.pace.text_delta_ms

    async def _speak(self, part: Say) -> None:
        pace = self._services.settings.pace
        message = self._open_message()
        words = Words(part.text)
        next_at = trio.current_time() + pace.first_delta_ms / 1000
        async with aclosing(deltas_of(self._voice(part), round(pace.audio_delta_ms))) as deltas:
            async for pcm in deltas:
                await self._wait((next_at - trio.current_time()) * 1000)
                next_at = max(next_at, trio.current_time() - CATCH_UP_S) + duration_ms(pcm) / 1000 / pace.audio_speed
                for word in words.until(message.entry.audio_ms + pace.transcript_lead_ms):
                    message.write(word)
                message.say(pcm)
        await self._go_on()
        for word in words.until(float("inf")):
            message.write(word)

    def _voice(self, part: Say) -> AsyncIterator[bytes]:
        if part.audio is not None:
            return once(part.audio)
        return self._services.responder.speak(part.text, self._voice_name)

    @property
    def _voice_name(self) -> str:
        """Name the voice; openai-python's type of a response takes no object here."""
        voice = self.request.session["audio"]["output"]["voice"]
        return voice if isinstance(voice, str) else str(voice["id"])

    # --- items and pace ------------------------------------------------------------------------------------------

    def _open_message(self) -> Message:
        wire = wire_format(self.request.session["audio"]["output"]["format"]) if self._audio else None
        entry = message_entry(self._services.ids.new("item"))
        message = Message(self._services, self.id, len(self._items), not self.request.out_of_band, entry, wire)
        self._open_item(message)
        return message

    def _open_item(self, item: OutputItem) -> None:
        self._items.append(item)
        self._open = item
        item.open()

    def _close_item(self, status: str) -> None:
        item, self._open = self._open, None
        if item is not None:
            item.close(status)

    async def _wait(self, ms: float) -> None:
        """Wait for the pace, for a slow client, and notice the end."""
        await trio.sleep(max(0.0, ms / 1000))
        await self._go_on()

    async def _go_on(self) -> None:
        await self._services.room()
        if self.done:
            # Ended while this task was already about to run: the cancellation arrives here, before it can emit.
            await trio.sleep_forever()
        limit = self.request.session["max_output_tokens"]
        if limit != "inf" and self._made().total >= limit:
            raise _Over("incomplete", {"type": "incomplete", "reason": "max_output_tokens"})


def _failure(part: Fail) -> Json:
    error = {"type": part.error_type, "code": part.code, "message": part.message}
    return {"type": "failed", "error": error}
