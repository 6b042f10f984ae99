"""Draws a call as a picture: who sounded when, what was sent and what was heard of it, tools and interruptions.

It takes what the demo has noted of its call, or what `engine.cli.inspect_call` finds in a recording.
"""

import math
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, cast

import attrs
import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MultipleLocator

from engine.audio.pcm import PCM_RATE_HZ
from engine.demo.recording import Answer, Recording
from engine.demo.sound_card import Tape

_CALLER, _SENT, _HEARD, _TOOLS = LANES = (3.3, 2.0, 0.9, -0.2)
LANE_NAMES: Final = ("caller speaks", "agent's audio,\nsent by the server", "agent's audio,\nheard", "tool calls")
_WAITS: Final = _CALLER - 0.5
_CUTS: Final = _CALLER - 0.75

CALLER, SENT, HEARD, UNHEARD, TOOL, CUT, INK, FAINT = (
    "#2563a8",
    "#e3a535",
    "#2a8c5a",
    "#c3c9d2",
    "#7a4fb5",
    "#c8382e",
    "#20252c",
    "#e3e7ec",
)
WAIT: Final = "#6b7480"

FONT_PT: Final = 8.0
CAPTION_LINES: Final = 4
ENVELOPE_S: Final = 0.02
HALF_HEIGHT: Final = 0.3
LOUDEST: Final = 0.7
"""Share of full scale that fills a lane; speech of both sides stays below."""

UNHEARD_MAX_S: Final = 1.2
"""Widest box of what was never heard: the caller speaks on beside it."""

DPI: Final = 130
INCHES_PER_S: Final = 0.23
HEIGHT_INCHES: Final = 6.0
LEGEND_INCHES: Final = 12.0
"""Width in which the legend is one line."""

MIN_WIDTH_INCHES: Final = 9.0
"""Room for the legend below a call of few seconds."""

MAX_WIDTH_INCHES: Final = 24.0
MARGIN_S: Final = 1.5
"""Room at the right for what is written there."""


CAPTIONS_MAX: Final = 60
"""Above a longer talk the words would cover each other, and are left out."""

TICKS_MAX: Final = 40
TICK_STEPS: Final = (1, 5, 10, 30, 60, 300, 600, 1800)


@attrs.frozen
class Look:
    """How a call is drawn.

    Attributes:
        name: What it was, for the title.
        length_s: Its length; None for that of the tape.
        timed: False when nothing but the order is known: what is called seconds then counts messages.
        interruptions: How many there were, where some cut off what had not sounded yet; None counts those that are
            drawn.
    """

    name: str = "One call"
    length_s: float | None = None
    timed: bool = True
    interruptions: int | None = None


def draw(recording: Recording, tape: Tape, path: Path, look: Look | None = None) -> None:
    """Draw the picture and write it as PNG.

    Args:
        recording: What happened.
        tape: How it sounded; what has no sound on it is drawn as bars.
        path: Where to.
        look: How.
    """
    # Words between dollars are no formula, and often not even a valid one.
    with rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # What the font has no letter for is drawn as a box.
        _draw(recording, tape, path, look or Look())


