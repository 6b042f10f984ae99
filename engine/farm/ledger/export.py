"""A run's tables as files that pandas, Polars and DuckDB read in one line: CSV, JSONL, Parquet."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

Format = Literal["csv", "jsonl", "parquet"]
Table = Literal["sessions", "turns", "metrics", "attempts"]
TABLES: Final[tuple[Table, ...]] = ("sessions", "turns", "metrics", "attempts")


def export(
    folder: str | Path, out: str | Path | None = None, *, format: Format = "csv", tables: Sequence[Table] = TABLES
) -> tuple[Path, ...]:
    """Write tables of a run: a file each, `sessions.csv` and so on, also while it runs.

    Args:
        folder: Of the run.
        out: Folder for the files; `export` in the run's folder without.
        format: Of the files. Parquet takes the extra `parquet`.
        tables: Which.

    Returns:
        The files.

    Raises:
        LedgerUnusable: The run's ledger can't be read.
        ConfigError: No such format or table, or the extra is missing.
    """
    raise NotImplementedError
