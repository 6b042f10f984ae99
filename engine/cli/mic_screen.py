"""The screen of a talk by microphone: the transcript, and below it how loud the microphone is."""

import math
from typing import Final

import attrs
from rich.console import Console
from rich.text import Text

from engine.cli.talk_devices import SoundCard
from engine.demo.screen import Screen
from engine.devices import Loudspeaker, Microphone

FLOOR_DBFS: Final = -60.0
"""What is shown as an empty bar: a quiet room."""

LOUD_DBFS: Final = -6.0
"""From here on the bar is red: the device may cut off what is louder."""

BAR_CELLS: Final = 24

LINE_EVERY_S: Final = 5.0
"""How often a line tells the level where there is no terminal."""

KEYS: Final = "m mutes, space interrupts, q ends"
ECHO: Final = "use headphones, or --half-duplex, if the agent hears itself"


@attrs.frozen(kw_only=True)
class Meter:
    """What the meter shows.

    Attributes:
        at_s: Seconds from the beginning.
        level_dbfs: The loudest block since the last look; minus infinity for digital silence.
        muted: The user has muted the microphone.
        waits: Half duplex: the microphone is not heard, as the agent speaks.
        playing: The agent speaks.
    """

    at_s: float
    level_dbfs: float
    muted: bool = False
    waits: bool = False
    playing: bool = False

    @property
    def cells(self) -> int:
        """How much of the bar is full."""
        share = (max(self.level_dbfs, FLOOR_DBFS) - FLOOR_DBFS) / -FLOOR_DBFS
        return round(min(share, 1.0) * BAR_CELLS)

    @property
    def state(self) -> str:
        """What the microphone does, in a word or two."""
        if self.muted:
            return "muted"
        return "waits for the agent" if self.waits else "open"


class MicScreen(Screen):
    """A transcript with a meter under it; without a terminal, a line now and then.

    Args:
        console: Where to.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._line_due_s = LINE_EVERY_S
        self._state = "open"

    def introduce(self, card: SoundCard, *, can_mute: bool) -> None:
        """Say which devices are in use, and the keys."""
        microphone, loudspeaker = card.microphone, card.loudspeaker
        self._say(f"microphone   {_in_words(microphone)}")
        if loudspeaker is not None:
            self._say(f"loudspeaker  {_in_words(loudspeaker)}")
        self._say(f"{KEYS} | {ECHO}" if can_mute else f"Ctrl-C ends | {ECHO}")

    def show(self, meter: Meter) -> None:
        """Move the meter."""
        if self._live is not None:
            self.foot = _row(meter)
            self._refresh()
        elif meter.state != self._state or meter.at_s >= self._line_due_s:
            self._line_due_s = meter.at_s + LINE_EVERY_S
            # As an entry, so that times stay in order.
            self.end(self.begin(meter.at_s, "level", f"{_level(meter.level_dbfs)}, {meter.state}"))
        self._state = meter.state

    def figures(self, card: SoundCard, loudest_dbfs: float) -> None:
        """Say what the devices counted."""
        self.foot = None
        mic = card.microphone.statistics()
        words = f"microphone   {mic.heard_ms / 1000:.1f} s heard, loudest {_level(loudest_dbfs)}"
        self._say(f"{words}, {mic.dropped_ms:.0f} ms dropped, {mic.overflows} overflows")
        if card.loudspeaker is not None:
            figures = card.loudspeaker.statistics()
            words = f"loudspeaker  {figures.played_ms / 1000:.1f} s played, {figures.dropped_ms:.0f} ms dropped"
            self._say(f"{words}, {figures.underruns + figures.underflows} gaps")

    def _say(self, words: str) -> None:
        self.console.print(Text(words, style="dim"), soft_wrap=True)


def _in_words(device: Microphone | Loudspeaker) -> str:
    return f"{device.device.name}, {device.shape.rate_hz:,} Hz, {device.latency_ms:.0f} ms latency"


def _level(level_dbfs: float) -> str:
    return "digital silence" if level_dbfs == -math.inf else f"{level_dbfs:.0f} dBFS"


def _row(meter: Meter) -> Text:
    colour = "dim" if meter.state != "open" else "red" if meter.level_dbfs >= LOUD_DBFS else "cyan"
    row = Text(f"{meter.at_s:8.1f} s  ", style="dim")
    row.append("█" * meter.cells, style=colour)
    row.append("·" * (BAR_CELLS - meter.cells), style="dim")
    row.append(f"  {meter.state}", style="bold yellow" if meter.muted else "dim")
    if meter.playing:
        row.append("  agent speaks", style="green")
    return row
