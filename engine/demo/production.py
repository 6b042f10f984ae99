"""Puts a call together: the service, the session, both of its sides; afterwards writes its files."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import trio

from engine.audio.files import write_wav_stereo
from engine.config import SessionConfig
from engine.demo import tools
from engine.demo.call import Call
from engine.demo.caller import Caller
from engine.demo.event_log import Direction, EventLog
from engine.demo.meter import Meter
from engine.demo.recording import Recording
from engine.demo.screen import Screen
from engine.demo.service import local_voice, simulated
from engine.demo.sound_card import SoundCard
from engine.demo.story import INSTRUCTIONS, STORY, Beat
from engine.demo.timeline import draw
from engine.demo.wire_tap import tapped
from engine.errors import ConfigError
from engine.session import Session, open_session

WAV: Final = "conversation.wav"
EVENTS: Final = "events.jsonl"
PICTURE: Final = "timeline.png"
FILES: Final = (WAV, EVENTS, PICTURE)


class Production:
    """One run of the demo, and what it leaves.

    Args:
        fast: True for virtual time, over streams in memory; the run must then have a `trio.testing.MockClock`.
        screen: Shows the transcript.
        story: What the caller does.
    """

    def __init__(self, screen: Screen, *, fast: bool, story: Sequence[Beat] = STORY) -> None:
        self.fast = fast
        self.card = SoundCard()
        self.log = EventLog()
        self.recording = Recording()
        self.meter = Meter()
        self._screen = screen
        self._story = story

    async def run(self) -> None:
        """Play the story.

        Raises:
            EngineError: The session could not be opened, or ended early.
        """
        voice = await local_voice(threads=not self.fast)
        trio.lowlevel.add_instrument(self.meter)
        async with simulated(voice, in_memory=self.fast) as service:
            config = SessionConfig(instructions=INSTRUCTIONS, tools=tools.SPECS, client=service.client)
            async with open_session(config, connector=tapped(service.connector, self._note)) as session:
                await self._hold(session)

    async def _hold(self, session: Session) -> None:
        call = Call(session, self.card, self.log, self._screen, self.recording)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call.listen, name="demo listener")
            nursery.start_soon(call.follow_playback, name="demo playback")
            nursery.start_soon(self.card.run, session.send_audio, name="demo sound card")
            await Caller(self.card, call).tell(self._story)
            call.end_what_is_over()
            nursery.cancel_scope.cancel()

    def _note(self, direction: Direction, text: str | bytes) -> None:
        self.log.wire(direction, text, trio.current_time())


def write_files(production: Production, out: Path) -> Sequence[Path]:
    """Write what a run leaves, also one that was ended early; nothing of one that never began.

    Raises:
        ConfigError: A file can't be written; the others are.
        OSError: The same.
    """
    card = production.card
    if card.began is None:
        return ()
    files = wav, events, picture = out / WAV, out / EVENTS, out / PICTURE
    _try_all(
        partial(write_wav_stereo, wav, bytes(card.tape.caller), bytes(card.tape.agent)),
        partial(production.log.write, events, card.began),
        partial(draw, production.recording, card.tape, picture),
    )
    return files


def _try_all(*writers: Callable[[], None]) -> None:
    failures: list[Exception] = []
    for write in writers:
        try:
            write()
        except (ConfigError, OSError) as error:
            failures.append(error)
    if failures:
        raise failures[0]
