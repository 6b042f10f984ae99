"""Figures as people read them: with their unit, and no more digits than mean something."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from engine.farm.metrics import Unit

NOTHING: Final = "\N{EN DASH}"
"""Stands where nothing was measured."""


def ms_text(ms: float) -> str:
    """Tell a time: `0.4 ms`, `812 ms`, `12.3 s`, `4 min 05 s`, `2 h 03 min`."""
    size = abs(ms)
    if size < 9.95:
        return f"{ms:.1f} ms"
    if size < 9_999.5:
        return f"{ms:,.0f} ms"
    if size < 59_950:
        return f"{ms / 1000:.1f} s"
    return _clock_text(ms)


def _clock_text(ms: float) -> str:
    sign, seconds = "-" if ms < 0 else "", round(abs(ms) / 1000)
    if seconds < 3600:
        return f"{sign}{seconds // 60} min {seconds % 60:02} s"
    return f"{sign}{seconds // 3600:,} h {seconds // 60 % 60:02} min"


def share_text(share: float) -> str:
    """Tell a share: `0.25 %`, `3.2 %`, `97.3 %`, `100 %`. All and nothing are told only of all and nothing."""
    percent = share * 100
    if percent in (0.0, 100.0):
        return f"{percent:.0f} %"
    for digits in range(2 if abs(percent) < 1 else 1, 9):
        text = f"{percent:.{digits}f}"
        if float(text) not in (0.0, 100.0):
            break
    return f"{text} %"


def count_text(count: float) -> str:
    """Tell a number: `12`, `4,096`, `2.5`."""
    return f"{count:,.0f}" if count == round(count) or abs(count) >= 10 else f"{count:.2g}"


def counted(count: float, noun: str) -> str:
    """Tell a number of things: `1 session`, `4,096 sessions`."""
    return f"{count_text(count)} {noun}" if count == 1 else f"{count_text(count)} {noun}s"


def usd_text(usd: float) -> str:
    """Tell money: `$0.0042`, `$3.20`, `$1,204.00`."""
    digits = 2 if usd == 0 or abs(usd) >= 1 else 4
    return f"{'-' if usd < 0 else ''}${abs(usd):,.{digits}f}"


_TEXT: Final[Mapping[Unit, Callable[[float], str]]] = {
    "ms": ms_text,
    "share": share_text,
    "count": count_text,
    "usd": usd_text,
}


def value_text(value: float | None, unit: Unit) -> str:
    """Tell a figure in its unit."""
    return NOTHING if value is None else _TEXT[unit](value)


def bytes_text(size_bytes: float) -> str:
    """Tell a size: `840 bytes`, `12.4 KiB`, `2.0 GiB`."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size_bytes < 1024:
            return counted(round(size_bytes), "byte") if unit == "bytes" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} TiB"


def time_text(unix_time: float) -> str:
    """Tell a moment: `2026-09-21 14:13:20 UTC`."""
    return f"{datetime.fromtimestamp(unix_time, UTC):%Y-%m-%d %H:%M:%S} UTC"


def clipped(text: str, most_characters: int) -> str:
    """Cut a text that is too long, and say so."""
    return text if len(text) <= most_characters else f"{text[:most_characters]}…"
