"""The wire's strategies are shared: tests here build any server event with them."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "wire"))
