"""Lets the tests of the page drive the browser that the examples' tests drive."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
