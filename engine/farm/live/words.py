"""Figures in words, as the report writes them too, and what only a run that goes on needs."""

from typing import Final

from engine.farm.report.formatting import bytes_text as size
from engine.farm.report.formatting import count_text as count
from engine.farm.report.formatting import ms_text as latency
from engine.farm.report.formatting import share_text as share
from engine.farm.report.formatting import usd_text as usd
from engine.farm.report.formatting import value_text

NOTHING: Final = value_text(None, "ms")
"""Stands where there is no figure."""

__all__ = ["NOTHING", "count", "duration", "latency", "rate", "share", "size", "usd", "value_text"]


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


def rate(per_s: float) -> str:
    """Write a rate: `8.2/s`, `120/s`."""
    return f"{per_s:.1f}/s" if per_s < 99.95 else f"{per_s:,.0f}/s"
