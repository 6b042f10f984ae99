"""Says where a key belongs that stands in the wrong table, as is easy in TOML: a section goes on until the next one."""

from collections.abc import Mapping
from typing import Final

import attrs

from engine.farm.plan import model

TOP: Final = ("name", "include", "thresholds", "target", "session", "load", "caps", "retries", "keep", "scenario")
"""Keys of a plan."""

SECTIONS: Final[Mapping[str, type]] = {
    "target": model.Target,
    "load": model.Load,
    "caps": model.Caps,
    "retries": model.Retries,
    "keep": model.Keep,
}
"""Tables of a plan that are one record each."""


def keys_of(cls: type, *, needed: bool = False) -> tuple[str, ...]:
    """Name the keys that a record takes in a file; `rows` come from a data set."""
    fields = [field for field in attrs.fields(cls) if field.name not in {"rows", "from_values"}]
    return tuple(field.name for field in fields if field.default is attrs.NOTHING or not needed)


def home_of(key: str) -> str:
    """Say where a key belongs; empty where it is of no table, or of several."""
    if key in SECTIONS or key == "session":
        return f"in a section of its own, [{key}]"
    if key in {"name", "include", "thresholds"}:
        return "at the top of the file, before the first [section]"
    if key == "scenario":
        return "at the top level, as [[scenario]]"
    homes = [f"[{name}]" for name, cls in SECTIONS.items() if key in keys_of(cls)]
    homes += ["[[scenario]]"] if key in keys_of(model.Scenario) else []
    return f"under {homes[0]}" if len(homes) == 1 else ""
