"""A run's tables as files that pandas, Polars and DuckDB read in one line: CSV, JSONL, Parquet."""

import codecs
import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, get_args

import orjson

from engine.audio.extras import load
from engine.errors import ConfigError, FarmError
from engine.farm.ledger.database import FILE, connected_to_read
from engine.farm.ledger.folder import require_run
from engine.farm.ledger.tables import TABLES, Table, TableOf

Format = Literal["csv", "jsonl", "parquet"]
Rows = Iterator[tuple[Any, ...]]

BATCH_ROWS: Final = 10_000
"""Rows that are held in memory at a time: a row group of Parquet."""

_TRUTH_WORDS: Final = ("false", "true")
"""As pandas, Polars and DuckDB all read truth in CSV."""

_OWNER_ONLY: Final = 0o600
"""The tables hold what people said."""


def export(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    format: Format = "csv",
    tables: Sequence[Table] = tuple(TABLES),
) -> tuple[Path, ...]:
    """Write tables of a run: a file each, `sessions.csv` and so on, also while it runs. Earlier ones are replaced.

    Args:
        folder: Of the run.
        out: Folder for the files, made where it is missing; `export` in the run's folder without.
        format: Of the files. Parquet takes the extra `parquet`.
        tables: Which of `sessions`, `turns`, `metrics`, `attempts`.

    Returns:
        The files.

    Raises:
        LedgerUnusable: The run's ledger can't be read.
        FarmError: A file can't be written.
        ConfigError: No such format or table, or the extra is missing.
    """
    _require_known(format, tables)
    write = _WRITERS[format]
    folder = Path(folder)
    require_run(folder)
    out = Path(out) if out is not None else folder / "export"
    files = []
    with connected_to_read(folder / FILE) as db:
        for name in tables:
            table = TABLES[name]
            files.append(out / f"{name}.{format}")
            _replace(files[-1], partial(write, table=table, rows=table.rows(db)))
    return tuple(files)


def _require_known(format: str, tables: Iterable[str]) -> None:
    if format not in get_args(Format):
        raise ConfigError("format", format, ", ".join(get_args(Format)))
    for name in tables:
        if name not in TABLES:
            raise ConfigError("tables", name, ", ".join(TABLES))
    if format == "parquet":
        load("pyarrow", "parquet")  # first, for this is what people install
        load("pyarrow.parquet", "parquet")


def _replace(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write a file that is there as a whole, or as it was before."""
    unfinished = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.unlink(missing_ok=True)
        try:
            unfinished.touch(_OWNER_ONLY, exist_ok=False)
            with unfinished.open("wb") as file:
                write(file)
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        where = error.filename or path
        raise FarmError(f"{where} can't be written: {reason} | make room, or give another folder") from error


class _Lines:
    """Ends lines with a newline alone.

    The writer of CSV puts quotes round what has a character of its line's end. Readers take a carriage return that has
    none for an end too, so it has to be one, while columns and shells read lines of newlines better.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = codecs.getwriter("utf-8")(file)

    def write(self, line: str) -> None:
        self._file.write(line.removesuffix("\r\n") + "\n")


def _write_csv(file: BinaryIO, table: TableOf, rows: Rows) -> None:
    truths = table.at("truth")
    writer = csv.writer(_Lines(file), lineterminator="\r\n")
    writer.writerow(table.columns)
    writer.writerows(_with(row, truths, _TRUTH_WORDS.__getitem__) for row in rows)


def _write_jsonl(file: BinaryIO, table: TableOf, rows: Rows) -> None:
    truths, documents = table.at("truth"), table.at("json")
    names = [name.removesuffix("_json") for name in table.columns]
    for row in rows:
        told = _with(_with(row, truths, bool), documents, orjson.Fragment)
        file.write(orjson.dumps(dict(zip(names, told, strict=True)), option=orjson.OPT_APPEND_NEWLINE))


def _with(row: Sequence[Any], places: Iterable[int], change: Callable[[Any], Any]) -> Sequence[Any]:
    if not places:
        return row
    changed = list(row)
    for place in places:
        changed[place] = change(changed[place])
    return changed


def _write_parquet(file: BinaryIO, table: TableOf, rows: Rows) -> None:
    arrow, parquet = load("pyarrow", "parquet"), load("pyarrow.parquet", "parquet")
    stored = {"integer": arrow.int64(), "truth": arrow.int64(), "real": arrow.float64()}
    shown = {**stored, "truth": arrow.bool_()}
    kinds = table.columns.values()
    schema = arrow.schema([(name, shown.get(kind, arrow.string())) for name, kind in table.columns.items()])
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while batch := list(islice(rows, BATCH_ROWS)):
            columns = zip(kinds, zip(*batch, strict=True), strict=True)
            arrays = [arrow.array(column, stored.get(kind, arrow.string())) for kind, column in columns]
            writer.write_table(arrow.Table.from_arrays(arrays, names=list(table.columns)).cast(schema))


_WRITERS: Final[Mapping[Format, Callable[..., None]]] = {
    "csv": _write_csv,
    "jsonl": _write_jsonl,
    "parquet": _write_parquet,
}
