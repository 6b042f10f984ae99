"""A conversation by microphone and loudspeaker: what is said is shown, and keys mute, interrupt and end it."""

import math
from contextlib import aclosing, suppress
from typing import Final

import trio

from engine.audio.pcm import level_dbfs
from engine.cli.console import CommandConsole
from engine.cli.heard import Heard
from engine.cli.keys import can_read_keys, keys, single_keys
from engine.cli.mic_screen import Meter, MicScreen
from engine.cli.mic_transcript import MicTranscript
from engine.cli.talk_devices import Devices, SoundCard
from engine.cli.talk_tools import NoTools
from engine.devices import HalfDuplex
from engine.errors import SessionEnded
from engine.events import BidiAudioStreamEvent, ToolResultEvent, ToolUseStreamEvent
from engine.session import Session

FRAME_MS: Final = 20
_LOOK_S: Final = 0.1
"""How often the meter moves, and the end of an answer's sound is looked for."""


async def hold(session: Session, card: SoundCard, asked: Devices, heard: Heard) -> None:
    """Talk until the session ends, `q` is pressed, or `asked.seconds` are over.

    Args:
        session: The session; its input rate is the microphone's.
        card: The devices, open.
        asked: What was asked for.
        heard: Takes the agent's voice.

    Raises:
        DeviceLost: A device went away.
        LimitExceeded: The service calls tools on and on.
        EngineError: The session broke.
    """
    with MicScreen(CommandConsole(highlight=False)) as screen:
        talk = _MicTalk(session, card, asked, heard, screen)
        try:
            await talk.run()
        finally:
            talk.end()


class _MicTalk:
    def __init__(self, session: Session, card: SoundCard, asked: Devices, heard: Heard, screen: MicScreen) -> None:
        self._session = session
        self._card = card
        self._seconds = math.inf if asked.seconds is None else asked.seconds
        self._half_duplex = HalfDuplex() if asked.half_duplex else None
        self._heard = heard
        self._screen = screen
        self._began = trio.current_time()
        self._transcript = MicTranscript(session, screen, lambda: trio.current_time() - self._began)
        self._tools = NoTools(lambda: self._transcript.turns)
        self._level_dbfs = self._loudest_dbfs = -math.inf
        self._waits = False

    async def run(self) -> None:
        self._screen.introduce(self._card, can_mute=can_read_keys())
        async with trio.open_nursery() as nursery:
            nursery.cancel_scope.deadline = self._began + self._seconds
            nursery.start_soon(self._send, name="talk microphone")
            if self._card.loudspeaker is not None:
                nursery.start_soon(self._speak, name="talk loudspeaker")
            if can_read_keys():
                nursery.start_soon(self._keys, nursery.cancel_scope, name="talk keys")
            nursery.start_soon(self._look, name="talk meter")
            await self._listen()
            nursery.cancel_scope.cancel()

    def end(self) -> None:
        """Say how the devices did."""
        self._screen.figures(self._card, self._loudest_dbfs)

    # --- sound --------------------------------------------------------------------------------------------------

    async def _send(self) -> None:
        async for block in self._card.microphone:
            now = trio.current_time()
            self._waits = self._half_duplex is not None and self._half_duplex.is_closed(now)
            audio = bytes(len(block)) if self._waits else block
            self._level_dbfs = max(self._level_dbfs, level_dbfs(audio))
            try:
                await self._session.send_audio(audio)
            except SessionEnded:
                return  # `receive` tells why.

    async def _speak(self) -> None:
        loudspeaker, microphone = self._card.loudspeaker, self._card.microphone
        assert loudspeaker is not None  # noqa: S101 - started with one only
        shape = loudspeaker.shape
        async with aclosing(self._session.audio_out(FRAME_MS, rate=shape.rate_hz, channels=shape.channels)) as frames:
            async for frame in frames:
                delay_ms = loudspeaker.delay_ms + microphone.latency_ms
                if loudspeaker.write_nowait(frame) and self._half_duplex is not None:
                    self._half_duplex.sounds(trio.current_time(), FRAME_MS, delay_ms)

    # --- the session --------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        async with aclosing(self._session.receive()) as events:
            async for event in events:
                if isinstance(event, BidiAudioStreamEvent):
                    self._heard.add(event.pcm)
                if isinstance(event, ToolUseStreamEvent):
                    await self._refuse(event)
                else:
                    self._transcript.take(event)

    async def _refuse(self, event: ToolUseStreamEvent) -> None:
        """Show a call, and tell the service that there is no such tool: it waits for a result."""
        use = event.current_tool_use
        result = self._tools.call(use["name"], use["input"])
        self._transcript.tool(use, result)
        told = {"toolUseId": use["toolUseId"], "status": "error", "content": [{"json": result}]}
        await self._session.send(ToolResultEvent(told))

    # --- the user -----------------------------------------------------------------------------------------------

    async def _keys(self, scope: trio.CancelScope) -> None:
        with single_keys():
            async with aclosing(keys()) as pressed:
                async for key in pressed:
                    if key == "q":
                        scope.cancel()
                    await self._press(key)

    async def _press(self, key: str) -> None:
        microphone = self._card.microphone
        if key == "m":
            microphone.muted = not microphone.muted
        elif key == " ":
            self._transcript.interrupted_by_key()
            with suppress(SessionEnded):
                await self._session.interrupt()

    async def _look(self) -> None:
        while True:
            await trio.sleep(_LOOK_S)
            self._transcript.end_what_is_over()
            self._loudest_dbfs = max(self._loudest_dbfs, self._level_dbfs)
            meter = Meter(
                at_s=trio.current_time() - self._began,
                level_dbfs=self._level_dbfs,
                muted=self._card.microphone.muted,
                waits=self._waits,
                playing=self._session.playback.playing,
            )
            self._screen.show(meter)
            self._level_dbfs = -math.inf
