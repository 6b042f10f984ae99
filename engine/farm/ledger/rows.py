"""Results as rows of the ledger's tables, and back."""

import sqlite3
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, Final

import attrs

from engine.farm.codec import from_json, to_json
from engine.farm.job import KeptFile, Result, Span, ToolUse, TurnResult, Verdict

INTEGER_MAX: Final = 2**63 - 1
"""Largest number that a column holds."""

_ELSEWHERE: Final = frozenset({"attempt_id", "scenario", "worker", "turns"})
"""Fields of a result that stand in other tables."""

_RESULT_JSON: Final[Mapping[str, Any]] = {
    "files": tuple[KeptFile, ...],
    "notes": tuple[str, ...],
    "verdicts": tuple[Verdict, ...],
    "spans": tuple[Span, ...],
}
_TURN_JSON: Final[Mapping[str, Any]] = {"tools": tuple[ToolUse, ...]}

_RESULT_FIELDS: Final = tuple(
    field.name for field in attrs.fields(Result) if field.name not in _ELSEWHERE and field.name not in _RESULT_JSON
)
_TURN_FIELDS: Final = tuple(field.name for field in attrs.fields(TurnResult) if field.name not in _TURN_JSON)


def _insert(table: str, columns: Iterable[str]) -> str:
    names = tuple(columns)
    marks = ", ".join("?" * len(names))
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 - names of our own classes


INSERT_RESULT: Final = _insert("result", (*_RESULT_FIELDS, *(f"{name}_json" for name in _RESULT_JSON), "files_bytes"))
INSERT_TURN: Final = _insert("turn", ("job", "attempt", *_TURN_FIELDS, *(f"{name}_json" for name in _TURN_JSON)))


def _json(value: object) -> str:
    return "[]" if value == () else to_json(value).decode()


def _raw(result: Result) -> tuple[tuple[Any, ...], list[tuple[Any, ...]]]:
    row = (
        *(getattr(result, name) for name in _RESULT_FIELDS),
        *(_json(getattr(result, name)) for name in _RESULT_JSON),
        sum(file.size_bytes for file in result.files),
    )
    turns = [
        (
            result.job,
            result.attempt,
            *(getattr(turn, name) for name in _TURN_FIELDS),
            *(_json(getattr(turn, name)) for name in _TURN_JSON),
        )
        for turn in result.turns
    ]
    return row, turns


def _fits(value: Any) -> bool:
    if isinstance(value, str):
        # SQLite takes UTF-8 alone, and half a surrogate pair has none.
        return value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)
    if isinstance(value, float):
        return isfinite(value)
    return not isinstance(value, int) or -INTEGER_MAX <= value <= INTEGER_MAX


def _has_times(result: Result) -> bool:
    """Tell whether all times in its JSON are numbers; of what is none, JSON makes null, which is no time."""
    tools = [use for turn in result.turns for use in turn.tools]
    times = [*(span.at_ms + span.until_ms for span in result.spans), *(use.at_ms for use in tools)]
    return isfinite(sum(times) + sum(use.duration_ms or 0.0 for use in tools))


def made_to_fit(value: Any) -> Any:
    """Give a value as SQLite and JSON can hold it.

    Half surrogates become `?`, integers no larger than 64 bits, and floats that are no number not known or 0.
    """
    if isinstance(value, str | int | float):
        return _scalar(value)
    if isinstance(value, tuple | list):
        return type(value)(made_to_fit(each) for each in value)
    if isinstance(value, Mapping):
        return {made_to_fit(key): made_to_fit(each) for key, each in value.items()}
    if attrs.has(type(value)):
        return attrs.evolve(value, **{field.name: _field(value, field) for field in attrs.fields(type(value))})
    return value


def _scalar(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, float):
        return value if isfinite(value) else 0.0
    return value if isinstance(value, bool) else max(-INTEGER_MAX, min(value, INTEGER_MAX))


def _field(record: Any, field: "attrs.Attribute[Any]") -> Any:
    value = getattr(record, field.name)
    unknown = isinstance(value, float) and not isfinite(value) and field.default is None
    return None if unknown else made_to_fit(value)


def rows_of(result: Result) -> tuple[tuple[Any, ...], list[tuple[Any, ...]]]:
    """Give a result's row for `INSERT_RESULT` and its turns' for `INSERT_TURN`."""
    try:
        row, turns = _raw(result)
    except (TypeError, ValueError):  # what a service or a tool said is no text, or no number, that JSON knows
        return _raw(made_to_fit(result))
    if _has_times(result) and all(map(_fits, row)) and all(_fits(value) for turn in turns for value in turn):
        return row, turns
    return _raw(made_to_fit(result))


def turn_of(row: sqlite3.Row) -> TurnResult:
    """Read a turn's row."""
    fields = {name: row[name] for name in _TURN_FIELDS}
    fields["interrupted"] = bool(row["interrupted"])
    return TurnResult(**fields, **_read_json(row, _TURN_JSON))


def result_of(row: sqlite3.Row, turns: Iterable[TurnResult]) -> Result:
    """Read a result's row, which has its job's `scenario` and its attempt's `attempt_id` and `worker` too."""
    fields = {name: row[name] for name in (*_RESULT_FIELDS, "attempt_id", "scenario", "worker")}
    return Result(**fields, **_read_json(row, _RESULT_JSON), turns=tuple(turns))


def _read_json(row: sqlite3.Row, kinds: Mapping[str, Any]) -> dict[str, Any]:
    texts = {name: row[f"{name}_json"] for name in kinds}
    return {name: () if text == "[]" else from_json(text, kinds[name]) for name, text in texts.items()}