def _draw(recording: Recording, tape: Tape, path: Path, look: Look) -> None:
    length_s = (tape.length_s if look.length_s is None else look.length_s) + MARGIN_S
    width_inches = min(MAX_WIDTH_INCHES, max(MIN_WIDTH_INCHES, 4.0 + length_s * INCHES_PER_S))
    figure = Figure(figsize=(width_inches, HEIGHT_INCHES), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _frame(axes, length_s, look)
    _title(figure, recording, length_s - MARGIN_S, look)
    spoken = [(turn.began_s, turn.ended_s) for turn in recording.turns]
    _sound(axes, tape.caller, spoken, _CALLER, CALLER)
    _sound(axes, tape.agent, [*_heard_spans(recording)], _HEARD, HEARD)
    _words(axes, recording, length_s)
    if look.timed:
        _waits(axes, recording)
    _arrivals(axes, recording, look)
    _tools(axes, recording, length_s)
    _interruptions(axes, recording, look)
    _legend(figure)
    figure.savefig(path, format="png")


def _frame(axes: Axes, length_s: float, look: Look) -> None:
    axes.set_xlim(0, length_s)
    axes.set_ylim(_TOOLS - 0.65, _CALLER + 0.75)
    axes.set_yticks(LANES, LANE_NAMES, color=INK)
    axes.set_xlabel("seconds" if look.timed else "messages, in their order", color=INK)
    axes.xaxis.set_major_locator(MultipleLocator(_tick_step(length_s)))
    axes.tick_params(length=0)
    axes.grid(axis="x", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)
    for lane in LANES:
        axes.axhline(lane, color=FAINT, linewidth=1.0, zorder=0.5)


def _tick_step(length_s: float) -> float:
    """Give the distance of two ticks: 1 up to 10 s, then as far apart as they need."""
    steps = TICK_STEPS[length_s > 10 :]
    return next((step for step in steps if length_s / step <= TICKS_MAX), length_s / TICKS_MAX)


def _title(figure: Figure, recording: Recording, length_s: float, look: Look) -> None:
    counts = {
        "turn": len(recording.turns),
        "tool call": len(recording.tools),
        "interruption": len(recording.interruptions) if look.interruptions is None else look.interruptions,
    }
    told = ", ".join(_counted(count, name) for name, count in counts.items())
    length = f"{length_s:.0f} {'s' if look.timed else 'messages'}"
    figure.suptitle(f"{look.name} of {length}: {told}", color=INK, fontsize=12)


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


Span = tuple[float, float]
"""Where something begins and ends."""


def _sound(axes: Axes, pcm: bytearray, spans: Sequence[Span], lane: float, colour: str) -> None:
    """Draw how loud it was; where no sound was kept, when it was."""
    if pcm.count(0) != len(pcm):
        _wave(axes, bytes(pcm), lane, colour)
        return
    bars = [(began_s, max(0.1, ended_s - began_s)) for began_s, ended_s in spans]
    axes.broken_barh(bars, (lane - HALF_HEIGHT / 2, HALF_HEIGHT), color=colour)


def _heard_spans(recording: Recording) -> Iterator[Span]:
    for answer in recording.answers.values():
        if answer.playing.began_s is not None and answer.playing.ended_s is not None:
            yield answer.playing.began_s, answer.playing.ended_s


def _wave(axes: Axes, pcm: bytes, lane: float, colour: str) -> None:
    """Draw how loud it is, as a shape around the lane."""
    size = int(PCM_RATE_HZ * ENVELOPE_S)
    samples = np.abs(np.frombuffer(pcm, dtype="<i2").astype(np.float32)) / 32768
    peaks = samples[: len(samples) // size * size].reshape(-1, size).max(axis=1)
    height = np.minimum(peaks / LOUDEST, 1.0) * HALF_HEIGHT
    axes.fill_between(np.arange(len(peaks)) * ENVELOPE_S, lane - height, lane + height, color=colour, linewidth=0.3)


# --- words ----------------------------------------------------------------------------------------------------------

Caption = tuple[float, float, str]
"""Where it begins, where it must end, and its words."""


def _words(axes: Axes, recording: Recording, length_s: float) -> None:
    said = [(turn.began_s, math.inf, turn.heard or turn.said) for turn in recording.turns]
    heard = [caption for answer in recording.answers.values() for caption in _heard(answer)]
    if len(said) + len(heard) > CAPTIONS_MAX:
        return
    for lane, captions in ((_CALLER, said), (_HEARD, heard)):
        for at_s, words in _wrapped(axes, captions, length_s):
            axes.text(at_s, lane + HALF_HEIGHT + 0.04, words, fontsize=FONT_PT, color=INK, va="bottom")


def _heard(answer: Answer) -> Iterator[Caption]:
    playing = answer.playing
    if playing.began_s is not None and playing.ended_s is not None:
        was_cut = playing.heard_ms < playing.received_ms
        yield playing.began_s, playing.ended_s + 0.3 if was_cut else math.inf, answer.heard_words


def _wrapped(axes: Axes, captions: Sequence[Caption], length_s: float) -> Iterator[tuple[float, str]]:
    """Wrap each caption to the room before its end and the next one."""
    width_pt = cast("Figure", axes.get_figure(root=True)).get_figwidth() * 72 * 0.88
    chars_per_s = width_pt / length_s / (FONT_PT * 0.53)
    for (at_s, until_s, words), (next_s, *_) in pairwise([*captions, (length_s, math.inf, "")]):
        lines = textwrap.wrap(words, max(12, int((min(next_s, until_s) - at_s - 0.5) * chars_per_s)))
        more = " …" if len(lines) > CAPTION_LINES else ""
        yield at_s, "\n".join(lines[:CAPTION_LINES]) + more


# --- what happened ---------------------------------------------------------------------------------------------------


_BESIDE: Final[Any] = {"fontsize": FONT_PT, "color": WAIT, "va": "center"}


def _waits(axes: Axes, recording: Recording) -> None:
    for ended_s, wait_s in recording.waits():
        until_s = ended_s + wait_s
        axes.plot([ended_s, until_s], [_WAITS] * 2, color=WAIT, linewidth=1.2, marker="|", markersize=7)
        words, beside = f"{wait_s:.2f} s", (5, 0)
        axes.annotate(words, (until_s, _WAITS), beside, textcoords="offset points", **_BESIDE)


def _arrivals(axes: Axes, recording: Recording, look: Look) -> None:
    for answer in recording.answers.values():
        if answer.arrived_s:
            _arrival(axes, answer, look)


def _arrival(axes: Axes, answer: Answer, look: Look) -> None:
    first_s, last_s = answer.arrived_s[0], answer.arrived_s[-1]
    lasted_s = max(0.1, last_s - first_s)
    axes.broken_barh([(first_s, lasted_s)], (_SENT - 0.14, 0.28), color=SENT)
    length = f"{answer.playing.received_ms / 1000:.1f} s of audio" if look.timed else "audio"
    sort = length if answer.playing.received_ms else "in writing"
    words = f"{sort}\nin {lasted_s:.1f} s" if look.timed else sort
    axes.text(first_s, _SENT + 0.18, words, fontsize=FONT_PT, color=INK, va="bottom")


def _tools(axes: Axes, recording: Recording, length_s: float) -> None:
    axes.plot(
        [use.called_s for use in recording.tools],
        [_TOOLS] * len(recording.tools),
        linestyle="",
        marker="D",
        markersize=6,
        color=TOOL,
        zorder=3,
    )
    results = [f"= {use.result}" for use in recording.tools]
    calls = [(use.called_s, math.inf, use.call.replace("(", " (", 1)) for use in recording.tools]
    for (at_s, words), result in zip(_wrapped(axes, calls, length_s), results, strict=True):
        axes.text(at_s + 0.35, _TOOLS, f"{words}\n{result}", fontsize=FONT_PT, color=INK, va="center")


def _interruptions(axes: Axes, recording: Recording, look: Look) -> None:
    for cut in recording.interruptions:
        axes.plot([cut.silent_s] * 2, [_HEARD - 0.42, _CALLER + HALF_HEIGHT], color=CUT, linewidth=1.4, zorder=2)
        words = f"cut in: silent after {cut.latency_s * 1000:.0f} ms" if look.timed else "cut in"
        axes.text(cut.silent_s + 0.2, _CUTS, words, fontsize=FONT_PT, color=CUT, va="center")
        unheard_s = (cut.received_ms - cut.heard_ms) / 1000
        axes.broken_barh([(cut.silent_s, min(unheard_s, UNHEARD_MAX_S))], (_HEARD - 0.1, 0.2), color=UNHEARD, zorder=1)
        lost = f"{unheard_s:.1f} s\nnever heard" + ("\n(not to scale)" if unheard_s > UNHEARD_MAX_S else "")
        axes.text(cut.silent_s + 0.15, _HEARD - 0.16, lost, fontsize=FONT_PT, color=WAIT, va="top")


def _legend(figure: Figure) -> None:
    handles: list[Any] = [
        Patch(color=CALLER, label="caller"),
        Patch(color=SENT, label="audio sent"),
        Patch(color=HEARD, label="audio heard"),
        Patch(color=UNHEARD, label="sent, never heard (not to scale)"),
        Line2D([], [], color=WAIT, marker="|", label="wait for the first sound"),
        Line2D([], [], marker="D", linestyle="", color=TOOL, label="tool call"),
        Line2D([], [], color=CUT, label="interruption"),
    ]
    columns = len(handles) if figure.get_figwidth() >= LEGEND_INCHES else math.ceil(len(handles) / 2)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=9)
