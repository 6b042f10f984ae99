"""The load server is the benchmarks': the same faults are measured there."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
