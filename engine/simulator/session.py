"""One simulated session: what each client event does, which responses run, when the idle timer fires."""

from collections.abc import Callable
from typing import Any

import trio

from engine.simulator import effective
from engine.simulator.calls import SimulatedCall
from engine.simulator.catalogue import (
    ACTIVE_RESPONSE,
    CANCEL_NOT_ACTIVE,
    INVALID_REQUEST,
    NOT_IN_TRANSCRIPTION,
    Refusal,
)
from engine.simulator.checks import EVENTS, SIDEBAND_EVENTS
from engine.simulator.context import ContextWindow
from engine.simulator.conversation import Entry
from engine.simulator.ear import Ear
from engine.simulator.generation import Generation
from engine.simulator.idle import IdleTimer
from engine.simulator.intake import Intake
from engine.simulator.item_events import ItemEvents
from engine.simulator.mcp_calls import McpCalls
from engine.simulator.mcp_tools import McpTools
from engine.simulator.request import Abilities, Request, Trigger
from engine.simulator.responder import Fail
from engine.simulator.services import Services
from engine.simulator.spoken_input import SpokenHooks, SpokenInput
from engine.simulator.transcription import transcribe

Json = dict[str, Any]


class SimulatedSession:
    """Takes client messages and sends server events; everything that takes time runs in `nursery`.

    Args:
        services: What its parts share.
        session: The settings of a new session.
        nursery: For responses, transcriptions and timers; its end ends them.
        note: Told each message's type and text as it is received.
        call: The call that it controls, if it does.

    Attributes:
        closing: True once the client has asked for the end.
    """

    def __init__(
        self,
        services: Services,
        session: Json,
        nursery: trio.Nursery,
        note: Callable[[str, str], None],
        call: SimulatedCall | None = None,
    ) -> None:
        self._services = services
        self._session = session
        self._nursery = nursery
        self._call = call
        self._ear = Ear(services.responder)
        self._mcp_tools = McpTools(services, nursery)
        self._mcp_calls = McpCalls(services, nursery)
        self._window = ContextWindow(services.settings.context_max_tokens)
        self._active: Generation | None = None
        self._aside: dict[str, Generation] = {}
        self._asked = 0
        hooks = SpokenHooks(self._speech_started, self._speech_stopped, self._committed)
        self._spoken = SpokenInput(services, session, hooks)
        self._idle = IdleTimer(nursery, lambda: self._spoken.position_ms, self._idle_since)
        self._items = ItemEvents(services, self._mcp_calls, lambda: self._session)
        self.closing = False
        handlers: dict[str, Callable[[Json], None]] = {
            "session.update": self._update,
            "session.close": self._close,
            "input_audio_buffer.append": lambda event: self._spoken.append(event["audio"]),
            "session.input_audio_buffer.append": lambda event: self._spoken.append(event["audio"]),
            "input_audio_buffer.commit": lambda _: self._spoken.commit(),
            "input_audio_buffer.clear": lambda _: self._spoken.clear(),
            "conversation.item.create": self._items.create,
            "conversation.item.retrieve": self._items.retrieve,
            "conversation.item.truncate": self._items.truncate,
            "conversation.item.delete": self._items.delete,
            "response.create": self._create_response,
            "response.cancel": self._cancel_response,
            "output_audio_buffer.clear": self._clear_output,
        }
        self.receive = Intake(EVENTS if call is None else SIDEBAND_EVENTS, handlers, services.emit, note).receive

    def begin(self) -> None:
        """Send the first event."""
        settings = self._services.settings
        if self._call is not None:
            self._call.join(self)
            self._nursery.start_soon(self._stay, self._call)
        if self._call is None or settings.greet_sideband:
            self._services.emit("session.created", session=self._session)
        if settings.send_conversation_created:
            conversation = {"id": self._services.conversation.id, "object": "realtime.conversation"}
            self._services.emit("conversation.created", conversation=conversation)

    async def ready(self) -> None:
        """Wait until the next message can be taken."""
        await self._services.room()

    async def drain(self) -> None:
        """Leave what is under way: the service does not finish it."""

    async def _stay(self, call: SimulatedCall) -> None:
        try:
            await trio.sleep_forever()
        finally:
            call.leave(self)

    # --- a call's caller -------------------------------------------------------------------------------------------

    def press(self, key: str, at_s: int) -> None:
        """Tell that the caller pressed a key."""
        self._services.emit("input_audio_buffer.dtmf_event_received", event=key, received_at=at_s)

    def hear(self, pcm: bytes) -> None:
        """Hear the caller: PCM16 mono 24 kHz."""
        self._spoken.hear(pcm)

    def _clear_output(self, _: Json) -> None:
        if self._services.playback is not None:
            self._services.playback.cut()

    # --- session -------------------------------------------------------------------------------------------------

    def _close(self, _: Json) -> None:
        self.closing = True

    def _update(self, event: Json) -> None:
        change = self._with_mcp(event["session"], "session")
        answering = self._active is not None
        self._session = effective.updated(
            self._session, change, voice_locked=self._services.voice_locked, answering=answering
        )
        self._spoken.configure(self._session)
        if self._call is not None:
            self._call.session = self._session
        self._services.emit("session.updated", session=self._session)
        self._mcp_tools.define(change.get("tools") or ())

    def _with_mcp(self, settings: Json, path: str) -> Json:
        tools = settings.get("tools")
        return settings if tools is None else settings | {"tools": self._mcp_tools.resolve(tools, f"{path}.tools")}

    @property
    def _turn_detection(self) -> Json:
        return self._session["audio"]["input"]["turn_detection"] or {}

    # --- turns ---------------------------------------------------------------------------------------------------

    def _speech_started(self) -> None:
        self._idle.cancel()
        if not self._turn_detection.get("interrupt_response"):
            return
        if self._active is not None:
            self._active.cancel("turn_detected")
        if self._services.playback is not None:
            self._services.playback.cut()

    def _speech_stopped(self) -> None:
        if self._turn_detection.get("create_response"):
            self._answer_unasked("vad")

    def _committed(self, entry: Entry) -> None:
        config = self._session["audio"]["input"]["transcription"]
        if config is not None:
            logprobs = bool(self._session["include"])
            self._nursery.start_soon(lambda: transcribe(self._services, self._ear, entry, config, logprobs=logprobs))

    def _answer_unasked(self, trigger: Trigger) -> None:
        if self._session["type"] == "transcription":
            return
        try:
            self._start_response({}, trigger)
        except Refusal as refusal:
            self._services.emit("error", error=refusal.error(None))

    # --- responses -----------------------------------------------------------------------------------------------

    def _create_response(self, event: Json) -> None:
        self._start_response(event.get("response") or {}, "client")

    def _start_response(self, asked: Json, trigger: Trigger) -> None:
        if self._session["type"] == "transcription":
            raise Refusal(NOT_IN_TRANSCRIPTION, value="response.create")
        aside = asked.get("conversation") == "none"
        if self._active is not None and not aside:
            raise Refusal(ACTIVE_RESPONSE, response_id=self._active.id)
        asked = self._with_mcp(asked, "response")
        request = self._request(asked, trigger)
        self._asked += 1
        self._mcp_tools.define(asked.get("tools") or ())
        abilities = Abilities(self._ear, self._mcp_tools, self._mcp_calls)
        generation = Generation(self._services, abilities, request, self._response_done)
        if aside:
            self._aside[generation.id] = generation
        else:
            self._active = generation
            self._idle.cancel()
        generation.begin()
        self._nursery.start_soon(generation.run)

    def _request(self, asked: Json, trigger: Trigger) -> Request:
        session = effective.for_response(self._session, asked)
        entries, failure = self._items.context(asked.get("input")), None
        if asked.get("input") is None:
            try:
                entries = self._window.fit(session, entries)
            except Refusal as refusal:
                failure = Fail(refusal.code or "", refusal.message, INVALID_REQUEST)
        return Request(
            session=session,
            trigger=trigger,
            number=self._asked,
            entries=entries,
            out_of_band=asked.get("conversation") == "none",
            metadata=asked.get("metadata"),
            failure=failure,
        )

    def _cancel_response(self, event: Json) -> None:
        response_id = event.get("response_id")
        generation = self._active
        if response_id is not None and (generation is None or generation.id != response_id):
            generation = self._aside.get(response_id)
        if generation is None or generation.cancelling:
            raise Refusal(CANCEL_NOT_ACTIVE)
        generation.cancelling = True
        if self._services.settings.pace.cancel_ms:
            self._nursery.start_soon(self._cancel_later, generation)
        else:
            generation.cancel("client_cancelled")

    async def _cancel_later(self, generation: Generation) -> None:
        await trio.sleep(self._services.settings.pace.cancel_ms / 1000)
        generation.cancel("client_cancelled")

    def _response_done(self, generation: Generation) -> None:
        self._aside.pop(generation.id, None)
        if self._services.playback is not None:
            self._services.playback.no_more(generation.id)
        if generation is self._active:
            self._active = None
            self._wait_for_idleness(generation.audio_ms)
        self._nursery.start_soon(self._tell_rate_limits)

    async def _tell_rate_limits(self) -> None:
        await trio.sleep(self._services.settings.pace.rate_limits_ms / 1000)
        self._services.emit("rate_limits.updated", rate_limits=self._services.rate_limit.report())

    # --- idle ----------------------------------------------------------------------------------------------------

    def _wait_for_idleness(self, audio_ms: float) -> None:
        timeout_ms = self._turn_detection.get("idle_timeout_ms")
        if timeout_ms is None or self._spoken.speaking:
            self._idle.cancel()
        else:
            self._idle.start(audio_ms, timeout_ms)

    def _idle_since(self, start_ms: int) -> None:
        if self._turn_detection.get("idle_timeout_ms") is not None:
            self._spoken.time_out(start_ms)
            self._answer_unasked("idle")
