"""Whether a run may go on with a plan: what it asks callers to do must be what it asked before."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from engine.farm.codec import to_json
from engine.farm.plan.model import Plan

MAY_CHANGE: Final = frozenset({"name", "caps", "retries", "keep", "thresholds", "folder", "source"})
"""Fields of a plan that a run may go on with otherwise: they change how fast it goes and when it ends, how it is judged
and what is kept, but not what its sessions are. A run that stopped at its budget goes on with a larger one."""

_SHOWN: Final = 60


def differences(before: Plan, now: Plan) -> Iterator[tuple[str, str]]:
    """Give each field that differs, as a path and in words: `caps.sessions`, `was 100, is 200`."""
    yield from _differ("", json.loads(to_json(before)), json.loads(to_json(now)))


def _differ(path: str, before: Any, now: Any) -> Iterator[tuple[str, str]]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys((*before, *now)):
            yield from _differ(f"{path}.{key}" if path else key, before.get(key), now.get(key))
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for at, (one, other) in enumerate(zip(before, now, strict=True)):
            yield from _differ(f"{path}[{at}]", one, other)
    elif before != now:
        yield path, f"was {_shown(before)}, is {_shown(now)}"


def _shown(value: Any) -> str:
    if value is None:
        return "not given"
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def forbidden(path: str) -> bool:
    """Tell whether a difference makes another run of it."""
    return re.split(r"[.\[]", path, maxsplit=1)[0] not in MAY_CHANGE
