"""What came of a run, to be read by people: one page a run, and what changed between two."""

from engine.farm.report.comparing import compare
from engine.farm.report.comparison import Comparison
from engine.farm.report.comparison_page import comparison_lines, write_comparison
from engine.farm.report.report import write_report

__all__ = ["Comparison", "compare", "comparison_lines", "write_comparison", "write_report"]
