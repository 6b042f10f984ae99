"""Figures in words: times, shares, sizes, money and counts, as people read them."""

from collections.abc import Callable, Mapping
from typing import Final

from engine.farm.metrics import Unit

NOTHING: Final = "-"
"""Stands where there is no figure."""

_SIZES: Final = ("B", "kB", "MB", "GB", "TB", "PB")


def duration(seconds: float) -> str:
    """Write a length of time: `4.2 s`, `2 min 14 s`, `3 h 05 min`, `2 d 04 h`."""
    if seconds < 59.95:
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86_400
    if days:
        return f"{days} d {hours % 24:02} h"
    if hours:
        return f"{hours} h {minutes % 60:02} min"
    return f"{minutes} min {whole % 60:02} s"


def latency(ms: float) -> str:
    """Write a latency: `9.4 ms`, `812 ms`, `1.24 s`, `28.3 s`, `2 min 14 s`."""
    if ms < 9.95:
        return f"{ms:.1f} ms"
    if ms < 999.5:
        return f"{ms:.0f} ms"
    return f"{ms / 1000:.2f} s" if ms < 9_995 else duration(ms / 1000)


def share(part: float) -> str:
    """Write a share of one: `62 %`, `1.3 %`."""
    percent = part * 100
    return f"{percent:.0f} %" if percent >= 9.95 or percent in {0.0, round(percent)} else f"{percent:.1f} %"


def count(number: float) -> str:
    """Write a number of things: `12,345`."""
    return f"{number:,.0f}"


def rate(per_s: float) -> str:
    """Write a rate: `8.2/s`, `120/s`."""
    return f"{per_s:.1f}/s" if per_s < 99.95 else f"{per_s:,.0f}/s"


def usd(money: float) -> str:
    """Write money: `$0.0042`, `$1.23`, `$12,345.67`."""
    return f"${money:,.4f}" if 0 < money < 0.9995 else f"${money:,.2f}"


def size(size_bytes: float) -> str:
    """Write a size: `812 B`, `57 MB`, `1.2 GB`."""
    power, value = 0, float(size_bytes)
    while value >= 999.5 and power < len(_SIZES) - 1:
        value, power = value / 1000, power + 1
    return f"{value:.1f} {_SIZES[power]}" if 0 < value < 9.95 and power else f"{value:.0f} {_SIZES[power]}"


_BY_UNIT: Final[Mapping[Unit, Callable[[float], str]]] = {
    "ms": latency,
    "share": share,
    "count": count,
    "usd": usd,
}


def figure(unit: Unit, value: float | None) -> str:
    """Write a figure of `engine.farm.metrics`; a dash where there is none."""
    return NOTHING if value is None else _BY_UNIT[unit](value)
