"""Reads how long a server wants to be left alone: an HTTP answer's `Retry-After`, in both forms and in milliseconds."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

RETRY_AFTER_MAX_S: Final = 86_400.0
"""The longest wait that a server can tell: a day, as long as an outage may last (`Reconnect.total_s`)."""

_NUMBER: Final = re.compile(r"\d{1,20}(\.\d{0,20})?")

Headers = Iterable[tuple[bytes, bytes]]


def retry_after_s(headers: Headers) -> float | None:
    """Give the wait that an answer asks for, in seconds: 0 to `RETRY_AFTER_MAX_S`; None when it asks for none.

    Args:
        headers: Names and values as they came; what can't be read counts as not said.
    """
    said = {name.lower(): value.decode("latin-1").strip() for name, value in reversed([*headers])}
    told = (read(said) for read in _FORMS)
    wait_s = next((wait for wait in told if wait is not None), None)
    return None if wait_s is None else min(max(wait_s, 0.0), RETRY_AFTER_MAX_S)


def _milliseconds(said: Mapping[bytes, str]) -> float | None:
    """OpenAI's HTTP APIs send it beside the standard's header, which has whole seconds."""
    value = said.get(b"retry-after-ms", "")
    return float(value) / 1000 if _NUMBER.fullmatch(value) else None


def _seconds(said: Mapping[bytes, str]) -> float | None:
    value = said.get(b"retry-after", "")
    return float(value) if _NUMBER.fullmatch(value) else None


def _date(said: Mapping[bytes, str]) -> float | None:
    """Measure it by the answer's own `Date`, where it has one: the clock of this machine may be wrong."""
    until = _when(said.get(b"retry-after", ""))
    if until is None:
        return None
    return (until - (_when(said.get(b"date", "")) or datetime.now(UTC))).total_seconds()


def _when(value: str) -> datetime | None:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - 15 ms that only a refusal costs

    try:
        when = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)


_FORMS: Final[tuple[Callable[[Mapping[bytes, str]], float | None], ...]] = (_milliseconds, _seconds, _date)
