"""What changed between two runs beyond noise."""

from pathlib import Path

import attrs


@attrs.frozen(kw_only=True)
class Comparison:
    """Two runs side by side."""


def compare(folder_a: str | Path, folder_b: str | Path) -> Comparison:
    """Read two runs and say what changed. Blocks: call it in a thread.

    Raises:
        LedgerUnusable: One of them can't be read.
    """
    raise NotImplementedError


def comparison_lines(comparison: Comparison) -> list[str]:
    """Tell it as plain lines for a terminal."""
    raise NotImplementedError


def write_comparison(comparison: Comparison, out: str | Path) -> Path:
    """Write it as one HTML page.

    Raises:
        LedgerUnusable: The page can't be written there.
    """
    raise NotImplementedError
