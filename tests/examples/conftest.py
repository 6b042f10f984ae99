"""Lets the tests import the examples that are folders: each runs from its own."""

import sys
from pathlib import Path

for folder in ("browser", "telephone_leg"):
    sys.path.insert(0, str(Path(__file__).parents[2] / "docs" / "examples" / folder))
