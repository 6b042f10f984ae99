"""Reads data sets: a folder of sound files, a CSV, or a file of JSON lines, as rows whose columns fill `{name}`."""

import csv
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any, Final

import attrs
import orjson

from engine.errors import ConfigError
from engine.farm.plan.checks import JOBS_MAX
from engine.farm.plan.model import SOUND_SUFFIXES, Plan, Scenario, Values
from engine.farm.plan.wording import plural

DATA_MAX_BYTES: Final = 256 * 2**20
"""Largest data file. Its rows stay in memory, with the coordinator and with each worker."""

KINDS: Final = "a folder of sound files, or a file that ends in .csv, .jsonl or .ndjson"


def read_rows(path: str | Path, folder: str | Path = ".") -> tuple[Values, ...]:
    """Read a data set.

    A folder gives a row for each sound file below it, in the order of their names: `file` (from `folder` on), `name`
    (without folder and suffix), and `text`, where a file of the same name that ends in `.txt` says what is spoken.
    A CSV's first line names its columns, and all its values are text; of JSON lines, each is an object.

    Args:
        path: Of the data set.
        folder: That `path`, and the paths in `file`, start from.

    Raises:
        ConfigError: It is not there, can't be read, or is empty; the message names the line.
    """
    given = Path(folder) / path
    if given.is_dir():
        rows = tuple(_sounds(given, Path(folder)))
        return rows or _empty(given, f"no file that ends in {', '.join(SOUND_SUFFIXES)}")
    read = _READERS.get(given.suffix.lower())
    if read is None or not given.is_file():
        why = "is not there" if read is not None or not given.exists() else "is of no kind that is known"
        raise _wrong(given, None, f"the data set {why}", KINDS)
    rows = _bounded(given, read(given))
    return rows or _empty(given, "no row")


def with_rows(plan: Plan) -> Plan:
    """Read the data sets of scenarios that name one.

    Raises:
        ConfigError: One can't be read.
    """
    scenarios = tuple(_filled(scenario, index, plan.folder) for index, scenario in enumerate(plan.scenarios))
    return attrs.evolve(plan, scenarios=scenarios)


def _filled(scenario: Scenario, index: int, folder: str) -> Scenario:
    if scenario.data is None or scenario.rows != ({},):
        return scenario
    try:
        return attrs.evolve(scenario, rows=read_rows(scenario.data, folder))
    except ConfigError as error:
        inner = error.field.removeprefix("scenario.") if error.field.startswith("scenario.") else "data"
        field = f"scenarios[{index}].{inner}"
        message = str(error).replace(f"{error.field}=", f"{field}=", 1)
        raise ConfigError(field, scenario.data, error.allowed, message=message) from error


def _sounds(given: Path, folder: Path) -> Iterator[Values]:
    for sound in sorted(given.rglob("*")):
        if sound.suffix.lower() not in SOUND_SUFFIXES or not sound.is_file() or sound.name.startswith("."):
            continue
        row = {"file": _writable(_from(sound, folder)), "name": sound.stem}
        spoken = sound.with_suffix(".txt")
        if spoken.is_file():
            row["text"] = " ".join(_text(spoken).split())
        yield row


def _from(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def _writable(name: str) -> str:
    """Refuse a name of bytes that are no text: nothing that is told of it could be written."""
    shown = name.encode("utf-8", "replace").decode()
    if shown != name:
        raise _wrong(Path(shown), None, "the name is no UTF-8 (? stands for what is none)", "a name in UTF-8")
    return name


def _comma_separated(path: Path) -> Iterator[Values]:
    text = _text(path)
    try:
        reader = csv.reader(StringIO(text), strict=True)  # `splitlines` parts at U+2028 and others too.
        names = next((row for row in reader if any(cell.strip() for cell in row)), [])
        _check_names(path, reader.line_num, names)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(names):
                words = f"{plural(len(cells), 'value')}, where the first line names {plural(len(names), 'column')}"
                raise _wrong(path, reader.line_num, words, "a value for each; texts with commas in double quotes")
            yield dict(zip(names, cells, strict=True))
    except csv.Error as error:
        raise _wrong(path, reader.line_num, *_no_csv(str(error))) from error


def _no_csv(why: str) -> tuple[str, str]:
    if "field limit" in why:
        return f"a value is longer than {csv.field_size_limit():,} characters", "shorter values, or a .jsonl file"
    return f"no CSV: {why}", "values between commas, texts in double quotes"


def _check_names(path: Path, line: int, names: list[str]) -> None:
    names[:] = [name.strip() for name in names]
    if len(names) == 1 and (parted := next((mark for mark in _OTHER_MARKS if mark in names[0]), None)):
        words = f"one column, {names[0]!r}, with {_OTHER_MARKS[parted]} in its name"
        raise _wrong(path, line, words, "columns with commas between them")
    for index, name in enumerate(names):
        if not name or "{" in name or "}" in name or name in names[:index]:
            why = "has no name" if not name else f"{name!r} is there twice" if name in names[:index] else "has braces"
            raise _wrong(path, line, f"column {index + 1} {why}", "a first line that names each column once")


_OTHER_MARKS: Final[Mapping[str, str]] = {";": "semicolons", "\t": "tabs"}
"""What programs write in place of the comma of a CSV, and what it is called."""


def _json_lines(path: Path) -> Iterator[Values]:
    for number, line in enumerate(_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            why = f"no JSON: {error.msg} (character {error.pos + 1})"
            raise _wrong(path, number, why, "one JSON object a line") from error
        if not isinstance(row, dict):
            raise _wrong(path, number, f"a {type(row).__name__}", 'one JSON object a line, as {"file": "a.wav"}')
        yield row


_READERS: Final[Mapping[str, Any]] = {".csv": _comma_separated, ".jsonl": _json_lines, ".ndjson": _json_lines}


def _bounded(path: Path, rows: Iterator[Values]) -> tuple[Values, ...]:
    if path.stat().st_size > DATA_MAX_BYTES:
        raise _wrong(path, None, f"larger than DATA_MAX_BYTES ({DATA_MAX_BYTES} bytes)", "several plans of a part each")
    read = tuple(rows)
    if len(read) > JOBS_MAX:
        raise _wrong(path, None, f"{len(read)} rows, more than JOBS_MAX ({JOBS_MAX})", "several plans of a part each")
    return read


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise _wrong(path, None, f"can't be read ({error.strerror})", "a file that can be read") from error
    except UnicodeDecodeError as error:
        raise _wrong(path, None, f"no UTF-8 text (byte {error.start})", "text in UTF-8") from error


def _empty(path: Path, what: str) -> tuple[Values, ...]:
    raise _wrong(path, None, f"the data set is empty: {what}", "at least one row")


def _wrong(path: Path, line: int | None, why: str, allowed: str) -> ConfigError:
    where = f"{path}:{line}" if line else str(path)
    return ConfigError("data", str(path), allowed, message=f"{where}: {why}; allowed: {allowed}")
