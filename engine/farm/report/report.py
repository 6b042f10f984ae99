"""Writes a run's report: one HTML file that needs nothing beside it."""

from pathlib import Path
from typing import Final

EMBEDDED_AUDIO_BYTES: Final = 24 * 2**20
"""Audio files of so many bytes together lie in the page; the page links to the others beside it."""


def write_report(
    folder: str | Path, *, out: str | Path | None = None, embedded_audio_bytes: int = EMBEDDED_AUDIO_BYTES
) -> Path:
    """Write the report of a run. Blocks: call it in a thread.

    Args:
        folder: Of the run; its ledger may still be written.
        out: Where to write; `report.html` in the run's folder without one.
        embedded_audio_bytes: Most audio in the page itself: that of sessions that did not pass comes first.

    Returns:
        Path of the page.

    Raises:
        LedgerUnusable: There is no run in the folder, or its ledger can't be read, or the page can't be written.
        ConfigError: A library of the extra `farm` is not installed.
    """
    raise NotImplementedError
