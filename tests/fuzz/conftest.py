"""The wire's strategies are shared: any event can be built with them."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "wire"))
