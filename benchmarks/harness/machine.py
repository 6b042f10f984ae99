"""What the figures were measured on and with."""

import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any, Final

from benchmarks.harness.contenders import FOLDER

NICENESS: Final = -10

_VERSIONS: Final = """
import importlib.metadata, json, platform, sys
found = {d.name: d.version for d in importlib.metadata.distributions()}
print(json.dumps({"python": platform.python_version(), **dict(sorted(found.items()))}))
"""


def cores() -> list[int]:
    """Give the cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def pinned() -> tuple[int | None, int | None]:
    """Choose the core of the clients and that of the server; none where there is one only."""
    ours = cores()
    return (ours[0], ours[-1]) if len(ours) > 1 else (None, None)


def favoured() -> int | None:
    """Let this process and its children go before others of the machine, where that is allowed; the niceness."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
    except (AttributeError, OSError):
        return None
    return NICENESS


def described() -> dict[str, Any]:
    """Describe the machine."""
    return {
        "cpu": _cpu(),
        "cores": len(cores()) or os.cpu_count(),
        "memory_gib": round(_memory_kib() / 2**20, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def commit() -> str:
    """Name the commit, with a plus where files differ from it."""
    told = _git("rev-parse", "--short=12", "HEAD")
    return (told + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")) if told else "unknown"


def versions(python: str) -> dict[str, str]:
    """List the distributions of an environment."""
    done = subprocess.run([python, "-c", _VERSIONS], stdout=subprocess.PIPE, text=True, check=False, timeout=60)
    found: dict[str, str] = json.loads(done.stdout) if done.returncode == 0 else {}
    return found


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _memory_kib() -> int:
    try:
        return int(Path("/proc/meminfo").read_text().split()[1])
    except OSError:
        return 0


def _git(*words: str) -> str:
    try:
        done = subprocess.run(
            ["git", *words], cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip()
