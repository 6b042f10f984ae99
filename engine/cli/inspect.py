"""`realtime-engine inspect`: tells what a recording holds, turn by turn, and draws it."""

from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from engine.cli.console import CommandConsole
from engine.cli.inspect_figures import Figures
from engine.cli.outputs import check_writable
from engine.demo.printable import one_line
from engine.errors import ConfigError
from engine.metering.records import TurnRecord
from engine.recording import Direction, LinkRecord, Recording, read_recording

NOT_KNOWN: Final = "-"
WAYS: Final[dict[Direction, str]] = {"client": "sent", "server": "received"}

Shown = Callable[[float | None, float | None], str]
"""Writes a time, counted from another one where that is given."""

_CUT_IN: Final = "turn_detected"
"""The reason of most interruptions, which goes without saying."""

_NO_TIMES: Final = "none: times below are the numbers of messages, in their order"


def inspect(path: Path, out: Path | None) -> None:
    """Print what a recording holds, and draw it.

    Args:
        path: The recording.
        out: Where the picture goes; None draws none.

    Raises:
        ConfigError: The recording can't be read, or the picture can't be drawn or written.
    """
    if out is not None:
        _check_picture(out)
    recording = read_recording(path)
    if recording.header is None and not recording.entries:
        message = f"{path} holds no message | give a recording: one JSON object a line"
        raise ConfigError("recording", str(path), "a recording", message=message)
    figures = Figures.of(recording)
    console = CommandConsole(highlight=False)
    console.print(_facts(recording, figures))
    if len(recording.links) > 1:
        console.print(_links(recording))
    if figures.turns.turns:
        console.print(_turns(recording, figures))
    console.print(_messages(figures))
    _print_failures(console, recording, figures)
    if out is not None:
        _draw(recording, path, out, figures.turns.totals.interruptions)
        console.print(f"{out}  ({out.stat().st_size / 1000:,.0f} kB)", soft_wrap=True, markup=False)


def _shown(words: str) -> str:
    """Write what a recording says, which is whatever its sender wrote."""
    return escape(one_line(words))


# --- what it is ------------------------------------------------------------------------------------------------------


