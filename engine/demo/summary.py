"""Sums a call up in a table: turns, waits, tokens, events, what the engine cost; and names the files."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from rich import box
from rich.table import Table

from engine.demo.production import Production
from engine.demo.recording import Recording

NONE: Final = "none"


def table(production: Production) -> Table:
    """Make the table."""
    shown = Table(box=box.ROUNDED, show_header=False)
    shown.add_column(style="bold", no_wrap=True)
    shown.add_column(overflow="fold")
    for name, value in _rows(production):
        shown.add_row(name, value)
    return shown


def listed(files: Sequence[Path]) -> Iterator[str]:
    """Name the files, a line each: a path that a table breaks can't be copied."""
    for path in files:
        yield f"{path}  ({path.stat().st_size / 1000:,.0f} kB)"


def _rows(production: Production) -> Iterator[tuple[str, str]]:
    recording = production.recording
    pace = "virtual time" if production.fast else "real time"
    yield "length", f"{production.card.tape.length_s:.1f} s of {pace}"
    yield "turns", f"{len(recording.turns)} by the caller, {len(recording.answers)} spoken answers"
    yield "tool calls", ", ".join(use.call.partition("(")[0] for use in recording.tools) or NONE
    yield "interruptions", _interruptions(recording)
    yield "first audio", _first_audio(recording)
    yield "tokens in", _tokens(recording.usage.input) + f", of them {recording.usage.cached:,} cached"
    yield "tokens out", _tokens(recording.usage.output)
    yield from _events(production)
    if recording.errors:
        yield "errors", "; ".join(recording.errors)


def _interruptions(recording: Recording) -> str:
    told = [
        f"silent {cut.latency_s * 1000:.0f} ms after the caller's first sound, with {cut.heard_ms / 1000:.1f} of "
        f"{cut.received_ms / 1000:.1f} s heard"
        for cut in recording.interruptions
    ]
    return "; ".join([f"{len(told)}: {told[0]}", *told[1:]]) if told else NONE


def _first_audio(recording: Recording) -> str:
    median_s, waits = recording.median_wait_s(), [wait_s for _, wait_s in recording.waits()]
    if median_s is None:
        return NONE
    each = ", ".join(f"{wait:.2f}" for wait in waits)
    return f"median {median_s:.2f} s after the caller's last word ({each}); 0.5 s of it is the pause that ends a turn"


def _tokens(count: Counter[str]) -> str:
    if not count:
        return NONE
    return ", ".join(f"{tokens:,} {modality}" for modality, tokens in sorted(count.items()) if tokens) or "0"


def _events(production: Production) -> Iterator[tuple[str, str]]:
    log, meter = production.log, production.meter
    received, sent = log.count("wire", "server"), log.count("wire", "client")
    told = log.count("contract", "server")
    yield "events", f"{received:,} received and {sent:,} sent on the wire; {told:,} told to the application"
    if received + sent:
        each_us = meter.engine_s * 1e6 / (received + sent)
        share = "" if production.fast else f", {meter.engine_s / production.card.tape.length_s:.1%} of one processor"
        whole = f"{meter.engine_s * 1000:.0f} ms in all{share}"
        yield "engine's cost", f"{each_us:.0f} µs of processor time an event, {whole}"