def _facts(recording: Recording, figures: Figures) -> Table:
    table = Table(box=box.ROUNDED, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _rows(recording, figures):
        table.add_row(name, _shown(value))
    return table


def _rows(recording: Recording, figures: Figures) -> Iterator[tuple[str, str]]:
    header = recording.header
    yield "recording", recording.name + (f", by engine {header.engine}" if header and header.engine else "")
    if header and header.began:
        yield "began", header.began
    if header and header.url:
        yield "service", header.url
    yield "model", figures.model or (header and header.model) or "not told"
    if figures.voice:
        yield "voice", str(figures.voice)
    yield "length" if recording.timed else "times", _length(recording)
    yield "messages", ", ".join(f"{figures.types[way].total():,} {verb}" for way, verb in WAYS.items())
    yield "audio", ", ".join(f"{figures.audio_ms[way] / 1000:.1f} s {verb}" for way, verb in WAYS.items())
    yield "tokens", _tokens(figures)
    yield "turns", _totals(figures)
    yield "end", _end(recording)
    if figures.thinned:
        yield "thinned", f"{figures.thinned:,} messages are without their audio: the disk was too slow"


def _length(recording: Recording) -> str:
    return _NO_TIMES if recording.length_s is None else f"{recording.length_s:.1f} s"


def _tokens(figures: Figures) -> str:
    tokens = figures.turns.totals.tokens
    return f"{tokens.input:,} in, of them {tokens.cached:,} cached; {tokens.output:,} out"


def _totals(figures: Figures) -> str:
    totals = figures.turns.totals
    counts = {"turn": totals.turns, "tool call": totals.tool_calls, "interruption": totals.interruptions}
    return ", ".join(f"{count:,} {name}{'' if count == 1 else 's'}" for name, count in counts.items())


def _end(recording: Recording) -> str:
    end = recording.end
    if end is None:
        words = "not marked"
    elif end.lost:
        code = "without a close code" if end.code is None else f"with close code {end.code}"
        words = f"{end.reason}: the connection was lost {code}"
    else:
        words = end.reason
    return words + (", and its last line is torn" if recording.torn else "")


# --- connections -----------------------------------------------------------------------------------------------------


def _links(recording: Recording) -> Table:
    """Make a table of the session's connections: when each began, carried the talk and ended."""
    table = _table("connections")
    table.add_column("", justify="right")
    for name in ("began s", "took over s", "ended s"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("how", overflow="fold")
    for verb in WAYS.values():
        table.add_column(verb, justify="right")
    for link in recording.links:
        counts = Counter(entry.direction for entry in recording.entries if entry.link == link.number)
        times = (_seconds(at_s, None) for at_s in (link.opened_s, link.took_over_s, link.closed_s))
        cells = str(link.number), *times, _ended(link), *(f"{counts[way]:,}" for way in WAYS)
        table.add_row(*map(_shown, cells))
    return table


def _ended(link: LinkRecord) -> str:
    """Say how a connection ended."""
    loss = link.loss
    if loss is None:
        known = NOT_KNOWN if link.closed_s is None else "closed"
        return "not had" if link.failed else known
    status = "" if loss.status is None else f" with status {loss.status}"
    code = "" if loss.code is None else f" with close code {loss.code}"
    return ("not had" if link.failed else "lost") + status + code


def _table(title: str) -> Table:
    return Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", padding=(0, 1, 0, 0))


# --- turns -----------------------------------------------------------------------------------------------------------


def _turns(recording: Recording, figures: Figures) -> Table:
    """Make the turn log: when each turn began, and how long after the user was through the rest came."""
    unit = "s" if recording.timed else "#"
    table = _table("turns")
    table.add_column("", justify="right")
    table.add_column("by")
    for name in (f"at {unit}", f"asked {unit}", "text", "audio", "end"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("tools", overflow="fold")
    table.add_column("ended", overflow="fold")
    table.add_column("tokens", justify="right", no_wrap=True)
    shown = _seconds if recording.timed else _number
    for turn in figures.turns.turns:
        table.add_row(*map(_shown, _turn(turn, shown, timed=recording.timed)))
    return table


def _turn(turn: TurnRecord, shown: Shown, *, timed: bool) -> Iterator[str]:
    zero_s = turn.asked_at if timed else None
    yield str(turn.number)
    yield turn.began.replace("_", " ")
    yield shown(turn.began_at, None)
    yield shown(turn.asked_at, None)
    for at_s in (turn.first_text_at, turn.first_audio_at, turn.response_end_at):
        yield shown(at_s, zero_s)
    yield ", ".join(tool.name or "?" for tool in turn.tools) or NOT_KNOWN
    yield _how(turn)
    yield f"{turn.tokens.input:,}/{turn.tokens.output:,}"


def _how(turn: TurnRecord) -> str:
    if not turn.responses:
        return "no answer"
    reason = turn.responses[-1].reason
    beside = "" if reason in (None, _CUT_IN) else f" ({reason})"
    return (turn.stop_reason or "open") + beside


def _seconds(at_s: float | None, zero_s: float | None) -> str:
    if at_s is None:
        return NOT_KNOWN
    return f"{at_s:.2f}" if zero_s is None else f"{at_s - zero_s:+.2f}"


def _number(at: float | None, _: float | None) -> str:
    return NOT_KNOWN if at is None else f"{at:.0f}"


# --- messages and errors ---------------------------------------------------------------------------------------------


def _messages(figures: Figures) -> Table:
    table = _table("messages")
    table.add_column("type", overflow="fold")
    for verb in WAYS.values():
        table.add_column(verb, justify="right")
    sent, received = (figures.types[way] for way in WAYS)
    for kind in [*sent, *(kind for kind in received if kind not in sent)]:
        table.add_row(_shown(kind), *(f"{counts[kind]:,}" if counts[kind] else "" for counts in (sent, received)))
    return table


def _print_failures(console: Console, recording: Recording, figures: Figures) -> None:
    if not figures.failures:
        return
    console.print("errors", style="bold")
    for failure in figures.failures:
        when = f"{failure.at_s:.2f} s" if recording.timed else f"message {failure.at_s:.0f}"
        console.print(f"{when}: {one_line(failure.words)}", markup=False, soft_wrap=True)


# --- the picture -----------------------------------------------------------------------------------------------------


def _check_picture(out: Path) -> None:
    if out.suffix.lower() != ".png":
        message = f"--out draws a PNG, which {out} does not look like | give a name that ends in .png"
        raise ConfigError("--out", str(out), "a name that ends in .png", message=message)
    if find_spec("matplotlib") is None:
        way_out = "pip install 'realtime-engine[demo]'"
        raise ConfigError("extra", "demo", way_out, message=f"matplotlib is not installed | {way_out}")
    check_writable(out)


def _draw(recording: Recording, path: Path, out: Path, interruptions: int) -> None:
    # What these load takes half a second, and is not there without the extra.
    from engine.cli.inspect_call import seen_call  # noqa: PLC0415
    from engine.demo.timeline import Look, draw  # noqa: PLC0415

    call = seen_call(recording)
    draw(call.recording, call.tape, out, Look(path.name, call.length_s, recording.timed, interruptions))
